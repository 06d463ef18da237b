"""Addresses as people and Django write them: display names, groups, and what only some server understands."""

import email
import email.policy
from email.header import decode_header, make_header
from email.utils import formataddr
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.core.mail.message import BadHeaderError

from mailconfig.exceptions import InvalidMessage
from mailconfig.rendering.addressing import Address, parse_address, parse_addresses
from mailconfig.rendering.compose import compose

ME = "shop@example.com"


def mail(subject: str = "s", **values: Any) -> EmailMessage:
    return EmailMessage(subject, "b", **{"from_email": ME, "to": ["a@example.org"], **values})


def line(name: str, message: EmailMessage) -> str:
    """The header as it goes over the wire, unfolded."""
    body = compose(message).body
    assert max(map(len, body.split(b"\r\n"))) <= 998
    found = email.message_from_bytes(body)[name]
    return "" if found is None else found.replace("\r\n", "")


def shown(raw: str) -> str:
    """A display name as RFC 2047 §6.2 has it shown."""
    return str(make_header(decode_header(raw.rpartition("<")[0].strip())))


@pytest.mark.parametrize("repeat", [1, 4, 12])
@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1"])
def test_a_name_that_formataddr_encoded_is_encoded_once(repeat: int, charset: str) -> None:
    name = " ".join(["Grüße aus Köln"] * repeat)
    written = line("To", mail(to=[formataddr((name, "a@example.org"), charset)]))
    assert shown(written) == name
    assert written.endswith("<a@example.org>")
    assert parse_address(formataddr((name, "a@example.org"), charset)) == Address(name, "a@example.org")


def test_a_long_plain_name_from_formataddr_stays_what_it_was() -> None:
    name = "The Department of Plain Names, which are long (and have a comma)"
    assert shown(line("To", mail(to=[formataddr((name, "a@example.org"))]))) == name


@pytest.mark.parametrize("name", ["=?utf-8?q?Boss?=", "=?utf-8?b?Qm9zcw==?=", "=?utf-8?q?" + "x" * 70 + "?="])
def test_a_quoted_name_that_looks_like_an_encoded_word_is_none(name: str) -> None:
    written = line("To", mail(to=[f'"{name}" <a@example.org>']))
    if len(name) > 60:
        assert shown(written) == name
    else:
        assert written == f'"{name}" <a@example.org>'


@pytest.mark.parametrize(
    "word", ["=?utf-8?q?a=0D=0ABcc=3A_x?=", "=?utf-8?b?YQBi?=", "=?nonsense?q?a?=", "=?utf-8?b?abcde?="]
)
def test_an_encoded_word_that_cannot_be_read_is_shown_as_it_is(word: str) -> None:
    found = parse_address(f"{word} <a@example.org>")
    assert found.name == word
    assert str(found) == f'"{word}" <a@example.org>'


@pytest.mark.parametrize(
    ("written", "header"),
    [
        ("a@example.org (Carol)", "Carol <a@example.org>"),
        ("a@example.org (Carol (from work) \\(x\\))", '"Carol (from work) (x)" <a@example.org>'),
        ('Bob "Nick" Doe <a@example.org>', "Bob Nick Doe <a@example.org>"),
        ("=?utf-8?q?J=C3=B6rg?= Doe <a@example.org>", "=?utf-8?b?SsO2cmcgRG9l?= <a@example.org>"),
        ('"a\tb" <a@example.org>', "=?utf-8?b?YQli?= <a@example.org>"),
        ('"a\x85b" <a@example.org>', "=?utf-8?q?a=C2=85b?= <a@example.org>"),
        ("root", "root"),
        ("root (Charlie Root)", "Charlie Root <root>"),
        ("Charlie <root>", "Charlie <root>"),
        ("a..b.@docomo.ne.jp", "a..b.@docomo.ne.jp"),
    ],
)
def test_one_address_in_a_header(written: str, header: str) -> None:
    assert str(parse_address(written)) == header


@pytest.mark.parametrize(
    ("address", "spec"),
    [
        ("root", "root"),
        ('"a b"@example.org', '"a b"@example.org'),
        ("a@[192.0.2.1]", "a@[192.0.2.1]"),
        ("a..b@docomo.ne.jp", "a..b@docomo.ne.jp"),
        (".a@docomo.ne.jp", ".a@docomo.ne.jp"),
        ("a.@docomo.ne.jp", "a.@docomo.ne.jp"),
    ],
)
def test_what_only_some_server_understands_is_left_to_it(address: str, spec: str) -> None:
    rendered = compose(mail(to=[], bcc=[address], from_email=address))
    assert rendered.recipients == (spec,)
    assert rendered.sender == spec
    assert f"\r\nFrom: {spec}\r\n".encode() in b"\r\n" + rendered.body


