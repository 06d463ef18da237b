"""Mail becomes rows of the caller's transaction, and its commit rings once."""

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from datetime import timezone as fixed_zone
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.mail import EmailMessage
from django.db import OperationalError, connection, transaction
from django.db.models import Model
from django.dispatch import Signal
from django.utils import timezone

from mailconfig import signals
from mailconfig.delivery.queue import bodies
from mailconfig.delivery.queue.enqueue import enqueue, enqueue_many
from mailconfig.delivery.wake import wake_lane
from mailconfig.exceptions import InvalidMessage, NoAccount
from mailconfig.models import Account, Lane, Message, MessageState, Priority, Recipient, WaitReason
from tests.factories import body_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def account() -> Account:
    return Account.objects.create(
        kind="outbound_email",
        name="Shop",
        from_email="shop@example.com",
        host="h",
        authentication="none",
        is_default=True,
    )


@pytest.fixture
def rung() -> Iterator[list[int]]:
    """The accounts whose doorbell rang."""
    heard: list[int] = []

    def listen(signal: Signal, account_id: int, **kwargs: object) -> None:
        heard.append(account_id)

    signals.message_queued.connect(listen)
    yield heard
    signals.message_queued.disconnect(listen)


@pytest.mark.parametrize("many", [False, True])
def test_a_database_that_is_lost_right_after_the_commit_fails_nobody(
    account: Account, many: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The mail is queued, and the sweep finds it."""

    def break_off(execute: Callable[..., Any], sql: str, params: Any, is_many: bool, context: Any) -> Any:
        if not connection.in_atomic_block and "due_at" in sql:
            raise OperationalError("server closed the connection unexpectedly")
        return execute(sql, params, is_many, context)

    mail = EmailMessage("Subject", "Text", to=["to@example.net"])
    with connection.execute_wrapper(break_off), transaction.atomic():
        if many:
            enqueue_many([mail, mail], account=account)
        else:
            enqueue(mail, account=account)
    assert Message.objects.filter(state=MessageState.QUEUED).count() == 1 + many
    assert "server closed the connection unexpectedly" in caplog.text


@pytest.mark.postgres
@pytest.mark.parametrize("before", [0, 5])
@pytest.mark.parametrize("locked", [Lane, Account])
def test_a_connection_that_is_lost_fails_nobody_whose_mail_is_committed(
    account: Account, before: int, locked: type[Model]
) -> None:
    """It ends while the lane is locked, with the mail committed, or while the account is, when it is not yet.

    Args:
        account: whose mail it is.
        before: mails that were queued before, over the same connection: five have the statements prepared.
        locked: what somebody else changes meanwhile.
    """
    results: list[Message | Exception] = []
    backend: list[int] = []

    def queue() -> None:
        try:
            for _ in range(before):
                enqueue(mail(), account=account)
            Lane.objects.update(due_at=None)  # so that it is to be changed
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                backend.append(cursor.fetchone()[0])
            is_ready.set()
            is_locked.wait(60)
            results.append(enqueue(mail("last"), account=account))
        except Exception as error:  # noqa: BLE001 - whatever it is
            results.append(error)
        finally:
            connection.close()

    is_ready, is_locked = threading.Event(), threading.Event()
    thread = threading.Thread(target=queue)
    thread.start()
    assert is_ready.wait(60)
    with transaction.atomic(), connection.cursor() as cursor:
        locked._default_manager.select_for_update().get()
        is_locked.set()
        waits = "SELECT 1 FROM pg_locks WHERE pid = %s AND NOT granted"
        give_up_at = time.monotonic() + 60
        while (cursor.execute(waits, backend), cursor.fetchone())[1] is None:
            assert time.monotonic() < give_up_at
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", backend)
    thread.join(60)
    (result,) = results
    last = Message.objects.filter(subject="last")
    if locked is Lane:
        assert result == last.get()
    else:
        assert isinstance(result, OperationalError)
        assert not last


@contextmanager
def rolled_back() -> Iterator[None]:
    """A transaction (or savepoint) that does not commit."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def mail(subject: str = "s", body: str = "b", to: tuple[str, ...] = ("a@example.org",)) -> EmailMessage:
    return EmailMessage(
        subject, body, None, list(to), cc=["C@Example.org"], bcc=["b@example.org", "a@example.org"]
    )


def test_a_mail_becomes_a_row_with_its_recipients_in_order(account: Account, rung: list[int]) -> None:
    before = timezone.now() - timedelta(seconds=5)
    queued = enqueue(mail("Grüße"), account=account, priority=Priority.HIGH, is_test=True)
    stored = Message.objects.get()

    assert (queued.pk, queued.uuid, queued.not_before, queued.created_at) == (
        stored.pk, stored.uuid, stored.not_before, stored.created_at,
    )  # fmt: skip
    assert (stored.account, stored.state, stored.priority) == (account, MessageState.QUEUED, Priority.HIGH)
    assert (stored.subject, stored.envelope_from, stored.is_test) == ("Grüße", "shop@example.com", True)
    assert len(body_of(stored) or b"") == stored.size
    assert before < stored.not_before <= timezone.now() + timedelta(seconds=5)
    addresses = Recipient.objects.order_by("pk").values_list("address", flat=True)
    assert list(addresses) == ["a@example.org", "C@example.org", "b@example.org"]
    assert rung == [account.pk]


def test_many_become_rows_in_order_and_ring_once(account: Account, rung: list[int]) -> None:
    def generated() -> Iterator[EmailMessage]:
        for number in range(1201):
            yield mail(f"s{number}", to=(f"a{number}@example.org", "z@example.org"))

    queued = enqueue_many(generated(), account=account.pk, priority=Priority.LOW)

    rows = Message.objects.order_by("not_before", "pk")
    assert [row.subject for row in rows] == [row.subject for row in queued] == [f"s{n}" for n in range(1201)]
    assert [row.pk for row in rows] == [row.pk for row in queued]
    assert set(rows.values_list("priority", "account")) == {(Priority.LOW, account.pk)}
    last = queued[-1].recipients.order_by("pk").values_list("address", flat=True)
    assert list(last) == [
        "a1200@example.org",
        "z@example.org",
        "C@example.org",
        "b@example.org",
        "a@example.org",
    ]
    assert rung == [account.pk]


def test_a_thousand_enqueues_in_one_transaction_ring_once_after_it(account: Account, rung: list[int]) -> None:
    with transaction.atomic():
        for _ in range(100):
            enqueue(mail(), account=account)
        assert rung == []
        assert len(connection.run_on_commit) == 1
    assert rung == [account.pk]
    enqueue(mail(), account=account)
    assert rung == [account.pk]  # still due: nobody has drained


def test_a_rollback_leaves_nothing_and_rings_nobody(
    account: Account, rung: list[int], settings: object
) -> None:
    with rolled_back():
        enqueue(mail(), account=account)
        enqueue_many([mail(), mail()], account=account)
    assert not Message.objects.exists()
    assert not Recipient.objects.exists()
    assert rung == []
    assert Lane.objects.get().due_at is None


def test_a_savepoint_that_rolled_back_rings_nobody_but_the_others_do(
    account: Account, rung: list[int]
) -> None:
    other = Account.objects.create(
        kind="outbound_email", from_email="o@example.com", host="h", authentication="none"
    )
    with transaction.atomic():
        with rolled_back():
            enqueue(mail(), account=other)
        enqueue(mail(), account=account)
    assert rung == [account.pk]


def test_all_of_many_or_none(account: Account, rung: list[int]) -> None:
    with pytest.raises(InvalidMessage):
        enqueue_many([mail(), mail(to=("nobody@",))], account=account)
    assert not Message.objects.exists()
    assert rung == []


@pytest.mark.parametrize(
    ("reason", "wait", "rings"),
    [
        (WaitReason.PAUSED_LOGIN, None, False),
        (WaitReason.LIMIT, timedelta(hours=1), False),
        (WaitReason.LIMIT, timedelta(hours=-1), True),
    ],
)
def test_a_lane_that_waits_is_not_rung(
    account: Account, rung: list[int], reason: WaitReason, wait: timedelta | None, rings: bool
) -> None:
    until = None if wait is None else timezone.now() + wait
    Lane.objects.update(wait_reason=reason, wait_since=timezone.now(), wait_until=until)
    enqueue(mail(), account=account)
    assert bool(rung) == rings
    assert (Lane.objects.get().due_at is not None) == rings


def test_a_mail_for_later_makes_the_lane_due_then(account: Account, rung: list[int]) -> None:
    later = timezone.now() + timedelta(hours=2)
    assert enqueue(mail(), account=account, not_before=later).not_before == later
    assert Lane.objects.get().due_at == later
    earlier = later - timedelta(hours=1)
    enqueue_many([mail()], account=account, not_before=earlier)
    enqueue(mail(), account=account, not_before=later)
    assert Lane.objects.get().due_at == earlier
    assert rung == []
    enqueue(mail(), account=account)
    assert rung == [account.pk]
    assert not wake_lane(account.pk)


def test_a_time_that_has_passed_gives_no_better_place(account: Account) -> None:
    first = enqueue(mail(), account=account)
    second = enqueue(mail(), account=account, not_before=timezone.now() - timedelta(days=1))
    assert list(Message.objects.order_by("not_before", "pk")) == [first, second]


def test_the_default_account_takes_what_names_none(account: Account) -> None:
    assert enqueue(mail()).account == account
    Account.objects.update(is_default=False)
    with pytest.raises(NoAccount):
        enqueue(mail())


def test_a_deleted_account_takes_nothing_even_if_we_have_not_seen_it_go(account: Account) -> None:
    Account.objects.filter(pk=account.pk).update(deleted_at=timezone.now())
    for wanted in (account, account.pk, 0):
        with pytest.raises(NoAccount):
            enqueue(mail(), account=wanted)
        with pytest.raises(NoAccount):
            enqueue_many([mail()], account=wanted)
    assert not Message.objects.exists()


def test_a_disabled_account_takes_mail(account: Account) -> None:
    Account.objects.update(is_enabled=False)
    assert enqueue(mail(), account=account.pk).state == MessageState.QUEUED


def test_a_key_that_comes_again_queues_nothing(account: Account, rung: list[int]) -> None:
    first = enqueue(mail(), account=account, idempotency_key="k")
    assert enqueue(mail(), account=account, idempotency_key="k").pk == first.pk
    with transaction.atomic():
        assert enqueue(mail(), account=account, idempotency_key="k").pk == first.pk
        enqueue(mail(), account=account)  # the transaction is still good
    with pytest.raises(InvalidMessage, match="another mail"):
        enqueue(mail("other"), account=account, idempotency_key="k")
    other = Account.objects.create(
        kind="outbound_email", from_email="o@example.com", host="h", authentication="none"
    )
    assert enqueue(mail(), account=other, idempotency_key="k").pk != first.pk
    assert Message.objects.count() == 3


@pytest.mark.parametrize("key", ["a\x00b", "x" * 256, "a\nb", "\ud800"])
def test_a_key_that_is_none_is_refused(account: Account, key: str) -> None:
    with pytest.raises(InvalidMessage):
        enqueue(mail(), account=account, idempotency_key=key)


@pytest.mark.postgres
def test_a_key_that_races_is_queued_once(account: Account) -> None:
    start = threading.Barrier(6)
    pks: list[int] = []

    def race() -> None:
        try:
            for number in range(20):
                start.wait(timeout=30)
                pks.append(enqueue(mail(), account=account, idempotency_key=f"k{number}").pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=race) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(pks) == 120
    assert len(set(pks)) == Message.objects.count() == 20
    assert Recipient.objects.count() == 60


def test_text_that_a_database_cannot_hold_never_reaches_it(account: Account) -> None:
    enqueue(mail(body="nul \x00 here"), account=account)
    for bad in (mail("nul \x00 here"), mail(to=("a\x00@example.org",)), mail(body="\ud800")):
        with pytest.raises(InvalidMessage):
            enqueue(bad, account=account)


def files() -> list[str]:
    return default_storage.listdir(bodies.FOLDER)[1] if default_storage.exists(bodies.FOLDER) else []


@pytest.fixture
def storage(settings: object, tmp_path: Path) -> Path:
    settings.STORAGES = {  # type: ignore[attr-defined]
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        }
    }
    settings.MAILCONFIG = {"INLINE_BYTES": 2000}  # type: ignore[attr-defined]
    return tmp_path


