"""Whether two answers are the same, and the differences that are meant."""
import math
import re
from decimal import Decimal, InvalidOperation

from diff_types import NUMBERS

FLOATS = ("float4", "float8")


class Difference:
    """One answer unlike the other: of a kind, with what to show of it."""
    __slots__ = ("kind", "detail")

    def __init__(self, kind, detail=""):
        self.kind, self.detail = kind, detail


def show(answer, count=6):
    if answer.error:
        extra = "".join(f" {k}={answer.error[k]}" for k in ("P", "H") if k in answer.error)
        return f"{answer.state} {answer.error.get('M')}{extra}"
    head = " | ".join(f"{n} {t}" for n, t in zip(answer.names or (), answer.types or ()))
    rows = answer.values()
    lines = [" | ".join("NULL" if v is None else v for v in row) for row in rows[:count]]
    return "\n      ".join([f"{answer.tag} {head}", *lines] + ([f"... {len(rows)} rows"] if len(rows) > count else []))


def number(text):
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def close_numeric(left, right):
    """PostgreSQL's exp(), ln() and power() of numerics may be wrong in the last digit."""
    if left == right:
        return True
    a, b = (number(left), number(right)) if left and right else (None, None)
    if not isinstance(a, Decimal) or not isinstance(b, Decimal) or not a.is_finite() or not b.is_finite():
        return False
    return abs(a - b) <= max(abs(a), abs(b)) * Decimal("1e-14")


def close(left, right, type):
    """Equal but for the last digits of floats, in any way that an order of summing explains."""
    if left == right:
        return True
    if left is None or right is None:
        return False
    if type in FLOATS:
        a, b = float(left), float(right)
        if math.isnan(a) or math.isnan(b):
            return math.isnan(a) and math.isnan(b)
        return math.isclose(a, b, rel_tol=1e-6 if type == "float4" else 1e-9, abs_tol=1e-9)
    return False


def same_rows(left, right, types, loose):
    if len(left) != len(right):
        return False
    if left == right:
        return True
    if not loose:
        return False
    if all(all(close(a, b, t) for a, b, t in zip(x, y, types)) for x, y in zip(left, right)):
        return True
    # Sorted as texts, floats may have fallen into another order: sort by the other columns.
    def rough(row):
        return tuple("" if v is None else f"{float(v):.5g}" if t in FLOATS else v for v, t in zip(row, types))
    left, right = sorted(left, key=rough), sorted(right, key=rough)
    return all(all(close(a, b, t) for a, b, t in zip(x, y, types)) for x, y in zip(left, right))


def ordering_key(row, order, types):
    """What ORDER BY sees of a row: equal values look equal."""
    out = []
    for n in order:
        value, type = row[n], types[n]
        if type in NUMBERS and value is not None:
            value = number(value) if type == "numeric" else float(value)
            value = "NaN" if value != value else value
        elif type in ("interval", "jsonb", "numeric[]", "float8[]"):
            break  # Equal ones may look different, and what follows is then in any order.
        out.append(value)
    return tuple(out)


def sort_key(row):
    return tuple((v is not None, v or "") for v in row)


def compare(theirs, ours, statement):
    """None, or a Difference; `theirs` is PostgreSQL's answer."""
    if theirs.error or ours.error:
        if theirs.state == ours.state:
            return None
        return Difference(f"state {theirs.state}/{ours.state}")
    if theirs.names != ours.names:
        return Difference("names")
    # Texts of every kind are one type here: docs/testing.md.
    if [t.replace("varchar", "text") for t in theirs.types or ()] != [t.replace("varchar", "text") for t in ours.types or ()]:
        return Difference(f"types {theirs.types}/{ours.types}" if statement.kind != "wrong" else "types")
    if theirs.raw != ours.raw:
        left, right = theirs.values(), ours.values()
        if len(left) != len(right):
            return Difference("row count")
        if not same_rows(sorted(left, key=sort_key), sorted(right, key=sort_key), ours.types, statement.loose):
            return Difference("rows")
        order = statement.order
        if order and not statement.loose:
            a = [ordering_key(r, order, ours.types) for r in left]
            b = [ordering_key(r, order, ours.types) for r in right]
            if a != b:
                return Difference("order")
    if theirs.tag != ours.tag:
        return Difference("tag")
    return None


# ---- differences that are meant; docs/testing.md lists them with their reasons ----

def is_data_error(answer):
    """An error that depends on values, or none."""
    if answer.error is None or answer.state.startswith("22") or answer.state in ("21000", "54000"):
        return True
    return answer.state == "0A000" and (
        answer.error["M"].startswith(("cannot convert", "timestamps cannot be"))
        or "not supported for type interval" in answer.error["M"])


def allowed(difference, theirs, ours, statement):
    """The name of the rule that explains a difference, or None."""
    sql = str(statement)
    a, b = theirs.state, ours.state
    if "57014" in (a, b):
        return "over four seconds here or there"
    if a == "0A000" and "FULL JOIN is only supported" in theirs.error["M"]:
        return "FULL JOIN on any condition"
    if a == "42725" and "unknown" in theirs.error["M"]:
        return "a function or operator of fewer types is not ambiguous"
    if difference.kind == "rows" and re.search(r"\b(exp|ln|log|log10|power|pow)\(| \^ ", sql):
        pairs = zip(sorted(theirs.values(), key=sort_key), sorted(ours.values(), key=sort_key))
        if all(a == b or close_numeric(a, b) for x, y in pairs for a, b in zip(x, y)):
            return "the last digit of exp(), ln() or power() of a numeric"
    if b == "0A000" and ours.error["M"].startswith("NaN in numeric("):
        return "no NaN in numeric(p,s)"
    if b == "22008" and ours.error["M"] == "interval out of range":
        return "an interval's overflow is noticed"
    if b == "22008" and "age(" in sql and "infinity" in sql:
        return "age() of infinity is an error"
    if difference.kind.startswith("state "):
        # Which rows and expressions are computed before an error is noticed is left to the planner.
        free = " FROM " in sql or sql.startswith(("MERGE", "UPDATE", "DELETE")) or "DO UPDATE" in sql
        if a.startswith("23") and b.startswith("23"):
            return "which of several broken constraints"
        free = free or "CASE" in sql or "coalesce" in sql  # Constants are computed, or not, beforehand.
        if free and is_data_error(theirs) and is_data_error(ours):
            return "which error, where the order of evaluation is free"
        if theirs.error and ours.error and is_data_error(theirs) and is_data_error(ours) and len(re.findall(r"[(:]", sql)) > 3:
            return "which of several errors"
    return None
