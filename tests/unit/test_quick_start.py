"""The README's quick start, done as it stands there in a project of its own; and the test that the documents show."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import django
import pytest
from cryptography.fernet import Fernet

from tests.documents import ROOT, document
from tests.servers.chaos import ChaosServer

SETTINGS, MAILERS, BACKEND, ACCOUNT, SEND, URLS = document("README.md").snippets("python")
LOCAL_SETTINGS, LOCAL_ACCOUNT, _COMPOSE = document("docs/developing.md").snippets("python")
(HOST_TEST,) = [code for code in document("docs/sending.md").snippets("python") if "TestCase" in code]

pytestmark = pytest.mark.slow


class Shop:
    """A project as ``startproject`` makes it, with the README's settings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._is_migrated = False
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

    def migrate(self) -> None:
        """Make its tables, unless an earlier test did."""
        if not self._is_migrated:
            self.manage("migrate", "--verbosity=0")
            self._is_migrated = True

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
    shop.migrate()

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


@pytest.fixture
def local_server() -> Iterator[ChaosServer]:
    """What listens on this machine instead of Mailpit."""
    with ChaosServer() as server:
        yield server


def test_a_server_on_this_machine_is_reached_with_the_settings_for_developing(
    shop: Shop, local_server: ChaosServer
) -> None:
    port = str(local_server.port)
    shop.migrate()
    settings = f"from shop.settings import *\n{LOCAL_SETTINGS.replace('1025', port)}"
    (shop.folder / "shop/developing.py").write_text(settings, encoding="utf-8")
    here = "--settings=shop.developing"
    empty = "from mailconfig.models import Account, Message; Message.objects.all().delete(); Account.objects.all().delete()"
    shop.manage("shell", here, "--command", f"{empty}\n{LOCAL_ACCOUNT.replace('1025', port)}")

    shop.manage("sendtestemail", here, "anna@example.net")
    shop.manage("mailconfig_drain", here, "--once")

    assert local_server.wait_for(lambda: bool(local_server.messages))
    assert [mail.recipients for mail in local_server.messages] == [("anna@example.net",)]


def test_without_those_settings_the_words_say_what_is_not_allowed(
    shop: Shop, local_server: ChaosServer
) -> None:
    shop.migrate()
    probe = (
        "from mailconfig import delivery; from mailconfig.models import SMTPProvider;"
        "a = SMTPProvider(name='x', from_email='shop@example.com', host='{host}', port={port}, security='none',"
        " authentication='none'); c = delivery.probe_values(account=a, requested_by=None);"
        "print('SAID', c.code, c.guilty_field)"
    )
    told = [
        shop.manage("shell", "--command", probe.format(host=host, port=port)).rpartition("SAID ")[2].split()
        for host, port in (("localhost", local_server.port), ("localhost", 25), ("127.0.0.1", 25))
    ]

    assert told == [["connect_failed", "port"], ["connect_failed", "host"], ["host_not_allowed", "host"]]
    assert not local_server.messages
