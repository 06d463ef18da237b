"""Calls of the mailboxes' surface."""

from __future__ import annotations

import json
from typing import Any

from rest_framework.test import APIClient

URL = "/api/v2/mailboxes"
JSONAPI = "application/vnd.api+json"
SAID = {"email": "me@example.com", "smtpHost": "smtp.example.com", "smtpPort": 587, "smtpSsl": True}


def document(key: Any = None, *, user: Any = None, **attributes: Any) -> dict[str, Any]:
    """A resource to send; ``key``: of one that is there."""
    data: dict[str, Any] = {"type": "mailbox", "attributes": attributes}
    if key is not None:
        data["id"] = key
    if user is not None:
        data["relationships"] = {"user": {"data": {"type": "user", "id": user}}}
    return {"data": data}


def send(api: APIClient, method: str, path: str, body: Any = None, **how: Any) -> Any:
    """A call with a document, or with none."""
    raw = json.dumps(body) if body is not None else ""
    return api.generic(method, URL + path, raw, **{"content_type": JSONAPI, **how})


def made(api: APIClient, *, user: Any = None, **attributes: Any) -> Any:
    """The resource of a new mailbox."""
    response = send(api, "POST", "", document(user=user, **{**SAID, **attributes}))
    assert response.status_code == 201, response.content
    return data_of(response)


def changed(api: APIClient, key: Any, *, user: Any = None, **attributes: Any) -> Any:
    """The answer to a change."""
    return send(api, "PATCH", f"/{key}", document(key, user=user, **attributes))


def data_of(response: Any) -> Any:
    """The primary data of an answer that is no refusal."""
    assert response.status_code in {200, 201}, response.content
    assert response["Content-Type"] == JSONAPI
    return response.json()["data"]


def refusals(response: Any, status: int = 422) -> dict[str, str]:
    """The id of each error, by the member or parameter that it is about."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == JSONAPI
    errors = response.json()["errors"]
    assert errors
    assert all(error["title"] and error["detail"] for error in errors)
    sources = [error.get("source", {}) for error in errors]
    places = [source.get("pointer") or source.get("parameter", "") for source in sources]
    return dict(zip(places, [error["id"] for error in errors], strict=True))
