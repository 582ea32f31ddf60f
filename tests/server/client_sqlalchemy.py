"""SQLAlchemy 2 and Alembic on our server: Core, ORM, reflection, migrations. README.md lists the
scenarios."""

import datetime
import decimal
import enum
import pathlib
import tempfile
import uuid

try:
    import sqlalchemy as sa
    from sqlalchemy import orm
    from sqlalchemy.dialects import postgresql as pg
except ImportError:
    sa = None

DRIVERS = ("psycopg2", "psycopg", "pg8000")


def engine_of(url, driver="psycopg", **options):
    return sa.create_engine(url.replace("postgresql://", f"postgresql+{driver}://"), **options)


def types_round_trip(url):
    for driver in DRIVERS:
        engine = engine_of(url, driver)
        metadata = sa.MetaData()
        table = sa.Table(
            f"sa_types_{driver}", metadata,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("small", sa.SmallInteger), sa.Column("big", sa.BigInteger),
            sa.Column("flag", sa.Boolean), sa.Column("real", sa.Float),
            sa.Column("exact", sa.Numeric(20, 4)), sa.Column("short", sa.String(20)),
            sa.Column("long", sa.Text), sa.Column("raw", sa.LargeBinary),
            sa.Column("day", sa.Date), sa.Column("clock", sa.Time),
            sa.Column("moment", sa.DateTime), sa.Column("instant", sa.DateTime(timezone=True)),
            sa.Column("span", sa.Interval), sa.Column("guid", sa.Uuid),
            sa.Column("document", pg.JSONB), sa.Column("text_document", sa.JSON),
            sa.Column("numbers", pg.ARRAY(sa.Integer)), sa.Column("words", pg.ARRAY(sa.Text)))
        row = {
            "id": 1, "small": -7, "big": 2**50, "flag": True, "real": 0.5,
            "exact": decimal.Decimal("12345.6700"), "short": "häß", "long": "x" * 5000,
            "raw": b"\x00\xff", "day": datetime.date(2024, 2, 29),
            "clock": datetime.time(1, 2, 3, 4), "moment": datetime.datetime(2024, 1, 2, 3, 4, 5, 6),
            "instant": datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
            "span": datetime.timedelta(days=2, seconds=3), "guid": uuid.UUID(int=9),
            "document": {"a": [1, None, "b"]}, "text_document": {"c": True},
            "numbers": [1, 2, None], "words": ["a", "b,c"],
        }
        with engine.begin() as connection:
            metadata.create_all(connection)
            connection.execute(table.insert(), row)
            connection.execute(table.insert(), {"id": 2})
            found = connection.execute(table.select().order_by(table.c.id)).mappings().all()
            assert dict(found[0]) == row, (driver, found[0])
            assert all(value is None for name, value in found[1].items() if name != "id")
            assert connection.scalar(sa.select(table.c.document["a"][2].astext)
                                     .where(table.c.numbers.any(2))) == "b"
            metadata.drop_all(connection)
        engine.dispose()


def core_statements(url):
    engine = engine_of(url, "psycopg2")
    metadata = sa.MetaData()
    item = sa.Table("sa_item", metadata, sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
                    sa.Column("name", sa.String(40), nullable=False, unique=True),
                    sa.Column("price", sa.Numeric(10, 2), server_default="0"))
    with engine.begin() as connection:
        metadata.create_all(connection)
        key = connection.execute(item.insert().values(name="one")).inserted_primary_key
        assert key == (1,), key
        rows = connection.execute(item.insert().returning(item.c.id, item.c.price),
                                  [{"name": f"n{number}"} for number in range(2500)]).all()
        assert len(rows) == 2500 and rows[0] == (2, decimal.Decimal("0.00")), rows[0]
        upsert = pg.insert(item).values(name="one", price=5)
        upsert = upsert.on_conflict_do_update(index_elements=["name"],
                                              set_={"price": upsert.excluded.price})
        connection.execute(upsert)
        assert connection.scalar(sa.select(item.c.price).where(item.c.name == "one")) == 5
        part = sa.select(item.c.id, sa.func.row_number().over(order_by=item.c.id.desc())
                         .label("place")).cte("part")
        assert connection.execute(sa.select(part).where(part.c.place <= 2)
                                  .order_by(part.c.place)).all() == [(2501, 1), (2500, 2)]
        assert connection.execute(item.delete().where(item.c.id > 10)).rowcount == 2491
        changed = connection.execute(item.update().values(price=item.c.price + 1)
                                     .returning(item.c.id)).all()
        assert sorted(changed) == [(number,) for number in range(1, 11)], changed
        assert connection.scalar(sa.select(sa.func.count()).select_from(item)
                                 .where(item.c.name.ilike("%N%"), item.c.id.in_([1, 2, 3]))) == 3
        metadata.drop_all(connection)
    engine.dispose()


