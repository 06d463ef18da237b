"""A Django mail becomes envelope and bytes."""

import email
import email.policy
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import EmailMessage as StandardMessage
from email.message import MIMEPart
from email.mime.base import MIMEBase
from email.mime.text import MIMEText
from pathlib import Path
from typing import Any

import pytest
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from mailconfig.exceptions import InvalidMessage
from mailconfig.rendering.compose import Rendered, compose

ME = "shop@example.com"

# What may stand in one line: neither controls nor surrogates; "=?" is left to callers who encode themselves.
LINES = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=300).map(
    lambda text: " ".join(text.split()).replace("=?", "")
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=3000).map(
    lambda text: text.replace("\r", "")
)


def mail(**values: Any) -> EmailMultiAlternatives:
    return EmailMultiAlternatives(
        **{"subject": "s", "body": "b", "from_email": ME, "to": ["a@example.org"], **values}
    )


def read(rendered: Rendered) -> StandardMessage:
    """As a receiver reads it; what every rendering of ours keeps to is looked at on the way."""
    lines = rendered.body.split(b"\r\n")
    assert rendered.body.endswith(b"\r\n")
    assert not any(b"\n" in line or b"\r" in line for line in lines)
    assert max(map(len, lines)) <= 998
    message = email.message_from_bytes(rendered.body, policy=email.policy.default)
    assert not message.defects
    return message


def text(part: MIMEPart) -> str:
    """The text without how its lines ended on the way."""
    return str(part.get_content()).replace("\r\n", "\n")


@given(subject=LINES, body=TEXTS, name=LINES.filter(bool))
def test_what_is_written_is_read(subject: str, body: str, name: str) -> None:
    message = mail(
        subject=subject, body=body, from_email=f'"{name.translate({34: None, 92: None})} x" <{ME}>'
    )
    rendered = compose(message)
    found = read(rendered)

    assert rendered.body.isascii()
    assert not rendered.eight_bit
    assert found["Subject"] == subject
    assert found["From"].addresses[0].addr_spec == ME
    # The newer parser puts a space between encoded words of a display name; RFC 2047 §6.2 does not.
    raw = email.message_from_bytes(rendered.body)["From"]
    shown = str(make_header(decode_header(raw.rpartition("<")[0].strip()))).strip('"')
    assert shown == f"{name.translate({34: None, 92: None})} x".strip()
    assert text(found).removesuffix("\n") == body.removesuffix("\n")


@given(html=TEXTS, data=st.binary(max_size=5000), filename=LINES.filter(bool), note=TEXTS)
def test_alternatives_and_attachments_survive(html: str, data: bytes, filename: str, note: str) -> None:
    filename = filename[:100].strip() or "x"
    message = mail(body="text")
    message.attach_alternative(html, "text/html")
    message.attach(filename, data, "application/pdf")
    message.attach("note.txt", note, "text/plain")
    found = read(compose(message))

    assert found.get_content_type() == "multipart/mixed"
    first, pdf, note_part = found.iter_parts()
    assert [part.get_content_type() for part in first.iter_parts()] == ["text/plain", "text/html"]
    assert text(list(first.iter_parts())[1]) == html
    assert pdf.get_content() == data
    assert pdf.get_filename() == filename
    assert text(note_part) == note


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "utf-16", "iso-2022-jp", "us-ascii"])
@pytest.mark.parametrize(
    "body",
    ["plain", "Grüße", "日本語のメール", "long " * 500 + "ü", "x" * 2000, "nul\x00\x1b", "", ".\n..\n"],
)
def test_every_charset_carries_every_text(encoding: str, body: str) -> None:
    message = mail(body=body)
    message.encoding = encoding
    rendered = compose(message)

    assert rendered.body.isascii()
    assert text(read(rendered)).removesuffix("\n") == body.removesuffix("\n")


