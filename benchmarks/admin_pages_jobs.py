"""Asks for the pages of the admin, in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection
from django.db.models import Model
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext, setup_test_environment, teardown_test_environment
from django.urls import include, path, reverse

from mailconfig.models import (
    AccountKind,
    Mailbox,
    Message,
    OutboundEmail,
    Recipient,
    SMTPProvider,
    Tenant,
    TenantMailConfig,
)
from mailconfig.values import Secret

from .admin_rows import PATTERN

MEMBER_TENANTS = 500
"""Tenants of the person whose pages are asked for beside those of who sees everything: 2,000 accounts of ten thousand."""
MOST_FILTERS = 3
"""Choices of one filter that are tried: the first ones, as a person would."""
urlpatterns = [path("admin/", admin.site.urls), path("", include("mailconfig.urls"))]


def make_patterns() -> None:
    """Store an account of each kind, and somebody who may see everything."""
    get_user_model().objects.create_superuser("admin")
    owner = get_user_model().objects.create_user("owner")
    tenant = Tenant.objects.create(slug=PATTERN, name="Tenant")
    for model in (OutboundEmail, SMTPProvider, TenantMailConfig, Mailbox):
        model.objects.create(
            kind=AccountKind(model.kind_of_class),
            name=PATTERN,
            owner=owner if model in {OutboundEmail, Mailbox} else None,
            tenant=tenant,
            from_email="desk@example.com",
            host="smtp.example.com",
            port=587,
            security="starttls",
            authentication="password",
            username="desk@example.com",
            secret=Secret("not-a-real-password"),
            limit_count=100,
            limit_period=60,
            limit_per_day=2000,
        )


def measure(rounds: int) -> dict[str, Any]:
    """Milliseconds and statements of each page, by its name."""
    client = Client()
    client.force_login(get_user_model().objects.get(username="admin"))
    with override_settings(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["testserver"], DEBUG=False):
        setup_test_environment()  # answers tell what they were drawn from
        pages = list(_pages(client))
        teardown_test_environment()
        costs = {name: _cost(client, url, rounds) for name, url in pages}
        member = _member()
        for name in ("hourfigures", "message", "attempt"):
            url = reverse(f"admin:mailconfig_{name}_changelist")
            costs[f"{name} list of staff of {MEMBER_TENANTS} tenants"] = _cost(member, url, rounds)
        return costs


def _member() -> Client:
    """Somebody of the staff who belongs to some tenants, and may see what is theirs."""
    user = get_user_model().objects.create_user("member", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="mailconfig", codename__startswith="view_")
    )
    user.mail_tenants.set(Tenant.objects.exclude(slug=PATTERN).order_by("pk")[:MEMBER_TENANTS])
    client = Client()
    client.force_login(user)
    return client


def _cost(client: Client, url: str, rounds: int) -> dict[str, Any]:
    _get(client, url)  # what all answers share is loaded
    with CaptureQueriesContext(connection) as captured:
        _get(client, url)
    queries = [(float(query["time"]), query["sql"]) for query in captured.captured_queries]
    took, processor, of_database = [], [], _database_processor()
    for _ in range(rounds):
        begun, used = time.perf_counter(), time.process_time()
        _get(client, url)
        took.append((time.perf_counter() - begun) * 1000)
        processor.append((time.process_time() - used) * 1000)
    return {
        "ms": took,
        "cpu_ms": processor,
        "database_cpu_ms": (_database_processor() - of_database) * 1000 / rounds,
        "statements": len(queries),
        "database_ms": 1000 * sum(seconds for seconds, _sql in queries),
        "slowest": max(queries, default=(0.0, ""))[1][:4000],
    }


def _database_processor() -> float:
    """Return the seconds of processor that our connection's process has used; 0 where it runs on another machine.

    ``/proc/<pid>/schedstat`` counts nanoseconds. What workers of a parallel query use is not in it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone()
    with suppress(OSError):
        return int(Path(f"/proc/{backend}/schedstat").read_text().split()[0]) / 1e9
    return 0.0


