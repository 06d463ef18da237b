"""Logins with access tokens at a server that nobody here wrote: Debian's Dovecot, which asks the authority about them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from mailconfig.delivery.accounts.opening import check_sync
from mailconfig.exceptions import TokenRefused
from mailconfig.models import Mailbox
from mailconfig.values import Remedy, Secret
from tests.factories import make_mailbox, make_oauth2_client, make_oauth2_grant
from tests.servers.authority import Authority
from tests.servers.mailboxes import LOGIN, Dovecot

pytestmark = [pytest.mark.system("dovecot"), pytest.mark.django_db]

APP_SECRET = "not-a-real-app-secret"


@pytest.fixture
def authority() -> Iterator[Authority]:
    with Authority() as found:
        found.register("app", APP_SECRET)
        yield found


@pytest.fixture
def dovecot(authority: Authority) -> Iterator[Dovecot]:
    if not Dovecot.is_available():
        pytest.skip("it is started by root only")
    with Dovecot(tokens=authority.url("/tokeninfo?access_token=")) as server:
        yield server


@pytest.fixture
def mailbox(authority: Authority, dovecot: Dovecot, settings: Settings) -> Mailbox:
    """A mailbox that somebody has connected."""
    settings.MAILCONFIG = {
        "ALLOWED_NETWORKS": ["127.0.0.0/8", "::1/128"],
        "ALLOWED_PORTS": None,
        "WEB_PORTS": None,
        "ALLOW_PLAIN_HTTP": True,
        "CA_FILE": str(dovecot.ca_file),
        "OAUTH2_AUTHORITIES": {"microsoft": authority.url("")},
    }
    found = make_mailbox(
        username=LOGIN,
        authentication="oauth2",
        secret=None,
        imap_host="localhost",
        imap_port=dovecot.port,
        imap_ssl=True,
        sync_method="imap",
    )
    app = make_oauth2_client(client_id="app", secret=Secret(APP_SECRET), mail_servers="localhost 127.0.0.1")
    make_oauth2_grant(found, client=app, refresh_token=Secret(authority.agree(LOGIN)))
    return Mailbox.objects.get(pk=found.pk)


def test_a_token_is_fetched_replaced_once_it_is_refused_and_asked_for_no_more_when_consent_is_withdrawn(
    mailbox: Mailbox, authority: Authority
) -> None:
    check_sync(mailbox)
    check_sync(mailbox)
    assert len(authority.access_tokens) == 1
    for issued in authority.access_tokens.values():
        issued.is_valid = False
    check_sync(mailbox)
    assert len(authority.access_tokens) == 2
    authority.revoke_all()
    with pytest.raises(TokenRefused) as caught:
        check_sync(mailbox)
    assert caught.value.remedy is Remedy.CONNECT


def test_a_token_of_somebody_else_is_refused(mailbox: Mailbox, authority: Authority) -> None:
    for issued in authority.refresh_tokens.values():
        issued.user = "another"
    with pytest.raises(TokenRefused):
        check_sync(mailbox)
    assert len(authority.access_tokens) == 2, "one fresh token, and no more"
