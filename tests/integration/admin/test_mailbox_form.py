"""The mailbox's form: both halves, one password or two, and what the page says of the sync."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from mailconfig.models import Lane, Mailbox, Purpose, WaitReason
from mailconfig.models.account_destination import SecretName
from tests.factories import make_mailbox

from .pages import LOGIN, SECRET, admin_url, entered, values

pytestmark = pytest.mark.django_db

OTHER = "not-a-real-password-for-reading"
RECEIVING: dict[str, Any] = {"imap_host": "imap.example.com", "imap_ssl": "True"}


def save(client: Client, mailbox: Mailbox | None = None, **changes: Any) -> dict[str, list[str]]:
    """Save the form untested; returns what it complains of."""
    url = admin_url("mailbox", "change", mailbox.pk) if mailbox else admin_url("mailbox", "add")
    typed = changes if mailbox else values(2525, **changes)
    answer = client.post(url, {**entered(client, url, **typed), "_save_untested": "1"})
    if answer.status_code == 302:
        return {}
    return {name: list(errors) for name, errors in answer.context["adminform"].form.errors.items()}


def passwords(mailbox: Mailbox) -> tuple[str | None, str | None]:
    """The passwords for sending and for reading, as their servers would get them."""
    found = (mailbox.secret, mailbox.imap_secret)
    names = (SecretName.SMTP, SecretName.IMAP)
    return tuple(  # type: ignore[return-value]
        secret.bound_to(mailbox.secret_binding(name)).reveal() if secret else None  # type: ignore[attr-defined]
        for secret, name in zip(found, names, strict=True)
    )


def test_one_user_name_and_password_serve_both_halves(client: Client) -> None:
    assert save(client, **RECEIVING) == {}
    mailbox = Mailbox.objects.get()

    assert (mailbox.sync_method, mailbox.sync_port, mailbox.imap_ssl) == ("imap", 993, True)
    assert (mailbox.login, mailbox.username) == (LOGIN, LOGIN)
    assert passwords(mailbox) == (SECRET, SECRET)
    assert not mailbox.has_own_smtp_secret
    assert mailbox.lanes.filter(purpose=Purpose.SYNC).exists()


def test_other_ones_for_reading_stay_with_reading(client: Client) -> None:
    assert save(client, **RECEIVING, imap_username="reader", imap_secret=OTHER) == {}
    mailbox = Mailbox.objects.get()

    assert (mailbox.login, mailbox.username) == ("reader", LOGIN)
    assert passwords(mailbox) == (SECRET, OTHER)
    assert save(client, mailbox, name="Renamed") == {}
    assert save(client, mailbox, secret="a-new-one-for-sending") == {}
    mailbox = Mailbox.objects.get()
    assert passwords(mailbox) == ("a-new-one-for-sending", OTHER)
    # The same for both joins them again.
    assert save(client, mailbox, secret=SECRET, imap_secret=SECRET, imap_username="") == {}
    mailbox = Mailbox.objects.get()
    assert (mailbox.has_own_smtp_secret, mailbox.login) == (False, LOGIN)
    assert save(client, mailbox, secret="for-both") == {}
    assert passwords(Mailbox.objects.get()) == ("for-both", "for-both")


@pytest.mark.parametrize(
    "change", [{"imap_host": "evil.example.net"}, {"imap_port": "1993"}, {"imap_ssl": ""}]
)
def test_a_stored_password_is_not_taken_to_another_server(client: Client, change: dict[str, Any]) -> None:
    save(client, **RECEIVING)
    mailbox = Mailbox.objects.get()

    assert set(save(client, mailbox, **change)) == {"imap_secret"}
    assert Mailbox.objects.get().imap_host == "imap.example.com"
    assert save(client, mailbox, **change, imap_secret=OTHER) == {}
    assert passwords(Mailbox.objects.get()) == (SECRET, OTHER)


def test_a_mailbox_that_only_sent_is_read_once_its_password_is_entered_again(client: Client) -> None:
    save(client)
    mailbox = Mailbox.objects.get()
    assert mailbox.sync_method == ""

    assert set(save(client, mailbox, **RECEIVING)) == {"imap_secret"}
    assert save(client, mailbox, **RECEIVING, secret=SECRET) == {}
    assert passwords(Mailbox.objects.get()) == (SECRET, SECRET)
    assert save(client, mailbox, imap_host="") == {}
    mailbox = Mailbox.objects.get()
    assert (mailbox.sync_method, mailbox.imap_secret) == ("", None)


def test_reading_may_need_a_login_where_sending_needs_none(client: Client) -> None:
    nothing: dict[str, Any] = {"authentication": "none", "username": "", "secret": ""}
    assert save(client, **nothing, **RECEIVING, imap_username="reader", imap_secret=OTHER) == {}
    mailbox = Mailbox.objects.get()

    assert (mailbox.login, mailbox.username, mailbox.authentication) == ("reader", "", "none")
    assert save(client, mailbox, name="Renamed") == {}
    mailbox = Mailbox.objects.get()
    assert (passwords(mailbox)[1], mailbox.login) == (OTHER, "reader")


@pytest.mark.parametrize(
    "more", [{}, {"imap_host": "imap.example.com", "sync_method": "imap", "imap_ssl": False}]
)
@pytest.mark.parametrize(
    ("login_name", "smtp_login_name"), [("", ""), ("reader", ""), ("reader", "sender"), ("", "sender")]
)
def test_what_another_surface_stored_stays_as_it_is(
    client: Client, login_name: str, smtp_login_name: str, more: dict[str, Any]
) -> None:
    names: dict[str, Any] = {
        "login_name": login_name,
        "smtp_login_name": smtp_login_name,
        "from_email": LOGIN,
    }
    mailbox = make_mailbox(username=smtp_login_name or login_name or LOGIN, **names, **more)
    kept = (
        "username",
        "login_name",
        "smtp_login_name",
        "sync_method",
        "imap_host",
        "imap_port",
        "has_own_smtp_secret",
    )
    before = Mailbox.objects.values(*kept).get()
    sealed = passwords(mailbox)

    assert save(client, mailbox, name="Renamed") == {}
    assert Mailbox.objects.values(*kept).get() == before
    assert passwords(Mailbox.objects.get()) == sealed


def test_no_password_is_in_the_page(client: Client) -> None:
    save(client, **RECEIVING, imap_secret=OTHER)
    mailbox = Mailbox.objects.get()
    url = admin_url("mailbox", "change", mailbox.pk)
    page = client.get(url).content.decode()
    again = client.post(
        url, entered(client, url, port="x", imap_secret=OTHER, secret=SECRET)
    ).content.decode()

    assert "A password of its own is stored" in page
    assert "enter it again" in again
    for text in (page, again):
        assert SECRET not in text
        assert OTHER not in text


def test_the_page_and_the_list_tell_how_syncing_is(client: Client) -> None:
    save(client, **RECEIVING)
    mailbox = Mailbox.objects.get()
    url = admin_url("mailbox", "change", mailbox.pk)
    lane = Lane.objects.filter(account_id=mailbox.pk, purpose=Purpose.SYNC)
    now = timezone.now()
    seen: list[str] = []
    for changes in (
        {"due_at": now - timedelta(seconds=5)},
        {"last_success_at": now, "finished_at": now, "due_at": now + timedelta(minutes=3)},
        {
            "wait_reason": WaitReason.PAUSED_LOGIN,
            "wait_text": "NO [AUTHENTICATIONFAILED]",
            "last_error_at": now,
            "last_error_code": "auth_failed",
            "last_error_text": "NO [AUTHENTICATIONFAILED]",
        },
    ):
        lane.update(**changes)
        page = client.get(url).content.decode()
        seen.append(page[page.index("field-state_of_sync") :][:2500])
        rows = client.get(admin_url("mailbox")).content.decode()
        assert "field-sync" in rows
        for drawn in (page, rows):
            assert "&lt;span" not in drawn

    assert "never proved" in seen[0]
    assert "next: now" in seen[0]
    assert "works" in seen[1]
    assert "last success" in seen[1]
    assert "last finished" in seen[1]
    assert "next: " in seen[1]
    assert "paused" in seen[2]
    assert "auth_failed" in seen[2]
    assert "AUTHENTICATIONFAILED" in seen[2]
    assert f"mailbox__id__exact={mailbox.pk}" in client.get(url).content.decode()
    lane.update(wait_reason="")
    mailbox.is_sync_enabled = False
    mailbox.save(update_fields=["is_sync_enabled"])
    assert "disabled" in client.get(url).content.decode()


def test_a_mailbox_that_only_sends_says_nothing_of_syncing(client: Client) -> None:
    mailbox = make_mailbox()
    page = client.get(admin_url("mailbox", "change", mailbox.pk)).content.decode()
    assert "last success" not in page
