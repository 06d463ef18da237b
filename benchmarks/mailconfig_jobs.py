"""Jobs for mailconfig, asked for as its users do; each function runs in a process of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from django.core.mail import EmailMessage
from django.core.management import call_command

from mailconfig.delivery import enqueue, enqueue_many
from mailconfig.models import Account, AccountKind, Message, MessageState, Tenant

from . import mails

LOOPBACK = "127.0.0.1"


def make_account(port: int, number: int = 0, host: str = LOOPBACK, **limits: int) -> int:
    """An account for a server on loopback, of a tenant where ``BENCH_TENANT`` names one; its key."""
    slug = os.environ.get("BENCH_TENANT", "")
    tenant = Tenant.objects.get_or_create(slug=slug, defaults={"name": slug})[0] if slug else None
    account = Account.objects.create(
        kind=AccountKind.OUTBOUND_EMAIL,
        name=f"Account {number}",
        tenant=tenant,
        from_email=f"sender{number}@example.com",
        host=host,
        port=port,
        security="none",
        authentication="none",
        **limits,
    )
    return account.pk


def fill(port: int, one_by_one: int, at_once: int, accounts: int = 1) -> dict[str, float]:
    """Queue mails, some each in a call and commit of its own and the rest in one call an account.

    Returns:
        Mails per second of both.
    """
    owners = [Account.objects.get(pk=make_account(port, number)) for number in range(accounts)]
    enqueue(_mail(-1), account=owners[0]).delete()  # imports and first connections are nobody's mail
    begun = time.perf_counter()
    for number in range(one_by_one):
        enqueue(_mail(number), account=owners[number % accounts])
    between = time.perf_counter()
    if at_once:
        for first, owner in enumerate(owners):
            numbers = range(one_by_one + first, one_by_one + at_once, accounts)
            enqueue_many((_mail(number) for number in numbers), account=owner)
    ended = time.perf_counter()
    return {"one": one_by_one / (between - begun), "many": at_once / (ended - between)}


def fill_attachments(port: int, count: int, accounts: int = 1) -> None:
    """Queue mails with a large attachment."""
    owners = [Account.objects.get(pk=make_account(port, number)) for number in range(accounts)]
    for number in range(count):
        mail = _mail(number)
        mail.attach("large.bin", mails.attachment(number), "application/octet-stream")
        enqueue(mail, account=owners[number % accounts])


def fill_accounts(port: int, accounts: int, mails_each: int, **limits: int) -> None:
    """Queue mails of several limited accounts."""
    for number in range(accounts):
        key = make_account(port, number, LOOPBACK, **limits)
        enqueue_many(_mails(mails_each), account=key)


def fill_places(places: list[tuple[str, int]], mails_each: int, first: int = 0) -> None:
    """Queue mails of an account for each server, which are numbered from ``first``."""
    for number, (host, port) in enumerate(places, first):
        enqueue_many(_mails(mails_each), account=make_account(port, number, host))


def drain(count: int) -> float:
    """Send everything, as a worker without Celery does: mails per second."""
    Message.objects.count()  # the connection is open, as it is in a worker that waits
    begun = time.perf_counter()
    call_command("mailconfig_drain", once=True)
    took = time.perf_counter() - begun
    sent = Message.objects.filter(state=MessageState.SENT).count()
    if sent != count:
        raise RuntimeError(f"{sent} of {count} mails were sent")
    return count / took


def drain_among(folder: str, processes: int) -> dict[str, float]:
    """Send until nothing is due, as soon as so many processes are ready.

    Args:
        folder: an empty one, in which they tell each other.

    Returns:
        When it ``begun`` and ``ended``, by this machine's monotonic clock.

    Raises:
        RuntimeError: the others did not come within a minute.
    """
    Message.objects.count()
    meeting = Path(folder)
    (meeting / str(os.getpid())).touch()
    give_up_at = time.monotonic() + 60
    while len(list(meeting.iterdir())) < processes:
        if time.monotonic() > give_up_at:
            raise RuntimeError("the other processes did not come")
        time.sleep(0.005)
    begun = time.monotonic()
    call_command("mailconfig_drain", once=True)
    return {"begun": begun, "ended": time.monotonic()}


def _mails(count: int) -> Iterator[EmailMessage]:
    return (_mail(number) for number in range(count))


def _mail(number: int) -> EmailMessage:
    return EmailMessage(mails.subject(number), mails.TEXT, mails.SENDER, [mails.recipient(number)])
