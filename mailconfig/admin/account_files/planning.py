"""From a row of a file to the form of its account's page, as if this person had filled it in, and to what that would change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django import forms
from django.apps import apps
from django.contrib.admin import AdminSite
from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.auth import get_user_model
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _

from mailconfig.admin import oauth2_login
from mailconfig.admin.account_links import MODEL_OF_KIND
from mailconfig.admin.typed import user_of
from mailconfig.delivery import AccountRow, account_row
from mailconfig.models import Account, Tenant

_FIELDS = {"password": "secret", "imap_password": "imap_secret"}
"""Fields of the form that are called otherwise than the file's columns."""
_COLUMNS = {name: column for column, name in _FIELDS.items()}
_LEFT_OUT = frozenset({"failover", *oauth2_login.FIELDS})
_TRUE, _FALSE = {"true", "yes", "1", "on"}, {"false", "no", "0", "off"}
_KEYS = frozenset({"kind", "uuid"})


@dataclass(slots=True)
class PlannedRow:
    """A row, and the change that it would make."""

    line: int
    name: str
    state: str
    """``new``, ``changed``, ``unchanged`` or ``refused``."""
    changes: list[tuple[str, str, str]] = field(default_factory=list)
    """Of a changed account: the field, what it has and what it would have; of a password only that there is a new one."""
    problems: list[tuple[str, str]] = field(default_factory=list)
    """Of a refused one: the field and why."""
    admin: Any = field(default=None, repr=False)
    form: Any = field(default=None, repr=False)


def key_of(row: AccountRow) -> tuple[str, ...]:
    """Return by what a row names its account, to find those that are named twice."""
    if row.values.get("uuid"):
        return (row.values["uuid"].lower().replace("-", ""),)
    return (row.values.get("kind", "").lower(), row.values.get("from_email", "").lower())


def plan(request: HttpRequest, site: AdminSite, row: AccountRow) -> PlannedRow:
    """Fill in the form of the row's account and look what comes of it; nothing is stored or connected."""
    values = row.values
    planned = PlannedRow(row.line, values.get("name") or values.get("from_email") or "–", "refused")
    try:
        model_admin, account = _find(request, site, values)
        form = _filled(request, model_admin, account, values)
    except ValidationError as error:
        planned.problems = problems_of(error)
        return planned
    planned.admin, planned.form = model_admin, form
    if not form.is_valid():
        planned.problems = problems_of(ValidationError(form.errors.as_data()))
    elif account is None:
        planned.state = "new"
    else:
        planned.changes = _changes(form, account, values)
        planned.state = "changed" if planned.changes else "unchanged"
    return planned


def problems_of(error: ValidationError) -> list[tuple[str, str]]:
    """Return field and words of each, the field as the file names it, and no value that stands there: it may be a password."""
    by_field = error.error_dict if hasattr(error, "error_dict") else {NON_FIELD_ERRORS: error.error_list}
    return [
        ("" if name == NON_FIELD_ERRORS else _COLUMNS.get(name, name), " ".join(map(_without_value, found)))
        for name, found in by_field.items()
    ]


def _without_value(error: ValidationError) -> str:
    words: Any = error.message
    return str(words % {**error.params, "value": "…"} if error.params else words)


def _find(request: HttpRequest, site: AdminSite, values: dict[str, str]) -> tuple[Any, Account | None]:
    """Return the admin of the kind, and the account if there is one within reach that this person may change."""
    kind = values.get("kind", "").lower()
    uuid = _uuid(values["uuid"]) if values.get("uuid") else None
    if not kind and uuid is not None:
        kind = Account.objects.kept().filter(uuid=uuid).values_list("kind", flat=True).first() or ""
    if kind not in MODEL_OF_KIND:
        known = ", ".join(sorted(MODEL_OF_KIND))
        raise _at("kind", _("There is no such kind. Known are: %(names)s.") % {"names": known})
    model_admin = site._registry[apps.get_model("mailconfig", MODEL_OF_KIND[kind] or "")]
    rows = model_admin.get_queryset(request)
    if uuid is not None:
        account = rows.filter(uuid=uuid).first()
        if account is None:
            raise _at("uuid", _("You see no account of this kind with this id. Leave it empty to add one."))
    else:
        account = _by_address(rows, values.get("from_email", ""))
    if account is None and not model_admin.has_add_permission(request):
        raise _at("kind", _("You may not add accounts of this kind."))
    if account is not None and not model_admin.has_change_permission(request, account):
        raise _at("kind", _("You may not change this account."))
    return model_admin, account


