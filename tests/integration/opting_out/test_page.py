"""The page on which a recipient opts out: by hand, by one click in a mail program, and what changes nothing."""

from __future__ import annotations

import email
import email.policy
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.core import signing
from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from mailconfig import delivery, signals
from mailconfig.delivery.queue.opt_out_links import SALT, Wish, read_wish, token_of
from mailconfig.exceptions import InvalidMessage, KeyReused
from mailconfig.models import Account, Message, MessageKind, Suppression
from tests.factories import body_of, make_account, make_email, make_mailbox, make_tenant

pytestmark = pytest.mark.django_db

BASE = "https://mail.example.com"


@pytest.fixture(autouse=True)
def _reached(settings: Any) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "PUBLIC_BASE_URL": f"{BASE}/"}


def mail_of(message: Message) -> Any:
    return email.message_from_bytes(body_of(message) or b"", policy=email.policy.default)


def link_of(message: Message) -> str:
    (url,) = re.findall(r"\A<(https://\S+)>\Z", str(mail_of(message)["List-Unsubscribe"]))
    return str(url)


def path_of(message: Message) -> str:
    return link_of(message).removeprefix(BASE)


@pytest.fixture
def client() -> Client:
    """As strict about other sites as a server is."""
    return Client(enforce_csrf_checks=True)


@pytest.fixture
def told() -> Iterator[list[dict[str, Any]]]:
    """What is told of those who opt out."""
    heard: list[dict[str, Any]] = []

    def hear(sender: Any, signal: Any, **values: Any) -> None:
        heard.append(values)

    signals.recipient_opted_out.connect(hear)
    yield heard
    signals.recipient_opted_out.disconnect(hear)


def test_a_mail_says_how_to_opt_out_as_mail_programs_want_it() -> None:
    """RFC 8058 §3.1: both fields, one https URI in angle brackets; RFC 6376 §5.4.1 would have both signed."""
    mailbox = make_mailbox(signature="Ann", opt_out_signature="Tired of me? <%Say so & go%>")
    mail = EmailMultiAlternatives("Subject", "Text", to=["Bob <Them.Too@Example.net>"])
    mail.attach_alternative("<html><body><p>HTML</p></body></html>", "text/html")
    message = delivery.enqueue(mail, account=mailbox, unsubscribe=True)
    assert message.kind == MessageKind.BULK

    raw, parsed = body_of(message) or b"", mail_of(message)
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert parsed.get_all("List-Unsubscribe-Post") == ["List-Unsubscribe=One-Click"]
    assert len(parsed.get_all("List-Unsubscribe")) == 1
    url = link_of(message)
    assert url.startswith(f"{BASE}/unsubscribe/")
    plain = parsed.get_body(["plain"]).get_content().replace("\r\n", "\n")
    assert plain == f"Text\n\n-- \nAnn\n\nTired of me? Say so & go <{url}>\n"
    html = parsed.get_body(["html"]).get_content()
    assert (
        html.index("Ann")
        < html.index(f'Tired of me? <a href="{url}">Say so &amp; go</a>')
        < html.index("</body>")
    )
    assert read_wish(url.rpartition("/")[2]) == Wish(
        tenant_id=None, address="them.too@example.net", account_id=mailbox.pk, message_uuid=message.uuid
    )


def ways(account: Account, mail: EmailMessage) -> dict[str, Any]:
    """Each way in which a host project says it, and the kind of mail that makes."""
    attribute = make_email()
    attribute.unsubscribe = True  # type: ignore[attr-defined]
    new_password = make_email()
    new_password.transactional = True  # type: ignore[attr-defined]
    return {
        "many": (lambda: delivery.enqueue_many([mail], account=account, unsubscribe=True), MessageKind.BULK),
        "attribute": (lambda: delivery.enqueue(attribute, account=account), MessageKind.BULK),
        "backend": (lambda: _by_backend(mail, account, unsubscribe=True), MessageKind.BULK),
        "bulk": (lambda: delivery.enqueue(mail, account=account, bulk=True), MessageKind.BULK),
        "transactional": (
            lambda: delivery.enqueue(mail, account=account, transactional=True),
            MessageKind.TRANSACTIONAL,
        ),
        "by itself": (lambda: _by_backend(new_password, account), MessageKind.TRANSACTIONAL),
        "plain": (lambda: _by_backend(mail, account), MessageKind.ORDINARY),
    }


