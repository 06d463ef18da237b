"""Accounts: saved, proved by connecting, tested with a mail, deleted."""
