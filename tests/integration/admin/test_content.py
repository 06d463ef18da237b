"""The page that shows what a mail says, with mail that was made to break it."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.factories import make_account, make_message

from .pages import admin_url

TEXT = b"\r\n\r\nhello <b>there</b>\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"Message-ID: <<@Subject: x",
        b'Reply-To: "*1=text/html@; boundary="Content-Disposition: attachment',
        b"To: @ b",
        b"From: ; charset=undefined, :Date: 99 Foo:",
        b"Content-Type: text/plain; charset=punycode\r\nX: \xe2\x80\xa8",
        b"Content-Type: text/plain; charset=undefined",
        b"Content-Type: text/plain; charset=idna",
        b"Content-Type: text/plain; charset=rot13",
        b"Content-Type: multipart/mixed",
    ],
)
def test_a_broken_header_costs_itself_and_not_the_page(client: Client, head: bytes) -> None:
    message = make_message(make_account(), body=b"X-First: 1\r\n" + head + TEXT)
    answer = client.get(f"{admin_url('message')}{message.pk}/content/")
    assert answer.status_code == 200
    text = answer.content.decode()
    assert "X-First" in text
    assert "<b>there" not in text


@pytest.mark.parametrize(
    "opening",
    [
        b"Content-Disposition: attachment; filename*=undefined''%ff\r\n",
        b"Content-Type: message/rfc822\r\n\r\n" * 1500,
        b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(1500)
        ),
    ],
)
def test_mail_that_nobody_can_take_apart_is_said_to_be_unreadable(client: Client, opening: bytes) -> None:
    message = make_message(make_account(), body=opening + b"Subject: x" + TEXT)
    answer = client.get(f"{admin_url('message')}{message.pk}/content/")
    assert answer.status_code == 200
    assert "cannot be read" in answer.content.decode()
