"""The PostgreSQL driver of ADBC, and pgvector's Python package, on our server. README.md lists the
scenarios."""


def adbc_queries(url):
    import adbc_driver_postgresql.dbapi as adbc
    import pyarrow
    with adbc.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("select g::int8 as a, g::text as b, g / 4.0::float8 as c, null::int4 as d, "
                       "g % 2 = 0 as e, array[g, g + 1] as f, timestamp '2024-01-02' as h, "
                       "date '2024-02-29' as i, '\\x00ff'::bytea as j from generate_series(1, 5000) g")
        table = cursor.fetch_arrow_table()
        assert table.num_rows == 5000
        assert table.schema.field("a").type == pyarrow.int64(), table.schema
        assert table.column("c")[3].as_py() == 1.0 and table.column("f")[1].as_py() == [2, 3]
        assert table.column("j")[0].as_py() == b"\x00\xff"
        cursor.execute("select $1::int4 + 1, $2::text", parameters=(41, "x"))
        assert cursor.fetchall() == [(42, "x")]
        try:
            cursor.execute("select 1 from nowhere")
            raise AssertionError("no error")
        except adbc.Error as error:
            assert error.sqlstate == "42P01", error.sqlstate


def adbc_ingest(url):
    import adbc_driver_postgresql.dbapi as adbc
    import pyarrow
    table = pyarrow.table({"a": pyarrow.array(range(20000), pyarrow.int64()),
                           "b": pyarrow.array([f"text {n}" if n % 7 else None for n in range(20000)]),
                           "c": pyarrow.array([n / 4 for n in range(20000)])})
    with adbc.connect(url) as connection, connection.cursor() as cursor:
        assert cursor.adbc_ingest("adbc_t", table, mode="create") == 20000
        assert cursor.adbc_ingest("adbc_t", table.slice(0, 10), mode="append") == 10
        connection.commit()
        cursor.execute("select count(*), count(b), sum(c)::float8 from adbc_t")
        assert cursor.fetchall() == [(20010, 20010 - 2858 - 2, 49997500 + 11.25)]
        cursor.execute("select * from adbc_t order by a, b nulls first limit 20010 offset 20")
        back = cursor.fetch_arrow_table()
        assert back.num_rows == 19990 and back.column("b")[10].as_py() == "text 20"
        cursor.execute("drop table adbc_t")
        connection.commit()


def adbc_catalog(url):
    import adbc_driver_postgresql.dbapi as adbc
    with adbc.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("create table adbc_parent (a int primary key, b text not null unique)")
        cursor.execute("create table adbc_child (a int primary key references adbc_parent, n numeric)")
        connection.commit()
        schema = connection.adbc_get_table_schema("adbc_parent")
        assert schema.names == ["a", "b"], schema
        objects = connection.adbc_get_objects(depth="all", table_name_filter="adbc_%").read_all()
        schemas = {part["db_schema_name"]: part["db_schema_tables"]
                   for part in objects.to_pylist()[0]["catalog_db_schemas"]}
        tables = {table["table_name"]: table for table in schemas["public"]}
        assert set(tables) == {"adbc_parent", "adbc_child"}, tables.keys()
        kinds = sorted(item["constraint_type"] for item in tables["adbc_child"]["table_constraints"])
        assert kinds == ["FOREIGN KEY", "PRIMARY KEY"], kinds
        assert "table" in connection.adbc_get_table_types()
        cursor.execute("drop table adbc_child")
        cursor.execute("drop table adbc_parent")
        connection.commit()


def numbers(vector):
    """What pgvector gives, as a list."""
    return list(vector.to_numpy() if hasattr(vector, "to_numpy") else vector)


def vectors_by_psycopg(url):
    import numpy
    import psycopg
    from pgvector.psycopg import register_vector
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create extension if not exists vector")
        register_vector(connection)
        connection.execute("create table vectors (id bigserial primary key, v vector(3))")
        points = numpy.array([[1, 0, 0], [0, 1, 0], [0, 0.9, 0.1]], dtype=numpy.float32)
        for point in points:
            connection.execute("insert into vectors (v) values (%s)", (point,))
        with connection.cursor().copy("copy vectors (v) from stdin with (format binary)") as copy:
            copy.set_types(["vector"])
            copy.write_row([numpy.array([9, 9, 9], dtype=numpy.float32)])
        rows = connection.execute("select id, v, v <-> %s as d from vectors order by d limit 2",
                                  (points[1],)).fetchall()
        assert [row[0] for row in rows] == [2, 3] and rows[0][2] == 0, rows
        assert numbers(rows[1][1]) == list(points[2]), rows
        for operator in ("<->", "<#>", "<=>", "<+>"):
            cursor = connection.cursor(binary=True)
            cursor.execute(f"select v {operator} %s from vectors where id = 1", (points[0],))
            assert cursor.fetchone() is not None
        average = connection.execute("select avg(v) from vectors where id < 3").fetchone()[0]
        assert numbers(average) == [0.5, 0.5, 0], average
        connection.execute("drop table vectors")


def vectors_by_sqlalchemy(url):
    import sqlalchemy
    from pgvector.sqlalchemy import VECTOR
    from sqlalchemy import orm

    class Base(orm.DeclarativeBase):
        pass

    class Item(Base):
        __tablename__ = "vector_items"
        id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
        v = orm.mapped_column(VECTOR(3))

    engine = sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        session.add_all([Item(v=[1, 0, 0]), Item(v=[0, 1, 0]), Item(v=[0.5, 0.5, 0])])
        session.commit()
        near = session.scalars(sqlalchemy.select(Item).order_by(Item.v.l2_distance([0, 0.9, 0]))
                               .limit(2)).all()
        assert [item.id for item in near] == [2, 3], near
        close = session.scalars(sqlalchemy.select(Item.id)
                                .where(Item.v.cosine_distance([1, 0, 0]) < 0.5)
                                .order_by(Item.id)).all()
        assert close == [1, 3], close
    Base.metadata.drop_all(engine)
    engine.dispose()


def vectors_by_asyncpg(url):
    import asyncio

    import asyncpg
    import numpy
    from pgvector.asyncpg import register_vector

    async def run():
        connection = await asyncpg.connect(url.replace("postgresql", "postgres"))
        await register_vector(connection)
        await connection.execute("create table avectors (id int primary key, v vector(2))")
        await connection.executemany("insert into avectors values ($1, $2)",
                                     [(1, numpy.array([1, 2])), (2, numpy.array([5, 5]))])
        row = await connection.fetchrow("select v from avectors order by v <-> $1 limit 1", [4, 4])
        assert numbers(row["v"]) == [5, 5], row
        await connection.execute("drop table avectors")
        await connection.close()

    asyncio.run(asyncio.wait_for(run(), 60))


SCENARIOS = [
    ("adbc_driver_postgresql", "queries as Arrow, parameters, errors", adbc_queries),
    ("adbc_driver_postgresql", "ingest", adbc_ingest),
    ("adbc_driver_postgresql", "catalog", adbc_catalog),
    ("pgvector", "psycopg 3: text, binary, COPY, distances", vectors_by_psycopg),
    ("pgvector", "SQLAlchemy", vectors_by_sqlalchemy),
    ("pgvector", "asyncpg", vectors_by_asyncpg),
]
