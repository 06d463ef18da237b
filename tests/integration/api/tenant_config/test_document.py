"""How the surface stands in its OpenAPI document."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from mailconfig.api.tenant_config.views import STATUSES
from tests.documents import code_words, document, rows

CONFIG = ("/digitanium/v4/mail/config", "/auth/realms/{tenant_id}/mail/setup")
TEST = ("/digitanium/v4/mail/test", "/auth/realms/{tenant_id}/mail/test")


@pytest.fixture
def served(client: Client) -> dict[str, Any]:
    """As it is served, to anybody."""
    found: dict[str, Any] = client.get("/digitanium/v4/mail/openapi.json").json()
    return found


def test_the_request_has_the_pages_fields_and_its_two_needed_ones(served: dict[str, Any]) -> None:
    request = served["components"]["schemas"]["TenantMailConfigRequest"]

    assert set(request["properties"]) == {
        "replyToDisplayName", "starttls", "port", "host", "replyTo", "from", "fromDisplayName", "envelopeFrom", "ssl", "user",
        "password",
    }  # fmt: skip
    assert sorted(request["required"]) == ["from", "host"]
    assert [one["type"] for one in request["properties"]["port"]["anyOf"]] == ["string", "integer"]
    assert [one["type"] for one in request["properties"]["ssl"]["anyOf"]] == ["boolean", "string"]
    assert request["properties"]["password"]["writeOnly"] is True


@pytest.mark.parametrize("path", [*CONFIG, *TEST])
def test_every_answer_but_a_check_is_the_envelope(served: dict[str, Any], path: str) -> None:
    answers = served["paths"][path]["post"]["responses"]

    assert {"200", "400", "401", "403", "404", "413", "415", "429", "503"} <= set(answers)
    for status, answer in answers.items():
        ref = answer["content"]["application/json"]["schema"]["$ref"]
        assert ref.endswith("/Check" if status == "202" else "/TenantConfigAnswer"), (status, ref)
    assert ("202" in answers) == (path in TEST)
    assert ("409" in answers) == (path in CONFIG)


def test_every_status_is_explained_in_the_guide() -> None:
    listed = {
        code_words(cells[1])[0] for cells in rows(document("docs/tenant-configuration.md").section("Answers"))
    }

    assert listed == {"OK", "USER_NOT_FOUND", *STATUSES.values()}


@pytest.mark.parametrize("path", CONFIG)
def test_its_examples_hold_no_password(served: dict[str, Any], path: str) -> None:
    content = served["paths"][path]["post"]["requestBody"]["content"]["application/json"]

    assert content["examples"]
    assert "password" not in json.dumps(content["examples"])
