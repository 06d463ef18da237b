"""Names of folders, there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailconfig.transports.imap import names


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("INBOX", b"INBOX"),
        ("a & b", b"a &- b"),
        ("Entwürfe", b"Entw&APw-rfe"),
        ("~peter/mail/台北/日本語", b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"),  # RFC 3501 §5.1.3
        ("受信トレイ", b"&U9dP4TDIMOwwpA-"),
        ("📧", b"&2D3c5w-"),
    ],
)
def test_utf7(name: str, raw: bytes) -> None:
    assert names.encode(name, utf8=False) == raw
    assert names.decode(raw, utf8=False) == name


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_every_name_comes_back(name: str) -> None:
    for utf8 in (False, True):
        assert names.decode(names.encode(name, utf8=utf8), utf8=utf8) == name


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("Entwürfe".encode(), "Entwürfe"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"&", "&"),
        (b"a&b", "a&b"),
        (b"&AAA-", "&AAA-"),
        (b"&2D0-", "&2D0-"),
        (b"&A-", "&A-"),
        (b"a\0\x1bb", "a\ufffd\ufffdb"),
    ],
)
def test_what_is_no_utf7_is_read_all_the_same(raw: bytes, name: str) -> None:
    assert names.decode(raw, utf8=False) == name


def test_agreed_utf8_knows_no_ampersand() -> None:
    assert names.decode(b"a &- b", utf8=True) == "a &- b"
    assert names.encode("a & ü", utf8=True) == "a & ü".encode()


@pytest.mark.parametrize("utf8", [False, True])
@pytest.mark.parametrize("name", ["", "a\r\nb", "a\0", "\x7f", "\ud800"])
def test_what_no_folder_can_be_called(name: str, *, utf8: bool) -> None:
    with pytest.raises(ValueError, match=r"."):
        names.encode(name, utf8=utf8)
