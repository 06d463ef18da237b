"""Problems: one map from exceptions to problems, which each surface draws in its own envelope."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, RequestDataTooBig, SuspiciousOperation
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import InterfaceError, OperationalError
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import exceptions as drf
from rest_framework.settings import api_settings

from mailconfig import delivery
from mailconfig.exceptions import NotProved
from mailconfig.models import ConnectionCheck

from .parsers import BodyTooLarge, LengthRequired

RETRY_SECONDS = 5
"""When to come back after the database was away."""


class ProblemCode(enum.StrEnum):
    """Codes of problems, for surfaces to translate into their own words. A failed check has its own code."""

    NEED_LOGIN = "need_login"
    NOT_ALLOWED = "not_allowed"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_ACCEPTABLE = "not_acceptable"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    MISSING = "missing"
    """A value that is needed is not there."""
    INVALID = "invalid"
    CHECK_FAILED = "check_failed"
    """The mail server, or the way to it."""
    IN_USE = "in_use"
    CHANGED = "changed"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """A fault of one value."""

    message: str
    code: str = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An answer that tells of a failure, in the active language."""

    status: int
    """The HTTP status, unless the surface knows another."""
    code: ProblemCode
    message: str
    fields: Mapping[str, list[FieldProblem]] = field(default_factory=dict)
    """By the name on the wire; ``""``: nothing in particular."""
    headers: Mapping[str, str] = field(default_factory=dict)
    check: Mapping[str, Any] = field(default_factory=dict)
    """The failed check as this client may see it: ``code``, ``stage``, ``message``, ``hint``, for staff
    ``server_text`` too."""

    def named(self, names: Mapping[str, str]) -> Problem:
        """With columns of the model renamed to what the wire calls them."""
        fields: dict[str, list[FieldProblem]] = {}
        for name, problems in self.fields.items():
            fields.setdefault(names.get(name, name), []).extend(problems)
        return replace(self, fields=fields)


_BY_CLASS: tuple[tuple[type[Exception], int, ProblemCode], ...] = (
    (drf.NotAuthenticated, 401, ProblemCode.NEED_LOGIN),
    (drf.AuthenticationFailed, 401, ProblemCode.NEED_LOGIN),
    (drf.PermissionDenied, 403, ProblemCode.NOT_ALLOWED),
    (drf.NotFound, 404, ProblemCode.NOT_FOUND),
    (drf.MethodNotAllowed, 405, ProblemCode.METHOD_NOT_ALLOWED),
    (drf.NotAcceptable, 406, ProblemCode.NOT_ACCEPTABLE),
    (LengthRequired, 411, ProblemCode.MALFORMED),
    (BodyTooLarge, 413, ProblemCode.TOO_LARGE),
    (drf.UnsupportedMediaType, 415, ProblemCode.UNSUPPORTED_MEDIA_TYPE),
    (drf.ParseError, 400, ProblemCode.MALFORMED),
)


_BY_REFUSAL: Mapping[delivery.RefusalCode, tuple[int, ProblemCode]] = {
    delivery.RefusalCode.NO_ACCOUNT: (404, ProblemCode.NOT_FOUND),
    delivery.RefusalCode.IN_USE: (409, ProblemCode.IN_USE),
    delivery.RefusalCode.CHANGED: (409, ProblemCode.CHANGED),
    delivery.RefusalCode.THROTTLED: (429, ProblemCode.THROTTLED),
    delivery.RefusalCode.ONLY_BY_WORKERS: (503, ProblemCode.UNAVAILABLE),
    delivery.RefusalCode.SECRET_UNREADABLE: (400, ProblemCode.INVALID),
    delivery.RefusalCode.WRONG_INSTALLATION: (503, ProblemCode.UNAVAILABLE),
}


def problem_of(error: Exception, *, user: Any = None) -> Problem | None:
    """The problem an exception stands for; ``None``: a fault of ours, which is nobody else's to explain.

    Args:
        user: who asked: staff reads the mail server's own words.
    """
    if isinstance(error, drf.ValidationError):
        return invalid(_of_detail(error.detail))
    if isinstance(error, DjangoValidationError):
        return invalid(_of_django(error))
    if isinstance(error, drf.APIException):
        return _of_api_exception(error)
    return _of_delivery(error, user) or _of_django_error(error)


def _of_api_exception(error: drf.APIException) -> Problem:
    message = _own_words(str(error.detail))
    for kind, status, code in _BY_CLASS:
        if isinstance(error, kind):
            return Problem(status=status, code=code, message=message)
    if isinstance(error, drf.Throttled):
        seconds = int(getattr(error, "wait", None) or 1)
        # The seconds after REST framework's own words are English to everybody.
        if message.startswith(str(drf.Throttled.default_detail)):
            message = _("Too many requests. The next one is possible in %(wait)s.")
            message %= {"wait": delivery.duration_in_words(seconds)}
        return _throttled(message, seconds)
    # A class of the host's own: an authentication that is down, say.
    code = ProblemCode.INVALID if error.status_code < 500 else ProblemCode.UNAVAILABLE
    return Problem(status=error.status_code, code=code, message=message)


