"""A session with a mail service: a request for each mail, over one connection as long as the service keeps it."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from email.utils import parseaddr
from hashlib import sha256
from time import monotonic
from typing import Any

import requests
from anymail.exceptions import AnymailError
from django.core.mail import EmailMultiAlternatives

from mailconfig.exceptions import SessionLost, TransportError
from mailconfig.mail_services import MailService, Refusal
from mailconfig.transports.breaks import broken, ended
from mailconfig.transports.contract import (
    Blame,
    Deliveries,
    Delivery,
    Journal,
    Judgement,
    Matter,
    Outcome,
    SessionEnd,
    Surroundings,
    Verdict,
)
from mailconfig.transports.http import HttpAnswer, HttpHeaders
from mailconfig.transports.http.adapter import GateAdapter
from mailconfig.transports.http.statuses import leaves_in_doubt
from mailconfig.transports.network.deadline import Deadline
from mailconfig.transports.scrubber import Scrubber
from mailconfig.values import Answer, ErrorCode, Stage

from .answers import codes_of, judged, named_recipients, refused_by_address, words_of
from .content import NotCarried, as_form, key_of, message_id_of

NOT_CARRIED = "not_carried"
"""Code of mails that the service cannot be told as they are."""
_REFUSED = frozenset({"rejected", "invalid", "failed"})
_ODD = (
    AnymailError,
    requests.RequestException,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What anymail raises over a mail or an answer: it takes for granted that an answer has the shape of its service's documents."""


class _NotAllowed(Exception):
    """The journal does not allow the hand-over."""


