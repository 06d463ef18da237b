"""Results of checks, made of errors and replies: the stages of a check, the failing one, the guilty field, the words."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

from mailconfig.delivery.accounts import sentences
from mailconfig.exceptions import (
    AddressBlocked,
    DestinationChanged,
    HostNotAllowed,
    MailconfigError,
    NameUnknown,
    PortClosed,
    SecretUnreadable,
    TransportError,
)
from mailconfig.transports.hints import LOGIN_FIRST, for_sender
from mailconfig.transports.smtp.faults import AccountFault, account_fault
from mailconfig.values import CheckResult, ErrorCode, Reply, Stage, StageResult

CONNECTION_STAGES = (Stage.RESOLVE, Stage.CONNECT, Stage.TLS, Stage.EHLO, Stage.LOGIN, Stage.SENDER)
TEST_MAIL_STAGES = (*CONNECTION_STAGES, Stage.RECIPIENT, Stage.DOT)

OK = "ok"
FAILED = "failed"
SKIPPED = "skipped"


class StageLog:
    """Notes each stage as it ends; those never reached are skipped."""

    def __init__(self, expected: tuple[Stage, ...]) -> None:
        self._expected = expected
        self._noted: dict[Stage, StageResult] = {}
        self._since = monotonic()

    def done(self, stage: Stage, seconds: float | None = None, detail: str = "") -> None:
        """A stage that went well; without ``seconds``: since the last one."""
        self._note(stage, OK, seconds, detail)

    def fail(self, stage: Stage, detail: str = "") -> Stage:
        """The stage that failed; returns it as it is shown: the banner belongs to what came before or after."""
        shown = self.fold(stage)
        self._note(shown, FAILED, None, detail)
        return shown

    def fold(self, stage: Stage) -> Stage:
        """The stage under which it is listed."""
        if stage is Stage.BANNER:
            return Stage.EHLO if Stage.CONNECT in self._noted else Stage.CONNECT
        return Stage.DOT if stage in {Stage.DATA, Stage.BODY} else stage

    def results(self) -> tuple[StageResult, ...]:
        """All stages in their order."""
        return tuple(
            self._noted.get(stage) or StageResult(stage=stage, outcome=SKIPPED) for stage in self._expected
        )

    def _note(self, stage: Stage, outcome: str, seconds: float | None, detail: str) -> None:
        now = monotonic()
        spent = now - self._since if seconds is None else seconds
        self._since = now
        self._noted[stage] = StageResult(
            stage=stage, outcome=outcome, milliseconds=round(spent * 1000), detail=detail
        )


def passed(log: StageLog, message: str, *, hint: str = "", server_text: str = "") -> CheckResult:
    """It went well."""
    return CheckResult(ok=True, stages=log.results(), message=message, hint=hint, server_text=server_text)


def failed(
    log: StageLog,
    *,
    stage: Stage,
    code: ErrorCode,
    field: str,
    message: str,
    hint: str = "",
    reply: Reply | None = None,
    detail: str = "",
) -> CheckResult:
    """It ended at ``stage``; ``message`` and ``hint`` are sentences of ours."""
    words = in_words(reply)
    shown = log.fail(stage, words or detail)
    return CheckResult(
        ok=False,
        stages=log.results(),
        code=code,
        stage=shown,
        guilty_field=field,
        message=message,
        hint=hint,
        server_text=words,
    )


def of_error(error: MailconfigError, log: StageLog, *, sender_field: str) -> CheckResult:
    """Return the result of a failed connection or transaction.

    Args:
        sender_field: the account's field that holds the sender.
    """
    if isinstance(error, SecretUnreadable):
        changed = isinstance(error, DestinationChanged)
        return failed(
            log,
            stage=Stage.LOGIN,
            code=ErrorCode.AUTH_FAILED,
            field="secret",
            message=sentences.DESTINATION_CHANGED if changed else sentences.SECRET_UNREADABLE,
            hint=sentences.ENTER_AGAIN,
        )
    if not isinstance(error, TransportError):  # an address that cannot be written: see Session.propose
        return failed(
            log,
            stage=Stage.SENDER,
            code=ErrorCode.SENDER_REFUSED,
            field=sender_field,
            message=sentences.BAD_SENDER,
            detail=str(error),
        )
    stage = log.fold(error.stage)
    return failed(
        log,
        stage=stage,
        code=error.code,
        field=_field(error, stage),
        message=_sentence(error, stage),
        hint=_hint(error, stage),
        reply=error.reply,
        detail=error.detail or str(error),
    )


def _sentence(error: TransportError, stage: Stage) -> str:
    if error.ambiguous:
        return sentences.MAYBE_SENT
    if isinstance(error, HostNotAllowed) and error.field == "port":
        return sentences.PORT_NOT_ALLOWED
    return sentences.of_failure(str(error), code=error.code, stage=stage)


def _field(error: TransportError, stage: Stage) -> str:
    if isinstance(error, PortClosed):
        return "port"
    return error.field or ("host" if stage in {Stage.RESOLVE, Stage.CONNECT} else "")


def _hint(error: TransportError, stage: Stage) -> str:
    if isinstance(error, PortClosed):
        return sentences.CLOSED_PORT
    if isinstance(error, AddressBlocked):
        return sentences.ALLOW_HOST
    if isinstance(error, NameUnknown):
        return sentences.NAME_UNKNOWN
    return sentences.of_hint(error.hint)


def no_sender(log: StageLog) -> CheckResult:
    """There is no address that mail could come from."""
    return failed(
        log,
        stage=Stage.SENDER,
        code=ErrorCode.SENDER_REFUSED,
        field="from_email",
        message=sentences.NO_SENDER,
    )


@dataclass(frozen=True, slots=True)
class Blame:
    """The fields of an account that a refusal may be about."""

    sender: str
    """Its field that holds the sender."""
    logs_in: bool

    def of(self, reply: Reply) -> tuple[str, str, str]:
        """The guilty field, our words and a hint for a permanent refusal that is the account's."""
        fault = account_fault(reply)
        if fault is AccountFault.ENCRYPTION:
            return "security", sentences.ACCOUNT_REFUSED, sentences.of_hint(for_sender(reply))
        if fault is AccountFault.LOGIN and (not self.logs_in or reply.code == 530):
            return "authentication", sentences.ACCOUNT_REFUSED, sentences.of_hint(LOGIN_FIRST)
        if fault is AccountFault.LOGIN:
            return "host", sentences.ACCOUNT_REFUSED, sentences.NO_RELAY
        if fault is AccountFault.CLIENT:
            return "host", sentences.ACCOUNT_REFUSED, sentences.CLIENT_REFUSED
        return self.sender, sentences.SENDER_REFUSED, sentences.of_hint(for_sender(reply))


