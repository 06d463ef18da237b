"""Syncs by Exchange's and Gmail's own interfaces, whose fakes are in the same process: what is asked is counted, not timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext, override_settings

from mailconfig import delivery
from mailconfig.models import AccountKind, Lane, Mailbox, Purpose, SyncedMessage
from mailconfig.values import Authentication, Secret
from tests.factories import make_oauth2_client, make_oauth2_grant
from tests.password import PASSWORD
from tests.servers.authority import Authority
from tests.servers.certificates import Certificates
from tests.servers.ews import PATH, FakeEWS
from tests.servers.gmail import ADDRESS, ALL, FakeGmail

OCTETS = 5_000


class _Gmail(FakeGmail):
    """Takes the tokens that the authority gave out."""

    def __init__(self, authority: Authority) -> None:
        super().__init__()
        self.authority = authority

    def rights_of(self, token: str) -> tuple[str, ...] | None:
        return (ALL,) if self.authority.accepts(ADDRESS, token) else None


def measure(service: str, messages: int) -> dict[str, Any]:
    """Sync a folder for the first time, without news, and with one new message.

    Returns:
        By name of the sync what was asked of the service, and the statements.
    """
    found = {}
    with SERVICES[service]() as (mailbox, requests, put):
        for number in range(messages):
            put(_mail(number))
        found["first"] = _counted(mailbox, requests)
        found["without news"] = _counted(mailbox, requests)
        put(_mail(messages))
        found["one new"] = _counted(mailbox, requests)
        count = SyncedMessage.objects.filter(mailbox=mailbox).count()
        if count != messages + 1:
            raise RuntimeError(f"{count} of {messages + 1} messages were stored")
        SyncedMessage.objects.filter(mailbox=mailbox).delete()
        mailbox.delete()
    return found


def _counted(mailbox: Mailbox, requests: list[str]) -> dict[str, int]:
    requests.clear()
    with CaptureQueriesContext(connection) as queries:
        report = delivery.sync_account(account_id=mailbox.pk)
        while report.is_due:
            report = delivery.sync_account(account_id=mailbox.pk)
    if not report.is_complete:
        raise RuntimeError(f"the sync ended with {report.error_code or 'nothing'}")
    return {"requests": len(requests), "statements": len(queries)}


Scene = tuple[Mailbox, list[str], Callable[[bytes], object]]


@contextmanager
def _exchange() -> Iterator[Scene]:
    with ExitStack() as stack:
        certificates = stack.enter_context(_certificates())
        server = stack.enter_context(FakeEWS(tls=certificates.good, credentials={ADDRESS: PASSWORD}))
        stack.enter_context(_settings(CA_FILE=certificates.ca_file))
        mailbox = _make_mailbox(
            "ews",
            ews_endpoint=f"https://127.0.0.1:{server.port}{PATH}",
            secret=Secret(PASSWORD),
            ews_secret=Secret(PASSWORD),
            authentication=Authentication.PASSWORD,
        )
        yield mailbox, server.requests, server.put


@contextmanager
def _gmail() -> Iterator[Scene]:
    with ExitStack() as stack:
        authority = stack.enter_context(Authority())
        authority.register("app", PASSWORD)
        server = stack.enter_context(_Gmail(authority))
        stack.enter_context(
            _settings(
                WEB_PORTS=None,
                ALLOW_PLAIN_HTTP=True,
                OAUTH2_AUTHORITIES={"google": authority.url("")},
                SEND_API_URLS={"gmail_api": server.url},
            )
        )
        mailbox = _make_mailbox("gmail_api", authentication=Authentication.OAUTH2)
        app = make_oauth2_client(client_id="app", secret=Secret(PASSWORD), provider="google", directory="")
        make_oauth2_grant(mailbox, client=app, refresh_token=Secret(authority.agree(ADDRESS)))
        yield Mailbox.objects.get(pk=mailbox.pk), server.asked, server.put


SERVICES = {"ews": _exchange, "gmail_api": _gmail}


@contextmanager
def _certificates() -> Iterator[Certificates]:
    certificates = Certificates()
    try:
        yield certificates
    finally:
        certificates.close()


def _settings(**more: object) -> override_settings:
    return override_settings(MAILCONFIG={**settings.MAILCONFIG, **more})


def _make_mailbox(method: str, **values: Any) -> Mailbox:
    mailbox = Mailbox.objects.create(
        kind=AccountKind.MAILBOX,
        name="Synced",
        from_email=ADDRESS,
        username=ADDRESS,
        send_method="none",
        sync_method=method,
        **values,
    )
    Lane.objects.get_or_create(account=mailbox, purpose=Purpose.SYNC)
    return mailbox


def _mail(number: int) -> bytes:
    head = (
        f"From: you@example.net\r\nTo: {ADDRESS}\r\nSubject: Mail {number}\r\n"
        f"Message-ID: <{number}@example.net>\r\n\r\n"
    )
    return (head + "Some text of a mail.\r\n" * (OCTETS // 22)).encode()