def _of_delivery(error: Exception, user: Any) -> Problem | None:
    if isinstance(error, NotProved):
        return of_check(error.check, user=user)
    refusal = delivery.refusal_of(error)
    if refusal is None or refusal.code not in _BY_REFUSAL:
        return None
    if refusal.code is delivery.RefusalCode.NO_ACCOUNT:
        return _not_found()
    if refusal.field:
        return invalid({refusal.field: [FieldProblem(refusal.message, refusal.code)]})
    if refusal.retry_after is not None:
        return _throttled(refusal.message, refusal.retry_after)
    status, code = _BY_REFUSAL[refusal.code]
    return Problem(status=status, code=code, message=refusal.message)


def _of_django_error(error: Exception) -> Problem | None:
    if isinstance(error, Http404):
        return _not_found()
    if isinstance(error, DjangoPermissionDenied):
        words = str(drf.PermissionDenied.default_detail)
        return Problem(status=403, code=ProblemCode.NOT_ALLOWED, message=words)
    if isinstance(error, RequestDataTooBig):
        return Problem(status=413, code=ProblemCode.TOO_LARGE, message=_("The body is too long."))
    if isinstance(error, SuspiciousOperation):
        return Problem(status=400, code=ProblemCode.MALFORMED, message=_("This request is not valid."))
    if isinstance(error, OperationalError | InterfaceError):
        return Problem(
            status=503,
            code=ProblemCode.UNAVAILABLE,
            message=_("The service is not available now. Try again in a moment."),
            headers={"Retry-After": str(RETRY_SECONDS)},
        )
    return None


def of_check(check: ConnectionCheck, *, user: Any) -> Problem:
    """A check that failed, at its guilty field."""
    view: Mapping[str, Any] = delivery.view_check(check=check, user=user)
    message = " ".join(part for part in (view["message"], view["hint"]) if part)
    return Problem(
        status=422,
        code=ProblemCode.CHECK_FAILED,
        message=message,
        fields={view["field"]: [FieldProblem(message, view["code"])]},
        check=view,
    )


def invalid(fields: Mapping[str, list[FieldProblem]]) -> Problem:
    """Values that are missing or wrong; missing if nothing else is wrong."""
    problems = [problem for several in fields.values() for problem in several]
    missing = bool(problems) and all(problem.code in {"required", "blank", "null"} for problem in problems)
    message = _("Some values are missing.") if missing else _("Some values are not valid.")
    code = ProblemCode.MISSING if missing else ProblemCode.INVALID
    return Problem(status=400, code=code, message=message, fields=fields)


def _throttled(words: str, seconds: int) -> Problem:
    headers = {"Retry-After": str(seconds)}
    return Problem(status=429, code=ProblemCode.THROTTLED, message=words, headers=headers)


def _not_found() -> Problem:
    """The same for what is not there and for what is somebody else's."""
    return Problem(status=404, code=ProblemCode.NOT_FOUND, message=str(drf.NotFound.default_detail))


def _of_django(error: DjangoValidationError) -> dict[str, list[FieldProblem]]:
    by_field = error.error_dict if hasattr(error, "error_dict") else {"": error.error_list}
    return {
        "" if name == NON_FIELD_ERRORS else name: [
            FieldProblem(" ".join(one.messages), one.code or "invalid") for one in errors
        ]
        for name, errors in by_field.items()
    }


def _of_detail(detail: Any) -> dict[str, list[FieldProblem]]:
    """DRF's tree of details, flattened: what is wrong inside a value is told of that value."""
    if not isinstance(detail, Mapping):
        return {"": list(_leaves(detail))}
    found: dict[str, list[FieldProblem]] = {}
    for name, inner in detail.items():
        key = "" if name == api_settings.NON_FIELD_ERRORS_KEY else str(name)
        found.setdefault(key, []).extend(_leaves(inner))
    if any(problem.code == "null" for problem in found.get("", [])):
        # REST framework says it of a body that is no object, in English to everybody.
        found[""] = [FieldProblem(_("The body must be a JSON object."), "null")]
    return found


def _leaves(detail: Any) -> Iterable[FieldProblem]:
    if isinstance(detail, Mapping):
        detail = list(detail.values())
    if isinstance(detail, list):
        for inner in detail:
            yield from _leaves(inner)
    else:
        yield FieldProblem(_own_words(str(detail)), getattr(detail, "code", None) or "invalid")


def _own_words(message: str) -> str:
    """``message``, unless it is one that REST framework says in English to everybody, and without a code."""
    if message.startswith("CSRF Failed"):
        return _("The CSRF token is missing or wrong. Load the page again.")
    return message
