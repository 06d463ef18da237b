"""A value that nobody may keep is found in a server's words however it is written there, and nothing else is masked."""

from __future__ import annotations

import base64

import pytest

from mailconfig.transports.scrubber import MAX_TEXT, MOST_MASKS, Scrubber

ADDRESS, SUBJECT, TEXT = "NS-EU-A-1", "NS-EU-B-2", "NS-EU-C-3"
VALUES = (
    ("anna.smith@example.net", ADDRESS),
    ("Ihr Termin am 3.4. bei Dr. Kühn", SUBJECT),
    ("Dear Anna,\ncall +49-30-123456 or see https://x.example/a?d=1. It is long overdue.", TEXT),
)


def masked(text: str, *values: tuple[str, str]) -> str:
    scrubber = Scrubber()
    scrubber.mask(values or VALUES)
    return scrubber.clean(text)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("5.1.1 <anna.smith@example.net>: unknown", f"5.1.1 <{ADDRESS}>: unknown"),
        ("ANNA.Smith@Example.NET", ADDRESS),
        ("anna.smith @ example.net", ADDRESS),
        ("anna.smith\u200b@example.net", ADDRESS),
        ("\uff41nna.smith@example.net", ADDRESS),
        ("no user anna.smith here", f"no user {ADDRESS} here"),
        ("to anna.smith%40example.net", f"to {ADDRESS}"),
        ("bounce+anna.smith=example.net@x.example", f"bounce+{ADDRESS}@x.example"),
        ("ORCPT=rfc822;anna.smith+40example.net", f"ORCPT=rfc822;{ADDRESS}"),
        ("see " + base64.b64encode(b"<anna.smith@example.net>").decode(), f"see {ADDRESS}"),
        ("spam: ihr termin AM 3.4. bei", f"spam: {SUBJECT}"),
        ("link https://x.example/a?d=1 is listed", f"link {TEXT} is listed"),
        ("number +49-30-123456!", f"number {TEXT}!"),
        ("it said: is LONG overdue", f"it said: {TEXT}"),
    ],
)
def test_a_value_is_found_in_every_form(said: str, kept: str) -> None:
    assert masked(said) == kept


@pytest.mark.parametrize(
    "said",
    [
        "2.1.5 Ok",
        "5.7.1 The message was rejected by policy. See http://y.example/help",
        "dear customer, it is full",
        "annabel is known",
    ],
)
def test_other_words_stay(said: str) -> None:
    assert masked(said) == said


def test_a_short_value_is_masked_as_a_word_only() -> None:
    assert masked("this hi is Hi", ("Hi", "NS-EU-H-1")) == "this NS-EU-H-1 is NS-EU-H-1"
    assert masked("anything", ("", "NS-EU-E-1"), ("  ", "NS-EU-E-2")) == "anything"


def test_a_text_is_cut_after_it_was_masked() -> None:
    said = masked("x" * (MAX_TEXT - 10) + " anna.smith@example.net and so on")
    assert "anna" not in said
    assert len(said) <= MAX_TEXT


def test_a_value_of_any_size_costs_little() -> None:
    long = "word 123 " * 30_000
    assert masked("y" * 5000, (long, TEXT)) == "y" * (MAX_TEXT - 1) + "…"


def test_the_last_ones_are_known_and_shown_nowhere() -> None:
    scrubber = Scrubber()
    scrubber.mask((f"user{number}@example.net", f"NS-EU-U-{number}") for number in range(MOST_MASKS + 1))
    assert scrubber.clean(f"user{MOST_MASKS}@example.net") == f"NS-EU-U-{MOST_MASKS}"
    assert "user" not in repr(scrubber) + repr(list(scrubber._masks))
