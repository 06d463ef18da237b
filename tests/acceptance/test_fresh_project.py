"""The wheel, installed into a project of somebody else by the five steps of docs/installation.md: it sends.

That project has users of its own that log in by address and have UUIDs as keys, URLs of its own, Celery and PostgreSQL.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import django
import psycopg
import pytest
from hatchling.builders.wheel import WheelBuilder

from tests import database_url
from tests.documents import ROOT, document
from tests.servers.chaos import ChaosServer
from tests.servers.children import Child
from tests.servers.sidecar import unmeasured

pytestmark = [pytest.mark.postgres, pytest.mark.redis, pytest.mark.slow]

PAGE = document("docs/installation.md")
SETTINGS, _SQLITE, CELERY, STORAGES = PAGE.snippets("python")
DATABASE = f"fresh_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
PEOPLE = """
import uuid

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models


class People(BaseUserManager):
    def create_superuser(self, email, password):
        person = self.model(email=email, is_staff=True, is_superuser=True)
        person.set_password(password)
        person.save()
        return person


class Person(AbstractBaseUser, PermissionsMixin):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email = models.EmailField(unique=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    objects = People()
    USERNAME_FIELD = EMAIL_FIELD = "email"
"""
URLS = """
from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("office/", admin.site.urls), path("post/", include("mailconfig.urls"))]
"""
ACCOUNT = """
from django.contrib.auth import get_user_model
from mailconfig import delivery
from mailconfig.models import Account, SMTPProvider

account = SMTPProvider(
    name="Shop", from_email="shop@example.com", host="127.0.0.1", port={port}, security="none", authentication="none",
    is_default=True,
)
delivery.save_account(account=account, by=get_user_model().objects.get())
print("MADE BY", Account.objects.get().created_by.email)
"""
SEND = """
from django.core.mail import send_mail

send_mail("Hello", "It works.", None, ["anna@example.net"])
"""
LOOK = """
from django.contrib.auth import get_user_model
from django.test import Client

client = Client(headers={"host": "localhost"})
client.force_login(get_user_model().objects.get())
for name in ("", "smtpprovider/", "smtpprovider/add/", "message/"):
    print("SEEN", name, client.get("/office/mailconfig/" + name).status_code)
