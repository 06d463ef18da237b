"""Our Exchange on loopback, proved with exchangelib: a client that nobody here wrote, and that many use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from exchangelib import BASIC, DELEGATE, Account, Configuration, Credentials, Message, Version
from exchangelib.errors import ErrorSendAsDenied, ErrorServerBusy, UnauthorizedError
from exchangelib.protocol import CachingProtocol, FailFast
from exchangelib.version import EXCHANGE_2016

from tests.servers.ews import PATH, FakeEWS, Fault

from .sessions import USER

PASSWORD = "not-a-real-password"
"""Of ASCII: requests, which the library is built on, writes others as Latin-1."""
MIME = b"From: me@example.com\r\nTo: you@example.net\r\nSubject: Hi\r\n\r\nText\r\n"


@pytest.fixture
def plain() -> Iterator[FakeEWS]:
    """Without TLS, so that nothing has to be said of certificates to a library that keeps it for the whole process."""
    with FakeEWS(credentials={USER: PASSWORD}) as found:
        yield found
    CachingProtocol.clear_cache()


def account(server: FakeEWS, *, password: str = PASSWORD) -> Account:
    config = Configuration(
        service_endpoint=f"http://127.0.0.1:{server.port}{PATH}",
        credentials=Credentials(USER, password),
        auth_type=BASIC,
        version=Version(build=EXCHANGE_2016),
        retry_policy=FailFast(),
        max_connections=1,
    )
    return Account(primary_smtp_address=USER, config=config, autodiscover=False, access_type=DELEGATE)


@pytest.mark.one_database
def test_exchangelib_sends_and_reads(plain: FakeEWS) -> None:
    plain.put(MIME)
    plain.page = 1
    plain.put(b"Subject: second\r\n\r\n")
    box = account(plain)

    Message(account=box, mime_content=MIME, bcc_recipients=["hidden@example.org"]).send(save_copy=False)
    inbox = box.inbox
    changes = [change for change, _ in inbox.sync_items(only_fields=["size"])]
    items = list(box.fetch(ids=[(item.id, item.changekey) for item in inbox.all().only("id", "changekey")]))

    assert [(sent.data, sent.recipients, sent.saved) for sent in plain.sent] == [
        (MIME, ("you@example.net", "hidden@example.org"), False)
    ]
    assert changes == ["create", "create"]
    assert inbox.item_sync_state
    assert [item.mime_content for item in items] == [MIME, b"Subject: second\r\n\r\n"]
    assert inbox.total_count == 2


@pytest.mark.one_database
def test_exchangelib_understands_what_is_refused(plain: FakeEWS) -> None:
    box = account(plain)
    mail = Message(account=box, mime_content=MIME)

    plain.faults["CreateItem"] = Fault("ErrorSendAsDenied")
    with pytest.raises(ErrorSendAsDenied):
        mail.send(save_copy=False)
    plain.faults["CreateItem"] = Fault("ErrorServerBusy", status=500, back_off=120_000)
    with pytest.raises(ErrorServerBusy) as caught:
        mail.send(save_copy=False)
    assert caught.value.back_off == 120
    assert plain.sent == []
    with pytest.raises(UnauthorizedError):
        account(plain, password="wrong").inbox.refresh()
