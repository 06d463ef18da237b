"""Which language and which representation a client gets."""

from __future__ import annotations

from typing import Any

import pytest

from mailconfig.api.common.negotiation import language_of


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("ja", "ja"),
        ("JA", "ja"),
        ("ja-JP", "ja"),
        ("ja-JP,ja;q=0.9,en;q=0.8", "ja"),
        ("en;q=0.8, ja", "ja"),
        ("tlh, ja;q=0.1", "ja"),
        ("ja;q=0, de;q=0.2", "de"),
        ("ja;q=0", "en"),
        ("*", "en"),
        ("*, ja;q=0.5", "en"),
        ("tlh", "en"),
        ("", "en"),
        ("zh-Hant-TW", "zh-hant"),
    ],
)
def test_the_first_language_that_is_there_is_taken(header: str, language: str) -> None:
    assert language_of(header) == language


@pytest.mark.parametrize(
    "header",
    [
        ",",
        ";;;",
        "q=1",
        "ja;q=2",
        "ja;q=nan",
        "ja;q=",
        "ja;",
        "../../etc/passwd",
        "ja\x00",
        "日本語",
        "ja" * 5000,
        "ja," * 5000,
        "-" * 10_000,
        "a-" * 10_000,
        "\u2028",
    ],
)
def test_garbage_leaves_the_projects_own_language_or_what_can_be_read_of_it(header: str) -> None:
    assert language_of(header) in {"en", "ja"}


def test_a_language_that_the_project_does_not_have_is_not_answered(settings: Any) -> None:
    settings.LANGUAGES = [("en", "English"), ("de", "German")]

    assert language_of("ja, de;q=0.1") == "de"
