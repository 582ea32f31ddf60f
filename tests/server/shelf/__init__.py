"""A Django app with one of each kind of field; client_django.py uses it."""