def test_large_mail_goes_to_storage_and_is_streamed(account: Account, storage: Path) -> None:
    queued = enqueue(mail(body="line\n" * 60_000), account=account)
    stored = Message.objects.get()
    assert body_of(stored) is None
    assert stored.stored_as == queued.stored_as
    assert re.fullmatch(r"mailconfig/[0-9a-f-]{36}\.eml", stored.stored_as)
    assert str(stored.uuid) not in stored.stored_as, "recipients know the uuid by the Message-ID"
    pieces = list(bodies.chunks(stored))
    assert max(map(len, pieces)) <= bodies.CHUNK < sum(map(len, pieces)) == stored.size
    assert b"".join(pieces).endswith(b"line\r\n" * 60_000)
    assert next(bodies.chunks(enqueue(mail(), account=account))).startswith(b"From: ")


def test_a_stream_closes_its_file_however_it_ends(account: Account, storage: Path) -> None:
    queued = enqueue(mail(body="line\n" * 60_000), account=account)
    stream = bodies.open_chunks(queued.stored_as)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert list(stream) == []
    bodies.open_chunks(queued.stored_as)  # dropped: warnings are errors here
    (storage / queued.stored_as).write_bytes(b"cut")
    with pytest.raises(OSError, match="3 bytes"):
        bodies.chunks(queued)
    bodies.delete(queued.stored_as)
    with pytest.raises(FileNotFoundError):
        bodies.chunks(queued)


