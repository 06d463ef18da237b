"""Tokens stand for values nobody else has, and everything is driven: the values are in the mail that was sent, and nowhere else."""

from __future__ import annotations

import base64
import io
import logging
import threading
from collections.abc import Callable, Generator, Iterator
from datetime import timedelta
from time import monotonic
from typing import Any

import pytest
from django.db import connection
from django.dispatch import Signal
from django.utils import timezone

from mailconfig import delivery, signals
from mailconfig.delivery.worker.resolutions import resolutions
from mailconfig.exceptions import TokenInvalid
from mailconfig.models import Bounce, Lane, Mailbox, Message, Suppression, SyncedContent, SyncedMessage
from mailconfig.transports.contract import (
    Deliveries,
    Journal,
    Judgement,
    Outcome,
    SessionEnd,
    Surroundings,
    Verdict,
)
from mailconfig.transports.registry import register
from mailconfig.values import Answer, ConnectionSettings, Stage
from tests.acceptance.test_canary import admin_pages_of, command_output, database_bytes
from tests.factories import PASSWORD, make_tenant, make_user
from tests.integration.delivery.sync.mail import USER, make_synced
from tests.integration.delivery.sync.test_ties import put_report
from tests.resolver import PATH, Resolver
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Reply
from tests.servers.imap import FakeIMAP

pytestmark = pytest.mark.django_db(transaction=True)

TO, SUBJECT, TEXT = "NS-EU-TO-1", "NS-EU-SUBJECT-2", "NS-EU-TEXT-3"
ADDRESS = "Kanarienvogel.Anna@kanarie.example"
CLEAR = {
    TO: ADDRESS,
    SUBJECT: "Kanarienvogel: Termin am 31.7.2099",
    TEXT: "Liebe Kanarienvogel-Anna,\nsiehe https://kanarie.example/x?id=99887766 und ruf an: +49-30-99887766.\n",
}


