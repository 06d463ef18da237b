"""Services whose interface is a request and an answer, one entry each: what shows the key, where a mail stands, what is said.

By the public documents of each. A new one is an entry here; the suite over the table needs its name and what it refuses.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from email.utils import getaddresses, parseaddr
from typing import Any

KEY = "SG.not-a-real-key.0123456789"
USERS = {"mailjet": "public-key", "scaleway": "6f9c3a4e-project"}
"""What an account's user name holds at the services that need one."""


@dataclass(frozen=True)
class Said:
    """An answer."""

    status: int
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A mail as a request says it."""

    sender: str
    recipients: tuple[str, ...]
    """To, Cc and Bcc, in this order."""
    subject: str
    text: str
    fields: Mapping[str, str] = field(repr=False)
    """Its further header fields."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Recipients of a request, and of the list that the service keeps of those it does not write to."""

    everybody: tuple[str, ...]
    refused: frozenset[str]
    to: tuple[str, ...]

    @property
    def taken(self) -> list[str]:
        """Who gets it."""
        return [one for one in self.everybody if one not in self.refused]

    def places(self, form: str) -> list[str]:
        """Where the refused stand, in the service's words."""
        where = [("to", place, one) for place, one in enumerate(self.to)]
        others = [one for one in self.everybody if one not in self.to]
        where += [("cc", place, one) for place, one in enumerate(others)]
        return [form.format(field=name, place=place) for name, place, one in where if one in self.refused]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A service."""

    path: str
    shows: Callable[[Message, Any], str]
    """Return what a request shows for a key."""
    key: str = KEY
    wrong_key: Said
    reads: Callable[[Any], Parts]
    answers: Callable[[Batch], Said]
    asks: str = ""
    """Path of its question without effect."""

    def answer(
        self, method: str, path: str, headers: Message, said: Any, refused: frozenset[str]
    ) -> tuple[Said, Parts | None, list[str]]:
        """Return what is answered, and the mail with those who get it, if there are any."""
        if self.shows(headers, said) != self.key:
            return self.wrong_key, None, []
        if (method, path) == ("GET", self.asks):
            return Said(200, {}), None, []
        if (method, path) != ("POST", self.path):
            return Said(404, {"message": "not found"}), None, []
        parts = self.reads(said)
        if "@" not in parts.sender or not parts.recipients or not all("@" in one for one in parts.recipients):
            return Said(400, {"message": "no sender, or no recipient"}), None, []
        to = tuple(one for one in parts.recipients if one in _to_of(said, parts))
        batch = Batch(everybody=parts.recipients, refused=refused, to=to)
        answer = self.answers(batch)
        taken = batch.taken if 200 <= answer.status < 300 else []
        return answer, parts if taken else None, taken


def _to_of(said: Any, parts: Parts) -> Sequence[str]:
    """Those of To, where the service names recipients by their place."""
    if isinstance(said, dict) and isinstance(said.get("to"), list):
        return [one["email"] for one in said["to"]]
    if isinstance(said, dict) and "Messages" in said:
        return [one["Email"] for one in said["Messages"][0]["To"]]
    return parts.recipients


def _emails(*lists: Iterable[Mapping[str, str]] | None, name: str = "email") -> tuple[str, ...]:
    return tuple(one[name] for each in lists for one in each or ())


def _pairs(listed: Iterable[Mapping[str, str]], key: str) -> dict[str, str]:
    return {one[key]: one["value"] for one in listed}


def _bearer(headers: Message, _said: Any) -> str:
    return str(headers["Authorization"]).removeprefix("Bearer ")


def _field(name: str) -> Callable[[Message, Any], str]:
    return lambda headers, _said: str(headers[name])


def _errors(status: int, *errors: Any) -> Said:
    return Said(status, {"errors": list(errors)})


def _mailjet(batch: Batch) -> Said:
    def each(address: str) -> dict[str, Any]:
        number = abs(hash(address)) % 10**15
        return {"Email": address, "MessageUUID": f"u-{number}", "MessageID": number, "MessageHref": "-"}

    if batch.refused & set(batch.everybody):
        return mailjet_error(400, "mj-0013", "an invalid email address.", *mailjet_places(batch))
    answered = {"To": batch.to, "Cc": [one for one in batch.everybody if one not in batch.to], "Bcc": ()}
    listed = {name: [each(one) for one in those] for name, those in answered.items()}
    return Said(200, {"Messages": [{"Status": "success", "CustomID": "", **listed}]})


def mailjet_places(batch: Batch) -> list[str]:
    """Return the places of the refused, in Mailjet's words."""
    return [place[0].upper() + place[1:] for place in batch.places("{field}[{place}].Email")]


