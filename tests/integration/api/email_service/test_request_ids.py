"""The same request id twice: one mail, one answer; another mail under it: 409."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from pytest_django import Settings

from mailconfig import delivery
from mailconfig.models import Message, MessageState, Tenant, TenantMailConfig
from tests.integration.api.email_service.calls import MAIL, call, configure, said, send
from tests.servers.chaos import ChaosServer

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE = 10


def at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    """The answers of calls that begin together."""
    start = threading.Barrier(len(calls))
    answers: list[Any] = []

    def work(one: Callable[[], Any]) -> None:
        start.wait()
        try:
            answers.append(one())
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(one,)) for one in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_the_same_mail_twice_is_one_mail_and_one_answer(
    alice: User, bob: User, config: TenantMailConfig, server: ChaosServer
) -> None:
    first = send(alice, Request_ID="order-1")
    turned: dict[str, Any] = {"attachments": [], **dict(reversed(MAIL.items()))}
    again = [send(bob, turned, Request_ID="order-1"), send(alice, X_Request_ID="order-1")]
    delivery.drain_account(account_id=config.pk)
    again.append(send(alice, Request_ID="order-1"))

    assert {answer.status_code for answer in again} == {202}
    assert {answer["Location"] for answer in again} == {first["Location"]}
    assert {answer.content for answer in again} == {first.content}
    assert len(server.messages) == 1


def test_a_mail_with_a_way_out_is_answered_again_though_no_new_one_could_have_it(
    alice: User, config: TenantMailConfig, settings: Settings
) -> None:
    mail = {**MAIL, "unsubscribe": True}
    settings.MAILCONFIG = {**settings.MAILCONFIG, "PUBLIC_BASE_URL": "https://mail.example.com"}
    first = send(alice, mail, Request_ID="order-1")
    settings.MAILCONFIG = {**settings.MAILCONFIG, "PUBLIC_BASE_URL": None}
    again, new = send(alice, mail, Request_ID="order-1"), send(alice, mail, Request_ID="order-2")

    assert (first.status_code, again.status_code, again["Location"]) == (202, 202, first["Location"])
    assert said(new, 400).startswith("unsubscribe: ")
    assert Message.objects.count() == 1


@pytest.mark.parametrize(
    "change", [{"message": "Other"}, {"recipient": "other@example.net"}, {"subject": "NS-EU-1-A"}], ids=str
)
def test_another_mail_under_the_same_id_is_refused(
    alice: User, config: TenantMailConfig, change: dict[str, str]
) -> None:
    send(alice, Request_ID="order-1")

    assert (
        said(send(alice, MAIL | change, Request_ID="order-1"), 409)
        == "Another mail came with this request id."
    )
    assert Message.objects.count() == 1


def test_without_an_id_each_is_a_mail_of_its_own(alice: User, config: TenantMailConfig) -> None:
    assert send(alice)["Location"] != send(alice)["Location"]


def test_ids_of_tenants_and_of_the_hosts_own_code_are_apart(
    alice: User, charlie: User, config: TenantMailConfig
) -> None:
    configure(Tenant.objects.get(slug="globex"))
    delivery.queue_service_mail(config, recipient="x@example.net", idempotency_key="order-1")

    said(send(alice, Request_ID="order-1"), 202)
    said(send(charlie, MAIL | {"message": "Theirs"}, tenant="globex", Request_ID="order-1"), 202)

    assert Message.objects.count() == 3


def test_the_first_answer_stays_whatever_becomes_of_the_configuration(
    alice: User, acme: Tenant, config: TenantMailConfig, server: ChaosServer
) -> None:
    first = send(alice, Request_ID="order-1")
    TenantMailConfig.objects.update(is_enabled=False, from_name="Other")
    assert send(alice, Request_ID="order-1")["Location"] == first["Location"]

    TenantMailConfig.objects.update(is_enabled=True)
    delivery.drain_account(account_id=config.pk)
    delivery.delete_account(account_id=config.pk, by=None)
    assert send(alice, Request_ID="order-1")["Location"] == first["Location"]
    said(send(alice, MAIL | {"message": "Other"}, Request_ID="order-1"), 409)

    configure(acme, server)
    assert send(alice, Request_ID="order-1")["Location"] == first["Location"]
    assert Message.objects.count() == 1


def test_what_was_refused_leaves_its_id_free(alice: User, config: TenantMailConfig) -> None:
    said(send(alice, MAIL | {"recipient": "nobody"}, Request_ID="order-1"), 400)

    said(send(alice, Request_ID="order-1"), 202)


def test_the_clients_own_id_goes_before_that_of_a_proxy(alice: User, config: TenantMailConfig) -> None:
    answers = [send(alice, Request_ID="order-1", X_Request_ID=f"proxy-{number}") for number in range(2)]

    assert answers[0]["Location"] == answers[1]["Location"]
    assert {answer["Request-ID"] for answer in answers} == {"order-1"}
    assert Message.objects.get().request_id == "order-1"


def test_the_id_comes_back_and_stands_in_the_log(
    alice: User, config: TenantMailConfig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="mailconfig.api")

    for answer in (send(alice, Request_ID="order-1"), call(alice, "GET", "messages/x", Request_ID="order-1")):
        assert (answer["Request-ID"], answer["X-Request-ID"]) == ("order-1", "order-1")
    assert sum("request order-1" in record.getMessage() for record in caplog.records) == 2
    assert send(alice)["Request-ID"]


@pytest.mark.parametrize("name", ["Request_ID", "X_Request_ID"])
@pytest.mark.parametrize(
    "given", ["", " ", "a b", "a" * 129, "a" * 10_240, "ä", "a\r\nX-Evil: 1", "\x01"], ids=repr
)
def test_what_can_be_no_id_protects_from_nothing_and_is_refused(
    alice: User, config: TenantMailConfig, name: str, given: str
) -> None:
    answer = send(alice, **{name: given})

    assert said(answer, 400).startswith("Request-ID: ")
    assert answer["Request-ID"].isalnum()
    assert not Message.objects.exists()


def test_ten_at_once_are_one_mail(alice: User, config: TenantMailConfig, server: ChaosServer) -> None:
    answers = at_once([lambda: send(alice, Request_ID="order-1")] * AT_ONCE)

    assert [answer.status_code for answer in answers] == [202] * AT_ONCE
    assert len({answer["Location"] for answer in answers}) == 1
    delivery.drain_account(account_id=config.pk)
    assert len(server.messages) == 1
    assert Message.objects.get().state == MessageState.SENT


def test_of_ten_mails_at_once_under_one_id_one_is_taken(alice: User, config: TenantMailConfig) -> None:
    bodies = [MAIL | {"message": f"Number {number}", "subject": "NS-EU-1-A"} for number in range(AT_ONCE)]

    answers = at_once([lambda body=body: send(alice, body, Request_ID="order-1") for body in bodies])  # type: ignore[misc]

    assert sorted(answer.status_code for answer in answers) == [202] + [409] * (AT_ONCE - 1)
    assert Message.objects.count() == 1
