"""To who asks for Japanese every refusal of the providers' surface is Japanese, wherever its words come from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import RequestDataTooBig
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from django.utils.translation import gettext, ngettext, override
from pytest_django import Settings
from rest_framework.exceptions import Throttled
from rest_framework.test import APIClient

from mailconfig.api.common.errors import problem_of
from mailconfig.api.common.serializers import StrictSerializer
from mailconfig.delivery import run_check
from mailconfig.delivery.accounts import logins
from mailconfig.exceptions import SecretUnreadable, WrongInstallation
from mailconfig.models import Account, CheckKind, ConnectionCheck
from mailconfig.values import ErrorCode
from tests.bearer import client_of
from tests.factories import make_message
from tests.integration.api.calls import BODY, URL, make_provider, refused
from tests.integration.api.conftest import LOGIN, PASSWORD
from tests.integration.api.providers.test_writing import BAD
from tests.servers.certificates import Certificates
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Action, Close, Endless, Hang, Raw, Reply
from tests.translations.extraction import found

pytestmark = pytest.mark.django_db(transaction=True)

JSON = "application/json"
MIB = 1024 * 1024
JAPANESE = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")
ENGLISH = re.compile(r"[A-Za-z]{2,}['’]?[a-z]* [A-Za-z]{2,}")
"""Two words beside each other: names of fields, hosts and codes stand alone or have commas between them."""
SENTENCES = re.compile(r"。|(?<=[.!?])\s")
OURS = ("mailconfig/api/common/", "mailconfig/api/providers/")
KEY_OF_SOMEBODY_ELSE = "bm90LWEtcmVhbC1rZXktLWFub3RoZXItb25lLW9mLXM="

Answers = Iterator[tuple[int, Any]]
"""Each with the status that it has to have."""


def is_japanese(text: str) -> bool:
    """Whether all of its sentences are."""
    sentences = [sentence for sentence in SENTENCES.split(text) if sentence.strip()]
    return bool(sentences) and all(JAPANESE.search(one) for one in sentences) and not ENGLISH.search(text)


@dataclass
class Listener:
    """Hears answers, and keeps what they say."""

    messages: set[str] = field(default_factory=set)
    statuses: set[int] = field(default_factory=set)
    codes: set[str] = field(default_factory=set)

    def hear(self, answers: Answers) -> None:
        """All of these, which are refusals in Japanese."""
        for status, response in answers:
            body = refused(response, status)
            assert response["Content-Language"] == "ja", body
            self.statuses.add(status)
            self.codes.add(body.get("code", ""))
            self.add(
                [body["message"], *(text for several in body.get("errors", {}).values() for text in several)]
            )

    def add(self, messages: Iterable[str]) -> None:
        """These were said."""
        self.messages.update(messages)

    def foreign(self) -> list[str]:
        """What is not Japanese."""
        return sorted(message for message in self.messages if not is_japanese(message))

    def unheard(self) -> list[str]:
        """Messages of the surface's code that nothing has said, in English."""
        return [message for message, said in sentences_of_code() if not any(map(said.search, self.messages))]


def sentences_of_code() -> Iterator[tuple[str, re.Pattern[str]]]:
    """What the surface's modules say themselves, and what that is in Japanese."""
    with override("ja"):
        for item in found():
            if item.path.startswith(OURS):
                text = ngettext(item.id, item.plural, 2) if item.plural else gettext(item.id)
                yield item.id, re.compile(".+".join(map(re.escape, re.split(r"%\(\w+\)[sd]", text))))


def japanese(client: APIClient) -> APIClient:
    """The same client, which asks for Japanese."""
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "ja"
    return client


# What is refused before a mail server is asked


def bad_values(api: APIClient) -> Answers:
    """Every field missing, cleared and wrong."""
    provider = make_provider()
    path = f"{URL}/{provider.pk}"
    yield 400, api.post(URL, {}, format="json")
    for name, values in BAD.items():
        without = {key: value for key, value in BODY.items() if key != name}
        if name != "caption":
            yield 400, api.post(URL, without, format="json")
        for value in values:
            yield 400, api.post(URL, without | {name: value}, format="json")
            yield 400, api.patch(path, {name: value}, format="json")
    for change in ({"host": "smtp.example.net"}, {"port": 25}, {"username": "x"}, {"encryption": "ssl"}):
        yield 400, api.patch(path, change, format="json")
    for cleared in (None, ""):
        yield 400, api.patch(path, {"password": cleared}, format="json")
    nameless = make_provider(authentication="none", username="", secret=None)
    yield 400, api.patch(f"{URL}/{nameless.pk}", {"password": PASSWORD}, format="json")


