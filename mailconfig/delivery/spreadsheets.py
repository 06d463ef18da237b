"""Comma-separated values (RFC 4180) as spreadsheets take them, and give them back."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

BYTE_ORDER_MARK = "\ufeff"
"""Begins a file: without it Excel takes UTF-8 for the country's old encoding. Who reads a file takes it away."""
_FORMULA = (*"=+-@\t\r\n", *"\uff1d\uff0b\uff0d\uff20")
"""With these a spreadsheet takes a cell for a formula, whoever wrote it; with the wide ones where Japanese is written."""


def csv_line(cells: Iterable[str]) -> str:
    """Return a line of CSV in which no cell is taken for a formula: such a cell begins with an apostrophe."""
    written = io.StringIO(newline="")
    csv.writer(written).writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells])
    return written.getvalue()


def csv_head(columns: Iterable[str]) -> str:
    """Return the first line of a file, which names its columns, with the mark by which Excel knows UTF-8 before it."""
    return BYTE_ORDER_MARK + csv_line(columns)


def plain_cell(cell: str) -> str:
    """Return what :func:`csv_line` was given, without space around it."""
    cell = cell.strip()
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def delimiter_of(first: str) -> str:
    """Return what parts the cells of a file that begins with this line: a semicolon where the comma is the decimal sign."""
    return ";" if ";" in first and "," not in first else ","
