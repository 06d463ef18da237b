"""Bad values, by the table. What is added to a table is tried at every field of every surface that names it.

A surface refuses all of a table that its field names; what one surface takes and another does not is in a table of
its own, or in the surface's file.
"""

from __future__ import annotations

import json
import re

from tests.servers.hostile_hosts import NO_HOST_NAMES

NULL: tuple[object, ...] = (None,)
"""For what may not be cleared; elsewhere it means "not set"."""
EMPTY: tuple[object, ...] = ("",)
"""The same."""

NO_TEXTS: tuple[object, ...] = (1, 1.5, 0, True, False, [], ["a"], {}, {"a": "b"}, [None], [[["a"]]])
"""What is no JSON string."""

HOSTS: tuple[object, ...] = (
    *NO_HOST_NAMES,
    "0177.0.0.1",
    "127.0.0.1:25",
    "::1]",
    "[::1",
    "//mail.test",
    "http://mail.test/",
    "mail.test:",
    "mail.test;other",
    "mail.test|x",
    "mail.test\v",
    "mail.test\x7f",
    "mail.test\x85",
    "mail.test\r\nRCPT TO:<x@y>",
    "`id`",
    "$(id)",
    "../../etc/passwd",
    "mail.test' OR '1'='1",
    "a" * 300,
    "a." * 200,
    "1" * 10_000,
    "\ufeffmail.test",
    "mail\u2024test",
    "mail\uff0etest",
    "ma\u2060il.test",
    "☃.test",
    "٢.test",
    "1.2.3.4.",
    "0.0.0.0.0",
    "00000000000",
    "0x",
)

ADDRESSES: tuple[object, ...] = (
    " ",
    "a",
    "root",
    "@",
    "a@",
    "@b.test",
    "a@b",
    "a@b@c.test",
    "a@b.test,c@d.test",
    "a@b.test;c@d.test",
    "a@b.test c@d.test",
    "<a@b.test>",
    "N <a@b.test>",
    '"N" <a@b.test>',
    "a@b.test\r\nBcc: x@y.test",
    "a@b.test\nBcc: x@y.test",
    "a@b.test\n",
    "a@b.test\r",
    "\na@b.test",
    "a@b.test%0d%0aBcc: x@y.test",
    '"a b"@c.test',
    '"\r\n"@c.test',
    '"a"@c.test',
    "a@[127.0.0.1]",
    "a@[IPv6:::1]",
    "a@127.0.0.1",
    "a@b..c",
    "a@.b.test",
    "a@b.test.",
    "a@-b.test",
    "a@b-.test",
    "a@b_c.test",
    "a..b@c.test",
    ".a@b.test",
    "a.@b.test",
    "a" * 65 + "@b.test",
    "a@" + ".".join(["b" * 62] * 4) + ".test",
    "ü@x.test",
    "a@ü.de",
    "a@b.test\u2028",
    "a@b.test\u2029",
    "a@b.test\u200b",
    "a\u200b@b.test",
    "a@b.test\x00",
    "a\x00@b.test",
    "a@b.test\x7f",
    "a\t@b.test",
    "a@b.test(c)",
    "(c)a@b.test",
    " a@b.test",
    "a@b.test ",
    "-f@x.test",
    "-oQ/tmp@x.test",
    "***@****.com",
    "mailto:a@b.test",
    "a@b.test?bcc=x@y.test",
    "a:b@c.test,d@e.test;",
    "ａ@b.test",
    "a＠b.test",
    "a@b。test",
    "\u202ea@b.test",
    "NS-EU-1-A",
    "\ud800@b.test",
)

PORTS: tuple[object, ...] = (
    0,
    -1,
    -25,
    65536,
    99999,
    2**31,
    2**63,
    2**64,
    10**30,
    1.5,
    465.0,
    1e3,
    True,
    False,
    [],
    [25],
    {},
    {"port": 25},
    " ",
    "abc",
    "25abc",
    "0",
    "65536",
    "99999",
    "1" * 4000,
    "１２３",
    "٢٥",
    "1_000",
    " 25 ",
    "25 ",
    "+25",
    "-25",
    "25\n",
    "25\x00",
    "25.0",
    "2e1",
    "0x19",
    "0b1",
    "²⁵",
)
"""No port in any spelling."""
PORTS_AS_TEXT: tuple[object, ...] = ("25", "587", "0025")
"""For a surface whose seed says integer only."""

LINES: tuple[object, ...] = (
    "a\r\nBcc: x@y.test",
    "a\nb",
    "a\n",
    "a\r",
    "\x00",
    "a\x00b",
    "a\x07b",
    "a\x1b[31m",
    "a\x7f",
    "a\x85b",
    "a\x9b",
    "a\u2028b",
    "a\u2029b",
    "\ud800",
    "a\udfffb",
)
"""What must not get into a header or onto the wire."""
LONG_LINES: tuple[object, ...] = ("a" * 256, "ä" * 256, "😀" * 256, "a" * 100_000)

WORDS: tuple[object, ...] = ("", " ", "unheard-of", "\x00", "a" * 10_000, "null", "0.0")
"""For a field that is one of a few words."""

BOOLEANS: tuple[object, ...] = (
    " ",
    "on",
    "off",
    "yes",
    "no",
    "Y",
    "n",
    "t",
    "TRUE",
    "False",
    " true",
    "true ",
    "tru",
    1.0,
    0.0,
    2,
    [],
    [True],
    {},
    {"a": True},
    "NaN",
)
NUMBERS_AS_BOOLEANS: tuple[object, ...] = (0, 1, "0", "1")
WORDS_AS_BOOLEANS: tuple[object, ...] = ("true", "false")

SECRETS: tuple[object, ...] = (
    1,
    1.5,
    False,
    [],
    ["kanarienvogel"],
    {},
    {"kanarienvogel": "kanarienvogel"},
    "***",
    "*",
    "••••••••",
    "*•*",
    "kanarienvogel\x00",
    "kanarienvogel\r\nQUIT",
    "kanarienvogel\n",
    "kanarienvogel\ud800",
    "kanarienvogel" * 5100,
    "ä" * 70000,
)
"""What is no password: a mask, another type, what the wire cannot carry."""
SECRET_IS_STORED: tuple[object, ...] = (True,)
"""As an answer says it; one surface takes it back as "keep"."""


def is_unstorable(value: object) -> bool:
    """Whether NUL or a lone surrogate is in it."""
    return (
        re.search(r"\\u0000|\\ud[89a-f]", re.sub(r"\\ud[89ab]..\\ud[c-f]..", "", json.dumps(value)))
        is not None
    )


def label(value: object) -> str:
    """A value, short."""
    text = json.dumps(value) if not isinstance(value, str) else ascii(value)
    return text if len(text) <= 60 else f"{text[:40]}… ({len(text)})"
