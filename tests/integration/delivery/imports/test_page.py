"""The page "Coming from …" names what exists: in the other packages, in Django, and here."""

from __future__ import annotations

import re
from dataclasses import fields
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from django.conf import global_settings
from django.core.management import find_commands, get_commands

from mailconfig import delivery
from mailconfig.conf import Settings
from mailconfig.delivery.imports.mail_settings import SERVICES
from tests.documents import code_words, document, rows

PAGE = document("docs/coming-from.md")
OURS = {item.name.upper() for item in fields(Settings)}
TOLD = {
    *("MAILERS", "INSTALLED_APPS", "CELERY_EMAIL_BACKEND", "CONTEXT_FIELD_CLASS", "NORMAL"),
    *("EmailMessage", "Priority", "account", "backend", "default", "failed", "not_before", "now", "priority"),
    *("requeued", "scheduled_time", "state", "wait_reason", "POST_OFFICE"),
}
"""Words of the page that are no names to look up."""


def cells(title: str, column: int) -> list[str]:
    """Words in code in a column of the tables under a heading that have two columns."""
    return [word for row in rows(PAGE.section(title)) if len(row) == 2 for word in code_words(row[column])]


def source_of(package: str) -> str:
    spec = find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations
    (folder,) = spec.submodule_search_locations
    return "\n".join(path.read_text(encoding="utf-8") for path in Path(folder).rglob("*.py"))


def exists(name: str) -> bool:
    """Whether a dotted name leads to something."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            found: Any = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def test_every_setting_of_before_exists_and_none_is_left_out() -> None:
    told = cells("Settings", 0)
    of_post_office = re.findall(r"get_config\(\)\.get\('(\w+)'", source_of("post_office"))
    of_mailer = re.findall(r"\"(MAILER_\w+)\"", source_of("mailer"))
    of_django = [name for name in told if not name.startswith(("POST_OFFICE", "MAILER_"))]

    assert sorted(told) == sorted(
        {*of_django, *(f'POST_OFFICE["{name}"]' for name in of_post_office), *of_mailer}
    )
    email = {name for name in vars(global_settings) if name.startswith("EMAIL_")}
    assert email - set(told) <= {"EMAIL_BACKEND", "EMAIL_USE_LOCALTIME"}
    assert set(of_django) - set(vars(global_settings)) == {"MAILERS", "EMAIL_FILE_PATH"}  # unset by default


@pytest.mark.parametrize("title", ["Calls", "From anymail"])
def test_every_call_of_before_and_of_now_exists(title: str) -> None:
    named = [name for column in (0, 1) for name in cells(title, column) if re.fullmatch(r"\w+(\.\w+)+", name)]

    for name in named:
        assert exists(
            name.replace("delivery.", "mailconfig.delivery.", 1) if name.startswith("delivery.") else name
        ), name
    assert len(named) > 5
    assert {name.removeprefix("delivery.") for name in named if name.startswith("delivery.")} <= set(
        delivery.__all__
    )


def test_every_setting_of_ours_exists() -> None:
    for title in ("Settings", "Changing over", "What the command takes over"):
        section = PAGE.section(title)
        named = {word for word in code_words(section) if re.fullmatch(r"[A-Z_]{4,}", word)}
        others = set(cells("Settings", 0)) | TOLD | set(vars(global_settings))
        assert named <= OURS | others, named - OURS - others


def test_every_command_exists() -> None:
    theirs = {
        name
        for package in ("post_office", "mailer")
        for path in find_spec(package).submodule_search_locations or ()  # type: ignore[union-attr]
        for name in find_commands(str(Path(path) / "management"))
    }

    assert set(cells("Commands", 0)) == theirs
    assert set(cells("Commands", 1)) <= set(get_commands())


def test_every_service_of_anymail_that_the_command_knows_is_on_the_page() -> None:
    table = {
        row[0].split(".")[2]: code_words(row[1])
        for row in rows(PAGE.section("From anymail"))
        if "backends" in row[0]
    }

    assert set(table) == set(SERVICES)
    for service, (server,) in table.items():
        assert SERVICES[service].startswith(server)
        assert find_spec(f"anymail.backends.{service}")  # some import their service's client


def test_every_option_of_the_command_is_on_the_page() -> None:
    from django.core.management import load_command_class

    parser = load_command_class("mailconfig", "mailconfig_import_settings").create_parser("", "")
    own = {"--apply", "--only", "--account", "--max-age-days", "--include-failed", "--include-expiring"}

    assert own <= {name for action in parser._actions for name in action.option_strings}
    for option in own:
        assert option in PAGE.text