def test_nothing_stays_stored_that_was_not_queued(account: Account, storage: Path) -> None:
    large = mail(body="line\n" * 1000)
    first = enqueue(large, account=account, idempotency_key="k")
    enqueue(large, account=account, idempotency_key="k")
    Account.objects.update(deleted_at=timezone.now())
    with pytest.raises(NoAccount):
        enqueue(large, account=account)
    with pytest.raises(NoAccount):
        enqueue_many([large, large], account=account)
    assert files() == [first.stored_as.removeprefix("mailconfig/")]


def test_erasing_waits_for_the_commit(account: Account, storage: Path) -> None:
    queued = enqueue(mail(body="line\n" * 1000), account=account)
    with transaction.atomic():
        bodies.erase(queued)
        assert files()
    assert not files()
    with pytest.raises(ValueError, match="gone"):
        bodies.chunks(Message.objects.get())


def test_orphans_are_removed_when_they_are_old(account: Account, storage: Path) -> None:
    kept = enqueue(mail(body="line\n" * 1000), account=account)
    with rolled_back():
        enqueue(mail(body="line\n" * 1000), account=account)
    (storage / "mailconfig/somebody-elses.eml").write_bytes(b"x")
    assert len(files()) == 3
    assert bodies.remove_orphans() == 0
    long_ago = (timezone.now() - bodies.ORPHAN_AGE - timedelta(minutes=1)).timestamp()
    for path in (storage / "mailconfig").iterdir():
        os.utime(path, (long_ago, long_ago))
    assert bodies.remove_orphans() == 1
    assert sorted(files()) == sorted([kept.stored_as.removeprefix("mailconfig/"), "somebody-elses.eml"])


