"""Accounts as CSV or YAML: what people entered of them, except for all secrets, be they sealed or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mailconfig.delivery.spreadsheets import csv_head, csv_line
from mailconfig.models import Account, AccountKind, Mailbox

OF_ALL = (
    "kind", "uuid", "name", "from_email", "from_name", "reply_to_email", "reply_to_name", "envelope_from",
    "owner", "tenant", "scope", "is_enabled", "is_default", "serves_project",
    "preset", "host", "port", "security", "authentication", "username",
    "limit_count", "limit_period", "limit_per_day", "limit_per_week", "limit_in_out_per_day", "max_retries", "max_sessions",
)  # fmt: skip
OF_MAILBOXES = (
    "is_sync_enabled", "imap_host", "imap_port", "imap_ssl", "imap_username", "sync_interval", "active_sync_interval",
    "signature",
)  # fmt: skip
COLUMNS = (*OF_ALL, *OF_MAILBOXES)
"""In their order in a file. Not there: secrets, failover (its numbers mean nothing elsewhere), aliases, and connections by OAuth 2."""


def account_row(account: Account) -> dict[str, str]:
    """Return the columns of an account as text; of a kind without some of them, those are left out.

    Args:
        account: its owner and tenant, and of a mailbox its own columns, should have been read with it.
    """
    row = {name: _text(getattr(account, name)) for name in OF_ALL if name not in {"owner", "tenant"}}
    row["owner"] = account.owner.get_username() if account.owner else ""
    row["tenant"] = account.tenant.slug if account.tenant else ""
    if account.kind == AccountKind.MAILBOX:
        mailbox = account.as_mailbox
        own = {name: _text(getattr(mailbox, name)) for name in OF_MAILBOXES if name != "imap_username"}
        row |= own | {"imap_username": _reads_as(mailbox)}
    return {name: row[name] for name in COLUMNS if name in row}


def _reads_as(mailbox: Mailbox) -> str:
    """Return the user name for reading where it is another than that for sending."""
    is_said = mailbox.login_name or mailbox.smtp_login_name or mailbox.imap_host
    return mailbox.login if is_said and mailbox.login != mailbox.username else ""


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def export_accounts_csv(accounts: Iterable[Account]) -> Iterator[str]:
    """Yield the lines of a CSV file in UTF-8 with a byte order mark, one account after the other."""
    yield csv_head(COLUMNS)
    for account in accounts:
        row = account_row(account)
        yield csv_line([row.get(name, "") for name in COLUMNS])


def export_accounts_yaml(accounts: Iterable[Account]) -> Iterator[str]:
    """Yield a YAML list of mappings, one account after the other. All values are quoted."""
    yield "# UTF-8\n"
    is_first = True
    for account in accounts:
        is_first = False
        lines = (f"{name}: {_quoted(value)}\n" for name, value in account_row(account).items())
        yield "- " + "  ".join(lines)
    if is_first:
        yield "[]\n"


def _quoted(text: str) -> str:
    """Return a double-quoted scalar (YAML 1.2, section 7.3.1) on one line."""
    kept = (one if one.isprintable() and one not in '"\\' else f"\\U{ord(one):08x}" for one in text)
    return f'"{"".join(kept)}"'
