"""The suppression list as a file of comma-separated values (RFC 4180): read from other systems, and written for them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from mailconfig.delivery.queue.suppressions import checked_entry
from mailconfig.delivery.spreadsheets import csv_head, csv_line, delimiter_of, plain_cell
from mailconfig.models import NO_TENANT, Suppression, SuppressionReason, tenant_key
from mailconfig.models.validators import validate_line

__all__ = ["SuppressionImport", "export_suppressions", "import_suppressions"]

MOST_OCTETS = 4 * 1024 * 1024
MOST_LINES = 50_000
MOST_SAID = 100
"""Lines that could not be read are told up to so many, and counted."""
LONGEST_NOTE = 255
COLUMNS = ("address", "reason", "note", "created_at")
_CHUNK = 400


@dataclass(slots=True)
class SuppressionImport:
    """Outcome of an import.

    Attributes:
        new: entries that are new.
        known: lines that name what is listed already, or what another line named.
        bad: lines that could not be read.
        problems: the first hundred of those: the line's number, and why.
    """

    MOST_OCTETS: ClassVar[int] = MOST_OCTETS
    """A file may have so many."""
    MOST_LINES: ClassVar[int] = MOST_LINES
    """And so many lines."""

    new: int = 0
    known: int = 0
    bad: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)

    def refuse(self, line: int, words: str) -> None:
        """Note a line that could not be read."""
        self.bad += 1
        if len(self.problems) < MOST_SAID:
            self.problems.append((line, words))


def import_suppressions(
    data: bytes, *, tenant_id: int | None, by: AbstractBaseUser | None, only_looks: bool = False
) -> SuppressionImport:
    """List what a file names, all of it or, if the file is none, nothing; lines that cannot be read are left out and told.

    Its first line names the columns, of which ``address`` is needed; ``reason`` is ``manual`` unless it says so, and others
    are left alone. Commas or semicolons, UTF-8.

    Args:
        data: the file.
        tenant_id: whose list; ``None``: that of accounts without tenant.
        by: who does this.
        only_looks: say what would come of it, and write nothing.

    Raises:
        ValidationError: it is no such file, or too large.
    """
    report = SuppressionImport()
    seen: dict[tuple[str, str], str] = {}
    for line, row in _rows(data, report):
        try:
            entry, reason, note = _read(row)
        except ValidationError as error:
            report.refuse(line, " ".join(error.messages))
            continue
        if (entry, reason) in seen:
            report.known += 1
        seen.setdefault((entry, reason), note)
    with transaction.atomic():
        # In one order: of two who list the same addresses one waits for the other, and never each for the other.
        wanted = sorted(seen.items())
        for start in range(0, len(wanted), _CHUNK):
            chunk = dict(wanted[start : start + _CHUNK])
            listed = _listed(tenant_id, chunk)
            fresh = {key: note for key, note in chunk.items() if key not in listed}
            report.new += len(fresh)
            report.known += len(chunk) - len(fresh)
            if not only_looks:
                rows = (
                    Suppression(
                        tenant_id=tenant_id,
                        address=address,
                        reason=reason,
                        note=note,
                        created_by_id=None if by is None else by.pk,
                    )
                    for (address, reason), note in fresh.items()
                )
                Suppression.objects.bulk_create(rows, ignore_conflicts=True)
    return report


def _listed(tenant_id: int | None, chunk: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    rows = Suppression.objects.alias(whose=tenant_key()).filter(
        whose=tenant_id or NO_TENANT, address__in={address for address, _reason in chunk}
    )
    return set(rows.values_list("address", "reason"))


def _rows(data: bytes, report: SuppressionImport) -> Iterator[tuple[int, dict[str, str]]]:
    if len(data) > MOST_OCTETS:
        raise ValidationError(_("The file is too large."))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValidationError(_("The file is no text in UTF-8.")) from None
    delimiter = delimiter_of(text.partition("\n")[0])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names: list[str] | None = None
    for count in range(MOST_LINES + 1):
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error:
            if names is None:
                break
            report.refuse(reader.line_num, _("This line cannot be read."))
            break  # where the next one begins, nobody knows
        if names is None:
            names = [cell.strip().lower() for cell in cells]
        elif count == MOST_LINES:
            raise ValidationError(_("The file has too many lines."))
        elif any(cell.strip() for cell in cells):
            yield reader.line_num, dict(zip(names, map(plain_cell, cells), strict=False))
    if names is None or "address" not in names:
        raise ValidationError(_("The first line does not name a column “address”."))


def _read(row: dict[str, str]) -> tuple[str, str, str]:
    if not row.get("address"):
        raise ValidationError(_("This line cannot be read."))
    reason = row.get("reason", "").lower() or SuppressionReason.MANUAL.value
    if reason not in SuppressionReason.values:
        raise ValidationError(_("There is no such reason."))
    note = row.get("note", "")[:LONGEST_NOTE]
    validate_line(note)
    return checked_entry(row["address"]), reason, note


def export_suppressions(rows: Iterable[Suppression]) -> Iterator[str]:
    """Yield the lines of a file with these entries, which no spreadsheet takes for formulas and an import takes back.

    It begins with a byte order mark, without which Excel takes it for the country's old encoding and spoils notes.
    """
    yield csv_head(COLUMNS)
    for row in rows:
        yield csv_line((row.address, row.reason, row.note, row.created_at.isoformat(timespec="seconds")))