def transactions_and_errors(url):
    engine = engine_of(url, "psycopg", pool_size=3)
    with engine.begin() as connection:
        connection.execute(sa.text("create table sa_txn (a int primary key, b text not null)"))
    with engine.connect() as connection:
        with connection.begin():
            connection.execute(sa.text("insert into sa_txn values (1, 'x')"))
            inner = connection.begin_nested()
            connection.execute(sa.text("insert into sa_txn values (2, 'y')"))
            inner.rollback()
        assert connection.scalar(sa.text("select count(*) from sa_txn")) == 1
        connection.rollback()
        for statement, state in (("insert into sa_txn values (1, 'x')", "23505"),
                                 ("insert into sa_txn values (3, null)", "23502"),
                                 ("select * from nowhere", "42P01"), ("selec", "42601")):
            try:
                connection.execute(sa.text(statement))
                raise AssertionError(statement)
            except sa.exc.DBAPIError as error:
                assert error.orig.sqlstate == state, (statement, error.orig.sqlstate)
                connection.rollback()
    for level in ("READ COMMITTED", "REPEATABLE READ"):
        with engine.connect().execution_options(isolation_level=level) as connection:
            assert connection.get_isolation_level() == level
            assert connection.scalar(sa.text("show transaction_isolation")) == level.lower()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("insert into sa_txn values (9, 'z')"))
        connection.rollback()
        assert connection.scalar(sa.text("select count(*) from sa_txn")) == 2
    with engine.connect().execution_options(stream_results=True, max_row_buffer=100) as connection:
        rows = connection.execute(sa.text("select g from generate_series(1, 5000) g"))
        assert sum(row[0] for row in rows) == 12502500
    with engine.begin() as connection:
        connection.execute(sa.text("drop table sa_txn"))
    engine.dispose()