def test_nothing_was_ever_stored_is_no_error(storage: Path) -> None:
    assert bodies.remove_orphans() == 0


def test_a_time_beyond_the_calendar_is_refused_and_a_far_one_taken(account: Account) -> None:
    west = fixed_zone(timedelta(hours=-5))
    for beyond in (
        datetime.max,  # noqa: DTZ901 - as somebody writes it
        datetime.max.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=west),
        datetime(9999, 1, 1, tzinfo=UTC),
    ):
        with pytest.raises(InvalidMessage, match="calendar"):
            enqueue(mail(), account=account, not_before=beyond)
        with pytest.raises(InvalidMessage, match="calendar"):
            enqueue_many([mail()], account=account, not_before=beyond)
    far = enqueue(mail(), account=account, not_before=datetime(9998, 12, 31, tzinfo=UTC))
    assert far.not_before.year == 9998
    assert Message.objects.count() == 1


# All ways but that of many end in the same statements.
@pytest.mark.parametrize(
    "way",
    [
        "at once",
        "many",
        *(
            pytest.param(way, marks=pytest.mark.one_database)
            for way in ("in a transaction", "with a key", "later")
        ),
    ],
)
def test_more_recipients_than_one_statement_takes_are_queued_in_their_order(
    account: Account, way: str
) -> None:
    addresses = [f"to{number}@example.org" for number in range(70_000)]
    many = EmailMessage("s", "b", bcc=addresses)
    if way == "many":
        enqueue_many([many, mail()], account=account)
    elif way == "in a transaction":
        with transaction.atomic():
            enqueue(many, account=account)
    elif way == "with a key":
        enqueue(many, account=account, idempotency_key="once")
        enqueue(many, account=account, idempotency_key="once")
    elif way == "later":
        enqueue(many, account=account, not_before=timezone.now() + timedelta(days=1))
    else:
        enqueue(many, account=account)
    first = Message.objects.order_by("pk")[0]
    rows = Recipient.objects.filter(message=first).order_by("pk").values_list("address", flat=True)
    assert list(rows) == addresses


def test_a_sender_with_the_longest_of_domains_is_queued(account: Account) -> None:
    domain = ".".join(["a" * 59] * 4) + ".com"
    sender = EmailMessage("s", "b", f"a@{domain}", ["b@example.org"])
    queued = enqueue(sender, account=account)
    assert len(Message.objects.get().message_id) == len(queued.message_id) <= 255