def _get(client: Client, url: str) -> Any:
    answer = client.get(url)
    if answer.status_code != 200:
        raise RuntimeError(f"{url} answered {answer.status_code}: {answer.content[:500]!r}")
    return answer


def _pages(client: Client) -> Iterator[tuple[str, str]]:
    """Names and URLs of all pages that the registry leads to."""
    yield "front page", reverse("admin:index")
    yield "dashboard", reverse("admin:app_list", args=["mailconfig"])
    for model, model_admin in admin.site._registry.items():
        if model._meta.app_label == "mailconfig":
            yield from _of_model(client, model, model_admin)


def _of_model(client: Client, model: type[Model], model_admin: Any) -> Iterator[tuple[str, str]]:
    name = model._meta.model_name or ""
    listed = reverse(f"admin:mailconfig_{name}_changelist")
    yield f"{name} list", listed
    context = _get(client, listed).context
    if "cl" not in context:  # a page of its own in a list's place
        return
    shown = context["cl"]
    yield from _filtered(name, listed, shown)
    if shown.search_fields:
        for what, term in _terms(model).items():
            yield f"{name} search {what}", f"{listed}?q={term}"
    rows = list(shown.result_list)
    pages = {
        f"{name} page": [f"admin:mailconfig_{name}_change", rows[0].pk] if rows else [],
        f"{name} history": [f"admin:mailconfig_{name}_history", rows[0].pk] if rows else [],
        f"{name} add": [f"admin:mailconfig_{name}_add"],
    }
    for what, (view, *keys) in ((what, found) for what, found in pages.items() if found):
        url = reverse(view, args=keys)
        if client.get(url).status_code == 200:  # others lead elsewhere, or are nobody's to see
            yield what, url
    if model is Message:
        yield from _of_big_account(listed, pages=shown.paginator.num_pages)


def _filtered(name: str, listed: str, shown: Any) -> Iterator[tuple[str, str]]:
    for spec in shown.filter_specs:
        for number, choice in enumerate(list(spec.choices(shown))[1 : 1 + MOST_FILTERS], 1):
            yield f"{name} list {spec.title} {number}", f"{listed}{choice['query_string']}"


def _terms(model: type[Model]) -> dict[str, str]:
    """Return what a person looks for: what is nowhere, and of mail what is old and what is part of something."""
    if model is not Message:
        return {"part": "desk", "nothing": "zzzz-nowhere"}
    old = Recipient.objects.order_by("pk").first()
    given = Message.objects.exclude(given_message_id=None).order_by("pk").first()
    own = Message.objects.filter(given_message_id=None).order_by("pk").first()
    terms = {
        "part of address": "ohn.",
        "domain": "@customer2.example.net",
        "part of subject": "oice",
        "nothing": "zzzz-nowhere",
        "nothing with an @": "zzzz@nowhere.example",
    }
    if old is not None and given is not None and own is not None:
        terms |= {
            "oldest address": old.address,
            "part of oldest address": old.address[3:14],
            "oldest number": f"number {old.pk}%20of",
            "Message-ID": str(given.given_message_id),
            "own Message-ID": own.message_id,
            "uuid": str(own.uuid),
        }
    return terms


def _of_big_account(listed: str, *, pages: int) -> Iterator[tuple[str, str]]:
    """Lists of the account with a fifth of all mail."""
    first = Message.objects.order_by("account_id").values_list("account_id", flat=True).first()
    base = f"{listed}?account__id__exact={first}"
    yield "message list of large account", base
    yield "message list of large account, waiting", f"{base}&state=waiting"
    yield "message search in large account", f"{base}&q=zzzz-nowhere"
    yield "message search among failed", f"{listed}?state=failed&q=zzzz-nowhere"
    yield "message list page 50", f"{listed}?p={min(50, pages)}"
