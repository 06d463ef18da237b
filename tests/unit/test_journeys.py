"""What the documents say of clicks is what a browser counts."""

from __future__ import annotations

from tests.browser.journeys import JOURNEYS, lines
from tests.servers.sidecar import ROOT


def test_the_back_office_s_page_has_the_numbers_that_are_counted() -> None:
    text = (ROOT / "docs" / "back-office.md").read_text()
    assert [line for line in lines() if line not in text] == []


def test_each_journey_is_counted() -> None:
    counted = "".join(path.read_text() for path in (ROOT / "tests" / "browser").glob("test_*.py"))
    assert [name for name in JOURNEYS if f'.make("{name}")' not in counted] == []
