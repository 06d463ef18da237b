"""The tests. Importing the Celery app here makes it the one that shared tasks belong to."""

from tests.celery_app import app

__all__ = ["app"]
