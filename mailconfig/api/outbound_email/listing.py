"""Query of a list: filters, order, fields. What is not known is refused by its name."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import Case, F, Q, QuerySet, Subquery, When
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from mailconfig.api.common.queries import list_schema
from mailconfig.models import Account, Scope, account_fields
from mailconfig.presets import PRESETS
from mailconfig.values import Authentication, Security

from .serializers import ALWAYS, ENCRYPTIONS, OTHER_ENCRYPTION, OTHER_SERVICE, SERVICES, OutboundEmailRecord

PREFIX = "filter["
MAX_FILTERS = 20
MAX_VALUES = 100
MAX_LENGTH = 255
BIGGEST_KEY = 2**63 - 1

_FILTER = re.compile(
    r"filter\[[0-9]{1,4}\]\[(?P<field>\w+)\](?:\[(?P<operator>\$\w+)\](?P<item>\[[0-9]{0,4}\])?)?"
)
_LOOKUPS = {"$starts": "istartswith", "$contains": "icontains"}
_NAMES = tuple(OutboundEmailRecord().fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Column behind a name on the wire."""

    name: str
    read: Callable[[str], Sequence[Any]]
    """The values that a text stands for.

    Raises:
        ValueError: it stands for none.
    """
    is_text: bool = False


def _text(text: str) -> Sequence[Any]:
    return (text,)


def _uuid(text: str) -> Sequence[Any]:
    return (uuid.UUID(text),)


def _port(text: str) -> Sequence[Any]:
    if not re.fullmatch(r"[0-9]{1,5}", text):
        raise ValueError
    return (int(text),)


def _user(text: str) -> Sequence[Any]:
    return (user_key(text),)


def _word(words: Mapping[str, Sequence[Any]]) -> Callable[[str], Sequence[Any]]:
    def read(text: str) -> Sequence[Any]:
        if text not in words:
            raise ValueError
        return words[text]

    return read


def _held_by_word(words: Mapping[Any, str], held: Sequence[Any], *, other: str) -> dict[str, list[Any]]:
    """Return the values that are answered as each word."""
    found: dict[str, list[Any]] = {word: [] for word in words.values()}
    for value in held:
        found[words.get(value, other)].append(value)
    return found


_SERVICES = _held_by_word(SERVICES, ["", *PRESETS], other=OTHER_SERVICE)
_ENCRYPTIONS = _held_by_word(ENCRYPTIONS, list(Security), other=OTHER_ENCRYPTION)
_LOGINS: dict[str, list[Any]] = {
    "true": [way for way in Authentication if way is not Authentication.NONE],
    "false": [Authentication.NONE],
}
# Of an override it is the system account's that is shown, so that is what is looked for.
OF_SERVER = ("preset", *account_fields.OF_SERVER)
FILTERABLE = {
    "id": Column(name="uuid", read=_uuid),
    "name": Column(name="name", read=_text, is_text=True),
    "type": Column(name="scope", read=_word({scope.value: [scope.value] for scope in Scope})),
    "user_id": Column(name="owner_id", read=_user),
    "mail_smtptype": Column(name="of_server_preset", read=_word(_SERVICES)),
    "mail_smtpserver": Column(name="of_server_host", read=_text, is_text=True),
    "mail_smtpport": Column(name="of_server_port", read=_port),
    "mail_smtpuser": Column(name="username", read=_text, is_text=True),
    "mail_smtpauth_req": Column(name="of_server_authentication", read=_word(_LOGINS)),
    "mail_smtpssl": Column(name="of_server_security", read=_word(_ENCRYPTIONS)),
}
SORTABLE = {
    name: FILTERABLE[name].name
    for name in ("id", "name", "type", "user_id", "mail_smtpserver", "mail_smtpport", "mail_smtpuser")
}


def user_key(text: str) -> Any:
    """The key of a user as it is written in answers.

    Raises:
        ValueError: no user has such a key.
    """
    try:
        key = get_user_model()._meta.pk.to_python(text)
    except DjangoValidationError:
        raise ValueError from None
    if str(key) != text or (isinstance(key, int) and not 0 <= key <= BIGGEST_KEY):
        raise ValueError
    return key


