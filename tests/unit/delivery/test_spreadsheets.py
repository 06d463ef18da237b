"""Cells that a spreadsheet would take for a formula are none in what is written, and come back as they were."""

from __future__ import annotations

import csv
import io

import pytest

from mailconfig.delivery.spreadsheets import csv_line, plain_cell

CELLS = ["", "plain", "a,b", 'say "hello"', "two\nlines", "=1+1", "-x", "'=1+1", "''@x", "'", "it's", "x;=HYPERLINK(1)", "x\t=1+1", "＝1"]  # fmt: skip


@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_it_comes_back_as_it_was(cell: str) -> None:
    (cells,) = csv.reader(io.StringIO(csv_line([cell, "last"]), newline=""), strict=True)
    assert [plain_cell(one) for one in cells] == [cell.strip(), "last"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_no_spreadsheet_takes_a_cell_for_a_formula(cell: str, delimiter: str) -> None:
    for row in csv.reader(io.StringIO(csv_line([cell, "last"]), newline=""), delimiter=delimiter):
        for one in row:
            assert not one.startswith(("=", "+", "-", "@", "\t", "\r", "＝"))
