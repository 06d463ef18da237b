"""Bad requests, by the table: bodies, keys in paths, queries, header fields. Each is tried at every surface."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RawBody:
    """A request body as octets, and what it must be answered by."""

    name: str
    data: bytes
    status: int = 400
    content_type: str = "application/json"


def _nested(levels: int, opening: str = "[", closing: str = "]") -> bytes:
    return (opening * levels + closing * levels).encode()


BODIES = (
    RawBody("a space", b" "),
    RawBody("null", b"null"),
    RawBody("true", b"true"),
    RawBody("a number", b"1"),
    RawBody("a text", b'"kanarienvogel"'),
    RawBody("an array", b"[]"),
    RawBody("an array of objects", b'[{"password": "kanarienvogel"}]'),
    RawBody("100,000 nested arrays", _nested(100_000)),
    RawBody("33 nested arrays", _nested(33)),
    RawBody("100,000 opening brackets", b"[" * 100_000),
    RawBody("nested objects", b'{"a":' * 40 + b"1" + b"}" * 40),
    RawBody("deep under an unknown name", b'{"x":' + _nested(40) + b"}"),
    RawBody("broken", b'{"password": "kanarienvogel"'),
    RawBody("a comma too many", b'{"password": "kanarienvogel",}'),
    RawBody("single quotes", b"{'password': 'kanarienvogel'}"),
    RawBody("no quotes", b"{password: kanarienvogel}"),
    RawBody("a comment", b'{"password": "kanarienvogel"} // x'),
    RawBody("two values", b'{"a": 1}{"password": "kanarienvogel"}'),
    RawBody("a name twice", b'{"password": "kanarienvogel", "password": "other"}'),
    RawBody("a name twice, deep", b'{"x": {"a": 1, "a": 2}}'),
    RawBody("NaN", b'{"x": NaN}'),
    RawBody("Infinity", b'{"x": Infinity}'),
    RawBody("-Infinity", b'{"x": -Infinity}'),
    RawBody("a number too large", b'{"x": 1e999}'),
    RawBody("5,000 digits", b'{"x": ' + b"1" * 5000 + b"}"),
    RawBody("a NUL", b'{"x": "\\u0000"}'),
    RawBody("a NUL in a name", b'{"\\u0000": 1}'),
    RawBody("a NUL as it is", b'{"x": "\x00"}'),
    RawBody("a lone surrogate", b'{"x": "\\ud800"}'),
    RawBody("a lone surrogate in a name", b'{"\\udc00": 1}'),
    RawBody("a lone surrogate in an array", b'{"x": ["\\ud83d"]}'),
    RawBody("a control character", b'{"x": "\x01"}'),
    RawBody("a bad escape", b'{"x": "\\q"}'),
    RawBody("a BOM", b'\xef\xbb\xbf{"x": 1}'),
    RawBody("UTF-16", '{"x": 1}'.encode("utf-16")),
    RawBody("UTF-16 without BOM", '{"x": 1}'.encode("utf-16-le")),
    RawBody("UTF-32", '{"x": 1}'.encode("utf-32")),
    RawBody("Latin-1", '{"x": "ä"}'.encode("latin-1")),
    RawBody("an overlong NUL", b'{"x": "\xc0\x80"}'),
    RawBody("a surrogate in UTF-8", b'{"x": "\xed\xa0\x80"}'),
    RawBody("half a character", b'{"x": "\xe2\x82'),
    RawBody("a form in JSON's name", b"password=kanarienvogel&host=mail.test"),
    RawBody("XML", b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><x>&a;</x>"),
    RawBody("a pickle", b"\x80\x04\x95\x08\x00\x00\x00\x00\x00\x00\x00\x8c\x04test\x94."),
    RawBody("5 MB", b'{"x": "' + b"a" * 5_000_000 + b'"}', 413),
    RawBody("1 MB and a bit", b'{"x": "' + b"a" * 1_048_576 + b'"}', 413),
    RawBody("a form", b"password=kanarienvogel&host=mail.test", 415, "application/x-www-form-urlencoded"),
    RawBody(
        "a multipart form",
        b'--x\r\nContent-Disposition: form-data; name="password"\r\n\r\nkanarienvogel\r\n--x--\r\n',
        415,
        "multipart/form-data; boundary=x",
    ),
    RawBody("a truncated multipart form", b"--x\r\nContent-Dis", 415, "multipart/form-data; boundary=x"),
    RawBody("10,000 fields", b"&".join([b"a=1"] * 10_000), 415, "application/x-www-form-urlencoded"),
    RawBody("plain text", b'{"password": "kanarienvogel"}', 415, "text/plain"),
    RawBody("octets", b'{"password": "kanarienvogel"}', 415, "application/octet-stream"),
    RawBody("XML by name", b"<x/>", 415, "application/xml"),
    RawBody("JSON by another name", b"{}", 415, "text/json"),
    RawBody("JSON:API", b"{}", 415, "application/vnd.api+json"),
    RawBody("no content type", b"{}", 415, ""),
    RawBody("a nonsense content type", b"{}", 415, "nonsense"),
    RawBody("half a content type", b"{}", 415, "application/"),
    RawBody("a long content type", b"{}", 415, "application/" + "x" * 5000),
    RawBody("UTF-7", b'{"x": "+AGE-"}', 415, "application/json; charset=utf-7"),
    RawBody("Latin-1 by name", b"{}", 415, "application/json; charset=iso-8859-1"),
    RawBody("UTF-16 by name", b"{}", 415, "application/json; charset=utf-16"),
    RawBody("a bogus charset", b"{}", 415, "application/json; charset=bogus"),
    RawBody("an empty charset", b"{}", 415, "application/json; charset="),
    RawBody("a charset that is a codec", b"{}", 415, "application/json; charset=base64"),
)
"""At every call that takes a body."""

KEYS = (
    "%00",
    "1%00",
    "%ff",
    "%c0%80",
    "%ed%a0%80",
    "0",
    "-1",
    "+1",
    "1.0",
    "01x",
    "1e400",
    "1e1",
    "9" * 18,
    "9" * 19,
    "9" * 31,
    "9" * 5000,
    "9223372036854775808",
    "..%2f",
    "..%5c..",
    "%2e%2e",
    "%2e%2e%2f1",
    "1%0d%0aX-Evil:%201",
    "%0d%0a",
    "%20",
    "%201",
    "1%20",
    "%EF%BC%91",
    "%D9%A1",
    "null",
    "None",
    "true",
    "NaN",
    "%7B%7D",
    "%5B%5D",
    "1;DROP%20TABLE",
    "1'",
    "1%22",
    "%25s",
    "%252e",
    "{id}",
    "*",
    "6d8b1b0c-5d4f-4a86-9d58-00000000000g",
    "6d8b1b0c5d4f4a869d58000000000000",
    "{6d8b1b0c-5d4f-4a86-9d58-000000000000}",
    "urn:uuid:6d8b1b0c-5d4f-4a86-9d58-000000000000",
    "%F0%9F%93%A7",
    "%E2%80%AE",
    "a" * 2000,
)
"""In the path, for a row: nothing is there by that name."""

QUERIES = (
    "x=1",
    "format=api",
    "format=json",
    "pk=1",
    "owner=1",
    "%00=1",
    "%ff=1",
    "%ED%A0%80=1",
    "x=%00",
    "__class__=x",
    "limit[]=1",
    "limit=%00",
    "limit=%ff",
    "offset=%00",
)
"""On any list: nothing is known by that name, or no such value."""

HEADERS: tuple[tuple[str, dict[str, str], set[int]], ...] = (
    ("another Accept", {"accept": "text/html"}, {406}),
    ("XML accepted", {"accept": "application/xml;q=0.9"}, {406}),
    ("Accept nonsense", {"accept": "nonsense"}, {406}),
    ("Accept without subtype", {"accept": "application/"}, {406}),
    ("Accept of 10 KB", {"accept": "a/b," * 2500}, {406}),
    ("an empty token", {"authorization": "Bearer"}, {401}),
    ("a blank token", {"authorization": "Bearer  "}, {401}),
    ("two tokens", {"authorization": "Bearer a b"}, {401}),
    ("an unknown token", {"authorization": "Bearer kanarienvogel"}, {401}),
    ("a token outside ASCII", {"authorization": "Bearer tökén"}, {401}),
    ("a token that is no text", {"authorization": "Bearer \xff\xfe"}, {401}),
    ("a NUL in the token", {"authorization": "Bearer token-of-keeper\x00"}, {401}),
    ("another scheme", {"authorization": "Basic a2VlcGVyOng="}, {401}),
    ("nonsense for a scheme", {"authorization": "nonsense"}, {401}),
    ("a long token", {"authorization": "Bearer " + "a" * 8000}, {401}),
)
"""Header fields that a list or a read must refuse, and how."""

WRITING_HEADERS: tuple[tuple[str, dict[str, str], set[int]], ...] = (
    ("compressed", {"content-encoding": "gzip"}, {415}),
    ("brotli", {"content-encoding": "br"}, {415}),
    ("compressed twice", {"content-encoding": "gzip, identity"}, {415}),
    ("in pieces without a length", {"transfer-encoding": "chunked", "content-length": ""}, {400, 411}),
)
"""Header fields with which a body is refused, and how."""

HARMLESS_HEADERS: tuple[tuple[str, dict[str, str]], ...] = (
    ("languages nobody speaks", {"accept-language": "tlh, xx-YY;q=0.5"}),
    ("language garbage", {"accept-language": "\x00,;q=,,ja;q=nonsense,en-" + "x" * 5000}),
    ("language outside ASCII", {"accept-language": "日本語"}),
    ("any language", {"accept-language": "*"}),
    ("a method override", {"x-http-method-override": "DELETE", "x-method-override": "DELETE"}),
    ("a request id with a line break", {"x-request-id": "a\r\nX-Evil: 1"}),
    ("a long request id", {"x-request-id": "a" * 10_000}),
    ("a request id outside ASCII", {"x-request-id": "ä\u2028"}),
    ("a nonsense Prefer", {"prefer": ",;=,respond-asynchronously; wait=x"}),
    ("anything accepted", {"accept": "*/*"}),
    ("JSON accepted among others", {"accept": "text/html, application/json;q=0.1"}),
    ("identity", {"content-encoding": "identity"}),
)
"""Header fields that change nothing of what a read answers."""
