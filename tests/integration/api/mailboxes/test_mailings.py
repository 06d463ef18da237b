"""Mailings over REST: queued, told of in every state, and shown to those who may see them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from rest_framework.test import APIClient

from mailconfig.models import (
    Body,
    Bounce,
    HandOver,
    Lane,
    MailAlias,
    Mailbox,
    Message,
    MessageState,
    Recipient,
    WaitReason,
)
from tests.bearer import client_of
from tests.factories import make_mailbox, make_message, make_tenant, make_user
from tests.integration.api.conftest import permit

from .calls import JSONAPI, URL, data_of, made, refusals

pytestmark = pytest.mark.django_db

MAILINGS = "/api/v2/mailings"
NOW = timezone.now()
SAID: dict[str, Any] = {"subject": "Hello", "bodyText": "How are you?", "recipients": ["a@example.net"]}


def post(api: APIClient, key: Any, *, headers: Any = None, query: str = "", **attributes: Any) -> Any:
    """A call that queues a mailing."""
    data = {
        "type": "mailing",
        "attributes": {**SAID, **attributes},
        "relationships": {"mailbox": {"data": {"type": "mailbox", "id": key}}},
    }
    raw = json.dumps({"data": data})
    return api.generic("POST", MAILINGS + query, raw, content_type=JSONAPI, headers=headers or {})


@pytest.fixture
def box(alice: User) -> Mailbox:
    return make_mailbox(owner=alice, from_email="me@example.com", signature="Me")


def settled(box: Mailbox, state: str, *, to: list[str] | None = None, **values: Any) -> Message:
    return make_message(box, to=to, state=state, settled_at=NOW, **values)


def test_a_mailing_is_queued_and_says_all_of_itself(api: APIClient, box: Mailbox) -> None:
    response = post(
        api, box.pk, bodyHtml="<p>How are you?</p>", recipients=["a@example.net", "b@example.net"]
    )

    found = data_of(response)
    assert response.status_code == 201
    here = f"http://testserver{MAILINGS}/{found['id']}"
    assert response["Location"] == found["links"]["self"] == here
    message = Message.objects.get()
    shown = found["attributes"]
    assert {name for name in shown if name.endswith("At") and shown[name]} == {
        "createdAt", "scheduledAt", "stateChangedAt"
    }  # fmt: skip
    assert {name: value for name, value in shown.items() if not name.endswith("At")} == {
        "bodyHtml": shown["bodyHtml"],
        "bodyText": "How are you?\n\n-- \nMe\n",
        "errorReason": None,
        "mailboxAddress": "me@example.com",
        "messageId": message.message_id,
        "retryCount": 0,
        "state": "queued",
        "subject": "Hello",
    }
    assert shown["bodyHtml"].startswith("<p>How are you?</p>")
    assert found["relationships"] == {
        "mailbox": {
            "data": {"type": "mailbox", "id": box.pk},
            "links": {"related": f"http://testserver{URL}/{box.pk}"},
        },
        "recipients": {"links": {"related": f"{here}/recipients"}},
    }
    assert [one.address for one in Recipient.objects.order_by("pk")] == ["a@example.net", "b@example.net"]
    assert data_of(api.get(here)) == found


@pytest.mark.parametrize("body", [{"bodyText": None, "bodyHtml": "<p>Hi</p>"}, {"bodyText": "Hi"}])
def test_one_form_of_the_text_is_enough(api: APIClient, box: Mailbox, body: Any) -> None:
    shown = data_of(post(api, box.pk, **body))["attributes"]
    assert [bool(shown[name]) for name in ("bodyText", "bodyHtml")] == [
        bool(body.get(name)) for name in ("bodyText", "bodyHtml")
    ]


def test_it_comes_from_an_alias_that_may_send(api: APIClient, box: Mailbox) -> None:
    MailAlias.objects.create(mailbox=box, email="sales@example.com", can_send=True)
    Mailbox.objects.filter(pk=box.pk).update(from_name="Me — Müller")
    MailAlias.objects.create(mailbox=box, email="quiet@example.com")

    found = data_of(post(api, box.pk, mailboxAddress="sales@example.com"))
    assert found["attributes"]["mailboxAddress"] == "sales@example.com"
    assert b"sales@example.com" in bytes(Body.objects.get().octets)
    for address in ("quiet@example.com", "you@example.com"):
        refused = post(api, box.pk, mailboxAddress=address)
        assert refusals(refused) == {"/data/attributes/mailboxAddress": "validationError"}


def test_it_is_scheduled_and_what_has_passed_is_now(api: APIClient, box: Mailbox) -> None:
    later = (NOW + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")

    shown = data_of(post(api, box.pk, scheduledAt=later))["attributes"]
    assert (shown["state"], shown["scheduledAt"], shown["errorReason"]) == ("scheduled", later, None)
    assert data_of(post(api, box.pk, scheduledAt="2020-01-01T00:00:00Z"))["attributes"]["state"] == "queued"
    assert len(data_of(api.get(f"{MAILINGS}?filter[state]=scheduled"))) == 1
    assert len(data_of(api.get(f"{MAILINGS}?filter[scheduledAt]={later}"))) == 1


@pytest.mark.parametrize("headers", [{"X-Request-ID": "order-7"}, {}], ids=["the client's", "ours"])
def test_its_mail_keeps_the_id_of_the_request(api: APIClient, box: Mailbox, headers: dict[str, str]) -> None:
    answer = post(api, box.pk, headers=headers)

    assert Message.objects.get().request_id == answer["X-Request-ID"]
    assert answer["X-Request-ID"] == headers.get("X-Request-ID", answer["X-Request-ID"])


def test_a_key_that_comes_again_queues_nothing_more(api: APIClient, box: Mailbox) -> None:
    headers = {"Idempotency-Key": "order-12"}
    first, again = post(api, box.pk, headers=headers), post(api, box.pk, headers=headers)

    assert (again.status_code, data_of(again)["id"]) == (201, data_of(first)["id"])
    assert Message.objects.count() == 1
    assert refusals(post(api, box.pk, headers=headers, subject="Bye")) == {"": "validationError"}


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "a\x07"])
def test_a_key_that_protects_from_nothing_is_refused(api: APIClient, box: Mailbox, key: str) -> None:
    assert refusals(post(api, box.pk, headers={"Idempotency-Key": key})) == {"": "validationError"}
    assert not Message.objects.exists()


@pytest.mark.parametrize("recipient", [None, 5, [], "", "b@", "b@example.net\u2028", "b" * 255])
def test_a_recipient_that_cannot_be_is_named_by_its_place(
    api: APIClient, box: Mailbox, recipient: Any
) -> None:
    found = refusals(post(api, box.pk, recipients=["a@example.net", recipient]))
    assert found == {"/data/attributes/recipients/1": "validationError"}


@pytest.mark.parametrize(
    ("attributes", "at"),
    [
        ({"recipients": None}, "recipients"),
        ({"recipients": []}, "recipients"),
        ({"recipients": "a@example.net"}, "recipients"),
        ({"recipients": ["a@example.net", "b@"]}, "recipients/1"),
        ({"recipients": ["A <a@example.net>"]}, "recipients/0"),
        ({"recipients": ["a@example.net\r\nBcc: b@example.net"]}, "recipients/0"),
        ({"recipients": [f"a{number}@example.net" for number in range(101)]}, "recipients"),
        ({"subject": "a\nBcc: b@example.net"}, "subject"),
        ({"subject": "ä" * 999}, "subject"),
        ({"bodyText": "", "bodyHtml": None}, "bodyText"),
        ({"bodyText": "a\x07"}, "bodyText"),
        ({"scheduledAt": "tomorrow"}, "scheduledAt"),
        ({"scheduledAt": "2030-13-01T00:00:00Z"}, "scheduledAt"),
        ({"scheduledAt": "9999-01-01T00:00:00Z"}, "scheduledAt"),
        ({"scheduledAt": 1}, "scheduledAt"),
        ({"mailboxAddress": "x"}, "mailboxAddress"),
        ({"cc": ["a@example.net"]}, "cc"),
    ],
)
def test_what_cannot_be_sent_is_refused_where_it_stands(
    api: APIClient, box: Mailbox, attributes: Any, at: str
) -> None:
    found = refusals(post(api, box.pk, **attributes))
    assert set(found) <= {f"/data/attributes/{at}", ""} or at.startswith("recipients"), found
    assert any(place.startswith("/data/attributes/" + at.partition("/")[0]) for place in found), found
    assert not Message.objects.exists()


def test_only_whose_mailbox_it_is_sends_from_it(api: APIClient, bob: User, box: Mailbox) -> None:
    at = "/data/relationships/mailbox"
    assert refusals(post(client_of(bob), box.pk)) == {f"{at}/data/id": "validationError"}
    assert refusals(post(api, 99999)) == {f"{at}/data/id": "validationError"}
    assert refusals(post(api, "x")) == {f"{at}/data/id": "validationError"}


@pytest.mark.parametrize(
    ("values", "state", "tells"),
    [
        ({"state": MessageState.PREPARING}, "queued", True),
        ({"state": MessageState.HELD, "wait_reason": WaitReason.HELD}, "queued", True),
        ({"not_before": NOW + timedelta(days=1)}, "scheduled", False),
        (
            {"not_before": NOW + timedelta(days=1), "wait_reason": WaitReason.RETRY, "attempts": 2},
            "queued",
            True,
        ),
        ({"state": MessageState.SENT, "settled_at": NOW}, "delivered", False),
        ({"state": MessageState.PARTIAL, "settled_at": NOW}, "delivered", True),
        ({"state": MessageState.FAILED, "settled_at": NOW, "error_text": "550 no"}, "failed", True),
        (
            {"state": MessageState.FAILED, "settled_at": NOW, "error_code": "recipient_refused"},
            "failed",
            True,
        ),
        ({"state": MessageState.CANCELLED, "settled_at": NOW}, "failed", True),
    ],
)
def test_each_state_has_its_word_and_its_reason(
    api: APIClient, box: Mailbox, values: Any, state: str, tells: bool
) -> None:
    message = make_message(box, **values)

    shown = data_of(api.get(f"{MAILINGS}/{message.pk}"))["attributes"]
    assert (shown["state"], bool(shown["errorReason"])) == (state, tells)
    assert "550" not in str(shown["errorReason"])
    assert bool(shown["deliveredAt"]) == (state == "delivered")
    assert bool(shown["retryAt"]) == (values.get("wait_reason") == WaitReason.RETRY)
    assert [one["id"] for one in data_of(api.get(f"{MAILINGS}?filter[state]={state}"))] == [message.pk]


def test_what_is_handed_over_is_being_delivered(api: APIClient, box: Mailbox) -> None:
    message = make_message(box)
    HandOver.objects.create(message=message, account=box, started_at=NOW, handed_over_at=NOW)
    assert data_of(api.get(f"{MAILINGS}/{message.pk}"))["attributes"]["state"] == "delivering"


def test_what_holds_the_mailbox_back_is_told_of(api: APIClient, box: Mailbox) -> None:
    Mailbox.objects.filter(pk=box.pk).update(is_enabled=False)
    shown = data_of(post(api, box.pk))["attributes"]
    assert (shown["state"], shown["errorReason"]) == ("queued", WaitReason.DISABLED.label)
    Mailbox.objects.filter(pk=box.pk).update(is_enabled=True)
    Lane.objects.update_or_create(
        account=box,
        purpose="send",
        defaults={"wait_reason": WaitReason.PAUSED_LOGIN, "wait_text": "535 secret"},
    )
    (shown,) = [one["attributes"] for one in data_of(api.get(MAILINGS))]
    assert shown["errorReason"] == WaitReason.PAUSED_LOGIN.label


@pytest.mark.parametrize(
    ("bounced", "permanent", "state"),
    [
        (["a@example.net"], True, "delivered"),
        (["A@example.net", "b@example.net"], True, "bounced"),
        (["a@example.net", "b@example.net"], False, "delivered"),
    ],
)
def test_it_bounced_once_all_of_it_came_back_for_good(
    api: APIClient, box: Mailbox, bounced: list[str], permanent: bool, state: str
) -> None:
    message = settled(box, "sent", to=["a@example.net", "b@example.net"])
    for address in bounced:
        Bounce.objects.create(message=message, address=address, is_permanent=permanent, text="550 no")

    query = "include=recipients&fields[mailing]=state,errorReason,recipients"
    answer = api.get(f"{MAILINGS}/{message.pk}?{query}").json()
    shown = answer["data"]["attributes"]
    assert (shown["state"], bool(shown["errorReason"])) == (state, permanent)
    states = {one["attributes"]["address"]: one["attributes"]["state"] for one in answer["included"]}
    lower = {address.lower() for address in bounced} if permanent else set()
    assert states == {
        address: "bounced" if address in lower else "delivered"
        for address in ("a@example.net", "b@example.net")
    }
    assert len(answer["data"]["relationships"]["recipients"]["data"]) == 2


def test_it_changed_when_it_came_back_for_good(api: APIClient, box: Mailbox) -> None:
    message = settled(box, "sent", to=["a@example.net"])
    Bounce.objects.create(message=message, address="a@example.net", reported_at=NOW + timedelta(hours=1))
    Bounce.objects.create(
        message=message, address="b@example.net", is_permanent=False, reported_at=NOW + timedelta(hours=2)
    )

    shown = data_of(api.get(f"{MAILINGS}/{message.pk}"))["attributes"]
    assert (shown["state"], parse_datetime(shown["stateChangedAt"])) == ("bounced", NOW + timedelta(hours=1))


def test_recipients_have_a_list_of_their_own(api: APIClient, box: Mailbox) -> None:
    message = settled(box, "partial", to=["a@example.net", "b@example.net"])
    Recipient.objects.filter(address="a@example.net").update(
        state="failed", enhanced_code="5.1.1", reply_text="no such user"
    )

    found = data_of(api.get(f"{MAILINGS}/{message.pk}/recipients?page[size]=1"))
    (one,) = [recipient["attributes"] for recipient in found]
    assert (one["address"], one["state"], one["statusCode"]) == ("a@example.net", "failed", "5.1.1")
    assert "no such user" not in one["errorReason"]


def test_texts_are_for_the_owner_and_who_has_the_permission(
    api: APIClient, alice: User, bob: User, box: Mailbox
) -> None:
    tenant = make_tenant(slug="acme")
    tenant.members.set([alice, bob])
    Mailbox.objects.filter(pk=box.pk).update(tenant=tenant)
    permit(bob, "view_mailbox")
    path = f"{MAILINGS}/{data_of(post(api, box.pk))['id']}"

    def text(user: User) -> Any:
        return data_of(client_of(user).get(path))["attributes"]["bodyText"]

    assert (bool(text(alice)), text(bob)) == (True, None)
    assert refusals(post(client_of(bob), box.pk), 403) == {"": "unauthorizedRequest"}
    permit(bob, "view_content")
    assert text(bob)
    Body.objects.all().delete()
    assert text(alice) is None


def test_a_list_asks_as_much_for_many_as_for_few_and_reads_no_texts(api: APIClient, box: Mailbox) -> None:
    def asked(query: str = "") -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            assert data_of(api.get(f"{MAILINGS}?include=mailbox,recipients&count=true{query}"))
        return [one["sql"] for one in captured.captured_queries]

    Lane.objects.update_or_create(account=box, purpose="send", defaults={"wait_reason": WaitReason.LIMIT})
    post(api, box.pk)
    few = asked()
    for _ in range(5):
        post(api, box.pk)
    many = asked("&sort=state,-scheduledAt")
    assert len(many) == len(few)
    assert not any("mailconfig_body" in query for query in many)
    assert len(asked("&fields[mailing]=bodyText")) == len(few) + 1


def test_pages_follow_each_other_in_any_order(api: APIClient, box: Mailbox) -> None:
    keys = [data_of(post(api, box.pk))["id"] for _ in range(3)]
    seen, url = [], f"{MAILINGS}?sort=-scheduledAt,state&page[size]=1&filter[mailbox][id]={box.pk}"
    while url:
        answer = api.get(url).json()
        seen += [one["id"] for one in answer["data"]]
        url = answer["links"]["next"]
    assert sorted(seen) == keys


def test_test_mails_and_those_of_others_are_not_among_them(api: APIClient, box: Mailbox) -> None:
    make_message(box, is_test=True)
    theirs = make_message(make_mailbox(owner=make_user("carol")))
    assert data_of(api.get(MAILINGS)) == []
    for path in (f"{MAILINGS}/{theirs.pk}", f"{MAILINGS}/{theirs.pk}/recipients", f"{MAILINGS}/x"):
        assert refusals(api.get(path), 404) == {"": "resourceNotFound"}


def test_a_mailbox_says_where_its_mailings_are(api: APIClient) -> None:
    read = made(api)
    post(api, read["id"])
    assert len(data_of(api.get(read["relationships"]["mailings"]["links"]["related"]))) == 1


def test_a_mailing_that_another_account_sends_stays_with_its_mailbox(api: APIClient, box: Mailbox) -> None:
    other = make_mailbox(owner=make_user("dave"), from_email="other@example.com")
    key = data_of(post(api, box.pk, headers={"Idempotency-Key": "one"}))["id"]
    theirs = make_message(other)
    Message.objects.filter(pk=key).update(
        account=other, failed_over_from=box, failed_over_because=WaitReason.SERVER_AWAY
    )
    for query in ("", f"?filter[mailbox][id]={box.pk}"):
        (shown,) = data_of(api.get(MAILINGS + query))
        assert shown["id"] == key
        assert shown["relationships"]["mailbox"]["data"]["id"] == box.pk
    assert [one["id"] for one in data_of(api.get(f"{URL}/{box.pk}/mailings"))] == [key]
    assert data_of(api.get(f"{MAILINGS}/{key}"))["attributes"]["bodyText"], "it is the caller's own"
    assert data_of(post(api, box.pk, headers={"Idempotency-Key": "one"}))["id"] == key
    dave = client_of(User.objects.get(username="dave"))
    assert [one["id"] for one in data_of(dave.get(MAILINGS))] == [theirs.pk]
