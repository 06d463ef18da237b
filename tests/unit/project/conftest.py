"""The demo's own pages, under the settings of the tests."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from project.folders import ROOT


@pytest.fixture
def demo_pages(settings: Settings) -> None:
    """Its URLs and its templates."""
    settings.ROOT_URLCONF = "project.urls"
    settings.TEMPLATES = [settings.TEMPLATES[0] | {"DIRS": [ROOT / "templates"]}]
