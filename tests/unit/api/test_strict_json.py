"""The JSON that is taken, the JSON that is not, and that neither takes long to tell."""

from __future__ import annotations

import contextlib
import io
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import APIException, ParseError, UnsupportedMediaType

from mailconfig.api.common.parsers import (
    LONGEST_NUMBER,
    MAX_BYTES,
    MAX_DEPTH,
    MAX_PARTS,
    BodyTooLarge,
    MislabelledJSONParser,
    StrictJSONParser,
    parse_json,
)
from tests import growth

MIB = 1024 * 1024
BOM = b"\xef\xbb\xbf"


def parse(body: bytes, media_type: str = "application/json") -> Any:
    """What the parser makes of a body."""
    return StrictJSONParser().parse(io.BytesIO(body), media_type, {})


def refusal(body: bytes, media_type: str = "application/json") -> APIException:
    """How the parser refuses it."""
    with pytest.raises(APIException) as caught:
        parse(body, media_type)
    return caught.value


storable = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | storable,
    lambda inner: st.lists(inner) | st.dictionaries(storable, inner),
    max_leaves=20,
)


@given(values, st.booleans())
def test_every_value_that_can_be_stored_comes_through(value: Any, escaped: bool) -> None:
    assert parse(json.dumps(value, ensure_ascii=escaped).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(ParseError, UnsupportedMediaType):
        parse(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{}{}",
        b"nul",
        b"{'a': 1}",
        b'{"a": 1,}',
        b'{"a": 01}',
        b'{"a": +1}',
        b'{"a": .5}',
        b'{"a": 0x10}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1e400}',
        b'{"a": -1e400}',
        b'{"a": "\n"}',
        b'{"a": "\x00"}',
        b'{"a": "\\x41"}',
        b'"a',
        b'"\\',
        b"// comment\n{}",
        BOM + b"{}",
        "{}".encode("utf-16"),
        "{}".encode("utf-16-le"),
        "{}".encode("utf-32"),
        '{"a": "é"}'.encode("latin-1"),
        b'{"a": "\xed\xa0\x80"}',
        b'{"a": "\xc0\xaf"}',
        b'{"a": "\xff"}',
    ],
    ids=repr,
)
def test_what_is_no_json_in_utf_8_is_refused(body: bytes) -> None:
    assert refusal(body).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "a": 2}',
        b'{"a": 1, "\\u0061": 1}',
        b'[[{"b": {"a": 1, "a": 1}}]]',
        b'{"": 1, "": 1}',
    ],
    ids=repr,
)
def test_a_name_that_stands_twice_is_refused(body: bytes) -> None:
    assert "twice" in str(refusal(body).detail)


def test_a_name_may_come_again_in_another_object() -> None:
    assert parse(b'{"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]}') == {"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]}


@pytest.mark.parametrize(
    "text",
    [r"\u0000", r"a\u0000", r"\ud800", r"\udfff", r"\udc00\ud800", r"\ud800\u0041"],
)
@pytest.mark.parametrize("shape", ['"%s"', '{"a": "%s"}', '{"%s": 1}', '[["x", {"a": ["%s"]}]]'])
def test_what_no_database_stores_is_refused_wherever_it_stands(text: str, shape: str) -> None:
    assert "cannot be stored" in str(refusal((shape % text).encode()).detail)


def test_a_pair_of_surrogates_is_a_character() -> None:
    assert parse(rb'"\ud83d\ude00"') == "😀"
    assert parse(rb'"\\u0000"') == r"\u0000"


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_ends_at_the_limit(opening: str, closing: str) -> None:
    def nested(levels: int) -> bytes:
        return (opening * levels + "1" + closing * levels).encode()

    parse(nested(MAX_DEPTH))
    for levels in (MAX_DEPTH + 1, 1000, 5000):
        assert str(MAX_DEPTH) in str(refusal(nested(levels)).detail)
    assert refusal(nested(100_000)).status_code == 400


def test_a_body_has_so_many_parts_and_no_more() -> None:
    assert len(parse(b"[" + b"[]," * (MAX_PARTS - 2) + b"{}]")) == MAX_PARTS - 1
    assert str(MAX_PARTS) in str(refusal(b"[" + b"[]," * (MAX_PARTS - 1) + b"{}]").detail)


def test_brackets_inside_texts_are_no_levels() -> None:
    text = '[{"' * 100
    assert parse(json.dumps({"a": text, "b": text + "\\"}).encode()) == {"a": text, "b": text + "\\"}


def test_mixed_and_unfinished_nesting_is_counted() -> None:
    assert "levels" in str(refusal(b'[{"a":' * 20).detail)
    assert "levels" in str(refusal(b'["' + b"x" * 50 + b'",' + b"[" * 40).detail)


def test_numbers_are_as_long_as_anybody_needs() -> None:
    digits = "9" * LONGEST_NUMBER
    assert parse(digits.encode()) == int(digits)
    assert refusal((digits + "9").encode()).status_code == 400
    assert refusal(b"-" + digits.encode()).status_code == 400
    assert parse(b"1e300") == 1e300
    assert refusal(b"0." + b"1" * LONGEST_NUMBER).status_code == 400
    assert math.copysign(1, parse(b"-0.0")) == -1


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json; charset=bogus",
        "application/json; charset=utf-7",
        "application/json; charset=latin-1",
        "application/json; charset=utf-16",
        "application/json; CHARSET=utf-16",
        'application/json; charset="utf-8-sig"',
        "application/json; charset=",
        "application/json; charset=utf-8; Charset=utf-16",
        "application/json; charset*=bogus''%41",
        "application/json; x*=bogus''%41",
    ],
)
def test_another_charset_is_another_media_type(media_type: str) -> None:
    assert refusal(b"{}", media_type).status_code == 415


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "application/json;charset=utf-8",
        "application/json; charset=UTF-8",
        'application/json; charset="utf-8"',
        "application/json; charset=utf8",
        "application/json; indent=4",
    ],
)
def test_utf_8_may_be_named(media_type: str) -> None:
    assert parse('{"a": "é"}'.encode(), media_type) == {"a": "é"}