def bad_parameters(api: APIClient) -> Answers:
    """Everything a query string may not hold."""
    for query in (
        *(
            "x=1",
            "limit=0",
            "limit=101",
            "limit=x",
            "limit=",
            "offset=-1",
            "offset=9999999999",
            "isEnabled=yes",
        ),
        *(
            "sort=x",
            "sort=caption,-x",
            "limit=1&limit=2",
            "caption=%00",
            "sort=caption&sort=host",
            "format=json",
        ),
        "&".join(f"a{number}=1" for number in range(2000)),
    ):
        yield 400, api.get(f"{URL}?{query}")


def bad_bodies(api: APIClient) -> Answers:
    """What is no JSON, not ours, or too much."""
    for body in (
        *(
            b"{",
            b"[" * 100,
            b"[%s[]]" % (b"[]," * 10_000),
            b'{"a": 1, "a": 2}',
            b'{"a": NaN}',
            b'{"a": -Infinity}',
            b'{"caption": "\\u0000"}',
        ),
        *(b'{"a": "\\ud800"}', b"\xff", b"null", b'"x"', b"[]", b"1", b"{} {}", b"\xef\xbb\xbf{}"),
        *(b'{"a": 1e400}', b'{"a": %s}' % (b"1" * 65), b'{"a": 0.%s}' % (b"1" * 65)),
    ):
        yield 400, api.post(URL, body, content_type=JSON)
    yield 413, api.post(URL, b'"' + b"a" * MIB + b'"', content_type=JSON)
    yield 411, api.generic("POST", URL, content_type=JSON, HTTP_TRANSFER_ENCODING="chunked")
    yield 415, api.post(URL, BODY, format="json", HTTP_CONTENT_ENCODING="gzip")
    for kind in (
        *("text/plain", "application/xml", "multipart/form-data; boundary=x", "", ";", "x" * 8000),
        *(f"{JSON}; charset=utf-16", f"{JSON}; charset=bogus", "application/x-www-form-urlencoded"),
    ):
        yield 415, api.generic("POST", URL, "caption=x", content_type=kind)


def bad_calls(api: APIClient, bob: User, settings: Settings) -> Answers:
    """Who may not, what is not there, and how one does not ask."""
    provider = make_provider()
    path = f"{URL}/{provider.pk}"
    for place in (f"{URL}/0", f"{URL}/x", f"{path}0", f"{path}0/status", f"{URL}/checks/x"):
        yield 404, api.get(place)
    yield 404, api.get(f"{URL}/checks/00000000-0000-4000-8000-000000000000")
    for place in (URL, path, f"{path}/status"):
        yield 405, api.put(place)
        yield 406, api.get(place, HTTP_ACCEPT="text/html")
    other = japanese(client_of(bob))
    for place in (URL, path, f"{path}/status"):
        yield 403, other.get(place)
    yield 403, other.post(URL, BODY, format="json")
    yield 403, other.patch(path, {}, format="json")
    yield 403, other.delete(path)
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "CommonMiddleware" not in name]
    yield 400, japanese(client_of(bob)).get(URL, HTTP_HOST="a b")  # a client loads middleware once
    settings.MAILCONFIG = {**settings.MAILCONFIG, "SURFACES": []}
    yield 404, api.get(URL)


