"""The rows of a test mail: message, recipient and hand-over, committed before the dot; the attempt after it."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q

from mailconfig.delivery import trail
from mailconfig.delivery.accounts import sentences
from mailconfig.delivery.clock import DatabaseClock
from mailconfig.delivery.lanes import worker_name
from mailconfig.delivery.queue.ends import announce, erase_after, final_values
from mailconfig.exceptions import TransportError
from mailconfig.models import (
    Account,
    Attempt,
    AttemptOutcome,
    Body,
    HandOver,
    Message,
    MessageState,
    Recipient,
    WaitReason,
)
from mailconfig.rendering.compose import Rendered
from mailconfig.values import Answer, CheckResult


class TestMailJournal:
    """Writes one test mail down. It is never queued, so a refusal of any kind is its end."""

    def __init__(self, account: Account, rendered: Rendered, *, recipient: str) -> None:
        self.recipient = recipient
        self._account = account
        self._rendered = rendered
        self._clock = DatabaseClock()
        self._started_at = self._clock.now()
        self._message: Message | None = None
        self._hand_over: HandOver | None = None

    def start(self, *, accepted: int) -> None:
        """Nothing is prepared: nobody waits for a second mail."""

    def allows(self) -> bool:
        """Commit that the body is about to be written: from now on the mail counts in every window."""
        at = self._clock.at_latest()
        with transaction.atomic():
            message = self._insert_message(state=MessageState.QUEUED)
            hand_over = HandOver.objects.create(
                account_id=self._account.pk,
                message=message,
                worker=worker_name(),
                started_at=self._started_at,
                handed_over_at=at,
            )
        self._message, self._hand_over = message, hand_over
        return True

    def passed(self) -> None:
        """There is no lease that could be lost."""

    def complete(
        self, result: CheckResult, *, reply: Answer | None = None, error: Exception | None = None
    ) -> None:
        """Commit what came of it.

        Args:
            result: as the check shows it.
            reply: the one that decided.
            error: what ended the session instead.
        """
        ambiguous = isinstance(error, TransportError) and error.ambiguous
        if isinstance(error, TransportError):
            reply = error.reply
        if result.ok:
            outcome = AttemptOutcome.SENT
        elif error is not None:
            outcome = AttemptOutcome.UNKNOWN if ambiguous else AttemptOutcome.LOST
        else:
            outcome = AttemptOutcome.REFUSED
        reached = self._hand_over is not None and (error is None or ambiguous)
        values = {
            "outcome": outcome,
            "recipients": int(reached),
            "stage": str(result.stage or "dot"),
            "reply_code": reply.code if reply else None,
            "enhanced_code": reply.enhanced if reply else "",
            "reply_text": reply.text if reply else "",
            "ended_at": self._clock.at_latest(),
        }
        with transaction.atomic():
            if self._message is None or self._end_hand_over(self._message):
                self._complete_message(result, reply)
                self._note_attempt(values)
            else:
                self._complete_late(self._message, result, reply, values)

    @staticmethod
    def _end_hand_over(message: Message) -> bool:
        """Delete the hand-over; ``False``: it was given up."""
        return bool(HandOver.objects.filter(message_id=message.pk).delete()[0])

    def _complete_late(
        self, message: Message, result: CheckResult, reply: Answer | None, values: dict[str, object]
    ) -> None:
        """Note what came after the sweep gave the hand-over up, since this process stood still: it is what is known."""
        unknown = Attempt.objects.filter(message_id=message.pk, outcome=AttemptOutcome.UNKNOWN)
        if unknown.update(**values):
            self._complete_message(result, reply)

    def _complete_message(self, result: CheckResult, reply: Answer | None) -> None:
        state = MessageState.SENT if result.ok else MessageState.FAILED
        values = final_values(state, self._clock.at_latest())
        if not result.ok:
            values |= {
                "error_code": str(result.code or ""),
                "error_text": reply.text if reply else sentences.in_english(result.message),
            }
        if self._message is None:
            self._message = self._insert_message(state=state, **values)
        else:
            known = Q(state=MessageState.QUEUED) | Q(
                state=MessageState.FAILED, error_code=WaitReason.UNKNOWN_OUTCOME
            )
            Message.objects.filter(known, pk=self._message.pk).update(state=state, attempts=1, **values)
        erase_after(self._message.pk, state)
        announce(self._message.pk, state)
        code = "" if result.ok else str(result.code or "")
        trail.moved("test_mail", self._message.pk, state, error_code=code, reply=reply)

    def _note_attempt(self, values: dict[str, object]) -> None:
        Attempt.objects.create(
            account_id=self._account.pk,
            message=self._message,
            worker=worker_name(),
            started_at=self._started_at,
            handed_over_at=self._hand_over.handed_over_at if self._hand_over else None,
            **values,
        )

    def _insert_message(self, **values: object) -> Message:
        rendered = self._rendered
        columns: dict[str, object] = {
            "account_id": self._account.pk,
            "tenant_id": self._account.tenant_id,
            "uuid": rendered.uuid,
            "is_test": True,
            "envelope_from": rendered.sender,
            "subject": rendered.subject,
            "message_id": rendered.message_id,
            "size": rendered.size,
            "eight_bit": rendered.eight_bit,
        }
        message = Message.objects.create(**columns | values)
        Body.objects.create(message=message, octets=rendered.body)
        Recipient.objects.create(message=message, address=self.recipient)
        return message


class NoJournal:
    """Stands in for a :class:`TestMailJournal` where no stored account sends: the check is all that is written down."""

    def __init__(self, *, recipient: str) -> None:
        self.recipient = recipient

    def start(self, *, accepted: int) -> None:
        """There is nothing in which the mail could count."""

    def allows(self) -> bool:
        """Return that there is nothing to wait for."""
        return True

    def passed(self) -> None:
        """There is nothing to note."""

    def complete(
        self, result: CheckResult, *, reply: Answer | None = None, error: Exception | None = None
    ) -> None:
        """Write nothing: the check tells the outcome."""
