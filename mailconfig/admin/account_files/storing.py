"""Importing: one account after the other, each by itself, for as long as a request may last."""

from __future__ import annotations

import time
from typing import Any

from django.contrib.admin import AdminSite
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _

from mailconfig.admin.proof import errors_of
from mailconfig.admin.typed import user_of
from mailconfig.delivery import (
    AccountRow,
    leave_import,
    note_outcome,
    pass_row,
    save_account,
    take_import,
)
from mailconfig.exceptions import MailconfigError, Throttled
from mailconfig.models import AccountImport

from .planning import PlannedRow, key_of, plan, problems_of

STEP_SECONDS = 10.0
"""After so long no further account is begun in a request; the page asks for the rest with the next one."""
NAMED_TWICE = "twice"


def planned_rows(request: HttpRequest, site: AdminSite, rows: list[AccountRow]) -> list[PlannedRow]:
    """Return what all of them would do; of those that name the same account, the first one counts."""
    seen: set[tuple[str, ...]] = set()
    return [_planned(request, site, row, seen) for row in rows]


def _planned(
    request: HttpRequest, site: AdminSite, row: AccountRow, seen: set[tuple[str, ...]]
) -> PlannedRow:
    planned = plan(request, site, row)
    stored = planned.form.instance.pk if planned.form else None
    keys = {key for key in (key_of(row), ("account", str(stored or ""))) if key[-1]}
    if keys & seen:
        words = _("Another row above names the same account.")
        return PlannedRow(row.line, row.values.get("name", ""), "refused", problems=[("", words)])
    seen |= keys
    return planned


def import_step(
    request: HttpRequest, site: AdminSite, draft: AccountImport, rows: list[AccountRow]
) -> tuple[str, int]:
    """Store as many as fit into a request. Not to be called inside a transaction.

    Returns:
        Why it stopped before that, in words; ``""``: it did not. And after how many seconds it may go on; 0: it is
        not known.
    """
    if not take_import(draft, seconds=STEP_SECONDS):
        return _("Another window is importing this file right now."), 0
    _note_broken(draft, rows)
    seen = {key_of(row) for row in rows[: draft.next_row]}
    ends_at, stopped, wait = time.monotonic() + STEP_SECONDS, "", 0
    try:
        while draft.next_row < len(rows) and time.monotonic() < ends_at:
            position = draft.next_row
            planned = _planned(request, site, rows[position], seen)
            pass_row(draft)
            try:
                if planned.state in {"new", "changed"}:
                    _store(request, planned, is_trying=draft.is_trying)
            except Throttled as error:
                draft.next_row = position
                AccountImport.objects.filter(pk=draft.pk).update(next_row=position)
                stopped, wait = str(error), error.retry_after
                break
            except (MailconfigError, ValidationError) as error:
                planned.state = "refused"
                planned.problems = problems_of(errors_of(error))
            outcome = {"line": planned.line, "name": planned.name, "state": planned.state}
            note_outcome(draft, {**outcome, "problems": planned.problems})
    except BaseException:
        _note_broken(draft, rows)
        raise
    finally:
        leave_import(draft, rows=len(rows))
    return stopped, wait


def _note_broken(draft: AccountImport, rows: list[AccountRow]) -> None:
    """Note rows that were begun and of which nothing is known: an error of ours, or the process ended."""
    while len(draft.outcomes) < draft.next_row:
        row = rows[len(draft.outcomes)]
        words = _("This row broke off in the middle: look whether its account is there.")
        name = row.values.get("name") or row.values.get("from_email") or "–"
        note_outcome(draft, {"line": row.line, "name": name, "state": "refused", "problems": [("", words)]})


def _store(request: HttpRequest, planned: PlannedRow, *, is_trying: bool) -> None:
    """Store it as its page does, and write it into the admin's log."""
    form, model_admin = planned.form, planned.admin
    account = form.instance
    is_new = account._state.adding
    sending, syncing = form.connects_anew(), form.syncs_anew()
    save_account(
        account=account,
        by=user_of(request),
        prove=sending and is_trying,
        prove_sync=syncing and is_trying,
    )
    message: Any = model_admin.construct_change_message(request, form, [], is_new)
    log = model_admin.log_addition if is_new else model_admin.log_change
    log(request, account, message)
    if (sending or syncing) and not is_trying:
        model_admin.log_change(request, account, _("Saved without trying the connection."))
