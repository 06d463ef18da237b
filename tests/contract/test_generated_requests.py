"""What the OpenAPI document says is what happens: schemathesis reads it and tries what it allows and forbids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import hypothesis
import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from pytest_django import Settings
from schemathesis.config import SchemathesisConfig

from mailconfig.api.common.documents import document
from tests.bearer import PREFIX
from tests.contract.people import make_people
from tests.factories import make_tenant
from tests.servers.chaos import ChaosServer

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

EXAMPLES = 20
WALKS, STEPS = 10, 10
ORIGIN = "https://acme.localhost"
HOSTS = {"host": "port", "mail_smtpserver": "mail_smtpport", "smtpHost": "smtpPort"}
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

schema = schemathesis.openapi.from_dict(
    document("mailconfig.urls", "mailconfig"), config=SchemathesisConfig.from_dict(CONFIG)
)
schema.app = get_wsgi_application()


@pytest.fixture(autouse=True)
def hosts_world(db: None, settings: Settings, server: ChaosServer) -> Iterator[None]:
    """People who may call, and no throttle. Requests share the test's transaction, as with Django's own client."""
    settings.MAILCONFIG = {**settings.MAILCONFIG, "PROBE_SECONDS": 1.0, "CHECKS_PER_MINUTE": 10_000}
    make_people(make_tenant(slug="acme"), make_tenant(slug="globex"))
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


def stay_here(case: Any, server: ChaosServer) -> None:
    """A right request names a mail server that is there; a wrong one reaches none."""
    if isinstance(case.body, dict) and case.meta.generation.mode.is_positive:
        data = case.body.get("data")
        attributes = data.get("attributes") if isinstance(data, dict) else None
        for values in (case.body, attributes if isinstance(attributes, dict) else {}):
            for host, port in HOSTS.items():
                if isinstance(values.get(host), str):
                    values[host] = "127.0.0.1"
                    values[port] = server.port


@schema.hook
def filter_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> bool:
    """No route of Django's ``path`` converter leads through a line break: that 404 is not the surface's."""
    return not any("\n" in unquote(str(value)) for value in (path_parameters or {}).values())


@schema.parametrize()
@hypothesis.settings(suppress_health_check=list(hypothesis.HealthCheck))
def test_every_operation_keeps_what_its_document_says(case: Any, server: ChaosServer) -> None:
    stay_here(case, server)
    case.call_and_validate(base_url=ORIGIN)


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