def test_the_envelope_names_each_recipient_once_and_the_header_no_bcc() -> None:
    message = mail(
        to=["Ann <a@example.org>", "b@EXAMPLE.org"],
        cc=["b@example.ORG", "c@bücher.example"],
        bcc=["d@example.org", "a@example.org"],
    )
    rendered = compose(message)
    found = read(rendered)

    assert rendered.recipients == (
        "a@example.org",
        "b@example.org",
        "c@xn--bcher-kva.example",
        "d@example.org",
    )
    assert found["To"] == "Ann <a@example.org>, b@example.org"
    assert found["Bcc"] is None
    assert b"d@example.org" not in rendered.body


def test_a_thousand_recipients_fold() -> None:
    people = [f"Pérson {number} <p{number}@example.org>" for number in range(1000)]
    rendered = compose(mail(to=people))
    assert len(read(rendered)["To"].addresses) == len(rendered.recipients) == 1000


@pytest.mark.parametrize("evil", ["a\r\nBcc: x@example.org", "a\r\n b", "a\nb", "a\rb", "a\x00b", "a\ud800b"])
def test_nothing_is_injected(evil: str) -> None:
    for values in (
        {"subject": evil},
        {"from_email": f"{evil} <{ME}>"},
        {"to": [f"{evil} <a@example.org>"]},
        {"to": [f"a@example.org{evil}"]},
        {"cc": [f"{evil}@example.org"]},
        {"bcc": [f"a@{evil}.example"]},
        {"reply_to": [f'"{evil}" <a@example.org>']},
        {"headers": {"X-Mark": evil}},
        {"headers": {evil: "value"}},
        {"headers": {"Message-ID": evil}},
        {"headers": {"Date": evil}},
        {"headers": {"From": evil}},
        {"attachments": [(evil, b"x", "application/pdf")]},
        {"attachments": [("x", b"x", f"application/pdf; x={evil}")]},
    ):
        with pytest.raises(InvalidMessage):
            compose(mail(**values))
    with pytest.raises(InvalidMessage):
        compose(mail(), from_email=ME, reply_to_email=f"a@example.org{evil}")


@pytest.mark.parametrize(
    "name", ["Bcc", "bcc", "Resent-Bcc", "Content-Type", "X: Y", "X Y", "", "Ü", "X\r\nBcc"]
)
def test_header_names_that_are_none_or_ours_are_refused(name: str) -> None:
    with pytest.raises(InvalidMessage):
        compose(mail(headers={name: "x@example.org"}))


@pytest.mark.parametrize(
    "address",
    [
        "a@b.example,c@d.example", "a@b.example;c@d.example", "G: a@b.example;", "a@b.example c@d.example", '"a\x1fb"@c.example',
        '"a<b"@c.example', '"a>b"@c.example', '"a\\>b"@c.example', '""@c.example', '"a"b@c.example', '"a"."b"@c.example', "a b@c.example", "a @b.example",
        "a@ b.example", "a@[127.0.0.1", "a@[127.0.0.1]x", "a@[::1]", "a@[IPv6:::1%25eth0]", "a@[IPv6:x]", "a@[1.2.3]", "a@[tag:x]", "a@-b.example", "a@b.example.",
        "a@b..example", "a" * 65 + "@b.example", "a@" + "b" * 250 + ".example", "ü@b.example", "a@b.example(c", "a@b.example c)",
        "...", "ro ot", "r\u00f6ot", "a\tb@c.example", "a\x85@b.example", "a@\u2028b.example", "a@☺.example", "a@b.example\x1f", "***@****.com", "<a@b.example", "N <a@b.example> x", "N <a@b.example>, M <c@d.example>", "@", "a@",
        "a@b.example\n", " ", "N, M <a@b.example>", "a@b.example <c@d.example>", "a\u200b@b.example",
    ],
)  # fmt: skip
def test_what_is_not_one_address_is_refused(address: str) -> None:
    for field in ("to", "cc", "bcc", "reply_to"):
        with pytest.raises(InvalidMessage):
            compose(mail(**{field: [address], "to": [address] if field == "to" else ["x@example.org"]}))