def _by_address(rows: Any, address: str) -> Account | None:
    found: list[Account] = (
        list(rows.filter(from_email__small_letters=address.lower()).order_by("pk")[:2]) if address else []
    )
    if len(found) > 1:
        raise _at("from_email", _("Several accounts have this address: name one by its uuid."))
    return found[0] if found else None


def _filled(request: HttpRequest, model_admin: Any, account: Account | None, values: dict[str, str]) -> Any:
    names = flatten_fieldsets(model_admin.get_fieldsets(request, account))
    names = [name for name in names if name not in _LEFT_OUT]
    made = model_admin.get_form(request, account, change=account is not None, fields=names)
    empty = made(instance=account)
    data: dict[str, Any] = {}
    for name in empty.fields:
        _put(data, name, empty.fields[name], empty[name].value())
    had = account_row(account) if account is not None else {}
    for column, text in values.items():
        name = _FIELDS.get(column, column)
        if column in _KEYS or (account is not None and _is_same(had.get(column, ""), text)):
            continue
        if name not in empty.fields:
            if text and text.lower() not in _FALSE and not (name == "scope" and text == "user"):
                raise _at(column, _("You may not set this, or this kind of account does not have it."))
            continue
        _enter(request, data, column, empty.fields[name], text)
    return made(data, instance=account)


def _put(data: dict[str, Any], name: str, field: Any, value: Any) -> None:
    """Put into the data what a browser would send of a form that nobody touched."""
    if isinstance(field, forms.BooleanField):
        if value:
            data[name] = "on"
    elif value is not None:
        data[name] = str(value)


def _enter(request: HttpRequest, data: dict[str, Any], column: str, field: Any, text: str) -> None:
    """Enter the text of a column; what a form requires, and is empty, stays as it is."""
    name = _FIELDS.get(column, column)
    if column == "owner":
        data[name] = _owner(request, text) if text else ""
    elif column == "tenant":
        data[name] = _tenant(field, text) if text else ""
    elif isinstance(field, forms.BooleanField) or column == "imap_ssl":
        if text:
            data.pop(name, None)
            if _boolean(column, text):
                data[name] = "True" if column == "imap_ssl" else "on"
    elif text or not field.required:
        is_choice = isinstance(field, forms.ChoiceField)
        if text or not is_choice or "" in dict(field.choices):
            data[name] = text


def _boolean(column: str, text: str) -> bool:
    if text.lower() not in _TRUE | _FALSE:
        raise _at(column, _("Enter true or false."))
    return text.lower() in _TRUE


def _owner(request: HttpRequest, text: str) -> Any:
    """Return the key of the one person with this user name or address; of others only those know who may see people."""
    people, me = get_user_model(), user_of(request)
    address = people.get_email_field_name()
    if text in {me.get_username(), getattr(me, address, None)}:
        return me.pk
    refusal = _at("owner", _("You see nobody, or several people, with this user name or address."))
    if not me.has_perm(f"{people._meta.app_label}.view_{people._meta.model_name}"):
        raise refusal
    rows = people._default_manager.all()
    found = list(rows.filter(**{people.USERNAME_FIELD: text})[:2])
    if not found and any(one.name == address for one in people._meta.get_fields()):
        found = list(rows.filter(**{f"{address}__iexact": text})[:2])
    if len(found) != 1:
        raise refusal
    return found[0].pk


def _tenant(field: Any, slug: str) -> Any:
    offered = getattr(field, "queryset", Tenant.objects.none())
    key = offered.filter(slug=slug).values_list("pk", flat=True).first()
    if key is None:
        raise _at("tenant", _("You see no tenant with this short name."))
    return key


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise _at("uuid", _("This is no id.")) from None


def _changes(form: Any, account: Account, values: dict[str, str]) -> list[tuple[str, str, str]]:
    had = account_row(form._meta.model._base_manager.select_related("owner", "tenant").get(pk=account.pk))
    found = []
    for name in form.changed_data:
        column = _COLUMNS.get(name, name)
        label = str(form.fields[name].label or name)
        if name in _COLUMNS:
            found.append((label, "•••", _("a new one")))
        elif column in values and not _is_same(had.get(column, ""), values[column]):
            found.append((label, had.get(column, ""), values[column]))
    return found


def _is_same(had: str, text: str) -> bool:
    """Return whether a file says what is there: what is read from it has lost the space around it."""
    return had.strip() == text.strip()


def _at(column: str, words: str) -> ValidationError:
    return ValidationError({column: ValidationError(words)})