def _by_backend(mail: EmailMessage, account: Account, **options: Any) -> None:
    get_connection("mailconfig.backend.EmailBackend", account=account.pk, **options).send_messages([mail])


def test_whatever_way_it_is_said_the_kind_is_stored() -> None:
    account = make_account()
    for way, (send, kind) in ways(account, make_email()).items():
        send()
        message = Message.objects.latest("pk")
        assert (message.kind, way) == (kind, way)
        assert ("List-Unsubscribe" in mail_of(message)) == (way in {"many", "attribute", "backend"}), way
        assert ("You no longer want" in mail_of(message).get_content()) == (
            "List-Unsubscribe" in mail_of(message)
        )


def test_the_same_mail_has_the_same_key_although_its_link_differs() -> None:
    account = make_account()
    first = delivery.enqueue(make_email(), account=account, unsubscribe=True, idempotency_key="k")
    assert delivery.enqueue(make_email(), account=account, unsubscribe=True, idempotency_key="k") == first
    with pytest.raises(KeyReused):
        delivery.enqueue(make_email(), account=account, idempotency_key="k")


class Rendering(EmailMessage):
    """Renders itself."""

    def message(self, **kwargs: Any) -> Any:
        return super().message(**kwargs)


def test_what_nobody_could_opt_out_of_is_refused(settings: Any) -> None:
    account = make_account()
    refused: dict[str, tuple[EmailMessage, dict[str, Any]]] = {
        "exactly one": (make_email(to=["a@example.net", "b@example.net"]), {"unsubscribe": True}),
        "renders itself": (Rendering("Subject", "Text", to=["a@example.net"]), {"unsubscribe": True}),
        "already": (
            make_email(headers={"list-unsubscribe": "<mailto:me@example.com>"}),
            {"unsubscribe": True},
        ),
        "not transactional": (make_email(), {"unsubscribe": True, "transactional": True}),
    }
    for words, (mail, asked) in refused.items():
        with pytest.raises(InvalidMessage, match=words):
            delivery.enqueue(mail, account=account, **asked)
    settings.MAILCONFIG = {**settings.MAILCONFIG, "PUBLIC_BASE_URL": None}
    with pytest.raises(InvalidMessage, match="PUBLIC_BASE_URL"):
        delivery.enqueue(make_email(), account=account, unsubscribe=True)