@pytest.mark.parametrize(
    ("written", "spec"),
    [
        ("a+x@b.example", "a+x@b.example"), ("<a@b.example>", "a@b.example"), ("N <a@b.example>", "a@b.example"), ("a@localhost", "a@localhost"),
        ('"Doe, Jane \\"J\\"" <J.Doe@B.Example>', "J.Doe@b.example"), ("a@ü.example", "a@xn--tda.example"), ("Dr. X (home) <a@b.example>", "a@b.example"),
        ("a%0d%0a@b.example", "a%0d%0a@b.example"),
        ('"a b"@c.example', '"a b"@c.example'), ('"a\\"b"@c.example', '"a\\"b"@c.example'), ('"root"@c.example', "root@c.example"), ('"a@b"@c.example', '"a@b"@c.example'),
        ("a@[127.0.0.1]", "a@[127.0.0.1]"), ("a@[ipv6:2001:DB8::1]", "a@[IPv6:2001:db8::1]"), ("a@b", "a@b"), ("a@mail_host.local", "a@mail_host.local"),
        ("-f@b.example", "-f@b.example"), ("a@b.example(c)", "a@b.example"), ("a@b.example (Carol)", "a@b.example"), ("(Carol) a@b.example", "a@b.example"),
        ('Bob "Nick" Doe <a@b.example>', "a@b.example"), ("J. R. Doe <a@b.example>", "a@b.example"), ("A\tB <a@b.example>", "a@b.example"),
        ("a@straße.example", "a@xn--strae-oqa.example"), ("a@STRASSE.example", "a@strasse.example"), ("a@xn--fa-hia.example", "a@xn--fa-hia.example"),
        ("a@βόλος.example", "a@xn--nxasmm1c.example"), ("a@BÜCHER。example", "a@xn--bcher-kva.example"), ("a@u\u0308.example", "a@xn--tda.example"),
    ],
)  # fmt: skip
def test_what_is_one_address_is_taken(written: str, spec: str) -> None:
    rendered = compose(mail(to=[written]))
    assert rendered.recipients == (spec,)
    assert read(rendered)["To"].addresses[0].addr_spec == spec


def test_a_local_part_outside_ascii_is_refused_in_clear_words() -> None:
    with pytest.raises(InvalidMessage, match="outside ASCII before the @"):
        compose(mail(to=["ü@example.org"]))


def test_no_recipient_is_refused() -> None:
    with pytest.raises(InvalidMessage, match="no recipient"):
        compose(mail(to=[]))


def test_undisclosed_recipients_may_stand_in_to() -> None:
    rendered = compose(mail(to=[], bcc=["a@example.org"], headers={"To": "undisclosed-recipients:;"}))
    assert b"\r\nTo: undisclosed-recipients:;\r\n" in rendered.body
    assert rendered.recipients == ("a@example.org",)


@pytest.mark.parametrize("nobody", [None, "", "webmaster@localhost", "Site <default@example.net>"])
def test_a_mail_that_names_no_from_gets_the_accounts(nobody: str | None) -> None:
    with override_settings(DEFAULT_FROM_EMAIL="Site <default@example.net>"):
        rendered = compose(mail(from_email=nobody), from_email="me@example.com", from_name="Mé")
    assert str(read(rendered)["From"]) == "Mé <me@example.com>"
    assert rendered.sender == "me@example.com"


def test_a_from_that_was_chosen_is_kept_and_bounces_go_to_the_account() -> None:
    rendered = compose(
        mail(from_email="X <other@example.net>"), from_email="me@example.com", envelope_from="b@example.com"
    )
    assert str(read(rendered)["From"]) == "X <other@example.net>"
    assert rendered.sender == "b@example.com"
    assert rendered.message_id.endswith("@example.net>")


def test_without_any_from_a_mail_is_refused() -> None:
    with pytest.raises(InvalidMessage, match="from address"):
        compose(mail(from_email="webmaster@localhost"))


def test_the_accounts_reply_to_is_used_where_the_mail_has_none() -> None:
    account: dict[str, Any] = {"reply_to_email": "r@example.com", "reply_to_name": "R"}
    assert read(compose(mail(), **account))["Reply-To"] == "R <r@example.com>"
    assert read(compose(mail(reply_to=["m@example.com"]), **account))["Reply-To"] == "m@example.com"
    assert (
        read(compose(mail(headers={"reply-to": "h@example.com"}), **account))["Reply-To"] == "h@example.com"
    )


