"""The app's system checks; importing a module of this package registers its checks."""

from . import keys

__all__ = ["keys"]
