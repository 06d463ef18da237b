"""Schedulers that keep the beat's entries in a database: what no worker took in time is thrown away all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from mailconfig import tasks
from mailconfig.models import Installation

SETTINGS = """
from tests.settings import *
INSTALLED_APPS = [*INSTALLED_APPS, "django_celery_beat"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
CELERY_BROKER_URL = "memory://"
"""
SCRIPT = """
import django
django.setup()
from celery import Celery
from django.core.management import call_command
from mailconfig import tasks
call_command("migrate", verbosity=0)
app = Celery("beat", broker="memory://")
app.conf.beat_schedule = tasks.beat_schedule()
app.set_default()
app.loader.import_default_modules()
from django_celery_beat.schedulers import DatabaseScheduler
scheduler = DatabaseScheduler(app=app)
for name, entry in sorted(scheduler.schedule.items()):
    if name.startswith("mailconfig"):
        scheduler.apply_async(entry, advance=False)
with app.connection_for_read() as connection:
    queue = connection.SimpleQueue("celery")
    for _ in range(3):
        message = queue.get(timeout=5)
        print(message.headers["task"], bool(message.headers["expires"]))
"""


def test_entries_that_lost_their_options_expire(tmp_path: Path) -> None:
    pytest.importorskip("django_celery_beat", reason="its releases follow Django's at a distance")
    (tmp_path / "beat_settings.py").write_text(SETTINGS)
    root = Path(__file__).parents[3]
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "beat_settings",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(root)]),
        "TEST_DB": "sqlite",
    }

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "mailconfig.purge True",
        "mailconfig.ring True",
        "mailconfig.sweep True",
    ]


def test_the_limit_is_the_time_between_two(settings: Settings) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "RING_SECONDS": 2.0, "SWEEP_SECONDS": 20.0}

    assert (tasks.ring.expires, tasks.sweep.expires, tasks.purge.expires) == (2.0, 20.0, 3600.0)


@pytest.mark.django_db(transaction=True)
def test_a_sweep_that_comes_late_finds_it_done() -> None:
    then = timezone.now()
    Installation.objects.create(name="", swept_at=then)

    for _ in range(100):
        tasks.sweep()

    assert Installation.objects.get().swept_at == then
    Installation.objects.update(swept_at=then - timedelta(seconds=60))
    tasks.sweep()
    assert Installation.objects.filter(swept_at__gte=then).exists()
