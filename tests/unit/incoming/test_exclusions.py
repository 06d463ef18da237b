"""Patterns of addresses whose mail is not synced."""

from __future__ import annotations

import pytest

from mailconfig.incoming.exclusions import Exclusions
from tests import growth


@pytest.mark.parametrize(
    ("pattern", "excluded", "kept"),
    [
        ("a@b.example", ["a@b.example", "A@B.EXAMPLE"], ["aa@b.example", "a@b.example.org", "a@x.b.example"]),
        ("*@example.com", ["a@example.com", "a@EXAMPLE.com"], ["a@x.example.com", "a@example.com.org", "a@anexample.com"]),
        ("example.com", ["a@example.com"], ["a@x.example.com", "example.com@b.example"]),
        ("@example.com", ["a@example.com"], ["a@x.example.com"]),
        ("*.example.com", ["a@x.example.com", "a@y.x.example.com"], ["a@example.com", "a@anexample.com"]),
        ("*@*.example.com", ["a@x.example.com"], ["a@example.com"]),
        ("no*reply@*", ["noreply@b.example", "no-reply@b.example"], ["nor@b.example", "xnoreply@b.example"]),
        ("*example*", ["a@anexample.org"], ["example@b.org"]),
        ("a*a@b.example", ["aa@b.example", "aba@b.example"], ["a@b.example"]),
        ("*", ["a@b.example"], []),
        ("bücher.example", ["a@BÜCHER.example", "a@xn--bcher-kva.example"], ["a@bucher.example"]),
        ("*@xn--bcher-kva.example.", ["a@bücher.example"], []),
        ("*.bücher.example", ["a@x.xn--bcher-kva.example"], []),
        ("(a+)+$", ["(a+)+$"], ["aaaa", "a@b.example"]),
        (".*@b.example", [".x@b.example"], ["x@b.example"]),
        ("[ab]@b.example", [], ["a@b.example"]),
        ("a?@b.example", [], ["ab@b.example"]),
        ("\n \n\r\n", [], ["a@b.example", ""]),
        ("", [], ["a@b.example", ""]),
        (" a@b.example \r\nexample.com", ["a@b.example", "x@example.com"], []),
        ("x" * 5000, [], ["x" * 5000]),
    ],
)  # fmt: skip
def test_patterns_match_what_they_say(pattern: str, excluded: list[str], kept: list[str]) -> None:
    exclusions = Exclusions.parse(pattern)

    assert [address for address in excluded if not exclusions.excludes([address])] == []
    assert [address for address in kept if exclusions.excludes([address])] == []


def test_one_excluded_address_excludes_the_mail() -> None:
    exclusions = Exclusions.parse("*@secret.example")

    assert exclusions.excludes(["a@b.example", "x@secret.example"])
    assert not exclusions.excludes(["a@b.example"])
    assert not exclusions.excludes([])


@pytest.mark.parametrize("pattern", ["a{}@b.example", "*@d{}.example", "*.d{}.example"])
def test_a_look_up_takes_no_longer_for_many_patterns(pattern: str) -> None:
    many, few = (Exclusions.parse("\n".join(map(pattern.format, range(count)))) for count in (4_000, 4))
    address = f"{'a' * 60}@{'x.' * 60}example"

    assert growth.is_even(lambda exclusions: [exclusions.excludes([address]) for _ in range(200)], many, few)
