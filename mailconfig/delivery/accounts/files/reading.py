"""Rows of accounts out of a file: text by column, nothing of which is believed yet.

YAML is read as events of PyYAML's parser, all values as the text that stands there: no tag makes an object, no alias multiplies,
no depth exhausts the stack, and ``no`` is not a boolean where a name belongs.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from mailconfig.delivery.accounts.files.writing import COLUMNS
from mailconfig.delivery.spreadsheets import delimiter_of, plain_cell
from mailconfig.incoming.charsets import storable

try:
    import yaml
except ImportError:
    yaml = None  # type: ignore[assignment]  # the extra is not installed

MOST_OCTETS = 1024 * 1024
MOST_ROWS = 500
SECRETS = ("password", "imap_password")
"""Columns that are read and never written."""
KNOWN = frozenset({*COLUMNS, *SECRETS})


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account as a file names it."""

    MOST_OCTETS: ClassVar[int] = MOST_OCTETS
    """A file may have so many."""
    MOST_ROWS: ClassVar[int] = MOST_ROWS
    """And so many accounts."""
    SECRETS: ClassVar[tuple[str, ...]] = SECRETS
    """Columns that are read and never written."""

    line: int
    values: dict[str, str] = field(repr=False)
    """By column. May hold passwords."""


def is_yaml_read() -> bool:
    """Return whether YAML can be read here: the extra ``yaml`` is installed."""
    return yaml is not None


def read_account_rows(data: bytes, *, is_yaml: bool) -> list[AccountRow]:
    """Return the rows of a file.

    Raises:
        ValidationError: it is no such file, is too large, or names a column that no account has; without any of its values.
    """
    if len(data) > MOST_OCTETS:
        raise ValidationError(_("The file is too large."))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValidationError(_("The file is no text in UTF-8.")) from None
    rows: list[AccountRow] = []
    for row in _of_yaml(text) if is_yaml else _of_csv(text):
        if len(rows) == MOST_ROWS:
            msg = _("The file has more than %(most)s accounts: divide it.") % {"most": MOST_ROWS}
            raise ValidationError(msg)
        # YAML may spell NUL and lone surrogates: PostgreSQL takes none of them, and no page can be written with the latter.
        if any(storable(value) != value for value in row.values.values()):
            raise _unreadable(row.line)
        rows.append(row)
    if not rows:
        raise ValidationError(_("The file names no account."))
    return rows


def _of_csv(text: str) -> Iterator[AccountRow]:
    delimiter = delimiter_of(text.partition("\n")[0])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names: list[str] | None = None
    try:
        for cells in reader:
            if names is None:
                names = [cell.strip().lower() for cell in cells]
                _require_known(names)
            elif any(cell.strip() for cell in cells):
                if len(cells) > len(names):
                    raise _unreadable(reader.line_num)
                values = {
                    # A password may begin or end as it likes; no other value has space around it.
                    name: cell if name in SECRETS else plain_cell(cell)
                    for name, cell in zip(names, cells, strict=False)
                }
                yield AccountRow(reader.line_num, values)
    except csv.Error:
        raise _unreadable(reader.line_num) from None


def _require_known(names: list[str]) -> None:
    if "kind" not in names and "uuid" not in names:
        raise ValidationError(_("The first line does not name a column “kind” or “uuid”."))
    if len(set(names)) != len(names):
        raise ValidationError(_("The first line names a column twice."))
    for name in names:
        _require_column(name)


def _require_column(name: str) -> None:
    if name not in KNOWN:
        # Its words are not repeated: a file without a first line would have its values, perhaps a password, shown here.
        listed = ", ".join((*COLUMNS, *SECRETS))
        raise ValidationError(
            _("There is a column that no account has. Known are: %(names)s.") % {"names": listed}
        )


def _unreadable(line: int) -> ValidationError:
    return ValidationError(_("Line %(line)s cannot be read.") % {"line": line})


def _of_yaml(text: str) -> Iterator[AccountRow]:
    """Yield a row for each mapping of a list, whose values are all scalars."""
    if yaml is None:
        raise ValidationError(_("YAML cannot be read here; use CSV."))
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        events = yaml.parse(text, Loader=loader)
        yield from _rows_of(events)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise _unreadable(mark.line + 1 if mark else 1) from None
    except (ValueError, OverflowError):  # PyYAML without libyaml, of a character beyond Unicode
        raise _unreadable(1) from None


def _rows_of(events: Any) -> Iterator[AccountRow]:
    line, depth = 0, 0
    values: dict[str, str] | None = None
    name: str | None = None
    for event in events:
        at = event.start_mark.line + 1
        if isinstance(event, yaml.SequenceStartEvent) and depth == 0:
            depth = 1
        elif isinstance(event, yaml.MappingStartEvent) and depth == 1 and not event.anchor:
            depth, line, values, name = 2, at, {}, None
        elif isinstance(event, yaml.ScalarEvent) and depth == 2 and values is not None and not event.anchor:
            if name is None:
                name = event.value.strip().lower()
                _require_column(name)
                if name in values:
                    raise _unreadable(at)
            else:
                values[name], name = _scalar(event, name), None
        elif isinstance(event, yaml.MappingEndEvent) and values is not None:
            yield AccountRow(line, values)
            depth, values = 1, None
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.DocumentEndEvent)):
            depth = 3
        elif not isinstance(event, (yaml.StreamStartEvent, yaml.StreamEndEvent)) and not (
            isinstance(event, yaml.DocumentStartEvent) and depth == 0
        ):
            raise _unreadable(at)


def _scalar(event: Any, name: str) -> str:
    is_nothing = not event.style and event.value in {"", "~", "null"}
    value: str = "" if is_nothing else event.value
    return value if name in SECRETS else value.strip()