def test_looking_changes_nothing_and_any_post_opts_out_once(
    client: Client, told: list[dict[str, Any]], django_capture_on_commit_callbacks: Any
) -> None:
    tenant = make_tenant()
    account = make_account(tenant=tenant)
    message = delivery.enqueue(make_email(), account=account, unsubscribe=True)
    path = path_of(message)
    for method in ("get", "head", "options"):
        with CaptureQueriesContext(connection) as asked:
            assert getattr(client, method)(path, headers={"purpose": "prefetch"}).status_code == 200
        assert not [query for query in asked if not query["sql"].startswith("SELECT")]
    for method in ("put", "delete", "patch"):
        assert getattr(client, method)(path).status_code == 405
    assert not Suppression.objects.exists()

    posts: list[dict[str, Any]] = [
        {"data": "List-Unsubscribe=One-Click", "content_type": "application/x-www-form-urlencoded"},
        {"data": {"List-Unsubscribe": "One-Click"}},
        {"data": b"\x00", "content_type": "text/nonsense", "headers": {"origin": "https://evil.example"}},
    ]
    for number, post in enumerate(posts):
        with CaptureQueriesContext(connection) as asked, django_capture_on_commit_callbacks(execute=True):
            response = client.post(path, **post)
        assert response.status_code == 200
        assert not response.cookies
        if number:
            assert not [query for query in asked if query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
    assert client.post(path, headers={"host": "forged.example"}).status_code == 400  # Django's own answer
    entry = Suppression.objects.get()
    assert (entry.tenant, entry.address, entry.reason) == (tenant, "to0@example.net", "opt_out")
    assert (entry.message, entry.created_by) == (message, None)
    assert told == [
        {
            "tenant_id": tenant.pk,
            "address": "to0@example.net",
            "message_id": message.pk,
            "account_id": account.pk,
            "source": "link",
        }
    ]


def test_a_token_that_is_none_of_ours_says_so_and_nothing_else(client: Client, settings: Any) -> None:
    wish = Wish(tenant_id=None, address="them@example.net", account_id=1, message_uuid=uuid.uuid4())
    token = token_of(wish)
    other_salt = signing.Signer(salt="another.purpose").sign_object(
        [0, wish.address, 1, wish.message_uuid.hex]
    )
    with_another_key = signing.Signer(key="another-key", salt=SALT).sign_object(
        [0, "x@example.net", 1, uuid.uuid4().hex]
    )
    nobodys = token_of(
        Wish(tenant_id=10**6, address="them@example.net", account_id=1, message_uuid=uuid.uuid4())
    )
    bad = [
        token[:-1],
        token[1:],
        token.swapcase(),
        token + "x",
        "x",
        "a:b",
        "%00",
        "é",
        "x" * 5000,
        other_salt,
    ]
    bodies = set()
    for one in [*bad, with_another_key, nobodys, signing.dumps("them@example.net")]:
        for method in (client.get, client.post):
            response = method(f"/unsubscribe/{one}")
            assert response.status_code == 404, one
            bodies.add(response.content)
    assert len(bodies) == 1
    assert not Suppression.objects.exists()

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a-new-key", [settings.SECRET_KEY]
    assert client.post(f"/unsubscribe/{token}").status_code == 200
    settings.SECRET_KEY_FALLBACKS = []
    assert client.post(f"/unsubscribe/{token}").status_code == 404


def test_the_page_speaks_the_readers_language_and_is_nobody_elses_affair(client: Client) -> None:
    mailbox = make_mailbox(opt_out_message="Farewell <b>you</b>")
    path = path_of(delivery.enqueue(make_email(), account=mailbox, unsubscribe=True))
    for accepted, language, words in [
        ("", "en", "Should no more such mail"),
        ("ja", "ja", "配信停止"),
        ("fr;q=1, ja-JP;q=0.9, en;q=0.1", "ja", "配信停止"),
        ("x" * 10_000, "en", "Unsubscribe"),
    ]:
        response = client.get(path, headers={"accept-language": accepted})
        assert words in response.content.decode()
        assert response["Content-Language"] == language
        assert "to0@example.net" in response.content.decode()
    response = client.get(path)
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["Cache-Control"] == "no-store"
    assert "noindex" in response["X-Robots-Tag"]
    assert "frame-ancestors 'none'" in response["Content-Security-Policy"]
    assert response["Vary"] == "Accept-Language"
    done = client.post(path).content.decode()
    assert "Farewell &lt;b&gt;you&lt;/b&gt;" in done
    assert "Farewell" not in client.get(path).content.decode()


def test_a_link_outlives_its_mail_and_its_account(client: Client) -> None:
    message = delivery.enqueue(make_email(), account=make_account(), unsubscribe=True)
    path = path_of(message)
    Message.objects.all().delete()
    Account.objects.all().delete()
    assert client.post(path).status_code == 200
    assert Suppression.objects.get().message is None


def test_the_place_of_the_page_is_the_one_in_links() -> None:
    assert reverse("mailconfig-unsubscribe", args=["a:b"]) == "/unsubscribe/a:b"
