"""The app's system checks; importing a module of this package registers its checks."""

from . import database, deployment, keys, senders, surfaces

__all__ = ["database", "deployment", "keys", "senders", "surfaces"]
