"""Answers of Exchange: messages of a response, faults, and what their codes mean ([MS-OXWSCDATA] ResponseCodeType)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mailconfig.transports.contract import Judgement, Matter, Verdict
from mailconfig.transports.http import HttpAnswer
from mailconfig.transports.http.statuses import leaves_in_doubt
from mailconfig.transports.scrubber import Scrubber
from mailconfig.transports.xml import BadXML, Element, read_xml
from mailconfig.values import Answer

from . import hints

NO_ERROR = "NoError"
_MOST_REST = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One message of a response, or a fault in its place."""

    code: str
    """``NoError``, or Exchange's word for what went wrong; ``""``: it has none, and ``status`` is all there is."""
    text: str = ""
    """Its words, cleaned."""
    status: int = 200
    """Of HTTP."""
    rest_seconds: float | None = None
    """For how long it wants to be left alone."""
    element: Element | None = None

    @property
    def is_success(self) -> bool:
        """Return whether what was asked was done."""
        return self.code == NO_ERROR

    @property
    def answer(self) -> Answer:
        """Return its words, for a person."""
        words = ": ".join(filter(None, [self.code, self.text]))
        return Answer(self.status, words)


_BUSY = frozenset(
    {
        "ErrorServerBusy",
        "ErrorExceededConnectionCount",
        "ErrorTooManyObjectsOpened",
        "ErrorExceededSubscriptionCount",
        "ErrorSubmissionQuotaExceeded",
        "ErrorMessagePerFolderCountReceiveQuotaExceeded",
    }
)
_LATER = frozenset(
    {
        "ErrorInternalServerTransientError",
        "ErrorMailboxStoreUnavailable",
        "ErrorMailboxMoveInProgress",
        "ErrorMailboxFailover",
        "ErrorConnectionFailed",
        "ErrorADUnavailable",
        "ErrorInsufficientResources",
        "ErrorNoRespondingCASInDestinationSite",
        "ErrorNotEnoughMemory",
        "ErrorRequestAborted",
    }
)
_SENDER = frozenset({"ErrorSendAsDenied", "ErrorDelegateNoUser", "ErrorInvalidSender"})
_RECIPIENT = frozenset({"ErrorInvalidRecipients", "ErrorNoRecipients", "ErrorMissingRecipients"})
_MESSAGE = frozenset(
    {
        "ErrorMessageSizeExceeded",
        "ErrorMimeContentInvalid",
        "ErrorMimeContentInvalidBase64String",
        "ErrorMimeContentConversionFailed",
        "ErrorContentConversionFailed",
        "ErrorAttachmentSizeLimitExceeded",
    }
)
_ACCOUNT = frozenset(
    {
        "ErrorAccessDenied",
        "ErrorAccountDisabled",
        "ErrorImpersonateUserDenied",
        "ErrorImpersonationDenied",
        "ErrorImpersonationFailed",
        "ErrorInvalidUserPrincipalName",
        "ErrorMailboxStoreNotFound",
        "ErrorMissingEmailAddress",
        "ErrorNonExistentMailbox",
        "ErrorNonPrimarySmtpAddress",
        "ErrorPasswordChangeRequired",
        "ErrorPasswordExpired",
        "ErrorQuotaExceeded",
        "ErrorUserNotAllowedByPolicy",
        "ErrorUnableToGetUserOofSettings",
    }
)
_REQUEST = frozenset(
    {
        "ErrorInvalidRequest",
        "ErrorInvalidServerVersion",
        "ErrorIncorrectSchemaVersion",
        "ErrorInvalidSchemaVersionForMailboxVersion",
        "ErrorSchemaValidation",
        "ErrorUnsupportedMimeConversion",
    }
)
DOUBTFUL = frozenset({"ErrorTimeoutExpired", "ErrorBatchProcessingStopped", "ErrorInternalServerError"})
"""The server gave up in the middle of it: what was asked may be done."""
STATE_INVALID = frozenset({"ErrorInvalidSyncStateData", "ErrorInvalidIdMalformed", "ErrorSyncFolderNotFound"})
"""How far a folder was read means nothing to it any more."""
GONE = frozenset({"ErrorItemNotFound", "ErrorItemCorrupt", "ErrorMimeContentConversionFailed"})
"""Of one item: it is not there any more, or cannot be told."""


