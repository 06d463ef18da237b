"""The demo's pages for its API: the document in Swagger UI and ReDoc, out of packages alone, and the tokens; and its sign-in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.servers.demo import Demo, running

from .pictures import take

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running(tmp_path_factory.mktemp("demo") / "var") as started:
        yield started


@pytest.fixture
def left() -> list[str]:
    """Requests that would have left this machine; the test fails of any."""
    return []


def opened(browser: Browser, demo: Demo, left: list[str], *, scripts: bool = True) -> BrowserContext:
    """A browser that reaches the demo, and notes what it wants of anybody else."""
    context = browser.new_context(
        base_url=demo.said["url"],
        viewport={"width": 1280, "height": 900},
        java_script_enabled=scripts,
    )

    def decide(route: Route) -> None:
        url = route.request.url
        # Its sign-in service has another port.
        if urlsplit(url).hostname == urlsplit(demo.said["url"]).hostname:
            route.continue_()
        else:
            left.append(url)
            route.abort()

    context.route("**/*", decide)
    return context


@pytest.fixture
def page(browser: Browser, demo: Demo, left: list[str]) -> Iterator[Page]:
    """A stranger's page."""
    context = opened(browser, demo, left)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.wait_for_load_state("networkidle")
    context.close()
    assert left == []
    assert errors == []


@pytest.fixture
def plain_page(browser: Browser, demo: Demo, left: list[str]) -> Iterator[Page]:
    """A page of the admin in a browser without JavaScript."""
    context = opened(browser, demo, left, scripts=False)
    page = context.new_page()
    page.goto("/admin/tokens/")
    page.fill("#id_username", demo.said["admin"]["username"])
    page.fill("#id_password", demo.said["admin"]["password"])
    page.click("input[type=submit]")
    yield page
    context.close()
    assert left == []


def paths(demo: Demo) -> set[str]:
    """Those of the document that is served."""
    return set(json.loads(demo.get("/mailconfig/openapi.json").body)["paths"])


def test_swagger_ui_lists_every_operation_and_tries_one_with_a_token(page: Page, demo: Demo) -> None:
    page.goto("/")
    take(page, "demo-home")
    page.click(".cards >> text=Swagger UI")
    expect(page.locator(".opblock").first).to_be_visible()
    take(page, "swagger")

    listed = {text.replace("\u200b", "") for text in page.locator(".opblock-summary-path").all_inner_texts()}
    assert listed == paths(demo)
    assert listed

    page.click("button.authorize")
    page.fill(".modal-ux input", demo.said["token"])
    page.click(".modal-ux button.authorize")
    page.click(".modal-ux button.btn-done")
    row = page.locator(".opblock-get", has_text="List the providers")
    row.locator(".opblock-summary-control").click()
    row.locator("button.try-out__btn").click()
    row.locator("button.execute").click()
    expect(row.locator(".live-responses-table tbody .response-col_status")).to_contain_text("200")


def test_redoc_lists_every_operation(page: Page, demo: Demo) -> None:
    page.goto("/")
    page.click(".cards >> text=ReDoc")
    expect(page.get_by_role("heading", name="List the providers")).to_be_visible()
    take(page, "redoc")

    content = page.locator(".redoc-wrap").inner_text()
    assert {path for path in paths(demo) if path not in content} == set()
    # The search runs in a worker.
    page.fill("input[placeholder='Search...']", "configure")
    expect(page.locator("[data-role='search:results']")).to_contain_text("Configure a new provider")


def test_a_token_is_made_and_revoked_without_javascript(plain_page: Page, demo: Demo) -> None:
    page = plain_page
    page.select_option("#id_lifetime", "1 hour")
    take(page, "tokens")
    page.click("input[value='Create token']")
    value = page.locator(".new-token .value").inner_text()
    take(page, "tokens-new")
    bearer = {"Authorization": f"Bearer {value}"}
    assert demo.request("GET", "/api/v2/mail/providers", bearer).status == 200

    page.goto("/admin/tokens/")
    expect(page.locator("body")).not_to_contain_text(value)
    page.get_by_role("button", name=f"Revoke {value[:10]}").click()

    expect(page.locator(".messagelist")).to_contain_text("is refused from now on")
    take(page, "tokens-revoked")
    assert demo.request("GET", "/api/v2/mail/providers", bearer).status == 401


def test_an_account_is_connected_and_the_connection_works(page: Page, demo: Demo) -> None:
    page.goto(urlsplit(demo.said["to_connect"]).path)
    page.fill("#id_username", demo.said["admin"]["username"])
    page.fill("#id_password", demo.said["admin"]["password"])
    page.click("input[type=submit]")
    for button in ("Refuse", "Accept"):
        page.get_by_role("link", name="Connect", exact=True).click()
        page.get_by_role("button", name="Sign in and connect").click()
        expect(page.locator("body")).to_contain_text("asks to send mail as sales@acme.example")
        page.get_by_role("button", name=button).click()
        said = "Nobody agreed" if button == "Refuse" else "The connection works"
        expect(page.locator(".messagelist")).to_contain_text(said)
    expect(page.get_by_role("link", name="Connect again")).to_be_visible()
    take(page, "demo-connected")