def bad_logins(alice: User, settings: Settings) -> Answers:
    """Nobody, somebody else, and a browser whose page is old."""
    nobody = japanese(client_of(None))
    settings.REST_FRAMEWORK = {
        "DEFAULT_AUTHENTICATION_CLASSES": [
            "tests.bearer.BearerAuthentication",
            "rest_framework.authentication.BasicAuthentication",
            "rest_framework.authentication.SessionAuthentication",
        ]
    }
    yield 401, nobody.get(URL)
    for header in (
        *("Bearer", "Bearer a b", "Bearer \xff", "Bearer \x00", "Bearer token-of-nobody"),
        *("Basic", "Basic a b", "Basic eDp5", "Basic *"),
    ):
        yield 401, nobody.get(URL, HTTP_AUTHORIZATION=header)
    browser = Client(enforce_csrf_checks=True, headers={"Accept-Language": "ja"})
    browser.force_login(alice)
    yield 403, browser.post(URL, BODY, content_type=JSON)
    browser.cookies["csrftoken"] = "a" * 32
    yield 403, browser.post(URL, BODY, content_type=JSON, headers={"X-CSRFToken": "b" * 32})
    form = "application/x-www-form-urlencoded"
    yield 413, browser.post(URL, "a=" + "a" * 3 * MIB, content_type=form)


