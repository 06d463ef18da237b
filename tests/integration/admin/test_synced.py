"""Mail that came in: who sees it, what it is tied to, and what of it is shown how."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from mailconfig.models import Bounce, Mailbox, Suppression, SyncedMessage, Tenant
from tests.factories import make_mailbox, make_message, make_synced, make_tenant, make_user

from .conftest import permitted
from .pages import admin_url

pytestmark = pytest.mark.django_db

HOSTILE = '<script>alert(1)</script><p style="color: red">Hi <a href="https://evil.test/">there</a></p>'


def shown(client: Client, **asked: str) -> set[str]:
    """The subjects that the list shows."""
    answer = client.get(admin_url("syncedmessage"), query_params=asked)
    assert answer.status_code == 200
    return {message.subject for message in answer.context["cl"].result_list}


def page_of(client: Client, message: SyncedMessage, page: str = "change") -> str:
    """A page of the message, or its status if it is none."""
    answer = client.get(f"{admin_url('syncedmessage')}{message.pk}/{page}/")
    return answer.content.decode() if answer.status_code == 200 else str(answer.status_code)


@pytest.fixture
def messages(db: None) -> dict[str, SyncedMessage]:
    """One for each relation that a person may have to a mailbox."""
    tenants: dict[str, Tenant] = {name: make_tenant(name=name) for name in ("mine", "other")}
    mailboxes: dict[str, Mailbox] = {
        "own": make_mailbox(owner=make_user("owner"), from_email="own@example.com"),
        "mine": make_mailbox(tenant=tenants["mine"]),
        "other": make_mailbox(tenant=tenants["other"]),
        "nobody": make_mailbox(),
        "somebody": make_mailbox(owner=make_user()),
    }
    return {name: make_synced(mailbox, subject=name) for name, mailbox in mailboxes.items()}


def test_mail_is_shown_to_owners_members_and_superusers(
    client: Client, messages: dict[str, SyncedMessage]
) -> None:
    dave = permitted("dave", "view_syncedmessage")
    user = User.objects.get(username="dave")
    Tenant.objects.get(name="mine").members.add(user)
    Mailbox.objects.get(pk=messages["own"].mailbox_id).owner = user
    mailbox = Mailbox.objects.get(pk=messages["own"].mailbox_id)
    mailbox.owner = user
    mailbox.save()

    assert shown(client) == set(messages)
    assert shown(dave) == {"own", "mine"}
    assert shown(permitted("frank", "view_syncedmessage")) == {"nobody"}  # who belongs to no tenant
    for name, message in messages.items():
        page = page_of(dave, message)
        assert (name in page) == (name in {"own", "mine"}), name
    offered = dave.get(admin_url("syncedmessage")).content.decode()
    assert f"mailbox__id__exact={messages['mine'].mailbox_id}" in offered
    assert f"mailbox__id__exact={messages['other'].mailbox_id}" not in offered


def test_members_of_a_closed_tenant_and_people_without_permission_see_nothing(
    messages: dict[str, SyncedMessage],
) -> None:
    dave, erin = permitted("dave", "view_syncedmessage"), permitted("erin", "view_mailbox")
    tenant = Tenant.objects.get(name="mine")
    tenant.members.set(User.objects.filter(username__in=["dave", "erin"]))
    Tenant.objects.filter(pk=tenant.pk).update(is_active=False)

    assert shown(dave) == set()
    assert erin.get(admin_url("syncedmessage")).status_code == 403
    assert page_of(erin, messages["mine"]) == "403"


def test_mail_is_found_by_sender_subject_message_id_mailbox_and_tie(client: Client) -> None:
    mailbox, other = make_mailbox(), make_mailbox()
    sent = make_message(mailbox)
    make_synced(mailbox, subject="reply", answers=sent, from_name="Zoë")
    bounce = make_synced(mailbox, subject="bounce", kind="report", message_id="<the-report@mail.test>")
    Bounce.objects.create(message=sent, address="a@example.net", reported_in=bounce)
    make_synced(other, subject="else", from_address="dora@mail.test")

    assert shown(client, q="zoë") == {"reply"}
    assert shown(client, q="the-report@") == {"bounce"}
    assert shown(client, q="mail.test") == {"bounce", "else"}
    assert shown(client, q="%") == set()
    assert shown(client, tie="reply") == {"reply"}
    assert shown(client, tie="bounce") == {"bounce"}
    assert shown(client, tie="none") == {"else"}
    assert shown(client, kind__exact="report") == {"bounce"}
    assert shown(client, mailbox__id__exact=str(other.pk)) == {"else"}


def test_a_name_turns_the_direction_of_nothing_but_itself(client: Client) -> None:
    message = make_synced(make_mailbox(), from_name="\u202ekoob", from_address="eve@mail.test")

    for page in (page_of(client, message), client.get(admin_url("syncedmessage")).content.decode()):
        assert '<bdi>\u202ekoob</bdi> <span class="mc-note">eve@mail.test</span>' in page


def test_a_reply_and_a_bounce_lead_to_their_mail_and_back(client: Client) -> None:
    mailbox = make_mailbox()
    sent = make_message(mailbox, subject="Your booking")
    reply = make_synced(mailbox, subject="Re: Your booking", answers=sent)
    report = make_synced(mailbox, subject="Undelivered", kind="report")
    Bounce.objects.create(
        message=sent,
        address="gone@example.net",
        enhanced_code="5.1.1",
        text="no such user",
        reported_in=report,
    )
    url = admin_url("message", "change", sent.pk)

    for page in (
        page_of(client, reply),
        page_of(client, report),
        client.get(admin_url("syncedmessage")).content.decode(),
    ):
        assert url in page
    assert "no such user" in page_of(client, report)
    page = client.get(url).content.decode()
    assert admin_url("syncedmessage", "change", reply.pk) in page
    assert "gone@example.net" in page
    assert "no such user" in page


def test_who_may_not_see_the_queue_is_not_told_what_mail_answers_and_the_other_way_round(db: None) -> None:
    mailbox = make_mailbox()
    sent = make_message(mailbox, subject="Secret project")
    reply = make_synced(mailbox, subject="I quit", answers=sent)
    Bounce.objects.create(message=sent, address="gone@example.net", text="no such user", reported_in=reply)
    dave, erin = permitted("dave", "view_syncedmessage"), permitted("erin", "view_message")

    for page in (page_of(dave, reply), dave.get(admin_url("syncedmessage")).content.decode()):
        assert "I quit" in page
        assert "Secret project" not in page
        assert "no such user" not in page
    assert "I quit" not in erin.get(admin_url("message", "change", sent.pk)).content.decode()


def test_what_it_says_is_shown_with_a_permission_of_its_own(client: Client) -> None:
    message = make_synced(make_mailbox(), text="Dear <b>Alice</b>", html=HOSTILE, is_cut=True)
    dave, erin = permitted("dave", "view_syncedmessage"), permitted("erin", "view_synced_content")

    page = page_of(client, message)
    assert "Dear &lt;b&gt;Alice&lt;/b&gt;" in page
    assert "only its beginning is kept" in page
    assert "<iframe" in page
    assert "evil.test" not in page
    assert "Dear" not in page_of(dave, message)
    assert "<iframe" not in page_of(dave, message)
    assert [page_of(one, message, "html") for one in (dave, erin)] == ["403", "403"]


def test_html_comes_alone_under_a_policy_that_allows_nothing(client: Client) -> None:
    message = make_synced(make_mailbox(), html=HOSTILE)
    answer = client.get(f"{admin_url('syncedmessage')}{message.pk}/html/")
    policy = answer.headers["Content-Security-Policy"].split("; ")

    assert {
        "default-src 'none'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'self'",
        "sandbox",
    } <= set(policy)
    assert not any("http" in part or "script" in part for part in policy)
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "no-store" in answer.headers["Cache-Control"]
    text = answer.content.decode()
    assert '<p style="color: red">Hi <a title="https://evil.test/">there</a></p>' in text, (
        "a link leads nowhere and says where it would lead"
    )
    assert "href" not in text
    assert "<script" not in text


def test_content_that_is_not_kept_is_said_to_be(client: Client) -> None:
    mailbox = make_mailbox()

    assert "What it says is not kept" in page_of(client, make_synced(mailbox))
    assert "It has no plain text" in page_of(client, make_synced(mailbox, html="<p>x</p>"))


def test_nothing_is_edited_and_suppressed_addresses_are_deleted(client: Client) -> None:
    mailbox = make_mailbox()
    message = make_synced(mailbox)
    suppression = Suppression.objects.create(address="gone@example.net", reason="bounce")
    forbidden = [
        admin_url("syncedmessage", "add"),
        admin_url("syncedmessage", "delete", message.pk),
        admin_url("bounce", "add"),
    ]

    assert [client.post(url, {"post": "yes"}).status_code for url in forbidden] == [403] * len(forbidden)
    assert (
        client.post(admin_url("suppression", "change", suppression.pk), {"address": "x"}).status_code == 403
    )
    assert client.post(admin_url("suppression", "delete", suppression.pk), {"post": "yes"}).status_code == 302
    assert not Suppression.objects.exists()


def test_suppressed_addresses_are_seen_and_deleted_within_ones_tenants(db: None) -> None:
    dave = permitted("dave", "view_suppression", "delete_suppression")
    mine, other = make_tenant(), make_tenant()
    mine.members.add(User.objects.get(username="dave"))
    rows = {
        name: Suppression.objects.create(address=f"{name}@example.net", reason="bounce", tenant=tenant)
        for name, tenant in {"mine": mine, "other": other, "none": None}.items()
    }

    page = dave.get(admin_url("suppression")).content.decode()
    assert [f"{name}@example.net" in page for name in rows] == [True, False, False]
    assert dave.get(admin_url("suppression", "delete", rows["other"].pk)).status_code == 302
    chosen = {
        "action": "delete_selected",
        "_selected_action": [row.pk for row in rows.values()],
        "post": "yes",
    }
    dave.post(admin_url("suppression"), chosen)
    assert set(Suppression.objects.values_list("address", flat=True)) == {
        "other@example.net",
        "none@example.net",
    }


def test_a_deleted_mailbox_keeps_its_mail_without_a_page(client: Client) -> None:
    mailbox = make_mailbox(name="Front desk", is_enabled=False)
    message = make_synced(mailbox)
    Mailbox.objects.filter(pk=mailbox.pk).update(deleted_at=timezone.now())

    page = page_of(client, message)
    assert "Front desk" in page
    assert admin_url("mailbox", "change", mailbox.pk) not in page
