"""Somebody opts out in a browser, in English and Japanese, on a desk and on a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from mailconfig.delivery.queue.opt_out_links import Wish, token_of
from mailconfig.models import Suppression
from tests.factories import make_mailbox, make_message

from .pictures import take

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize(
    ("language", "width", "button"),
    [("en", 1280, "Unsubscribe"), ("ja", 390, "配信停止")],
    ids=["desk", "phone"],
)
def test_a_person_opts_out(
    browser: Browser, live_server: LiveServer, language: str, width: int, button: str
) -> None:
    mailbox = make_mailbox()
    address = f"{'somebody.with.a.long.name' * 3}@example.net"
    message = make_message(mailbox, to=["them@example.net"])
    token = token_of(Wish(tenant_id=None, address=address, account_id=mailbox.pk, message_uuid=message.uuid))
    context = browser.new_context(locale=language, viewport={"width": width, "height": 800})
    page = context.new_page()
    broken: list[str] = []
    page.on("console", lambda said: broken.append(said.text) if said.type == "error" else None)
    page.goto(f"{live_server.url}/unsubscribe/{token}")
    take(page, f"opting-out-{language}")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert not Suppression.objects.exists()
    page.get_by_role("button", name=button).click()
    expect(page.get_by_role("status")).to_contain_text(address)
    take(page, f"opted-out-{language}")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert Suppression.objects.get().address == address
    assert not [text for text in broken if "favicon" not in text]
    context.close()
