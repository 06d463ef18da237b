"""Numbers of mails are in the order of time, and nobody guesses one."""

import time
import uuid

from mailconfig.rendering.numbering import new_number


def test_a_number_begins_with_the_time() -> None:
    before = time.time_ns() // 1_000_000
    numbers = [new_number() for _ in range(1000)]
    after = time.time_ns() // 1_000_000
    for number in numbers:
        assert (number.version, number.variant) == (7, uuid.RFC_4122)
        assert before <= number.int >> 80 <= after
    assert len({number.int & (1 << 62) - 1 for number in numbers}) == 1000


def test_all_other_bits_of_a_number_vary() -> None:
    numbers = [new_number().int for _ in range(200)]
    either, both = 0, (1 << 128) - 1
    for number in numbers:
        either |= number
        both &= number
    vary = either & ~both & (1 << 80) - 1
    assert vary == ((1 << 12) - 1) << 64 | (1 << 62) - 1