def hits(where: str, data: bytes | str) -> list[str]:
    """Words of the values, and their beginnings as base64, that are found there."""
    octets = (data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape")).lower()
    words = [b"kanarie", b"31.7.2099", b"99887766", b"liebe"]
    coded = [base64.b64encode(b"x" * shift + b"Kanarienvogel")[4:-4].lower() for shift in range(3)]
    return [f"{word!r} in {where}" for word in (*words, *coded) if word in octets]


@pytest.fixture
def log() -> Iterator[Callable[[], str]]:
    """Everything every logger says, at DEBUG, with tracebacks and statements."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s"))
    root = logging.getLogger()
    level, ours = root.level, logging.getLogger("mailconfig")
    before = ours.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    ours.setLevel(logging.DEBUG)
    connection.force_debug_cursor = True
    yield stream.getvalue
    connection.force_debug_cursor = False
    root.removeHandler(handler)
    root.setLevel(level)
    ours.setLevel(before)


@pytest.fixture
def signalled() -> Iterator[list[str]]:
    """All that our signals tell."""
    told: list[str] = []
    ours = [each for each in vars(signals).values() if isinstance(each, Signal)]

    def note(**values: object) -> None:
        told.append(repr(values))

    for signal in ours:
        signal.connect(note, weak=False)
    yield told
    for signal in ours:
        signal.disconnect(note)


class Gossip:
    """A session of a transport that masks nothing, repeats all it is given, and at last stumbles over it."""

    def __init__(self) -> None:
        self.opened_at, self.handed_over, self.closed = monotonic(), 0, False
        self.end: SessionEnd | None = None

    def send(self, deliveries: Deliveries, journal: Journal) -> Generator[Outcome, None, None]:
        """Refuse by all that is known."""
        while (delivery := deliveries.next()) is not None:
            said = f"no: {delivery.envelope.recipients} {b''.join(delivery.chunks()).decode()}"
            if self.handed_over:
                raise RuntimeError(said)
            self.handed_over += 1
            answer = Answer(550, said.replace("\r\n", " ")[:4000])
            yield Outcome(stage=Stage.DATA, whole=Judgement(Verdict.FAIL, answer))

    def verify(self, sender: str, recipient: str) -> tuple[Judgement, ...]:
        """Say nothing."""
        return ()

    def noop(self) -> None:
        """Be there."""

    def quit(self) -> None:
        """Close."""
        self.closed = True

    def close(self) -> None:
        """Close."""
        self.closed = True


class GossipTransport:
    """Opens sessions that gossip."""

    stages = (Stage.CONNECT,)

    def open(self, settings: ConnectionSettings, surroundings: Surroundings) -> Gossip:
        """Open one; nothing is connected."""
        return Gossip()


@pytest.fixture
def servers() -> Iterator[tuple[ChaosServer, FakeIMAP]]:
    with ChaosServer() as smtp, FakeIMAP(credentials={USER: PASSWORD}) as imap:
        yield smtp, imap


@pytest.fixture
def mailbox(servers: tuple[ChaosServer, FakeIMAP], settings: Any) -> Iterator[Mailbox]:
    settings.MAILCONFIG = {
        **settings.MAILCONFIG,
        "PII_RESOLVER": PATH,
        "PII_RESOLVER_SECONDS": 10.0,
        "LIMIT_WAIT_SECONDS": 20.0,
        "LOG_ADDRESSES": True,
    }
    smtp, imap = servers
    Resolver.mend()
    Resolver.known.update({("acme", token): value for token, value in CLEAR.items()})
    tenant = make_tenant(slug="acme")
    yield make_synced(imap.port, host="127.0.0.1", port=smtp.port, authentication="none", tenant=tenant)
    Resolver.mend()


def send(mailbox: Mailbox) -> Message:
    """One mail of tokens, tried once."""
    mail = delivery.queue_service_mail(mailbox, recipient=TO, subject=SUBJECT, text=TEXT)
    Lane.objects.update(wait_reason="", wait_until=None)
    delivery.drain_account(account_id=mailbox.pk)
    mail.refresh_from_db()
    return mail


ECHOES = {
    "rcpt": f"550 5.1.1 <{ADDRESS.lower()}>: Kanarienvogel.Anna is unknown",
    "dot": f"451 4.3.0 looks like spam: '{CLEAR[SUBJECT]}' https://kanarie.example/x?id=99887766",
    "data": f"421 4.7.0 too much for {ADDRESS}",
}


def drive(
    smtp: ChaosServer, imap: FakeIMAP, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, bytes | str]]:
    """Everything that can become of mail with tokens, and what comes out of it."""
    sent = send(mailbox)
    assert sent.state == "sent"
    for verb, echo in ECHOES.items():
        smtp.on(verb, Reply.of(echo, close=verb == "data"))
        assert send(mailbox).state in {"failed", "queued"}
        smtp.calm()
        Message.objects.filter(state="queued").update(not_before=timezone.now() + timedelta(days=1))
    for value in ("Kanarie <kanarie@x.example>", f"{ADDRESS},{ADDRESS}", f"{ADDRESS}\r\nRSET"):
        Resolver.known["acme", TO] = value
        assert send(mailbox).error_code == "token_invalid"
    Resolver.known["acme", TO] = ADDRESS
    for error in (TokenInvalid(ADDRESS), ValueError(f"no {ADDRESS}")):
        Resolver.errors.append(error)
        assert send(mailbox).error_code in {"token_invalid", "unresolved"}
    put_report(imap, sent.message_id, ADDRESS)
    delivery.sync_account(account_id=mailbox.pk)
    assert Bounce.objects.get().address == TO
    assert [row.address for row in Suppression.objects.all()] == [
        TO.lower()
    ] or Suppression.objects.get().address == TO
    assert SyncedMessage.objects.exists()
    assert not SyncedContent.objects.exists()
    assert send(mailbox).error_code == "suppressed_bounce"
    Suppression.objects.all().delete()
    Mailbox.objects.filter(pk=mailbox.pk).update(send_method="gossip", secret=None)
    register("gossip", GossipTransport())
    first = delivery.queue_service_mail(mailbox, recipient=TO, subject=SUBJECT, text=TEXT)
    second = send(mailbox)
    first.refresh_from_db()
    assert (first.state, second.error_code) == ("failed", "internal_error")
    assert TO in first.error_text
    yield from admin_pages_of(make_user("alice", is_staff=True, is_superuser=True))
    yield "dumpdata", command_output("dumpdata", "--format", "json")
    yield "mailconfig_status", command_output("mailconfig_status", "--json")
    yield "explain", repr(delivery.explain(Message.objects.all()))
    yield "content", repr([delivery.read_content(message=message) for message in Message.objects.all()])
    yield "memory", repr(vars(resolutions)) + repr(threading.enumerate())


def test_what_tokens_stand_for_is_in_the_sent_mail_and_in_nothing_else(
    servers: tuple[ChaosServer, FakeIMAP],
    mailbox: Mailbox,
    log: Callable[[], str],
    signalled: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    smtp, imap = servers
    found: list[str] = []
    pages = b""
    for where, data in drive(smtp, imap, mailbox, monkeypatch):
        found += hits(where, data)
        pages += data if "/admin/" in where and isinstance(data, bytes) else b""
    assert smtp.messages[0].recipients[0] == "Kanarienvogel.Anna@kanarie.example"
    assert hits("the mail that was sent", smtp.messages[0].data)
    assert TO.encode() in pages
    found += hits("the log", log())
    found += hits("signals", "".join(signalled))
    found += hits("the database", database_bytes())
    assert len(log()) > 5_000, "the log was listened to"
    assert signalled
    assert not found
