"""The texts of the demo's mails."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import formataddr

from django.core.mail import EmailMessage

from mailconfig.models import Account

PEOPLE = ("anna", "bjoern", "chiara", "dmitri", "elif", "fatou", "goran", "hana")


def sender(account: Account) -> str:
    """Its name and address."""
    return formataddr((account.from_name, account.sender))


def subject(name: str, number: int) -> str:
    """Return the subject that tells a mail of an account from the others."""
    return f"{name}: mail no. {number}"


def recipient(number: int) -> str:
    """Somebody under a name that no mail server serves (RFC 2606 §3)."""
    return f"{PEOPLE[number % len(PEOPLE)]}{number}@example.net"


def text(number: int) -> str:
    """A few lines."""
    return (
        f"Hello,\n\nthis is mail no. {number} of the demo. It left when the limits of its account allowed.\n\n"
        "Zażółć gęślą jaźń, and kind regards\n"
    )


def write_mails(account: Account, count: int) -> Iterator[EmailMessage]:
    """So many mails from an account's address, numbered from 1."""
    for number in range(1, count + 1):
        yield EmailMessage(
            subject(str(account), number), text(number), from_email=sender(account), to=[recipient(number)]
        )
