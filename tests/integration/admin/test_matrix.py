"""Every role at every page and every post of the admin: a table of what each needs, and no address without a row in it.

A row says which permissions open a page or a post: ``view`` and such are those of the page's own model, ``kinds:view`` those of any
kind of account, ``a|b`` either, ``a+b`` both, ``-`` nobody's, ``*`` anybody's on the staff. What is out of reach is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from mailconfig.models import Account, SMTPProvider, Tenant
from mailconfig.values import Secret
from tests.factories import make_user
from tests.servers.chaos import ChaosServer

from .neighbours import make_neighbours
from .pages import LOGIN, SECRET, entered

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]

KINDS = ("outboundemail", "smtpprovider", "tenantmailconfig", "mailbox")
READ_ONLY = ("accountchange", "attempt", "bounce", "connectioncheck", "message", "syncedmessage", "worker")

OF_ALL = {"changelist": "view|change", "add": "add", "change": "view|change", "history": "view|change", "delete": "delete"}  # fmt: skip
OF_READ_ONLY = {"changelist": "view", "add": "-", "change": "view", "history": "view", "delete": "-"}
OF_KINDS = OF_ALL | {"pause": "change", "test_mail": "view|change+send_test_mail"}
POST_ONLY = {"resume", "test", "test_sync", "arrival", "act", "secret"}

PAGES: dict[str, dict[str, str]] = {
    **dict.fromkeys(KINDS, OF_KINDS),
    **dict.fromkeys(READ_ONLY, OF_READ_ONLY),
    **dict.fromkeys(("oauth2client", "webhookendpoint"), OF_ALL),
    "tenant": OF_ALL | {"add": "add+see_all_tenants"},
    "message": OF_READ_ONLY
    | dict.fromkeys(("content", "html", "source"), "view+view_content")
    | {"bulk": "view+manage_message"},
    "syncedmessage": OF_READ_ONLY | {"html": "view+view_synced_content"},
    "eventwebhook": OF_ALL | {"add": "add+kinds:view|kinds:change"},
    "suppression": OF_ALL | {"change": "view", "history": "view", "changelist": "view", "import": "add"},
    "hourfigures": dict.fromkeys(("changelist", "fragment", "json", "csv"), "view_hourfigures"),
    "account": {
        "changelist": "kinds:view|kinds:change",
        "add": "kinds:add",
        **dict.fromkeys(("change", "history", "delete"), "kinds:view|kinds:change"),
        **dict.fromkeys(("watch", "words"), "*"),
        **dict.fromkeys(("import", "import_rows"), "kinds:add|kinds:change"),
    },
}  # fmt: skip
"""Pages that are looked at, by model."""

ON_ACCOUNTS: dict[str, tuple[str, dict[str, Any]]] = {
    "pause": ("change", {"reason": "matrix"}),
    "resume": ("change", {}),
    "test": ("view|change+test_account", {}),
    "test_mail": ("view|change+send_test_mail", {"recipient": "carol@example.net"}),
    "change": ("change", {"name": "matrix"}),
    "delete": ("delete", {"post": "yes"}),
}
POSTS: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {
    **{(kind, page): row for kind in KINDS for page, row in ON_ACCOUNTS.items()},
    **{(kind, "arrival"): ("view|change+test_account", {}) for kind in KINDS},
    ("mailbox", "test_sync"): ("view|change+test_account", {}),
    ("smtpprovider", "change:secret"): ("change;set_secret", {"username": LOGIN, "secret": SECRET}),
    ("smtpprovider", "change:mark"): ("change;choose_project_accounts", {"serves_project": "on"}),
    ("smtpprovider", "change:untested"): ("change;test_account+set_secret", {"port": 9, "secret": SECRET, "_save_untested": "1"}),
    ("smtpprovider", "add"): ("add;test_account", {"name": "new", "from_email": "n@example.com", "host": "127.0.0.1", "port": 9, "security": "none", "authentication": "none", "_save_untested": "1"}),
    **{("message", f"act:{name}"): ("view+manage_message", {"confirmed": "yes"}) for name in ("hold", "release", "send_now", "cancel", "requeue")},
    ("message", "act:resend"): ("view+resend_message", {}),
    ("oauth2client", "change"): ("change", {"name": "matrix"}),
    ("oauth2client", "delete"): ("delete", {"post": "yes"}),
    ("eventwebhook", "change"): ("change", {}),
    ("eventwebhook", "delete"): ("delete", {"post": "yes"}),
    ("suppression", "delete"): ("delete", {"post": "yes"}),
    ("suppression", "import"): ("add", {"only_looks": "on"}),
    ("tenant", "change"): ("change", {"name": "matrix"}),
    ("tenant", "add"): ("add+see_all_tenants", {"name": "new", "slug": "new", "is_active": "on"}),
    ("webhookendpoint", "change"): ("change", {"description": "matrix"}),
    ("webhookendpoint", "delete"): ("delete", {"post": "yes"}),
    ("webhookendpoint", "secret"): ("change", {}),
    ("webhookendpoint", "test"): ("change", {}),
    **{(model, page): ("-", {"post": "yes"}) for model in READ_ONLY for page in ("add", "change", "delete")},
    ("account", "import"): ("kinds:add|kinds:change", {}),
}  # fmt: skip
"""Posts to a page of a row; behind a colon the variant. What stands behind ``;`` is asked for by the form, which is shown again."""

QUIET = {
    "resume",  # nobody paused it
    "arrival",  # only looks
    "import",  # shows its form again
    "act:release", "act:send_now", "act:requeue", "act:resend",  # of a mail that waits there is nothing of the kind to do
    "secret", "test",
}  # fmt: skip
"""Posts that change nothing of this world's rows even where they are allowed, or not always."""
HELD_BACK = {("mailbox", "delete"), ("eventwebhook", "change")}

