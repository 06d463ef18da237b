"""Several clients write at the same moment: there is one configuration in the end, and nobody is told of a fault."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.db.models.signals import post_init, pre_save

from mailconfig.models import Account, Tenant, TenantMailConfig
from mailconfig.values import Secret
from tests.integration.api.tenant_config.calls import BY_HOST, BY_PATH, OK, SEED, body_of, config_of

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    """The answers of calls that begin together."""
    start = threading.Barrier(len(calls))
    answers: list[Any] = []

    def work(call: Callable[[], Any]) -> None:
        start.wait()
        try:
            answers.append(call())
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@contextmanager
def before_the_next_save(act: Callable[[], object]) -> Iterator[None]:
    """Somebody else is quicker: ``act`` is committed after the row was judged and before it is written."""
    waiting = [act]

    def overtake(**kwargs: object) -> None:
        if waiting:
            others = threading.Thread(target=elsewhere, args=(waiting.pop(),))
            others.start()
            others.join()

    def elsewhere(acting: Callable[[], object]) -> None:
        try:
            acting()
        finally:
            connection.close()

    pre_save.connect(overtake, sender=TenantMailConfig, weak=False)
    try:
        yield
    finally:
        pre_save.disconnect(overtake, sender=TenantMailConfig)


def anothers(tenant: Tenant, **values: Any) -> TenantMailConfig:
    """A configuration that somebody else makes."""
    return TenantMailConfig.objects.create(
        **{
            "tenant": tenant,
            "host": "theirs.example",
            "from_email": "them@acme.example",
            "authentication": "none",
            **values,
        }
    )


@pytest.mark.parametrize("number", [2, 4])
def test_of_several_first_calls_all_succeed_and_make_one(alice: User, number: int) -> None:
    for _round in range(5):
        Account.objects.all().delete()
        routes = [BY_HOST, BY_PATH] * (number // 2)
        bodies = [SEED | {"fromDisplayName": f"Client {count}"} for count in range(number)]

        answers = at_once(
            [
                lambda route=route, body=body: route.configure(alice, body)  # type: ignore[misc]
                for route, body in zip(routes, bodies, strict=True)
            ]
        )

        assert [(answer.status_code, body_of(answer)) for answer in answers] == [(200, OK)] * number
        assert config_of().from_name in {body["fromDisplayName"] for body in bodies}
        assert config_of().transport_settings().secret.reveal() == SEED["password"]  # type: ignore[union-attr]


def test_of_several_later_calls_all_succeed_and_one_is_the_last(alice: User) -> None:
    BY_HOST.configure(alice, SEED)
    bodies = [
        SEED | {"fromDisplayName": f"Client {count}", "replyTo": f"r{count}@acme.example"}
        for count in range(4)
    ]

    answers = at_once([lambda body=body: BY_PATH.configure(alice, body) for body in bodies])  # type: ignore[misc]

    assert [answer.status_code for answer in answers] == [200] * 4
    config = config_of()
    assert {"fromDisplayName": config.from_name, "replyTo": config.reply_to_email} in [
        {name: body[name] for name in ("fromDisplayName", "replyTo")} for body in bodies
    ]


@pytest.mark.postgres
def test_who_is_overtaken_at_the_first_call_changes_what_the_other_made(alice: User, acme: Tenant) -> None:
    with before_the_next_save(lambda: anothers(acme)):
        answer = BY_HOST.configure(alice, SEED)

    assert (answer.status_code, body_of(answer)) == (200, OK)
    assert config_of().host == SEED["host"]


@pytest.mark.postgres
def test_the_permission_to_add_does_not_suffice_to_overwrite_what_was_quicker(
    alice: User, acme: Tenant
) -> None:
    alice.user_permissions.remove(Permission.objects.get(codename="change_tenantmailconfig"))

    with before_the_next_save(lambda: anothers(acme)):
        answer = BY_HOST.configure(alice, SEED)

    assert (answer.status_code, body_of(answer)["status"]) == (403, "FORBIDDEN")
    assert config_of().host == "theirs.example"


@pytest.mark.postgres
def test_the_password_is_not_taken_to_the_server_of_who_was_quicker(alice: User, acme: Tenant) -> None:
    theirs = {"authentication": "password", "username": "them", "secret": Secret("theirs-not-real")}
    without = {name: value for name, value in SEED.items() if name not in {"password", "user"}}

    with before_the_next_save(lambda: anothers(acme, **theirs)):
        answer = BY_HOST.configure(alice, without)

    assert answer.status_code == 400
    assert body_of(answer)["message"].startswith("password: ")
    assert config_of().host == "theirs.example"


def test_who_is_overtaken_again_and_again_is_told_to_come_back(alice: User) -> None:
    BY_HOST.configure(alice, SEED)

    def overtake(sender: object, instance: Any, **kwargs: object) -> None:
        # As if another had stored since this one was read: the revision that is looked for is gone.
        instance.revision = 10**6

    post_init.connect(overtake, sender=TenantMailConfig)
    try:
        answer = BY_HOST.configure(alice, SEED)
    finally:
        post_init.disconnect(overtake, sender=TenantMailConfig)

    assert (answer.status_code, body_of(answer)["status"]) == (409, "CONFLICT")
