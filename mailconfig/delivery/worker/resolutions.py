"""Resolutions under way in this process: each is one call of the resolver, in a thread of its own.

No lane waits for a resolver. A drain begins resolutions and goes on with other mail; when it leaves, those under way go on, and
call for a drain when they are answered. What they found is in memory only, for a short time, and is taken once.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from django.db import connections

from mailconfig.delivery.queue.resolving import resolve
from mailconfig.exceptions import ResolverAway, TokenInvalid

logger = logging.getLogger("mailconfig.resolver")

MOST_CALLS = 32
"""Calls under way in this process, those that hang among them: nobody can end a thread that waits."""
MOST_OF_ACCOUNT = 8
"""Of one account, so that what hangs for one tenant leaves room for the others."""
KEPT_SECONDS = 60.0
"""So long an answer is kept that no drain has come for."""


class Resolution:
    """Answer for the tokens of one message, once there is one. Shows nothing of it.

    Attributes:
        account_id: whose mail it is.
        began_at: by the monotonic clock.
        ended_at: the same; ``None``: it is under way.
        values: what each token stands for.
        invalid: the error code of a message with a token that cannot be used; ``""``: none is known.
    """

    def __init__(self, account_id: int) -> None:
        self.account_id = account_id
        self.began_at = time.monotonic()
        self.ended_at: float | None = None
        self.values: Mapping[str, str] | None = None
        self.invalid = ""
        self.on_end: Callable[[], object] | None = None

    @classmethod
    def failed(cls, account_id: int, code: str) -> Resolution:
        """Return one that is over already: the message cannot be resolved."""
        resolution = cls(account_id)
        resolution.ended_at, resolution.invalid = resolution.began_at, code
        return resolution

    def is_over(self, seconds: float) -> bool:
        """Return whether it was answered, or should have been: so long it is waited for."""
        return self.ended_at is not None or time.monotonic() - self.began_at >= seconds


class Resolutions:
    """All resolutions of this process, by message."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Forget the threads of another process: they did not come along over a fork."""
        self._changed = threading.Condition()
        self._known: dict[int, Resolution] = {}
        self._calls: Counter[int] = Counter()

    def begin(
        self, message_id: int, account_id: int, tenant: str, tokens: Sequence[str], *, seconds: float
    ) -> Resolution | None:
        """Return the message's resolution, which is begun if there is none yet; ``None``: there is no room for it now.

        Args:
            message_id: which message.
            account_id: whose mail it is.
            tenant: see :func:`resolve`.
            tokens: of the message.
            seconds: how long it is waited for.
        """
        with self._changed:
            self._forget_old(seconds)
            known = self._known.get(message_id)
            if known is not None:
                return known
            if self._calls[account_id] >= MOST_OF_ACCOUNT or self._calls.total() >= MOST_CALLS:
                return None
            resolution = self._known[message_id] = Resolution(account_id)
            self._calls[account_id] += 1

        def work() -> None:
            self._work(resolution, tenant, tokens, seconds)

        try:
            threading.Thread(target=work, name="mailconfig-resolver", daemon=True).start()
        except RuntimeError:  # the machine has no room for another thread
            self._end(resolution)
        return resolution

    def room(self, account_id: int) -> int:
        """Return how many more of this account may be begun now."""
        with self._changed:
            return max(0, min(MOST_OF_ACCOUNT - self._calls[account_id], MOST_CALLS - self._calls.total()))

    def knows(self, message_id: int) -> bool:
        """Return whether the message's resolution is under way, or its answer waits."""
        with self._changed:
            return message_id in self._known

    def take(self, message_id: int) -> None:
        """Forget a resolution: its message has what was found, or nobody waits for it any more."""
        with self._changed:
            self._known.pop(message_id, None)

    def await_any(self, resolutions: Sequence[Resolution], *, seconds: float, deadline: float) -> bool:
        """Return whether one of them is over, waiting for that for ``seconds`` at most."""
        until = time.monotonic() + seconds
        with self._changed:
            while True:
                if any(resolution.is_over(deadline) for resolution in resolutions):
                    return True
                left = until - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(min(left, 0.25))

    def leave(self, resolution: Resolution, on_end: Callable[[], object]) -> bool:
        """Have ``on_end`` called in the resolver's thread when it is answered. Returns false if it was already."""
        with self._changed:
            if resolution.ended_at is not None:
                return False
            resolution.on_end = on_end
            return True

    def _work(self, resolution: Resolution, tenant: str, tokens: Sequence[str], seconds: float) -> None:
        try:
            resolution.values = resolve(tenant, tokens, seconds=seconds)
        except TokenInvalid as error:
            resolution.invalid = error.code
        except ResolverAway:
            pass
        finally:
            on_end = self._end(resolution)
            try:
                if on_end is not None:
                    on_end()
            except Exception as error:  # noqa: BLE001 - the sweep finds the message as well
                logger.warning("mail whose tokens are known waits for the sweep: %s", type(error).__name__)
            finally:
                connections.close_all()

    def _end(self, resolution: Resolution) -> Callable[[], object] | None:
        with self._changed:
            resolution.ended_at = time.monotonic()
            self._calls[resolution.account_id] -= 1
            self._calls += Counter()  # drops those that have none
            self._changed.notify_all()
            return resolution.on_end

    def _forget_old(self, seconds: float) -> None:
        now = time.monotonic()
        old = [
            message_id
            for message_id, each in self._known.items()
            if now - each.began_at > seconds + KEPT_SECONDS
        ]
        for message_id in old:
            del self._known[message_id]


resolutions = Resolutions()
os.register_at_fork(after_in_child=resolutions.renew)
