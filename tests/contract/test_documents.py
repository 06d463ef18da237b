"""The OpenAPI documents: true to the last snapshot, without warnings, whatever the host's own settings are."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, cast

import pytest
from django.test import Client, override_settings
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import spectacular_settings

from mailconfig.api.common import documents

SNAPSHOTS = Path(__file__).parent / "openapi"
DOCUMENTS = {
    "email_service": "/email-service/openapi.json",
    "mailconfig": "/mailconfig/openapi.json",
    "mailboxes": "/api/v2/mailboxes/openapi.json",
    "outbound_email": "/rest/v10/OutboundEmail/openapi.json",
    "providers": "/api/v2/mail/providers/openapi.json",
    "tenant_config": "/digitanium/v4/mail/openapi.json",
}
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    """Each test makes its documents itself."""
    documents._document.cache_clear()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_as_it_was_when_it_was_last_looked_at(name: str, client: Client) -> None:
    """``make openapi`` writes the snapshots anew: look at the difference before you commit it."""
    served = client.get(DOCUMENTS[name]).json()
    snapshot = SNAPSHOTS / f"{name}.json"
    if os.environ.get("UPDATE_OPENAPI"):
        snapshot.write_text(json.dumps(served, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert served == json.loads(snapshot.read_text(encoding="utf-8")), (
        "run `make openapi` and look at the diff"
    )


@pytest.mark.parametrize("url", DOCUMENTS.values())
def test_a_document_is_made_without_warnings(url: str, client: Client) -> None:
    assert client.get(url).status_code == 200
    assert not GENERATOR_STATS._warn_cache
    assert not GENERATOR_STATS._error_cache


@pytest.mark.parametrize("url", DOCUMENTS.values())
def test_every_operation_has_a_name_of_its_own_and_says_how_it_fails(url: str, client: Client) -> None:
    operations = list(_operations(client.get(url).json()))
    assert operations
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    for operation in operations:
        assert {"400", "401", "403", "404"} <= set(operation["responses"]), operation["operationId"]
        assert operation["security"] == [{"bearerAuth": []}]
        assert operation["summary"]


@pytest.mark.parametrize("url", DOCUMENTS.values())
def test_null_and_alternatives_are_written_as_every_reader_takes_them(url: str, client: Client) -> None:
    schemas = list(_schemas(client.get(url).json()))
    assert schemas
    for schema in schemas:
        assert "oneOf" not in schema
        assert "nullable" not in schema or "type" in schema
        alternatives = schema.get("anyOf", [])
        assert sum(one.get("nullable", False) for one in alternatives) <= 1
        assert not [one for one in alternatives if "default" in one]


@pytest.mark.parametrize(
    ("path", "name", "shape"),
    [
        ("/api/v2/mail/providers/{provider_id}", "provider_id", ("integer", None)),
        ("/api/v2/mail/providers/{provider_id}/status", "provider_id", ("integer", None)),
        ("/api/v2/mail/providers/checks/{check_id}", "check_id", ("string", "uuid")),
        ("/api/v2/mailboxes/{mailbox_id}", "mailbox_id", ("integer", None)),
        ("/api/v2/mailboxes/checks/{check_id}", "check_id", ("string", "uuid")),
        ("/email-service/messages/{message_id}", "message_id", ("string", "uuid")),
        ("/rest/v10/OutboundEmail/{record_id}", "record_id", ("string", "uuid")),
        ("/auth/realms/{tenant_id}/mail/setup", "tenant_id", ("string", None)),
        ("/auth/realms/{tenant_id}/mail/checks/{check_id}", "check_id", ("string", "uuid")),
    ],
)
def test_what_stands_in_a_path_is_typed_as_it_is(
    path: str, name: str, shape: tuple[str, str | None], client: Client
) -> None:
    item = client.get(DOCUMENTS["mailconfig"]).json()["paths"][path]
    for operation in (item[method] for method in METHODS & set(item)):
        (part,) = [one for one in operation["parameters"] if one["name"] == name]
        assert (part["schema"]["type"], part["schema"].get("format")) == shape
        assert part["description"]


def test_a_list_whose_keys_are_asked_for_promises_those_that_always_come(client: Client) -> None:
    schemas = client.get(DOCUMENTS["outbound_email"]).json()["components"]["schemas"]
    assert schemas["ListedOutboundEmail"]["required"] == ["_acl", "_module", "id"]
    assert schemas["OutboundEmailPage"]["properties"]["records"]["items"] == {
        "$ref": "#/components/schemas/ListedOutboundEmail"
    }
    assert {"name", "mail_smtpserver"} <= set(schemas["OutboundEmail"]["required"])


@pytest.mark.parametrize("url", DOCUMENTS.values())
def test_every_tag_is_explained(url: str, client: Client) -> None:
    served = client.get(url).json()
    used = {tag for operation in _operations(served) for tag in operation["tags"]}
    assert {tag["name"] for tag in served["tags"] if tag["description"]} == used


def test_documents_of_surfaces_together_are_the_document_of_all(client: Client) -> None:
    all_names = {one["operationId"] for one in _operations(client.get(DOCUMENTS["mailconfig"]).json())}
    by_surface = {
        one["operationId"]
        for name, url in DOCUMENTS.items()
        if name != "mailconfig"
        for one in _operations(client.get(url).json())
    }
    assert by_surface == all_names


def test_a_surface_that_is_switched_off_stands_in_no_document(client: Client, settings: Any) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "SURFACES": ["outbound_email", "tenant_config"]}
    assert not [path for path in client.get(DOCUMENTS["mailconfig"]).json()["paths"] if "providers" in path]


def test_the_hosts_own_settings_for_documents_change_nothing(client: Client) -> None:
    before = client.get(DOCUMENTS["mailconfig"]).json()
    documents._document.cache_clear()
    ours = cast("Any", spectacular_settings)
    theirs = {
        "TITLE": "Theirs",
        "CAMELIZE_NAMES": True,
        "COMPONENT_SPLIT_REQUEST": False,
        "SERVERS": [{"url": "/x"}],
    }
    ours.apply_patches(theirs)
    try:
        with override_settings(LANGUAGE_CODE="ja"):
            assert client.get(DOCUMENTS["mailconfig"]).json() == before
    finally:
        for name in theirs:
            ours.__dict__.pop(name, None)


def test_a_document_of_the_hosts_own_leaves_the_surfaces_out_and_warns_of_nothing() -> None:
    made = cast("Any", SchemaGenerator)(urlconf="tests.urls").get_schema(request=None, public=True)
    assert made["paths"] == {}
    assert not GENERATOR_STATS._warn_cache
    assert not GENERATOR_STATS._error_cache


def test_a_document_knows_where_it_is_mounted(client: Client) -> None:
    served = client.get(DOCUMENTS["providers"]).json()
    assert served["servers"] == [{"url": "/api/v2/mail"}]
    assert "/providers" in served["paths"]


def _operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [item[method] for item in document["paths"].values() for method in METHODS & set(item)]


def _schemas(node: Any) -> list[dict[str, Any]]:
    """Every object of a document that could be a schema."""
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    found = [schema for one in inner for schema in _schemas(one)]
    return [node, *found] if isinstance(node, dict) else found
