"""What `demo --once` says about what the mail server received."""

from datetime import UTC, datetime, timedelta

import pytest

from project.demo.verdict import Expected, fullest_window, judge
from project.inbox.store import ReceivedMail

START = datetime(2026, 1, 1, tzinfo=UTC)
EXPECTED = Expected(address="a@example.com", message_ids=("<1>", "<2>", "<3>"), limit=2, period=10)


def mail(seconds: float, message_id: str, sender: str = "a@example.com") -> ReceivedMail:
    return ReceivedMail(
        received_at=START + timedelta(seconds=seconds),
        mail_from=sender,
        recipients=("b@example.net",),
        headers={"Message-Id": message_id},
        text="",
    )


def test_mails_that_arrive_once_in_order_and_within_the_limit_are_well() -> None:
    verdict = judge(
        EXPECTED, [mail(0, "<1>"), mail(1, "<2>"), mail(2, "<x>", "other@example.com"), mail(10, "<3>")]
    )

    assert verdict.problems == ()
    assert (verdict.arrived, verdict.fullest, verdict.seconds) == (3, 2, 10)


@pytest.mark.parametrize(
    ("received", "problem"),
    [
        ([mail(0, "<1>"), mail(1, "<3>")], "1 of 3 mails did not arrive"),
        ([mail(0, "<1>"), mail(1, "<2>"), mail(10, "<3>"), mail(20, "<3>")], "1 mails arrived again"),
        ([mail(0, "<1>"), mail(1, "<3>"), mail(10, "<2>")], "not arrive in their order"),
        ([mail(0, "<1>"), mail(1, "<2>"), mail(9.999, "<3>")], "3 mails within 10 s, and 2 are allowed"),
        ([mail(0, "<1>"), mail(1, "<2>"), mail(2, "<test>"), mail(20, "<3>")], "3 mails within 10 s"),
    ],
    ids=["lost", "repeated", "out of order", "too many", "too many with a test mail"],
)
def test_what_went_wrong_is_told(received: list[ReceivedMail], problem: str) -> None:
    (told,) = judge(EXPECTED, received).problems

    assert told.startswith("a@example.com: ")
    assert problem in told


def test_a_window_is_found_wherever_it_begins() -> None:
    times = [START + timedelta(seconds=second) for second in (0, 8, 9, 17.9, 18, 40)]

    assert fullest_window(times, 10) == 3
    assert fullest_window([], 10) == 0
