"""How the surface stands in its OpenAPI document."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

CONFIG = ("/digitanium/v4/mail/config", "/auth/realms/{tenant_id}/mail/setup")
TEST = ("/digitanium/v4/mail/test", "/auth/realms/{tenant_id}/mail/test")


@pytest.fixture
def document(client: Client) -> dict[str, Any]:
    """As it is served, to anybody."""
    found: dict[str, Any] = client.get("/digitanium/v4/mail/openapi.json").json()
    return found


def test_the_request_has_the_pages_fields_and_its_two_needed_ones(document: dict[str, Any]) -> None:
    request = document["components"]["schemas"]["TenantMailConfigRequest"]

    assert set(request["properties"]) == {
        "replyToDisplayName", "starttls", "port", "host", "replyTo", "from", "fromDisplayName", "envelopeFrom", "ssl", "user",
        "password",
    }  # fmt: skip
    assert sorted(request["required"]) == ["from", "host"]
    assert [one["type"] for one in request["properties"]["port"]["oneOf"]] == ["string", "integer"]
    assert [one["type"] for one in request["properties"]["ssl"]["oneOf"]] == ["boolean", "string"]
    assert request["properties"]["password"]["writeOnly"] is True


@pytest.mark.parametrize("path", [*CONFIG, *TEST])
def test_every_answer_but_a_check_is_the_envelope(document: dict[str, Any], path: str) -> None:
    answers = document["paths"][path]["post"]["responses"]

    assert {"200", "400", "401", "403", "404", "413", "415", "429", "503"} <= set(answers)
    for status, answer in answers.items():
        ref = answer["content"]["application/json"]["schema"]["$ref"]
        assert ref.endswith("/Check" if status == "202" else "/TenantConfigAnswer"), (status, ref)
    assert ("202" in answers) == (path in TEST)
    assert ("409" in answers) == (path in CONFIG)


@pytest.mark.parametrize("path", CONFIG)
def test_its_examples_hold_no_password(document: dict[str, Any], path: str) -> None:
    content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]

    assert content["examples"]
    assert "password" not in json.dumps(content["examples"])
