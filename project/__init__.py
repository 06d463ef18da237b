"""The demo project: shows mailconfig at work, with the relaxations that a machine of one's own allows."""

from .celery import app as celery_app

__all__ = ["celery_app"]