def conflicts(api: APIClient) -> Answers:
    """Mail that waits, a change at the same moment, and a database that is away."""
    provider = make_provider()
    path = f"{URL}/{provider.pk}"
    for _ in range(2):
        make_message(provider)
        yield 409, api.delete(path)
    others: list[int] = []

    def come_in_between(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not others and '"revision" = ' in sql and sql.startswith("SELECT"):
            others.append(Account.objects.filter(pk=provider.pk).update(revision=7))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(come_in_between):
        yield 409, api.patch(path, {"caption": "mine"}, format="json")

    def be_away(*_: Any) -> Any:
        raise OperationalError("the server closed the connection unexpectedly")

    with connection.execute_wrapper(be_away):
        yield 503, api.get(URL)


# What comes of connecting

FAULTS: list[tuple[str, Action]] = [
    ("banner", Reply.of("554 5.3.2 go away")),
    ("banner", Reply.of("421 4.3.2 later")),
    ("banner", Raw(b"SSH-2.0-OpenSSH_9\r\n")),
    ("banner", Close()),
    ("banner", Hang()),
    ("ehlo", Endless()),
    ("ehlo", Close()),
    ("ehlo", Hang()),
    ("starttls", Reply.of("454 4.7.0 no TLS now")),
    ("handshake", Close()),
    ("handshake", Hang()),
    ("auth", Reply.of("535 5.7.8 no")),
    ("auth", Reply.of("534 5.7.9 application-specific password required")),
    ("auth", Reply.of("454 4.7.0 too many logins")),
    ("auth", Close()),
    ("auth", Hang()),
    ("mail", Reply.of("553 5.7.1 not yours")),
    ("mail", Reply.of("451 4.7.1 not now")),
    ("mail", Reply.of("530 5.7.0 log in first")),
    ("mail", Close()),
    ("mail", Hang()),
]


class Checks:
    """Asks for the status of providers, each with a user name of its own, so that no throttle comes in between."""

    def __init__(self, staff: User, api: APIClient, certificates: Certificates) -> None:
        self.clients = (japanese(client_of(staff)), api)  # staff need not wait where nobody answers
        self.certificates = certificates
        self.names = (f"user{number}@mail.test" for number in range(1000))

    def status(self, **values: Any) -> Answers:
        """Of a new provider; both are told of one check."""
        provider = make_provider(**{"username": next(self.names), **values})
        for client in self.clients:
            yield 422, client.get(f"{URL}/{provider.pk}/status")

    def faults(self) -> Answers:
        """A server as they are on port 587 that does what it should not."""
        with ChaosServer(tls=self.certificates.good, starttls=True, credentials={}) as server:
            yield from self.status(port=server.port)  # a wrong password
            for verb, action in FAULTS:
                name = next(self.names)
                server.calm()
                server.credentials = {name: PASSWORD}
                server.on(verb, action)
                yield from self.status(port=server.port, username=name)

    def encryption(self) -> Answers:
        """Servers that encrypt otherwise, or badly."""
        for certificate in ("wrong_name", "expired", "unknown_authority"):
            with ChaosServer(tls=getattr(self.certificates, certificate), starttls=True) as server:
                yield from self.status(port=server.port)
        with ChaosServer() as plain:
            yield from self.status(port=plain.port, security="tls")
            yield from self.status(port=plain.port, security="starttls")
        with ChaosServer(tls=self.certificates.good) as encrypted:
            yield from self.status(port=encrypted.port, security="starttls")
            yield from self.status(port=encrypted.port, security="tls")  # no login is offered

    def places(self, settings: Settings) -> Answers:
        """Where there is no server, or none that may be used."""
        with ChaosServer() as closed:
            port = closed.port
        yield from self.status(port=port)
        yield from self.status(host="no-such-host.invalid")
        before = settings.MAILCONFIG
        settings.MAILCONFIG = {**before, "ALLOWED_NETWORKS": []}
        yield from self.status(host="169.254.169.254")
        settings.MAILCONFIG = {**before, "ALLOWED_PORTS": [465]}
        yield from self.status()
        settings.MAILCONFIG = before

    def secrets(self, settings: Settings) -> Answers:
        """A password that does not open, or that was entered for another server; a sender that is not there."""
        moved = make_provider(username=next(self.names))
        Account.objects.filter(pk=moved.pk).update(port=26)
        for client in self.clients:
            yield 422, client.get(f"{URL}/{moved.pk}/status")
        locked = make_provider(username=next(self.names))
        before, settings.FIELD_ENCRYPTION_KEY = settings.FIELD_ENCRYPTION_KEY, KEY_OF_SOMEBODY_ELSE
        for client in self.clients:
            yield 422, client.get(f"{URL}/{locked.pk}/status")
        settings.FIELD_ENCRYPTION_KEY = before
        name = "no-address"
        tls = self.certificates.good
        with ChaosServer(tls=tls, starttls=True, credentials={name: PASSWORD}) as server:
            yield from self.status(port=server.port, username=name, from_email="")


def throttles(api: APIClient, alice: User, settings: Settings) -> Answers:
    """One check too many by each rule that knows providers, told in seconds and in minutes."""
    settings.MAILCONFIG = {**settings.MAILCONFIG, "CHECKS_PER_MINUTE": 10}
    provider = make_provider(host="smtp.example.com", username="throttled@mail.test")
    mine: dict[str, Any] = {"requested_by": alice, "state": "failed"}
    same_login = {"login": logins.key_of(provider)}
    refused_login = {"stage": "login", "code": "auth_failed", "server_text": "535"} | same_login
    rules: list[tuple[int, int, Mapping[str, Any]]] = [
        (10, 20, mine),
        (20, 1200, mine | same_login),
        (5, 300, mine | refused_login),
    ]
    for count, seconds, values in rules:
        ConnectionCheck.objects.all().delete()
        ConnectionCheck.objects.bulk_create(
            ConnectionCheck(kind=CheckKind.CONNECTION, **values) for _ in range(count)
        )
        ConnectionCheck.objects.update(created_at=timezone.now() - timedelta(seconds=seconds))
        for headers in ({}, {"Prefer": "respond-async"}):
            yield 429, api.get(f"{URL}/{provider.pk}/status", headers=headers)
    ConnectionCheck.objects.update(state="running", started_at=timezone.now(), login="", stage="", code="")
    ConnectionCheck.objects.exclude(pk__in=ConnectionCheck.objects.values("pk")[:2]).delete()
    yield 429, api.get(f"{URL}/{provider.pk}/status")


def of_others() -> Iterator[str]:
    """What only other surfaces or a host's own classes run into, told by the same map and the same serializers."""
    errors = (
        *(SecretUnreadable("x"), WrongInstallation("x"), RequestDataTooBig("x")),
        *(Throttled(wait=5), Throttled(wait=500), Throttled()),
    )
    with override("ja"):
        for problem in filter(None, map(problem_of, errors)):
            yield problem.message
            yield from (one.message for several in problem.fields.values() for one in several)
        strict = StrictSerializer(data={"x": 1})
        assert not strict.is_valid()
        yield from map(str, strict.errors["x"])


def test_every_refusal_is_japanese_and_every_sentence_of_the_surface_is_heard(
    api: APIClient,
    alice: User,
    staff: User,
    bob: User,
    certificates: Certificates,
    trusted: None,
    settings: Settings,
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "CHECKS_PER_MINUTE": 1000, "PROBE_SECONDS": 0.4}
    as_it_was = (settings.MAILCONFIG, settings.MIDDLEWARE)
    checks = Checks(staff, japanese(api), certificates)
    listener = Listener()

    for answers in (
        *(bad_values(api), bad_parameters(api), bad_bodies(api), conflicts(api)),
        *(checks.faults(), checks.encryption(), checks.places(settings), checks.secrets(settings)),
    ):
        listener.hear(answers)
    listener.hear(bad_calls(api, bob, settings))
    settings.MAILCONFIG, settings.MIDDLEWARE = as_it_was
    listener.hear(throttles(api, alice, settings))
    listener.hear(bad_logins(alice, settings))
    listener.add(of_others())

    assert listener.foreign() == []
    assert listener.unheard() == []
    assert listener.statuses == {400, 401, 403, 404, 405, 406, 409, 411, 413, 415, 422, 429, 503}
    # Nobody is written to, and no folder is read.
    assert listener.codes == {"", *ErrorCode} - {ErrorCode.RECIPIENT_REFUSED, ErrorCode.FOLDER_REFUSED}


def test_a_check_of_a_worker_is_told_in_japanese(staff: User, api: APIClient, server: ChaosServer) -> None:
    server.on("mail", Reply.of("553 5.7.1 not yours"))
    for client in (japanese(client_of(staff)), japanese(api)):
        provider = make_provider(port=server.port)
        asked = client.get(f"{URL}/{provider.pk}/status", headers={"Prefer": "respond-async"})
        run_check(check_id=ConnectionCheck.objects.get(uuid=asked.json()["id"]).pk)

        answer = client.get(asked["Location"])

        check = answer.json()
        assert (asked["Content-Language"], answer["Content-Language"]) == ("ja", "ja")
        assert (check["code"], check["stage"], check["field"]) == ("sender_refused", "sender", "sendFrom")
        assert is_japanese(check["message"]), check
        assert not check["hint"] or is_japanese(check["hint"]), check
        # The server's own words are staff's, and stay what they are.
        assert ("553 5.7.1 not yours" in json.dumps(check)) == (client is not api)


def test_what_works_says_its_language_too(api: APIClient, server: ChaosServer) -> None:
    provider = make_provider(port=server.port, username=LOGIN)
    for path, status in ((URL, 200), (f"{URL}/{provider.pk}", 200), (f"{URL}/{provider.pk}/status", 204)):
        response = japanese(api).get(path)

        assert (response.status_code, response["Content-Language"]) == (status, "ja")
        assert "Accept-Language" in response["Vary"].split(", ")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("ja", "ja"),
        ("JA", "ja"),
        ("ja-JP, en;q=0.5", "ja"),
        ("ja-JP-u-ca-japanese", "ja"),
        ("en;q=0.5, ja-JP", "ja"),
        ("tlh, ja;q=0.1", "ja"),
        ("ja;q=0, en", "en"),
        ("en, ja;q=0.9", "en"),
    ],
)
def test_the_header_chooses(api: APIClient, header: str, language: str) -> None:
    response = api.get(f"{URL}/0", headers={"Accept-Language": header})

    assert response["Content-Language"] == language
    assert is_japanese(refused(response, 404)["message"]) == (language == "ja")


@pytest.mark.parametrize("own", ["en", "ja"])
def test_a_header_that_names_no_language_gets_the_projects_own(
    api: APIClient, settings: Settings, own: str
) -> None:
    settings.LANGUAGE_CODE = own
    for header in ("", "*", "tlh", "ja_JP", ";;;,,,", "ja;q=x", "\xff\xfe", "日本語", "j" * 10_000, "ja\x00"):
        response = api.get(f"{URL}/0", HTTP_ACCEPT_LANGUAGE=header)

        assert response["Content-Language"] == own, header
        assert is_japanese(refused(response, 404)["message"]) == (own == "ja")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("見つかりませんでした。", True),
        ("次のいずれかを指定してください: ssl, tls", True),
        ("TLS または STARTTLS を選択してください。", True),
        ("smtp.example.com のようなサーバー名を入力してください。", True),
        ("", False),
        ("Not found.", False),
        ("見つかりませんでした。 Try again.", False),
        ("リクエストの処理は絞られました。 Expected available in 5 seconds.", False),
        ("CSRF Failed: トークン", False),
        ("値 is not valid です。", False),
    ],
)
def test_what_counts_as_japanese(text: str, expected: bool) -> None:
    assert is_japanese(text) == expected