ACTIONS: dict[str, dict[str, str]] = {
    **{
        kind: {
            **dict.fromkeys(
                ("pause_selected", "resume_selected", "enable_selected", "disable_selected", "limit_selected"), "change"
            ),
            "test_selected": "view|change+test_account",
            **dict.fromkeys(("export_as_csv", "export_as_yaml"), "view|change"),
            "delete_selected": "delete",
        }
        for kind in KINDS
    },
    "account": dict.fromkeys(("export_as_csv", "export_as_yaml"), "kinds:view|kinds:change"),
    "eventwebhook": {"replace": "change", "delete_selected": "delete"},
    "message": dict.fromkeys(("hold", "release", "send_now", "cancel", "requeue"), "view+manage_message")
    | {"resend": "view+resend_message"},
    "suppression": {"export_as_csv": "view", "delete_selected": "delete"},
    **{model: {"delete_selected": "delete"} for model in ("oauth2client", "tenant", "webhookendpoint")},
}  # fmt: skip
IN_BULK = {"post": "yes", "confirmed": "yes", "reason": "matrix", "limit_per_day": "7"}
CHANGING = {"pause_selected", "disable_selected", "limit_selected", "test_selected", "replace"}

ALL = frozenset(
    f"{permission}"
    for model in apps.get_app_config("mailconfig").get_models()
    for permission in (
        *(f"{verb}_{model._meta.model_name}" for verb in model._meta.default_permissions),
        *(codename for codename, _name in model._meta.permissions),
    )
)
SEEING = frozenset(name for name in ALL if name.startswith("view_")) - {"view_content", "view_synced_content"}
ACCOUNTS = frozenset(f"change_{kind}" for kind in KINDS)
TENANT = ALL - {"see_all_tenants"}

ROLES: dict[str, tuple[frozenset[str], str]] = {
    "anonymous": (frozenset(), ""),
    "customer": (TENANT, "acme"),
    "idle": (frozenset(), "acme"),
    "viewer": (SEEING, "acme"),
    "changer": (SEEING | ACCOUNTS, "acme"),
    "setter": (SEEING | ACCOUNTS | {"set_secret"}, "acme"),
    "tester": (SEEING | {"test_account"}, "acme"),
    "mailer": (SEEING | {"send_test_mail"}, "acme"),
    "reader": (SEEING | {"view_content", "view_synced_content"}, "acme"),
    "router": (SEEING | ACCOUNTS | {"choose_project_accounts"}, "acme"),
    "acme": (TENANT, "acme"),
    "zebra": (TENANT, "zebra"),
    "overseer": (ALL, ""),
    "root": (ALL, ""),
}
"""Permissions, and the tenant that one belongs to. The customer is not on the staff, root is a superuser."""


def holds(role: str, model: str, needs: str) -> bool:
    """Return whether a role has what a row of the table names."""
    held = ROLES[role][0]

    def has(one: str) -> bool:
        if one in {"*", "-"}:
            return one == "*"
        if one.startswith("kinds:"):
            return any(f"{one[6:]}_{kind}" in held for kind in KINDS)
        return (f"{one}_{model}" if one in {"view", "add", "change", "delete"} else one) in held

    return all(any(has(one) for one in part.split("|")) for part in needs.split("+"))