def test_a_body_is_read_no_further_than_its_limit() -> None:
    longest = b'"' + b"a" * (MAX_BYTES - 2) + b'"'
    assert len(parse(longest)) == MAX_BYTES - 2
    stream = io.BytesIO(b" " * (3 * MIB))
    with pytest.raises(BodyTooLarge) as caught:
        StrictJSONParser().parse(stream, "application/json", {})
    assert caught.value.status_code == 413
    assert stream.tell() == MAX_BYTES + 1


ATTEMPTS: dict[str, Callable[[int], str]] = {
    "escaped quotes": lambda size: '\\"' * (size // 2),
    "escaped quotes in a text": lambda size: '"' + '\\"' * (size // 2 - 1),
    "open brackets": lambda size: "[" * size,
    "open braces": lambda size: "{" * size,
    "quotes": lambda size: '"' * size,
    "backslashes": lambda size: "\\" * size,
    "a text of backslashes": lambda size: '"' + "\\" * (size - 1),
    "empty arrays in a row": lambda size: "[]" * (size // 2),
    "empty arrays in an array": lambda size: "[" + "[]," * (size // 3 - 2) + "[]]",
    "empty texts": lambda size: "[" + '"",' * (size // 3 - 2) + '""]',
    "empty objects": lambda size: "[" + "{}," * (size // 3 - 2) + "{}]",
    "names": lambda size: "{" + ",".join(f'"{number:06}":1' for number in range(size // 11)) + "}",
    "one name again and again": lambda size: "{" + ",".join(['"a":1'] * (size // 6)) + "}",
    "digits": lambda size: "[" + "1" * (size - 2) + "]",
    "digits of a fraction": lambda size: "0." + "1" * (size - 2),
    "digits of an exponent": lambda size: "1e" + "9" * (size - 2),
    "numbers": lambda size: "[" + "1," * (size // 2 - 2) + "1]",
    "fractions": lambda size: "[" + "1.1," * (size // 4 - 2) + "1.1]",
    "spaces": lambda size: " " * size,
    "minus signs": lambda size: "-" * size,
    "escapes": lambda size: '"' + "\\u0041" * (size // 6 - 1) + '"',
    "lone surrogates": lambda size: "[" + '"\\ud800",' * (size // 9 - 1) + "1]",
}


def try_to_parse(text: str) -> None:
    """Read it, or refuse it."""
    with contextlib.suppress(ParseError):
        parse_json(text)


@pytest.mark.parametrize("name", ATTEMPTS)
def test_a_mebibyte_of_anything_takes_four_times_as_long_as_a_quarter(name: str) -> None:
    text, quarter = (ATTEMPTS[name](size) for size in (MIB, MIB // growth.STEP))
    assert len(text) > MIB * 0.9
    assert growth.is_even(try_to_parse, text, quarter)


@pytest.mark.parametrize(
    "body",
    [b'{"password": "canary-not-real"', b'{"a": 1, "a": "canary-not-real"}', b'["canary-not-real\\u0000"]'],
)
def test_a_refusal_repeats_nothing_of_the_body(body: bytes) -> None:
    assert "canary" not in str(refusal(body).detail)


def test_json_that_calls_itself_a_form_is_read() -> None:
    parser = MislabelledJSONParser()
    media_type = "application/x-www-form-urlencoded"

    assert parser.parse(io.BytesIO(b' \r\n{"a": 1}'), media_type, {}) == {"a": 1}
    with pytest.raises(UnsupportedMediaType):
        parser.parse(io.BytesIO(b"a=1&b=2"), media_type, {})
    with pytest.raises(UnsupportedMediaType):
        parser.parse(io.BytesIO(b"%7B%7D="), media_type, {})
    with pytest.raises(ParseError):
        parser.parse(io.BytesIO(b"{a=1"), media_type, {})
    with pytest.raises(BodyTooLarge):
        parser.parse(io.BytesIO(b"{" * 2 * MIB), media_type, {})


def test_secrets_are_hidden_as_soon_as_they_are_read_at_any_depth() -> None:
    text = '{"password": "canary", "data": [{"password": "canary", "other": "x"}], "x": {"password": 1}}'

    value = parse_json(text, secret_names={"password"})

    assert "canary" not in repr(value)
    assert value["password"].reveal() == value["data"][0]["password"].reveal() == "canary"
    assert (value["data"][0]["other"], value["x"]["password"]) == ("x", 1)
    with pytest.raises(ParseError):
        parse_json('{"password": "a\\u0000b"}', secret_names={"password"})
