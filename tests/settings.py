"""Settings of the tests: the app with its relaxations for loopback servers, on the database TEST_DB names.

``TEST_DB``: ``sqlite`` (default) or ``postgres``. ``DATABASE_URL`` names a server of your own; without it
PostgreSQL comes from a wheel. Child processes inherit the test database through ``DATABASE_URL``, and what else a
test wants of them through ``TESTS_MAILCONFIG`` and ``TESTS_THEME``.
"""

import base64
import hashlib
import json
import os
import tempfile
from pathlib import Path
from secrets import token_hex
from typing import Any

from tests import database_url
from tests.servers import postgres

# Where the SQLite file and stored messages live. Only named here: tools read these settings and leave without a word,
# so tests/conftest.py makes it and removes it. Child processes inherit the name; each pytest worker has its own below.
FOLDER = Path(
    os.environ.setdefault(
        "TESTS_FOLDER", str(Path(tempfile.gettempdir()) / f"mailconfig-tests-{token_hex(6)}")
    ),
    os.environ.get("PYTEST_XDIST_WORKER", ""),
)


def _database() -> dict[str, Any]:
    """What TEST_DB and DATABASE_URL ask for."""
    url = os.environ.get("DATABASE_URL", "")
    wanted = os.environ.get("TEST_DB") or ("postgres" if url.startswith("postgres") else "sqlite")
    if wanted == "postgres":
        return database_url.parse(postgres.shared_url())
    if wanted != "sqlite":
        raise ValueError(f"TEST_DB must be sqlite or postgres, not {wanted!r}")
    database = database_url.parse(url if url.startswith("sqlite") else "sqlite://")
    # The tests use a file: several connections and WAL, as in real use.
    return database | {"TEST": {"NAME": str(FOLDER / "test.sqlite3")}}


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

SECRET_KEY = "not-a-real-secret-key-only-for-the-tests-of-mailconfig"
FIELD_ENCRYPTION_KEY = base64.urlsafe_b64encode(hashlib.sha256(b"not a real key").digest()).decode()
DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver", ".localhost"]
ROOT_URLCONF = "tests.urls"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
STATIC_URL = "/static/"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # logins by the hundred

INSTALLED_APPS = [
    # A theme of the admin, whose templates go before the admin's own.
    *filter(None, [os.environ.get("TESTS_THEME", "")]),
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.admin",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "knox",  # the tokens of the demo project
    "django_migration_linter",
    "mailconfig",
    "tests.secretapp",
]
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "tests.bearer.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
}
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(FOLDER / "storage")},
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

MAILCONFIG: dict[str, Any] = {
    "ALLOWED_NETWORKS": ["127.0.0.0/8", "::1/128"],
    "ALLOWED_PORTS": None,
    "ALLOW_PLAIN_LOGIN": True,
    "PII_RESOLVER": "tests.resolver.Resolver",
    # Nobody is there: a test that wants answers names a server of its own (tests/servers/name_server.py).
    "DNS_SERVERS": ["127.0.0.1:9"],
    # What a test wants to be otherwise in the processes it starts, as JSON.
    **json.loads(os.environ.get("TESTS_MAILCONFIG", "{}")),
}

JAZZMIN_SETTINGS = {"use_google_fonts_cdn": False}  # nothing is loaded from elsewhere

CELERY_BROKER_URL = os.environ.get("CELERY_BROKER_URL", "memory://")
CELERY_TASK_ALWAYS_EAGER = False
CELERY_TASK_IGNORE_RESULT = True
