"""The demo project as a Django app: its commands, pages and static files."""

from __future__ import annotations

from django.apps import AppConfig


class DemoConfig(AppConfig):
    """Makes the tokens known to OpenAPI documents."""

    name = "project"

    def ready(self) -> None:
        """Register the extension: drf-spectacular finds what is imported."""
        # Not beside the class it describes: DRF imports that one while drf-spectacular still waits for DRF.
        from .tokens import schema  # noqa: F401
