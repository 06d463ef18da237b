"""A secret nobody else has is stored in every secret field, and everything is driven: it is found nowhere."""

from __future__ import annotations

import base64
import contextlib
import io
import logging
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.apps import apps
from django.contrib import admin
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import NoReverseMatch, reverse

from mailconfig import delivery
from mailconfig.exceptions import TransportError
from mailconfig.models import (
    Account,
    EventWebhook,
    Installation,
    Lane,
    Mailbox,
    Message,
    OAuth2Client,
    OAuth2Grant,
    OAuth2Token,
    OutboundEmail,
    SMTPProvider,
    TenantMailConfig,
    WebhookEndpoint,
)
from mailconfig.secrets.fields import SecretField
from mailconfig.transports.contract import Surroundings
from mailconfig.transports.smtp import TRANSPORT
from mailconfig.values import NetworkPolicy, Secret
from tests.acceptance.crew import Broker
from tests.acceptance.kills import FAST
from tests.canary import CANARY, LOGIN, hits
from tests.factories import (
    account_values,
    make_email,
    make_oauth2_client,
    make_oauth2_grant,
    make_tenant,
    make_user,
)
from tests.servers.chaos import ChaosServer
from tests.servers.children import Child, drain_worker, environment, until
from tests.servers.faults import Reply

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def test_the_search_finds_what_it_is_to_find() -> None:
    line = base64.b64encode(f"\0{LOGIN}\0{CANARY}".encode())
    assert hits("AUTH PLAIN", line)
    assert hits("AUTH LOGIN", base64.b64encode(CANARY.encode()))
    assert hits("a log", f"password={CANARY}")
    assert hits("a URL", f"smtp://me:{quote(CANARY, safe='')}@host")
    assert not hits("an innocent line", "password=***")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Everything every logger says, at DEBUG, with tracebacks."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s"))
    root = logging.getLogger()
    level = root.level
    quieted = {name: logging.getLogger(name).level for name in list(logging.root.manager.loggerDict)}
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    for name in quieted:
        logging.getLogger(name).setLevel(logging.DEBUG)
    connection.force_debug_cursor = True
    yield stream.getvalue
    connection.force_debug_cursor = False
    root.removeHandler(handler)
    root.setLevel(level)
    for name, before in quieted.items():
        logging.getLogger(name).setLevel(before)


@pytest.fixture
def server() -> Iterator[ChaosServer]:
    """It knows the canary, and says it aloud when it refuses a login."""
    encoded = base64.b64encode(f"\0{LOGIN}\0{CANARY}".encode()).decode()
    with ChaosServer(credentials={LOGIN: CANARY}, auth_in_clear=True) as server:
        server.refusal = Reply.of(  # type: ignore[attr-defined]
            f"535-5.7.8 no such password: {CANARY}", f"535 5.7.8 you said {encoded}"
        )
        yield server


@pytest.fixture
def accounts(server: ChaosServer) -> list[Account]:
    """One of each kind, the canary in every secret field there is."""
    secret_fields = {
        (model._meta.concrete_model, field.name)
        for model in apps.get_app_config("mailconfig").get_models()
        for field in model._meta.local_concrete_fields
        if isinstance(field, SecretField)
    }
    of_mailbox = ("imap_secret", "ews_secret", "sendgrid_secret")
    of_oauth2 = {(OAuth2Client, "secret"), (OAuth2Grant, "refresh_token"), (OAuth2Token, "access_token")}
    of_accounts = {(Account, "secret"), *((Mailbox, name) for name in of_mailbox)}
    of_webhooks = {
        (EventWebhook, "secret"),
        (WebhookEndpoint, "secret"),
        (WebhookEndpoint, "earlier_secret"),
    }
    assert secret_fields == of_accounts | of_oauth2 | of_webhooks, (
        "a new secret field: store the canary in it, here"
    )
    values = account_values(server.port, username=LOGIN, secret=Secret(CANARY))
    values.pop("kind")
    outbound = OutboundEmail.objects.create(**values)
    app = make_oauth2_client(secret=Secret(CANARY))
    grant = make_oauth2_grant(outbound, client=app, refresh_token=Secret(CANARY))
    OAuth2Token.objects.create(client=app, grant=grant, scope="mail", access_token=Secret(CANARY))
    EventWebhook.objects.create(account=outbound, service="mailgun", secret=Secret(CANARY))
    WebhookEndpoint.objects.create(
        tenant=make_tenant(),
        url="https://hooks.example.com/",
        secret=Secret(CANARY),
        earlier_secret=Secret(CANARY),
    )
    return [
        outbound,
        SMTPProvider.objects.create(**values),
        TenantMailConfig.objects.create(**values, tenant=make_tenant()),
        Mailbox.objects.create(
            **values,
            imap_host="imap.example.com",
            ews_endpoint="https://mail.example.com/EWS",
            **dict.fromkeys(of_mailbox, Secret(CANARY)),
        ),
    ]