def reflection(url):
    engine = engine_of(url, "psycopg2")
    with engine.begin() as connection:
        connection.exec_driver_sql("""
            create schema sa_other;
            create table sa_parent (
                id serial primary key, code varchar(10) not null unique,
                price numeric(12, 3) default 1.5, made timestamptz default now(),
                tags text[], document jsonb, constraint price_is_good check (price >= 0));
            create table sa_other.child (
                parent_id int not null references sa_parent (id) on delete cascade,
                place smallint not null, note char(3), big bigint generated always as identity,
                twice int generated always as (parent_id * 2) stored,
                primary key (parent_id, place));
            create index child_note on sa_other.child (note desc nulls last, big);
            create unique index child_part on sa_other.child (big) where place > 0;
            create view sa_view as select id, code from sa_parent;
            comment on table sa_parent is 'what others hang on';
            comment on column sa_parent.code is 'short';
            create sequence sa_counter start 5 increment 2;
        """)
    inspector = sa.inspect(engine)
    assert inspector.default_schema_name == "public"
    assert {"public", "sa_other", "information_schema"} <= set(inspector.get_schema_names())
    assert "sa_parent" in inspector.get_table_names()
    assert inspector.get_table_names(schema="sa_other") == ["child"]
    assert inspector.get_view_names() == ["sa_view"]
    assert "sa_parent" in inspector.get_view_definition("sa_view")
    assert "sa_counter" in inspector.get_sequence_names()
    assert inspector.has_table("sa_parent") and not inspector.has_table("nothing")
    assert inspector.has_table("sa_view") and inspector.has_sequence("sa_counter")
    columns = {column["name"]: column for column in inspector.get_columns("sa_parent")}
    assert list(columns) == ["id", "code", "price", "made", "tags", "document"]
    assert columns["id"]["autoincrement"] is True and "nextval" in columns["id"]["default"]
    assert isinstance(columns["code"]["type"], sa.VARCHAR) and columns["code"]["type"].length == 10
    assert not columns["code"]["nullable"] and columns["code"]["comment"] == "short"
    price = columns["price"]
    assert (price["type"].precision, price["type"].scale, price["default"]) == (12, 3, "1.5")
    assert columns["made"]["type"].timezone and columns["made"]["default"] == "now()"
    assert isinstance(columns["tags"]["type"], pg.ARRAY)
    assert isinstance(columns["document"]["type"], pg.JSONB)
    child = {column["name"]: column for column in inspector.get_columns("child", schema="sa_other")}
    assert child["big"]["identity"]["always"] is True, child["big"]
    assert child["twice"]["computed"]["persisted"] is True, child["twice"]
    assert inspector.get_pk_constraint("child", schema="sa_other")["constrained_columns"] == [
        "parent_id", "place"]
    (foreign,) = inspector.get_foreign_keys("child", schema="sa_other")
    assert foreign["referred_table"] == "sa_parent" and foreign["options"] == {
        "ondelete": "CASCADE"}, foreign
    (unique,) = inspector.get_unique_constraints("sa_parent")
    assert unique["column_names"] == ["code"], unique
    (check,) = inspector.get_check_constraints("sa_parent")
    assert check["name"] == "price_is_good" and "price >=" in check["sqltext"], check
    assert inspector.get_table_comment("sa_parent") == {"text": "what others hang on"}
    indexes = {index["name"]: index for index in inspector.get_indexes("child", schema="sa_other")}
    assert indexes["child_note"]["column_names"] == ["note", "big"], indexes
    assert indexes["child_note"]["column_sorting"] == {"note": ("desc", "nulls_last")}, indexes
    assert indexes["child_part"]["unique"], indexes
    assert "place > 0" in indexes["child_part"]["dialect_options"]["postgresql_where"], indexes
    metadata = sa.MetaData()
    metadata.reflect(engine, schema="sa_other")
    table = metadata.tables["sa_other.child"]
    assert [key.target_fullname for key in table.c.parent_id.foreign_keys] == ["sa_parent.id"]
    for kind in (sa.inspection.inspect(engine).get_multi_columns,
                 inspector.get_multi_indexes, inspector.get_multi_foreign_keys):
        assert kind(schema="sa_other")
    with engine.begin() as connection:
        connection.exec_driver_sql("drop view sa_view; drop schema sa_other cascade; "
                                   "drop table sa_parent; drop sequence sa_counter")
    engine.dispose()


