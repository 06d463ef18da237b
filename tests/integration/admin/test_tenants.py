"""The pages of tenants."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import PROTECT
from django.test import Client
from django.test.utils import CaptureQueriesContext

from mailconfig.models import Suppression, Tenant, WebhookDelivery, WebhookEndpoint
from tests.factories import make_account, make_tenant

from .conftest import permitted
from .pages import admin_url

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]


def fill(tenant: Tenant, count: int) -> None:
    """A webhook with so many events, and so many suppressed addresses."""
    endpoint = WebhookEndpoint.objects.create(
        tenant=tenant, url="https://hooks.example.com/mail", kinds=["message.settled"]
    )
    WebhookDelivery.objects.bulk_create(
        WebhookDelivery(endpoint=endpoint, kind="message.settled") for _ in range(count)
    )
    Suppression.objects.bulk_create(
        Suppression(tenant=tenant, address=f"{number}@example.net", reason="bounce")
        for number in range(count)
    )


def test_the_page_that_asks_before_it_deletes_counts_what_goes_with_a_tenant(client: Client) -> None:
    small, large = make_tenant(), make_tenant()
    fill(small, 2)
    fill(large, 2000)
    queries, texts = [], []
    for tenant in (small, small, large):
        with CaptureQueriesContext(connection) as captured:
            page = client.get(admin_url("tenant", "delete", tenant.pk))
        assert page.status_code == 200
        queries.append(len(captured))
        texts.append(page.content.decode())

    assert queries[1] == queries[2]
    assert "suppressed addresses: 2000" in texts[2].lower()
    assert "@example.net" not in texts[2]
    assert len(texts[2]) < len(texts[1]) + 100

    client.post(admin_url("tenant", "delete", large.pk), {"post": "yes"})
    assert not Tenant.objects.filter(pk=large.pk).exists()
    assert Suppression.objects.count() == WebhookDelivery.objects.count() == 2


def test_a_tenant_stays_whose_rows_in_the_projects_own_tables_protect_it(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = make_tenant()
    fill(tenant, 3)
    # As a table of the project may have it.
    monkeypatch.setattr(Suppression._meta.get_field("tenant").remote_field, "on_delete", PROTECT)

    page = client.post(admin_url("tenant", "delete", tenant.pk), {"post": "yes"})

    assert "suppressed addresses: 3" in page.content.decode().lower()
    assert Tenant.objects.filter(pk=tenant.pk).exists()


def test_a_tenant_stays_while_it_has_accounts_and_for_whoever_may_not_delete_what_goes_with_it(
    client: Client,
) -> None:
    tenant = make_tenant()
    fill(tenant, 1)
    account = make_account(tenant=tenant, name="Of the tenant")
    page = client.post(admin_url("tenant", "delete", tenant.pk), {"post": "yes"})
    assert "Accounts that belong to it: 1" in page.content.decode()
    assert Tenant.objects.filter(pk=tenant.pk).exists()

    account.delete()
    few = permitted("few", "view_tenant", "change_tenant", "delete_tenant")
    tenant.members.add(get_user_model().objects.get(username="few"))
    page = few.post(admin_url("tenant", "delete", tenant.pk), {"post": "yes"})
    assert page.status_code == 403
    assert Tenant.objects.filter(pk=tenant.pk).exists()
