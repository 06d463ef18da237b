"""The app's system checks; importing a module of this package registers its checks."""

from . import backend, database, deployment, failovers, keys, senders, sign_ins, surfaces

__all__ = ["backend", "database", "deployment", "failovers", "keys", "senders", "sign_ins", "surfaces"]
