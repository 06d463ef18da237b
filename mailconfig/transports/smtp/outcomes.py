"""Outcomes of transactions, made of a server's replies (RFC 5321 §3.3)."""

from __future__ import annotations

from dataclasses import replace

from mailconfig.exceptions import SessionLost, TransportError
from mailconfig.transports.contract import Blame, Judgement, Outcome, SessionEnd, Verdict
from mailconfig.values import Envelope, Stage

from . import verdicts
from .capabilities import Capabilities
from .envelopes import EnvelopeOutcome
from .replies import Reply
from .verdicts import judgement


def of_transaction(replies: EnvelopeOutcome, to_dot: Reply | None) -> Outcome:
    """Return the outcome of a transaction that the server answered.

    Args:
        replies: those to MAIL, RCPT and DATA.
        to_dot: the one to the dot; ``None``: it did not come to that.
    """
    if not replies.sender.is_success:
        whole = judgement(verdicts.judge_sender(replies.sender), replies.sender)
        return Outcome(stage=Stage.SENDER, whole=whole)
    recipients = tuple(
        judgement(verdicts.judge_recipient(reply) if reply.code else Verdict.RETRY, reply)
        for reply in replies.recipients
    )
    cut_off = to_dot is None and replies.farewell is not None
    final = to_dot or replies.farewell or replies.data
    if final is None or not any(each.verdict is Verdict.ACCEPTED for each in recipients):
        nothing = Judgement(Verdict.ACCEPTED, replies.recipients[-1])
        return Outcome(stage=Stage.RECIPIENT, whole=nothing, recipients=recipients, cut_off=cut_off)
    verdict = verdicts.judge_message(final) if to_dot else verdicts.judge_data(final)
    if cut_off and verdict in {Verdict.FAIL, Verdict.PROTOCOL}:
        verdict = Verdict.RETRY  # a broken connection counts as 451 (RFC 5321 §3.8)
    return Outcome(
        stage=Stage.DOT if to_dot else Stage.DATA,
        whole=judgement(verdict, final),
        recipients=recipients,
        handed_over=to_dot is not None,
        cut_off=cut_off,
    )


def of_loss(error: TransportError, replies: EnvelopeOutcome | None) -> Outcome:
    """Return the outcome of a transaction in which the session broke: a reply that was read before counts."""
    words = verdicts.as_reply(error.reply) or Reply(0, str(error))
    if replies is not None and replies.is_open:
        answered = of_transaction(replace(replies, farewell=words), None)
        return replace(answered, stage=error.stage, error=error)
    return Outcome(stage=error.stage, whole=judgement(Verdict.RETRY, words), cut_off=True, error=error)


def misfit(envelope: Envelope, capabilities: Capabilities) -> Outcome | None:
    """Return the refusal of a message that the server cannot take, as its greeting said; ``None``: it can."""
    limit = capabilities.size_limit
    if limit and envelope.size > limit:
        words = f"The message has {envelope.size} octets, the server takes {limit}."
        return _refused(Reply(552, words, "5.3.4"), "too_large")
    if envelope.eight_bit and not capabilities.eight_bit_mime:
        return _refused(Reply(554, "The server does not take 8-bit text (8BITMIME).", "5.6.3"), "eight_bit")
    return None


def _refused(reply: Reply, error_code: str) -> Outcome:
    return Outcome(stage=Stage.SENDER, whole=Judgement(Verdict.FAIL, reply), error_code=error_code)


def end_of(outcome: Outcome, replies: EnvelopeOutcome, *, mails: int, closed: bool) -> SessionEnd | None:
    """Return how a transaction that was answered ended its session; ``None``: it goes on."""
    judgements = (outcome.whole, *outcome.recipients)
    last = next((each.answer for each in judgements if each.verdict is Verdict.NEXT_SESSION), None)
    if closed:
        last = (None if outcome.handed_over else replies.farewell) or last or outcome.whole.answer
    elif last is None:
        return None
    return SessionEnd(mails=mails, answer=last, goes_down=verdicts.goes_down(last))


def end_by(error: TransportError, *, mails: int) -> SessionEnd:
    """Return how a session broke, and who is to blame.

    Servers end sessions as they like, the next one shows; but a message must not meet that again and again at the
    head of its line.
    """
    blame, is_certain = Blame.MESSAGE if isinstance(error, SessionLost) else Blame.DOUBTFUL, False
    if error.reply is not None and isinstance(error, SessionLost):
        is_certain = True
        if error.stage is Stage.SENDER and error.reply.code == 421 and mails > 0:
            blame = Blame.NOBODY  # said between two mails
    return SessionEnd(mails=mails, answer=error.reply, error=error, blame=blame, is_certain=is_certain)
