"""Pictures of pages for people to look at: kept where SCREENSHOTS names a folder, else not taken."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page

Scheme = Literal["light", "dark"]


def snap(page: Page, name: str) -> None:
    """The whole page as it is."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def take(page: Page, name: str) -> None:
    """The whole page as it is, in the dark, and on a narrow screen."""
    folder = os.environ.get("SCREENSHOTS")
    if not folder:
        return
    wide = page.viewport_size or {"width": 1280, "height": 900}
    variants: tuple[tuple[str, Scheme, int], ...] = (
        ("wide", "light", wide["width"]),
        ("dark", "dark", wide["width"]),
        ("narrow", "light", 390),
    )
    for label, scheme, width in variants:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": wide["height"]})
        page.screenshot(path=Path(folder) / f"{name}-{label}.png", full_page=True)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": wide["width"], "height": wide["height"]})
