"""Looking for mail: what is whole is found at once, parts from the newest backwards for as long as people wait."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from mailconfig.admin import message_search
from mailconfig.delivery import enqueue, enqueue_many
from mailconfig.models import Message, Recipient
from mailconfig.request_ids import answering
from tests.factories import body_of, make_account, make_email, make_message, make_tenant

from .pages import admin_url

pytestmark = pytest.mark.django_db


def found(client: Client, term: str) -> set[str]:
    """The subjects of the mails that the list shows."""
    answer = client.get(admin_url("message"), query_params={"q": term})
    assert answer.status_code == 200
    return {message.subject for message in answer.context["cl"].result_list}


@pytest.mark.parametrize(
    ("term", "subjects"),
    [
        ("bob@example.com", {"one"}),
        ("BOB@example.com", {"one"}),
        ("bob@", {"one", "two"}),
        ("@example.com", {"one", "four"}),
        ("ob@example", {"one", "two"}),
        ("example.co", {"one", "two", "four"}),
        ("own-ID@exam", {"four"}),
        ("TWO", {"two"}),
        ("ÜBER", {"Grüße über alles"}),
        ("carol", {"three"}),
        ("<own-id@example.net>", {"four"}),
        ("own-id@example.net", {"four"}),
        ("fou", {"four"}),
        ("nobody@example.com", set()),
        ("%", set()),
        ("_", set()),
        ("@", {"one", "two", "three", "four", "Grüße über alles"}),
        ("", {"one", "two", "three", "four", "Grüße über alles"}),
    ],
)
def test_mail_is_found_by_what_somebody_knows_of_it(client: Client, term: str, subjects: set[str]) -> None:
    account = make_account()
    make_message(account, subject="one", to=["bob@example.com"])
    make_message(account, subject="two", to=["bob@example.co.jp", "dave@example.net"])
    make_message(account, subject="three", to=["carol@example.org"])
    make_message(account, subject="four", to=["jack@example.com"], message_id="<own-id@example.net>")
    make_message(account, subject="Grüße über alles", to=["erin@example.org"])
    if term == "ÜBER" and connection.vendor == "sqlite":
        pytest.skip("it knows the case of English letters only")
    assert found(client, term) == subjects


def test_mail_is_found_by_the_request_that_queued_it(client: Client) -> None:
    account = make_account()
    with answering("0af7651916cd43dd/8448"):
        enqueue(make_email(1), account=account)
        enqueue_many([make_email(2), make_email(3)], account=account)
    with answering("0af7651916cd43dd"):
        enqueue(make_email(4), account=account)
    enqueue(make_email(5), account=account)
    subjects = {number: make_email(number).subject for number in range(6)}

    assert found(client, "0af7651916cd43dd/8448") == {subjects[1], subjects[2], subjects[3]}
    assert found(client, "0af7651916cd43dd") == {subjects[4]}
    (message,) = Message.objects.filter(request_id="0af7651916cd43dd")
    page = client.get(admin_url("message", "change", message.pk)).content.decode()
    assert "0af7651916cd43dd" in page


def test_parts_are_looked_for_as_long_as_people_wait_and_then_on_demand(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_search, "FIRST", 3)
    monkeypatch.setattr(message_search, "SECONDS", 0)
    account = make_account()
    oldest = make_message(account, subject="oldest", to=["ROB@example.com"])
    make_message(account, subject="old", to=["bob@example.com"])
    for number in range(3):
        make_message(account, subject=f"newer {number}")
    believe_tables_empty()

    assert found(client, "bob@example.com") == {"old"}
    answer = client.get(admin_url("message"), query_params={"q": "OB@exam", "state": "waiting"})
    assert not answer.context["cl"].result_list
    assert "from the newest backwards" in answer.content.decode()

    answer = client.get(admin_url("message") + answer.context["cl"].older_url)

    assert [message.subject for message in answer.context["cl"].result_list] == ["old", "oldest"]
    assert "in all mail there is" in answer.content.decode()
    assert Recipient.objects.filter(message=oldest).exists()


def test_all_parts_are_searched_while_there_is_time(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_search, "FIRST", 2)
    account = make_account()
    for number in range(9):
        make_message(account, subject=f"Issue {number}", to=["bob@example.com", "rob@example.com"])
    assert len(found(client, "ob@example")) == 9


def test_a_search_lists_so_many_and_goes_on_behind_them(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_search, "MOST", 2)
    account = make_account()
    for number in range(3):
        make_message(account, subject=f"Issue {number}")
    answer = client.get(admin_url("message"), query_params={"q": "ssu"})
    assert [message.subject for message in answer.context["cl"].result_list] == ["Issue 2", "Issue 1"]
    answer = client.get(admin_url("message") + answer.context["cl"].older_url)
    assert [message.subject for message in answer.context["cl"].result_list] == ["Issue 0"]


def test_mail_is_found_by_its_tenant_its_key_and_its_number(client: Client) -> None:
    acme = make_tenant(name="Acme Rockets")
    queued = enqueue(
        make_email(1), account=make_account(tenant=acme, is_default=False), idempotency_key="order-17"
    )
    enqueue(make_email(2), account=make_account())
    for term in ("rockets", acme.slug, "order-17", str(queued.uuid), queued.uuid.hex[:20]):
        assert found(client, term) == {queued.subject}, term
    answer = client.get(admin_url("message"), query_params={"tenant__id__exact": acme.pk})
    assert [message.pk for message in answer.context["cl"].result_list] == [queued.pk]
    assert client.get(admin_url("message"), query_params={"q": "x", "before": "no number"}).status_code == 200


def believe_tables_empty() -> None:
    """Leave PostgreSQL with the statistics of a vacuum before any mail came; a plan made by them must not take for ever."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE pg_class SET reltuples = 0, relpages = 1 WHERE relkind = 'r' AND relname LIKE 'mailconfig_%'"
            )
            cursor.execute("SET LOCAL statement_timeout = '20s'")


