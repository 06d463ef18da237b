"""How long is waited for what."""

from __future__ import annotations

from mailconfig.conf import Settings
from mailconfig.delivery.queue import retry


def test_retries_double_to_a_cap_with_a_little_jitter() -> None:
    settings = Settings()
    for attempts, plain in [(1, 300), (2, 600), (4, 2400), (7, 14400), (20, 14400)]:
        for _ in range(20):
            assert 0.8 * plain <= retry.retry_seconds(attempts, settings) <= 1.2 * plain


def test_a_greylisted_recipient_is_left_alone_for_five_minutes() -> None:
    waits = [retry.retry_seconds(1, Settings(), first_at_least=retry.GREYLIST_SECONDS) for _ in range(50)]
    assert min(waits) >= 300


def test_an_account_rests_longer_with_each_failure() -> None:
    waits = [retry.backoff_seconds(failures, Settings()) for failures in (1, 2, 3, 4, 5, 9)]
    assert waits == [60, 120, 300, 600, 1800, 1800]
