"""Mail that waits in the queues of other packages, as these store it, becomes mail of ours: once, and in one of the two always."""

from __future__ import annotations

import email
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.mime.image import MIMEImage
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.mail import EmailMultiAlternatives
from django.db import connection, router
from django.utils import timezone

from mailconfig.delivery import import_mail, import_settings
from mailconfig.exceptions import MailconfigError, QueueBusy
from mailconfig.models import Account, Message, Priority, Recipient
from tests.factories import body_of, make_account
from tests.integration.delivery.imports.conftest import rows_of_everything, run
from tests.integration.delivery.imports.test_settings import EMAIL, settings_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def account() -> Account:
    return make_account(is_default=True, name="shop", from_email="shop@example.com")


def apply(*arguments: str) -> str:
    return run("--only=mail", "--apply", *arguments)


def parsed(message: Message) -> email.message.Message:
    return email.message_from_bytes(body_of(message) or b"")


def only_message() -> Message:
    return Message.objects.get()


def from_post_office(**values: Any) -> Any:
    from post_office import mail

    plain = {"sender": "shop@example.com", "subject": "s", "message": "b", "priority": "medium"}
    return mail.send(["a@example.net"], **plain | values)


def from_mailer(**values: Any) -> Any:
    from mailer.models import Message as Row
    from mailer.models import make_message

    mail = {
        "subject": "s",
        "body": "b",
        "from_email": "shop@example.com",
        "to": ["a@example.net"],
        "priority": 2,
    }
    row = make_message(**mail | values)
    row.save()
    return Row.objects.get(pk=row.pk)


QUEUES: list[Any] = [
    pytest.param(from_post_office, id="post_office"),
    pytest.param(from_mailer, id="mailer"),
]


@pytest.mark.parametrize("put", QUEUES)
def test_a_dry_run_says_what_would_be_done_and_changes_nothing(
    put: Callable[..., Any], account: Account
) -> None:
    put()
    before = rows_of_everything()

    said = run()

    assert ": 1 would be queued for shop" in said
    assert "Nothing was changed: --apply does it." in said
    assert rows_of_everything() == before


@pytest.mark.parametrize("put", QUEUES)
def test_what_was_queued_is_not_sent_by_the_other_queue_and_not_queued_twice(
    put: Callable[..., Any], account: Account, mailoutbox: list[Any]
) -> None:
    put()

    assert ": 1 queued for shop" in apply()
    before = rows_of_everything()
    said = apply()

    assert "django-post-office: nothing queued" in said
    assert "django-mailer: nothing queued" in said
    assert rows_of_everything() == before
    assert only_message().account == account
    from mailer.engine import send_all
    from post_office.mail import send_queued

    send_all()
    assert send_queued() == (0, 0, 0)
    assert not mailoutbox


def test_a_mail_of_post_office_comes_whole(account: Account) -> None:
    later = timezone.now() + timedelta(hours=3)
    from_post_office(
        sender="Shop <shop@example.com>",
        cc=["c@example.net"],
        bcc=["d@example.net"],
        subject="Größe",
        message="Text ü",
        html_message="<p>Text</p>",
        headers={"Reply-To": "answers@example.com", "X-Order": "7"},
        scheduled_time=later,
        priority="high",
        attachments={
            "a.csv": ContentFile(b"a;b"),
            "b.bin": {"file": ContentFile(bytes(range(256))), "mimetype": "application/x-b"},
        },
    )

    apply()

    message = only_message()
    read = parsed(message)
    assert (message.subject, message.priority, message.not_before) == ("Größe", Priority.HIGH, later)
    assert set(Recipient.objects.values_list("address", flat=True)) == {
        "a@example.net", "c@example.net", "d@example.net",
    }  # fmt: skip
    assert (read["From"], read["To"], read["Cc"], read["Bcc"]) == (
        "Shop <shop@example.com>", "a@example.net", "c@example.net", None,
    )  # fmt: skip
    assert (read["Reply-To"], read["X-Order"]) == ("answers@example.com", "7")
    kinds = [
        (part.get_content_type(), part.get_filename()) for part in read.walk() if not part.is_multipart()
    ]
    assert kinds == [
        ("text/plain", None),
        ("text/html", None),
        ("text/csv", "a.csv"),
        ("application/x-b", "b.bin"),
    ]
    assert list(read.walk())[-1].get_payload(decode=True) == bytes(range(256))


