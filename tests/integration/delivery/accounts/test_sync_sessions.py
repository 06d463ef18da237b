"""Sessions that read in a mailbox: where they go, as whom, over which encryption, and what never goes along."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from mailconfig.delivery.accounts.opening import (
    check_sync,
    is_sync_method,
    open_session,
    open_sync_session,
)
from mailconfig.exceptions import (
    ConnectionFailed,
    HostNotAllowed,
    LoginRefused,
    SecretUnreadable,
    TransportMissing,
)
from mailconfig.models import Account, Mailbox
from mailconfig.transports import registry
from mailconfig.transports.imap import IMAPSession
from mailconfig.values import Secret, Security
from tests.integration.delivery.accounts.conftest import PASSWORD, USERNAME, imap_mailbox, new_account
from tests.servers.certificates import Certificates
from tests.servers.imap import FakeFolder, FakeIMAP

pytestmark = pytest.mark.django_db


@pytest.fixture
def server(certificates: Certificates) -> Iterator[FakeIMAP]:
    """A server as providers run it on port 143."""
    with FakeIMAP(tls=certificates.good, starttls=True, credentials={USERNAME: PASSWORD}) as found:
        found.folders[b"Outreach"] = FakeFolder()
        yield found


def test_a_session_reads_in_the_mailbox_with_its_stored_password(server: FakeIMAP) -> None:
    mailbox = imap_mailbox(server, stored=True)

    session = open_sync_session(mailbox)
    assert isinstance(session, IMAPSession)
    state = session.examine(mailbox.sync_folder)
    session.quit()

    assert state.exists == 0
    assert server.logins == [("PLAIN", USERNAME, PASSWORD)]
    assert [verb for verb in server.verbs() if verb not in {"CAPABILITY", "ENABLE"}] == [
        "STARTTLS",
        "AUTHENTICATE",
        "EXAMINE",
        "LOGOUT",
    ]


def test_a_check_opens_the_folder_that_is_synced(server: FakeIMAP) -> None:
    check_sync(imap_mailbox(server, syncs_outreach_folder=True))

    assert any("Outreach" in command for command in server.commands)
    assert not any("INBOX" in command for command in server.commands)


@pytest.mark.parametrize(
    ("ssl", "port", "connects", "security"),
    [
        (True, 993, 993, Security.TLS),
        (True, None, 993, Security.TLS),
        (True, 143, 143, Security.STARTTLS),
        (True, 1993, 1993, Security.STARTTLS),
        (False, 993, 993, Security.OPPORTUNISTIC),
        (False, None, 143, Security.OPPORTUNISTIC),
        (None, 143, 143, Security.OPPORTUNISTIC),
    ],
)
def test_encryption_follows_from_flag_and_port(
    ssl: bool | None, port: int | None, connects: int, security: Security
) -> None:
    settings = Mailbox(imap_host="imap.mail.test", imap_ssl=ssl, imap_port=port).sync_settings()
    assert (settings.port, settings.security) == (connects, security)


@pytest.mark.parametrize(
    ("authentication", "has_own", "mechanism"),
    [("oauth2", False, "XOAUTH2"), ("oauth2", True, "PLAIN"), ("none", False, "PLAIN")],
)
def test_a_token_is_shown_as_one_where_it_is_the_mailboxs(
    server: FakeIMAP, authentication: str, has_own: bool, mechanism: str
) -> None:
    check_sync(imap_mailbox(server, authentication=authentication, has_own_smtp_secret=has_own))
    assert [name for name, _user, _secret in server.logins] == [mechanism]


@pytest.mark.parametrize("ssl", [False, None])
def test_no_login_is_made_without_encryption_unless_the_deployment_allows_it(
    ssl: bool | None, settings: Settings
) -> None:
    with FakeIMAP(credentials={USERNAME: PASSWORD}) as server:
        mailbox = imap_mailbox(server, imap_ssl=ssl)
        with pytest.raises(LoginRefused, match="not encrypted"):
            check_sync(mailbox)
        assert server.logins == []
        settings.MAILCONFIG |= {"ALLOW_PLAIN_LOGIN": True}
        check_sync(mailbox)
        assert len(server.logins) == 1


def test_the_ports_of_imap_are_allowed_for_imap_alone(settings: Settings) -> None:
    settings.MAILCONFIG |= {"ALLOWED_PORTS": [587], "ALLOWED_NETWORKS": ["127.0.0.0/8"]}
    for port in (143, 993):
        with pytest.raises(ConnectionFailed) as caught:
            check_sync(imap_mailbox(None, imap_port=port))
        assert caught.value.stage == "connect"
        with pytest.raises(HostNotAllowed, match=f"port {port}"):
            open_session(new_account(None, port=port))
    with pytest.raises(HostNotAllowed, match="port 25"):
        check_sync(imap_mailbox(None, imap_port=25))


@pytest.mark.parametrize(
    "changes",
    [
        {"imap_host": "localhost"},
        {"imap_port": None},
        {"imap_ssl": False},
        {"login_name": "other@mail.test"},
        {"login_name": "", "from_email": "other@mail.test"},
    ],
)
def test_a_stored_password_reaches_no_other_destination(server: FakeIMAP, changes: dict[str, Any]) -> None:
    mailbox = imap_mailbox(server, stored=True)
    for column, value in changes.items():
        setattr(mailbox, column, value)

    with pytest.raises(SecretUnreadable):
        check_sync(mailbox)

    assert server.commands == []


def test_a_password_stored_for_sending_is_none_for_reading(server: FakeIMAP) -> None:
    mailbox = imap_mailbox(server, stored=True)
    mailbox.imap_secret = Account.objects.get(pk=mailbox.pk).secret
    with pytest.raises(SecretUnreadable):
        check_sync(mailbox)
    assert server.commands == []


def test_a_method_is_there_once_something_reads_in_that_way(
    server: FakeIMAP, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(registry, "_reading", {})
    assert [is_sync_method(name) for name in ("imap", "ews", "gmail_api", "pigeon", "", "smtp")] == [
        *[True] * 3,
        *[False] * 3,
    ]
    mailbox = imap_mailbox(server, sync_method="pigeon")
    with pytest.raises(TransportMissing):
        open_sync_session(mailbox)

    registry.register_reading("pigeon", registry.reading_transport_for("imap"))

    assert is_sync_method("pigeon")
    check_sync(mailbox)
    settings.MAILCONFIG |= {"OUTBOX": True}
    assert not is_sync_method("imap"), "tests of a host project connect nowhere"
    with pytest.raises(TransportMissing):
        check_sync(mailbox)


def test_no_session_is_opened_without_a_password(server: FakeIMAP) -> None:
    with pytest.raises(LoginRefused) as caught:
        check_sync(imap_mailbox(server, imap_secret=None))
    assert caught.value.field == "secret"
    mailbox = imap_mailbox(server, imap_secret=Secret("with\rcontrols"))
    with pytest.raises(LoginRefused):
        check_sync(mailbox)
    assert server.commands == []
