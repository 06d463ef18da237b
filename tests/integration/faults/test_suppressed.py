"""The suppression list is asked before each hand-over: when mail is read, and once more with the journal."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from mailconfig import delivery
from mailconfig.delivery.queue import parts
from mailconfig.delivery.queue.listed import listed_sql
from mailconfig.models import (
    Attempt,
    HandOver,
    Message,
    MessageKind,
    Recipient,
    RecipientState,
    Suppression,
    SuppressionReason,
)
from tests.factories import make_account, make_message, make_tenant
from tests.servers.chaos import ChaosServer
from tests.servers.edits import edit_at

from .conftest import states

pytestmark = pytest.mark.django_db(transaction=True)

TRANSACTIONAL, ORDINARY, BULK = MessageKind.TRANSACTIONAL, MessageKind.ORDINARY, MessageKind.BULK


def listed(address: str = "to@example.net", reason: str = "opt_out", **values: object) -> Suppression:
    return Suppression.objects.create(address=address, reason=reason, **values)


STOPS = {
    ("bounce", TRANSACTIONAL): False,
    ("bounce", ORDINARY): True,
    ("bounce", BULK): True,
    ("manual", TRANSACTIONAL): False,
    ("manual", ORDINARY): True,
    ("complaint", ORDINARY): False,
    ("complaint", BULK): True,
    ("opt_out", TRANSACTIONAL): False,
    ("opt_out", ORDINARY): False,
    ("opt_out", BULK): True,
}


def test_which_reason_stops_which_mail(server: ChaosServer) -> None:
    account = make_account(server.port)
    for reason in SuppressionReason.values:
        listed(f"{reason}@example.net", reason)
    for reason, kind in STOPS:
        make_message(account, to=[f"{reason.upper()}@example.net"], kind=kind)
    delivery.drain_account(account_id=account.pk)
    found = dict(zip(STOPS, states(), strict=True))
    assert found == {case: "failed" if stops else "sent" for case, stops in STOPS.items()}
    assert len(server.messages) == list(STOPS.values()).count(False)
    assert Attempt.objects.filter(message__state="failed").count() == 0
    codes = Message.objects.filter(state="failed").values_list("error_code", flat=True)
    assert set(codes) == {f"suppressed_{reason}" for reason in SuppressionReason.values}


def test_a_list_is_one_tenants_and_may_name_a_domain(server: ChaosServer) -> None:
    acme, other = make_tenant(), make_tenant()
    listed("example.net", "manual", tenant=acme)
    listed("other.test", "manual")
    cases = [
        (acme, "a@EXAMPLE.net", "failed"),
        (acme, "a@sub.example.net", "sent"),
        (acme, "a@other.test", "sent"),
        (other, "a@example.net", "sent"),
        (None, "a@example.net", "sent"),
        (None, "a@other.test", "failed"),
    ]
    for tenant, address, _state in cases:
        account = make_account(server.port, tenant=tenant)
        make_message(account, to=[address.replace("EXAMPLE", "example")], tenant=tenant)
        delivery.drain_account(account_id=account.pk)
    assert states() == [state for _tenant, _address, state in cases]


@pytest.mark.postgres
def test_letters_are_compared_as_they_are_in_any_locale_and_by_the_index() -> None:
    """In Turkish the small letter of I is another one than i; where a server knows no Turkish, any other collation shows the index."""
    listed("info@example.net")
    listed("istanbul.example")
    Suppression.objects.bulk_create(
        Suppression(address=f"{number}@example.org", reason="bounce") for number in range(2000)
    )
    reasons = listed_sql("mail", "recipient.address")
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(collname) FROM pg_collation WHERE collname ~ '^tr(-x-icu|_TR)'")
        (turkish,) = cursor.fetchone()
    sql = f"""
        SELECT (SELECT count(*) FROM ({reasons}) AS found)
          FROM (SELECT NULL::bigint AS tenant_id, {BULK.value} AS kind) AS mail,
               (SELECT (%s COLLATE "{turkish or "C"}")::varchar AS address) AS recipient
    """  # noqa: S608 - of our own
    with connection.cursor() as cursor:
        found = {}
        for address in ("INFO@EXAMPLE.NET", "x@ISTANBUL.EXAMPLE", "0@EXAMPLE.NET"):
            cursor.execute(sql, [address])
            found[address] = cursor.fetchone()[0]
        cursor.execute("ANALYZE mailconfig_suppression")
        cursor.execute(f"EXPLAIN {sql}", ["INFO@EXAMPLE.NET"])
        plan = "\n".join(row for (row,) in cursor.fetchall())

    assert found == {"INFO@EXAMPLE.NET": 1, "x@ISTANBUL.EXAMPLE": 1, "0@EXAMPLE.NET": 0}
    assert "mailconfig_suppression_listed" in plan, plan
    (condition,) = (line for line in plan.splitlines() if "Index Cond" in line)
    assert "address" in condition, plan


def test_the_others_get_their_mail_and_the_list_may_be_asked_again(server: ChaosServer) -> None:
    entry = listed()
    account = make_account(server.port)
    message = make_message(account, to=["first@example.net", "to@example.net", "last@example.net"], kind=BULK)
    delivery.drain_account(account_id=account.pk)
    assert states() == ["partial"]
    assert list(server.messages[0].recipients) == ["first@example.net", "last@example.net"]
    (left_out,) = Recipient.objects.filter(state=RecipientState.FAILED)
    assert (left_out.address, left_out.error_code) == ("to@example.net", "suppressed_opt_out")
    message.refresh_from_db()
    assert (message.error_code, message.error_text) == ("suppressed_opt_out", "")

    alone = make_message(account, to=["to@example.net"], kind=BULK)
    delivery.drain_account(account_id=account.pk)
    entry.delete()
    delivery.requeue(message_id=alone.pk)
    delivery.drain_account(account_id=account.pk)
    alone.refresh_from_db()
    assert alone.state == "sent"
    assert set(Recipient.objects.filter(message=alone).values_list("error_code", flat=True)) == {""}


def test_more_than_a_batch_of_nobody_opens_no_session(
    server: ChaosServer, configure: Callable[..., None]
) -> None:
    configure(BATCH_SIZE=3)
    listed()
    account = make_account(server.port)
    for _ in range(8):
        make_message(account, to=["to@example.net"], kind=BULK)
    delivery.drain_account(account_id=account.pk)
    assert states() == ["failed"] * 8
    assert server.sessions == 0
    make_message(account, to=["else@example.net"], kind=BULK)
    make_message(account, to=["to@example.net"], kind=BULK)
    delivery.drain_account(account_id=account.pk)
    assert states()[8:] == ["sent", "failed"]


@pytest.mark.parametrize("verb", ["mail", "rcpt", "data"])
def test_who_opts_out_between_reading_and_the_dot_gets_no_mail(server: ChaosServer, verb: str) -> None:
    edit_at(server, verb, lambda: listed("third@example.net"), at=2)
    account = make_account(server.port)
    for name in ("first", "second", "third", "fourth"):
        make_message(account, to=[f"{name}@example.net"], kind=BULK)
    delivery.drain_account(account_id=account.pk)
    assert states() == ["sent", "sent", "failed", "sent"]
    assert [list(message.recipients) for message in server.messages] == [
        [f"{name}@example.net"] for name in ("first", "second", "fourth")
    ]
    assert not HandOver.objects.exists()


def test_who_opts_out_at_the_last_moment_gets_no_mail(server: ChaosServer) -> None:
    """The server has heard of the recipient already; the dot is not written."""
    edit_at(server, "rcpt", lambda: listed("only@example.net"), at=1)
    account = make_account(server.port)
    make_message(account, to=["only@example.net"], kind=BULK)
    delivery.drain_account(account_id=account.pk)
    assert states() == ["failed"]
    assert server.messages == []
    assert not HandOver.objects.exists()


@pytest.mark.postgres
def test_a_long_list_is_asked_by_its_index() -> None:
    """As a statement that is planned once is planned: without the values, and for tables that grow."""
    Suppression.objects.bulk_create(
        Suppression(address=f"{number}@example.net", reason="bounce") for number in range(2000)
    )
    sql = parts._statement(0, 2, erase=True, waits=True)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ANALYZE mailconfig_suppression")
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_material = off")
        cursor.execute(f"EXPLAIN {sql}", [None] * sql.count("%s"))
        plan = "\n".join(row for (row,) in cursor.fetchall())
    (condition,) = re.findall(
        r"Index Scan (?:using|on) mailconfig_suppression_listed.*\n +Index Cond: (.*)", plan
    )
    assert "tenant_id" in condition
    assert "address" in condition
    assert "Seq Scan on mailconfig_suppression" not in plan
