"""What the Python clients of PostgreSQL do with our server. found() gives the scenarios of those that
are installed."""

import asyncio
import datetime
import decimal
import threading
import uuid

UTC = datetime.timezone.utc

# A type, and values that must come back as they were.
VALUES = [
    ("bool", [True, False, None]),
    ("int2", [-32768, 32767]),
    ("int4", [0, -5, 2147483647]),
    ("int8", [2**40, -(2**63)]),
    ("float4", [1.5, -0.25]),
    ("float8", [0.1, 1e300]),
    ("numeric", [decimal.Decimal(text) for text in
                 ("0", "-12345.678900", "0.00001", "10000", "99999999999999999999.5")]),
    ("text", ["", "häß", "a'b\\c\n"]),
    ("bytea", [b"", b"\x00\xff"]),
    ("date", [datetime.date(2020, 2, 29), datetime.date(1, 1, 1)]),
    ("time", [datetime.time(1, 2, 3, 4)]),
    ("timestamp", [datetime.datetime(2001, 1, 1, 1, 1, 1, 5)]),
    ("timestamptz", [datetime.datetime(2001, 1, 1, 1, 1, 1, 5, tzinfo=UTC)]),
    ("interval", [datetime.timedelta(days=3, seconds=5, microseconds=7)]),
    ("uuid", [uuid.UUID(int=5)]),
    ("int4[]", [[1, 2, None], [], [[1, 2], [3, 4]]]),
    ("text[]", [["a", "b,c", None]]),
]


def psycopg_values(url):
    import psycopg
    with psycopg.connect(url) as connection:
        for binary in (False, True):
            cursor = connection.cursor(binary=binary)
            for kind, values in VALUES:
                for value in values:
                    for place in ("%s", "%b", "%t"):
                        row = cursor.execute(f"select {place}::{kind}", (value,)).fetchone()
                        assert row == (value,), (kind, place, value, row)


def psycopg_transactions(url):
    import psycopg
    with psycopg.connect(url) as connection:
        connection.execute("create table psycopg_t (a int primary key, b text)")
        connection.commit()
        connection.execute("insert into psycopg_t values (1, 'x')")
        connection.rollback()
        assert connection.execute("select count(*) from psycopg_t").fetchone() == (0,)
        try:
            connection.execute("select 1/0")
            raise AssertionError("no error")
        except psycopg.errors.DivisionByZero:
            pass
        try:
            connection.execute("select 1")
            raise AssertionError("no error")
        except psycopg.errors.InFailedSqlTransaction:
            connection.rollback()
        with connection.cursor() as cursor:
            cursor.executemany("insert into psycopg_t values (%s, %s)",
                               [(number, f"x{number}") for number in range(2000)])
        with connection.pipeline():
            cursors = [connection.execute("select b from psycopg_t where a = %s", (number,))
                       for number in range(100)]
            assert [c.fetchone()[0] for c in cursors] == [f"x{n}" for n in range(100)]
        streamed = sum(1 for _ in connection.cursor().stream("select * from psycopg_t"))
        assert streamed == 2000, streamed
        connection.execute("drop table psycopg_t")


def psycopg_copy(url):
    import psycopg
    with psycopg.connect(url) as connection:
        connection.execute("create table psycopg_copy (a int primary key, b text, c float8)")
        cursor = connection.cursor()
        with cursor.copy("copy psycopg_copy from stdin") as copy:
            for number in range(20000):
                copy.write_row((number, f"text {number}" if number % 7 else None, number / 4))
        assert cursor.rowcount == 20000, cursor.rowcount
        with cursor.copy("copy (select * from psycopg_copy where a < 3 order by a) to stdout") as copy:
            assert [row for row in copy.rows()] == [("0", None, "0"), ("1", "text 1", "0.25"),
                                                    ("2", "text 2", "0.5")]
        with cursor.copy("copy psycopg_copy from stdin (format binary)") as copy:
            copy.set_types(["int4", "text", "float8"])
            for number in range(20000, 25000):
                copy.write_row((number, f"text {number}" if number % 7 else None, number / 4))
        assert cursor.rowcount == 5000, cursor.rowcount
        for kept in (2, 0):
            text = f"copy (select * from psycopg_copy order by a limit {kept}) to stdout (format binary)"
            with cursor.copy(text) as copy:
                copy.set_types(["int4", "text", "float8"])
                rows = [(0, None, 0.0), (1, "text 1", 0.25)][:kept]
                assert [row for row in copy.rows()] == rows
        text = "copy (select 'a\nb', 'c\"d') to stdout (format csv)"
        with cursor.copy(text) as copy:
            assert [bytes(row) for row in copy] == [b'"a\nb","c""d"\n']
        connection.execute("drop table psycopg_copy")


