"""Random expressions of a wanted type over the columns that can be seen."""
from diff_signatures import choices
from diff_tree import items, opt, seq, x
from diff_types import (ARRAYS, CATEGORY, CLEAN, INTEGERS, NUMBERS, SCALARS, SMALL, TIMES, element, literal,
                        quote)

CASTS = {
    "int2": ["int4", "int8", "numeric", "float8", "float4"], "int4": ["int2", "int8", "numeric", "bool", "float8"],
    "int8": ["int4", "int2", "numeric", "float8"], "numeric": ["int4", "int8", "float8", "int2", "float4"],
    "float4": ["int4", "float8", "numeric", "int2"], "float8": ["int4", "numeric", "float4", "int8"],
    "text": list(SCALARS) + list(ARRAYS), "varchar": ["text", "int4", "date"], "bool": ["int4"],
    "date": ["timestamp", "timestamptz"], "time": ["timestamp", "interval"],
    "timestamp": ["date", "timestamptz"], "timestamptz": ["timestamp", "date"], "interval": ["time"],
    "jsonb": [], "int4[]": ["int8[]", "numeric[]"], "text[]": ["int4[]", "date[]"], "int8[]": ["int4[]"],
    "float8[]": ["int4[]", "numeric[]"], "numeric[]": ["int4[]"],
}

# Casts that lose range: they fail for edge values.
WIDENING = {("int2", "int4"), ("int2", "int8"), ("int4", "int8"), ("int2", "numeric"), ("int4", "numeric"),
            ("int8", "numeric"), ("int2", "float8"), ("int4", "float8"), ("int8", "float8"), ("float4", "float8"),
            ("int4", "bool"), ("date", "timestamp"), ("timestamp", "date")}


class Column:
    """Something an expression can be made of: a column, or a key of GROUP BY."""
    __slots__ = ("text", "type", "small", "key")

    def __init__(self, text, type, small=False, key=False):
        self.text, self.type, self.small, self.key = text, type, small, key


class Scope:
    def __init__(self, columns, outer=None):
        self.columns, self.outer = columns, outer
        self.inner = None      # Columns that aggregates may read.
        self.windows = None    # What makes an order total, where windows may stand.
        self.subqueries = True