@pytest.mark.parametrize("term", ["bob@example.com", "<own-id@example.net>", "own-id@example.net"])
def test_what_is_whole_is_found_without_reading_all_mail(client: Client, term: str) -> None:
    account = make_account()
    make_message(account, to=["bob@example.com"])
    make_message(account, message_id="<own-id@example.net>")
    with CaptureQueriesContext(connection) as captured:
        found(client, term)
    asked = [query["sql"] for query in captured.captured_queries if query["sql"].startswith("SELECT")]
    of_mail = [sql for sql in asked if "own-id" in sql or "bob@example.com" in sql]
    assert of_mail
    plans = "\n".join(plan_of(sql) for sql in of_mail)
    assert "mailconfig_message_given_id" in plans
    assert "mailconfig_recipient_address" in plans
    for whole in ("Seq Scan on mailconfig_message", "Seq Scan on mailconfig_recipient", "SCAN mailconfig_"):
        assert whole not in plans


def test_mail_that_was_given_no_message_id_is_found_by_its_own(client: Client) -> None:
    account = make_account()
    queued, other = (enqueue(make_email(number), account=account) for number in range(2))
    kept = Message.objects.get(pk=queued.pk)
    assert (kept.given_message_id, kept.message_id) == (None, f"<{kept.uuid.hex}@example.com>")
    assert f"Message-ID: {kept.message_id}\r\n".encode() in (body_of(kept) or b"")
    for term in (kept.message_id, kept.message_id.strip("<>")):
        with CaptureQueriesContext(connection) as captured:
            assert found(client, term) == {queued.subject}
        (asked,) = (query["sql"] for query in captured.captured_queries if '"uuid" = ' in query["sql"])
        assert "uuid_key" in plan_of(asked) or "sqlite_autoindex" in plan_of(asked)
    assert found(client, kept.message_id.replace("example.com", "example.org")) == set()
    page = client.get(admin_url("message", "change", other.pk))
    assert f"&lt;{other.uuid.hex}@example.com&gt;" in page.content.decode()


def test_a_message_id_that_somebody_gave_is_kept_as_it_is(client: Client) -> None:
    account = make_account()
    queued = enqueue(make_email(), account=account)
    again = make_email(headers={"Message-ID": queued.message_id})
    bounced = make_email(from_email="news@example.org")
    copied, elsewhere = enqueue(again, account=account), enqueue(bounced, account=account)
    assert Message.objects.get(pk=copied.pk).message_id == copied.given_message_id == queued.message_id
    assert elsewhere.given_message_id == elsewhere.message_id == f"<{elsewhere.uuid.hex}@example.org>"
    assert found(client, queued.message_id) == {queued.subject, copied.subject}
    assert found(client, elsewhere.message_id) == {elsewhere.subject}


def plan_of(sql: str) -> str:
    """How the database would find the rows, if tables were too large to be read."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {sql}")
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        return "\n".join(str(row) for row in cursor.fetchall())


def test_an_address_that_others_write_to_more_often_hides_nobodys_own_mail(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_search, "WHOLE", 2)
    mine, others = make_account(), make_account()
    make_message(mine, subject="mine", to=["bob@example.com"])
    for _ in range(3):
        make_message(others, subject="other", to=["bob@example.com"])
    answer = client.get(
        admin_url("message"), query_params={"q": "bob@example.com", "account__id__exact": mine.pk}
    )
    assert [message.subject for message in answer.context["cl"].result_list] == ["mine"]
