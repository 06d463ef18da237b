"""Django settings of every process that the benchmarks start; the environment says which database and server."""

import base64
import hashlib
import os
from typing import Any

from tests import database_url

DATABASES = {"default": database_url.parse(os.environ["BENCH_DATABASE_URL"])}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SECRET_KEY = "not-a-real-secret-key-only-for-benchmarks"
FIELD_ENCRYPTION_KEY = base64.urlsafe_b64encode(hashlib.sha256(b"not a real key").digest()).decode()
USE_TZ = True
TIME_ZONE = "UTC"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    # Each subject has only its own, so that nobody carries the other's memory.
    *os.environ.get("BENCH_APPS", "mailconfig,post_office").split(","),
]
TEMPLATES: list[dict[str, Any]] = [
    {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}
]
# Only where pages of the admin are asked for.
if "BENCH_ADMIN" in os.environ:
    MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ]
    TEMPLATES[0]["OPTIONS"] = {
        "context_processors": [
            "django.template.context_processors.request",
            "django.contrib.auth.context_processors.auth",
            "django.contrib.messages.context_processors.messages",
        ]
    }
    STATIC_URL = "static/"
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": os.environ["BENCH_FOLDER"]},
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

MAILCONFIG: dict[str, Any] = {
    "ALLOWED_NETWORKS": ["127.0.0.0/8"],
    "ALLOWED_PORTS": None,
    "WINDOW": int(os.environ.get("BENCH_WINDOW", "1")),
    "STOP_SECONDS": float(os.environ.get("BENCH_STOP_SECONDS", "25")),
    **({"CONCURRENCY": int(os.environ["BENCH_CONCURRENCY"])} if "BENCH_CONCURRENCY" in os.environ else {}),
}

EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_HOST = "127.0.0.1"
EMAIL_PORT = int(os.environ.get("BENCH_SMTP_PORT", "25"))
# Empty is django-post-office as it comes.
POST_OFFICE: dict[str, Any] = (
    {"BATCH_SIZE": int(os.environ["BENCH_POST_OFFICE_BATCH"])}
    if "BENCH_POST_OFFICE_BATCH" in os.environ
    else {}
)
if "BENCH_POST_OFFICE_THREADS" in os.environ:
    POST_OFFICE["THREADS_PER_PROCESS"] = int(os.environ["BENCH_POST_OFFICE_THREADS"])

# Only where Celery takes part; everything else of it is as it comes.
CELERY_BROKER_URL = os.environ.get("BENCH_BROKER_URL", "memory://")
POST_OFFICE["CELERY_ENABLED"] = "BENCH_BROKER_URL" in os.environ