def read_answer(answer: HttpAnswer, scrubber: Scrubber) -> tuple[Response, ...]:
    """Return the messages of an answer, or its fault.

    Raises:
        BadXML: it is no answer of Exchange's. What has another status than 200 may be none: its code is empty then.
    """
    try:
        found = responses_of(read_xml(answer.body), scrubber, status=answer.status)
    except BadXML:
        if answer.status == 200:
            raise
        found = ()
    if found:
        return found
    if answer.status == 200:
        raise BadXML("no response of Exchange's")
    return (Response(code="", status=answer.status, rest_seconds=_retry_after(answer)),)


def responses_of(root: Element, scrubber: Scrubber, *, status: int = 200) -> tuple[Response, ...]:
    """Return the messages of a document, or its fault; none: it is no answer of Exchange's."""
    messages = root.first("ResponseMessages")
    if messages is not None:
        return tuple(_response(element, scrubber, status) for element in messages.children)
    fault = root.first("Fault")
    if fault is None:
        return ()
    code = fault.text_of("ResponseCode") or fault.text_of("faultcode").rpartition(":")[2]
    text = fault.text_of("Message") or fault.text_of("faultstring")
    return (
        Response(
            code=code[:80] or "Fault", text=scrubber.clean(text), status=status, rest_seconds=_back_off(fault)
        ),
    )


def _response(element: Element, scrubber: Scrubber, status: int) -> Response:
    code = element.text_of("ResponseCode")[:80]
    if element.attributes.get("ResponseClass") == "Success":
        code = NO_ERROR
    return Response(
        code=code or "Error",
        text=scrubber.clean(element.text_of("MessageText")),
        status=status,
        rest_seconds=_back_off(element),
        element=element,
    )


def judgement_of(response: Response) -> Judgement:
    """Return what an answer to a mail means."""
    if response.is_success:
        return Judgement(Verdict.ACCEPTED, response.answer)
    verdict, matter = _verdict(response)
    is_temporary = verdict in {Verdict.RETRY, Verdict.SERVER_LIMIT}
    return Judgement(
        verdict,
        response.answer,
        matter=matter,
        temporary=is_temporary,
        hint=hints.for_code(response.code),
        rest_seconds=response.rest_seconds if is_temporary else None,
    )


def _verdict(response: Response) -> tuple[Verdict, Matter | None]:
    code = response.code
    if not code:
        return _verdict_of_status(response.status)
    for codes, verdict, matter in (
        (_BUSY, Verdict.SERVER_LIMIT, None),
        (_LATER, Verdict.RETRY, None),
        (_SENDER, Verdict.SENDER_REFUSED, Matter.SENDER),
        (_RECIPIENT, Verdict.FAIL, Matter.RECIPIENT),
        (_MESSAGE, Verdict.FAIL, None),
        (_ACCOUNT, Verdict.ACCOUNT_REFUSED, None),
        (_REQUEST, Verdict.PROTOCOL, None),
    ):
        if code in codes:
            return verdict, matter
    # What is not known here is counted and tried again, and fails once it was often enough.
    return Verdict.RETRY, None


def _verdict_of_status(status: int) -> tuple[Verdict, Matter | None]:
    if status in {429, 503}:
        return Verdict.SERVER_LIMIT, None
    if status in {401, 403, 456}:
        return Verdict.ACCOUNT_REFUSED, Matter.LOGIN
    if status == 413:
        return Verdict.FAIL, None
    return Verdict.PROTOCOL, None


def is_in_doubt(response: Response) -> bool:
    """Return whether a mail may be out although this was the answer: a proxy's, or that of a server that gave up."""
    if not response.code:
        return leaves_in_doubt(response.status)
    return response.code in DOUBTFUL


def _back_off(element: Element) -> float | None:
    """Return BackOffMilliseconds, which stand in a Value of that name, in seconds."""
    for value in element.all("Value"):
        if value.attributes.get("Name") == "BackOffMilliseconds":
            return _seconds(value.text, 1000)
    return None


def _retry_after(answer: HttpAnswer) -> float | None:
    """Return Retry-After (RFC 9110 §10.2.3) where it is a number."""
    return _seconds(answer.headers.get("retry-after"), 1)


def _seconds(text: str, units: int) -> float | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        return None
    return min(math.ceil(int(text) / units), _MOST_REST)
