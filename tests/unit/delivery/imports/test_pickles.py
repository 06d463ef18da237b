"""Pickled mail is read as data: what Django makes comes back, and nothing that a pickle names is ever imported or called."""

from __future__ import annotations

import base64
import contextlib
import pickle
from collections.abc import Callable
from email.message import MIMEPart
from email.mime.image import MIMEImage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path
from typing import Any

import django
import pytest
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy, override, pgettext_lazy
from hypothesis import given
from hypothesis import strategies as st

from mailconfig.delivery.imports.pickled_mail import read_mail
from mailconfig.delivery.imports.pickles import Unreadable, read_pickle
from mailconfig.rendering.compose import compose

MOST = 1_000_000
PROTOCOLS = (3, 4, 5)
"""Those that releases of Python 3 write by default, the coming one among them."""


def stored(value: object, protocol: int = 4) -> str:
    """As django-mailer writes it (``email_to_db``)."""
    return base64.encodebytes(pickle.dumps(value, protocol)).decode("ascii")


def whole_mail() -> EmailMultiAlternatives:
    """A mail with all that Django's classes hold."""
    message = EmailMultiAlternatives(
        gettext_lazy("Password"),
        mark_safe("Text ü &"),
        "Shop <shop@example.com>",
        ["a@example.net", "b@example.net"],
        cc=["c@example.net"],
        bcc=["d@example.net"],
        reply_to=["answers@example.com"],
        headers={"X-Order": "7", "Message-ID": "<7@example.com>"},
    )
    message.attach_alternative(mark_safe("<p>Text</p>"), "text/html")
    message.attach("report.csv", "a;b\n", "text/csv")
    message.attach("blob.bin", bytes(range(256)), "application/octet-stream")
    picture = MIMEImage(b"\x89PNG\r\n\x1a\n" + bytes(20), "png")
    picture.add_header("Content-ID", "<logo>")
    message.attachments.append(picture)  # attach() is deprecated for it
    related = MIMEMultipart("related")
    related.attach(MIMEText("inner ü", "plain", "utf-8"))
    message.attachments.append(related)
    message.__dict__["mixed_subtype"] = "related"
    return message


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_mail_comes_back_as_it_would_be_sent(protocol: int) -> None:
    message = whole_mail()

    read = read_mail(stored(message, protocol), most_bytes=MOST)

    wanted, found = compose(message), compose(read)
    assert (found.sender, found.recipients, found.subject) == (
        wanted.sender,
        wanted.recipients,
        wanted.subject,
    )
    assert found.digest() == wanted.digest()


@pytest.mark.skipif(django.VERSION < (6,), reason="such parts came with Django 6.0")
def test_parts_of_the_newer_classes_come_back_as_they_would_be_sent() -> None:
    message = EmailMessage("s", "b", "f@example.com", ["a@example.net"])
    part = MIMEPart()
    part.set_content(b"x" * 100, "image", "png", filename="größe.png", cid="<logo>", disposition="inline")
    message.attachments.append(part)

    read = read_mail(stored(message), most_bytes=MOST)

    assert compose(read).digest() == compose(message).digest()


def test_a_plain_mail_stays_one_and_keeps_its_kind_of_text() -> None:
    message = EmailMessage("s", "<b>b</b>", None, ["a@example.net"])
    message.content_subtype = "html"

    read = read_mail(stored(message), most_bytes=MOST)

    assert type(read) is EmailMessage
    assert (
        compose(read, from_email="x@example.com").digest()
        == compose(message, from_email="x@example.com").digest()
    )


@pytest.mark.parametrize("lazy", [gettext_lazy("Password"), pgettext_lazy("time", "queued")])
def test_a_lazy_subject_is_in_the_language_in_which_it_is_read(lazy: Any) -> None:
    text = stored(EmailMessage(lazy, "b", None, ["a@example.net"]))

    with override("ja"):
        assert read_mail(text, most_bytes=MOST).subject == str(lazy)


class Harm:
    """Runs what it is given when a pickle of it is loaded."""

    def __init__(self, call: Callable[..., object], *arguments: object) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call, self.arguments


class Own(EmailMessage):
    """A class of the project."""


def with_state(**values: Any) -> EmailMessage:
    message = EmailMessage("s", "b", "f@example.com", ["a@example.net"])
    message.__dict__.update(values)
    return message