def mailjet_error(status: int, code: str, words: str, *about: str) -> Said:
    """An error of one mail, as Mailjet's Send API 3.1 says it."""
    error = {
        "ErrorIdentifier": "88b5ca9f-5f1f-42e7-a45e-9ecbad0c285e",
        "ErrorCode": code,
        "StatusCode": status,
        "ErrorMessage": words,
        "ErrorRelatedTo": list(about),
    }
    return Said(status, {"Messages": [{"Status": "error", "Errors": [error]}]})


def _mailersend(batch: Batch) -> Said:
    refused = [one for one in batch.everybody if one in batch.refused]
    if not refused:
        return Said(202, "", (("X-Message-Id", "ms-1"),))
    listed = [{"email": one, "reasons": ["hard_bounced"]} for one in refused]
    kind = "SOME_SUPPRESSED" if batch.taken else "ALL_SUPPRESSED"
    headers = (("X-Message-Id", "ms-1"),) if batch.taken else ()
    return Said(202, {"message": "", "warnings": [{"type": kind, "recipients": listed}]}, headers)


def _sparkpost(batch: Batch) -> Said:
    taken, all_of_them = len(batch.taken), len(batch.everybody)
    counted = {"total_accepted_recipients": taken, "total_rejected_recipients": all_of_them - taken}
    return Said(200, {"results": {**counted, "id": "sp-1"}})


def _scaleway(batch: Batch) -> Said:
    places = batch.places("{field}.{place}.email")
    if places:
        details = [{"argument_name": one, "reason": "constraint", "help_message": "no"} for one in places]
        return Said(400, {"details": details, "message": "invalid argument(s)", "type": "invalid_arguments"})
    return Said(
        200, {"emails": [{"id": "sw-1", "mail_rcpt": one, "status": "new"} for one in batch.everybody]}
    )


def _mailtrap(batch: Batch) -> Said:
    places = batch.places("'{field}' {place}")
    if places:
        return Said(400, {"success": False, "errors": [f"address is invalid in {one}" for one in places]})
    ids = [f"mt-{number}" for number, _one in enumerate(batch.everybody)]
    return Said(200, {"success": True, "message_ids": ids})


def _mandrill(batch: Batch) -> Said:
    """Addresses are answered in lower case."""
    taken = [{"email": one.lower(), "status": "sent", "_id": "m"} for one in batch.taken]
    no = {"status": "rejected", "reject_reason": "hard-bounce"}
    refused = [{"email": one.lower(), **no} for one in batch.everybody if one in batch.refused]
    return Said(200, taken + refused)


def _unisender(batch: Batch) -> Said:
    failed = {one: "unsubscribed" for one in batch.everybody if one in batch.refused}
    more = {"failed_emails": failed} if failed else {}
    return Said(200, {"status": "success", "job_id": "ug-1", "emails": batch.taken, **more})


def _of_mailjet(said: Any) -> Parts:
    shared, [message] = said["Globals"], said["Messages"]
    return Parts(
        sender=shared["From"]["Email"],
        recipients=_emails(message["To"], shared.get("Cc"), shared.get("Bcc"), name="Email"),
        subject=shared["Subject"],
        text=shared["TextPart"],
        fields=shared.get("Headers", {}),
    )


