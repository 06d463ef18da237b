"""Cloning an account fills in the form of a new one, and takes no secret along."""

from __future__ import annotations

import pytest
from django.test import Client

from mailconfig.values import Secret
from tests.factories import make_mailbox

from .conftest import permitted
from .pages import LOGIN, SECRET, admin_url

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]


def test_the_form_of_a_new_account_is_filled_in_without_secrets(client: Client) -> None:
    mailbox = make_mailbox(
        2599,
        name="Front desk",
        username=LOGIN,
        secret=Secret(SECRET),
        limit_per_day=77,
        imap_host="imap.example.net",
    )
    url = f"{admin_url('mailbox', 'add')}?like={mailbox.pk}"
    assert url in client.get(admin_url("mailbox", "change", mailbox.pk)).content.decode()

    answer = client.get(url)

    form = answer.context["adminform"].form
    shown = {name: form[name].value() for name in ("name", "port", "username", "limit_per_day", "imap_host")}
    assert shown == {
        "name": "Copy of Front desk",
        "port": 2599,
        "username": LOGIN,
        "limit_per_day": 77,
        "imap_host": "imap.example.net",
    }
    assert not form["secret"].value()
    assert SECRET not in answer.content.decode()


def test_who_may_not_see_an_account_clones_nothing(client: Client) -> None:
    mailbox = make_mailbox(name="Front desk")
    page = permitted("dave", "add_mailbox").get(f"{admin_url('mailbox', 'add')}?like={mailbox.pk}")
    assert page.status_code == 200
    assert "Front desk" not in page.content.decode()
    assert (
        "?like="
        not in permitted("erin", "view_mailbox")
        .get(admin_url("mailbox", "change", mailbox.pk))
        .content.decode()
    )
    for nonsense in ("0", "x", "9" * 30, str(10**9)):
        assert client.get(f"{admin_url('mailbox', 'add')}?like={nonsense}").status_code == 200
