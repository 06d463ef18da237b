"""The tenant's suppression list over the email service."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from mailconfig.models import Suppression
from tests.factories import make_tenant, make_user

pytestmark = pytest.mark.django_db

PATH = "/email-service/suppressions"


def test_entries_are_listed_added_once_and_removed_within_a_tenant() -> None:
    tenant, user = make_tenant(slug="acme"), make_user("bob")
    tenant.members.add(user)
    codenames = [f"{action}_suppression" for action in ("view", "add", "delete")]
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    foreign = Suppression.objects.create(tenant=make_tenant(), address="x@example.net", reason="manual")
    call = _calls(user)

    status, first = call("post", PATH, {"address": "Them@example.net", "note": "by phone"})
    assert (status, first["address"], first["reason"], first["created_by"]) == (
        201,
        "them@example.net",
        "manual",
        "bob",
    )
    assert call("post", PATH, {"address": "them@EXAMPLE.net"}) == (200, first)
    _status, domain = call("post", PATH, {"address": "example.org", "reason": "complaint"})
    assert call("get", PATH) == (200, {"suppressions": [domain, first], "next_before": None})
    assert call("get", f"{PATH}?limit=1") == (200, {"suppressions": [domain], "next_before": domain["id"]})
    assert call("get", f"{PATH}?limit=1&before={domain['id']}")[1]["suppressions"] == [first]
    assert call("get", f"{PATH}?address=THEM@example.net&reason=manual")[1]["suppressions"] == [first]
    for query in ("reason=because", "address=x", "limit=0", "limit=1001", "before=x", "sort=id"):
        assert call("get", f"{PATH}?{query}")[0] == 400, query
    for method in ("get", "delete"):
        assert call(method, f"{PATH}/{foreign.pk}")[0] == 404
    assert call("delete", f"{PATH}/{first['id']}")[0] == 204
    assert set(Suppression.objects.values_list("address", flat=True)) == {"example.org", "x@example.net"}


@pytest.mark.postgres
def test_an_address_is_found_by_the_index_of_the_list() -> None:
    tenant, user = make_tenant(slug="acme"), make_user("root", is_superuser=True)
    Suppression.objects.bulk_create(
        Suppression(tenant=tenant, address=f"{number}@example.net", reason="bounce") for number in range(2000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE mailconfig_suppression")
        with CaptureQueriesContext(connection) as asked:
            assert len(_calls(user)("get", f"{PATH}?address=7@example.net")[1]["suppressions"]) == 1
        (sql,) = (query["sql"] for query in asked if 'FROM "mailconfig_suppression"' in query["sql"])
        cursor.execute(f"EXPLAIN {sql}")
        plan = "\n".join(row for (row,) in cursor.fetchall())
    assert "Index Cond: ((COALESCE(tenant_id" in plan, plan


def _calls(user: User) -> Any:
    client = Client()
    client.force_login(user)

    def call(method: str, path: str, body: object = None) -> tuple[int, Any]:
        data = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        response = getattr(client, method)(path, headers={"tenant": "acme"}, **data)
        return response.status_code, json.loads(response.content) if response.content else None

    return call