def test_what_a_pickle_would_run_is_not_run(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    for value in (
        Harm(trace.touch),
        with_state(subject=Harm(trace.touch)),
        with_state(attachments=[Harm(trace.touch)]),
    ):
        with pytest.raises(Unreadable):
            read_mail(stored(value), most_bytes=MOST)
    assert not trace.exists()
    pickle.loads(pickle.dumps(Harm(trace.touch)))  # noqa: S301 - so would it have come
    assert trace.exists()


def test_a_pickle_that_sets_attributes_of_a_class_changes_none() -> None:
    mail = b"cdjango.core.mail.message\nEmailMessage\n"
    for state in (b"}S'mixed_subtype'\nS'evil'\ns", b"(N}S'mixed_subtype'\nS'evil'\nst"):
        with pytest.raises(Unreadable):
            read_mail(base64.encodebytes(mail + state + b"b.").decode(), most_bytes=MOST)
    assert vars(EmailMessage).get("mixed_subtype") in {None, "mixed"}


def twice() -> MIMEText:
    part = MIMEText("x")
    part._headers.append(("Content-Type", "text/plain"))  # type: ignore[attr-defined]
    return part


def of_newer_class(part: MIMEText) -> MIMEPart:
    newer = MIMEPart()
    newer.__dict__.update(part.__dict__)
    return newer


def doubled(times: int) -> tuple[Any, ...]:
    key: tuple[Any, ...] = ()
    for _ in range(times):
        key = (key, key)
    return key


def circle() -> list[Any]:
    inner: list[Any] = []
    inner.append(inner)
    return inner


def nested_part(depth: int, times: int) -> MIMEMultipart:
    part = MIMEMultipart()
    if depth:
        part.set_payload([nested_part(depth - 1, 1)] * times)
    return part


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Own("s", "b", None, ["a@example.net"]), "Own, not an EmailMessage"),
        ({"subject": "s"}, "dict, not an EmailMessage"),
        (with_state(subject=b"bytes"), "a bytes stands where a text belongs"),
        (with_state(to="a@example.net"), "no list"),
        (with_state(extra_headers=["X"]), "headers are no dictionary"),
        (with_state(attachments=[("a", "b")]), "not as Django makes it"),
        (with_state(to=circle()), "a list stands"),
        (with_state(attachments=circle()), "not as Django makes it"),
        (with_state(attachments=[("a", b"x" * 100_000, None)] * 100), "MAX_MESSAGE_BYTES"),
        (with_state(attachments=[nested_part(30, 1)]), "nested too deeply"),
        (with_state(attachments=[nested_part(2, 3000)]), "nested too deeply"),
        (with_state(attachments=[of_newer_class(twice())]), "part is damaged"),
        (with_state(extra_headers={doubled(2): "x"}), "pickle is damaged"),
    ],
    ids=["own class", "no mail", "bytes", "text for list", "headers", "pair", "circle", "circle of parts", "large", "deep", "many", "twice", "key"],
)  # fmt: skip
def test_what_cannot_be_read_says_why(value: object, words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        read_mail(stored(value), most_bytes=MOST)


@pytest.mark.parametrize(
    "text",
    ["", "*", "ü", base64.b64encode(b"").decode(), base64.b64encode(b"\x80\x04").decode()]
    + [
        base64.b64encode(data).decode()
        for data in (b".", b"0.", b"(.", b"}(N..", b"r\xff\xff\xff\x7f.", b"\x8e" + b"\xff" * 8)
    ],
)
def test_damaged_rows_are_unreadable_and_nothing_worse(text: str) -> None:
    with pytest.raises(Unreadable):
        read_mail(text, most_bytes=MOST)


@given(st.binary(max_size=200))
def test_anything_is_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(Unreadable):
        read_pickle(data)


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_mail_with_one_octet_changed_is_read_or_refused(place: int, octet: int) -> None:
    data = bytearray(pickle.dumps(EmailMessage("s", "b", None, ["a@example.net"], headers={"X": "y"})))
    data[place % len(data)] = octet
    with contextlib.suppress(Unreadable):
        read_mail(base64.encodebytes(bytes(data)).decode(), most_bytes=MOST)


@pytest.mark.parametrize(
    "value",
    [None, True, 1, -1, 2**40, 1.5, "x", "ü" * 300, b"x", bytearray(b"x"), [], [1, [2]], {}, {"a": {"b": ()}}, (), (1,), (1, 2, 3, 4), {1, 2}, frozenset({1})],
    ids=repr,
)  # fmt: skip
def test_plain_values_come_back(value: object) -> None:
    for protocol in (3, 4, 5):
        found = read_pickle(pickle.dumps(value, protocol))
        assert found == value or protocol < 5
