"""Random queries: FROM, grouping, windows, set operations, WITH, subqueries."""
from diff_expression import Column, Expressions, Scope
from diff_tree import Node, items, opt, seq, x
from diff_types import ARRAYS, CATEGORY, CLEAN, INTEGERS, SCALARS, literal

LIMIT_TYPES = CLEAN
OUTPUT_TYPES = SCALARS + ("int4", "int8", "text", "numeric", "bool", "text[]", "int4[]", "numeric[]")


class Table:
    def __init__(self, name, columns, key):
        self.name, self.columns, self.key = name, columns, key  # (name, type, small); names of the key
        self.rows = 0
        self.unique = []   # Lists of names.
        self.big = False


class Statement:
    """What is asked, and how its answers are to be compared."""
    __slots__ = ("tree", "order", "loose", "safe", "features", "changes", "kind")

    def __init__(self, tree, features, order=None, loose=False, safe=True, changes=False, kind="query"):
        self.tree, self.order, self.loose, self.safe = tree, order, loose, safe
        self.features, self.changes, self.kind = features, changes, kind

    def __str__(self):
        return str(self.tree)


class Queries(Expressions):
    def __init__(self, rng, signatures):
        super().__init__(rng, signatures)
        self.tables = []
        self.aliases = 0
        self.withs = []     # Tables that WITH defines.

    def alias(self):
        self.aliases += 1
        return f"t{self.aliases}"

    # ---- FROM ----

    def from_table(self, table=None):
        table = table or self.rng.choice(self.tables + self.withs)
        name = self.alias()
        columns = [Column(f"{name}.{c}", t, small, c in table.key) for c, t, small in table.columns]
        identity = [f"{name}.{k}" for k in table.key] or None
        return seq(f"{table.name} {name}"), columns, identity, table.big

    def from_values(self):
        self.feature("VALUES")
        rng, name = self.rng, self.alias()
        types = ["int4"] + [rng.choice(SCALARS) for _ in range(rng.randint(1, 2))]
        rows = [seq("(", str(n), ", ", ", ".join(literal(rng, t) for t in types[1:]), ")") for n in range(rng.randint(1, 4))]
        names = [f"v{n}" for n in range(len(types))]
        columns = [Column(f"{name}.{c}", t, True, n == 0) for n, (c, t) in enumerate(zip(names, types))]
        return (seq("(VALUES ", items(rows), f") {name}({', '.join(names)})"), columns, [f"{name}.v0"], False)

    def from_subquery(self, depth, outer=None):
        self.feature("subquery in FROM")
        name = self.alias()
        types = [self.rng.choice(OUTPUT_TYPES) for _ in range(self.rng.randint(1, 3))]
        query = self.select(types, depth - 1, outer)
        names = [f"c{n}" for n in range(len(types))]
        return (seq("(", query, f") {name}({', '.join(names)})"),
                [Column(f"{name}.{c}", t) for c, t in zip(names, types)], None, False)

    def from_function(self, outer=None):
        rng, name = self.rng, self.alias()
        way = rng.choice(("series", "unnest", "dates", "json", "ordinality"))
        scope = Scope([], outer)
        scope.subqueries = False
        self.feature("function in FROM")
        if way == "series":
            low = rng.randint(-2, 3)
            return (seq(f"generate_series({low}, {low + rng.randint(0, 6)}) {name}(n)"),
                    [Column(f"{name}.n", "int4", True, True)], [f"{name}.n"], False)
        if way == "dates":
            return (seq(f"generate_series('2024-01-01'::timestamp, '2024-01-0{rng.randint(1, 9)}'::timestamp, "
                        f"'1 day'::interval) {name}(d)"), [Column(f"{name}.d", "timestamp", True, True)], [f"{name}.d"], False)
        if way == "json":
            return (seq("jsonb_array_elements('[1, {\"a\": 2}, null, \"x\", [3]]'::jsonb) WITH ORDINALITY ", f"{name}(j, n)"),
                    [Column(f"{name}.j", "jsonb"), Column(f"{name}.n", "int8", True, True)], [f"{name}.n"], False)
        type = rng.choice(ARRAYS)
        array = self.leaf(type, scope) if outer is not None else x(type, literal(rng, type))
        return (seq("unnest(", array, f") WITH ORDINALITY {name}(e, n)"),
                [Column(f"{name}.e", type[:-2]), Column(f"{name}.n", "int8", True, True)], [f"{name}.n"], False)

    def from_item(self, depth, lateral=None):
        way = self.rng.random()
        if way < 0.68 or depth <= 0:
            return self.from_table()
        if way < 0.76:
            return self.from_values()
        if way < 0.88:
            if lateral is not None and self.chance(0.4):
                self.feature("LATERAL")
                tree, *rest = self.from_subquery(depth, lateral)
                return (seq("LATERAL ", tree), *rest)
            return self.from_subquery(depth)
        return self.from_function(lateral if self.chance(0.5) else None)

    def join_condition(self, left, right, kind):
        """Equality of two columns most times; what FULL JOIN can do always."""
        rng = self.rng
        pairs = [(a, b) for a in left for b in right if a.type == b.type and a.type in CLEAN]
        if pairs and (self.chance(0.8) or kind == "FULL JOIN"):
            keys = [p for p in pairs if p[0].key or p[1].key]
            a, b = rng.choice(keys if keys and self.chance(0.6) else pairs)
            parts = [x("bool", f"{a.text} = {b.text}")]
            if kind != "FULL JOIN" and self.chance(0.25):
                scope = Scope(left + right)
                scope.subqueries = False
                parts.append(self.expression("bool", scope, 1))
            return items(parts, glue=" AND "), True
        if kind == "FULL JOIN":
            return None, False
        scope = Scope(left + right)
        scope.subqueries = False
        return self.comparison(scope, 1), False

    def from_clause(self, depth, outer=None):
        """The tree, the columns, and what tells its rows apart (None: nothing)."""
        rng = self.rng
        tree, columns, identity, big = self.from_item(depth, outer)
        parts = [tree]
        count = rng.choice((0, 0, 0, 1, 1, 2)) if depth > 0 else rng.choice((0, 0, 1))
        identity = list(identity) if identity else None
        for _ in range(count):
            kind = rng.choice(("JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN", ", "))
            lateral = Scope(columns, outer) if kind in ("JOIN", "LEFT JOIN", "CROSS JOIN") else None
            item, more, key, is_big = self.from_item(depth, lateral)
            if kind in ("CROSS JOIN", ", "):
                if big or is_big or (kind == ", " and len(parts) > 1):
                    kind = "JOIN"
                else:
                    parts.append(opt(f" {kind} " if kind != ", " else ", ", item))
            if kind not in ("CROSS JOIN", ", "):
                if (big or is_big) and not (any(c.key for c in columns) and any(c.key for c in more)):
                    continue
                columns_of, more_of = columns, more
                if big or is_big:
                    # Thousands of rows meet by their keys only.
                    columns_of, more_of = [c for c in columns if c.key], [c for c in more if c.key]
                condition, equal = self.join_condition(columns_of, more_of, kind)
                if condition is None or ((big or is_big) and not equal):
                    continue
                parts.append(opt(f" {kind} ", item, " ON ", condition))
            self.feature("comma join" if kind == ", " else kind.lower() if kind != "JOIN" else "inner join")
            columns = columns + more
            big = big or is_big
            identity = identity + list(key) if identity and key else None
        return seq(*parts), columns, identity, big

    # ---- SELECT ----

    def select(self, types, depth, outer=None, clean=False):
        """SELECT ... with columns of the types, in no order."""
        way = self.rng.random()
        if depth > 0 and way < 0.10:
            return self.set_operation(types, depth, outer)
        if way < 0.32:
            return self.grouped(types, depth, outer)
        if way < 0.42 and outer is None:
            return self.windowed(types, depth)
        return self.plain(types, depth, outer)

    def outputs(self, types, scope, depth):
        return [self.typed(t, scope, depth) for t in types]

    def where(self, columns, outer, depth):
        if not self.chance(0.55):
            return ""
        self.feature("WHERE")
        saved, self.safe = self.safe, True
        made = opt(" WHERE ", self.expression("bool", Scope(columns, outer), depth))
        self.safe = saved
        return made

    def plain(self, types, depth, outer):
        tree, columns, _, _ = self.from_clause(depth, outer)
        where = self.where(columns, outer, depth)
        distinct = ""
        if self.chance(0.08) and all(t in CLEAN for t in types):
            self.feature("DISTINCT")
            distinct = "DISTINCT "
        out = self.outputs(types, Scope(columns, outer), depth)
        return seq("SELECT ", distinct, Node("seq", out, glue=", "), " FROM ", tree, where)

    def windowed(self, types, depth):
        tree, columns, identity, _ = self.from_clause(min(depth, 1))
        where = self.where(columns, None, 1)
        scope = Scope(columns)
        scope.windows = identity or []
        scope.subqueries = False
        out = self.outputs(types, scope, min(depth, 2))
        return seq("SELECT ", Node("seq", out, glue=", "), " FROM ", tree, where)

    def group_keys(self, columns):
        rng = self.rng
        clean = [c for c in columns if c.type in CLEAN]
        keys = []
        for column in rng.sample(clean, min(len(clean), rng.choice((0, 1, 1, 2)))):
            if column.type in ("int4", "int8", "int2") and column.small and self.chance(0.3):
                keys.append(Column(f"({column.text} % {rng.randint(2, 5)})", column.type))
            elif column.type == "text" and self.chance(0.2):
                keys.append(Column(f"lower({column.text})", "text"))
            elif column.type == "timestamp" and self.chance(0.3):
                keys.append(Column(f"date_trunc('month', {column.text})", "timestamp"))
            else:
                keys.append(column)
        return keys

    def grouped(self, types, depth, outer):
        rng = self.rng
        tree, columns, _, _ = self.from_clause(depth, outer)
        where = self.where(columns, outer, min(depth, 1))
        keys = self.group_keys(columns)
        scope = Scope(keys, outer)
        scope.inner = columns
        scope.subqueries = False
        out = self.outputs(types, scope, min(depth, 2))
        tail = ""
        if keys:
            self.feature("GROUP BY")
            texts = [k.text for k in keys]
            way = rng.random()
            if way < 0.7:
                tail = seq(" GROUP BY ", ", ".join(texts))
            elif way < 0.8:
                tail = seq(f" GROUP BY ROLLUP ({', '.join(texts)})")
            elif way < 0.9:
                tail = seq(f" GROUP BY CUBE ({', '.join(texts)})")
            else:
                tail = seq(f" GROUP BY GROUPING SETS (({', '.join(texts)}), ({texts[0]}), ())")
            if way >= 0.7:
                self.feature("grouping sets")
        having = ""
        if self.chance(0.2):
            self.feature("HAVING")
            saved, self.safe = self.safe, True
            having = opt(" HAVING ", self.expression("bool", scope, 1))
            self.safe = saved
        if not keys and not having and not any(self.reads_aggregate(o) for o in out):
            having = ""
        return seq("SELECT ", Node("seq", out, glue=", "), " FROM ", tree, where, tail, having)

    @staticmethod
    def reads_aggregate(tree):
        return "(" in str(tree)

    def set_operation(self, types, depth, outer):
        rng = self.rng
        operator = rng.choice(("UNION ALL", "UNION ALL", "UNION", "INTERSECT", "EXCEPT", "INTERSECT ALL", "EXCEPT ALL"))
        if operator != "UNION ALL" and not all(t in CLEAN for t in types):
            operator = "UNION ALL"
        self.feature(operator.lower())
        left = self.select(types, depth - 1, outer)
        other = list(types)
        if self.chance(0.15) and operator == "UNION ALL":
            wider = {"int2": "int4", "int4": "int8", "int8": "numeric", "date": "timestamp", "varchar": "text"}
            other = [wider.get(t, t) for t in types]
            self.feature("set operation of two types")
            # The result's type is the wider one; the caller wants the narrower.
            casts = ", ".join(f"u{n}::{t}" for n, t in enumerate(types))
            names = ", ".join(f"u{n}" for n in range(len(types)))
            right = self.select(other, depth - 1, outer)
            return seq(f"SELECT {casts} FROM ((", left, f") {operator} (", right, f")) {self.alias()}({names})")
        right = self.select(other, depth - 1, outer)
        return seq("(", left, f") {operator} (", right, ")")

    # ---- subqueries ----

    def scalar_subquery(self, type, scope, depth):
        self.feature("scalar subquery")
        inner = Scope(scope.columns, scope.outer)
        saved, self.safe = self.safe, True
        tree, columns, _, _ = self.from_clause(0, inner if self.chance(0.1) else None)
        where = self.where(columns, inner, 1)
        grouped = Scope([], inner)
        grouped.inner = columns
        grouped.subqueries = False
        made = self.aggregate(type, grouped, 0)
        self.safe = saved
        if made is None:
            return self.leaf(type, scope)
        return x(type, "(SELECT ", made, " FROM ", tree, where, ")")

    def array_subquery(self, type, scope, depth):
        self.feature("ARRAY subquery")
        of = type[:-2]
        saved, self.safe = self.safe, True
        tree, columns, _, _ = self.from_clause(0)
        value = self.leaf(of, Scope(columns))
        where = self.where(columns, Scope(scope.columns, scope.outer), 1)
        self.safe = saved
        if of not in CLEAN:
            return self.constant(type)
        return x(type, "ARRAY(SELECT ", value, f"::{of}", " FROM ", tree, where, " ORDER BY 1)")

    def subquery_condition(self, scope, depth):
        rng = self.rng
        inner = Scope(scope.columns, scope.outer)
        saved, self.safe = self.safe, True
        if self.chance(0.5):
            self.feature("EXISTS")
            tree, columns, _, _ = self.from_clause(0)
            where = self.where(columns, inner, 1)
            made = x("bool", rng.choice(("(EXISTS (", "(NOT EXISTS (")), "SELECT 1 FROM ", tree, where, "))")
        else:
            self.feature("IN subquery")
            type = rng.choice(("int4", "text", "date", "int8", "numeric", "bool"))
            tree, columns, _, _ = self.from_clause(0)
            where = self.where(columns, inner, 1)
            way = rng.choice((" IN ", " NOT IN ", " = ANY ", " <> ALL ", " < ANY ", " >= ALL "))
            made = x("bool", "(", self.typed(type, scope, 0), f"{way}(SELECT ", x(type, self.leaf(type, Scope(columns)), f"::{type}"),
                     " FROM ", tree, where, "))")
        self.safe = saved
        return made

    # ---- whole queries ----

    def recursive(self):
        rng = self.rng
        self.feature("WITH RECURSIVE")
        top = rng.randint(1, 12)
        way = rng.randint(0, 3)
        all_ = rng.choice(("UNION ALL", "UNION"))
        if way == 0:
            return (f"RECURSIVE w0(n, s) AS (SELECT {rng.randint(0, 2)}, 'x'::text {all_} SELECT n + 1, s || n::text FROM w0 "
                    f"WHERE n < {top})", Table("w0", [("n", "int4", True), ("s", "text", True)], ["n"]))
        if way == 1:
            return (f"RECURSIVE w0(a, b) AS (VALUES (0::int8, 1::int8) UNION ALL SELECT b, a + b FROM w0 WHERE b < {top * 10})",
                    Table("w0", [("a", "int8", True), ("b", "int8", True)], ["b"]))
        table = rng.choice(self.tables)
        number = [c for c, t, small in table.columns if t == "int4" and small]
        if way == 2 and number and not table.big:
            c = rng.choice(number)
            return (f"RECURSIVE w0(n, d) AS (SELECT {c}, 0 FROM {table.name} WHERE {c} < 3 UNION SELECT w0.n + 1, d + 1 FROM w0 "
                    f"WHERE w0.n + 1 IN (SELECT {c} FROM {table.name}) AND d < 5)",
                    Table("w0", [("n", "int4", True), ("d", "int4", True)], []))
        return (f"RECURSIVE w0(n) AS (SELECT 1::int8 {all_} SELECT (n * 3 + 1) % {top + 5} FROM w0 WHERE n <> 0 AND n < 40 LIMIT 20)"
                if all_ == "UNION" else f"RECURSIVE w0(n) AS (SELECT 1::int8 UNION ALL SELECT n + 2 FROM w0 WHERE n < {top})",
                Table("w0", [("n", "int8", True)], ["n"]))

    def with_clause(self):
        """WITH, and the tables that it defines; they are read until self.withs is emptied."""
        rng = self.rng
        parts = []
        if self.chance(0.3):
            text, table = self.recursive()
            parts.append(text)
            self.withs.append(table)
        while len(parts) < rng.randint(1, 2):
            self.feature("WITH")
            name = f"w{len(parts) + 1}"
            types = [rng.choice(OUTPUT_TYPES) for _ in range(rng.randint(1, 3))]
            query = self.select(types, 1)
            names = [f"x{n}" for n in range(len(types))]
            how = rng.choice(("", "", " MATERIALIZED", " NOT MATERIALIZED"))
            parts.append(seq(f"{name}({', '.join(names)}) AS{how} (", query, ")"))
            self.withs.append(Table(name, [(c, t, False) for c, t in zip(names, types)], []))
        return seq("WITH ", Node("seq", parts, glue=", "), " ")

    def query(self):
        """One query with its order."""
        rng = self.rng
        self.aliases, self.withs, self.features, self.loose = 0, [], set(), False
        if self.chance(0.22):
            return self.scalars()
        self.safe = self.chance(0.85)
        depth = rng.choice((1, 2, 2, 3))
        head = self.with_clause() if self.chance(0.15) else ""
        types = [rng.choice(OUTPUT_TYPES) for _ in range(rng.randint(1, 4))]
        body = self.select(types, depth)
        order, tail = None, ""
        if self.chance(0.45):
            tail, order = self.order_by(types)
        return Statement(seq(head, body, tail), self.features, order, self.loose, self.safe)

    def order_by(self, types):
        rng = self.rng
        self.feature("ORDER BY")
        numbers = list(range(len(types)))
        rng.shuffle(numbers)
        limited = self.chance(0.35) and all(t in LIMIT_TYPES for t in types) and not self.loose
        if not limited:
            numbers = numbers[:rng.randint(1, len(numbers))]
        texts = [f"{n + 1}" + rng.choice(("", "", " DESC", " ASC", " NULLS FIRST", " DESC NULLS LAST", " NULLS LAST"))
                 for n in numbers]
        tail = " ORDER BY " + ", ".join(texts)
        parts = [tail]
        if limited:
            self.feature("LIMIT")
            way = rng.random()
            if way < 0.7:
                parts.append(opt(f" LIMIT {rng.randint(0, 8)}"))
            elif way < 0.8:
                parts.append(opt(f" FETCH FIRST {rng.randint(1, 4)} ROWS ONLY"))
            else:
                parts.append(opt(" LIMIT ALL"))
            if self.chance(0.4):
                parts[-1] = seq(f" OFFSET {rng.randint(0, 4)}", parts[-1]) if way >= 0.7 and way < 0.8 else \
                    seq(parts[-1], opt(f" OFFSET {rng.randint(0, 4)}"))
        return seq(*parts), numbers

    def scalars(self):
        """SELECT of expressions over nothing: what may fail fails alone."""
        rng = self.rng
        self.feature("no FROM")
        self.safe = False
        scope = Scope([])
        scope.subqueries = False
        types = [rng.choice(SCALARS + ARRAYS) for _ in range(rng.choice((1, 1, 2)))]
        out = [self.expression(t, scope, rng.randint(1, 2)) for t in types]
        return Statement(seq("SELECT ", items(out)), self.features, safe=False)

    def distinct_on(self):
        rng = self.rng
        self.aliases, self.withs, self.features, self.loose, self.safe = 0, [], set(), False, True
        tree, columns, identity, _ = self.from_clause(1)
        clean = [c for c in columns if c.type in CLEAN]
        if identity is None or not clean:
            return self.query()
        self.feature("DISTINCT ON")
        key = rng.choice(clean)
        others = rng.sample(clean, min(2, len(clean)))
        where = self.where(columns, None, 1)
        rest = ", ".join(identity)
        return Statement(seq(f"SELECT DISTINCT ON ({key.text}) {key.text}, ", ", ".join(c.text for c in others), " FROM ", tree, where,
                             f" ORDER BY {key.text}{rng.choice(('', ' DESC'))}, {rest}"), self.features, [0])

    def star(self):
        """SELECT * and names of columns."""
        self.aliases, self.withs, self.features, self.loose, self.safe = 0, [], set(), False, True
        self.feature("SELECT *")
        if self.chance(0.3) and len(self.tables) > 1:
            a, b = self.rng.sample(self.tables, 2)
            common = {(c, t) for c, t, _ in a.columns} & {(c, t) for c, t, _ in b.columns if t in CLEAN}
            if common and not (a.big and b.big):
                self.feature("USING")
                name = self.rng.choice(sorted(common))[0]
                kind = self.rng.choice(("JOIN", "LEFT JOIN", "FULL JOIN", "RIGHT JOIN"))
                return Statement(seq(f"SELECT * FROM {a.name} {kind} {b.name} USING ({name})"), self.features)
        tree, columns, _, _ = self.from_clause(1)
        return Statement(seq("SELECT * FROM ", tree, self.where(columns, None, 2)), self.features)