@pytest.fixture
def world(server: ChaosServer, settings: Settings) -> dict[str, Model]:
    """Acme's row in each table, by the model's name; what the admin has no table of stands in none."""
    settings.MAILCONFIG = {**settings.MAILCONFIG, "DNS_SERVERS": ["127.0.0.1:9"], "DNS_SECONDS": 0.2}
    neighbours = make_neighbours()
    rows = {str(model._meta.model_name): row for model, row in neighbours["acme"].items()}
    rows["worker"] = next(row for row in neighbours["nobody"].values() if row._meta.model_name == "worker")
    SMTPProvider.objects.filter(pk=rows["smtpprovider"].pk).update(port=server.port)
    provider = SMTPProvider.objects.get(pk=rows["smtpprovider"].pk)
    provider.authentication, provider.username, provider.secret = (
        "password",
        "old@example.com",
        Secret(SECRET),
    )
    provider.save()
    rows |= {"smtpprovider": provider, "account": Account.objects.get(pk=rows["mailbox"].pk)}
    rows["hourfigures"] = rows["mailbox"]
    for tenant in (neighbours["acme"][Tenant], neighbours["zebra"][Tenant]):
        rows[f"tenant {tenant.slug}"] = tenant  # type: ignore[attr-defined]
    return rows


def browser_for(role: str, world: dict[str, Model]) -> Client:
    browser = Client(enforce_csrf_checks=True)
    if role == "anonymous":
        return browser
    held, tenant = ROLES[role]
    user: User = make_user(
        role, is_staff=role != "customer", is_superuser=role == "root", email="r@example.com"
    )
    if role != "root":
        user.user_permissions.set(
            Permission.objects.filter(content_type__app_label="mailconfig", codename__in=held)
        )
    if tenant:
        world[f"tenant {tenant}"].members.add(user)  # type: ignore[attr-defined]
    browser.force_login(user)
    return browser


def patterns() -> Iterator[tuple[str, str, Any]]:
    """Every address of ours: the model, the page and its pattern."""
    for model, page in admin.site._registry.items():
        name = str(model._meta.model_name)
        if model._meta.app_label == "mailconfig":
            for pattern in page.get_urls():
                if pattern.name:
                    yield name, pattern.name.removeprefix(f"mailconfig_{name}_"), pattern


def url_of(model: str, page: str, world: dict[str, Model], *, name: str = "cancel") -> str:
    pattern = next(found for of, called, found in patterns() if (of, called) == (model, page))
    given = {"object_id": world[model].pk, "name": name, "draft_id": UUID(int=1)}
    return reverse(f"admin:{pattern.name}", kwargs={one: given[one] for one in pattern.pattern.converters})


def is_in_reach(role: str, model: str, page: str) -> bool:
    """Return whether acme's row is there for this role. Workers belong to no tenant."""
    pattern = next(found for of, called, found in patterns() if (of, called) == (model, page))
    if "object_id" not in pattern.pattern.converters:
        return True
    if ROLES[role][1] == "":
        return True
    return ROLES[role][1] == "acme" and model != "worker"


def test_every_address_and_action_has_its_row(client: Client, db: None, rf: Any, alice: User) -> None:
    known = {(model, page) for model, pages in PAGES.items() for page in pages}
    known |= {(model, page.partition(":")[0]) for model, page in POSTS}
    assert {(model, page) for model, page, _pattern in patterns()} == known
    request = rf.get("/")
    request.user = alice
    offered = {
        str(model._meta.model_name): set(page.get_actions(request))
        for model, page in admin.site._registry.items()
        if model._meta.app_label == "mailconfig" and page.get_actions(request)
    }
    assert offered == {model: set(actions) for model, actions in ACTIONS.items()}
    verbs = re.compile("view_|add_|change_|delete_")
    rights = {name for name in ALL if not verbs.match(name)} | {"view_content", "view_synced_content"}
    used = {one for held, _tenant in ROLES.values() for one in held}
    assert rights <= used


