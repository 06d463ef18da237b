"""What replies mean."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mailconfig.transports.contract import Verdict
from mailconfig.transports.smtp import verdicts
from mailconfig.transports.smtp.replies import Reply


@pytest.mark.parametrize(
    ("code", "enhanced", "text", "verdict"),
    [
        (250, "2.0.0", "ok", Verdict.ACCEPTED),
        (451, "", "later", Verdict.RETRY),
        (451, "4.7.1", "greylisting in action", Verdict.RETRY),
        (550, "5.7.1", "spam", Verdict.FAIL),
        (550, "5.4.5", "daily sending quota exceeded", Verdict.SERVER_LIMIT),
        (554, "5.2.0", "submission quota exceeded", Verdict.SERVER_LIMIT),
        (554, "5.2.0", "mailbox unavailable", Verdict.FAIL),
        (421, "4.7.28", "unusual rate of mail", Verdict.SERVER_LIMIT),
        (354, "", "again?", Verdict.PROTOCOL),
    ],
)
def test_the_reply_to_a_dot_is_judged_by_its_class(
    code: int, enhanced: str, text: str, verdict: Verdict
) -> None:
    assert verdicts.judge_message(Reply(code, text, enhanced)) is verdict


@pytest.mark.parametrize(
    ("code", "enhanced", "verdict"),
    [
        (250, "", Verdict.ACCEPTED),
        (251, "", Verdict.ACCEPTED),
        (450, "4.2.0", Verdict.RETRY),
        (452, "4.5.3", Verdict.NEXT_TRANSACTION),
        (552, "", Verdict.NEXT_TRANSACTION),
        (452, "4.3.1", Verdict.RETRY),
        (550, "5.1.1", Verdict.FAIL),
        (553, "", Verdict.FAIL),
    ],
)
def test_a_recipient_is_judged_for_itself(code: int, enhanced: str, verdict: Verdict) -> None:
    assert verdicts.judge_recipient(Reply(code, "", enhanced)) is verdict


@pytest.mark.parametrize(
    ("code", "enhanced", "verdict"),
    [
        (250, "", Verdict.ACCEPTED),
        (451, "", Verdict.RETRY),
        (552, "5.3.4", Verdict.FAIL),
        (553, "5.7.1", Verdict.SENDER_REFUSED),
    ],
)
def test_a_refused_sender_is_the_accounts_fault_unless_it_is_the_size(
    code: int, enhanced: str, verdict: Verdict
) -> None:
    assert verdicts.judge_sender(Reply(code, "", enhanced)) is verdict


@pytest.mark.parametrize("judge", [verdicts.judge_sender, verdicts.judge_recipient, verdicts.judge_data])
@pytest.mark.parametrize(
    ("code", "enhanced", "text"),
    [
        (500, "5.5.2", "unrecognized command"),
        (501, "5.5.4", "syntax error in parameters"),
        (502, "5.5.1", "not implemented"),
        (503, "", "pipelined after end of DATA"),
        (503, "5.5.1", "bad sequence of commands"),
        (504, "5.5.4", "parameter not implemented"),
    ],
)
def test_a_refused_command_blames_neither_sender_nor_recipient_nor_message(
    judge: Callable[[Reply], Verdict], code: int, enhanced: str, text: str
) -> None:
    assert judge(Reply(code, text, enhanced)) is Verdict.PROTOCOL


def test_a_malformed_address_is_not_a_refused_command() -> None:
    assert verdicts.judge_recipient(Reply(501, "Bad recipient address syntax", "5.1.3")) is Verdict.FAIL
    assert verdicts.judge_sender(Reply(501, "Bad sender address syntax", "5.1.7")) is Verdict.SENDER_REFUSED


def test_at_the_dot_no_command_is_refused() -> None:
    assert verdicts.judge_message(Reply(503, "what is this", "")) is Verdict.FAIL


@pytest.mark.parametrize(
    "judge", [verdicts.judge_sender, verdicts.judge_recipient, verdicts.judge_data, verdicts.judge_message]
)
@pytest.mark.parametrize(
    ("code", "enhanced", "text"),
    [
        (451, "4.7.0", "Too many messages per session"),
        (421, "4.7.0", "too many messages in this connection"),
        (452, "4.5.3", "Maximum of 10 mails per SMTP connection reached"),
    ],
)
def test_a_full_session_is_told_from_a_full_account(
    judge: Callable[[Reply], Verdict], code: int, enhanced: str, text: str
) -> None:
    assert judge(Reply(code, text, enhanced)) is Verdict.NEXT_SESSION


@pytest.mark.parametrize(
    "text", ["too many connections from your host", "too much mail", "the session has ended"]
)
def test_not_every_word_of_sessions_means_a_full_one(text: str) -> None:
    assert not verdicts.ends_session(Reply(451, text, "4.7.0"))
