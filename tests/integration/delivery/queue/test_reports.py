"""Django mails what a request logs: it gets out, or is logged, and never changes the answer."""

import email
import email.policy
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import pytest
from asgiref.sync import async_to_sync
from django.db import connection, transaction
from django.test import AsyncClient, Client
from django.utils.log import AdminEmailHandler

from mailconfig.models import Account, Message, Tenant
from tests.factories import body_of

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "mailconfig.backend.EmailBackend"
IS_SQLITE = connection.vendor == "sqlite"


@pytest.fixture
def account() -> Account:
    return Account.objects.create(
        kind="outbound_email",
        host="h",
        authentication="none",
        from_email="default@example.com",
        is_default=True,
        serves_project=True,
    )


def admins(*addresses: str) -> list[Any]:
    return list(addresses) if django.VERSION >= (6,) else [("", address) for address in addresses]


@pytest.fixture(autouse=True)
def project(settings: Any) -> None:
    """A project that has only set its backend and ADMINS; the handler is that of Django's own LOGGING."""
    if django.VERSION >= (6, 1):
        settings.MAILERS = {"default": {"BACKEND": PATH}}
    else:
        settings.EMAIL_BACKEND = PATH
    settings.ADMINS = admins("boss@example.org")
    settings.ROOT_URLCONF = "tests.integration.delivery.queue.report_urls"


@pytest.fixture
def atomic_requests() -> Iterator[None]:
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    yield
    connection.settings_dict["ATOMIC_REQUESTS"] = False


@pytest.fixture
def away(tmp_path: Path) -> Iterator[None]:
    """The database cannot be reached while this lasts."""
    real = dict(connection.settings_dict)
    connection.close()
    nowhere = (
        {"NAME": str(tmp_path / "missing" / "db")}
        if IS_SQLITE
        else {"HOST": "127.0.0.1", "PORT": "9", "OPTIONS": {}}
    )
    connection.settings_dict.update(nowhere)
    yield
    connection.close()
    connection.settings_dict.update(real)


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


def queued() -> list[str]:
    subjects = Message.objects.order_by("pk").values_list("subject", flat=True)
    return [subject.removeprefix("[Django] ") for subject in subjects]


def ours(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What we logged, with its tracebacks."""
    return [
        logging.Formatter().format(record)
        for record in caplog.records
        if record.name.startswith("mailconfig")
    ]


def test_a_logged_error_is_queued_and_the_answer_stays(client: Client, account: Account) -> None:
    assert client.get("/fine").content == b"fine"
    assert queued() == ["ERROR: noted and handled"]


@pytest.mark.usefixtures("atomic_requests")
def test_a_crash_in_a_transaction_is_reported_though_that_is_rolled_back(
    client: Client, account: Account
) -> None:
    answer = client.get("/crash")
    assert (answer.status_code, answer.content) == (500, b"the project's own error page")
    assert queued() == ["ERROR (EXTERNAL IP): Internal Server Error: /crash"]
    assert b"the view crashed" in (body_of(Message.objects.get()) or b"")
    assert not Tenant.objects.exists()


@pytest.mark.usefixtures("atomic_requests")
def test_a_report_outlives_the_rollback_of_its_request(client: Client, account: Account) -> None:
    assert client.get("/given_up").status_code == 502
    subjects = ["ERROR: given up", "ERROR (EXTERNAL IP): Bad Gateway: /given_up"]
    # SQLite has one writer, which the request's transaction is: there the report is part of it.
    assert queued() == (subjects[1:] if IS_SQLITE else subjects)
    assert not Tenant.objects.exists()


@pytest.mark.usefixtures("atomic_requests")
def test_a_broken_transaction_takes_nothing_from_the_answer(
    client: Client, account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    assert client.get("/broken").content == b"fine"
    if IS_SQLITE:
        (text,) = ours(caplog)
        assert "it is there already" in text
        assert "TransactionManagementError" in text
        assert "IntegrityError" in text, "what was logged is not lost with the mail"
        assert queued() == []
    else:
        assert ours(caplog) == []
        assert queued() == ["ERROR: it is there already"]


@pytest.mark.parametrize("state", ["no account", "away"])
def test_without_account_or_database_the_answers_stay(
    client: Client, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest, state: str
) -> None:
    if state == "away":
        request.getfixturevalue("account")
        request.getfixturevalue("away")
    assert client.get("/fine").content == b"fine"
    answer = client.get("/odd/x")
    assert (answer.status_code, answer.content) == (500, b"the project's own error page")
    first, second = ours(caplog)
    assert "noted and handled" in first
    assert "Internal Server Error: /odd/x" in second
    assert all(("OperationalError" if state == "away" else "NoAccount") in text for text in (first, second))


def test_odd_characters_are_no_reason_to_say_nothing(client: Client, account: Account) -> None:
    assert client.get("/odd").content == b"fine"
    assert client.get("/odd/%00%e2%80%a8%1b").status_code == 500
    first, second = Message.objects.order_by("pk")
    assert first.subject.startswith("[Django] ERROR: odd ")
    assert first.subject.endswith(" end")
    assert "/odd/" in second.subject
    found = email.message_from_bytes(body_of(first) or b"", policy=email.policy.default)
    assert "\\udc80 \\ud800 \u2028" in found.get_content()


def test_the_html_of_a_report_is_mended_too(account: Account) -> None:
    handler = AdminEmailHandler(include_html=True)
    handler.handle(logging.LogRecord("x", logging.ERROR, "x", 1, "odd \udc80", (), None))
    found = email.message_from_bytes((body_of(Message.objects.get()) or b""), policy=email.policy.default)
    assert [part.get_content_type() for part in found.iter_parts()] == ["text/plain", "text/html"]


def test_an_administrator_whose_address_is_none_keeps_nothing_from_the_others(
    client: Client, account: Account, settings: Any
) -> None:
    settings.ADMINS = admins("boss@", "ops@example.org")
    client.get("/fine")
    assert [found.address for found in Message.objects.get().recipients.all()] == ["ops@example.org"]


def test_a_failure_that_is_logged_to_the_administrators_does_not_go_round(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    handler = AdminEmailHandler()
    logger = logging.getLogger("mailconfig")
    logger.addHandler(handler)
    try:
        assert client.get("/fine").content == b"fine"
    finally:
        logger.removeHandler(handler)
    assert len(ours(caplog)) == 1


def test_an_error_in_an_event_loop_is_reported(account: Account) -> None:
    answer = async_to_sync(AsyncClient().get)("/in_an_event_loop")
    assert answer.content == b"fine"
    assert queued() == ["ERROR: from a loop"]


def test_other_mail_to_the_administrators_is_part_of_the_transaction(account: Account) -> None:
    from django.core.mail import mail_admins

    with transaction.atomic():
        mail_admins("a customer ordered", "b")
        transaction.set_rollback(True)
    assert queued() == []
