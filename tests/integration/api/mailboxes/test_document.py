"""JSON:API: media types, documents, and what in them names another resource."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from mailconfig.models import Mailbox
from mailconfig.values import Secret
from tests.factories import make_mailbox

from .calls import JSONAPI, SAID, URL, changed, data_of, document, made, refusals, send

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        (JSONAPI, 201),
        ("Application/VND.API+JSON", 201),
        (f'{JSONAPI}; profile="https://example.com/a"', 201),
        (f"{JSONAPI}; charset=utf-8", 415),
        (f'{JSONAPI}; ext="https://example.com/b"', 415),
        (f"{JSONAPI}; version=1", 415),
        ("application/json", 415),
        ("text/plain", 415),
    ],
)
def test_only_jsonapi_is_taken(api: APIClient, content_type: str, status: int) -> None:
    response = send(api, "POST", "", document(**SAID), content_type=content_type)
    assert response.status_code == status
    if status == 415:
        assert refusals(response, 415) == {"": "unsupportedMediaType"}
        assert not Mailbox.objects.exists()


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("", 200),
        ("*/*", 200),
        ("application/*", 200),
        (JSONAPI, 200),
        (f'{JSONAPI}; profile="https://example.com/a"', 200),
        (f"{JSONAPI}; charset=utf-8, {JSONAPI}", 200),
        (f"text/html, {JSONAPI};q=0.5", 200),
        (f"{JSONAPI}; charset=utf-8", 406),
        (f"{JSONAPI}; ext=x", 406),
        ("application/json", 406),
        ("text/html", 406),
    ],
)
def test_only_jsonapi_is_answered(api: APIClient, accept: str, status: int) -> None:
    response = api.get(URL, headers={"accept": accept})
    assert (response.status_code, response["Content-Type"]) == (status, JSONAPI)
    if status == 406:
        assert refusals(response, 406) == {"": "notAcceptable"}


@pytest.mark.parametrize(
    ("body", "status", "place"),
    [
        ([], 422, ""),
        ({}, 422, "/data"),
        ({"data": None}, 422, "/data"),
        ({"data": []}, 422, "/data"),
        ({"data": {"attributes": {}}}, 422, "/data/type"),
        ({"data": {"type": "mailboxes"}}, 409, "/data/type"),
        ({"data": {"type": None}}, 409, "/data/type"),
        ({"data": {"type": "mailbox", "id": 5}}, 403, "/data/id"),
        ({"data": {"type": "mailbox", "id": ""}}, 403, "/data/id"),
        ({"data": {"type": "mailbox", "id": 5, "lid": "a"}}, 403, "/data/id"),
        ({"data": {"type": "mailbox", "attributes": None}}, 422, "/data/attributes"),
        ({"data": {"type": "mailbox", "attributes": []}}, 422, "/data/attributes"),
        ({"data": {"type": "mailbox", "attributes": {"nope": 1}}}, 422, "/data/attributes/nope"),
        ({"data": {"type": "mailbox", "attributes": {"a b": 1}}}, 422, "/data/attributes/?"),
        ({"data": {"type": "mailbox", "relationships": None}}, 422, "/data/relationships"),
        ({"data": {"type": "mailbox", "relationships": {"x": {}}}}, 422, "/data/relationships/x"),
        ({"data": {"type": "mailbox"}, "errors": []}, 422, "/errors"),
        ({"data": {"type": "mailbox"}, "extra": 1}, 422, "/extra"),
    ],
    ids=str,
)
def test_what_is_no_document_of_a_new_mailbox_is_refused(
    api: APIClient, body: Any, status: int, place: str
) -> None:
    names = {409: "conflict", 403: "unauthorizedRequest", 422: "validationError"}
    response = send(api, "POST", "", body)
    assert refusals(response, status) == {place: names[status]}
    assert response.json()["errors"][0]["source"] == {"pointer": place}
    assert not Mailbox.objects.exists()


def test_what_says_nothing_by_the_format_is_ignored(api: APIClient) -> None:
    """A name for the new one that is of use in the document alone, and @-Members at every level (JSON:API 1.1)."""
    body = document(**SAID)
    body["data"]["lid"] = "new"
    key = data_of(send(api, "POST", "", body))["id"]

    at = {"@id": "https://example.com/a"}
    data = {**document(key, optOutMessage="Bye")["data"], **at}
    data["attributes"] |= {"@type": "Mailbox"}
    data["relationships"] = {**at, "creator": at}
    assert (
        data_of(send(api, "PATCH", f"/{key}", {"data": data, **at}))["attributes"]["optOutMessage"] == "Bye"
    )

    data["lid"] = "old"
    assert set(refusals(send(api, "PATCH", f"/{key}", {"data": data}))) == {"/data/lid"}


@pytest.mark.parametrize(
    ("key", "status"),
    [
        ("{id}", 200),
        ("digits", 200),
        ("other", 409),
        (None, 409),
        (1.0, 409),
        (True, 409),
        ([], 409),
        ("missing", 422),
    ],
    ids=str,
)
def test_a_change_names_the_resource_of_its_address(api: APIClient, key: Any, status: int) -> None:
    own = made(api)["id"]
    named = {"{id}": own, "digits": str(own), "other": own + 1}.get(key, key) if isinstance(key, str) else key
    body = document(named, optOutMessage="Bye")
    if key == "missing":
        del body["data"]["id"]
    elif key is None:
        body["data"]["id"] = None

    response = send(api, "PATCH", f"/{own}", body)

    assert response.status_code == status, response.content
    if status != 200:
        assert set(refusals(response, status)) == {"/data/id"}
    assert Mailbox.objects.get().opt_out_message == ("Bye" if status == 200 else "")


def test_a_name_that_stands_twice_is_no_document(api: APIClient) -> None:
    raw = '{"data": {"type": "mailbox", "type": "mailbox"}}'
    response = api.generic("POST", URL, raw, content_type=JSONAPI)
    assert refusals(response, 400) == {"": "malformedRequest"}


def test_a_new_mailbox_says_where_it_is(api: APIClient) -> None:
    response = send(api, "POST", "", document(**SAID))
    data = data_of(response)
    assert response["Location"] == data["links"]["self"] == f"http://testserver{URL}/{data['id']}"
    assert data_of(api.get(response["Location"])) == data


def test_what_was_read_can_be_sent_back(api: APIClient) -> None:
    """All of the document, with its links and what is read only."""
    key = made(api, emailProvider="gmail", password="not-a-real-password", syncMethod="gmail_api")["id"]
    read = api.get(f"{URL}/{key}?include=user&provideAuthorizationMeta=true").json()
    revision = Mailbox.objects.get().revision

    response = send(api, "PATCH", f"/{key}", read)

    assert data_of(response)["attributes"] == read["data"]["attributes"]
    assert Mailbox.objects.get().revision == revision, "nothing was stored anew"


def test_what_is_nobodys_is_sent_back_as_well(api: APIClient, alice: User) -> None:
    alice.is_superuser = True
    alice.save()
    key = make_mailbox(owner=None).pk
    read = api.get(f"{URL}/{key}").json()
    assert read["data"]["relationships"]["user"]["data"] is None

    assert data_of(send(api, "PATCH", f"/{key}", read)) == read["data"]
    data_of(changed(api, key, user=alice.pk, password="not-a-real-password"))
    assert set(refusals(send(api, "PATCH", f"/{key}", read))) == {"/data/relationships/user/data"}


@pytest.mark.parametrize(("security", "port"), [("none", 587), ("tls", 587), ("opportunistic", 465)])
def test_what_the_admin_set_and_has_no_word_here_stays_when_it_is_sent_back(
    api: APIClient, security: str, port: int
) -> None:
    key = made(api)["id"]
    Mailbox.objects.filter(pk=key).update(security=security, port=port, send_method="smtp")
    read = api.get(f"{URL}/{key}").json()

    assert data_of(send(api, "PATCH", f"/{key}", read))["id"] == key
    assert data_of(changed(api, key, emailSignature="Bye"))["attributes"]["emailSignature"] == "Bye"
    assert (Mailbox.objects.get().security, Mailbox.objects.get().port) == (security, port)


@pytest.mark.parametrize("username", ["", "relay"])
def test_who_sends_without_a_login_goes_on_so_until_a_password_is_entered(
    api: APIClient, username: str
) -> None:
    """As set in the admin, where the password is for other servers."""
    key = made(api)["id"]
    box = Mailbox.objects.get()
    box.username, box.secret = username, Secret("not-a-real-password")
    box.save()

    data_of(changed(api, key, emailSignature="Bye"))
    data_of(changed(api, key, password="another-not-real-password", sendDisabled=True))

    box = Mailbox.objects.get()
    assert (box.signature, box.username) == ("Bye", username or "me@example.com")
    assert box.authentication == "password"


@pytest.mark.parametrize("call", ["", "?x=1"])
def test_deleting_answers_nothing(api: APIClient, call: str) -> None:
    key = made(api)["id"]
    response = send(api, "DELETE", f"/{key}{call}")
    if call:
        assert refusals(response) == {"x": "validationError"}
        return
    assert (response.status_code, response.content) == (204, b"")
    assert refusals(send(api, "GET", f"/{key}"), 404) == {"": "resourceNotFound"}