def test_a_sender_without_a_domain_makes_a_message_id_all_the_same() -> None:
    assert compose(mail(from_email="root")).message_id.endswith("@localhost>")


@pytest.mark.parametrize(
    ("value", "header"),
    [
        ("undisclosed-recipients:;", "undisclosed-recipients:;"),
        ("Undisclosed recipients: ;", "Undisclosed recipients:;"),
        ("Team: a@example.org, B <b@example.org>;", "Team: a@example.org, B <b@example.org>;"),
        (
            'x@example.org, "Te,am": a@example.org; , y@example.org',
            'x@example.org, "Te,am": a@example.org;, y@example.org',
        ),
        ("Ü: a@ü.example;", "=?utf-8?b?w5w=?=: a@xn--tda.example;"),
    ],
)
@pytest.mark.parametrize("name", ["To", "Cc", "Reply-To"])
def test_a_header_of_ones_own_may_have_groups(name: str, value: str, header: str) -> None:
    assert line(name, mail(headers={name: value})) == header


@pytest.mark.parametrize(
    "value",
    [
        "G: a@example.org", "G: a@example.org, ;", "G: , a@example.org;", "G: H: a@example.org;;", "G: a@example.org; x", "G: a@example.org;;",
        "a@example.org;", ":;,", "G: a@example.org\n;", '"G: a@example.org;', "G: (a@example.org;", "G: a b@example.org;",
    ],
)  # fmt: skip
def test_what_is_no_group_is_refused(value: str) -> None:
    with pytest.raises(InvalidMessage):
        compose(mail(headers={"To": value}))


def test_a_group_of_very_many_folds() -> None:
    value = f"All: {', '.join(f'p{number}@example.org' for number in range(500))};"
    found = email.message_from_bytes(compose(mail(headers={"To": value})).body, policy=email.policy.default)[
        "To"
    ]
    assert (found.groups[0].display_name, len(found.addresses)) == ("All", 500)


@pytest.mark.parametrize(
    "text",
    ['"' * 1000, "(" * 1000, '"\\' * 40_000, "(\\" * 40_000, "a:" * 40_000, "<" * 80_000, " " * 80_000],
)
def test_what_is_no_list_is_refused_at_once(text: str) -> None:
    with pytest.raises(InvalidMessage):
        parse_addresses(text, what="to")


@pytest.mark.parametrize("odd", ["a\tb", "a\x85b", "a\u2028b", "a\u2029b", "a\x1bb", "a\x7fb", "a\x01b"])
def test_odd_characters_in_text_are_encoded(odd: str) -> None:
    rendered = compose(mail(odd, headers={"X-Mark": odd}))
    assert all(32 <= byte < 127 for byte in rendered.body.replace(b"\r\n", b""))
    for name in ("Subject", "X-Mark"):
        assert str(make_header(decode_header(line(name, mail(odd, headers={"X-Mark": odd}))))) == odd
    assert rendered.subject == "a b"


@pytest.mark.parametrize("name", ["References", "List-Id"])
def test_what_is_never_encoded_has_spaces_for_tabs_and_no_other_control(name: str) -> None:
    assert line(name, mail(headers={name: "<1@x>\t<2@x>"})) == "<1@x> <2@x>"
    with pytest.raises(InvalidMessage):
        compose(mail(headers={name: "<1@x>\x1b"}))


@pytest.mark.parametrize(
    "values",
    [
        {"subject": "a\nb"},
        {"to": ["a\nb <a@example.org>"]},
        {"from_email": "a\r <a@example.org>"},
        {"headers": {"X-Mark": "a\rb"}},
        {"headers": {"X\nMark": "a"}},
        {"headers": {"To": "a@example.org\nBcc: b@example.org"}},
    ],
)
def test_a_bad_header_is_what_django_raises_and_a_bad_mail_a_value_error(values: dict[str, Any]) -> None:
    with pytest.raises(BadHeaderError) as caught:
        compose(mail(**values))
    assert isinstance(caught.value, InvalidMessage)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("values", [{"to": ["a@"]}, {"to": []}, {"attachments": [("x", b"", "a/b/c")]}])
def test_whatever_else_cannot_be_sent_is_a_value_error(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        compose(mail(**values))
    assert isinstance(caught.value, InvalidMessage)