def test_what_djangos_mail_gave_to_post_office_comes_whole(account: Account) -> None:
    from post_office.backends import EmailBackend

    message = EmailMultiAlternatives(
        "s", "b", "shop@example.com", ["a@example.net"], reply_to=["r@example.com"]
    )
    message.attach_alternative("<b>b</b>", "text/html")
    picture = MIMEImage(b"\x89PNG\r\n\x1a\n" + bytes(20), "png")
    picture.add_header("Content-Disposition", "inline", filename="logo.png")
    picture.add_header("Content-ID", "<logo>")
    message.attachments.append(picture)  # attach() is deprecated for it
    EmailBackend().send_messages([message])

    apply()

    read = parsed(only_message())
    (part,) = [part for part in read.walk() if part.get_content_type() == "image/png"]
    assert (part["Content-ID"], read["Reply-To"]) == ("<logo>", "r@example.com")
    assert part.get_payload(decode=True) == b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.mark.parametrize("on_delivery", [True, False])
def test_templates_of_post_office_are_rendered(account: Account, on_delivery: bool) -> None:
    from post_office.models import EmailTemplate

    template = EmailTemplate.objects.create(
        name="welcome", subject="Hi {{ name }}", content="Dear {{ name }}", html_content="<p>{{ name }}</p>"
    )
    from_post_office(
        subject="",
        message="",
        template=template,
        context={"name": "Anna & Bo"},
        render_on_delivery=on_delivery,
    )

    said = apply()

    read = parsed(only_message())
    texts = [part.get_payload(decode=True) for part in read.walk() if not part.is_multipart()]
    assert (read["Subject"], texts[1]) == ("Hi Anna &amp; Bo", b"<p>Anna &amp; Bo</p>")
    assert "note: 1 templates stay" in said


def test_priorities_and_states_of_post_office(account: Account) -> None:
    from post_office.models import STATUS, Email

    for priority in ("low", "medium", "high"):
        from_post_office(priority=priority, subject=priority)
    requeued, failed, sent = (from_post_office(subject=name) for name in ("requeued", "failed", "sent"))
    retry = timezone.now() + timedelta(minutes=9)
    Email.objects.filter(pk=requeued.pk).update(
        status=STATUS.requeued, scheduled_time=retry, number_of_retries=1
    )
    Email.objects.filter(pk=failed.pk).update(status=STATUS.failed)
    Email.objects.filter(pk=sent.pk).update(status=STATUS.sent)

    said = apply()

    assert "note: 1 mails failed there: --include-failed takes them over as well" in said
    found = dict(Message.objects.values_list("subject", "priority"))
    assert found == {"low": 2, "medium": 1, "high": 0, "requeued": 1}
    assert Message.objects.get(subject="requeued").not_before == retry
    assert set(Email.objects.values_list("status", flat=True)) == {STATUS.sent, STATUS.failed}
    apply("--include-failed")
    assert Message.objects.filter(subject="failed").exists()


def test_the_log_of_each_queue_says_what_became_of_its_mail(account: Account) -> None:
    row = from_post_office()
    from_mailer(subject="other")

    apply()

    from mailer.models import Message as Row
    from mailer.models import MessageLog

    ours = Message.objects.get(subject="s")
    log = row.logs.get()
    assert (log.status, log.message) == (0, f"Queued by mailconfig as {ours.uuid}")
    other = Message.objects.get(subject="other")
    logged = MessageLog.objects.get()
    assert (logged.result, logged.message_id) == ("1", other.message_id)
    assert str(other.uuid) in logged.log_message
    assert not Row.objects.exists()


def test_what_expires_or_waits_for_too_long_is_left_and_said(account: Account) -> None:
    from post_office.models import Email

    hour = timedelta(hours=1)
    expiring = from_post_office(expires_at=timezone.now() + hour)
    from_post_office(expires_at=timezone.now() - hour, scheduled_time=timezone.now() - 2 * hour)
    old, old_but_planned = from_post_office(), from_post_office(scheduled_time=timezone.now() + hour)
    Email.objects.filter(pk__in=[old.pk, old_but_planned.pk]).update(
        created=timezone.now() - timedelta(days=9)
    )

    said = apply()

    assert "1 left" in said
    assert "it has expired" in said
    assert f"1 left (#{expiring.pk}): it must not be sent after a certain time" in said
    assert f"1 left (#{old.pk}): it waits for too long" in said
    assert ": 1 queued for shop" in said
    assert "2 queued for shop" in apply("--include-expiring", "--max-age-days=10")


