"""The README's quick start, done as it stands there in a project of its own; and the test that the documents show."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import django
import pytest
from cryptography.fernet import Fernet

from tests.documents import ROOT, document

SETTINGS, MAILERS, BACKEND, ACCOUNT, SEND, URLS = document("README.md").snippets("python")
(HOST_TEST,) = [code for code in document("docs/sending.md").snippets("python") if "TestCase" in code]

pytestmark = pytest.mark.slow


class Shop:
    """A project as ``startproject`` makes it, with the README's settings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        unwanted = ("DATABASE_URL", "TEST_DB", "TESTS_FOLDER", "TESTS_MAILCONFIG")
        self._env = {name: value for name, value in os.environ.items() if name not in unwanted} | {
            "DJANGO_SETTINGS_MODULE": "shop.settings",
            "FIELD_ENCRYPTION_KEY": Fernet.generate_key().decode(),
            "PYTHONPATH": str(ROOT),
        }
        bare = {name: value for name, value in self._env.items() if name != "DJANGO_SETTINGS_MODULE"}
        made = self._run("-m", "django", "startproject", "shop", ".", env=bare)
        assert made.returncode == 0, made.stdout
        with (folder / "shop/settings.py").open("a", encoding="utf-8") as file:
            file.write(f"\n{SETTINGS}\n{MAILERS if django.VERSION >= (6, 1) else BACKEND}")
        with (folder / "shop/urls.py").open("a", encoding="utf-8") as file:
            file.write(f"\n{URLS}")

    def manage(self, *arguments: str, typed: str = "", fails: bool = False, **environment: str) -> str:
        """What a command printed, to both streams; it must end well, or with an error where it ``fails``."""
        done = self._run("manage.py", *arguments, typed=typed, env=self._env | environment)
        assert (done.returncode != 0) == fails, done.stdout
        return done.stdout

    def _run(self, *arguments: str, env: dict[str, str], typed: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=env,
            input=typed,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop(tmp_path_factory.mktemp("shop"))


def test_the_checks_find_nothing_of_ours_in_the_settings_of_the_quick_start(shop: Shop) -> None:
    said = shop.manage("check", "--deploy")

    assert "security.W" in said  # Django's own, of a new project: the checks for deployment ran
    assert "mailconfig." not in said


def test_the_quick_start_queues_a_mail(shop: Shop) -> None:
    shop.manage("migrate", "--verbosity=0")

    shop.manage("shell", "--command", f"{ACCOUNT}\n{SEND}")

    assert "Shop: 1 queued" in shop.manage("mailconfig_status")


def test_the_surfaces_answer_where_the_quick_start_mounts_them(shop: Shop) -> None:
    ask = "from django.test import Client; c = Client(headers={'host': 'localhost'});"
    said = shop.manage(
        "shell",
        "--command",
        f"{ask} print(c.get('/mailconfig/openapi.json').json()['info']['title'], c.get('/api/v2/mail/providers').status_code)",
    )

    assert "mailconfig 401" in said


def test_the_test_of_a_host_project_passes_as_it_stands_in_the_documents(shop: Shop) -> None:
    (shop.folder / "shop/tests.py").write_text(HOST_TEST, encoding="utf-8")

    said = shop.manage("test", "shop")

    assert "Ran 1 test" in said


@pytest.mark.parametrize("sends", [SEND, "from mailconfig import delivery"])
def test_without_the_app_among_the_installed_ones_the_words_say_so(shop: Shop, sends: str) -> None:
    without = "from shop.settings import *\nINSTALLED_APPS = [app for app in INSTALLED_APPS if app != 'mailconfig']\n"
    (shop.folder / "shop/without_app.py").write_text(without, encoding="utf-8")
    catch = f"import traceback\ntry:\n    exec({sends!r})\nexcept Exception:\n    print(traceback.format_exc(limit=-1))"

    said = shop.manage("shell", "--settings=shop.without_app", "--command", catch)

    assert 'ImproperlyConfigured: mailconfig is not among the INSTALLED_APPS: add "mailconfig"' in said


def test_without_a_key_in_the_environment_the_check_says_so(shop: Shop) -> None:
    said = shop.manage("check", fails=True, FIELD_ENCRYPTION_KEY="")

    assert "FIELD_ENCRYPTION_KEY is set and empty" in said
    assert "Traceback" not in said