def orm_session(url):
    engine = engine_of(url, "psycopg")

    class Base(orm.DeclarativeBase):
        pass

    class Author(Base):
        __tablename__ = "sa_author"
        id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
        name: orm.Mapped[str] = orm.mapped_column(sa.String(50), index=True)
        version: orm.Mapped[int] = orm.mapped_column()
        books: orm.Mapped[list["Book"]] = orm.relationship(back_populates="author",
                                                          cascade="all, delete-orphan")
        __mapper_args__ = {"version_id_col": version}

    class Book(Base):
        __tablename__ = "sa_book"
        id: orm.Mapped[uuid.UUID] = orm.mapped_column(primary_key=True, default=uuid.uuid4)
        title: orm.Mapped[str]
        facts: orm.Mapped[dict] = orm.mapped_column(pg.JSONB, default=dict)
        author_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("sa_author.id"))
        author: orm.Mapped[Author] = orm.relationship(back_populates="books")

    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        session.add_all([Author(name=f"author {number}",
                                books=[Book(title=f"title {number} {part}", facts={"part": part})
                                       for part in range(3)]) for number in range(40)])
        session.commit()
        author = session.scalars(sa.select(Author).where(Author.name == "author 7")
                                 .options(orm.selectinload(Author.books))).one()
        assert sorted(book.title for book in author.books) == ["title 7 0", "title 7 1", "title 7 2"]
        author.books.pop()
        author.name = "renamed"
        session.commit()
        assert author.version == 2 and len(author.books) == 2
        rows = session.execute(
            sa.select(Author.name, sa.func.count(Book.id)).join(Author.books, isouter=True)
            .where(Book.facts["part"].as_integer() < 2).group_by(Author.name)
            .order_by(sa.func.count(Book.id), Author.name).limit(3)).all()
        assert len(rows) == 3, rows
        locked = session.scalars(sa.select(Author).where(Author.id == author.id)
                                 .with_for_update()).one()
        session.delete(locked)
        session.commit()
        assert session.scalar(sa.select(sa.func.count()).select_from(Book)) == 117
        stale = session.get(Author, 1)
        with engine.begin() as connection:
            connection.execute(sa.text("update sa_author set version = 10 where id = 1"))
        stale.name = "late"
        try:
            session.commit()
            raise AssertionError("a stale row was written")
        except orm.exc.StaleDataError:
            session.rollback()
    Base.metadata.drop_all(engine)
    engine.dispose()


def enums(url):
    engine = engine_of(url, "psycopg2")

    class Mood(enum.Enum):
        SAD = 1
        OK = 2

    metadata = sa.MetaData()
    table = sa.Table("sa_mood", metadata, sa.Column("id", sa.Integer, primary_key=True),
                     sa.Column("mood", sa.Enum(Mood, name="sa_mood_kind")))
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.execute(table.insert(), [{"id": 1, "mood": Mood.OK}, {"id": 2, "mood": Mood.SAD}])
        assert connection.scalars(sa.select(table.c.mood).order_by(table.c.mood)).all() == [
            Mood.SAD, Mood.OK]
        assert sa.inspect(connection).get_enums()[0]["labels"] == ["SAD", "OK"]
        metadata.drop_all(connection)
    engine.dispose()


def pool(url):
    import concurrent.futures
    engine = engine_of(url, "psycopg", pool_size=4, max_overflow=4, pool_pre_ping=True)
    with engine.begin() as connection:
        connection.execute(sa.text("create table sa_pool (a int primary key)"))

    def one(number):
        with engine.begin() as connection:
            connection.execute(sa.text("insert into sa_pool values (:a)"), {"a": number})
            return connection.scalar(sa.text("select count(*) from sa_pool where a = :a"),
                                     {"a": number})

    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        assert set(threads.map(one, range(200))) == {1}
    with engine.begin() as connection:
        assert connection.scalar(sa.text("select count(*) from sa_pool")) == 200
        connection.execute(sa.text("drop table sa_pool"))
    engine.dispose()


def asyncpg_engine(url):
    import asyncio

    from sqlalchemy.ext import asyncio as asynchronous

    async def run():
        engine = asynchronous.create_async_engine(
            url.replace("postgresql://", "postgresql+asyncpg://"))
        async with engine.begin() as connection:
            await connection.execute(sa.text("create table sa_async (a int primary key, b jsonb)"))
            await connection.execute(sa.text("insert into sa_async values (:a, '{}')"),
                                     [{"a": number} for number in range(50)])
            names = await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names())
            assert "sa_async" in names
            rows = await connection.stream(sa.text("select a, b from sa_async order by a"))
            assert [row.a async for row in rows] == list(range(50))
            await connection.execute(sa.text("drop table sa_async"))
        await engine.dispose()

    asyncio.run(run())


