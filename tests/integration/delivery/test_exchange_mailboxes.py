"""Mailboxes whose mail leaves and comes by Exchange's web service, from the queue to the server and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from pytest_django import Settings

from mailconfig import delivery
from mailconfig.delivery.clock import database_now
from mailconfig.models import (
    Account,
    CheckState,
    HandOver,
    Lane,
    Mailbox,
    Message,
    OAuth2GrantType,
    OAuth2Token,
    Purpose,
    SyncedMessage,
    WaitReason,
)
from mailconfig.values import Authentication, Secret
from tests.factories import PASSWORD, make_mailbox, make_message, make_oauth2_client, make_oauth2_grant
from tests.servers.certificates import Certificates
from tests.servers.children import drain_worker
from tests.servers.ews import PATH, FakeEWS, Fault

pytestmark = pytest.mark.django_db(transaction=True)

USER = "me@mail.test"


@pytest.fixture(scope="module")
def certificates() -> Iterator[Certificates]:
    found = Certificates()
    yield found
    found.close()


@pytest.fixture
def server(certificates: Certificates, settings: Settings) -> Iterator[FakeEWS]:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "ALLOWED_PORTS": None, "CA_FILE": certificates.ca_file}
    with FakeEWS(tls=certificates.good, credentials={USER: PASSWORD}) as found:
        yield found


@pytest.fixture
def mailbox(server: FakeEWS) -> Mailbox:
    return exchange_mailbox(server)


def exchange_mailbox(server: FakeEWS, **values: Any) -> Mailbox:
    mailbox = make_mailbox(
        **{
            "from_email": USER,
            "username": USER,
            "host": "",
            "send_method": "ews",
            "sync_method": "ews",
            "ews_endpoint": f"https://127.0.0.1:{server.port}{PATH}",
            "secret": Secret(PASSWORD),
            "ews_secret": Secret(PASSWORD),
            "authentication": Authentication.PASSWORD,
            **values,
        }
    )
    Lane.objects.get_or_create(account=mailbox, purpose=Purpose.SYNC)
    return mailbox


def test_mail_goes_out_and_comes_in(server: FakeEWS, mailbox: Mailbox) -> None:
    make_message(mailbox, to=["you@example.net"])
    server.put(b"From: you@example.net\r\nSubject: Re\r\nMessage-ID: <r@example.net>\r\n\r\nYes.\r\n")

    delivery.drain_account(account_id=mailbox.pk)
    reports = [delivery.sync_account(account_id=mailbox.pk) for _ in range(2)]

    assert Message.objects.get().state == "sent"
    assert [sent.recipients for sent in server.sent] == [("you@example.net",)]
    assert [report.stored for report in reports] == [1, 0]
    row = SyncedMessage.objects.get()
    assert (row.subject, row.content.text, row.is_cut) == ("Re", "Yes.\n", False)


def test_checks_go_through_the_stages_and_name_the_guilty_field(server: FakeEWS, mailbox: Mailbox) -> None:
    probe = delivery.probe_account(account_id=mailbox.pk, requested_by=None)
    sync = delivery.probe_sync(account_id=mailbox.pk, requested_by=None)

    assert [check.state for check in (probe, sync)] == [CheckState.PASSED] * 2
    assert [stage["stage"] for stage in sync.stages] == ["resolve", "connect", "tls", "login", "folder"]
    assert {stage["outcome"] for check in (probe, sync) for stage in check.stages} == {"ok"}

    server.credentials[USER] = "another"
    probe = delivery.probe_account(account_id=mailbox.pk, requested_by=None)
    sync = delivery.probe_sync(account_id=mailbox.pk, requested_by=None)
    assert [(check.code, check.stage, check.guilty_field) for check in (probe, sync)] == [
        ("auth_failed", "login", "ews_secret")
    ] * 2

    server.credentials[USER] = PASSWORD
    mailbox.syncs_outreach_folder = True
    mailbox.save()
    sync = delivery.probe_sync(account_id=mailbox.pk, requested_by=None)
    assert (sync.code, sync.guilty_field) == ("folder_refused", "syncs_outreach_folder")


def test_a_test_mail_arrives(server: FakeEWS, mailbox: Mailbox) -> None:
    check = delivery.send_test_mail(account_id=mailbox.pk, recipient=USER, requested_by=None)

    assert check.state == CheckState.PASSED
    assert [sent.recipients for sent in server.sent] == [(USER,)]


def test_a_password_that_is_wrong_pauses_the_account_and_keeps_its_mail(
    server: FakeEWS, mailbox: Mailbox
) -> None:
    make_message(mailbox)
    server.credentials.clear()

    delivery.drain_account(account_id=mailbox.pk)
    delivery.sync_account(account_id=mailbox.pk)

    assert Message.objects.get().state == "queued"
    assert set(Lane.objects.values_list("last_error_code", flat=True)) == {"auth_failed"}
    assert server.requests == ["401", "401"]


def test_exchange_that_is_busy_is_left_alone_for_as_long_as_it_says(
    server: FakeEWS, mailbox: Mailbox
) -> None:
    make_message(mailbox)
    server.faults["CreateItem"] = Fault("ErrorServerBusy", back_off=300_000)

    delivery.drain_account(account_id=mailbox.pk)

    lane = Lane.objects.get(purpose=Purpose.SEND)
    assert lane.wait_reason == WaitReason.SERVER_LIMIT
    assert lane.wait_until is not None
    assert lane.last_error_at is not None
    assert 290 < (lane.wait_until - lane.last_error_at).total_seconds() <= 300


def test_a_mail_in_doubt_is_not_sent_again_before_it_is_certain(server: FakeEWS, mailbox: Mailbox) -> None:
    make_message(mailbox)
    server.faults["CreateItem"] = Fault(status=504, does_it=True)

    delivery.drain_account(account_id=mailbox.pk)
    delivery.drain_account(account_id=mailbox.pk)

    assert Message.objects.get().wait_reason == WaitReason.UNKNOWN_OUTCOME
    assert len(server.sent) == 1


def test_no_secret_goes_to_an_address_that_it_was_not_entered_for(server: FakeEWS, mailbox: Mailbox) -> None:
    make_message(mailbox)
    with connection.cursor() as cursor:  # past all that would ask for the password again
        cursor.execute(
            "UPDATE mailconfig_mailbox SET ews_endpoint = replace(ews_endpoint, '127.0.0.1', 'localhost')"
        )

    delivery.drain_account(account_id=mailbox.pk)
    delivery.sync_account(account_id=mailbox.pk)

    assert (server.headers, Message.objects.get().state) == ([], "queued")
    found = Mailbox.objects.get()
    found.ews_endpoint = "https://elsewhere.example/EWS"
    with pytest.raises(ValidationError):
        found.save()


def test_nobody_stores_an_unverified_connection_where_the_deployment_does_not_allow_it(
    server: FakeEWS, settings: Settings
) -> None:
    mailbox = exchange_mailbox(server)
    mailbox.ews_verify_mode = 0
    mailbox.enter_password(Secret(PASSWORD))

    with pytest.raises(ValidationError) as caught:
        mailbox.clean()
    assert set(caught.value.message_dict) == {"ews_verify_mode"}
    settings.MAILCONFIG = {**settings.MAILCONFIG, "ALLOW_UNVERIFIED_TLS": True, "CA_FILE": None}
    mailbox.clean()
    mailbox.save()
    assert delivery.probe_sync(account_id=mailbox.pk, requested_by=None).state == CheckState.PASSED


@pytest.mark.parametrize("grant_type", OAuth2GrantType.values)
def test_tokens_ask_for_the_right_to_the_web_service(
    server: FakeEWS, grant_type: str, settings: Settings
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "ALLOWED_HOSTS": ["127.0.0.1"]}
    mailbox = exchange_mailbox(server, authentication=Authentication.OAUTH2, secret=None, ews_secret=None)
    client = make_oauth2_client(mail_servers="127.0.0.1")
    grant = make_oauth2_grant(mailbox, client=client, grant_type=grant_type)
    of_organisation = grant_type == OAuth2GrantType.CLIENT_CREDENTIALS
    scope = (
        "https://outlook.office365.com/.default"
        if of_organisation
        else "https://outlook.office.com/EWS.AccessAsUser.All offline_access"
    )
    OAuth2Token.objects.create(
        client=client,
        grant=None if of_organisation else grant,
        scope=scope,
        access_token=Secret("good-token"),
        expires_at="2999-01-01T00:00:00Z",
        number=1,
    )
    server.tokens = {"good-token"}
    make_message(mailbox)

    delivery.drain_account(account_id=mailbox.pk)
    report = delivery.sync_account(account_id=mailbox.pk)

    assert (Message.objects.get().state, report.error_code) == ("sent", "")
    assert {b"ExchangeImpersonation" in body for body in server.bodies} == {of_organisation}


def test_an_account_that_is_read_as_such_knows_its_exchange(server: FakeEWS, mailbox: Mailbox) -> None:
    plain = Account.objects.get(pk=mailbox.pk)

    assert plain.transport_settings() == mailbox.transport_settings() == mailbox.sync_settings()
    assert plain.transport_settings().host == "127.0.0.1"


def run_until_killed(server: FakeEWS, certificates: Certificates, tmp_path: Path, point: str) -> None:
    """Let a worker of its own send and sync, and kill it at a crash point."""
    Lane.objects.update(due_at=database_now())
    own = {"ALLOWED_PORTS": None, "CA_FILE": certificates.ca_file, "LEASE_SECONDS": 1.0, "USE_CELERY": False}
    with drain_worker(tmp_path, own, crash_at=point, once=True) as child:
        assert child.wait() == -9, child.said()
    Lane.objects.exclude(lease_until=None).update(lease_until=database_now())


@pytest.mark.slow
@pytest.mark.parametrize(("point", "arrived"), [("after_journal", 0), ("after_reply", 1)])
def test_a_worker_that_is_killed_while_it_sends_leaves_the_mail_in_doubt(
    server: FakeEWS,
    mailbox: Mailbox,
    certificates: Certificates,
    tmp_path: Path,
    point: str,
    arrived: int,
) -> None:
    mailbox.is_sync_enabled = False
    mailbox.save()
    make_message(mailbox)

    run_until_killed(server, certificates, tmp_path, point)
    assert (len(server.sent), HandOver.objects.count()) == (arrived, 1)
    delivery.drain_account(account_id=mailbox.pk)

    assert len(server.sent) == arrived, "nobody knows yet whether it is out"


@pytest.mark.slow
@pytest.mark.parametrize(("point", "stored"), [("before_batch@2", 100), ("after_batch@2", 150)])
def test_a_worker_that_is_killed_while_it_syncs_leaves_no_gap_and_nothing_twice(
    server: FakeEWS, mailbox: Mailbox, certificates: Certificates, tmp_path: Path, point: str, stored: int
) -> None:
    for number in range(150):
        server.put(f"Subject: {number}\r\nMessage-ID: <{number}@example.net>\r\n\r\nText\r\n".encode())

    run_until_killed(server, certificates, tmp_path, point)
    assert SyncedMessage.objects.count() == stored
    assert delivery.sync_account(account_id=mailbox.pk).stored == 150 - stored

    assert sorted(map(int, SyncedMessage.objects.values_list("subject", flat=True))) == list(range(150))
