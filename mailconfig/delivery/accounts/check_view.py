"""Views of checks: as much as may be shown, by reader."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from django.utils.translation import gettext

from mailconfig.delivery.accounts import sentences
from mailconfig.delivery.accounts.check_result import FAILED, OK
from mailconfig.models import CheckKind, CheckState, ConnectionCheck
from mailconfig.values import CheckResult, ErrorCode, Stage

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

_UNREACHABLE_FIELDS = {CheckKind.SYNC.value: "imap_host"}
_NOT_REACHED = {Stage.RESOLVE.value, Stage.CONNECT.value}


class StageView(TypedDict):
    """A stage and how it went: ``ok``, ``failed`` or ``skipped``."""

    stage: str
    outcome: str


class PublicView(TypedDict):
    """A check as anybody may see it who may see the check."""

    state: str
    ok: bool
    code: str
    stage: str
    field: str
    message: str
    hint: str
    stages: list[StageView]


class StaffStage(StageView):
    """A stage with all that is known of it."""

    milliseconds: int
    detail: str


class StaffView(TypedDict):
    """A check as staff sees it."""

    state: str
    ok: bool
    code: str
    stage: str
    field: str
    message: str
    hint: str
    server_text: str
    stages: list[StaffStage]


def is_staff(user: AbstractBaseUser | AnonymousUser | None) -> bool:
    """Return whether the server's own words may be shown to ``user``."""
    return bool(getattr(user, "is_active", False) and getattr(user, "is_staff", False))


def view_check(
    *, check: ConnectionCheck, user: AbstractBaseUser | AnonymousUser | None
) -> PublicView | StaffView:
    """Return as much of ``check`` as ``user`` may see: staff all of it, others nothing of the network."""
    return staff_view(check) if is_staff(user) else public_view(check)


def public_view(check: ConnectionCheck) -> PublicView:
    """The check for those who are not staff, in the active language.

    A name that does not resolve, a refused connection and a blocked address look alike, or a probe would be a way
    to learn about the network: one code, one stage, one sentence, no times.
    """
    unreachable = is_unreachable(check)
    return {
        "state": check.state,
        "ok": check.state == CheckState.PASSED,
        "code": check.code,
        "stage": Stage.CONNECT.value if unreachable else check.stage,
        "field": _unreachable_field(check) if unreachable else check.guilty_field,
        "message": translate_stored(sentences.UNREACHABLE if unreachable else check.message),
        "hint": translate_stored(
            sentences.UNREACHABLE_HINT if unreachable else sentences.for_others(check.hint)
        ),
        "stages": _public_stages(check),
    }


def staff_view(check: ConnectionCheck) -> StaffView:
    """The check with the server's own words, in the active language."""
    return {
        "state": check.state,
        "ok": check.state == CheckState.PASSED,
        "code": check.code,
        "stage": check.stage,
        "field": check.guilty_field,
        "message": translate_stored(check.message),
        "hint": translate_stored(check.hint),
        "server_text": check.server_text,
        "stages": [
            {
                "stage": stage["stage"],
                "outcome": stage["outcome"],
                "milliseconds": stage["milliseconds"],
                "detail": translate_stored(stage.get("says", "")) or stage["detail"],
            }
            for stage in check.stages
        ],
    }


def _unreachable_field(check: ConnectionCheck) -> str:
    """Return the field that stands for all of where nothing is reached, host and port alike."""
    if check.guilty_field in {"ews_endpoint", "sync_method"}:
        return check.guilty_field
    return _UNREACHABLE_FIELDS.get(check.kind, "host")


def is_unreachable(check: ConnectionCheck | CheckResult) -> bool:
    """Return whether no connection came about: unknown, refused, blocked or silent, which nobody else may tell apart."""
    return check.code == ErrorCode.CONNECT_FAILED and check.message == sentences.UNREACHABLE


def words_of_check(check: ConnectionCheck) -> str:
    """Return what a check says and advises, in the active language; ``""``: nothing yet."""
    return " ".join(translate_stored(part) for part in (check.message, check.hint) if part)


def translate_stored(sentence: str) -> str:
    """Return the words of a sentence that a check stored, in the active language."""
    return gettext(sentences.in_english(sentence)) if sentence else ""


def _public_stages(check: ConnectionCheck) -> list[StageView]:
    """Resolve and connect as one stage, or the list would tell what is kept back."""
    first = [stage["outcome"] for stage in check.stages if stage["stage"] in _NOT_REACHED]
    rest = [stage for stage in check.stages if stage["stage"] not in _NOT_REACHED]
    if not check.stages or check.state in {CheckState.PENDING, CheckState.RUNNING}:
        return []  # how far it has come tells what its end does not
    outcome = FAILED if FAILED in first else OK if OK in first else "skipped"
    views: list[StageView] = [{"stage": Stage.CONNECT.value, "outcome": outcome}]
    views += [{"stage": stage["stage"], "outcome": stage["outcome"]} for stage in rest]
    return views