def with_servers(rows: QuerySet[Account]) -> QuerySet[Account]:
    """With the columns of the server that is shown, as ``of_server_…`` to filter and sort by."""
    system = Account.objects.kept().filter(scope=Scope.SYSTEM)
    return rows.alias(
        **{
            f"of_server_{name}": Case(
                When(scope=Scope.SYSTEM_OVERRIDE, then=Subquery(system.values(name)[:1])), default=F(name)
            )
            for name in OF_SERVER
        }
    )


def filters(request: Request) -> Q:
    """All that ``filter[0][name][$equals]=x`` and its like ask for, of which each must hold.

    Raises:
        ValidationError: an unknown field or operator, a value the field cannot have, or too much of it.
    """
    asked = Q()
    names = [name for name in request.query_params if name.startswith(PREFIX)]
    if len(names) > MAX_FILTERS:
        raise ValidationError({"filter": [_("No more than %(count)d filters.") % {"count": MAX_FILTERS}]})
    for name in names:
        match = _FILTER.fullmatch(name)
        column = FILTERABLE.get(match["field"]) if match else None
        if match is None or column is None:
            raise _refusal(name, _("There is no such field to filter by."))
        values = request.query_params.getlist(name)
        asked &= _condition(name, column, match["operator"] or "$equals", values, is_item=bool(match["item"]))
    return asked


def _condition(name: str, column: Column, operator: str, values: list[str], *, is_item: bool) -> Q:
    known = operator in {"$equals", "$in"} or (operator in _LOOKUPS and column.is_text)
    if not known or (is_item and operator != "$in"):
        raise _refusal(name, _("There is no such operator for this field."))
    if operator == "$in" and not is_item:
        values = [part for value in values for part in value.split(",")]
    elif len(values) > 1 and operator != "$in":
        raise _refusal(name, _("This parameter stands there twice."))
    if len(values) > MAX_VALUES or any(len(value) > MAX_LENGTH for value in values):
        raise _refusal(name, _("This is too long."))
    if operator in _LOOKUPS:
        return Q(**{f"{column.name}__{_LOOKUPS[operator]}": values[0]})
    try:
        held = [found for value in values for found in column.read(value)]
    except ValueError:
        raise _refusal(name, _("This field has no such value.")) from None
    return Q(**{f"{column.name}__in": held})


def ordering(text: str) -> list[str]:
    """Columns to order by for ``name:DESC,mail_smtpport``; the key always last, so that pages do not overlap.

    Raises:
        ValidationError: an unknown field or direction.
    """
    columns: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        name, _colon, direction = part.partition(":")
        column = SORTABLE.get(name)
        if column is None or direction.upper() not in {"", "ASC", "DESC"}:
            words = _("Must be field:ASC or field:DESC, with one of %(words)s.")
            raise ValidationError({"order_by": [words % {"words": ", ".join(SORTABLE)}]})
        # The first one decides, and the query has no more columns than there are.
        columns.setdefault(column, "-" if direction.upper() == "DESC" else "")
    return [*(f"{sign}{column}" for column, sign in columns.items()), "pk"]


def ordering_schema() -> dict[str, Any]:
    """The JSON schema of what :func:`ordering` reads."""
    return list_schema(f"({'|'.join(SORTABLE)})(:([Aa][Ss][Cc]|[Dd][Ee][Ss][Cc])?)?")


def fields_schema() -> dict[str, Any]:
    """The JSON schema of what :func:`wanted_fields` reads."""
    return list_schema(f"({'|'.join(_NAMES)})")


def wanted_fields(text: str | None) -> frozenset[str]:
    """The keys of a record that shall be answered: those named and those that always are; ``None``: all.

    Raises:
        ValidationError: a name that no record has.
    """
    if text is None:
        return frozenset(_NAMES)
    named = frozenset(filter(None, text.split(",")))
    if not named <= set(_NAMES):
        words = _("Must be some of %(words)s.") % {"words": ", ".join(_NAMES)}
        raise ValidationError({"fields": [words]})
    return named | ALWAYS


def _refusal(name: str, words: str) -> ValidationError:
    return ValidationError({name[:100]: [words]})
