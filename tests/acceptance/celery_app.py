"""The tests' Celery app as a host sets it up: the schedule, and a broker in a folder if there is no other."""

import os
from typing import Any

from celery import Celery

from project import broker  # noqa: F401 - makes folder:// known
from tests.celery_app import app

app.conf.broker_connection_retry_on_startup = True
if folder := os.environ.get("TESTS_BROKER_FOLDER"):
    app.conf.broker_transport_options = {
        "data_folder_in": folder,
        "data_folder_out": folder,
        "control_folder": f"{folder}-control",
        "polling_interval": 0.1,
    }
    app.conf.worker_enable_remote_control = False


@app.on_after_finalize.connect
def _schedule(sender: Celery, **kwargs: Any) -> None:
    from mailconfig.tasks import beat_schedule

    sender.conf.beat_schedule = beat_schedule()
    sender.conf.beat_max_loop_interval = 0.2