def test_what_cannot_be_rendered_is_left_and_said(account: Account) -> None:
    from post_office.models import EmailTemplate

    broken = EmailTemplate.objects.create(name="broken", subject="s", content="c", html_content="x")
    row = from_post_office(subject="", message="", template=broken, context={"a": 1}, render_on_delivery=True)
    EmailTemplate.objects.update(content="{% nonsense %}")
    missing = from_post_office(attachments={"a.txt": ContentFile(b"a")})
    missing.attachments.get().file.storage.delete(missing.attachments.get().file.name)
    from_post_office(headers={"X-A": "a\nb"})

    for said in (run("--only=mail"), apply()):
        assert f"(#{row.pk}): it cannot be rendered: TemplateSyntaxError" in said
        assert f"(#{missing.pk}): it cannot be rendered: FileNotFoundError" in said
        assert "X-A" in said
    assert not Message.objects.exists()


def test_mail_of_mailer_comes_whole(account: Account) -> None:
    from mailer.backend import DbBackend
    from mailer.models import Message as Row

    message = EmailMultiAlternatives(
        "Größe",
        "Text ü",
        "Shop <shop@example.com>",
        ["a@example.net"],
        bcc=["d@example.net"],
        headers={"X-A": "1"},
    )
    message.attach_alternative("<p>Text</p>", "text/html")
    message.attach("b.bin", bytes(range(256)), "application/x-b")
    DbBackend().send_messages([message])
    Row.objects.update(priority=1)

    apply()

    queued = only_message()
    read = parsed(queued)
    assert (queued.subject, queued.priority, read["X-A"], read["Bcc"]) == ("Größe", Priority.HIGH, "1", None)
    assert set(Recipient.objects.values_list("address", flat=True)) == {"a@example.net", "d@example.net"}
    assert list(read.walk())[-1].get_payload(decode=True) == bytes(range(256))


def test_deferred_mail_of_mailer_comes_too_unless_it_was_given_up(account: Account, settings: Any) -> None:
    from mailer.models import DontSendEntry

    settings.MAILER_EMAIL_MAX_RETRIES = 3
    for name, priority, tries in (("low", 3, 0), ("deferred", 4, 1), ("given up", 4, 3)):
        row = from_mailer(subject=name)
        type(row).objects.filter(pk=row.pk).update(priority=priority, retry_count=tries)
    DontSendEntry.objects.create(to_address="x@example.net", when_added=timezone.now())

    said = apply()

    assert dict(Message.objects.values_list("subject", "priority")) == {"low": 2, "deferred": 1}
    assert "note: 1 entries of its don't-send list stay" in said
    assert "note: 1 mails were given up there: --include-failed" in said
    assert "were given up there" not in apply("--include-failed")
    assert Message.objects.filter(subject="given up").exists()


