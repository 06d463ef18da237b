"""Celery as it comes, for those subjects that have tasks: ``python -m celery -A benchmarks.celery_app worker``."""

from celery import Celery

app = Celery("benchmarks")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