@pytest.mark.parametrize("role", ROLES)
def test_each_page_is_shown_to_those_whom_the_table_names(role: str, world: dict[str, Model]) -> None:
    browser, wrong = browser_for(role, world), {}
    for model, page, _pattern in patterns():
        if page in POST_ONLY or (model, page) == ("webhookendpoint", "test"):
            continue
        answer = browser.get(url_of(model, page, world))
        needs = PAGES[model][page]
        if role in {"anonymous", "customer"}:
            expected = answer.status_code == 302 and answer["Location"].startswith("/admin/login/")
        elif not is_in_reach(role, model, page):
            gone = answer.status_code == 302 and answer["Location"] in {
                "/admin/",
                "/admin/mailconfig/message/",
            }
            expected = gone or answer.status_code in {403, 404}
        elif not holds(role, model, needs):
            # The pages of an account's row lead to those of its kind, and are not there for others.
            of_row = model == "account" and page in {"change", "history", "delete"}
            expected = answer.status_code == (404 if of_row else 403)
        else:
            leads = model == "account" and page in {"change", "history", "delete", "import_rows", "add"}
            expected = answer.status_code in ({200, 302} if leads else {200})
        if not expected:
            wrong[model, page] = answer.status_code
    assert wrong == {}


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect what is written to our tables, and to the admin's log."""
    found: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        # That somebody is at work is noted at any page.
        ours = ("mailconfig_" in sql or "django_admin_log" in sql) and "mailconfig_activity" not in sql
        if ours and sql.startswith(("INSERT", "UPDATE", "DELETE")):
            found.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield found


def entered_values(row: Model, data: dict[str, Any]) -> list[Any]:
    """Return what the row has in the fields that a post changes."""
    names = [name for name in data if name in {field.name for field in row._meta.fields}]
    return [repr(value) for value in row._meta.model._base_manager.filter(pk=row.pk).values_list(*names)]


def post(browser: Client, url: str, data: dict[str, Any]) -> Any:
    """Send a form as its page would, with the token of the browser's cookie."""
    token = "a" * 32
    browser.cookies["csrftoken"] = token
    return browser.post(url, {**data, "csrfmiddlewaretoken": token})


def data_of(
    model: str, page: str, root: Client, world: dict[str, Model], data: dict[str, Any]
) -> dict[str, Any]:
    """Return the whole form with what is changed in it, as the superuser's browser shows it."""
    url = url_of(model, page, world)
    if page == "change" and model not in READ_ONLY:
        return entered(root, url, **data)
    if (model, page) == ("suppression", "import"):
        return {**data, "file": SimpleUploadedFile("s.csv", b"x@example.com\n")}
    return data


@pytest.mark.parametrize("role", ROLES)
def test_each_post_does_what_it_does_for_those_whom_the_table_names(
    role: str, world: dict[str, Model]
) -> None:
    root = Client()
    root.force_login(make_user("superuser", is_staff=True, is_superuser=True))
    browser, wrong = browser_for(role, world), dict[tuple[str, str], tuple[int, object, str]]()
    bulk = [(model, f"changelist:{name}") for model, actions in ACTIONS.items() for name in actions]
    for model, row in [*POSTS, *bulk]:
        page, _colon, variant = row.partition(":")
        if page == "changelist":
            changed: dict[str, Any] = {}
            needs, data = (
                ACTIONS[model][variant],
                {"action": variant, "_selected_action": world[model].pk, **IN_BULK},
            )
        else:
            needs, changed = POSTS[model, row]
            data = data_of(model, page, root, world, changed)
        gate, _semicolon, inner = needs.partition(";")
        url = url_of(model, page, world, name=variant or "cancel")
        is_form = bool(inner) and page == "change"
        before = entered_values(world[model], changed) if is_form else []
        point = connection.savepoint()
        with statements() as written:
            answer = post(browser, url, data)
        # A form without the field is stored without it.
        has_changed = entered_values(world[model], changed) != before if is_form else bool(written)
        connection.savepoint_rollback(str(point))
        may = holds(role, model, gate) and (not inner or holds(role, model, inner))
        may = may and is_in_reach(role, model, page) and role not in {"anonymous", "customer"}
        if page == "changelist":
            may = may and ROLES[role][1] in {"", "acme"}
        is_quiet = page in QUIET or row in QUIET or (model, row) in HELD_BACK
        if not may:
            shut = (
                answer.status_code == 302 and answer["Location"].startswith(("/admin/login/", "/admin/"))
            ) or (answer.status_code in {403, 404, 405})
            shown_again = (inner and holds(role, model, gate)) or page == "changelist"
            if has_changed or not (shut or (shown_again and answer.status_code in {200, 302})):
                wrong[model, row] = (answer.status_code, written, "is refused")
            if (
                not has_changed
                and "attachment" in answer.get("Content-Disposition", "")
                and page == "changelist"
            ):
                assert b"acme" not in answer.getvalue()
        elif answer.status_code not in {200, 302} or (
            not has_changed and not is_quiet and (page != "changelist" or variant in CHANGING)
        ):
            wrong[model, row] = (answer.status_code, has_changed, "is done")
    assert wrong == {}
    assert post(Client(enforce_csrf_checks=True), "/admin/mailconfig/mailbox/", {}).status_code in {302, 403}