def test_a_release_of_post_office_that_logs_in_to_render_is_not_touched(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    from post_office import settings as theirs

    from_post_office()
    monkeypatch.delattr(theirs, "mailers_are_configured")  # as it is before 3.12

    assert "it has to be release 3.12 or later" in run()
    assert not Message.objects.exists()


def test_a_row_of_mailer_that_would_run_code_is_left(account: Account) -> None:
    row = from_mailer()
    evil = "gASVHQAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAJpZJSFlFKULg=="  # posix.system("id")
    type(row).objects.update(message_data=evil)

    said = apply()

    assert f"1 left (#{row.pk}): it is a posix.system, not an EmailMessage" in said
    assert type(row).objects.exists()


def test_a_queue_that_is_sending_is_not_touched(account: Account) -> None:
    from mailer import engine
    from post_office import lockfile

    from_post_office()
    with lockfile.FileLock(lockfile.default_lockfile), pytest.raises(QueueBusy, match="django-post-office"):
        import_mail(by_mailer={}, account=None, store=True)
    with ThreadPoolExecutor(1) as another:
        acquired, lock = another.submit(engine.acquire_lock).result()
        assert acquired
        with pytest.raises(QueueBusy, match="django-mailer"):
            import_mail(by_mailer={}, account=None, store=True)
        another.submit(engine.release_lock, lock).result()
    import_mail(by_mailer={}, account=None, store=True)
    assert Message.objects.count() == 1


def test_a_row_that_was_sent_since_it_was_read_is_not_queued(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mailer.models import Message as Row
    from post_office.models import STATUS, Email

    from_post_office()
    from_mailer()

    from mailconfig.delivery.imports import run as running

    real = running._account_of

    def somebody_is_quicker(mail: Any, *others: Any) -> Account:
        if isinstance(mail.row, Email):
            Email.objects.update(status=STATUS.sent)
        else:
            Row.objects.all().delete()
        return real(mail, *others)

    monkeypatch.setattr(running, "_account_of", somebody_is_quicker)

    said = apply()

    assert said.count("it was sent or changed meanwhile") == 2
    assert not Message.objects.exists()


def test_a_failure_in_between_leaves_each_mail_in_one_of_the_two_queues(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    from post_office.models import STATUS, Email

    from mailconfig.delivery.imports.post_office import PostOffice

    for number in range(3):
        from_post_office(subject=str(number))
    real = PostOffice.note

    def killed(self: PostOffice, mail: Any, taken_as: Message) -> None:
        if taken_as.subject == "1":
            raise KeyboardInterrupt
        real(self, mail, taken_as)

    monkeypatch.setattr(PostOffice, "note", killed)
    with pytest.raises(KeyboardInterrupt):
        apply()

    assert list(Message.objects.values_list("subject", flat=True)) == ["0"]
    assert list(Email.objects.exclude(status=STATUS.sent).values_list("subject", flat=True)) == ["1", "2"]
    monkeypatch.undo()
    apply()
    assert sorted(Message.objects.values_list("subject", flat=True)) == ["0", "1", "2"]


@pytest.mark.parametrize("backend", ["post_office.EmailBackend", "mailconfig.backend.EmailBackend"])
def test_mail_goes_by_the_server_that_would_have_sent_it(account: Account, backend: str) -> None:
    from_post_office(sender="other@example.com")
    from_mailer(subject="second")
    with settings_of(**EMAIL | {"EMAIL_BACKEND": backend}):
        assert "2" not in (dry := run()).partition("django-post-office: ")[2][:1]
        assert ": 1 would be queued for default" in dry
        run("--apply")

    imported = Account.objects.get(host="smtp.example.com")
    assert set(Message.objects.values_list("account", flat=True)) == {imported.pk}


def test_an_account_may_be_named(account: Account) -> None:
    other = make_account(name="other", serves_project=True)
    from_post_office()

    assert ": 1 queued for other" in apply("--account=other")
    assert only_message().account == other


def test_mail_that_nobody_sends_is_left_and_said() -> None:
    from_post_office()

    assert "no account sends mail from shop@example.com" in apply()
    with pytest.raises(Exception, match="there is no account named 'nobody'"):
        apply("--account=nobody")


def test_tables_in_another_database_are_not_touched(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    from_post_office()
    monkeypatch.setattr(type(router), "db_for_write", lambda *_arguments, **_hints: "elsewhere")

    said = run("--only=mail")

    assert said.count("nothing was looked at: its tables are in another database") == 2


def test_contexts_that_are_kept_in_pickles_are_not_read(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    from post_office.models import Email, EmailTemplate

    template = EmailTemplate.objects.create(name="t", subject="s", content="c")
    from_post_office(subject="", message="", template=template, context={"a": 1}, render_on_delivery=True)
    from_post_office(subject="plain")
    field = Email._meta.get_field("context")
    from django.db import models

    monkeypatch.setattr(field, "__class__", models.TextField)

    said = apply()

    assert "the context of its template is kept in a way that runs code" in said
    assert list(Message.objects.values_list("subject", flat=True)) == ["plain"]


def test_nothing_is_imported_inside_what_a_dry_run_reads(account: Account) -> None:
    from_post_office()
    found = import_settings(store=False)
    reports = import_mail(by_mailer=found.by_mailer, account=None, store=False)

    assert [report.queued.total() for report in reports] == [1, 0]
    assert connection.in_atomic_block is False
    assert issubclass(QueueBusy, MailconfigError)
