"""Two addresses of the demo's far side: mail to one is answered, mail to the other comes back."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime, getaddresses, make_msgid

from .parsing import BROKEN
from .store import ReceivedMail

ANSWERING = "answers@example.net"
BOUNCING = "bounces@example.net"
_DOMAIN = "example.net"
_REPORT = """\
From: Mail Delivery System <MAILER-DAEMON@{domain}>
To: {recipient}
Subject: Undelivered Mail Returned to Sender
Date: {date}
Message-ID: {message_id}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="parts-of-the-report"

--parts-of-the-report
Content-Type: text/plain; charset=us-ascii

<{bouncing}>: there is no such mailbox here.

--parts-of-the-report
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.{domain}

Final-Recipient: rfc822; {bouncing}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 There is no such mailbox here.

--parts-of-the-report
Content-Type: text/rfc822-headers

{original}

--parts-of-the-report--
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A mail that the far side sends."""

    mail_from: str
    """Of the envelope; ``""``: nobody wants to hear of it any more (RFC 5321 §4.5.5)."""
    recipient: str
    content: bytes


def answers_to(mail: ReceivedMail) -> list[Answer]:
    """Return what comes of a mail. What is automatic itself gets no answer (RFC 3834 §2)."""
    automatic = mail.header("Auto-Submitted").strip().lower() not in {"", "no"}
    if not mail.mail_from or automatic:
        return []
    wanted = {ANSWERING: _reply, BOUNCING: _report}
    recipients = {recipient.lower() for recipient in mail.recipients}
    found = []
    for address, write in wanted.items():
        if address in recipients:
            try:
                found.append(write(mail))
            except BROKEN:  # an odd mail is read by nobody here
                continue
    return found


def _reply(mail: ReceivedMail) -> Answer:
    """Return what a person writes back: to the header's address, in the same thread (RFC 5322 §3.6.4)."""
    named = getaddresses([_line(mail.header("Reply-To")) or _line(mail.header("From"))])
    recipient = next((address for _name, address in named if address), mail.mail_from)
    subject = _line(mail.subject)
    message_id = _line(mail.header("Message-ID"))
    reply = EmailMessage()
    reply["From"] = f"Answers <{ANSWERING}>"
    reply["To"] = recipient
    reply["Date"] = format_datetime(mail.received_at)
    reply["Message-ID"] = make_msgid(domain=_DOMAIN)
    if message_id:
        reply["In-Reply-To"] = message_id
        reply["References"] = f"{_line(mail.header('References'))} {message_id}".strip()
    reply["Subject"] = subject if subject.lower().startswith("re:") else f"Re: {subject}"
    quoted = "".join(f"> {line}\n" for line in mail.text.splitlines()[:10])
    reply.set_content(
        f"Hello,\n\nthank you, Zażółć gęślą jaźń has arrived.\n\nAnswers\n\n{quoted}", cte="8bit"
    )
    reply.add_alternative(
        "<p>Hello,</p><p>thank you, <b>Zażółć gęślą jaźń</b> has arrived.</p><p>Answers</p>",
        subtype="html",
        cte="8bit",
    )
    return Answer(mail_from=ANSWERING, recipient=recipient, content=reply.as_bytes())


def _report(mail: ReceivedMail) -> Answer:
    """Return what a mail server says of a mailbox that is not there: to the envelope's sender (RFC 3464)."""
    names = ("From", "To", "Subject", "Message-ID")
    original = "\n".join(f"{name}: {_line(mail.header(name))}" for name in names)
    content = _REPORT.format(
        recipient=mail.mail_from,
        date=format_datetime(mail.received_at),
        message_id=make_msgid(domain=_DOMAIN),
        bouncing=BOUNCING,
        domain=_DOMAIN,
        original=original,
    )
    return Answer(mail_from="", recipient=mail.mail_from, content=content.encode("ascii", "replace"))


def _line(value: str) -> str:
    return " ".join(value.split())
