"""What people do with mail, who may, and what they get to see of it."""

from __future__ import annotations

from dataclasses import replace
from email.message import EmailMessage

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.test import Client
from django.utils import timezone

from mailconfig.admin.message_actions import ACTIONS
from mailconfig.models import Attempt, Message
from tests.factories import make_account, make_mailbox, make_message

from .conftest import permitted
from .pages import admin_url


@pytest.fixture
def queued(db: None) -> Message:
    """A message that waits."""
    return make_message(make_mailbox())


def act(client: Client, name: str, *messages: Message, **data: str) -> str:
    """Choose an action in the list; the page one gets."""
    chosen = {"action": name, ACTION_CHECKBOX_NAME: [str(message.pk) for message in messages]}
    return client.post(admin_url("message"), chosen | data, follow=True).content.decode()


def state(message: Message) -> str:
    """Its state now."""
    return Message.objects.get(pk=message.pk).state


def test_an_action_says_how_many_it_is_about_before_it_does_anything(client: Client, queued: Message) -> None:
    sent = make_message(queued.account, state="sent", settled_at=timezone.now())

    page = act(client, "cancel", queued, sent)

    assert "<strong>1 mail</strong>" in page
    assert "1 is in another state" in page
    assert state(queued) == "queued"

    page = act(client, "cancel", queued, sent, confirmed="yes")

    assert "Cancel: 1 mail." in page
    assert (state(queued), state(sent)) == ("cancelled", "sent")


def test_mail_is_held_released_and_retried(client: Client, queued: Message) -> None:
    act(client, "hold", queued, confirmed="yes")
    assert state(queued) == "held"
    act(client, "release", queued, confirmed="yes")
    assert state(queued) == "queued"
    Message.objects.filter(pk=queued.pk).update(state="failed", settled_at=timezone.now())
    act(client, "requeue", queued, confirmed="yes")
    assert state(queued) == "queued"


def test_all_rows_of_a_filtered_list_are_acted_upon(client: Client, queued: Message) -> None:
    others = [make_message(queued.account) for _ in range(3)]
    spared = make_message(make_mailbox())
    url = f"{admin_url('message')}?account__id__exact={queued.account_id}"

    client.post(
        url, {"action": "cancel", "select_across": "1", "confirmed": "yes", ACTION_CHECKBOX_NAME: [queued.pk]}
    )

    assert {state(message) for message in (queued, *others)} == {"cancelled"}
    assert state(spared) == "queued"


def test_a_single_mail_is_cancelled_from_its_page_after_a_question(client: Client, queued: Message) -> None:
    url = admin_url("message", "act", queued.pk, "cancel")
    assert client.get(url).status_code == 405
    assert "cannot be undone" in client.post(url).content.decode()
    assert state(queued) == "queued"

    answer = client.post(url, {"confirmed": "yes"}, follow=True)

    assert state(queued) == "cancelled"
    assert answer.redirect_chain[-1][0].endswith(f"/{queued.pk}/change/")


def test_who_may_only_look_acts_on_nothing(queued: Message) -> None:
    dave = permitted("dave", "view_message")
    page = dave.get(admin_url("message", "change", queued.pk)).content.decode()
    assert "/act/" not in page
    for name in ("cancel", "hold"):
        assert (
            dave.post(admin_url("message", "act", queued.pk, name), {"confirmed": "yes"}).status_code == 403
        )
        act(dave, name, queued, confirmed="yes")
    assert state(queued) == "queued"


def test_acting_needs_the_token_of_the_form(queued: Message) -> None:
    erin = permitted("erin", "view_message", "manage_message")
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = erin.cookies
    assert strict.post(admin_url("message", "act", queued.pk, "hold")).status_code == 403
    assert (
        strict.post(admin_url("message"), {"action": "hold", ACTION_CHECKBOX_NAME: [queued.pk]}).status_code
        == 403
    )
    assert state(queued) == "queued"


def test_mail_is_neither_added_nor_edited_nor_deleted(client: Client, queued: Message) -> None:
    assert client.get("/admin/mailconfig/message/add/").status_code == 403
    assert client.get(admin_url("message", "delete", queued.pk)).status_code == 403
    assert client.post(admin_url("message", "change", queued.pk), {"subject": "x"}).status_code == 403


def test_a_page_shows_each_recipient_and_each_attempt(client: Client) -> None:
    message = make_message(make_mailbox(), to=["good@example.net", "bad@example.net", "gone@example.net"])
    message.recipients.filter(address="gone@example.net").update(
        state="failed", error_code="suppressed_opt_out"
    )
    message.recipients.filter(address="bad@example.net").update(
        state="failed", reply_code=550, enhanced_code="5.1.1", reply_text="no such <b>user</b>"
    )
    now = timezone.now()
    Attempt.objects.create(
        account=message.account, message=message, stage="dot", outcome="partial", reply_code=250,
        reply_text="2.0.0 taken", started_at=now, handed_over_at=now, ended_at=now,
    )  # fmt: skip

    page = client.get(admin_url("message", "change", message.pk)).content.decode()

    for text in (
        "good@example.net",
        "550 5.1.1 no such &lt;b&gt;user&lt;/b&gt;",
        "Nothing of this kind is sent to the recipient, who opted out.",
        "accepted for some",
        "250  2.0.0 taken",
    ):
        assert text in page


def mail(html: bool = False) -> bytes:
    """With an attachment, and with what should never run."""
    message = EmailMessage()
    message["Subject"] = "<script>alert(1)</script>"
    message["From"] = "bob@example.com"
    message.set_content("<img src=x onerror=alert(2)>", subtype="html" if html else "plain")
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="<i>bill</i>.pdf")
    return message.as_bytes()


@pytest.mark.parametrize("html", [False, True])
def test_content_is_plain_text_for_those_who_may_read_it(html: bool, db: None) -> None:
    message = make_message(make_mailbox(), body=mail(html))
    url = admin_url("message", "content", message.pk)
    assert permitted("dave", "view_message").get(url).status_code == 403

    page = permitted("erin", "view_message", "view_content").get(url).content.decode()

    assert "&lt;img src=x onerror=alert(2)&gt;" in page
    assert "&lt;i&gt;bill&lt;/i&gt;.pdf" in page
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page


def test_erased_content_is_said_to_be_erased(client: Client) -> None:
    message = make_message(make_mailbox(), body=None)
    assert "was erased" in client.get(admin_url("message", "content", message.pk)).content.decode()


@pytest.mark.parametrize("body", [b"", b"\xff\xfe\x00", b"Content-Type: text/plain; charset=nonsense\r\n\r\n\xe9", b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x"])  # fmt: skip
def test_damaged_content_is_shown_as_far_as_it_goes(client: Client, body: bytes) -> None:
    message = make_message(make_mailbox(), body=body)
    assert client.get(admin_url("message", "content", message.pk)).status_code == 200


def test_mail_that_is_purged_right_after_an_action_stops_no_other(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = make_account()
    gone, left = make_message(account), make_message(account)
    cancel = ACTIONS["cancel"]

    def run(*, message_id: int) -> None:
        cancel.run(message_id=message_id)
        Message.objects.filter(pk=message_id, pk__lt=left.pk).delete()

    monkeypatch.setitem(ACTIONS, "cancel", replace(cancel, run=run))
    chosen = {"action": "cancel", "_selected_action": [gone.pk, left.pk], "confirmed": "1"}
    assert client.post(admin_url("message"), chosen).status_code == 302
    assert Message.objects.get().state == "cancelled"
