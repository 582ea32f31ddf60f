"""Django on our server: migrations, the ORM, introspection. README.md lists the scenarios."""

import datetime
import decimal
import io
import urllib.parse

try:
    import django
    from django.conf import settings
except ImportError:
    django = None

def ready(url):
    """Configures Django once; gives the models of shelf."""
    if not settings.configured:
        parts = urllib.parse.urlsplit(url)
        settings.configure(
            DATABASES={"default": {
                "ENGINE": "django.db.backends.postgresql", "NAME": "tdb", "USER": "admin",
                "PASSWORD": urllib.parse.unquote(parts.password), "HOST": parts.hostname,
                "PORT": str(parts.port)}},
            INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth",
                            "django.contrib.sessions", "django.contrib.postgres", "shelf"],
            USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", SECRET_KEY="tests")
        django.setup()
    from shelf import models
    return [models.Author, models.Book, models.Label]


def made(url):
    """Tables for the models, dropped again at the end."""
    import contextlib

    from django.db import connection

    @contextlib.contextmanager
    def tables():
        found = ready(url)
        with connection.schema_editor() as editor:
            for model in found:
                editor.create_model(model)
        try:
            yield found
        finally:
            with connection.schema_editor() as editor:
                for model in reversed(found):
                    editor.delete_model(model)
            connection.close()

    ready(url)
    return tables()