print("SEEN openapi", client.get("/post/mailconfig/openapi.json").status_code)
"""


class Project:
    """A project as ``startproject`` makes it, in a virtual environment that has the wheel and no checkout of ours."""

    def __init__(self, folder: Path, database: str, broker: str) -> None:
        self.folder = folder / "shop"
        self.python = folder / "venv" / "bin" / "python"
        self.folder.mkdir()
        ours = (
            "DATABASE_URL",
            "TEST_DB",
            "TESTS_FOLDER",
            "TESTS_MAILCONFIG",
            "PYTHONPATH",
            "DJANGO_SETTINGS_MODULE",
        )
        self.env = {name: value for name, value in unmeasured().items() if name not in ours}
        self.env |= {"SHOP_DATABASE": database, "SHOP_BROKER": broker}
        venv.create(folder / "venv", with_pip=False)
        self._borrow_packages()
        self.run("-m", "django", "startproject", "shop", ".")
        self.env["DJANGO_SETTINGS_MODULE"] = "shop.settings"
        (self.folder / "people").mkdir()
        (self.folder / "people/__init__.py").touch()
        (self.folder / "people/models.py").write_text(PEOPLE, encoding="utf-8")
        (self.folder / "shop/urls.py").write_text(URLS, encoding="utf-8")
        self.settings(
            "import os\nfrom tests_database import DATABASE\nDATABASES = {'default': DATABASE}\n"
            "INSTALLED_APPS += ['people']\nAUTH_USER_MODEL = 'people.Person'\n"
            "CELERY_BROKER_URL = os.environ['SHOP_BROKER']\n"
        )
        (self.folder / "tests_database.py").write_text(
            f"DATABASE = {database_url.parse(database)!r}\n", encoding="utf-8"
        )

    def _borrow_packages(self) -> None:
        """Let it use what is installed here. Our editable install is a ``.pth`` there, which is not followed from here."""
        here = Path(sysconfig.get_path("purelib"))
        (there,) = (self.python.parents[1] / "lib").glob("python*/site-packages")
        (there / "borrowed.pth").write_text(f"{here}\n", encoding="utf-8")

    def settings(self, code: str) -> None:
        """Append to its settings."""
        with (self.folder / "shop/settings.py").open("a", encoding="utf-8") as file:
            file.write(f"\n{code}\n")

    def run(self, *arguments: str) -> str:
        """What its Python says, which must end well."""
        done = subprocess.run(
            [str(self.python), *arguments],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def shell(self, code: str) -> str:
        """What code says in its shell."""
        return self.run("manage.py", "shell", "--command", code)


@pytest.fixture
def database(django_db_setup: None) -> Iterator[str]:
    """An empty database on the tests' server."""
    url = os.environ["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
        connection.execute(f"CREATE DATABASE {DATABASE}")
        yield database_url.build({**database_url.parse(url), "NAME": DATABASE})
        connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


@pytest.fixture
def project(tmp_path: Path, database: str, redis_url: str) -> Project:
    return Project(tmp_path, database, redis_url)


@pytest.fixture
def server() -> Iterator[ChaosServer]:
    with ChaosServer() as server:
        yield server


def steps() -> list[str]:
    """The text of each step, with its indented commands."""
    text = PAGE.text.partition("\n## Steps\n")[2].partition("\n## ")[0]
    return re.split(r"^\d\. ", text, flags=re.MULTILINE)[1:]


def commands(step: str) -> list[str]:
    """The indented command lines of a step."""
    return [line.strip() for line in step.splitlines() if re.match(r" {7}\S", line)]


def test_the_wheel_sends_for_a_project_after_the_five_steps(
    project: Project, tmp_path: Path, server: ChaosServer
) -> None:
    install, make_key, configure, tables, worker = steps()

    # 1. Install. What it needs is there already; a package index is not asked.
    assert commands(install) == ['pip install "/path/to/the/checkout[celery,postgres]"']
    wheel = next(WheelBuilder(str(ROOT)).build(directory=str(tmp_path)))
    pip = ["-m", "pip", "--python", str(project.python), "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([sys.executable, *pip, str(wheel)], check=True)
    assert str(tmp_path) in project.run("-c", "import mailconfig.conf; print(mailconfig.__file__)")

    # 2. Make a key.
    (command,) = commands(make_key)
    code = re.fullmatch(r'python -c "(.*)"', command)
    assert code
    project.env["FIELD_ENCRYPTION_KEY"] = project.run("-c", code[1]).strip()

    # 3. Settings.
    assert SETTINGS.splitlines()[0] in configure
    project.settings(SETTINGS if django.VERSION < (6, 1) else with_mailers(SETTINGS))
    project.settings(STORAGES.replace("/srv/shop/mails", str(tmp_path / "mails")).partition("MAILCONFIG")[0])
    project.settings("MAILCONFIG |= {'ALLOWED_NETWORKS': ['127.0.0.0/8'], 'ALLOWED_PORTS': None}")

    # 4. Tables, and what the checks say.
    said = [
        project.run(*line.split()[1:])
        for line in ("python manage.py makemigrations people", *commands(tables))
    ]
    assert set(re.findall(r"mailconfig\.\w+", said[-1])) == {"mailconfig.W015"}  # UUIDs: said, and true

    # 5. A worker, here Celery's with beat, and an account.
    assert "(#somebody-has-to-send)" in worker
    (project.folder / "shop/celery.py").write_text(CELERY, encoding="utf-8")
    (project.folder / "shop/__init__.py").write_text("from shop.celery import app\n", encoding="utf-8")
    project.env |= {"DJANGO_SUPERUSER_PASSWORD": "not a secret", "DJANGO_SUPERUSER_EMAIL": "boss@example.com"}
    project.run("manage.py", "createsuperuser", "--noinput")
    celery = [
        "-m",
        "celery",
        "--workdir",
        str(project.folder),
        "-A",
        "shop",
        "worker",
        "-B",
        "--concurrency=1",
    ]
    schedule = ["--schedule", str(tmp_path / "beat"), "--pool=threads", "--loglevel=warning"]
    with Child("--exec", str(project.python), *celery, *schedule, folder=tmp_path, env=project.env) as child:
        assert "MADE BY boss@example.com" in project.shell(ACCOUNT.format(port=server.port))
        assert project.shell(LOOK).count(" 200") == 5
        project.shell(SEND)

        assert server.wait_for(lambda: bool(server.messages), seconds=120), child.said()
    (mail,) = server.messages
    assert (mail.mail_from, mail.recipients) == ("shop@example.com", ("anna@example.net",))


def with_mailers(settings: str) -> str:
    """The settings with the line for Django 6.1 and later, instead of the one for those before."""
    lines = [line for line in settings.splitlines() if not line.startswith("EMAIL_BACKEND")]
    return "\n".join(line.removeprefix("# ") if line.startswith("# MAILERS") else line for line in lines)