def sender_refused(reply: Reply, log: StageLog, blame: Blame) -> CheckResult:
    """MAIL was answered with a no, or RCPT with one that is about the account."""
    field, message, hint = blame.of(reply)
    return failed(
        log,
        stage=Stage.SENDER,
        code=ErrorCode.SENDER_REFUSED,
        field=field,
        message=sentences.SENDER_LATER if reply.is_transient else message,
        hint=hint,
        reply=reply,
    )


def recipient_refused(reply: Reply, log: StageLog, blame: Blame) -> CheckResult:
    """RCPT was answered with a no."""
    code, field, hint = ErrorCode.RECIPIENT_REFUSED, "recipient", ""
    message = sentences.RECIPIENT_LATER if reply.is_transient else sentences.RECIPIENT_REFUSED
    if account_fault(reply):
        code = ErrorCode.SENDER_REFUSED
        field, message, hint = blame.of(reply)
    return failed(log, stage=Stage.RECIPIENT, code=code, field=field, message=message, hint=hint, reply=reply)


def message_refused(reply: Reply, log: StageLog, blame: Blame) -> CheckResult:
    """DATA or the dot was answered with a no: at a submission server it is nearly always about the sender."""
    field, message, hint = blame.of(reply)
    if not account_fault(reply):
        message = sentences.MESSAGE_LATER if reply.is_transient else sentences.MESSAGE_REFUSED
    return failed(
        log,
        stage=Stage.DOT,
        code=ErrorCode.SENDER_REFUSED,
        field=field,
        message=message,
        hint=hint,
        reply=reply,
    )


def in_words(reply: Reply | None) -> str:
    """The reply in one line, for staff; never empty if there was one."""
    if reply is None:
        return ""
    return " ".join(part for part in (str(reply.code), reply.enhanced, reply.text) if part)
