"""A host project need not have the admin, DRF or Celery."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys

for name in ("celery", "rest_framework", "drf_spectacular"):
    sys.modules[name] = None  # as if it were not installed

import django
from django.conf import settings

settings.configure(
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "mailconfig"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    FIELD_ENCRYPTION_KEY="bm90LWEtcmVhbC1rZXktLW9ubHktZm9yLXRlc3RzISE=",
    SECRET_KEY="not-a-real-secret-key",
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()
from django.core.management import call_command
from django.template import engines

call_command("migrate", verbosity=0)
print(engines["django"].from_string("rendered").render())
"""


def test_it_loads_migrates_and_renders_in_a_project_with_nothing_else() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "rendered\n", done.stderr
