"""Words that people may not know are explained on a page to which those lead that use them."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from mailconfig.admin.account_links import account_url
from mailconfig.admin.words import WORDS
from tests.factories import make_account, make_message, make_user

from .pages import admin_url

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]
PAGE = "/admin/mailconfig/account/words/"


def test_whoever_may_enter_the_admin_may_read_them() -> None:
    client = Client()
    client.force_login(make_user("clerk", is_staff=True))

    text = client.get(PAGE).content.decode()

    assert re.findall(r'<dt id="([a-z0-9-]+)">', text) == [word.anchor for word in WORDS]
    assert len({word.anchor for word in WORDS}) == len(WORDS)


def test_pages_that_use_them_lead_there(client: Client) -> None:
    account = make_account()
    pages = (
        admin_url("smtpprovider", "add"),
        account_url(account, admin.site),
        admin_url("message", "change", make_message(account).pk),
        reverse("admin:app_list", args=["mailconfig"]),
    )
    for page in pages:
        assert f'<a href="{PAGE}">Words explained</a>' in client.get(page).content.decode(), page


def test_they_are_in_the_readers_language(client: Client) -> None:
    text = client.get(PAGE, headers={"Accept-Language": "ja"}).content.decode()
    assert "メールボックス" in text
    assert "The way in which mail" not in text
