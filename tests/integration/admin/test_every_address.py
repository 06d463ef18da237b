"""What each address of our admin owes, asked of all that the registry has: new pages are asked with the others."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from mailconfig.models import Account, Mailbox, Message, OAuth2Client, OutboundEmail, SMTPProvider
from mailconfig.values import Secret
from tests.canary import CANARY, hits
from tests.factories import make_user

from .neighbours import make_neighbours

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]


@pytest.fixture
def rows(db: None) -> dict[type[Model], Model]:
    """A row in each table, with the canary wherever there is a secret."""
    neighbours = make_neighbours()
    rows = {**neighbours["nobody"], **neighbours["acme"]}
    for model in (OutboundEmail, SMTPProvider, Mailbox, OAuth2Client):
        row = rows[model]
        row.secret = Secret(CANARY)  # type: ignore[attr-defined]  # each has one
        if isinstance(row, Mailbox):
            row.imap_secret = row.sendgrid_secret = Secret(CANARY)
        row.save()
    rows[Account] = Account.objects.get(pk=rows[Mailbox].pk)
    return rows


def addresses(rows: dict[type[Model], Model]) -> Iterator[str]:
    """Every address of the admin that is ours, of the rows that there are."""
    for model, page in admin.site._registry.items():
        if model._meta.app_label != "mailconfig":
            continue
        row = rows.get(model)
        given = {"object_id": row.pk if row else 1, "name": "cancel", "draft_id": uuid.UUID(int=1)}
        for pattern in page.get_urls():
            if pattern.name:
                wanted = {name: given[name] for name in pattern.pattern.converters}
                yield reverse(f"admin:{pattern.name}", kwargs=wanted)
    yield reverse("admin:app_list", args=["mailconfig"])


def test_nothing_is_done_for_a_form_of_another_site(rows: dict[type[Model], Model]) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("root", is_staff=True, is_superuser=True))
    wrong = {address: client.post(address).status_code for address in addresses(rows)}
    assert len(wrong) > 100
    assert {address: status for address, status in wrong.items() if status != 403} == {}
    assert Message.objects.filter(state="cancelled").count() == 0


def test_who_is_not_logged_in_is_asked_to_log_in(rows: dict[type[Model], Model]) -> None:
    client = Client()
    for address in addresses(rows):
        for answer in (client.get(address), client.post(address)):
            assert answer.status_code == 302, address
            assert answer["Location"].startswith(reverse("admin:login")), address


def test_no_page_gives_a_secret_away_or_breaks(rows: dict[type[Model], Model], client: Client) -> None:
    assert Mailbox.objects.get(pk=rows[Mailbox].pk).has_secret
    found = []
    for address in addresses(rows):
        answer = client.get(address)
        assert answer.status_code < 500, address
        found += hits(address, answer.getvalue())
    assert not found