def database_bytes() -> bytes:
    """All that the database keeps: a dump by its own tool, or the file with its log."""
    if connection.vendor == "sqlite":
        name = str(connection.settings_dict["NAME"])
        return b"".join(path.read_bytes() for path in Path(name).parent.glob(f"{Path(name).name}*"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = [name for (name,) in cursor.fetchall()]
        rows = []
        for table in tables:
            cursor.execute(f'SELECT row_to_json(t)::text, t::text FROM "{table}" t')  # noqa: S608 - names
            rows += [text for row in cursor.fetchall() for text in row]
        cursor.execute("SELECT octets FROM mailconfig_body")
        bodies = [bytes(octets) for (octets,) in cursor.fetchall()]
    return "\n".join(rows).encode() + b"\n".join(bodies)


def admin_pages(client: Client) -> Iterator[tuple[str, bytes]]:
    """Each list, and each object's pages."""
    pages = ["change", "history", "delete", "test", "test_mail"]
    for model in admin.site._registry:
        if model._meta.app_label != "mailconfig":
            continue
        base = f"admin:mailconfig_{model._meta.model_name}"
        addresses = [reverse(f"{base}_changelist")]
        for pk in model._default_manager.values_list("pk", flat=True)[:10]:
            for page in pages:
                try:
                    addresses.append(reverse(f"{base}_{page}", args=[pk]))
                except NoReverseMatch:
                    continue
        for address in addresses:
            yield address, client.get(address, follow=True).content
    for account in Account.objects.all():
        model_name = {"outbound_email": "outboundemail", "smtp_provider": "smtpprovider"}.get(account.kind)
        if model_name:
            address = reverse(f"admin:mailconfig_{model_name}_test", args=[account.pk])
            yield f"POST {address}", client.post(address, follow=True).content


def frames_of(error: BaseException) -> str:
    """What an error reporter keeps: the traceback and the variables of every frame."""
    parts = traceback.format_exception(error)
    walked: BaseException | None = error
    while walked is not None:
        frame = walked.__traceback__
        while frame is not None:
            if "/mailconfig/" in frame.tb_frame.f_code.co_filename:
                parts += [f"{name}={value!r}" for name, value in frame.tb_frame.f_locals.items()]
            frame = frame.tb_next
        walked = walked.__cause__ or walked.__context__
    return "\n".join(parts)


def command_output(*arguments: str) -> str:
    """What a management command prints."""
    output = io.StringIO()
    with contextlib.suppress(SystemExit):
        call_command(*arguments, stdout=output, stderr=output)
    return output.getvalue()


def drive(server: ChaosServer, accounts: list[Account], folder: Path) -> Iterator[tuple[str, bytes | str]]:
    """Everything that can happen to an account, and what comes out of it."""
    for refused in (False, True):
        server.calm()
        if refused:
            server.on("auth", server.refusal)  # type: ignore[attr-defined]
        for account in accounts:
            person = make_user()  # each has a throttle of their own
            check = delivery.probe_account(account_id=account.pk, requested_by=person)
            assert check.ok is not refused
            yield "a check", repr(check.__dict__)
            mail = delivery.send_test_mail(
                account_id=account.pk, recipient="to@example.net", requested_by=person
            )
            yield "a test mail", repr(mail.__dict__)
            delivery.enqueue(make_email(), account=account)
            delivery.drain_account(account_id=account.pk)
            Lane.objects.update(due_at=None)
    assert len(server.auth_attempts) >= 4 * 5
    yield from admin_pages_of(make_user("alice", is_staff=True, is_superuser=True))
    for name in ("json", "xml"):
        yield f"dumpdata {name}", command_output("dumpdata", "--format", name)
    yield "mailconfig_status", command_output("mailconfig_status")
    yield "mailconfig_status --json", command_output("mailconfig_status", "--json")
    yield "explain", repr(delivery.explain(Message.objects.all()))
    yield "repr of rows", repr([account.__dict__ for account in Account.objects.all()])


def admin_pages_of(person: Any) -> Iterator[tuple[str, bytes]]:
    """As somebody who may do everything sees them."""
    client = Client(raise_request_exception=True)
    client.force_login(person)
    return admin_pages(client)


def test_a_stored_secret_is_found_in_nothing_that_comes_out(
    server: ChaosServer, accounts: list[Account], log: Callable[[], str], tmp_path: Path
) -> None:
    found: list[str] = []
    quoted = 0
    for where, data in drive(server, accounts, tmp_path):
        found += hits(where, data)
        quoted += "/admin/" in where and b"no such password" in (data if isinstance(data, bytes) else b"")
    assert quoted, "the admin shows the server's words, and only those that are no secret"
    found += hits("the log", log())
    found += hits("the database", database_bytes())
    assert len(log()) > 10_000, "the log was listened to"
    assert not found


def test_a_refused_login_leaves_no_secret_in_an_error_report(
    server: ChaosServer, accounts: list[Account]
) -> None:
    server.on("auth", server.refusal)  # type: ignore[attr-defined]
    settings = Account.objects.get(pk=accounts[0].pk).transport_settings()
    policy = NetworkPolicy(allowed_hosts=frozenset({"127.0.0.1"}), allowed_ports=None, allow_plain_login=True)
    with pytest.raises(TransportError) as caught:
        TRANSPORT.open(settings, Surroundings(policy=policy))
    error = caught.value
    assert not hits("the error", f"{error} {error!r} {error.__dict__}")
    assert not hits("an error report", frames_of(error))


# The folder is what goes with SQLite, as in the demo.
@pytest.mark.parametrize(
    "kind", [pytest.param("redis", marks=[pytest.mark.redis, pytest.mark.one_database]), "folder"]
)
def test_a_stored_secret_is_in_no_broker_and_in_no_output_of_a_worker(
    server: ChaosServer, accounts: list[Account], tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    broker = (
        Broker(request.getfixturevalue("redis_url"))
        if kind == "redis"
        else Broker("folder://localhost", tmp_path)
    )
    broker.flush()
    env = {**environment(FAST), **broker.env}
    arguments = ["-m", "tests.acceptance.feeder", str(tmp_path / "ledger")]
    keys = [str(account.pk) for account in accounts]
    with Child(*arguments, *keys, "--rounds", "3", folder=tmp_path, env=env) as feeder:
        assert feeder.wait() == 0
        said = feeder.said()
    kept = broker_content(broker, tmp_path)
    assert b"mailconfig.drain" in kept, "rings wait there"
    server.on("auth", server.refusal, at=1)  # type: ignore[attr-defined]
    with drain_worker(tmp_path, {**FAST, "LOGIN_RETRY_SECONDS": 0.2}) as worker:
        until(lambda: not Message.objects.exclude(state="sent").exists(), why="the queue was not empty")
        assert worker.terminate() == 0
        said += worker.said()
    assert not hits("the broker", kept) + hits("the output", said)


def broker_content(broker: Broker, folder: Path) -> bytes:
    """All it keeps; what it wraps in base64 is unwrapped too."""
    if broker.url.startswith("redis"):
        import redis

        client = redis.Redis.from_url(broker.url)
        values: list[bytes] = []
        for key in client.scan_iter():
            is_list = client.type(key) == b"list"
            values += client.lrange(key, 0, -1) if is_list else [client.dump(key) or b""]  # type: ignore[arg-type]
        client.close()
        kept = b"\n".join(values)
    else:
        kept = b"\n".join(path.read_bytes() for path in (folder / "tasks").iterdir())
    unwrapped = [
        base64.b64decode(word + b"==", validate=False) for word in re.findall(rb"[\w+/=]{16,}", kept)
    ]
    return kept + b"\n".join(unwrapped)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_secret_is_in_no_command_line_or_environment(accounts: list[Account], tmp_path: Path) -> None:
    with drain_worker(tmp_path, FAST) as worker:
        until(lambda: Installation.objects.exclude(swept_at=None).exists(), why="it never swept")
        for name in ("cmdline", "environ"):
            assert not hits(name, Path(f"/proc/{worker.pid}/{name}").read_bytes())
        assert worker.terminate() == 0
    assert not hits("pg_dump", pg_dump())


def pg_dump() -> bytes:
    """By PostgreSQL's own tool where it is at hand."""
    if connection.vendor != "postgresql":
        return b""
    with connection.cursor() as cursor:
        cursor.execute("SELECT setting FROM pg_config WHERE name = 'BINDIR'")
        (folder,) = cursor.fetchone()
    program = Path(folder) / "pg_dump"
    if not os.access(program, os.X_OK):
        return b""
    values = connection.settings_dict
    command = [str(program), "-h", values["HOST"], "-U", values["USER"], values["NAME"]]
    port = ["-p", values["PORT"]] if values["PORT"] else []
    return subprocess.run(command + port, capture_output=True, check=True).stdout
