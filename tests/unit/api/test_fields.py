"""Serializer fields: what they take, and what only looks like it."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from mailconfig.api.common.fields import (
    AddressField,
    HostField,
    LineField,
    PortField,
    SecretEntryField,
    StrictBooleanField,
    WordField,
)
from mailconfig.models import Account
from mailconfig.values import Secret
from tests.servers.hostile_hosts import NO_HOST_NAMES

BOOLEAN = StrictBooleanField(also=((1, True), (0, False)))


@pytest.mark.parametrize(("sent", "meant"), [(True, True), (False, False), (1, True), (0, False)])
def test_a_boolean_is_what_the_surface_says(sent: object, meant: bool) -> None:
    assert BOOLEAN.run_validation(sent) is meant


@pytest.mark.parametrize(
    "sent", [1.0, 0.0, "1", "0", "true", "false", "on", "yes", "Y", 2, -1, None, [], {}, [True]]
)
def test_what_looks_like_a_boolean_is_none(sent: object) -> None:
    with pytest.raises(ValidationError):
        BOOLEAN.run_validation(sent)


@pytest.mark.parametrize("sent", [1, 0])
def test_numbers_are_no_booleans_unless_a_surface_says_so(sent: object) -> None:
    with pytest.raises(ValidationError):
        StrictBooleanField().run_validation(sent)


def test_a_port_is_a_number() -> None:
    for port in (1, 25, 65535):
        assert PortField().run_validation(port) == port
        assert PortField(digits=True).run_validation(str(port)) == port
    assert PortField(digits=True).run_validation("0465") == 465


@pytest.mark.parametrize(
    "sent",
    [
        *(0, -1, 65536, 2**31, 2**63, 10**50, 465.0, 465.5, True, False, None, [], {}),
        *(
            "",
            "0",
            "65536",
            " 25",
            "25 ",
            "25\n",
            "+25",
            "-25",
            "1_000",
            "１２３",
            "٢٥",
            "0x19",
            "2e1",
            "000025",
        ),
    ],
)
def test_what_looks_like_a_port_is_none(sent: object) -> None:
    for field in (PortField(), PortField(digits=True)):
        with pytest.raises(ValidationError):
            field.run_validation(sent)


@pytest.mark.parametrize("sent", [1, 1.5, True, None, [], {}, ["a"]])
@pytest.mark.parametrize(
    "field", [LineField(), HostField(), AddressField(), SecretEntryField(allow_null=False)]
)
def test_what_is_no_text_is_not_made_one(field: Any, sent: object) -> None:
    with pytest.raises(ValidationError):
        field.run_validation(sent)


@pytest.mark.parametrize("sent", ["a\nb", "a\r", "\x00", "\x1b[0m", "\x85", "\u2028", "\u2029", "\ud800"])
def test_a_line_is_one_line(sent: str) -> None:
    with pytest.raises(ValidationError):
        LineField().run_validation(sent)


def test_a_line_is_taken_as_it_was_sent() -> None:
    for text in (" two  spaces ", "Ünïcode 日本語 😀", "=cmd()", "<script>", "a" * 255):
        assert LineField(max_length=255).run_validation(text) == text
    with pytest.raises(ValidationError):
        LineField(max_length=255).run_validation("ä" * 256)


@pytest.mark.parametrize("host", NO_HOST_NAMES, ids=repr)
def test_what_is_no_host_name_is_refused_with_its_code(host: str) -> None:
    with pytest.raises(ValidationError) as caught:
        HostField().run_validation(host)
    codes: Any = caught.value.get_codes()
    assert set(codes) & {"host_not_allowed", "blank", "invalid", "surrogate_characters_not_allowed"}


WORDS = WordField(words={"starttls": "tls", "tls": "ssl"}, also=((1, "ssl"),), fallback="")


@pytest.mark.parametrize(("sent", "held"), [("tls", "starttls"), ("ssl", "tls"), (1, "tls")])
def test_a_word_stands_for_a_value(sent: object, held: str) -> None:
    assert WORDS.run_validation(sent) == held


@pytest.mark.parametrize(
    "sent", ["TLS", "tls\n", " tls", "starttls", "none", "", "1", 1.0, True, 0, None, ["tls"], {"tls": 1}]
)
def test_another_word_is_none(sent: object) -> None:
    with pytest.raises(ValidationError) as caught:
        WORDS.run_validation(sent)
    assert "tls" in str(caught.value) or sent is None


class Words(serializers.Serializer[Any]):
    """With a word for two of the four values of a column."""

    word = WordField(source="security", words={"starttls": "tls", "tls": "ssl"}, fallback="")


def test_a_value_without_a_word_may_be_sent_back_as_it_was_read_and_stays() -> None:
    for security in ("none", "opportunistic"):
        account = Account(security=security)
        read = Words(account).data
        assert read == {"word": ""}
        serializer = Words(account, data=read, partial=True)
        assert serializer.is_valid()
        assert serializer.validated_data == {}


def test_no_word_is_no_way_to_take_one_away() -> None:
    assert not Words(Account(security="tls"), data={"word": ""}, partial=True).is_valid()
    assert not Words(data={"word": ""}).is_valid()


def test_a_secret_is_kept_cleared_or_taken_and_never_shown() -> None:
    field = SecretEntryField()

    entered = field.run_validation(" p w ")
    assert isinstance(entered, Secret)
    assert entered.reveal() == " p w "
    assert field.run_validation("") is None
    assert field.run_validation(None) is None
    with pytest.raises(TypeError):
        field.to_representation(entered)


@pytest.mark.parametrize("sent", ["*", "********", "••••", "*•*", "a\nb", "a\x00", "\ud800", "x" * 65537])
def test_a_mask_or_what_cannot_be_sent_is_no_secret_and_is_not_repeated(sent: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SecretEntryField().run_validation(sent)
    assert sent not in str(caught.value)