def migrate(url):
    ready(url)
    from django.contrib.auth.models import Permission, User
    from django.core.management import call_command
    from django.db import connection
    call_command("migrate", verbosity=0)
    try:
        user = User.objects.create_user("someone", password="secret")
        assert User.objects.get(username="someone").check_password("secret")
        user.user_permissions.add(Permission.objects.first())
        assert user.user_permissions.count() == 1
        with connection.cursor() as cursor:
            assert "auth_user" in connection.introspection.table_names(cursor)
        text = io.StringIO()
        call_command("showmigrations", "auth", stdout=text)
        assert "[ ]" not in text.getvalue(), text.getvalue()
    finally:
        for app in ("auth", "sessions", "contenttypes"):
            call_command("migrate", app, "zero", verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute("drop table django_migrations")
        connection.close()


def schema_changes(url):
    ready(url)
    from django.db import connection, migrations, models as fields
    from django.db.migrations.state import ProjectState
    first = [migrations.CreateModel("Thing", [
        ("id", fields.BigAutoField(primary_key=True)), ("name", fields.CharField(max_length=20)),
        ("other", fields.IntegerField(default=7))])]
    then = [
        migrations.AddField("thing", "price", fields.DecimalField(max_digits=6, decimal_places=2,
                                                                  default=3)),
        migrations.AlterField("thing", "name", fields.CharField(max_length=80, null=True)),
        migrations.RenameField("thing", "other", "number"),
        migrations.AddIndex("thing", fields.Index(fields=["number"], name="thing_number")),
        migrations.AlterField("thing", "number", fields.BigIntegerField(unique=True)),
        migrations.RunSQL("insert into shelf_thing (name, number, price) values ('a', 1, 2)"),
        migrations.RenameModel("Thing", "Piece"),
        migrations.RemoveField("piece", "name"),
        migrations.AddConstraint("piece", fields.CheckConstraint(condition=fields.Q(price__gt=0),
                                                                 name="piece_price")),
        migrations.RemoveConstraint("piece", "piece_price"),
        migrations.RemoveIndex("piece", "thing_number"),
        migrations.DeleteModel("Piece"),
    ]
    state = ProjectState()
    for operation in first + then:
        before = state.clone()
        operation.state_forwards("shelf", state)
        with connection.schema_editor(atomic=True) as editor:
            operation.database_forwards("shelf", editor, before, state)
        if isinstance(operation, migrations.RenameModel):
            piece = state.apps.get_model("shelf", "Piece").objects.get()
            assert (piece.name, piece.number, piece.price) == ("a", 1, 2)
    connection.close()


def orm(url):
    from django.db.models import Avg, Count, Exists, F, OuterRef, Q, Window
    from django.db.models.functions import Coalesce, Lower, RowNumber, TruncMonth
    with made(url) as (Author, Book, Label):
        authors = Author.objects.bulk_create(
            [Author(name=f"author {number}", born=datetime.date(1900 + number, 1, 2))
             for number in range(30)])
        assert authors[0].pk is not None
        Book.objects.bulk_create([
            Book(author=author, title=f"Title {author.pk} {part}", price=part * 5 + 1,
                 facts={"part": part, "deep": {"list": [1, part]}}, tags=["x", f"t{part}"],
                 length=datetime.timedelta(minutes=part), body=bytes([part, 255]), score=part / 2)
            for author in authors for part in range(4)])
        book = Book.objects.select_related("author").get(author=authors[3], facts__part=2)
        assert (book.price, book.author.name, book.tags) == (11, "author 3", ["x", "t2"])
        assert bytes(book.body) == b"\x02\xff" and book.length == datetime.timedelta(minutes=2)
        assert Book.objects.filter(facts__deep__list__1=3).count() == 30
        assert Book.objects.filter(facts__has_key="part", tags__contains=["t1"]).count() == 30
        assert Book.objects.filter(tags__overlap=["t1", "t3"]).count() == 60
        rows = (Author.objects.annotate(total=Count("books", filter=Q(books__price__gt=5)),
                                        mean=Avg("books__price"))
                .filter(total=3).order_by("name").values_list("name", "mean")[:2])
        assert list(rows) == [("author 0", decimal.Decimal("8.5")),
                              ("author 1", decimal.Decimal("8.5"))], list(rows)
        dear = Author.objects.filter(Exists(Book.objects.filter(author=OuterRef("pk"), price=16)))
        assert dear.count() == 30
        ranked = Book.objects.annotate(place=Window(RowNumber(), partition_by=F("author"),
                                                    order_by=F("price").desc()))
        assert ranked.filter(place=1).count() == 30
        assert Book.objects.filter(author__name__icontains="AUTHOR 7").count() == 4
        assert Book.objects.filter(title__iregex=r"^title \d+ 0$").count() == 30
        assert Book.objects.update(price=F("price") + 1) == 120
        months = Book.objects.annotate(month=TruncMonth("made")).values("month").annotate(n=Count("*"))
        assert [row["n"] for row in months.order_by()] == [120]
        assert Book.objects.annotate(low=Lower(Coalesce("title", "author__name"))).filter(
            low__startswith="title").count() == 120
        first = Book.objects.first()
        label = Label.objects.create(word="a-word")
        label.books.set(Book.objects.all()[:5])
        assert list(first.label_set.all()) == [label]
        made_now, created = Author.objects.update_or_create(name="author 1",
                                                            defaults={"born": None})
        assert not created and made_now.born is None
        Author.objects.bulk_create([Author(name="author 1", born=datetime.date(2000, 1, 1))],
                                   update_conflicts=True, unique_fields=["name"],
                                   update_fields=["born"])
        assert Author.objects.get(name="author 1").born == datetime.date(2000, 1, 1)
        union = Author.objects.filter(name="author 1").union(Author.objects.filter(name="author 2"))
        assert union.count() == 2
        assert sum(1 for _ in Book.objects.iterator(chunk_size=50)) == 120
        deleted, parts = Author.objects.filter(name="author 5").delete()
        assert deleted >= 5 and parts["shelf.Author"] == 1, parts


def transactions(url):
    import threading

    from django.db import IntegrityError, connection, transaction
    with made(url) as (Author, _, _):
        Author.objects.create(name="one")
        try:
            with transaction.atomic():
                Author.objects.create(name="two")
                try:
                    with transaction.atomic():
                        Author.objects.create(name="one")
                    raise AssertionError("a name twice")
                except IntegrityError as error:
                    assert error.__cause__.sqlstate == "23505"
                assert Author.objects.count() == 2
                raise RuntimeError
        except RuntimeError:
            pass
        assert [author.name for author in Author.objects.all()] == ["one"]
        counts = []

        def add():
            from django.db import connection as own
            with transaction.atomic():
                author = Author.objects.select_for_update().get(pk=1)
                author.name += "."
                author.save()
            counts.append(1)
            own.close()

        threads = [threading.Thread(target=add) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(counts) == 8 and Author.objects.get(pk=1).name == "one" + "." * 8
        done = []
        with transaction.atomic():
            transaction.on_commit(lambda: done.append(connection.in_atomic_block))
        assert done == [False]


def introspection(url):
    from django.core.management import call_command
    from django.db import connection
    with made(url):
        inspector = connection.introspection
        with connection.cursor() as cursor:
            tables = {table.name: table for table in inspector.get_table_list(cursor)}
            assert tables["shelf_author"].type == "t"
            assert tables["shelf_author"].comment == "who writes"
            columns = inspector.get_table_description(cursor, "shelf_book")
            assert [column.name for column in columns][:4] == ["key", "author_id", "title", "price"]
            described = {column.name: column for column in columns}
            assert described["title"].display_size == 200 and described["price"].precision == 8
            assert inspector.get_primary_key_column(cursor, "shelf_book") == "key"
            assert inspector.get_relations(cursor, "shelf_book") == {
                "author_id": ("id", "shelf_author")}
            constraints = inspector.get_constraints(cursor, "shelf_book")
            assert constraints["shelf_price"]["check"], constraints
            assert constraints["shelf_once"]["columns"] == ["author_id", "title"]
            assert constraints["shelf_by_price"]["orders"] == ["ASC", "DESC"]
            assert constraints["shelf_by_price"]["index"]
            (sequence,) = inspector.get_sequences(cursor, "shelf_author")
            assert sequence["column"] == "id", sequence
        text = io.StringIO()
        call_command("inspectdb", stdout=text)
        source = text.getvalue()
        assert "class ShelfBook(models.Model):" in source
        assert "models.DecimalField(max_digits=8, decimal_places=2)" in source, source
        assert "models.ForeignKey(ShelfAuthor, models.DO_NOTHING" in source, source
        sqlsequencereset = connection.ops.sequence_reset_sql
        from django.core.management.color import no_style
        with connection.cursor() as cursor:
            for statement in sqlsequencereset(no_style(), ready(url)[:1]):
                cursor.execute(statement)


SCENARIOS = [
    ("django", "migrations of auth, sessions and contenttypes, up and down", migrate),
    ("django", "schema changes by migration operations", schema_changes),
    ("django", "ORM: JSON, arrays, aggregates, windows, upserts, iterators", orm),
    ("django", "transactions, savepoints, row locks", transactions),
    ("django", "introspection and inspectdb", introspection),
]
