"""A test mail whose process stands still, or dies: it goes out once at most, and what is known of it is told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from mailconfig.delivery import drain_account, due_checks, request_check, run_check, send_test_mail, sweep
from mailconfig.delivery.limits import usage
from mailconfig.models import Account, Attempt, CheckKind, ConnectionCheck, HandOver, Lane, Message
from tests.integration.delivery.accounts.conftest import stored_account
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Close, Reply

pytestmark = pytest.mark.django_db(transaction=True)

TO = "friend@example.net"


def stand_still() -> None:
    """As long as it takes for the sweep to give up the hand-over, and the check."""
    past = timezone.now() - timedelta(hours=1)
    HandOver.objects.update(handed_over_at=past)
    ConnectionCheck.objects.update(started_at=past)
    sweep()
    due_checks()


def nothing_more_goes_out(account: Account) -> None:
    """Whoever sweeps or drains finds no mail."""
    sweep()
    Lane.objects.update(due_at=timezone.now(), wait_reason="", wait_until=None)
    drain_account(account_id=account.pk)


@pytest.mark.parametrize(
    ("reply", "state", "code", "outcome"),
    [
        ("250 2.0.0 queued", "sent", "", "sent"),
        ("554 5.7.1 spam", "failed", "sender_refused", "refused"),
        ("452 4.3.1 full", "failed", "sender_refused", "refused"),
    ],
)
def test_a_reply_that_comes_after_the_mail_was_given_up_is_noted(
    plain: ChaosServer, staff: User, reply: str, state: str, code: str, outcome: str
) -> None:
    account = stored_account(plain, limit_per_day=5)
    given_up: list[tuple[str, str, str]] = []

    def look(_line: str) -> bool:
        stand_still()
        given_up.extend(Message.objects.values_list("state", "error_code", "attempt_set__outcome"))
        connection.close()
        return True

    plain.on("dot", Reply.of(reply), when=look, accept=reply.startswith("2"))

    send_test_mail(account_id=account.pk, recipient=TO, requested_by=staff)

    assert given_up == [("failed", "unknown_outcome", "unknown")]
    message = Message.objects.get()
    assert (message.state, message.error_code) == (state, code)
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.recipients) == (outcome, 1)
    assert attempt.reply_code == int(reply[:3])
    nothing_more_goes_out(account)
    assert len(plain.messages) == int(state == "sent")
    assert plain.sessions == 1


def test_what_nobody_knows_stays_unknown_and_counts(plain: ChaosServer, staff: User) -> None:
    account = stored_account(plain, limit_per_day=5)

    def look(_line: str) -> bool:
        stand_still()
        connection.close()
        return True

    plain.on("dot", Close(), when=look, accept=True)

    check = send_test_mail(account_id=account.pk, recipient=TO, requested_by=staff)

    assert not check.ok
    message = Message.objects.get()
    assert (message.state, Attempt.objects.get().outcome) == ("failed", "unknown")
    nothing_more_goes_out(account)
    assert len(plain.messages) == 1
    (used,) = usage([account], now=timezone.now())[account.pk]
    assert used.used == 1, "it may have arrived"


def test_a_check_that_was_given_up_sends_no_second_mail(plain: ChaosServer, staff: User) -> None:
    account = stored_account(plain)
    check = request_check(account_id=account.pk, kind=CheckKind.TEST_MAIL, recipient=TO, requested_by=staff)

    def look(_line: str) -> bool:
        stand_still()
        assert run_check(check_id=check.pk) is None
        connection.close()
        return False

    plain.on("dot", Close(), when=look)

    run_check(check_id=check.pk)
    assert run_check(check_id=check.pk) is None

    check.refresh_from_db()
    assert check.state == "failed", "it was told so, and is not told otherwise"
    assert Message.objects.get().state == "sent", "which is what is known of the mail"
    nothing_more_goes_out(account)
    assert len(plain.messages) == 1
