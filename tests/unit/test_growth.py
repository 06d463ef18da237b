"""The measure that tests of growth go by tells what is even from what is not."""

from tests import growth


def test_the_square_of_a_length_is_told_from_the_length() -> None:
    assert growth.is_even(lambda size: sum(range(size)), 40_000, 10_000)
    assert not growth.is_even(lambda size: [sum(range(size)) for _ in range(size)], 400, 100)
