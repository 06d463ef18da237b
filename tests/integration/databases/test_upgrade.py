"""The way from one release's tables to the next, and back, with what a deployment has in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from mailconfig.delivery import delete_account, enqueue
from mailconfig.delivery.accounts import sentences
from mailconfig.models import Account, ConnectionCheck, Installation, Message, Tenant
from tests.factories import make_account, make_email, make_mailbox, make_message, make_user

pytestmark = pytest.mark.django_db(transaction=True)

ONE_DATABASE = pytest.mark.one_database
"""What a step does with rows in Python is the same on each; the first test takes all tables there and back."""
BEFORE = [("mailconfig", "0002_check_revision")]


def migrate(targets: list[tuple[str, str]]) -> Any:
    MigrationExecutor(connection).migrate(targets)
    return MigrationExecutor(connection).loader.project_state(targets).apps


def newest() -> list[tuple[str, str]]:
    nodes = MigrationExecutor(connection).loader.graph.leaf_nodes()
    return [node for node in nodes if node[0] == "mailconfig"]


@pytest.fixture
def old() -> Iterator[Any]:
    """The models as they were; the tables are the newest ones afterwards."""
    yield migrate(BEFORE)
    migrate(newest())


def stored(apps: Any, name: str, **values: Any) -> Any:
    """An account with its lane, as that release had them."""
    plain = {"kind": "smtp_provider", "name": name, "host": "smtp.example.com", "authentication": "none"}
    account = apps.get_model("mailconfig", "Account").objects.create(**plain | values)
    apps.get_model("mailconfig", "Lane").objects.create(account=account, purpose="send")
    return account


def test_what_is_stored_survives_the_way_there_and_back(old: Any) -> None:
    root, clerk = make_user("root", is_superuser=True), make_user("clerk")
    roots = {"created_by_id": root.pk, "updated_by_id": root.pk}
    tenant = old.get_model("mailconfig", "Tenant").objects.create(slug="acme", name="Acme")
    stored(old, "default", is_default=True, created_by_id=clerk.pk)
    stored(old, "root's", **roots)
    stored(old, "root's mailbox", kind="mailbox", **roots)
    stored(old, "edited by clerk", **roots | {"updated_by_id": clerk.pk})
    stored(old, "clerk's", kind="outbound_email", owner_id=clerk.pk, **roots)
    stored(old, "config", kind="tenant_config", tenant=tenant, **roots)
    deleted = stored(old, "", kind="tenant_config", tenant=tenant, deleted_at=timezone.now(), **roots)
    message = old.get_model("mailconfig", "Message").objects.create(
        account=deleted,
        tenant=tenant,
        state="sent",
        settled_at=timezone.now(),
        envelope_from="a@example.com",
        subject="s",
        message_id="<1@example.com>",
        body=None,
        size=3,
        not_before=timezone.now(),
    )
    old.get_model("mailconfig", "Recipient").objects.create(message=message, address="b@example.net")
    checks = old.get_model("mailconfig", "ConnectionCheck").objects
    for state in ("passed", "failed", "pending"):
        checks.create(
            kind="connection",
            state=state,
            username=state,
            account=deleted,
            tenant=tenant,
            requested_by_id=clerk.pk,
        )

    migrate(newest())

    marked = set(Account.objects.filter(serves_project=True).values_list("name", flat=True))
    assert marked == {"default", "root's", "root's mailbox"}
    assert Message.objects.get().tenant_id == tenant.pk
    for name in ("config", "clerk's"):
        delete_account(account_id=Account.objects.get(name=name).pk, by=None)
    Tenant.objects.get().delete()
    clerk.delete()

    older = migrate(BEFORE)

    assert older.get_model("mailconfig", "Account").objects.count() == 7
    assert older.get_model("mailconfig", "Message").objects.get().tenant_id is None


@ONE_DATABASE
def test_grants_and_failing_steps_are_kept_under_their_new_names() -> None:
    older = migrate([("mailconfig", "0015_storage_away")])
    try:
        clerk, group = make_user("clerk"), Group.objects.create(name="desk")
        permission = Permission.objects.get(codename="steer_message")
        clerk.user_permissions.add(permission)
        group.permissions.add(permission)
        older.get_model("mailconfig", "Installation").objects.create(id=1, troubles="[1]")
    finally:
        migrate(newest())

    assert clerk.has_perm("mailconfig.manage_message")
    assert group.permissions.get() == Permission.objects.get(codename="manage_message")
    assert not Permission.objects.filter(codename="steer_message").exists()
    assert Installation.objects.get().failing_steps == "[1]"


@ONE_DATABASE
def test_sentences_of_checks_become_codes_and_words_again() -> None:
    words = {"message": "No connection to the server could be made.", "hint": "words of nobody's"}
    before = [("mailconfig", "0017_manage_message")]
    older = migrate(before)
    try:
        older.get_model("mailconfig", "ConnectionCheck").objects.create(kind="connection", **words)
    finally:
        migrate(newest())

    check = ConnectionCheck.objects.get()
    assert (check.message, check.hint) == (sentences.UNREACHABLE, words["hint"])
    try:
        again = migrate(before).get_model("mailconfig", "ConnectionCheck").objects.values(*words).get()
        assert again == words
    finally:
        migrate(newest())


def test_message_ids_that_are_not_kept_are_written_out_on_the_way_back() -> None:
    account = make_account()
    own, given = enqueue(make_email(), account=account), make_message(account, message_id="<1@example.net>")
    assert own.given_message_id is None
    try:
        older = migrate([("mailconfig", "0027_lighter_indexes")])
        kept = dict(older.get_model("mailconfig", "Message").objects.values_list("pk", "message_id"))
    finally:
        migrate(newest())
    assert kept == {own.pk: own.message_id, given.pk: "<1@example.net>"}
    for message in (own, given):
        assert Message.objects.get(pk=message.pk).message_id == message.message_id


def test_spellings_of_one_alias_become_one_that_may_do_what_any_of_them_could() -> None:
    mailbox = make_mailbox()
    try:
        older = migrate([("mailconfig", "0039_keys_of_accounts")])
        for email, can_send in (("A@example.com", False), ("a@example.com", True), ("b@example.com", False)):
            older.get_model("mailconfig", "MailAlias").objects.create(
                mailbox_id=mailbox.pk, email=email, can_send=can_send
            )
    finally:
        migrate(newest())

    assert list(mailbox.aliases.order_by("pk").values_list("email", "can_send")) == [
        ("A@example.com", True),
        ("b@example.com", False),
    ]
