"""The pages for those who keep mail accounts and look after the queue."""

from . import accounts, checks, messages, tenants

__all__ = ["accounts", "checks", "messages", "tenants"]