class Expressions:
    """The part of the generator that makes expressions; Queries and Changes build on it."""

    def __init__(self, rng, signatures):
        self.rng = rng
        self.features = set()
        self.safe = True
        self.loose = False      # Sums of floats: the order of rows shows in the last digits.
        self.by_result = {True: {}, False: {}}
        for s in signatures:
            for safe in (True, False):
                if s.safe or not safe:
                    names = self.by_result[safe].setdefault(s.result, {})
                    names.setdefault((s.name, s.is_operator), []).append(s)
        self.sorted_names = {safe: {t: sorted(names) for t, names in table.items()}
                             for safe, table in self.by_result.items()}

    def chance(self, p):
        return self.rng.random() < p

    def feature(self, *names):
        self.features.update(names)

    # ---- leaves ----

    def constant(self, type, typed=None):
        if typed is None:
            typed = type not in ("text",) or self.chance(0.3)
        return x(type, literal(self.rng, type, edge=not self.safe, typed=typed))

    def leaf(self, type, scope, small=False):
        found = [c for c in scope.columns if c.type == type and (c.small or not small)]
        if not found and scope.outer is not None and self.chance(0.8):
            found = [c for c in scope.outer.columns if c.type == type and (c.small or not small)]
            if found:
                self.feature("correlated")
        elif scope.outer is not None and self.chance(0.25):
            outer = [c for c in scope.outer.columns if c.type == type and (c.small or not small)]
            if outer:
                found = outer
                self.feature("correlated")
        if found and self.chance(0.85):
            return x(type, self.rng.choice(found).text)
        if not found and type not in ("bool",) and self.chance(0.3):
            other = [c for c in scope.columns if (c.type, type) in WIDENING]
            if other:
                return x(type, self.rng.choice(other).text, f"::{type}")
        saved, self.safe = self.safe, self.safe or small
        out = self.constant(type)
        self.safe = saved
        return out

    # ---- expressions ----

    def expression(self, type, scope, depth):
        if scope.inner is not None and self.chance(0.45):
            made = self.aggregate(type, scope, depth - 1)
            if made is not None:
                return made
        if scope.windows is not None and self.chance(0.4):
            made = self.window(type, scope)
            if made is not None:
                return made
        if depth <= 0 or self.chance(0.15):
            return self.leaf(type, scope)
        way = self.rng.random()
        if way < 0.46:
            return self.call(type, scope, depth)
        if way < 0.56:
            return self.arithmetic(type, scope, depth)
        if way < 0.64:
            return self.case(type, scope, depth)
        if way < 0.70:
            return self.conditional(type, scope, depth)
        if way < 0.78:
            return self.cast(type, scope, depth)
        if way < 0.84 and scope.subqueries and depth > 1:
            return self.scalar_subquery(type, scope, depth)
        if type == "bool":
            return self.condition(scope, depth)
        if type.endswith("[]") and way < 0.93:
            return self.array(type, scope, depth)
        if way < 0.89:
            made = self.special(type, scope, depth)
            if made is not None:
                return made
        return self.leaf(type, scope)

    def call(self, type, scope, depth):
        names = self.sorted_names[self.safe].get(type)
        if not names:
            return self.leaf(type, scope)
        signature = self.rng.choice(self.by_result[self.safe][type][self.rng.choice(names)])
        self.feature("operator" if signature.is_operator else "function")
        args = []
        for number, arg in enumerate(signature.args):
            fixed = choices(signature, number)
            if fixed is not None and (self.safe or self.chance(0.9)):
                args.append(x(arg, quote(self.rng.choice(fixed)) + (f"::{arg}" if arg not in ("text", "jsonpath")
                                                                   else "")))
            elif not self.safe and self.chance(0.1):
                args.append(self.constant(arg, typed=False))
            else:
                args.append(self.expression(arg, scope, depth - 1))
        return x(type, *signature.call(args))

    def arithmetic(self, type, scope, depth):
        """Operators that overflow, on values that do not let them."""
        if type not in NUMBERS:
            return self.time_arithmetic(type, scope)
        self.feature("arithmetic")
        left, right = self.leaf(type, scope, small=True), self.leaf(type, scope, small=True)
        operator = self.rng.choice("+-*/%" if type not in ("float4", "float8") else "+-*/")
        if operator in "/%":
            zero = "0" if type != "text" else "''"
            return x(type, "(", left, f" {operator} ", x(type, "nullif(", right, f", {zero}::{type})"), ")")
        return x(type, "(", left, f" {operator} ", right, ")")

    def time_arithmetic(self, type, scope):
        rng = self.rng
        def short():
            return quote(rng.choice(SMALL["interval"])) + "::interval"
        if type in ("timestamp", "timestamptz", "date", "interval"):
            self.feature("time arithmetic")
        if type in ("timestamp", "timestamptz"):
            return x(type, "(", self.leaf(type, scope, small=True), rng.choice((" + ", " - ")), short(), ")")
        if type == "date":
            return x(type, "(", self.leaf(type, scope, small=True), rng.choice((" + ", " - ")), str(rng.randint(0, 400)), ")")
        if type == "interval":
            of = rng.choice(("timestamp", "timestamptz", "time"))
            return x(type, "(", self.leaf(of, scope, small=True), " - ", self.leaf(of, scope, small=True), ")")
        if type == "text":
            return x(type, "(", self.leaf("text", scope), " || ", self.leaf(rng.choice(("text", "int4", "date", "bool")),
                                                                          scope), ")")
        return self.leaf(type, scope)

    def case(self, type, scope, depth):
        self.feature("CASE")
        rng = self.rng
        if self.chance(0.3):
            of = rng.choice(("int4", "text", "bool", "date"))
            whens = [seq(" WHEN ", self.leaf(of, scope), " THEN ", self.expression(type, scope, depth - 1))
                     for _ in range(rng.randint(1, 2))]
            head = seq("CASE ", self.expression(of, scope, depth - 1))
        else:
            whens = [seq(" WHEN ", self.expression("bool", scope, depth - 1), " THEN ",
                         self.expression(type, scope, depth - 1)) for _ in range(rng.randint(1, 3))]
            head = "CASE"
        tail = [opt(" ELSE ", self.expression(type, scope, depth - 1))] if self.chance(0.7) else []
        return x(type, head, items(whens, glue=""), *tail, " END")

    def conditional(self, type, scope, depth):
        rng = self.rng
        name = rng.choice(("coalesce", "nullif", "greatest", "least"))
        if name in ("greatest", "least", "nullif") and type not in CLEAN:
            name = "coalesce"
        self.feature(name.upper() if name == "coalesce" else name)
        count = 2 if name == "nullif" else rng.randint(2, 3)
        args = [self.expression(type, scope, depth - 1) for _ in range(count)]
        return x(type, f"{name}(", items(args, least=2 if name == "nullif" else 1), ")")

    def cast(self, type, scope, depth):
        sources = CASTS.get(type, [])
        if self.safe:
            sources = [s for s in sources if (s, type) in WIDENING or type == "text"]
        if not self.safe and self.chance(0.3) and type in SMALL:
            self.feature("cast of text")
            return x(type, "(", self.expression("text", scope, 0), f")::{type}")
        if not sources:
            return self.leaf(type, scope)
        self.feature("cast")
        source = self.rng.choice(sources)
        inner = self.expression(source, scope, depth - 1)
        return x(type, "CAST(", inner, f" AS {type})") if self.chance(0.3) else x(type, "(", inner, f")::{type}")

    def array(self, type, scope, depth):
        self.feature("array")
        of = element(type)
        if self.chance(0.25) and scope.subqueries and depth > 1:
            return self.array_subquery(type, scope, depth)
        return x(type, "ARRAY[", items([self.expression(of, scope, depth - 1)
                                        for _ in range(self.rng.randint(1, 3))]), f"]::{type}")

    def special(self, type, scope, depth):
        """What has a syntax of its own."""
        rng = self.rng
        if type + "[]" in ARRAYS and self.chance(0.5):
            self.feature("subscript")
            return x(type, "(", self.expression(type + "[]", scope, depth - 1), ")[",
                     self.leaf("int4", scope, small=True), "]")
        if type in ARRAYS and self.chance(0.5):
            self.feature("slice")
            return x(type, "(", self.expression(type, scope, depth - 1), f")[{rng.randint(-1, 2)}:{rng.randint(0, 4)}]")
        if type == "numeric":
            of = rng.choice(("date", "timestamp", "timestamptz", "interval", "time"))
            field = rng.choice(("hour", "minute", "second", "epoch") if of == "time" else
                               ("year", "month", "day", "epoch") if of == "interval" else
                               ("year", "month", "day", "dow", "doy", "epoch", "quarter", "week", "isoyear", "century"))
            self.feature("extract")
            return x(type, f"extract({field} FROM ", self.expression(of, scope, depth - 1), ")")
        if type == "text":
            way = rng.choice(("trim", "substring", "overlay", "at", "json"))
            self.feature(f"{way} syntax" if way != "json" else "json access")
            text = self.expression("text", scope, depth - 1)
            if way == "trim":
                return x(type, f"trim({rng.choice(('both', 'leading', 'trailing'))} ", rng.choice(("' '", "'a'", "'abf'")),
                         " FROM ", text, ")")
            if way == "substring":
                return x(type, "substring(", text, f" FROM {rng.randint(-1, 4)} FOR {rng.randint(0, 5)})")
            if way == "overlay":
                return x(type, "overlay(", text, f" PLACING 'zz' FROM {rng.randint(1, 4)})")
            if way == "json":
                return x(type, "(", self.expression("jsonb", scope, depth - 1), rng.choice((" ->> 'a'", " ->> 'b'", " ->> 0",
                                                                                      " #>> '{a,b}'", " ->> -1")), ")")
            return x(type, "(", self.leaf("timestamptz", scope), " AT TIME ZONE 'UTC')::text")
        if type == "int4":
            self.feature("position")
            return x(type, "position(", self.leaf("text", scope), " IN ", self.leaf("text", scope), ")")
        if type == "timestamp":
            return x(type, "(", self.expression("timestamptz", scope, depth - 1), " AT TIME ZONE 'UTC')")
        if type == "jsonb":
            self.feature("json building")
            way = rng.choice(("jsonb_build_object", "jsonb_build_array", "to_jsonb", "->"))
            if way == "->":
                return x(type, "(", self.expression(type, scope, depth - 1), rng.choice((" -> 'a'", " -> 0", " -> -1", " #> '{a,b}'")),
                         ")")
            of = [rng.choice(("int4", "text", "numeric", "bool", "date", "jsonb", "timestamp", "int4[]")) for _ in range(2)]
            if way == "to_jsonb":
                return x(type, "to_jsonb(", self.typed(of[0], scope, depth - 1), ")")
            if way == "jsonb_build_array":
                return x(type, "jsonb_build_array(", items([self.typed(t, scope, depth - 1) for t in of], least=0), ")")
            return x(type, "jsonb_build_object('k', ", self.typed(of[0], scope, depth - 1), ", 'a', ",
                     self.typed(of[1], scope, depth - 1), ")")
        return None

    def typed(self, type, scope, depth):
        """An expression whose type shows where nothing else says it."""
        made = self.expression(type, scope, depth)
        return x(type, made, "::text") if type == "text" else made

    # ---- conditions ----

    def condition(self, scope, depth):
        rng = self.rng
        way = rng.random()
        if way < 0.3:
            return self.comparison(scope, depth)
        if way < 0.42:
            self.feature("AND OR NOT")
            glue = rng.choice((" AND ", " OR "))
            parts = [self.expression("bool", scope, depth - 1) for _ in range(rng.randint(2, 3))]
            made = x("bool", "(", items(parts, glue=glue), ")")
            return x("bool", "(NOT ", made, ")") if self.chance(0.2) else made
        if way < 0.5:
            type = rng.choice(SCALARS)
            self.feature("IS NULL")
            return x("bool", "(", self.typed(type, scope, depth - 1), rng.choice((" IS NULL", " IS NOT NULL")), ")")
        if way < 0.56:
            self.feature("IS TRUE")
            return x("bool", "(", self.expression("bool", scope, depth - 1),
                     rng.choice((" IS TRUE", " IS NOT TRUE", " IS FALSE", " IS UNKNOWN", " IS NOT UNKNOWN")), ")")
        if way < 0.64:
            type = rng.choice(CLEAN)
            self.feature("IS DISTINCT FROM")
            return x("bool", "(", self.typed(type, scope, depth - 1), rng.choice((" IS DISTINCT FROM ", " IS NOT DISTINCT FROM ")),
                     self.typed(type, scope, depth - 1), ")")
        if way < 0.72:
            type = rng.choice(NUMBERS + TIMES + ("text",))
            self.feature("BETWEEN")
            return x("bool", "(", self.typed(type, scope, depth - 1), rng.choice((" BETWEEN ", " NOT BETWEEN ", " BETWEEN SYMMETRIC ")),
                     self.leaf(type, scope), " AND ", self.leaf(type, scope), ")")
        if way < 0.82:
            type = rng.choice(("int4", "int8", "numeric", "text", "date", "int2", "uuid", "varchar"))
            self.feature("IN list")
            return x("bool", "(", self.expression(type, scope, depth - 1), rng.choice((" IN (", " NOT IN (")),
                     items([self.leaf(type, scope) for _ in range(rng.randint(1, 5))]), "))")
        if way < 0.88:
            type = rng.choice(("int4[]", "text[]", "numeric[]"))
            self.feature("ANY array")
            operator = rng.choice(("=", "<>", "<", ">="))
            return x("bool", "(", self.expression(element(type), scope, depth - 1),
                     f" {operator} {rng.choice(('ANY', 'ALL'))} (", self.expression(type, scope, depth - 1), "))")
        if scope.subqueries and depth > 0:
            return self.subquery_condition(scope, depth)
        return self.comparison(scope, depth)

    def comparison(self, scope, depth):
        rng = self.rng
        type = rng.choice(SCALARS + ("int4", "int4", "text", "int4[]", "text[]"))
        other = type
        if type in NUMBERS and self.chance(0.3):
            other = rng.choice(NUMBERS)
        if type in ("date", "timestamp", "timestamptz") and self.chance(0.3):
            other = rng.choice(("date", "timestamp", "timestamptz"))
        self.feature("comparison")
        if self.chance(0.06):
            self.feature("row comparison")
            return x("bool", "((", self.typed(type, scope, 0), ", ", self.leaf("int4", scope), ")",
                     rng.choice((" = ", " < ", " >= ", " <> ")), "(", self.typed(other, scope, 0), ", ",
                     self.leaf("int4", scope), "))")
        return x("bool", "(", self.typed(type, scope, depth - 1), f" {rng.choice(('=', '<>', '<', '<=', '>', '>=', '!='))} ",
                 self.expression(other, scope, depth - 1), ")")

    # ---- aggregates ----

    def aggregate(self, type, scope, depth):
        """An aggregate that gives `type` and whose answer does not depend on the order of rows."""
        rng = self.rng
        inner = Scope(scope.inner, scope.outer)
        inner.subqueries = False
        depth = min(depth, 1)
        ways = []
        if type == "int8":
            ways += ["count", "count*", "sum int4", "sum int2"]
        if type == "numeric":
            ways += ["sum int8", "sum numeric", "avg int4", "avg numeric", "stat", "avg int2", "avg int8"]
        if type == "float8":
            ways += ["fsum", "percentile", "regr"]
        if type == "bool":
            ways += ["bool_and", "bool_or", "every"]
        if type in INTEGERS:
            ways += ["bit_and", "bit_or", "bit_xor"]
        if type == "interval":
            ways += ["sum interval"]
        if type == "text":
            ways += ["string_agg"]
        if type == "jsonb":
            ways += ["jsonb_agg", "jsonb_object_agg"]
        if type.endswith("[]"):
            ways += ["array_agg"]
        if type in CLEAN and type not in ("bool", "bytea", "uuid", "jsonb", "bool[]") and "[]" not in type:
            ways += ["min", "max", "mode", "percentile_disc"]
        if not ways:
            return None
        way = rng.choice(ways)
        self.feature("aggregate")
        distinct = "DISTINCT " if self.chance(0.2) else ""
        if distinct:
            self.feature("aggregate DISTINCT")
        made = self.aggregate_call(way, type, inner, depth, distinct)
        if self.chance(0.2):
            self.feature("FILTER")
            made += [opt(" FILTER (WHERE ", self.expression("bool", inner, depth), ")")]
        return x(type, *made)

    def small_sum(self, type, scope, depth):
        if type in ("float8", "float4", "numeric") or self.chance(0.5):
            return self.leaf(type, scope, small=True)
        return self.expression(type, scope, depth) if type == "int2" or type == "int4" else self.leaf(type, scope)

    def aggregate_call(self, way, type, inner, depth, distinct):
        rng = self.rng
        if way == "count*":
            return ["count(*)"]
        if way == "count":
            return ["count(", distinct, self.typed(rng.choice(CLEAN), inner, depth), ")"]
        if way.startswith(("sum ", "avg ")):
            name, of = way.split()
            return [f"{name}(", distinct if of != "numeric" else "", self.small_sum(of, inner, depth), ")"]
        if way == "stat":
            return [rng.choice(("stddev", "variance", "var_pop", "stddev_samp")), "(", distinct,
                    self.leaf(rng.choice(("int4", "int2")), inner, small=True), ")"]
        if way == "fsum":
            self.loose = True
            return [rng.choice(("sum", "avg", "stddev", "var_pop")), "(", self.leaf("float8", inner, small=True), ")"]
        if way == "percentile":
            self.feature("WITHIN GROUP")
            return ["percentile_cont(", rng.choice(("0.5", "0", "1", "0.25")), ") WITHIN GROUP (ORDER BY ",
                    self.leaf("float8", inner, small=True), ")"]
        if way == "percentile_disc":
            self.feature("WITHIN GROUP")
            return ["percentile_disc(", rng.choice(("0.5", "0", "1", "0.9")), ") WITHIN GROUP (ORDER BY ",
                    self.typed(type, inner, depth), rng.choice(("", " DESC")), ")"]
        if way == "mode":
            self.feature("WITHIN GROUP")
            return ["mode() WITHIN GROUP (ORDER BY ", self.typed(type, inner, depth), ")"]
        if way == "regr":
            self.loose = True
            return [rng.choice(("corr", "covar_pop", "regr_slope", "regr_sxx", "regr_avgy")), "(",
                    self.leaf("float8", inner, small=True), ", ", self.leaf("float8", inner, small=True), ")"]
        if way in ("string_agg", "array_agg", "jsonb_agg"):
            of = "text" if way == "string_agg" else element(type) if way == "array_agg" else rng.choice(CLEAN)
            if of not in CLEAN:
                of_scope = self.leaf(of, inner)
                return ["array_agg(", of_scope, " ORDER BY ", of_scope, "::text)"]
            value = self.leaf(of, inner) if of != "text" else x("text", self.leaf(of, inner), "::text")
            self.feature("aggregate ORDER BY")
            tail = ", ','" if way == "string_agg" else ""
            return [f"{way}(", distinct, value, tail, " ORDER BY ", value,
                    rng.choice(("", " DESC", " NULLS FIRST", " DESC NULLS LAST")), ")"]
        if way == "jsonb_object_agg":
            value = self.leaf("int4", inner)
            key = self.leaf("int8", inner)
            return ["jsonb_object_agg(coalesce(", key, ", 0), ", value, " ORDER BY ", value, ")"]
        return [f"{way}(", distinct, self.typed(type, inner, depth), ")"]

    # ---- windows ----

    def window(self, type, scope):
        rng = self.rng
        plain = Scope(scope.columns, scope.outer)
        plain.subqueries = False
        over, total, framed = self.over(plain, scope.windows)
        ways = []
        if type == "int8":
            ways += ["rank", "dense_rank", "count", "sum int4", "count*"]
            if total:
                ways += ["row_number"]
        if type == "int4":
            ways += ["ntile"] if total else []
        if type == "float8":
            ways += ["percent_rank", "cume_dist"]
        if type == "numeric":
            ways += ["sum int8", "avg int4", "sum numeric"]
        if type in CLEAN:
            if type not in ("bool", "bytea", "uuid") and "[]" not in type:
                ways += ["min", "max"]
            if total:
                ways += ["lag", "lead", "first_value", "last_value", "nth_value"]
        if type == "text" and total:
            ways += ["string_agg"]
        if not ways:
            return None
        way = rng.choice(ways)
        self.feature("window", f"window {way.split()[0]}")
        leaf = self.leaf(type, plain) if type != "text" else x("text", self.leaf(type, plain), "::text")
        call = {
            "count*": ["count(*)"], "rank": ["rank()"], "dense_rank": ["dense_rank()"], "row_number": ["row_number()"],
            "percent_rank": ["percent_rank()"], "cume_dist": ["cume_dist()"], "ntile": [f"ntile({rng.randint(1, 5)})"],
            "count": ["count(", self.leaf("int4", plain), ")"], "string_agg": ["string_agg(", leaf, ", ',')"],
            "nth_value": ["nth_value(", leaf, f", {rng.randint(1, 3)})"],
        }.get(way)
        if call is None and " " in way:
            name, of = way.split()
            call = [f"{name}(", self.leaf(of, plain, small=True), ")"]
        if call is None and way in ("lag", "lead"):
            more = rng.choice(("", ", 2", ", -1", ", 0"))
            call = [f"{way}(", leaf, more, ")"]
        if call is None:
            call = [f"{way}(", leaf, ")"]
        if self.chance(0.15) and way in ("count*", "count", "min", "max", "string_agg") or way.startswith(("sum", "avg")) \
                and self.chance(0.15):
            call += [opt(" FILTER (WHERE ", self.expression("bool", plain, 1), ")")]
        return x(type, *call, " OVER ", over)

    def over(self, scope, identity):
        """The window; whether its order has no ties; whether it has a frame."""
        rng = self.rng
        parts = []
        if self.chance(0.5):
            keys = [c.text for c in scope.columns if c.type in CLEAN]
            if keys:
                parts.append(opt("PARTITION BY ", items([rng.choice(keys) for _ in range(rng.randint(1, 2))])))
        total = False
        single = None
        if self.chance(0.85):
            keys = [c for c in scope.columns if c.type in CLEAN and not c.text.isdigit()]
            order = []
            for _ in range(rng.randint(0, 2)):
                if keys:
                    order.append(rng.choice(keys))
            texts = [c.text + rng.choice(("", " DESC", " NULLS FIRST", " DESC NULLS LAST")) for c in order]
            if identity and self.chance(0.7):
                total = True
                texts += identity
            elif len(order) == 1:
                single = order[0]
            if texts:
                # All or nothing: less than all of it would have ties.
                parts.append(seq(" ORDER BY ", ", ".join(texts)))
            else:
                total = False
        has_order = any(str(p).startswith(" ORDER") for p in parts)
        frame = ""
        if self.chance(0.5):
            frame = self.frame(total, has_order, single)
            if frame:
                self.feature("frame " + frame.split()[0])
        exclude = " EXCLUDE " in frame
        return seq("(", *parts, opt(" ", frame) if frame else "", ")"), total, exclude

    def frame(self, total, has_order, single):
        rng = self.rng
        def bound(offset, start):
            ways = ["UNBOUNDED PRECEDING", "CURRENT ROW"] if start else ["CURRENT ROW", "UNBOUNDED FOLLOWING"]
            if offset:
                ways += [f"{offset} PRECEDING", f"{offset} FOLLOWING"]
            return rng.choice(ways)
        mode = "ROWS" if total else "RANGE"
        offset = str(rng.randint(0, 3))
        if has_order and self.chance(0.4):
            mode = rng.choice(("GROUPS", "RANGE"))
        if mode == "RANGE":
            offset = None
            if single is not None and single.small and single.type in ("int4", "int8", "int2"):
                offset = str(rng.randint(0, 10))
            if single is not None and single.type in ("date", "timestamp") and single.small:
                offset = rng.choice(("'10 days'::interval", "'1 mon'::interval"))
        text = f"{mode} BETWEEN {bound(offset, True)} AND {bound(offset, False)}"
        if self.chance(0.3) and (total or mode != "ROWS"):
            text += rng.choice((" EXCLUDE CURRENT ROW" if total else " EXCLUDE GROUP", " EXCLUDE GROUP",
                                " EXCLUDE TIES" if total else " EXCLUDE GROUP", " EXCLUDE NO OTHERS"))
        return text