def test_extra_headers_are_written_and_identities_kept() -> None:
    headers: dict[str, Any] = {
        "From": "Ünlike <u@example.com>", "Message-ID": "<1@x>", "Date": datetime(2026, 1, 2, tzinfo=UTC), "X-Note": "é" * 300,
        "List-Unsubscribe": "<https://example.com/u>", "Sender": "Sec <s@example.com>", "References": " ".join(f"<{n}@example.com>" for n in range(99)),
    }  # fmt: skip
    rendered = compose(mail(headers=headers))
    found = read(rendered)
    assert rendered.message_id == found["Message-ID"] == "<1@x>"
    assert found["Date"] == "Fri, 02 Jan 2026 00:00:00 +0000"
    assert found["From"].addresses[0].display_name == "Ünlike"
    assert found["X-Note"] == "é" * 300
    assert found["References"].split() == headers["References"].split()
    assert [len(found.get_all(name, [])) for name in ("Message-ID", "From")] == [1, 1]


def test_every_form_of_attachment_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "dätei.csv"
    file.write_bytes(b"a,b\r\n1,2\r\n")
    base = MIMEBase("application", "x-own")
    base.set_payload(b"own")
    part = MIMEPart()
    part.set_content("x" * 5000 + "ü", cte="8bit")
    inner = EmailMessage("innér", "bödy", ME, ["x@example.org"])
    message = mail(body="")
    message.attachments = [
        base,
        part,
        ("odd.txt", "a\rb\n", "text/plain"),
        ("raw.bin", memoryview(b"\x00\xff"), None),
        ("t.txt", b"\xff\xfe", "text/plain"),
    ]
    message.attach("in.eml", inner, "message/rfc822")
    message.attach("mime.eml", MIMEText("Grüße", _charset="utf-8"), "message/rfc822")
    message.attach("raw.eml", b"Subject: r\n\nGr\xc3\xbc\xc3\x9fe\n", "message/rfc822")
    message.attach_file(str(file))
    rendered = compose(message)
    found = list(read(rendered).iter_parts())

    assert rendered.eight_bit, "a mail that is forwarded keeps its octets"
    assert b"raw.eml" in rendered.body
    assert b"Gr\xc3\xbc\xc3\x9fe" in rendered.body
    assert read(rendered)["Content-Transfer-Encoding"] == "8bit"
    assert found[0].get_payload(decode=True) == b"own"
    assert text(found[1]) == "x" * 5000 + "ü\n"
    assert found[2].get_payload(decode=True) == b"a\rb\n"
    assert found[3].get_payload(decode=True) == b"\x00\xff"
    assert (found[4].get_content_type(), found[4].get_content()) == ("application/octet-stream", b"\xff\xfe")
    assert found[5].get_content()["Subject"] == "innér"
    assert text(found[5].get_content()) == "bödy"
    assert text(found[6].get_content()) == "Grüße"
    assert found[7].get_content()["Subject"] == "r"
    assert found[8].get_filename() == "dätei.csv"
    assert found[8].get_payload(decode=True) == b"a,b\r\n1,2\r\n"


@pytest.mark.parametrize(
    "content",
    [
        b"a\nb\n",
        b"a\r\nb\r\n",
        b"a\rb\r\n",
        "ü\n".encode(),
        "ü\r\n".encode(),
        b"\xff\n",
        b"a  \n\n",
        b"\x00\n",
    ],
)
@pytest.mark.parametrize("kind", ["text/csv", "text/plain", "application/json"])
def test_the_octets_of_a_file_arrive_as_they_are(content: bytes, kind: str) -> None:
    message = mail()
    message.attachments.append(("file", content, kind))
    _body, file = read(compose(message)).iter_parts()
    assert file.get_payload(decode=True) == content
    if file.get_content_maintype() == "text":
        assert file.get_content_charset() == "utf-8"


