"""The real django-post-office and django-mailer, installed beside us with their tables for as long as these tests run."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib import admin
from django.core.management import call_command
from django.db import connection
from django.test import override_settings

APPS = ["post_office", "mailer"]


@pytest.fixture(scope="package")
def other_queues(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Both apps among the installed ones, with the tables of their models: their migrations take seconds, and say the same."""
    with (
        override_settings(INSTALLED_APPS=[*django_settings.INSTALLED_APPS, *APPS]),
        django_db_blocker.unblock(),
    ):
        models = [model for app in APPS for model in apps.get_app_config(app).get_models()]
        for model in models:
            if admin.site.is_registered(
                model
            ):  # by themselves, and for good: pages of later tests would miss the apps
                admin.site.unregister(model)
        with connection.schema_editor() as editor:
            for model in models:
                editor.create_model(model)
        try:
            yield
        finally:
            with connection.schema_editor() as editor:
                for model in reversed(models):
                    editor.delete_model(model)


@pytest.fixture(autouse=True)
def own_locks(other_queues: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks of the other queues in a folder of this test: other workers run the same tests."""
    from mailer import engine
    from post_office import lockfile

    monkeypatch.setattr(engine, "LOCK_PATH", str(tmp_path / "mailer"))
    monkeypatch.setattr(lockfile, "default_lockfile", str(tmp_path / "post_office"))


def run(*arguments: str, **options: Any) -> str:
    """What the command says."""
    said = StringIO()
    call_command("mailconfig_import_settings", *arguments, stdout=said, **options)
    return said.getvalue()


def rows_of_everything() -> dict[str, list[dict[str, Any]]]:
    """All rows of all three apps, to see that nothing changed."""
    assert connection.settings_dict["NAME"]
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values())
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_label in {"mailconfig", *APPS}
    }
