"""Settings of the demo project. They work as they are; the environment may name other servers.

``DEMO_DIR`` (the folder for everything), ``DATABASE_URL``, ``CELERY_BROKER_URL`` or ``REDIS_URL``.
"""

from __future__ import annotations

import os
from secrets import token_hex, token_urlsafe
from typing import Any

from cryptography.fernet import Fernet

from .certificate import certificate_file
from .databases import from_url, sqlite
from .folders import ROOT, RUN, kept, make

# Made at the first start and kept there: no key is in the repository.
SECRET_KEY = kept("secret-key", lambda: token_urlsafe(48))
FIELD_ENCRYPTION_KEY = kept("field-encryption-key", lambda: Fernet.generate_key().decode())

MAILCONFIG: dict[str, Any] = {
    "INSTALLATION_ID": kept("installation-id", lambda: f"demo-{token_hex(6)}"),
    "STORAGE": "mails",
    "EHLO_NAME": "localhost",
    # The demo's own mail server offers TLS as well, with a certificate that nobody else trusts.
    "CA_FILE": certificate_file(),
    # Relaxations for servers on this machine without TLS: for mail, the web and signing in. Never copy them: they
    # let anybody who may edit an account reach whatever listens here, and send passwords and tokens in the clear.
    "ALLOWED_NETWORKS": ["127.0.0.0/8", "::1/128"],
    "ALLOWED_PORTS": None,
    "ALLOW_PLAIN_LOGIN": True,
    "ALLOW_PLAIN_HTTP": True,
    "WEB_PORTS": None,
    "REQUIRE_HTTPS": False,
    # Whose account pauses reads of it in the demo's inbox.
    "PAUSE_NOTICES": "each",
    "PUBLIC_BASE_URL": os.environ.get("DEMO_URL") or None,
    "PII_RESOLVER": "project.directory.TableResolver",
}
EMAIL_BACKEND = "mailconfig.backend.EmailBackend"
DEFAULT_FROM_EMAIL = "support@acme.example"

DEBUG = False
# Browsers and most resolvers find every name below localhost on this machine: acme.localhost is a tenant's.
ALLOWED_HOSTS = ["localhost", ".localhost", "127.0.0.1", "[::1]"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "knox",
    "mailconfig",
    "project",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
LOGIN_URL = "admin:login"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
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

REST_FRAMEWORK = {
    # The first one's challenge goes out with each 401: WWW-Authenticate: Bearer.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "project.tokens.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
}
# Swagger UI and ReDoc out of their package.
SPECTACULAR_SETTINGS = {
    "SWAGGER_UI_DIST": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    # It would be asked, on somebody else's server, whether the document is valid.
    "SWAGGER_UI_SETTINGS": {"validatorUrl": None, "docExpansion": "list"},
}

DATABASE_URL = os.environ.get("DATABASE_URL", "")
DATABASES = {"default": from_url(DATABASE_URL) if DATABASE_URL else sqlite(make(RUN) / "db.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(RUN / "files")},
    },
    # Large mails: no URL leads here.
    "mails": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": str(RUN / "mails"),
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
STATIC_URL = "/static/"
# Static files straight from the packages, so that nothing need be collected.
WHITENOISE_USE_FINDERS = True

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

CELERY_BROKER_URL = os.environ.get("CELERY_BROKER_URL") or os.environ.get("REDIS_URL") or "folder://localhost"
if CELERY_BROKER_URL.startswith("folder:"):
    _tasks = str(make(RUN / "broker" / "tasks"))
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": _tasks,
        "data_folder_out": _tasks,
        "control_folder": str(make(RUN / "broker" / "control")),
        "polling_interval": 0.2,
    }
    # Its broadcasts would lie about in files that nobody reads.
    CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_SCHEDULE_FILENAME = str(RUN / "beat-schedule")
CELERY_TIMEZONE = "UTC"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "[%(asctime)s: %(levelname)s/%(name)s] %(message)s"}},
    "handlers": {
        "file": {
            "class": "logging.FileHandler",
            "filename": str(RUN / "web.log"),
            "formatter": "line",
            "delay": True,
        },
        "console": {"class": "logging.StreamHandler", "formatter": "line", "level": "ERROR"},
    },
    "root": {"handlers": ["file", "console"], "level": "INFO"},
    # Django's own handlers would say everything twice, and mail the administrators.
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        # The demo's mail server tells every line of every session, and warns of logins without TLS.
        "mail.log": {"level": "ERROR"},
    },
}
