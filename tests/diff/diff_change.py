"""Random schemas, changes, transactions and statements that are wrong."""
from diff_expression import Column, Scope
from diff_query import Queries, Statement, Table
from diff_tree import Node, items, opt, seq, x
from diff_types import CLEAN, INTEGERS, SCALARS, TYPES, literal, value_text, quote

COLUMN_TYPES = ["int4"] * 5 + ["text"] * 3 + ["int8", "numeric", "numeric(10,2)", "float8", "bool", "date", "timestamp",
                                             "timestamptz", "interval", "jsonb", "int2", "float4", "varchar(20)",
                                             "uuid", "time", "bytea", "int4[]", "text[]", "numeric[]"]
NAMES = ["a", "b", "c", "d", "e", "f", "g"]


def plain(type):
    """numeric(10,2) -> numeric"""
    return type.split("(")[0]


class Changes(Queries):
    """Everything that the tester says; one object a case."""

    big_rows = (2000, 3000)  # Of a table with many.
    big_share = 0.12         # How many tables have so many.

    def __init__(self, rng, signatures):
        super().__init__(rng, signatures)
        self.in_transaction = False
        self.savepoints = 0

    def say(self, *parts, kind="change", order=None):
        return Statement(seq(*parts), self.features, order, self.loose, self.safe, changes=True, kind=kind)

    def fresh(self):
        self.aliases, self.withs, self.features, self.loose, self.safe = 0, [], set(), False, True

    # ---- schemas ----

    def table(self, number):
        rng = self.rng
        name = f"r{number}"
        columns = [("id", rng.choice(("int4", "int4", "int8", "text", "int2")), True)]
        count = rng.randint(2, 6)
        for n in range(count):
            columns.append((NAMES[n], rng.choice(COLUMN_TYPES), self.chance(0.75)))
        key = ["id"]
        lines = []
        checks = []
        self.fresh()
        for c, t, small in columns:
            line = f"{c} {t}"
            if c == "id" and self.chance(0.8):
                line += " PRIMARY KEY"
            elif c == "id":
                line += " UNIQUE NOT NULL"
            elif self.chance(0.1):
                line += " NOT NULL"
                if self.chance(0.5):
                    line += f" DEFAULT {quote(value_text(rng, plain(t), False))}"
            elif self.chance(0.15):
                line += f" DEFAULT {quote(value_text(rng, plain(t), False))}"
                self.feature("DEFAULT")
            elif t == "int4" and self.chance(0.08):
                line += f" CHECK ({c} > -1000)"
                self.feature("CHECK")
            lines.append(line)
        made = Table(name, [(c, plain(t), small or "(" in t) for c, t, small in columns], key)
        plain_ints = [c for c, t, small in columns[1:] if t == "int4"]
        if plain_ints and self.chance(0.15):
            made.unique.append([plain_ints[0]])
            lines.append(f"UNIQUE ({plain_ints[0]})")
            self.feature("UNIQUE")
        if self.tables and self.chance(0.2):
            other = rng.choice(self.tables)
            same = [c for c, t, _ in made.columns[1:] if t == other.columns[0][1]]
            if same and other.columns[0][1] == "int4" and not other.big:
                action = rng.choice(("", " ON DELETE CASCADE", " ON DELETE SET NULL"))
                lines.append(f"FOREIGN KEY ({same[0]}) REFERENCES {other.name} (id){action}")
                self.feature("FOREIGN KEY")
        self.tables.append(made)
        self.feature("CREATE TABLE")
        return self.say(f"CREATE TABLE {name} (", ", ".join(lines), ")", kind="definition")

    def fill(self, table):
        """One or two INSERTs of many rows."""
        rng = self.rng
        self.fresh()
        self.feature("INSERT VALUES")
        rows = []
        count = rng.choice((0, 1, 3, 8, 15, 30))
        for number in range(count):
            values = []
            for c, t, small in table.columns:
                if c == "id":
                    values.append(str(number) if t != "text" else quote(f"k{number}"))
                elif self.chance(0.12):
                    values.append("NULL")
                else:
                    text = value_text(rng, t, not small)
                    values.append(quote(text) if t in ("text", "varchar") or not text.lstrip("-").isdigit() or t[0] in "dtbju"
                                  else text)
            rows.append("(" + ", ".join(values) + ")")
        if not rows:
            return []
        # One statement a row: a row that a constraint refuses takes no other with it.
        if self.chance(0.3) or table.unique:
            return [self.say(f"INSERT INTO {table.name} VALUES {r}") for r in rows]
        return [self.say(f"INSERT INTO {table.name} VALUES ", items(rows))]

    def fill_big(self, table):
        """Thousands of rows, computed alike on both sides."""
        rng = self.rng
        self.fresh()
        self.feature("INSERT SELECT", "thousands of rows")
        table.big = True
        values = []
        for c, t, small in table.columns:
            m = rng.choice((3, 7, 50, 1000))
            values.append({
                "id": "'k' || g" if t == "text" else "g",
            }.get(c) or {
                "int4": f"nullif(g % {m}, 2)", "int2": f"g % {m}", "int8": f"g * {m} % 9973", "text": f"'t' || g % {m}",
                "varchar": f"'v' || g % {m}", "numeric": f"(g % {m}) / 4.0", "float8": f"g % {m} * 0.25", "float4": f"g % {m}",
                "bool": f"g % {m} = 1", "date": f"'2024-01-01'::date + g % {m}",
                "timestamp": f"'2024-01-01'::timestamp + g % {m} * '1 hour'::interval",
                "timestamptz": f"'2024-01-01'::timestamptz + g % {m} * '1 hour'::interval",
                "interval": f"g % {m} * '1 hour'::interval", "time": f"'00:00'::time + g % {m} * '1 minute'::interval",
                "jsonb": f"jsonb_build_object('a', g % {m})", "int4[]": f"ARRAY[g % {m}, g]", "text[]": f"ARRAY['x' || g % {m}]",
                "numeric[]": f"ARRAY[g % {m}]::numeric[]", "bytea": f"decode(lpad(to_hex(g % {m}), 4, '0'), 'hex')",
                "uuid": "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid",
            }[t])
        return self.say(f"INSERT INTO {table.name} SELECT {', '.join(values)} FROM generate_series(100, {rng.randint(2000, 5000)}) g")

    def index(self):
        rng = self.rng
        self.fresh()
        self.feature("CREATE INDEX")
        table = rng.choice(self.tables)
        columns = [(c, t) for c, t, _ in table.columns if (t in CLEAN and "[]" not in t) or t in ("numeric", "float8")]
        picked = rng.sample(columns, min(len(columns), rng.randint(1, 2)))
        texts = [c + rng.choice(("", "", " DESC", " NULLS FIRST")) for c, _ in picked]
        if picked[0][1] == "text" and self.chance(0.3):
            texts[0] = f"lower({picked[0][0]})"
        using, where, include = "", "", ""
        if self.chance(0.15):
            using, texts = " USING hash", [picked[0][0]]
        elif self.chance(0.2):
            where = f" WHERE {picked[0][0]} IS NOT NULL"
        return self.say(f"CREATE INDEX ON {table.name}{using} ({', '.join(texts)}){include}{where}", kind="definition")

    # ---- changes ----

    def scope_of(self, table, name=None):
        name = name or table.name
        return Scope([Column(f"{name}.{c}", t, small, c in table.key) for c, t, small in table.columns])

    def assigned(self, table, scope):
        """SET a = ..., of columns that are in no key."""
        rng = self.rng
        taken = set(table.key) | {c for u in table.unique for c in u}
        free = [(c, t) for c, t, _ in table.columns if c not in taken]
        picked = rng.sample(free, min(len(free), rng.randint(1, 2)))
        parts = []
        for c, t in picked:
            way = rng.random()
            if way < 0.08:
                parts.append(seq(f"{c} = DEFAULT"))
            elif way < 0.3 and t == "int4":
                parts.append(seq(f"{c} = {table.name}.{c} % 1000 + 1"))
            else:
                scope.subqueries = self.chance(0.3)
                parts.append(seq(f"{c} = ", self.expression(t, scope, rng.randint(0, 2))))
        return items(parts)

    def returning(self, table, scope):
        if not self.chance(0.6):
            return ""
        self.feature("RETURNING")
        if self.chance(0.4):
            return opt(" RETURNING *")
        scope.subqueries = False
        return opt(" RETURNING ", items([self.typed(self.rng.choice(SCALARS), scope, 1) for _ in range(self.rng.randint(1, 2))]))

    def row(self, table):
        rng = self.rng
        out = []
        for c, t, small in table.columns:
            if c == "id":
                number = rng.choice((rng.randint(0, 40), rng.randint(0, 40), rng.randint(10000, 20000)))
                out.append(str(number) if t != "text" else quote(f"k{number}"))
            elif self.chance(0.05):
                out.append("DEFAULT")
            else:
                out.append(literal(rng, t, edge=not small, typed=self.chance(0.3)))
        return "(" + ", ".join(out) + ")"

    def insert(self):
        rng = self.rng
        table = rng.choice(self.tables)
        scope = self.scope_of(table)
        names = [c for c, _, _ in table.columns]
        conflict = ""
        self.feature("INSERT")
        if self.chance(0.5):
            way = rng.random()
            self.feature("ON CONFLICT")
            if way < 0.4:
                conflict = opt(" ON CONFLICT DO NOTHING")
            elif way < 0.55:
                conflict = opt(" ON CONFLICT (id) DO NOTHING")
            else:
                column = rng.choice([c for c in table.columns if c[0] != "id"])
                value = rng.choice((f"excluded.{column[0]}", f"{table.name}.{column[0]}", literal(rng, column[1])))
                where = opt(" WHERE ", self.expression("bool", scope, 1)) if self.chance(0.3) else ""
                conflict = opt(f" ON CONFLICT (id) DO UPDATE SET {column[0]} = {value}", where)
        if self.chance(0.7):
            rows = [self.row(table) for _ in range(rng.randint(1, 4))]
            body = seq("VALUES ", items(rows))
            target = f" ({', '.join(names)})" if self.chance(0.4) else ""
        else:
            self.feature("INSERT SELECT")
            types = [t for _, t, _ in table.columns[1:]]
            source, columns, identity, _ = self.from_table(rng.choice([t for t in self.tables if not t.big] or self.tables))
            base = rng.randint(1000, 100000)
            key = f"{base}" if table.columns[0][1] != "text" else f"'n{base}'"
            values = [key] + [self.typed(t, Scope(columns), 1) for t in types]
            if self.chance(0.8):
                values[0] = f"({key})" if table.columns[0][1] == "text" else key
            body = seq("SELECT ", Node("seq", values, glue=", "), " FROM ", source,
                       self.where(columns, None, 1), f" ORDER BY {identity[0]} LIMIT 1")
            target = ""
        return self.say(f"INSERT INTO {table.name}{target} ", body, conflict, self.returning(table, scope))

    def update(self):
        rng = self.rng
        table = rng.choice(self.tables)
        scope = self.scope_of(table)
        self.feature("UPDATE")
        extra, where = "", None
        if self.chance(0.25):
            self.feature("UPDATE FROM")
            other, columns, _, big = self.from_table()
            keys = [c for c in columns if c.key]
            mine = [c for c in scope.columns if keys and c.type == keys[0].type]
            if keys and mine:
                extra = seq(" FROM ", other)
                scope = Scope(scope.columns + columns)
                where = seq(" WHERE ", f"{rng.choice(mine).text} = {keys[0].text}",
                            opt(" AND ", self.expression("bool", scope, 1)))
        if where is None:
            where = opt(" WHERE ", self.expression("bool", self.scope_of(table), rng.randint(1, 2))) if self.chance(0.8) else ""
        sets = self.assigned(table, scope)
        return self.say(f"UPDATE {table.name} SET ", sets, extra, where, self.returning(table, self.scope_of(table)))

    def delete(self):
        rng = self.rng
        table = rng.choice(self.tables)
        scope = self.scope_of(table)
        self.feature("DELETE")
        using, condition = "", self.expression("bool", scope, 2)
        if self.chance(0.25):
            self.feature("DELETE USING")
            other, columns, _, _ = self.from_table()
            keys = [c for c in columns if c.key]
            mine = [c for c in scope.columns if keys and c.type == keys[0].type]
            if keys and mine:
                using = seq(" USING ", other)
                condition = seq(f"{rng.choice(mine).text} = {keys[0].text}",
                                opt(" AND ", self.expression("bool", Scope(scope.columns + columns), 1)))
        more = f" AND {table.name}.id {'<' if table.columns[0][1] != 'text' else '>'} " + \
            (str(rng.randint(1, 12)) if table.columns[0][1] != "text" else quote(f"k{rng.randint(1, 9)}"))
        return self.say(f"DELETE FROM {table.name}", using, " WHERE ", condition, opt(more), self.returning(table, scope))

    def merge(self):
        rng = self.rng
        table, source = rng.choice(self.tables), rng.choice(self.tables)
        if source.columns[0][1] != table.columns[0][1]:
            return self.update()
        self.feature("MERGE")
        scope = Scope(self.scope_of(table, "m").columns + self.scope_of(source, "s").columns)
        scope.subqueries = False
        parts = []
        taken = set(table.key) | {c for u in table.unique for c in u}
        free = [(c, t) for c, t, _ in table.columns if c not in taken]
        for _ in range(rng.randint(1, 2)):
            guard = opt(" AND ", self.expression("bool", scope, 1)) if self.chance(0.4) else ""
            way = rng.choice(("UPDATE", "UPDATE", "DELETE", "DO NOTHING"))
            if way == "UPDATE":
                c, t = rng.choice(free)
                way = seq(f"UPDATE SET {c} = ", self.expression(t, scope, 1))
            parts.append(opt(" WHEN MATCHED", guard, " THEN ", way))
        if self.chance(0.7):
            values = ["s.id"] + [literal(rng, t) for _, t, _ in table.columns[1:]]
            parts.append(opt(" WHEN NOT MATCHED THEN INSERT VALUES (", ", ".join(values), ")"))
        return self.say(f"MERGE INTO {table.name} m USING {source.name} s ON m.id = s.id", *parts)

    def look(self, table):
        """All rows of a table, after changes."""
        self.fresh()
        return Statement(seq(f"SELECT * FROM {table.name}"), {"after changes"})

    def transaction(self):
        rng = self.rng
        self.feature("transaction")
        if not self.in_transaction:
            self.in_transaction, self.savepoints = True, 0
            return self.say(rng.choice(("BEGIN", "START TRANSACTION", "BEGIN ISOLATION LEVEL REPEATABLE READ")), kind="transaction")
        way = rng.random()
        if way < 0.3:
            self.savepoints += 1
            self.feature("SAVEPOINT")
            return self.say(f"SAVEPOINT s{self.savepoints}", kind="transaction")
        if way < 0.55 and self.savepoints:
            self.feature("ROLLBACK TO")
            return self.say(f"ROLLBACK TO SAVEPOINT s{rng.randint(1, self.savepoints)}", kind="transaction")
        if way < 0.62 and self.savepoints:
            return self.say(f"RELEASE s{rng.randint(1, self.savepoints)}", kind="transaction")
        self.in_transaction = False
        return self.say(rng.choice(("COMMIT", "COMMIT", "ROLLBACK", "END")), kind="transaction")

    # ---- statements that are wrong ----

    def wrong(self):
        rng = self.rng
        self.feature("wrong on purpose")
        table = rng.choice(self.tables)
        c, t, _ = rng.choice(table.columns)
        d, u, _ = rng.choice(table.columns)
        n = table.name
        value = literal(rng, rng.choice(SCALARS))
        other = literal(rng, rng.choice(SCALARS))
        ways = [
            f"SELECT {c}x FROM {n}", f"SELECT nope FROM {n}", f"SELECT * FROM {n}x", f"SELECT {n}.{c} FROM {n} q",
            f"SELECT {c}, count(*) FROM {n}", f"SELECT {c}, {d} FROM {n} GROUP BY {c}", f"SELECT count(*) FROM {n} WHERE count(*) > 1",
            f"SELECT {c} + {value} FROM {n}", f"SELECT {value} || {other}", f"SELECT {c} = {value} FROM {n}", f"SELECT {value} + {other}",
            f"SELECT {value} < {other}", f"SELECT -{value}", f"SELECT NOT {value}", f"SELECT {value} AND true",
            f"SELECT CASE WHEN true THEN {value} ELSE {other} END", f"SELECT coalesce({value}, {other})",
            f"SELECT ARRAY[{value}, {other}]", f"SELECT {value} UNION SELECT {other}", f"SELECT 1 UNION SELECT 1, 2",
            f"SELECT {value} IN ({other}, NULL)", f"SELECT {value} BETWEEN {other} AND NULL", f"SELECT abs({value})",
            f"SELECT lower({value})", f"SELECT length({value})", f"SELECT substr({value}, 2)", f"SELECT nosuch({value})",
            f"SELECT round({value}, 1)", f"SELECT upper({value}, {other})", f"SELECT {value}::{rng.choice(SCALARS)}",
            f"SELECT CAST({value} AS {rng.choice(TYPES)})", f"SELECT {value}::nosuch", f"SELECT a.* FROM {n}", f"SELECT * FROM {n} a, {n} a",
            f"SELECT {c} FROM {n} a, {n} b", f"SELECT 1 FROM {n} ORDER BY 2", f"SELECT 1 FROM {n} GROUP BY 3", f"SELECT {c} AS q FROM {n} WHERE q = 1",
            f"SELECT DISTINCT {c} FROM {n} ORDER BY {d}", f"SELECT sum(sum(1)) FROM {n}", f"SELECT sum({c}) FROM {n}", f"SELECT avg({c}), max({c}) FROM {n}",
            f"SELECT rank() FROM {n}", f"SELECT {c} FROM {n} WHERE rank() OVER () = 1", f"SELECT {c} FROM {n} LIMIT -1", f"SELECT {c} FROM {n} LIMIT 'x'",
            f"SELECT (SELECT 1, 2)", f"SELECT (SELECT {c} FROM {n})", f"SELECT 1 IN (SELECT 1, 2)", f"SELECT {value} IN (SELECT {c} FROM {n})",
            f"INSERT INTO {n} VALUES (1, 2, 3, 4, 5, 6, 7, 8, 9)", f"INSERT INTO {n} ({c}, {c}) VALUES (1, 2)", f"INSERT INTO {n} (nope) VALUES (1)",
            f"INSERT INTO {n} ({c}) VALUES ({value})", f"INSERT INTO {n} ({c}, {d}) VALUES (1)", f"UPDATE {n} SET {c} = {value} WHERE false",
            f"UPDATE {n} SET nope = 1", f"UPDATE {n} SET {c} = 1, {c} = 2", f"DELETE FROM {n} WHERE {c}", f"DELETE FROM nope",
            f"CREATE TABLE {n} (a int)", f"CREATE TABLE q9 (a int, a text)", f"CREATE TABLE q9 (a nosuch)", f"CREATE TABLE q9 (a int PRIMARY KEY, b int PRIMARY KEY)",
            f"DROP TABLE nope", f"DROP TABLE IF EXISTS nope", f"CREATE INDEX ON {n} (nope)", f"SELECT FROM {n} WHERE", f"SELEC 1", f"SELECT 1 +", f"SELECT (1",
            f"SELECT 'abc", f"SELECT 1 1", f"SELECT * FROM", f"SELECT {c} {d} {c} FROM {n}", f"SELECT 1/0", f"SELECT 1 WHERE {value}",
            f"SELECT {c} FROM {n} HAVING {d} IS NULL", f"WITH w AS (SELECT 1) SELECT * FROM v", f"WITH w(a, b) AS (SELECT 1) SELECT * FROM w",
            f"WITH w AS (SELECT 1), w AS (SELECT 2) SELECT 1", f"SELECT * FROM {n} JOIN {n} b ON {c} = 1", f"SELECT * FROM {n} a JOIN {n} b USING (nope)",
            f"SELECT * FROM (VALUES (1), (2, 3)) v", f"SELECT * FROM (SELECT 1)", f"SELECT row_number() OVER w FROM {n}", f"SELECT count(DISTINCT) FROM {n}",
            f"SELECT max(*) FROM {n}", f"SELECT string_agg({c}) FROM {n}", f"SELECT ({value})[1]", f"SELECT extract(nosuch FROM {value})",
            f"SELECT {value} LIKE {other}", f"SELECT {value} ~ {other}", f"SELECT {value} -> {other}", f"SELECT {value} @> {other}", f"SELECT {value} && {other}",
            f"SELECT greatest({value}, {other})", f"SELECT nullif({value}, {other})", f"SELECT {value} IS DISTINCT FROM {other}", f"SELECT ({value}, 1) = ({other}, 2)",
            f"SELECT date_trunc('nosuch', {value})", f"SELECT to_char({value}, 'YYYY')", f"SELECT {value} = ANY ({other})",
            f"SELECT generate_series({value}, {other})", f"SELECT unnest({value})", f"SELECT concat({value}, {other})", f"SELECT {value} % {other}",
            f"SELECT {value} / {other}", f"SELECT {value} * {other}", f"SELECT {value} - {other}", f"SELECT {value} ^ {other}", f"SELECT {value} # {other}",
            f"SELECT '{{1,2'::int[]", f"SELECT 'x'::int", f"SELECT '2024-13-01'::date", f"SELECT '25:00'::time", f"SELECT '{{\"a\"'::jsonb", f"SELECT 'zz'::uuid",
            f"SELECT 99999999999::int", f"SELECT 40000::int2", f"SELECT 1e400::float8", f"SELECT 'abc'::numeric(3,1)", f"SELECT 1234::numeric(3,1)", f"SELECT 'yes1'::bool",
            f"SELECT {c}.x FROM {n}", f"SELECT true FROM {n} FOR UPDATE OF nope", f"ROLLBACK TO nope",
        ]
        sql = rng.choice(ways)
        return Statement(x(None, sql), self.features, None, True, False, changes=not sql.startswith(("SELECT", "WITH")), kind="wrong")

    # ---- the next statement ----

    def next(self):
        way = self.rng.random()
        self.fresh()
        if way < 0.60:
            return self.query()
        if way < 0.63:
            return self.distinct_on()
        if way < 0.67:
            return self.star()
        if way < 0.74:
            return self.wrong()
        if way < 0.80:
            return self.insert()
        if way < 0.85:
            return self.update()
        if way < 0.88:
            return self.delete()
        if way < 0.91:
            return self.merge()
        if way < 0.97:
            return self.transaction()
        if not self.in_transaction and way < 0.98:
            return self.index()
        return self.look(self.rng.choice(self.tables))