FIRST = """
def upgrade():
    op.create_table("al_item", sa.Column("id", sa.Integer, primary_key=True),
                    sa.Column("name", sa.String(20), nullable=False))
    op.create_index("al_item_name", "al_item", ["name"])
    op.bulk_insert(sa.table("al_item", sa.column("name")), [{"name": "a"}, {"name": "b"}])


def downgrade():
    op.drop_table("al_item")
"""

SECOND = """
def upgrade():
    op.add_column("al_item", sa.Column("price", sa.Numeric(10, 2), server_default="3", nullable=False))
    op.alter_column("al_item", "name", new_column_name="title", type_=sa.String(60),
                    existing_type=sa.String(20))
    op.create_unique_constraint("al_title", "al_item", ["title"])
    op.create_check_constraint("al_price", "al_item", "price > 0")
    op.create_table("al_part", sa.Column("item", sa.Integer, sa.ForeignKey("al_item.id")))
    op.alter_column("al_item", "price", server_default=None)
    op.rename_table("al_part", "al_piece")


def downgrade():
    op.drop_table("al_piece")
    op.drop_constraint("al_price", "al_item")
    op.drop_constraint("al_title", "al_item")
    op.alter_column("al_item", "title", new_column_name="name")
    op.drop_column("al_item", "price")
"""

HEAD = """
import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {before!r}
"""

ENVIRONMENT = """
from alembic import context
connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=context.config.attributes["metadata"])
with context.begin_transaction():
    context.run_migrations()
"""


def alembic_migrations(url):
    from alembic import autogenerate, command, config, migration
    engine = engine_of(url, "psycopg2")
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        (place / "versions").mkdir()
        (place / "env.py").write_text(ENVIRONMENT)
        (place / "script.py.mako").write_text("")
        (place / "versions/one.py").write_text(HEAD.format(revision="1", before=None) + FIRST)
        (place / "versions/two.py").write_text(HEAD.format(revision="2", before="1") + SECOND)
        options = config.Config()
        options.set_main_option("script_location", str(place))
        options.attributes["metadata"] = sa.MetaData()
        with engine.connect() as connection:
            options.attributes["connection"] = connection
            command.upgrade(options, "head")
            connection.commit()
            rows = connection.exec_driver_sql("select title, price from al_item order by 1").all()
            assert rows == [("a", 3), ("b", 3)], rows
            context = migration.MigrationContext.configure(connection)
            assert context.get_current_revision() == "2"
            metadata = sa.MetaData()
            sa.Table("al_item", metadata, sa.Column("id", sa.Integer, primary_key=True),
                     sa.Column("title", sa.String(60), nullable=False),
                     sa.Column("price", sa.Numeric(10, 2), nullable=False),
                     sa.Column("fresh", sa.Text),
                     sa.UniqueConstraint("title", name="al_title"), sa.Index("al_item_name", "title"))
            found = [change for change in autogenerate.compare_metadata(context, metadata)
                     if change[0] not in ("remove_table",)]
            assert [change[0] for change in found] == ["add_column"], found
            connection.rollback()
            command.downgrade(options, "1")
            connection.commit()
            assert [column["name"] for column in sa.inspect(connection).get_columns("al_item")] == [
                "id", "name"]
            connection.rollback()
            command.downgrade(options, "base")
            connection.commit()
            assert "al_item" not in sa.inspect(connection).get_table_names()
            connection.exec_driver_sql("drop table alembic_version")
            connection.commit()
    engine.dispose()


SCENARIOS = [
    ("sqlalchemy", "types by three drivers", types_round_trip),
    ("sqlalchemy", "Core: insert many, upsert, CTE, RETURNING", core_statements),
    ("sqlalchemy", "transactions, savepoints, errors, isolation, streams", transactions_and_errors),
    ("sqlalchemy", "reflection", reflection),
    ("sqlalchemy", "ORM: relations, versions, locks", orm_session),
    ("sqlalchemy", "enums", enums),
    ("sqlalchemy", "pool with threads", pool),
    ("sqlalchemy", "asyncpg engine", asyncpg_engine),
    ("alembic", "migrations up, compared, down", alembic_migrations),
]
