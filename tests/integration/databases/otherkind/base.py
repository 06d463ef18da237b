"""SQLite under another name."""

from django.db.backends.sqlite3 import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Says that it is MySQL; a project that has none need not install its client."""

    vendor = "mysql"
    display_name = "MySQL"
