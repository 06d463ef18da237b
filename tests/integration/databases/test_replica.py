"""A router that sends reads to a replica: what decides is asked of the database that is written.

The replica here is as far behind as one can be: it is empty, so that whatever asks it fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, connections, router
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from mailconfig import delivery
from mailconfig.checks.database import check_database
from mailconfig.models import Account, CheckKind, ConnectionCheck, Lane, Message, SMTPProvider, Tenant
from tests.bearer import client_of
from tests.factories import make_account, make_message, make_tenant, make_user
from tests.servers.chaos import ChaosServer

pytestmark = pytest.mark.django_db(transaction=True)
ALIAS = "replica"


class ReadsGoToTheReplica:
    """As in Django's own documents, for our tables."""

    def db_for_read(self, model: type[Model], **hints: object) -> str | None:
        """Of the replica, whatever is asked."""
        return ALIAS if model._meta.app_label == "mailconfig" else None

    def db_for_write(self, model: type[Model], **hints: object) -> str | None:
        """Where there is but one."""
        return "default" if model._meta.app_label == "mailconfig" else None

    def allow_relation(self, one: Model, other: Model, **hints: object) -> bool:
        """They hold the same rows."""
        return True


@pytest.fixture(autouse=True)
def replica(db: None, settings: Settings, tmp_path: Path) -> Iterator[None]:
    """An empty database, and the router that reads from it."""
    name = str(tmp_path / "replica.sqlite3")
    connections.settings[ALIAS] = connections.configure_settings(
        {"default": {}, ALIAS: {"ENGINE": "django.db.backends.sqlite3", "NAME": name}}
    )[ALIAS]
    settings.DATABASE_ROUTERS = [ReadsGoToTheReplica()]
    yield
    connections[ALIAS].close()
    del connections[ALIAS]
    del connections.settings[ALIAS]


@pytest.fixture
def server() -> Iterator[ChaosServer]:
    with ChaosServer() as server:
        yield server


def test_the_replica_would_be_asked_and_knows_nothing() -> None:
    assert router.db_for_read(Lane) == ALIAS
    with pytest.raises(AssertionError, match=ALIAS):  # pytest-django's guard
        list(Lane.objects.using(ALIAS))


@pytest.mark.parametrize("model", list(apps.get_app_config("mailconfig").get_models()), ids=str)
def test_every_manager_of_ours_asks_the_database_that_is_written(model: type[Model]) -> None:
    for manager in model._meta.managers:
        assert manager.all().db == "default", manager
    assert model._base_manager.all().db == "default"
    assert list(model._default_manager.all()) == []


def test_mail_is_queued_and_sent(server: ChaosServer) -> None:
    account = make_account(port=server.port)
    make_message(account)
    delivery.sweep()

    report = delivery.drain_account(account_id=account.pk)

    assert report.settled == 1
    assert len(server.messages) == 1
    assert server.sessions == 1
    assert Message.objects.get().state == "sent"
    long_ago = timezone.now() - timedelta(days=99)
    Message.objects.update(created_at=long_ago, settled_at=long_ago)
    delivery.purge()
    assert not Message.objects.exists()


def test_what_somebody_asks_for_is_found_at_once(server: ChaosServer, client: Client) -> None:
    root = make_user("root", is_staff=True, is_superuser=True)
    tenant = make_tenant()
    account = make_account(port=server.port, tenant=tenant, owner=root)
    asked = delivery.request_check(account_id=account.pk, kind=CheckKind.CONNECTION, requested_by=root)
    done = delivery.run_check(check_id=asked.pk)

    assert done is not None
    assert done.ok
    found = ConnectionCheck.objects.get()
    assert found.account is not None
    found.account.refresh_from_db()
    assert found.account.tenant == tenant
    assert list(tenant.accounts.all()) == [account]
    assert account.lane.validated_at is not None
    client.force_login(root)
    for model in ("outboundemail", "message", "connectioncheck", "attempt", "tenant", "smtpprovider"):
        assert client.get(reverse(f"admin:mailconfig_{model}_changelist")).status_code == 200
    change = reverse("admin:mailconfig_outboundemail_change", args=[account.pk])
    assert client.get(change).status_code == 200


def test_a_row_is_edited_over_rest(server: ChaosServer) -> None:
    root = make_user("root", is_superuser=True)
    provider = SMTPProvider(
        name="Back office", host="127.0.0.1", port=server.port, authentication="none", security="none"
    )
    provider.from_email, provider.tenant = "office@example.com", make_tenant()
    delivery.save_account(account=provider, by=root)
    client = client_of(root)

    path = f"/api/v2/mail/providers/{provider.pk}"
    answer = client.patch(path, {"caption": "Renamed"}, content_type="application/json")
    assert (answer.status_code, answer.json()["caption"]) == (200, "Renamed")
    assert client.get(f"{path}/status").status_code == 204
    assert client.delete(path).status_code == 204
    assert Account.objects.kept().count() == 0


def test_commands_work() -> None:
    make_account()
    for command in ("mailconfig_status", "mailconfig_purge", "mailconfig_rotate_keys"):
        call_command(command)
    assert check_database() == []


def test_members_of_a_tenant_are_found() -> None:
    alice = make_user("alice")
    tenant = make_tenant()
    tenant.members.add(alice)

    assert list(Tenant.objects.for_principal(alice)) == [tenant]
    assert User.objects.count() == 1
    assert connection.alias == "default"
