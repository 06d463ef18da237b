"""Comma-separated values (RFC 4180) as spreadsheets take them, and give them back."""

from __future__ import annotations

from collections.abc import Iterable

BYTE_ORDER_MARK = "\ufeff"
"""Begins a file: without it Excel takes UTF-8 for the country's old encoding. Who reads a file takes it away."""
_FORMULA = (*"=+-@\t\r\n", *"\uff1d\uff0b\uff0d\uff20")
"""With these a spreadsheet takes a cell for a formula, whoever wrote it; with the wide ones where Japanese is written."""

_MARKS = ',;\t"\r\n'
"""What parts cells and lines somewhere, and quotes."""


def csv_line(cells: Iterable[str]) -> str:
    """Return a line of CSV in which no cell is taken for a formula: such a cell begins with an apostrophe.

    Nor is a part of one, where a spreadsheet takes semicolons or tabs for what parts cells.
    """
    return ",".join(_quoted(f"'{cell}" if _looks_like_formula(cell) else cell) for cell in cells) + "\r\n"


def _looks_like_formula(cell: str) -> bool:
    """Return whether it does, or would when read without an apostrophe before it."""
    return cell.lstrip("'").startswith(_FORMULA)


def _quoted(cell: str) -> str:
    return '"{}"'.format(cell.replace('"', '""')) if any(mark in cell for mark in _MARKS) else cell


def csv_head(columns: Iterable[str]) -> str:
    """Return the first line of a file, which names its columns, with the mark by which Excel knows UTF-8 before it."""
    return BYTE_ORDER_MARK + csv_line(columns)


def plain_cell(cell: str) -> str:
    """Return what :func:`csv_line` was given, without space around it."""
    cell = cell.strip()
    return cell[1:] if cell.startswith("'") and _looks_like_formula(cell) else cell


def delimiter_of(first: str) -> str:
    """Return what parts the cells of a file that begins with this line: a semicolon where the comma is the decimal sign."""
    return ";" if ";" in first and "," not in first else ","
