"""What the OpenAPI document says is what happens: schemathesis reads it and tries what it allows and forbids."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import hypothesis
import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from pytest_django import Settings
from schemathesis.checks import load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.feedback import NO_FEEDBACK
from schemathesis.pytest._test_builder import build_operation_test

from mailconfig.models import Tenant
from tests.bearer import PREFIX
from tests.contract.generated_rows import name_rows
from tests.contract.people import make_people
from tests.factories import make_account, make_tenant
from tests.servers.chaos import ChaosServer

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

EXAMPLES = 15
WALKS, STEPS = 10, 10
ORIGIN = "https://acme.localhost"
METHODS = {"get", "post", "put", "patch", "delete"}
HOSTS = {
    "host": "port",
    "mail_smtpserver": "mail_smtpport",
    "smtpHost": "smtpPort",
    "smtp_host": "smtp_port",
}
CONFIG = {
    "base-url": ORIGIN,
    "auth": {"openapi": {"bearerAuth": {"bearer": f"{PREFIX}superuser"}}},
    "generation": {"max-examples": EXAMPLES, "deterministic": True, "database": "none"},
    # What a row must be as a whole, and what a mail server says, stands in no schema.
    "checks": {
        "positive_data_acceptance": {
            "expected-statuses": ["2xx", "400", "401", "403", "404", "409", "422", "429"]
        }
    },
}

OFTEN = 4
SELDOM_TAKEN = {
    ("POST", "/api/v2/mail/providers"): 0,
    ("POST", "/api/v2/mailboxes/{mailbox_id}/actions/testSync"): 0,  # no mailbox has a server to read from
    ("POST", "/api/v2/mailings"): 0,
    # Which of their many cases come first, and are all right, changes from process to process.
    ("POST", "/api/v2/mailboxes"): 0,
    ("PATCH", "/api/v2/mailboxes/{mailbox_id}"): 0,
    ("POST", "/rest/v10/OutboundEmail"): 1,
    ("POST", "/rest/v10/OutboundEmail/testUserOverride"): 1,
}
"""How many requests to an operation must at least be taken, where the schema says less than what a row must be."""
SKIPPED = {("PATCH", "/api/v2/mailboxes/{mailbox_id}"): 4}
"""Of how many cases one is tried: where creating a row tries the same five hundred."""

# The snapshot, which test_documents.py holds to what is served: who collects these tests needs no more than their names.
DOCUMENT = json.loads((Path(__file__).parent / "openapi" / "mailconfig.json").read_text(encoding="utf-8"))
OPERATIONS = [
    (method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item if method in METHODS
]

schema = schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig.from_dict(CONFIG))
schema.app = get_wsgi_application()


@pytest.fixture(autouse=True)
def hosts_world(db: None, settings: Settings, server: ChaosServer) -> Iterator[None]:
    """People who may call, and no throttle. Requests share the test's transaction, as with Django's own client."""
    settings.MAILCONFIG = {**settings.MAILCONFIG, "PROBE_SECONDS": 1.0, "CHECKS_PER_MINUTE": 10_000}
    acme = make_tenant(slug="acme")
    make_people(acme, make_tenant(slug="globex"))
    make_account(server.port, kind="tenant_config", tenant=acme)
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


def stay_here(case: Any, server: ChaosServer) -> None:
    """A right request names a tenant and a mail server that are there; a wrong one reaches none."""
    headers = case.headers or {}
    if re.fullmatch(r"[a-z0-9-]+", str(headers.get("Tenant", ""))):
        headers["Tenant"] = "acme"
    if isinstance(case.body, dict) and case.meta.generation.mode.is_positive:
        data = case.body.get("data")
        attributes = data.get("attributes") if isinstance(data, dict) else None
        for values in (case.body, attributes if isinstance(attributes, dict) else {}):
            for host, port in HOSTS.items():
                if isinstance(values.get(host), str):
                    values[host] = "127.0.0.1"
                    values[port] = str(server.port) if port == "smtp_port" else server.port


@schema.hook
def filter_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> bool:
    """No route of Django's ``path`` converter leads through a line break: that 404 is not the surface's."""
    return not any("\n" in unquote(str(value)) for value in (path_parameters or {}).values())


# Numbers and characters that only one database refuses stand in the corpus, which test_bad_input.py tries on each.
@pytest.mark.one_database
@pytest.mark.parametrize(
    ("method", "path"), OPERATIONS, ids=[" ".join(operation) for operation in OPERATIONS]
)
def test_every_operation_keeps_what_its_document_says(method: str, path: str, server: ChaosServer) -> None:
    """Cases are made as ``schema.parametrize`` makes them, but by who runs the test, not by each who collects it."""

    acme = Tenant.objects.get(slug="acme")
    statuses: Counter[int] = Counter()
    numbers = itertools.count()

    @hypothesis.settings(suppress_health_check=list(hypothesis.HealthCheck))
    def keep(case: Any) -> None:
        if next(numbers) % SKIPPED.get((method, path), 1):
            return
        stay_here(case, server)
        if not case.meta.is_negative_at(ParameterLocation.PATH):
            name_rows(case, path, tenant=acme, port=server.port)
        response = case.call_and_validate(base_url=ORIGIN)
        if response.request.method == method:
            statuses[response.status_code] += 1

    load_all_checks()
    build_operation_test(
        config=schema.config,
        operation=schema[path][method],
        test_func=keep,
        given_kwargs={},
        feedback=NO_FEEDBACK,
    )()
    taken = sum(count for status, count in statuses.items() if status < 300)
    assert taken >= SELDOM_TAKEN.get((method, path), OFTEN), statuses


def test_operations_one_after_the_other_keep_what_the_document_says(server: ChaosServer) -> None:
    class Workflow(schema.as_state_machine()):  # type: ignore[misc]
        def before_call(self, case: Any) -> None:
            stay_here(case, server)

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"base_url": ORIGIN}

    Workflow.run(
        settings=hypothesis.settings(
            max_examples=WALKS,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
    )
