"""``demo --once``: the whole job without a person, and a verdict on what the mail server saw."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable

from django.contrib.auth.models import User
from django.utils import timezone

from mailconfig import delivery
from mailconfig.exceptions import MailconfigError
from mailconfig.models import Account, ConnectionCheck, Mailbox, Message, MessageState
from mailconfig.values import ErrorCode, Secret, Stage
from project.inbox.store import Inbox, ReceivedMail

from .answers import ask, wait_for_answers
from .content import SYNC_SECONDS, People, queue_by_delivery, queue_by_send_mail
from .signing_in import connect
from .verdict import Expected, Verdict, judge

SPARE_SECONDS = 20.0
"""For a slow machine, beyond what the limits take."""
WRONG_PASSWORD = "not-the-password"  # noqa: S105 - meant to be refused


def rehearse(
    people: People,
    mailboxes: tuple[Mailbox, Mailbox],
    to_connect: Account,
    inbox: Inbox,
    *,
    look_after: Callable[[], None],
    say: Callable[[str], None],
) -> list[str]:
    """Check, send and measure; ``say`` gets a small table.

    Returns:
        What is wrong; nothing, if all is well.
    """
    support, news = mailboxes
    problems = [*_check_connections(mailboxes, people.admin), *_check_wrong_password(support, people.admin)]
    problems += _check_test_mail(support, people.admin, inbox)
    problems += _check_sign_in(to_connect, people.admin)
    asked = ask(support, news)
    for problem in problems:
        say(f"  wrong: {problem}")
    queued = [queue_by_send_mail(support, 12), queue_by_delivery(news, 8)]
    expected = [_expect(mailbox, mails) for mailbox, mails in zip(mailboxes, queued, strict=True)]
    seconds = max(_seconds_needed(mailbox) for mailbox in mailboxes)
    say(
        f"{sum(map(len, queued))} mails are queued; the limits let the last one go after about {seconds:.0f} s."
    )
    _wait(inbox, expected, queued, seconds=seconds + SPARE_SECONDS, look_after=look_after)
    verdicts = [judge(one, inbox.mails()) for one in expected]
    _show(verdicts, say)
    problems += [problem for verdict in verdicts for problem in verdict.problems]
    problems += wait_for_answers(asked, seconds=2 * SYNC_SECONDS + SPARE_SECONDS, look_after=look_after)
    return problems + _check_rows(mailboxes, queued)


def _expect(mailbox: Mailbox, mails: Iterable[Message]) -> Expected:
    return Expected(
        address=mailbox.reverse_path,
        message_ids=tuple(mail.message_id for mail in mails),
        limit=mailbox.limit_count or 0,
        period=mailbox.limit_period or 0,
    )


def _check_connections(mailboxes: Iterable[Mailbox], admin: User) -> list[str]:
    probes = (delivery.probe_account, delivery.probe_sync)
    checks = [probe(account_id=mailbox.pk, requested_by=admin) for probe in probes for mailbox in mailboxes]
    return [f"the connection test failed: {_in_words(check)}" for check in checks if not check.ok]


def _check_wrong_password(mailbox: Mailbox, admin: User) -> list[str]:
    """A wrong password is named at the login stage, and nothing is stored."""
    typed = Mailbox.objects.get(pk=mailbox.pk)
    typed.secret = Secret(WRONG_PASSWORD)
    check = delivery.probe_values(account=typed, requested_by=admin)
    if check.ok:
        return ["a wrong password passed the connection test"]
    if (check.stage, check.code) != (Stage.LOGIN, ErrorCode.AUTH_FAILED):
        return [f"a wrong password was not named at the login: {_in_words(check)}"]
    return []


def _check_test_mail(mailbox: Mailbox, admin: User, inbox: Inbox) -> list[str]:
    check = delivery.send_test_mail(account_id=mailbox.pk, recipient=admin.email, requested_by=admin)
    if not check.ok:
        return [f"the test mail was not sent: {_in_words(check)}"]

    def is_there(mails: list[ReceivedMail]) -> bool:
        return any(mail.recipients == (admin.email,) for mail in mails)

    return (
        []
        if inbox.wait_until(is_there, seconds=0)
        else ["the test mail was accepted and is not in the inbox"]
    )


def _check_sign_in(account: Account, admin: User) -> list[str]:
    """Somebody signs in for the account, and the mail server takes the token that comes of it."""
    try:
        check = connect(account, by=admin)
    except MailconfigError as error:
        return [f"the account could not be connected: {error}"]
    return [] if check.ok else [f"the connected account does not work: {_in_words(check)}"]


def _check_rows(mailboxes: Iterable[Mailbox], queued: Iterable[list[Message]]) -> list[str]:
    problems = []
    for mailbox, mails in zip(mailboxes, queued, strict=True):
        unsent = Message.objects.filter(pk__in=[mail.pk for mail in mails]).exclude(state=MessageState.SENT)
        for message in unsent.select_related("hand_over")[:3]:
            why = delivery.explain([message]).get(message.pk)
            reason = f": {why.text}" if why else f": {message.error_text or message.error_code}"
            problems.append(f"{mailbox}: {message.subject!r} is {message.shown_state.label}{reason}")
    return problems


def _seconds_needed(mailbox: Mailbox) -> float:
    """Return the seconds for which the limit makes the queue last, the window being as full as it can be."""
    limit, period = mailbox.limit_count or 1, mailbox.limit_period or 1
    waiting = mailbox.messages.filter(state=MessageState.QUEUED).count()
    used = max(
        (window.used for window in delivery.usage([mailbox], now=timezone.now())[mailbox.pk]), default=0
    )
    return float(max(0, math.ceil((waiting + used) / limit) - 1) * period)


def _wait(
    inbox: Inbox,
    expected: list[Expected],
    queued: list[list[Message]],
    *,
    seconds: float,
    look_after: Callable[[], None],
) -> None:
    """Until everything has arrived and its outcome is written, or ``seconds`` are over."""
    wanted = {message_id for one in expected for message_id in one.message_ids}
    rows = Message.objects.filter(pk__in=[mail.pk for mails in queued for mail in mails])
    until = time.monotonic() + seconds

    def is_all_there(mails: list[ReceivedMail]) -> bool:
        return wanted <= {mail.header("Message-ID") for mail in mails}

    while time.monotonic() < until:
        look_after()
        if inbox.wait_until(is_all_there, seconds=0.5):
            # Something that comes twice comes after the outcome of the first was lost: look when all are settled.
            if not rows.exclude(state=MessageState.SENT).exists():
                return
            time.sleep(0.2)


def _show(verdicts: Iterable[Verdict], say: Callable[[str], None]) -> None:
    say("")
    say(f"{'mailbox':<24}{'limit':<14}{'queued':>7}{'arrived':>9}{'fullest window':>16}{'lasted':>9}  ")
    for verdict in verdicts:
        one = verdict.expected
        limit = f"{one.limit} per {one.period:g} s"
        say(
            f"{one.address:<24}{limit:<14}{len(one.message_ids):>7}{verdict.arrived:>9}"
            f"{verdict.fullest:>16}{verdict.seconds:>7.1f} s  {'wrong' if verdict.problems else 'ok'}"
        )
    say("")


def _in_words(check: ConnectionCheck) -> str:
    return f"{check.stage or '-'}: {check.message} {check.hint}".strip()
