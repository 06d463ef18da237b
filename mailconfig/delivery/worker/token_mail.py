"""Due mail of a lane that has tokens: it goes on in line once its tokens are resolved, and nothing waits for that."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from functools import partial
from itertools import islice

from django.db.models import F

from mailconfig.conf import Settings
from mailconfig.delivery.lanes import Ownership
from mailconfig.delivery.queue import attached, unresolved
from mailconfig.delivery.queue.bodies import StorageAway
from mailconfig.delivery.queue.due import DueMessage
from mailconfig.delivery.queue.listed import code_of, find_listed
from mailconfig.delivery.queue.sources import masks_of, render_source, tokens_of
from mailconfig.delivery.worker.resolutions import MOST_OF_ACCOUNT, Resolution, resolutions
from mailconfig.exceptions import ResolverAway, TokenInvalid
from mailconfig.models import MessageSource

MOST_AHEAD = 100
"""Mails with tokens that are in hand; beyond them only mail without any is read."""
FAILURES_OF_RESOLVER = 3
"""So many mails in a row of which nobody could say: it is the resolver, and the others need not ask."""


class TokenMail:
    """Mails with tokens that a line has read. Used under the line's lock, but for :meth:`render`, :meth:`give_up` and the waiting."""

    def __init__(self, ownership: Ownership, settings: Settings) -> None:
        self._ownership, self._settings = ownership, settings
        self._later: deque[DueMessage] = deque()
        """Those for whose resolution there was no room yet."""
        self._under_way: dict[int, tuple[DueMessage, MessageSource, Resolution]] = {}
        self._taken: dict[int, tuple[MessageSource, Resolution]] = {}
        """Those that :meth:`next` returned and that are not rendered yet."""
        self._failures = 0
        """Mails in a row of which nobody could say."""

    def __len__(self) -> int:
        return len(self._later) + len(self._under_way)

    @property
    def is_full(self) -> bool:
        """Return whether no more are wanted."""
        return len(self) >= MOST_AHEAD

    def add(self, message: DueMessage) -> None:
        """Take one more."""
        self._later.append(message)

    def begin(self) -> None:
        """Begin to resolve as many as there is room for."""
        account_id = self._ownership.account_id
        while self._later:
            # What was answered counts until somebody looked at it: it may say that asking is of no use.
            room = min(resolutions.room(account_id), MOST_OF_ACCOUNT - len(self._under_way))
            if room <= 0 and not resolutions.knows(self._later[0].pk):
                return
            some = list(islice(self._later, max(room, 1)))
            sources = self._read_sources(some)
            for message in some:
                source = sources.get(message.pk)
                resolution = self._begin(message, source)
                if resolution is None:
                    return
                self._later.popleft()
                self._under_way[message.pk] = message, source or MessageSource(), resolution

    @staticmethod
    def _read_sources(messages: Sequence[DueMessage]) -> dict[int, MessageSource]:
        """Read the sources of mails, each with the tenant whose mail it is."""
        sources = MessageSource.objects.filter(message_id__in=[message.pk for message in messages])
        return {source.message_id: source for source in sources.annotate(tenant=F("message__tenant__slug"))}

    def _begin(self, message: DueMessage, source: MessageSource | None) -> Resolution | None:
        account_id = self._ownership.account_id
        if source is None:
            return Resolution.failed(account_id, "internal_error")  # nobody knows what it was
        tenant = getattr(source, "tenant", None) or ""
        seconds = self._settings.pii_resolver_seconds
        return resolutions.begin(message.pk, account_id, tenant, tokens_of(source), seconds=seconds)

    def next(self) -> DueMessage | None:
        """Return the first whose resolution is over, one way or the other; ``None``: there is none. See :meth:`render`."""
        for message, source, resolution in self._under_way.values():
            if resolution.is_over(self._settings.pii_resolver_seconds):
                del self._under_way[message.pk]
                resolutions.take(message.pk)
                self._taken[message.pk] = source, resolution
                return message
        return None

    def render(self, message: DueMessage) -> None:
        """Render a mail that :meth:`next` returned.

        Raises:
            ResolverAway: nobody can say for now what its tokens stand for.
            TokenInvalid: they cannot be used, its files are gone, or its recipient is on the suppression list, which
                knows nobody by a token.
            StorageAway: its files cannot be had for now.
        """
        source, resolution = self._taken.pop(message.pk)
        if resolution.invalid:
            raise TokenInvalid("its tokens cannot be used", code=resolution.invalid)
        values = resolution.values
        if values is None:
            raise ResolverAway("nobody can say what its tokens stand for")
        self._failures = 0
        try:
            files = attached.read_files(message.pk)
        except StorageAway:
            raise
        except (OSError, ValueError):  # a file is gone, or damaged
            raise TokenInvalid("its files are gone", code="internal_error") from None
        rendered = render_source(message, source, values, files, account_id=self._ownership.account_id)
        for reason in find_listed(message.tenant_id, message.kind, rendered.recipients).values():
            raise TokenInvalid("its recipient is on the suppression list", code=code_of(reason))
        message.render(rendered, masks_of(values))

    def give_up(self, message: DueMessage, error: ResolverAway | TokenInvalid) -> None:
        """Let a mail wait, or fail, that could not be rendered."""
        ownership, settings = self._ownership, self._settings
        if isinstance(error, TokenInvalid):
            unresolved.fail(message.pk, error.code, ownership=ownership)
            return
        self._failures += 1
        until = unresolved.put_off(message.pk, ownership=ownership, settings=settings)
        if self.is_hopeless:
            rest = until or ownership.clock.now() + timedelta(seconds=settings.backoff_seconds[0])
            unresolved.set_all_aside(rest, ownership=ownership, settings=settings)

    @property
    def is_hopeless(self) -> bool:
        """Return whether it is of no use to ask for others now: all due mail with tokens was set aside."""
        return self._failures >= FAILURES_OF_RESOLVER

    def drop_later(self) -> Collection[int]:
        """Let go of what was not begun. Returns which mails those are."""
        numbers = [message.pk for message in self._later]
        self._later.clear()
        return numbers

    def await_one(self, seconds: float) -> bool:
        """Return whether the resolution of one is over, waiting so long for that."""
        under_way = [resolution for _message, _source, resolution in self._under_way.values()]
        deadline = self._settings.pii_resolver_seconds
        return resolutions.await_any(under_way, seconds=seconds, deadline=deadline)

    def leave(self) -> list[int]:
        """Set aside what is in hand. What is being resolved goes on, and calls for a drain when it is known.

        Returns:
            Which mails those are.
        """
        was_full, numbers = self.is_full, [*self._under_way, *(message.pk for message in self._later)]
        until = self._ownership.clock.now() + timedelta(seconds=self._settings.pii_resolver_seconds)
        unresolved.set_aside(numbers, until, ownership=self._ownership)
        if was_full:
            unresolved.set_all_aside(until, ownership=self._ownership, settings=self._settings)
        for message_id, (_message, _source, resolution) in self._under_way.items():
            call_back = self._call_back(message_id)
            if not resolutions.leave(resolution, call_back):
                call_back()
        self._later.clear()
        self._under_way.clear()
        return numbers

    def _call_back(self, message_id: int) -> Callable[[], None]:
        return partial(unresolved.call_back, self._ownership.account_id, message_id)
