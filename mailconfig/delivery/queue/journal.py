"""The journal: what is about to be handed over is committed before the dot, with the outcomes before it.

On PostgreSQL outcomes and journal are one data-modifying statement, hence one round trip and one commit; on
other databases the same is written through the ORM in one transaction. One test suite runs over both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from django.db import connection, transaction
from django.db.models.functions import Now

from mailconfig import signals
from mailconfig.delivery import telling
from mailconfig.delivery.lanes import Ownership
from mailconfig.delivery.queue import outcomes, parts, writer
from mailconfig.delivery.queue.listed import find_listed
from mailconfig.delivery.queue.parts import Part
from mailconfig.delivery.queue.settle import settle_all
from mailconfig.delivery.queue.transitions import states_allowing
from mailconfig.delivery.queue.turn import Settlement, Turn
from mailconfig.models import Account, HandOver, Lane, Message, MessageState

if TYPE_CHECKING:
    from mailconfig.models.account_queries import AccountQuerySet


def _nothing() -> None:
    """There is nothing to wait for."""


class Journal(Protocol):
    """Commits outcomes, and lets the next messages be handed over."""

    def exchange(
        self, finished: Sequence[Settlement], group: Sequence[Turn], *, revision: int
    ) -> Callable[[], None]:
        """Write the outcomes of ``finished`` and, in the same commit, the journal of ``group``.

        A turn of ``group`` may be handed over only if it ``is_journaled`` afterwards. It is not if the
        message is no longer queued, a recipient of it is on the suppression list, the lane is no longer ours, or the
        account was paused by a person, edited, disabled or deleted since ``revision``; the outcomes are written all the same.

        Returns:
            What waits for the commit. Nothing is known before; until then no turn may be touched.
        """
        ...


class OrmJournal:
    """For every database."""

    def __init__(self, ownership: Ownership) -> None:
        self.ownership = ownership

    def exchange(
        self, finished: Sequence[Settlement], group: Sequence[Turn], *, revision: int
    ) -> Callable[[], None]:
        """See :class:`Journal`."""
        owner = self.ownership
        with transaction.atomic():
            settle_all(finished, ownership=owner)
            if group and self._may_hand_over(revision):
                for turn in group:
                    self._hand_over(turn)
        return _nothing

    def _may_hand_over(self, revision: int) -> bool:
        accounts: AccountQuerySet = Account.objects.usable()
        owner = self.ownership
        lanes = Lane.objects.filter(pk=owner.lane_id, lease_token=owner.token, lease_until__gt=Now())
        lanes = lanes.filter(paused_at=None)
        if connection.features.has_select_for_update:
            lanes = lanes.select_for_update()
        return bool(lanes) and accounts.filter(pk=owner.account_id, revision=revision).exists()

    def _hand_over(self, turn: Turn) -> None:
        owner = self.ownership
        entry = HandOver(
            message_id=turn.message.pk,
            account_id=owner.account_id,
            lease_token=owner.token,
            worker=owner.worker,
            recipients=turn.accepted() or turn.slots,
            started_at=turn.started_at,
            handed_over_at=owner.clock.at_latest(),
        )
        # Written before the message is looked at: where rows cannot be locked, this keeps others from writing.
        HandOver.objects.bulk_create([entry], ignore_conflicts=True)
        written = HandOver.objects.filter(message_id=entry.message_id, lease_token=owner.token)
        if written and self._is_queued(entry.message_id, owner.account_id) and not self._is_listed(turn):
            turn.handed_over_at = entry.handed_over_at
        else:
            written.delete()

    @staticmethod
    def _is_queued(message_id: int, account_id: int) -> bool:
        """Return whether it is queued for this account, and was not taken over by another since it was read."""
        queued = Message.objects.filter(
            pk=message_id, account_id=account_id, state__in=states_allowing("hand_over")
        )
        if connection.features.has_select_for_update:
            queued = queued.select_for_update()
        return bool(queued.values_list("pk", flat=True))

    @staticmethod
    def _is_listed(turn: Turn) -> bool:
        """Return whether a recipient is on the suppression list by now: then the mail is read again, without that one."""
        addresses = (recipient.address for recipient in turn.recipients)
        return bool(find_listed(turn.message.tenant_id, turn.message.kind, addresses))


class PostgresJournal(OrmJournal):
    """One statement for what nearly always happens; what is not plain goes the common way first."""

    def exchange(
        self, finished: Sequence[Settlement], group: Sequence[Turn], *, revision: int
    ) -> Callable[[], None]:
        """See :class:`Journal`."""
        listened_to = signals.message_settled.has_listeners(Message)
        told = telling.listening_tenants() if finished else frozenset()
        plain = [
            settlement
            for settlement in finished
            if not listened_to
            and self._is_plain(settlement)
            and not (told and settlement.turn.message.tenant_id in told)
        ]
        if len(plain) < len(finished):
            special = [settlement for settlement in finished if settlement not in plain]
            settle_all(special, ownership=self.ownership)
        if not plain and not group:
            return _nothing
        part = Part(self.ownership, plain, group, revision)
        wait_for_commit, is_shared = writer.start(part)

        def wait() -> None:
            wait_for_commit()
            self._take_over(part)
            refused = [turn for turn in group if not turn.is_journaled]
            if refused and is_shared:
                # Somebody may have had it locked: by itself a lane waits for that.
                alone = Part(self.ownership, (), refused, revision)
                parts.start([alone])()
                self._take_over(alone)
            settle_all(
                [settlement for settlement in plain if settlement.turn.message.pk not in part.done],
                ownership=self.ownership,
            )

        return wait

    def _take_over(self, part: Part) -> None:
        """Note in its turns what became of a part; lines of the log in the order of its outcomes."""
        for turn in part.group:
            if turn.message.pk in part.opened:
                turn.handed_over_at = part.opened[turn.message.pk]
        for settlement in part.finished:
            if settlement.turn.message.pk in part.done:
                settlement.turn.attempt_id = part.done[settlement.turn.message.pk]
                outcomes.log_outcome(settlement, MessageState.SENT, account_id=self.ownership.account_id)

    @staticmethod
    def _is_plain(settlement: Settlement) -> bool:
        message = settlement.turn.message
        return (
            settlement.is_plain
            and settlement.turn.is_journaled
            and not (message.stored_as or message.has_tokens)
        )


def open_journal(ownership: Ownership) -> Journal:
    """The journal for the database we run on."""
    return PostgresJournal(ownership) if connection.vendor == "postgresql" else OrmJournal(ownership)


def adopt_lost_commit(ownership: Ownership, group: Sequence[Turn]) -> None:
    """After a commit whose answer was lost: find out which turns the journal took nevertheless."""
    by_message = {turn.message.pk: turn for turn in group}
    mine = HandOver.objects.filter(message_id__in=by_message, lease_token=ownership.token)
    for message_id, at in mine.values_list("message_id", "handed_over_at"):
        by_message[message_id].handed_over_at = at
