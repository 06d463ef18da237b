"""Octets to text by a charset that may be wrong, unknown or a trap, and text as every database takes it."""

from __future__ import annotations

import re
from contextlib import suppress
from encodings import normalize_encoding
from encodings.aliases import aliases
from functools import lru_cache
from typing import Final

_NO_CHARSETS: Final = {"idna", "punycode", "mbcs", "oem", "undefined", "unicode_escape", "raw_unicode_escape"}
"""Codecs that no mail has: some take time by the square of the length, some run on one system only."""
_NO_TEXT: Final = {
    "base64_codec",
    "bz2_codec",
    "hex_codec",
    "quopri_codec",
    "rot_13",
    "uu_codec",
    "zlib_codec",
}
_FOREIGN: Final = {
    # What is said to be the narrower set nearly always is the wider one (https://encoding.spec.whatwg.org/#names-and-labels).
    "ascii": "ascii",
    "latin_1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
    "iso2022_jp": "iso2022_jp_ext",
    "iso8859_9": "cp1254",
    "iso8859_11": "cp874",
    "tis_620": "cp874",
    "windows_31j": "cp932",
    "x_sjis": "cp932",
    "cp936": "gb18030",
    "unicode_1_1_utf_7": "utf_7",
    "iso_8859_8_i": "iso8859_8",
    "cp50220": "iso2022_jp_ext",
    "cp50221": "iso2022_jp_ext",
    "cp1252": "cp1252",
    "utf8mb4": "utf_8",
}
_LONGEST_NAME: Final = 60
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_CONTROLS = re.compile("[\x00-\x20\x7f-\xa0\u2028\u2029]+")


def _table() -> dict[str, str]:
    """Return the codec of each charset that is known: looking up any other name searches the disk, and is remembered for ever."""
    codecs = {name: codec for name, codec in aliases.items() if codec not in _NO_CHARSETS | _NO_TEXT}
    codecs |= {codec: codec for codec in codecs.values()}
    # Those without an alias of their own.
    codecs |= {
        name: name for name in ("cp874", "cp1006", "koi8_r", "koi8_u", "utf_7", "utf_8", "utf_16", "utf_32")
    }
    codecs = {name: _FOREIGN.get(codec, codec) for name, codec in codecs.items()}
    return codecs | {name: _FOREIGN.get(codec, codec) for name, codec in _FOREIGN.items()}


_CODECS = _table()


@lru_cache(maxsize=256)
def known_codec(charset: str) -> str:
    """Return the name of the codec for a charset (RFC 2978), ``""`` for one that is unknown."""
    name = charset.partition("*")[0].strip(" \t\"'")  # RFC 2231 §5: a language may follow
    if len(name) > _LONGEST_NAME or not name.isascii():
        return ""
    return _CODECS.get(normalize_encoding(name).lower(), "")


def decoded(octets: bytes, charset: str = "") -> str:
    """Return the text of octets: by the charset they are said to have if that fits, else by the likeliest.

    UTF-8 is believed in before any charset of single octets, since next to nothing else is valid UTF-8.
    """
    codec = known_codec(charset) if charset else ""
    if codec in {"", "ascii"}:
        codec = "iso2022_jp_ext" if b"\x1b$" in octets else "utf_8"
    if codec == "utf_8" and octets.isascii():
        return octets.decode("ascii").replace("\0", "\ufffd")
    if codec in {"utf_8", "cp1252"} and not octets.isascii():
        # A last character that was cut off is not held against those before it.
        whole = octets[: _whole(octets)]
        with suppress(UnicodeDecodeError):
            # Nothing that is valid UTF-8 is a lone surrogate.
            return (octets if whole.isascii() else whole).decode("utf-8").replace("\0", "\ufffd")
        codec = "utf_8" if known_codec(charset) == "utf_8" else "cp1252"
    # Octets of ASCII are valid UTF-8 whatever they are meant to be (ISO-2022-JP, UTF-7).
    for candidate in (codec,) if octets.isascii() else (codec, "utf_8"):
        with suppress(UnicodeError):
            return storable(octets.decode(candidate))
    return storable(octets.decode(codec, "replace"))


def storable(text: str) -> str:
    """Return the text with U+FFFD for what PostgreSQL does not take: NUL and lone surrogates."""
    if text.isascii():
        return text.replace("\0", "\ufffd")
    return _UNSTORABLE.sub("\ufffd", text)


def one_line(text: str) -> str:
    """Return the text with one space for each run of blanks and control characters, and none around it."""
    if text.isprintable() and "  " not in text:
        return text.strip(" ")
    return _CONTROLS.sub(" ", storable(text)).strip(" ")


def _whole(octets: bytes) -> int:
    """Return the length without a last character of UTF-8 that was cut off."""
    for back in range(1, min(4, len(octets) + 1)):
        octet = octets[-back]
        if octet >= 0xC0:
            needed = 2 if octet < 0xE0 else 3 if octet < 0xF0 else 4
            return len(octets) - back if needed > back else len(octets)
        if octet < 0x80:
            break
    return len(octets)
