"""A stock of connections that threads use in turn: bounded while they come back, and never a dead end."""

from __future__ import annotations

import threading
import time

import pytest

from mailconfig.conf import SHARED_CONNECTIONS
from mailconfig.delivery.postgres.stock import (
    DOUBT_SECONDS,
    IDLE_SECONDS,
    KEPT_WARM,
    Lent,
    Stock,
    is_doubtful,
)


class Raw:
    """A connection that knows whether it was closed."""

    def __init__(self) -> None:
        self.is_closed = False

    def close(self) -> None:
        """Close it."""
        self.is_closed = True


def take(stock: Stock) -> Lent:
    """One of the stock, made if there is none."""
    return stock.take() or Lent(Raw())


def give_back(stock: Stock, *lent: Lent) -> None:
    """Give these back."""
    for one in lent:
        stock.give_back(one)


def test_the_one_that_came_back_last_is_lent_first() -> None:
    stock = Stock()
    first, second = take(stock), take(stock)
    give_back(stock, first, second)
    assert take(stock) is second
    assert take(stock) is first


def test_many_threads_share_a_few() -> None:
    stock = Stock()
    made: list[Lent] = []
    used: list[Lent] = []

    def work() -> None:
        for _ in range(20):
            lent = stock.take()
            if lent is None:
                lent = Lent(Raw())
                made.append(lent)
            assert lent.uses == 0, "one thread at a time"
            lent.uses = 1
            time.sleep(0.0005)
            lent.uses = 0
            used.append(lent)
            stock.give_back(lent)

    threads = [threading.Thread(target=work) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(used) == 800
    assert len(made) <= SHARED_CONNECTIONS + 1, "one more on a machine that stood still for a while"


def test_when_none_comes_back_more_are_made_one_by_one_and_closed_when_they_are_back() -> None:
    stock = Stock()
    kept = [take(stock) for _ in range(SHARED_CONNECTIONS)]
    further = [take(stock) for _ in range(3)]
    assert not set(kept) & set(further)
    give_back(stock, *kept, *further)
    assert sum(lent.raw.is_closed for lent in (*kept, *further)) == 3
    again = [take(stock) for _ in range(SHARED_CONNECTIONS)]
    assert not any(lent.raw.is_closed for lent in again)


def test_one_that_waits_gets_the_next_that_comes_back_or_makes_one_for_one_that_is_gone() -> None:
    stock = Stock()
    lent = [take(stock) for _ in range(SHARED_CONNECTIONS)]
    got: list[Lent | None] = []
    waiting = [threading.Thread(target=lambda: got.append(stock.take())) for _ in range(2)]
    for thread in waiting:
        thread.start()
    stock.give_back(lent[0])
    stock.drop()
    for thread in waiting:
        thread.join(60)
    # On a machine that stood still they may have been allowed to make one already.
    assert len(got) == 2
    assert set(got) <= {lent[0], None}


def test_one_that_was_idle_is_doubted() -> None:
    stock = Stock()
    lent = take(stock)
    stock.give_back(lent)
    assert not is_doubtful(lent)
    lent.rested_at -= DOUBT_SECONDS + 1
    assert is_doubtful(lent)


def test_after_a_renewal_none_from_before_is_lent_again() -> None:
    stock = Stock()
    lent, *resting = (take(stock) for _ in range(3))
    give_back(stock, *resting)
    stock.renew()
    assert [one.raw.is_closed for one in resting] == [True, True]
    new = take(stock)
    assert new not in resting
    stock.give_back(new)
    stock.give_back(lent)
    assert (new.raw.is_closed, lent.raw.is_closed) == (False, True)
    assert take(stock) is new


@pytest.mark.parametrize("seconds", [0.0, IDLE_SECONDS + 1])
def test_a_few_stay_whatever_happens_and_the_others_for_a_while(seconds: float) -> None:
    stock = Stock()
    lent = [take(stock) for _ in range(SHARED_CONNECTIONS)]
    give_back(stock, *lent)
    for one in lent:
        one.rested_at -= seconds
    stock.shrink()
    closed = [one.raw.is_closed for one in lent]
    assert closed == [bool(seconds)] * (SHARED_CONNECTIONS - KEPT_WARM) + [False] * KEPT_WARM
    assert [take(stock).raw.is_closed for _ in range(SHARED_CONNECTIONS)] == [False] * SHARED_CONNECTIONS


def test_a_stock_that_was_closed_keeps_none() -> None:
    stock = Stock()
    resting, lent = take(stock), take(stock)
    give_back(stock, resting)
    stock.close()
    assert (resting.raw.is_closed, lent.raw.is_closed) == (True, False)
    give_back(stock, lent)
    assert lent.raw.is_closed
