"""What people do in the admin, measured: the clicks and keys that a test counts, and what the documents say of them.

``docs/back-office.md`` has this table; tests/unit/test_journeys.py compares them.
"""

from __future__ import annotations

from dataclasses import dataclass

from playwright.sync_api import Locator, Page


@dataclass(frozen=True, slots=True)
class Journey:
    """A journey from the index of mail accounts to its end.

    Attributes:
        how: what is pressed.
        clicks: how many clicks it takes.
        before: what it took with Django's own pages alone.
    """

    how: str
    clicks: int
    before: str


JOURNEYS = {
    "find a mail": Journey("*Messages*, a part of its address and Enter, the mail", 2, "2, among the newest 10,000"),
    "pause an account": Journey("*Accounts*, *Pause* in its row, a reason and Enter", 2, "4, without a reason"),
    "raise a limit": Journey("*Accounts*, the limit in its row, the number and Enter", 2, "4"),
    "enter a new password": Journey("*Accounts*, the account, the field, the password and Enter", 3, "4"),
    "send failed mail again": Journey(
        "*Messages*, *failed*, *Retry*, *Yes, I’m sure*; however many", 4, "6 for each thousand"
    ),
    "move waiting mail to another account": Journey(
        "*Mailboxes*, the number of its waiting mails, *Move to another account*, *Yes, I’m sure*; the account is chosen in between",
        4,
        "impossible",
    ),
    "move an account to another server": Journey(
        "*Accounts*, the account, the field of the server, that of the password, Enter", 4, "4"
    ),
    "import fifty accounts": Journey(
        "*Accounts*, *Import*, the file, *Show what would change*, *Import*", 5, "impossible"
    ),
}  # fmt: skip


def lines() -> list[str]:
    """Return the rows of the table in the documents."""
    return [f"| {name} | {one.how} | {one.clicks} | {one.before} |" for name, one in JOURNEYS.items()]


class Clicks:
    """Clicks of a person, counted."""

    def __init__(self, page: Page) -> None:
        self.page, self.count = page, 0

    def on(self, target: Locator | str) -> None:
        """Click there."""
        (self.page.locator(target).first if isinstance(target, str) else target).click()
        self.count += 1

    def make(self, journey: str) -> None:
        """Fail unless there were as many as the documents say."""
        assert self.count == JOURNEYS[journey].clicks, f"{journey}: {self.count} clicks"