def psycopg_cancel(url):
    import psycopg
    with psycopg.connect(url) as connection:
        timer = threading.Timer(0.3, connection.cancel)
        timer.start()
        try:
            connection.execute("select count(*) from generate_series(1, 100000) a, "
                               "generate_series(1, 100000) b")
            raise AssertionError("not cancelled")
        except psycopg.errors.QueryCanceled:
            pass
        timer.join()


def psycopg2_basics(url):
    import psycopg2
    connection = psycopg2.connect(url)
    cursor = connection.cursor()
    cursor.execute("select %s, %s::jsonb, '[1, 2]'::jsonb, %s", (5, '{"a": 1}', [1, 2]))
    assert cursor.fetchall() == [(5, {"a": 1}, [1, 2], [1, 2])]
    connection.close()


def asyncpg_basics(url):
    import asyncpg

    async def run():
        connection = await asyncpg.connect(url.replace("postgresql", "postgres"))
        row = await connection.fetchrow("select $1::int + 1 as x, $2::text as y", 1, "q")
        assert tuple(row) == (2, "q")
        await connection.execute("create table asyncpg_t (a int primary key, b text)")
        await connection.executemany("insert into asyncpg_t values ($1, $2)",
                                     [(number, "z") for number in range(1000)])
        count = 0
        async with connection.transaction():
            async for _ in connection.cursor("select * from asyncpg_t", prefetch=100):
                count += 1
        assert count == 1000, count
        await connection.execute("drop table asyncpg_t")
        await connection.close()

    asyncio.run(asyncio.wait_for(run(), 60))


def pg8000_basics(url):
    import urllib.parse

    import pg8000.native
    parts = urllib.parse.urlsplit(url)
    connection = pg8000.native.Connection("admin", host=parts.hostname, port=parts.port,
                                          password=urllib.parse.unquote(parts.password),
                                          database="tdb")
    assert connection.run("select :a::int * 2, :b::text", a=4, b="k") == [[8, "k"]]
    assert connection.run("select 1.5::numeric, '{1,2}'::int[], null") == [
        [decimal.Decimal("1.5"), [1, 2], None]]
    connection.close()


def psycopg_enums(url):
    import psycopg
    from psycopg.types.enum import EnumInfo, register_enum
    with psycopg.connect(url) as connection:
        connection.execute("create type psycopg_mood as enum ('sad', 'ok', 'happy')")
        info = EnumInfo.fetch(connection, "psycopg_mood")
        assert info.labels == ["sad", "ok", "happy"], info.labels
        register_enum(info, connection)
        for binary in (False, True):
            cursor = connection.cursor(binary=binary)
            for place in ("%s", "%b", "%t"):
                row = cursor.execute(f"select {place}::psycopg_mood, {place}::psycopg_mood[]",
                                     (info.enum.ok, [info.enum.sad, None])).fetchone()
                assert row == (info.enum.ok, [info.enum.sad, None]), row
        connection.execute("drop type psycopg_mood")


def asyncpg_enums(url):
    import asyncpg

    async def run():
        connection = await asyncpg.connect(url.replace("postgresql", "postgres"))
        await connection.execute("create type asyncpg_mood as enum ('sad', 'ok')")
        await connection.execute("create table asyncpg_m (m asyncpg_mood, all_of asyncpg_mood[])")
        await connection.execute("insert into asyncpg_m values ($1, $2)", "ok", ["sad", "ok"])
        row = await connection.fetchrow("select * from asyncpg_m where m = $1", "ok")
        assert tuple(row) == ("ok", ["sad", "ok"]), row
        await connection.execute("drop table asyncpg_m")
        await connection.execute("drop type asyncpg_mood")
        await connection.close()

    asyncio.run(asyncio.wait_for(run(), 60))


SCENARIOS = [
    ("psycopg", "values of every type", psycopg_values),
    ("psycopg", "transactions, pipelines, streams", psycopg_transactions),
    ("psycopg", "COPY", psycopg_copy),
    ("psycopg", "cancel", psycopg_cancel),
    ("psycopg", "enums", psycopg_enums),
    ("psycopg2", "basics", psycopg2_basics),
    ("asyncpg", "basics", asyncpg_basics),
    ("asyncpg", "enums", asyncpg_enums),
    ("pg8000", "basics", pg8000_basics),
]


def found():
    """The scenarios of every client that is here: name and function of the server's URL."""
    import importlib

    import client_arrow
    import client_django
    import client_sqlalchemy
    scenarios = (SCENARIOS + client_sqlalchemy.SCENARIOS + client_django.SCENARIOS +
                 client_arrow.SCENARIOS)
    for package, name, function in scenarios:
        try:
            importlib.import_module(package)
        except ImportError:
            print(f"skipped: {package} is not installed ({name})")
            continue
        yield f"{package}: {name}", function