def test_a_type_may_have_parameters() -> None:
    message = mail()
    message.attach_alternative("BEGIN:VCALENDAR", "text/calendar; method=REQUEST; charset=latin-1")
    part = list(read(compose(message)).iter_parts())[1]
    assert part.get_content_type() == "text/calendar"
    assert (part.get_param("method"), part.get_param("charset")) == ("REQUEST", "utf-8")


@pytest.mark.parametrize(
    "attachment",
    [
        ("x", object(), "application/pdf"),
        ("x", b"x", "pdf"),
        ("x", b"x", "a/b/c"),
        "x",
        ("x",),
        ("x", 5, "message/rfc822"),
    ],
)
def test_what_is_no_attachment_is_refused(attachment: object) -> None:
    message = mail()
    message.attachments.append(attachment)
    with pytest.raises(InvalidMessage):
        compose(message)


def test_lone_surrogates_in_the_text_are_refused() -> None:
    with pytest.raises(InvalidMessage):
        compose(mail(body="a\ud800"))


def test_a_mail_over_the_size_is_refused() -> None:
    with override_settings(MAILCONFIG={"MAX_MESSAGE_BYTES": 1000}):
        compose(mail(body="x" * 500))
        with pytest.raises(InvalidMessage, match="1000"):
            compose(mail(body="ab\n" * 400))
        with pytest.raises(InvalidMessage, match="1000"):
            compose(mail(attachments=[("x", b"x" * 1001, "application/pdf")]))


class Own(EmailMultiAlternatives):
    """Renders in a way of its own, as signing packages do."""

    def message(self, **kwargs: Any) -> StandardMessage:
        made = super().message(**kwargs)
        made["X-Own"] = "yes"
        made["Bcc"] = "hidden@example.org"
        return made


def test_an_overridden_message_is_what_is_sent() -> None:
    message = Own("Ünter", "Grüße", None, ["a@example.org"], bcc=["b@example.org"])
    rendered = compose(message, from_email=ME, from_name="Mé", reply_to_email="r@example.com")
    found = email.message_from_bytes(rendered.body, policy=email.policy.default)

    assert found["X-Own"] == "yes"
    assert str(found["From"]) == f"Mé <{ME}>"
    assert found["Reply-To"] == "r@example.com"
    assert found["Bcc"] is None
    assert rendered.subject == found["Subject"] == "Ünter"
    assert rendered.message_id == found["Message-ID"]
    assert rendered.message_id.endswith("@example.com>")
    assert found.get_content().strip() == "Grüße"
    assert rendered.eight_bit == (not rendered.body.isascii())
    assert rendered.recipients == ("a@example.org", "b@example.org")


def test_lines_that_an_overridden_message_makes_too_long_are_encoded() -> None:
    class Long(EmailMessage):
        def message(self, **kwargs: Any) -> Any:
            return MIMEText("x" * 3000)

    found = read(compose(Long("s", "b", ME, ["a@example.org"]), from_email=ME))
    assert found.get_payload(decode=True) == b"x" * 3000


def test_an_overridden_message_injects_nothing() -> None:
    class Evil(EmailMessage):
        def message(self, **kwargs: Any) -> Any:
            made = MIMEText("x")
            made["Subject"] = "a\nBcc: x@example.org"
            return made

    with pytest.raises(InvalidMessage):
        compose(Evil("s", "b", ME, ["a@example.org"]), from_email=ME)


def test_the_digest_knows_the_same_mail_again() -> None:
    def twice(**values: object) -> set[str]:
        return {compose(mail(**values), from_email=ME).digest() for _ in range(2)}

    plain, attached = twice(), twice(attachments=[("x", b"x", "application/pdf")])
    assert len(plain) == len(attached) == 1
    assert len(plain | attached | twice(subject="t") | twice(body="c") | twice(to=["z@example.org"])) == 5
    own = {compose(Own("s", "b", ME, ["a@example.org"]), from_email=ME).digest() for _ in range(2)}
    assert len(own) == 1
