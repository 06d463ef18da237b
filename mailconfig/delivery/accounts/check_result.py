"""Results of checks, made of errors and replies: the stages of a check, the failing one, the guilty field, the words."""

from __future__ import annotations

from collections.abc import Callable
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
    TransportMissing,
)
from mailconfig.transports.contract import Judgement, Matter
from mailconfig.values import Answer, CheckResult, ErrorCode, Stage, StageResult

CONNECTION_STAGES = (Stage.RESOLVE, Stage.CONNECT, Stage.TLS, Stage.EHLO, Stage.LOGIN, Stage.SENDER)
OF_A_MAIL = (Stage.RECIPIENT, Stage.DOT)
"""What a test mail has besides."""
OF_ACCOUNT = frozenset({Matter.SENDER, Matter.LOGIN, Matter.RELAY, Matter.ENCRYPTION, Matter.CLIENT})

OK = "ok"
FAILED = "failed"
SKIPPED = "skipped"


class StageLog:
    """Notes each stage as it ends; those never reached are skipped.

    Args:
        expected: the stages in their order.
        on_change: told of all stages at once, at the beginning and whenever one of them has ended.
    """

    def __init__(
        self,
        expected: tuple[Stage, ...],
        on_change: Callable[[tuple[StageResult, ...]], None] | None = None,
    ) -> None:
        self._expected = expected
        self._on_change = on_change
        self._noted: dict[Stage, StageResult] = {}
        self._tell()
        self._since = monotonic()

    def done(self, stage: Stage, seconds: float | None = None, detail: str = "") -> None:
        """A stage that went well; without ``seconds``: since the last one."""
        self._note(stage, OK, seconds, detail)

    def fail(self, stage: Stage, detail: str = "") -> Stage:
        """The stage that failed; returns it as it is shown: a banner that is no stage of its own belongs to what came before or after."""
        shown = self.fold(stage)
        self._note(shown, FAILED, None, detail)
        return shown

    def fold(self, stage: Stage) -> Stage:
        """The stage under which it is listed."""
        if stage is Stage.BANNER:
            own = stage if stage in self._expected else Stage.EHLO
            return own if Stage.CONNECT in self._noted else Stage.CONNECT
        return Stage.DOT if stage in {Stage.DATA, Stage.BODY} else stage

    def results(self) -> tuple[StageResult, ...]:
        """All stages in their order."""
        return tuple(
            self._noted.get(stage) or StageResult(stage=stage, outcome=SKIPPED) for stage in self._expected
        )

    def _note(self, stage: Stage, outcome: str, seconds: float | None, detail: str) -> None:
        now = monotonic()
        spent = now - self._since if seconds is None else seconds
        self._noted[stage] = StageResult(
            stage=stage, outcome=outcome, milliseconds=round(spent * 1000), detail=detail
        )
        self._tell()
        self._since = monotonic()  # what telling took belongs to no stage

    def _tell(self) -> None:
        if self._on_change is not None:
            self._on_change(self.results())


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
    reply: Answer | None = None,
    detail: str = "",
) -> CheckResult:
    """It ended at ``stage``; ``message`` and ``hint`` are sentences of ours."""
    words = reply.words if reply else ""
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
    if isinstance(error, TransportMissing):
        return failed(
            log,
            stage=Stage.RESOLVE,
            code=ErrorCode.CONNECT_FAILED,
            field="send_method",
            message=sentences.NO_TRANSPORT,
        )
    if not isinstance(error, TransportError):  # an address that cannot be written: see Session.send
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

    def of(self, judgement: Judgement) -> tuple[str, str, str]:
        """The guilty field, our words and a hint for a permanent refusal that is the account's."""
        matter, hint = judgement.matter, sentences.of_hint(judgement.hint)
        if matter is Matter.ENCRYPTION:
            return "security", sentences.ACCOUNT_REFUSED, hint
        if matter is Matter.LOGIN or (matter is Matter.RELAY and not self.logs_in):
            return "authentication", sentences.ACCOUNT_REFUSED, sentences.LOGIN_FIRST
        if matter is Matter.RELAY:
            return "host", sentences.ACCOUNT_REFUSED, sentences.NO_RELAY
        if matter is Matter.CLIENT:
            return "host", sentences.ACCOUNT_REFUSED, sentences.CLIENT_REFUSED
        return self.sender, sentences.SENDER_REFUSED, hint


def is_of_account(judgement: Judgement) -> bool:
    """Return whether a refusal is surely about the account, whatever it was said to."""
    return judgement.matter in OF_ACCOUNT


def sender_refused(judgement: Judgement, log: StageLog, blame: Blame) -> CheckResult:
    """The sender was answered with a no, or a recipient with one that is about the account."""
    field, message, hint = blame.of(judgement)
    return failed(
        log,
        stage=Stage.SENDER,
        code=ErrorCode.SENDER_REFUSED,
        field=field,
        message=sentences.SENDER_LATER if judgement.temporary else message,
        hint=hint,
        reply=judgement.answer,
    )


def recipient_refused(judgement: Judgement, log: StageLog, blame: Blame) -> CheckResult:
    """The recipient was answered with a no."""
    code, field, hint = ErrorCode.RECIPIENT_REFUSED, "recipient", ""
    message = sentences.RECIPIENT_LATER if judgement.temporary else sentences.RECIPIENT_REFUSED
    if is_of_account(judgement):
        code = ErrorCode.SENDER_REFUSED
        field, message, hint = blame.of(judgement)
    return failed(
        log,
        stage=Stage.RECIPIENT,
        code=code,
        field=field,
        message=message,
        hint=hint,
        reply=judgement.answer,
    )


def message_refused(judgement: Judgement, log: StageLog, blame: Blame) -> CheckResult:
    """The message was answered with a no: at a submission server it is nearly always about the sender."""
    field, message, hint = blame.of(judgement)
    if not is_of_account(judgement):
        message = sentences.MESSAGE_LATER if judgement.temporary else sentences.MESSAGE_REFUSED
    return failed(
        log,
        stage=Stage.DOT,
        code=ErrorCode.SENDER_REFUSED,
        field=field,
        message=message,
        hint=hint,
        reply=judgement.answer,
    )