def _of_sparkpost(said: Any) -> Parts:
    content = said["content"]
    return Parts(
        sender=parseaddr(content["from"])[1],
        recipients=tuple(one["address"]["email"] for one in said["recipients"]),
        subject=content["subject"],
        text=content["text"],
        fields=content.get("headers", {}),
    )


def _of_mandrill(said: Any) -> Parts:
    mail = said["message"]
    return Parts(
        sender=mail["from_email"],
        recipients=_emails(mail["to"]),
        subject=mail["subject"],
        text=mail["text"],
        fields=mail.get("headers", {}),
    )


def _of_unisender(said: Any) -> Parts:
    mail = said["message"]
    shown = {address for _name, address in getaddresses([mail["headers"]["to"]])}
    assert shown <= set(_emails(mail["recipients"]))
    return Parts(
        sender=mail["from_email"],
        recipients=_emails(mail["recipients"]),
        subject=mail["subject"],
        text=mail["body"]["plaintext"],
        fields=mail["headers"],
    )


def _of_plain(fields: Callable[[Any], Mapping[str, str]]) -> Callable[[Any], Parts]:
    """Read what has ``from``, ``to``, ``cc``, ``bcc``, ``subject`` and ``text`` at its top."""

    def read(said: Any) -> Parts:
        return Parts(
            sender=said["from"]["email"],
            recipients=_emails(said["to"], said.get("cc"), said.get("bcc")),
            subject=said["subject"],
            text=said["text"],
            fields=fields(said),
        )

    return read


TABLE: Mapping[str, Entry] = {
    "mailjet": Entry(
        path="send",
        shows=_field("Authorization"),
        key="Basic " + b64encode(f"{USERS['mailjet']}:{KEY}".encode()).decode(),
        wrong_key=Said(
            401, {"ErrorMessage": "API key authentication/authorization failure.", "StatusCode": 401}
        ),
        reads=_of_mailjet,
        answers=_mailjet,
    ),
    "mailersend": Entry(
        path="email",
        asks="api-quota",
        shows=_bearer,
        wrong_key=Said(401, {"message": "Unauthenticated."}),
        reads=_of_plain(lambda said: _pairs(said.get("headers", ()), "name")),
        answers=_mailersend,
    ),
    "sparkpost": Entry(
        path="transmissions/",
        asks="account",
        shows=_field("Authorization"),
        wrong_key=_errors(401, {"message": "Unauthorized."}),
        reads=_of_sparkpost,
        answers=_sparkpost,
    ),
    "scaleway": Entry(
        path="emails",
        asks="domains",
        shows=_field("X-Auth-Token"),
        wrong_key=Said(
            401, {"message": "authentication is denied", "type": "denied_authentication", "reason": "invalid"}
        ),
        reads=_of_plain(lambda said: _pairs(said.get("additional_headers", ()), "key")),
        answers=_scaleway,
    ),
    "mailtrap": Entry(
        path="send",
        shows=_field("Api-Token"),
        wrong_key=Said(401, {"success": False, "error": "Invalid API token"}),
        reads=_of_plain(lambda said: said.get("headers", {})),
        answers=_mailtrap,
    ),
    "mandrill": Entry(
        path="messages/send.json",
        shows=lambda _headers, said: said["key"],
        wrong_key=Said(
            500, {"status": "error", "code": -1, "name": "Invalid_Key", "message": "Invalid API key"}
        ),
        reads=_of_mandrill,
        answers=_mandrill,
    ),
    "unisender_go": Entry(
        path="email/send.json",
        shows=_field("X-API-KEY"),
        wrong_key=Said(401, {"status": "error", "message": "API key is invalid", "code": 102}),
        reads=_of_unisender,
        answers=_unisender,
    ),
}
