import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models


class Author(models.Model):
    name = models.CharField(max_length=60, unique=True)
    born = models.DateField(null=True)

    class Meta:
        db_table_comment = "who writes"


class Book(models.Model):
    key = models.UUIDField(primary_key=True, default=uuid.uuid4)
    author = models.ForeignKey(Author, models.CASCADE, related_name="books")
    title = models.CharField(max_length=200, db_index=True)
    price = models.DecimalField(max_digits=8, decimal_places=2, default=0)
    facts = models.JSONField(default=dict)
    tags = ArrayField(models.CharField(max_length=20), default=list)
    made = models.DateTimeField(auto_now_add=True)
    length = models.DurationField(null=True)
    body = models.BinaryField(null=True)
    score = models.FloatField(null=True)
    good = models.BooleanField(default=True)

    class Meta:
        ordering = ["title"]
        indexes = [models.Index(fields=["author", "-price"], name="shelf_by_price"),
                   models.Index(fields=["title"], name="shelf_good",
                                condition=models.Q(good=True))]
        constraints = [models.CheckConstraint(condition=models.Q(price__gte=0), name="shelf_price"),
                       models.UniqueConstraint(fields=["author", "title"], name="shelf_once")]


class Label(models.Model):
    word = models.SlugField()
    books = models.ManyToManyField(Book)
