"""The Celery app of the demo project."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery

from project import broker  # noqa: F401 - makes folder:// known

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

app = Celery("project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.on_after_finalize.connect
def _schedule(sender: Celery, **kwargs: Any) -> None:
    # Not in the settings: tasks import models, and those need the settings.
    from mailconfig.tasks import beat_schedule

    sender.conf.beat_schedule = beat_schedule()
