"""Words of the far side without what tokens stand for, whatever transport they came by.

SMTP's own session masks each reply before it is cut. Here everything is masked once more that is about to be written:
another transport knows nothing of masks.
"""

from __future__ import annotations

from dataclasses import replace

from mailconfig.delivery.queue.turn import Turn
from mailconfig.exceptions import TransportError
from mailconfig.transports.contract import Judgement, Outcome, SessionEnd
from mailconfig.transports.scrubber import Scrubber
from mailconfig.values import Answer


class Masking:
    """Masking of what is said in one conversation: of the mail in hand, and of those before it."""

    def __init__(self) -> None:
        self._scrubber: Scrubber | None = None

    def note(self, turn: Turn | None) -> None:
        """From now on mask what the tokens of this mail stand for."""
        if turn is not None and turn.envelope.masks:
            self._scrubber = self._scrubber or Scrubber()
            self._scrubber.mask(turn.envelope.masks)

    def of_outcome(self, outcome: Outcome) -> Outcome:
        """Return the outcome with its words masked."""
        if self._scrubber is None:
            return outcome
        return replace(
            outcome,
            whole=self._of_judgement(outcome.whole),
            recipients=tuple(map(self._of_judgement, outcome.recipients)),
            error=self._of_error(outcome.error),
        )

    def of_end(self, end: SessionEnd | None) -> SessionEnd | None:
        """Return the end of a session with its last words masked."""
        if self._scrubber is None or end is None:
            return end
        return replace(end, answer=self._of_answer(end.answer), error=self._of_error(end.error))

    def _of_judgement(self, judgement: Judgement) -> Judgement:
        return replace(judgement, answer=self._of_words(judgement.answer))

    def _of_error(self, error: TransportError | None) -> TransportError | None:
        if error is not None and self._scrubber is not None:
            error.reply, error.detail = self._of_answer(error.reply), self._scrubber.clean(error.detail)
        return error

    def _of_answer(self, answer: Answer | None) -> Answer | None:
        return None if answer is None else self._of_words(answer)

    def _of_words(self, answer: Answer) -> Answer:
        return replace(answer, text=self._scrubber.clean(answer.text)) if self._scrubber else answer
