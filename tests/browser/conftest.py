"""A browser, a page that is logged in, and a mail server that knows one login."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from tests.factories import PASSWORD, make_user
from tests.servers.chaos import ChaosServer
from tests.servers.children import Child, environment, until

CHROMIUM = "/usr/bin/chromium"
LOGIN = "bob@example.com"
SECRET = "not-a-real-password-of-bob"
PATIENCE = 20_000
"""Milliseconds that a busy machine has for what a page is to show."""
THEMES = {"stock": "", "jazzmin": "jazzmin", "unfold": "unfold"}
"""The app of each theme that host projects have."""
READY = "answers at port"

expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium of the Debian package."""
    # Playwright runs an event loop in this thread, and Django would refuse to query beside it.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    flags = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, live_server: LiveServer) -> Iterator[Page]:
    """A page of Alice, who may do everything, at the admin's start. Errors of scripts fail the test."""
    with logged_in(browser, live_server.url) as page:
        yield page


@contextmanager
def logged_in(browser: Browser, url: str, *, scripts: bool = True) -> Iterator[Page]:
    """A page of Alice, who is made for it, at the start of the admin that is served at ``url``."""
    make_user("alice", is_staff=True, is_superuser=True)
    window: ViewportSize = {"width": 1280, "height": 900}
    context = browser.new_context(base_url=url, viewport=window, java_script_enabled=scripts)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(f"{page.url}: {error.stack or error}"))
    page.goto("/admin/login/?next=/admin/mailconfig/")
    page.fill("[name=username]", "alice")
    page.fill("[name=password]", PASSWORD)
    page.click("[type=submit]")
    page.wait_for_url("**/admin/mailconfig/")
    yield page
    # What the server is still answering would meet a database that was taken away.
    page.wait_for_load_state("networkidle")
    context.close()
    assert not errors


def is_ready(child: Child) -> bool:
    """Whether it answers."""
    assert child.is_running, child.said()
    return READY in child.said()


@pytest.fixture(scope="session")
def themed(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The address of a web server for each theme."""
    folder = tmp_path_factory.mktemp("themes")
    with ExitStack() as stack:
        started = {
            theme: stack.enter_context(
                Child("-m", "tests.servers.themed", folder=folder, env={**environment(), "TESTS_THEME": app})
            )
            for theme, app in THEMES.items()
        }
        for child in started.values():
            until(partial(is_ready, child))
        yield {
            theme: f"http://127.0.0.1:{child.said().split(READY)[1].split()[0]}"
            for theme, child in started.items()
        }


@pytest.fixture(params=THEMES)
def theme(request: pytest.FixtureRequest) -> str:
    """One after another."""
    return str(request.param)


@pytest.fixture
def themed_page(
    theme: str, themed: dict[str, str], browser: Browser, transactional_db: None
) -> Iterator[Page]:
    """Alice's page under the theme."""
    with logged_in(browser, themed[theme]) as page:
        yield page


def unfold(page: Page) -> None:
    """Open what is folded away in the page's form."""
    page.evaluate("document.querySelectorAll('form details').forEach((part) => { part.open = true; })")


@pytest.fixture
def server() -> Iterator[ChaosServer]:
    """A mail server that takes LOGIN with SECRET, without encryption."""
    with ChaosServer(credentials={LOGIN: SECRET}, auth_in_clear=True) as server:
        yield server
