"""Mail that was made to break its rendering: it is refused in words and in time, or rendered all the same."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core.mail import EmailMessage

from mailconfig.exceptions import InvalidMessage
from mailconfig.rendering.compose import compose
from mailconfig.rendering.fields import new_message_id
from tests import growth


def mail(body: str = "hello", **values: Any) -> EmailMessage:
    plain = {"from_email": "shop@example.com", "to": ["carol@example.net"]}
    return EmailMessage("Hi", body, **plain | values)


def nested_mails(depth: int) -> bytes:
    return b"Content-Type: message/rfc822\r\n\r\n" * depth + b"Subject: x\r\n\r\nhello\r\n"


def nested_multiparts(depth: int) -> bytes:
    return b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level)
        for level in range(depth)
    )


@pytest.mark.parametrize("enclosed", [nested_mails(1500), nested_multiparts(1500)])
def test_an_enclosed_mail_that_is_nested_too_deeply_to_be_mended_is_refused(enclosed: bytes) -> None:
    message = mail()
    message.attach("forwarded.eml", enclosed, "message/rfc822")
    assert enclosed in compose(message).body, "who changes nothing need not read it"
    message = mail()
    message.attach("forwarded.eml", enclosed + b"x" * 999, "message/rfc822")
    with pytest.raises(InvalidMessage, match="nested too deeply"):
        compose(message)


def test_a_mail_that_encloses_itself_is_refused() -> None:
    message = mail()
    message.attach("itself.eml", message, "message/rfc822")
    with pytest.raises(InvalidMessage, match="nested too deeply"):
        compose(message)


def test_texts_that_talk_of_boundaries_have_digests_of_their_own() -> None:
    assert compose(mail('boundary="A" A')).digest() != compose(mail('boundary="B" B')).digest()


def test_the_digest_of_a_text_full_of_boundaries_takes_time_by_their_number_only() -> None:
    whole, quarter = (
        compose(mail("\n".join(f'boundary="number {number}"' for number in range(count))))
        for count in (60_000, 60_000 // growth.STEP)
    )
    assert growth.is_even(lambda rendered: rendered.digest(), whole, quarter)


def test_the_message_id_of_a_long_domain_fits_and_stays_under_the_domain() -> None:
    domain = ".".join(["a" * 59] * 4) + ".example.com"
    message_id = new_message_id(uuid.uuid4(), domain)
    assert len(message_id) <= 255
    assert domain.endswith("." + message_id.partition("@")[2].rstrip(">"))
    assert new_message_id(uuid.UUID(int=0), "example.com") == f"<{'0' * 32}@example.com>"


@pytest.mark.parametrize(
    "values",
    [
        lambda size: {"to": ["a" + " " * size + "b>"]},
        lambda size: {"headers": {"Cc": '"\\' * (size // 2)}},
    ],
    ids=["spaces", "quotes"],
)
def test_what_is_far_from_an_address_is_refused_in_time_by_its_length_only(
    values: Callable[[int], dict[str, Any]],
) -> None:
    def refuse(message: EmailMessage) -> None:
        with pytest.raises(InvalidMessage):
            compose(message)

    whole, quarter = (mail(**values(size)) for size in (80_000, 80_000 // growth.STEP))
    assert growth.is_even(refuse, whole, quarter)


@pytest.mark.parametrize("value", ["a@example.net,", ",a@example.net", "a@example.net,,b@example.net", '"a'])
def test_a_list_of_addresses_with_a_hole_in_it_is_refused(value: str) -> None:
    with pytest.raises(InvalidMessage):
        compose(mail(headers={"Cc": value}))


def test_a_list_of_addresses_may_have_commas_in_names() -> None:
    body = compose(mail(headers={"Cc": '"Doe, Carol" <carol@example.net>, dave@example.net'})).body
    assert b'Cc: "Doe, Carol" <carol@example.net>, dave@example.net\r\n' in body


def test_a_name_that_is_no_text_is_written_as_text() -> None:
    assert b"\r\n7: seven\r\n" in compose(mail(headers={7: "seven"})).body


def test_bytes_in_a_charset_that_is_none_are_refused() -> None:
    message = mail(body=b"\xff")  # type: ignore[arg-type]
    message.encoding = "\x00"
    with pytest.raises(InvalidMessage):
        compose(message)
