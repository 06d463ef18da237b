"""The import as a whole: what would be done, or what was done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.apps import apps
from django.db import transaction
from django.utils import timezone

from mailconfig.conf import get_settings
from mailconfig.delivery.imports.accounts import PlannedAccount, plan_account, store_account
from mailconfig.delivery.imports.django_mailer import DjangoMailer
from mailconfig.delivery.imports.elsewhere import Choice, LeftMail, OtherQueue, WaitingMail
from mailconfig.delivery.imports.mail_settings import NotMapped, read_mail_settings
from mailconfig.delivery.imports.post_office import PostOffice
from mailconfig.delivery.queue.enqueue import compose_for, enqueue
from mailconfig.delivery.queue.routing import account_for, account_named
from mailconfig.exceptions import InvalidMessage, NoAccount
from mailconfig.models import Account

__all__ = ["ImportReport", "QueueReport", "import_mail", "import_settings"]

QUEUES: tuple[OtherQueue, ...] = (PostOffice(), DjangoMailer())


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """Accounts of the settings, and what becomes none."""

    accounts: tuple[PlannedAccount, ...]
    not_mapped: tuple[NotMapped, ...]
    by_mailer: Mapping[str, Account]
    """By the name in ``MAILERS``, or by the dotted path of the backend."""


@dataclass(slots=True, kw_only=True)
class QueueReport:
    """Report on another queue: what was done with its mail, or would be."""

    name: str
    """Its package."""
    why_not: str = ""
    """The reason why nothing was looked at; ``""``: all was."""
    queued: Counter[str] = field(default_factory=Counter)
    """How many mails, by the name of the account."""
    left: list[LeftMail] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def import_settings(*, store: bool) -> ImportReport:
    """Make accounts of the servers that ``EMAIL_*`` or ``MAILERS`` name, unless there are such. Nothing is connected.

    Args:
        store: if false, nothing is written.
    """
    found = read_mail_settings()
    planned, left = {}, list(found.not_mapped)
    for server in found.servers:
        plan = plan_account(server)
        if isinstance(plan, NotMapped):
            left.append(plan)
        else:
            planned[server.where] = store_account(plan) if store else plan
    by_mailer = {
        mailer: planned[server.where].account
        for mailer, server in found.by_mailer.items()
        if server.where in planned
    }
    return ImportReport(accounts=tuple(planned.values()), not_mapped=tuple(left), by_mailer=by_mailer)


def import_mail(
    *,
    by_mailer: Mapping[str, Account],
    account: str | None,
    store: bool,
    max_age: timedelta | None = None,
    with_failed: bool = False,
    with_expiring: bool = False,
) -> list[QueueReport]:
    """Queue what waits in the other queues that are installed, each mail in a transaction that takes it from there.

    A process that is killed meanwhile leaves every mail in one of the two queues. Not to be called inside a transaction.

    Args:
        by_mailer: the accounts of the servers that would send them, as :func:`import_settings` found them.
        account: names the one that sends them all; ``None``: the one of the server, else that of the From address.
        store: if false, nothing is written, but each mail is rendered, so that what cannot be queued is known.
        max_age: what waits for longer is left; ``None``: ``MAX_AGE_SECONDS``.
        with_failed, with_expiring: see :class:`~mailconfig.delivery.imports.elsewhere.Choice`.

    Raises:
        NoAccount: nothing has the name ``account``.
        QueueBusy: a process of this machine sends from one of them.
    """
    chosen = None if account is None else account_named(account)
    age = timedelta(seconds=get_settings().max_age_seconds) if max_age is None else max_age
    choice = Choice(newer_than=_ago(age), with_failed=with_failed, with_expiring=with_expiring)
    return [
        _import_queue(queue, choice, by_mailer, chosen, store=store)
        for queue in QUEUES
        if apps.is_installed(queue.app)
    ]


def _ago(age: timedelta) -> datetime:
    try:
        return timezone.now() - age
    except OverflowError:
        return datetime.min.replace(tzinfo=timezone.get_current_timezone())


def _import_queue(
    queue: OtherQueue,
    choice: Choice,
    by_mailer: Mapping[str, Account],
    chosen: Account | None,
    *,
    store: bool,
) -> QueueReport:
    report = QueueReport(name=queue.name, why_not=queue.why_not())
    if report.why_not:
        return report
    report.remarks += queue.remarks(choice)
    if not store:
        for entry in queue.read(choice):
            _note(report, entry, _try(entry, by_mailer, chosen) if isinstance(entry, WaitingMail) else entry)
        return report
    with queue.stopped():
        for entry in queue.read(choice):
            outcome = _carry(queue, entry, by_mailer, chosen) if isinstance(entry, WaitingMail) else entry
            _note(report, entry, outcome)
    return report


def _note(report: QueueReport, entry: WaitingMail | LeftMail, outcome: Account | LeftMail) -> None:
    if isinstance(outcome, LeftMail):
        report.left.append(outcome)
    else:
        report.queued[str(outcome)] += 1


def _account_of(mail: WaitingMail, by_mailer: Mapping[str, Account], chosen: Account | None) -> Account:
    """The account that sends it: the one that was chosen, that of its server, or that of its From address.

    Raises:
        NoAccount: there is none.
    """
    return chosen or by_mailer.get(mail.mailer) or account_for(mail.message)


def _try(mail: WaitingMail, by_mailer: Mapping[str, Account], chosen: Account | None) -> Account | LeftMail:
    """The account that would send it, or why it would stay."""
    try:
        account = _account_of(mail, by_mailer, chosen)
        compose_for(account, mail.message)
    except (InvalidMessage, NoAccount) as error:
        return LeftMail(pk=mail.pk, why=str(error))
    return account


def _carry(
    queue: OtherQueue, mail: WaitingMail, by_mailer: Mapping[str, Account], chosen: Account | None
) -> Account | LeftMail:
    """Move one mail from queue to queue, in one transaction."""
    try:
        account = _account_of(mail, by_mailer, chosen)
        with transaction.atomic():
            # Claimed first: whoever loses a race queues nothing.
            if not queue.claim(mail):
                return LeftMail(pk=mail.pk, why="it was sent or changed meanwhile")
            queued = enqueue(
                mail.message, account=account, priority=mail.priority, not_before=mail.not_before
            )
            queue.note(mail, queued)
    except (InvalidMessage, NoAccount) as error:
        return LeftMail(pk=mail.pk, why=str(error))
    return account