class ServiceSession:
    """See :class:`mailconfig.transports.contract.Session`. The point of no return is the request's first byte."""

    def __init__(
        self,
        service: MailService,
        *,
        url: str,
        backend: Any,
        return_path: str,
        adapter: GateAdapter,
        scrubber: Scrubber,
        surroundings: Surroundings,
    ) -> None:
        self.opened_at = monotonic()
        self.handed_over = 0
        self.closed = False
        self.end: SessionEnd | None = None
        self._service, self._url, self._return_path = service, url, return_path
        self._backend, self._adapter, self._scrubber = backend, adapter, scrubber
        self._timeouts, self._on_stage = surroundings.timeouts, surroundings.on_stage
        self._answer: HttpAnswer | None = None
        self._taken: frozenset[str] = frozenset()
        self._key = ""
        self._asked = False
        backend.session.hooks["response"].append(self._take)

    def _take(self, response: requests.Response, **_: object) -> None:
        """Keep what was answered, whatever anymail makes of it."""
        headers = HttpHeaders(tuple((name.lower(), value) for name, value in response.headers.items()))
        self._answer = HttpAnswer(status=response.status_code, headers=headers, body=response.content)
        # anymail's backend of MailerSend compares the bare type, and fails over an answer without one.
        kind = response.headers.get("Content-Type", "")
        response.headers["Content-Type"] = kind.partition(";")[0].strip().lower()

    def send(self, deliveries: Deliveries, journal: Journal) -> Generator[Outcome, None, None]:
        """Make a request for each delivery."""
        while not self.closed and (delivery := deliveries.next()) is not None:
            data = b"".join(delivery.chunks())
            self._scrubber.mask(delivery.envelope.masks)
            try:
                form, self._taken = as_form(data, delivery.envelope, self._service)
            except NotCarried as error:
                yield _not_carried(f"{self._service.label} cannot be told {error.what}.")
                continue
            if self._return_path and self._return_path == delivery.envelope.sender:
                form.envelope_sender = self._return_path  # type: ignore[attr-defined]  # as anymail calls it
            self._key = _key_for(data, self._taken)
            try:
                outcome = self._post(form, delivery, journal, size=len(data))
            except _NotAllowed:
                deliveries.put_back()
                return
            except BaseException:
                self.close()
                raise
            yield outcome

    def _post(
        self, form: EmailMultiAlternatives, delivery: Delivery, journal: Journal, *, size: int
    ) -> Outcome:
        self._prepare(form, delivery, journal, size=size)
        understood = False
        try:
            self._backend.send_messages([form])
            understood = True
        except TransportError as error:
            return self._broke(error)
        except _ODD as error:
            if not self._asked:
                return _not_carried(self._scrubber.clean(_first_line(error)))
            if self._answer is None and not isinstance(error, AnymailError | requests.RequestException):
                raise  # of the journal, or of whoever waits
        finally:
            self._adapter.before_sending = None
        if not self._asked:
            return _not_carried("A receiver of anymail's signal pre_send cancelled it.")
        return self._judge(form, delivery, understood=understood)

    def _prepare(
        self, form: EmailMultiAlternatives, delivery: Delivery, journal: Journal, *, size: int
    ) -> None:
        """Have the journal asked once connected, and bound the time."""

        def ask() -> None:
            self._asked = True
            journal.start(accepted=len(self._taken))
            if not journal.allows():
                raise _NotAllowed
            journal.passed()

        self._answer, self._asked = None, False
        self._adapter.before_sending = ask
        if self._timeouts.total is None:
            seconds = self._timeouts.transaction + size / self._timeouts.bytes_per_second
            self._adapter.deadline = Deadline(seconds)
        field, headers = self._service.idempotency_field, self._backend.session.headers
        if field:
            headers.pop(field, None)
            if self._key:
                headers[field] = self._key

    def _broke(self, error: TransportError) -> Outcome:
        """Return the outcome of a request that came to no answer."""
        mails = self.handed_over
        self.close()
        if error.ambiguous:
            self.handed_over += 1
        if not isinstance(error, SessionLost) and not error.ambiguous:
            error = ended(str(error), error.stage)
        blame = Blame.MESSAGE if error.ambiguous else Blame.NOBODY
        self.end = SessionEnd(mails=mails, error=error, blame=blame)
        words = Judgement(Verdict.RETRY, Answer(0, str(error)), temporary=True)
        return Outcome(stage=Stage.DOT, whole=words, handed_over=error.ambiguous, error=error)

    def _judge(self, form: Any, delivery: Delivery, *, understood: bool) -> Outcome:
        """Return the outcome of an answer; ``understood``: anymail found in it what became of each recipient."""
        answer = self._answer
        if answer is None:  # requests itself could not make anything of it
            return self._broke(broken("This is no web server, or a broken one.", Stage.DOT, ambiguous=True))
        words = self._scrubber.clean(words_of(answer.body))
        accepted = answer.status in self._service.accepted_by
        meant = {self._service.codes[code] for code in codes_of(answer) if code in self._service.codes}
        if Refusal.DOUBT in meant:
            text = "The service was sent this mail before, in other words, and may have it."
            return self._broke(broken(text, Stage.DOT, reply=Answer(answer.status, words), ambiguous=True))
        known = bool(meant)
        if leaves_in_doubt(answer.status) and not known:
            return self._broke(_given_up(Answer(answer.status, words)))
        found = _statuses(form, self._service.guessed) if understood else {}
        if 200 <= answer.status < 300 and not (accepted and self._taken <= found.keys()):
            text = "The answer of the web server makes no sense here."
            return self._broke(broken(text, Stage.DOT, reply=Answer(answer.status, words), ambiguous=True))
        self.handed_over += 1
        said = Answer(answer.status, words if not accepted else "accepted")
        why = _reasons(answer, self._service.refused_in)
        if not accepted and answer.status in {400, 422} and not known:
            found = found or dict.fromkeys(why, "rejected") or _named(form, answer)
        if not accepted and (known or not found or answer.status in {401, 403, 429} or answer.status >= 500):
            return Outcome(
                stage=Stage.DOT, whole=judged(answer, words, self._service.codes), handed_over=True
            )
        return self._by_recipient(
            delivery, said, found, why, accepted=accepted, mail_id=_id_of(form.anymail_status)
        )

    def _by_recipient(
        self,
        delivery: Delivery,
        said: Answer,
        found: Mapping[str, str],
        why: Mapping[str, str],
        *,
        accepted: bool,
        mail_id: str,
    ) -> Outcome:
        judgements = []
        for address in delivery.envelope.recipients:
            key = key_of(address)
            if key not in self._taken:
                words = Answer(0, "another request")
                judgements.append(Judgement(Verdict.NEXT_TRANSACTION, words, temporary=True))
            elif why.get(key, "") in self._service.again:
                judgements.append(Judgement(Verdict.RETRY, Answer(said.code, why[key]), temporary=True))
            elif (status := found.get(key, "")) in _REFUSED or (not accepted and not found):
                words = Answer(said.code, f"{why.get(key) or status or 'refused'}: {said.text}")
                judgements.append(Judgement(Verdict.FAIL, words, matter=Matter.RECIPIENT))
            elif accepted or key in found:
                judgements.append(Judgement(Verdict.ACCEPTED, said))
            else:  # others are refused by name, so that nobody got it
                judgements.append(Judgement(Verdict.RETRY, said, temporary=True))
        anybody = any(each.verdict is Verdict.ACCEPTED for each in judgements)
        if anybody:
            self._note(Stage.SENDER, Stage.RECIPIENT, Stage.DOT, words=said)
        return Outcome(
            stage=Stage.DOT if anybody else Stage.RECIPIENT,
            whole=Judgement(Verdict.ACCEPTED, Answer(said.code, mail_id or said.text)),
            recipients=tuple(judgements),
            handed_over=anybody,
        )

    def _note(self, *stages: Stage, words: Answer) -> None:
        if self._on_stage is not None:
            for stage in stages:
                self._on_stage(stage, 0.0, words.words)

    def verify(self, sender: str, recipient: str) -> tuple[Judgement, ...]:
        """Return nothing: services are not asked without sending."""
        return ()

    def noop(self) -> None:
        """See whether the connection is still there, and open another one if not.

        Raises:
            SessionLost: none can be opened.
        """
        try:
            self._adapter.connection.open(self._url)
        except TransportError as error:
            self.close()
            raise ended(str(error), error.stage) from None

    def quit(self) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close."""
        self.closed = True
        self._adapter.close()


def _not_carried(words: str) -> Outcome:
    answer = Answer(0, words)
    return Outcome(stage=Stage.SENDER, whole=Judgement(Verdict.FAIL, answer), error_code=NOT_CARRIED)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _given_up(said: Answer) -> TransportError:
    """Return the error of an answer that leaves the mail in doubt."""
    if said.code == 504:
        return SessionLost(
            "The server took too long.",
            stage=Stage.DOT,
            code=ErrorCode.TIMEOUT,
            reply=said,
            ambiguous=True,
        )
    return broken("The server gave up in the middle of it.", Stage.DOT, reply=said, ambiguous=True)


def _named(form: EmailMultiAlternatives, answer: HttpAnswer) -> dict[str, str]:
    """Return those whom a refusal names by their place, as :func:`_statuses` does; the others got nothing."""
    fields = {"to": form.to, "cc": form.cc, "bcc": form.bcc}
    named = [(fields[field], place) for field, place in named_recipients(answer)]
    if not all(place < len(each) for each, place in named):
        return {}
    return {key_of(parseaddr(each[place])[1]): "invalid" for each, place in named}


def _reasons(answer: HttpAnswer, field: str) -> dict[str, str]:
    """Return why somebody gets nothing, by :func:`.content.key_of`, as far as the service says it in its own words."""
    return {key_of(address): word for address, word in refused_by_address(answer, field).items()}


def _statuses(form: Any, guessed: frozenset[str]) -> dict[str, str]:
    """Return what the answer says of each recipient, by :func:`.content.key_of`, of whom it says anything.

    Where the answer writes an address in other words than we did, anymail adds ours and takes it for refused: what the
    answer says stands before that.
    """
    found: dict[str, str] = {}
    for address, each in (form.anymail_status.recipients or {}).items():
        if each.status is not None and each.status != "unknown" and each.status not in guessed:
            found.setdefault(key_of(address), each.status)
    return found


def _key_for(data: bytes, recipients: frozenset[str]) -> str:
    """Return the key by which a second try is known: the mail's own id, and to whom this request brings it; ``""``: none.

    A mail to many goes in several requests. To a service that is told its id alone, the second one were a second try.
    """
    mail_id = message_id_of(data)
    whom = sha256("\0".join(sorted(recipients)).encode("utf-8", "replace")).hexdigest()
    return f"{whom[:32]} {mail_id}" if mail_id else ""


def _id_of(status: Any) -> str:
    """Return the service's own id of the mail, by which it is found in its records; ``""``: it told none."""
    found = status.message_id
    return str(found) if isinstance(found, str) else ""
