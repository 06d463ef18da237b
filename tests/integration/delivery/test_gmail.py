"""Accounts whose mail leaves, and mailboxes whose mail comes, by Gmail's own interface: from the queue to Gmail and back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.exceptions import ValidationError
from pytest_django import Settings

from mailconfig import delivery
from mailconfig.models import (
    Account,
    Attempt,
    AttemptOutcome,
    CheckState,
    Lane,
    Mailbox,
    Message,
    OAuth2Client,
    OAuth2Token,
    Purpose,
    SyncedMessage,
    WaitReason,
)
from mailconfig.models.oauth2_grant import scopes_wanted
from mailconfig.values import Authentication, Secret
from tests.factories import make_account, make_mailbox, make_message, make_oauth2_client, make_oauth2_grant
from tests.servers.authority import GOOGLE_REVOKED, Authority
from tests.servers.gmail import ADDRESS, DOCUMENTED, READ, SEND, FakeGmail, Fault, error

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.one_database]

APP_SECRET = "not-a-real-app-secret"


class Gmail(FakeGmail):
    """Takes the tokens that the authority gave out for its address."""

    def __init__(self, authority: Authority) -> None:
        super().__init__()
        self.authority = authority
        self.rights: tuple[str, ...] = (SEND, READ)

    def rights_of(self, token: str) -> tuple[str, ...] | None:
        return self.rights if self.authority.accepts(ADDRESS, token) else None


@pytest.fixture
def authority() -> Iterator[Authority]:
    with Authority() as found:
        found.register("app", APP_SECRET)
        yield found


@pytest.fixture
def gmail(authority: Authority, settings: Settings) -> Iterator[Gmail]:
    with Gmail(authority) as found:
        settings.MAILCONFIG = {
            **settings.MAILCONFIG,
            "WEB_PORTS": None,
            "ALLOW_PLAIN_HTTP": True,
            "PROBE_SECONDS": 5.0,
            "OAUTH2_AUTHORITIES": {"google": authority.url("")},
            "SEND_API_URLS": {"gmail_api": found.url},
        }
        yield found


@pytest.fixture
def app(gmail: Gmail) -> OAuth2Client:
    return make_oauth2_client(client_id="app", secret=Secret(APP_SECRET), provider="google", directory="")


def connected(account: Account, app: OAuth2Client, authority: Authority) -> None:
    make_oauth2_grant(account, client=app, refresh_token=Secret(authority.agree(ADDRESS)))


@pytest.fixture
def account(gmail: Gmail, app: OAuth2Client, authority: Authority) -> Account:
    account = make_account(
        443,
        host="",
        send_method="gmail_api",
        from_email=ADDRESS,
        username=ADDRESS,
        authentication="oauth2",
        secret=None,
    )
    connected(account, app, authority)
    return Account.objects.get(pk=account.pk)


@pytest.fixture
def mailbox(gmail: Gmail, app: OAuth2Client, authority: Authority) -> Mailbox:
    mailbox = make_mailbox(
        from_email=ADDRESS,
        username=ADDRESS,
        host="",
        send_method="none",
        sync_method="gmail_api",
        authentication=Authentication.OAUTH2,
        secret=None,
    )
    Lane.objects.get_or_create(account=mailbox, purpose=Purpose.SYNC)
    connected(mailbox, app, authority)
    return Mailbox.objects.get(pk=mailbox.pk)


def mail(number: int) -> bytes:
    head = f"From: you@example.net\r\nSubject: Mail {number}\r\nMessage-ID: <{number}@example.net>\r\n"
    return f"{head}\r\nText {number}\r\n".encode()


def stored() -> list[str]:
    return sorted(SyncedMessage.objects.values_list("subject", flat=True))


def test_mail_goes_out_by_gmail_and_is_sealed_for_nobody_else(
    gmail: Gmail, account: Account, authority: Authority
) -> None:
    make_message(account, to=["you@example.net", "they@example.net"])

    delivery.drain_account(account_id=account.pk)

    assert Message.objects.get().state == "sent"
    assert [sent.recipients for sent in gmail.sent] == [("you@example.net", "they@example.net")]
    assert gmail.asked == ["getProfile", "messages.send"]
    assert [form["grant_type"] for form in authority.forms] == ["refresh_token"]


def test_a_token_that_ended_is_fetched_anew_once_and_then_somebody_has_to_connect(
    gmail: Gmail, account: Account, authority: Authority
) -> None:
    make_message(account)
    delivery.drain_account(account_id=account.pk)
    for issued in authority.access_tokens.values():
        issued.is_valid = False
    make_message(account)
    delivery.drain_account(account_id=account.pk)
    assert (len(gmail.sent), len(authority.forms)) == (2, 2)

    authority.revoke_all()
    authority.always = GOOGLE_REVOKED
    make_message(account)
    delivery.drain_account(account_id=account.pk)

    lane = Lane.objects.get()
    assert (lane.wait_reason, lane.wait_until) == (WaitReason.PAUSED_CONSENT, None)
    assert Message.objects.filter(state="queued").count() == 1


@pytest.mark.parametrize(
    ("reason", "waits"),
    [
        ("dailyLimitExceeded", WaitReason.SERVER_LIMIT),
        ("userRateLimitExceeded", WaitReason.SERVER_LIMIT),
        ("tooMany", WaitReason.SERVER_LIMIT),
        ("accessNotConfigured", WaitReason.PAUSED_REGISTRATION),
        ("domainPolicy", WaitReason.PAUSED_REGISTRATION),
    ],
)
def test_what_holds_the_account_up_leaves_its_mail_where_it_is(
    gmail: Gmail, account: Account, reason: str, waits: WaitReason
) -> None:
    is_limit = waits is WaitReason.SERVER_LIMIT
    gmail.faults["messages.send" if is_limit else "*"] = DOCUMENTED[reason]
    make_message(account)

    delivery.drain_account(account_id=account.pk)

    lane = Lane.objects.get()
    assert (lane.wait_reason, lane.wait_until is not None) == (waits, is_limit)
    assert Message.objects.get().state == "queued"
    assert not gmail.sent


def test_a_mail_that_gmail_does_not_take_fails_and_one_in_doubt_waits(gmail: Gmail, account: Account) -> None:
    gmail.faults["messages.send"] = error(400, "invalidArgument", "Invalid To header")
    make_message(account)
    delivery.drain_account(account_id=account.pk)
    gmail.faults["messages.send"] = Fault(hangs_up=True, does_it=True)
    make_message(account)
    delivery.drain_account(account_id=account.pk)

    assert list(Message.objects.order_by("pk").values_list("state", flat=True)) == ["failed", "queued"]
    assert Attempt.objects.order_by("pk").last().outcome == AttemptOutcome.UNKNOWN  # type: ignore[union-attr]
    assert len(gmail.sent) == 1


def test_a_probe_tells_whose_mailbox_it_is_and_names_the_guilty_field(gmail: Gmail, account: Account) -> None:
    check = delivery.probe_account(account_id=account.pk, requested_by=None)
    assert check.state == CheckState.PASSED
    assert [(stage["stage"], stage["outcome"]) for stage in check.stages] == [
        (stage, "ok") for stage in ("resolve", "connect", "tls", "login")
    ]
    assert check.stages[-1]["detail"] == ADDRESS
    assert (check.host, check.port) == ("gmail.googleapis.com", 443)

    gmail.address = "somebody@else.test"
    check = delivery.probe_account(account_id=account.pk, requested_by=None)
    assert (check.code, check.stage, check.guilty_field) == ("auth_failed", "login", "username")
    assert (check.message, check.hint) == ("gmail_another_mailbox", "gmail_same_address")

    gmail.faults["getProfile"] = DOCUMENTED["accessNotConfigured"]
    check = delivery.probe_account(account_id=account.pk, requested_by=None)
    assert (check.message, check.hint) == ("gmail_switched_off", "gmail_switch_on")


def test_no_password_and_no_path_for_bounces_is_stored(gmail: Gmail, account: Account) -> None:
    account.authentication = "password"
    account.envelope_from = "bounces@example.com"
    with pytest.raises(ValidationError) as caught:
        account.full_clean()

    assert {"authentication", "envelope_from"} <= set(caught.value.error_dict)


def test_mail_comes_in_once_and_only_what_is_new(gmail: Gmail, mailbox: Mailbox) -> None:
    for number in range(3):
        gmail.put(mail(number))

    reports = [delivery.sync_account(account_id=mailbox.pk) for _ in range(2)]
    gmail.put(mail(3))
    reports.append(delivery.sync_account(account_id=mailbox.pk))

    assert [report.stored for report in reports] == [3, 0, 1]
    assert stored() == [f"Mail {number}" for number in range(4)]
    assert SyncedMessage.objects.get(subject="Mail 3").content.text == "Text 3\n"
    assert gmail.asked.count("messages.get") == 4
    assert {header["authorization"].partition(" ")[0] for header in gmail.headers} == {"Bearer"}
    assert {"messages.send", "unknown"}.isdisjoint(gmail.asked)


def test_history_that_is_forgotten_is_read_anew_and_what_is_stored_is_recognised(
    gmail: Gmail, mailbox: Mailbox
) -> None:
    gmail.put(mail(0))
    delivery.sync_account(account_id=mailbox.pk)
    first = SyncedMessage.objects.get().pk
    gmail.put(mail(1))
    gmail.forgets_before = gmail.number

    report = delivery.sync_account(account_id=mailbox.pk)

    assert (report.stored, report.moved) == (1, 1)
    assert stored() == ["Mail 0", "Mail 1"]
    assert SyncedMessage.objects.get(subject="Mail 0").pk == first


def test_a_sync_that_broke_goes_on(gmail: Gmail, mailbox: Mailbox) -> None:
    for number in range(4):
        gmail.put(mail(number))
    gmail.page = 2
    gmail.faults["messages.get"] = Fault(hangs_up=True, left=0)
    delivery.sync_account(account_id=mailbox.pk, slice_seconds=0.000001)
    assert stored() == ["Mail 2", "Mail 3"]
    gmail.faults["*"] = DOCUMENTED["userRateLimitExceeded"]

    delivery.sync_account(account_id=mailbox.pk)

    lane = Lane.objects.get(purpose=Purpose.SYNC)
    assert (lane.wait_reason, lane.breaches) == (WaitReason.SERVER_AWAY, 0)
    gmail.faults.clear()
    Lane.objects.update(wait_until=None, wait_reason="")
    delivery.sync_account(account_id=mailbox.pk)
    assert stored() == [f"Mail {number}" for number in range(4)]


def test_a_check_of_the_sync_names_what_is_wrong(gmail: Gmail, mailbox: Mailbox) -> None:
    check = delivery.probe_sync(account_id=mailbox.pk, requested_by=None)
    assert check.state == CheckState.PASSED
    assert [stage["stage"] for stage in check.stages] == ["resolve", "connect", "tls", "login", "folder"]

    mailbox.syncs_outreach_folder = True
    mailbox.save()
    check = delivery.probe_sync(account_id=mailbox.pk, requested_by=None)
    assert (check.code, check.guilty_field) == ("folder_refused", "syncs_outreach_folder")
    assert (check.message, check.hint) == ("gmail_no_label", "gmail_make_label")

    gmail.rights = (SEND,)
    check = delivery.probe_sync(account_id=mailbox.pk, requested_by=None)
    assert (check.guilty_field, check.message, check.hint) == (
        "authentication",
        "gmail_too_few_rights",
        "connect_again",
    )
    gmail.rights, gmail.address = (READ,), "somebody@else.test"
    check = delivery.probe_sync(account_id=mailbox.pk, requested_by=None)
    assert check.guilty_field == "login_name"


def test_only_the_rights_that_are_needed_are_asked_for(account: Account, mailbox: Mailbox) -> None:
    client = OAuth2Client(provider="google")
    assert scopes_wanted(account, client, "authorization_code") == SEND
    assert scopes_wanted(mailbox, client, "authorization_code") == READ
    mailbox.send_method = "smtp"
    assert scopes_wanted(mailbox, client, "authorization_code") == f"https://mail.google.com/ {READ}"
    assert "ya29" not in str(list(OAuth2Token.objects.values_list()))
