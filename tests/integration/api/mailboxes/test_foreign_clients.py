"""Two JSON:API clients that nobody here wrote: jsonapi-requests from PyPI, and devour-client from npm.

Both do what an integrator does: create, list a page with include and sparse fields, follow its links, change what was
read, run the actions, read a refusal, delete.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonapi_requests
import pytest
from django.contrib.auth.models import User
from jsonapi_requests.request_factory import ApiClientError
from pytest_django.live_server_helper import LiveServer
from requests.auth import AuthBase
from requests.models import PreparedRequest

from tests.bearer import PREFIX
from tests.factories import make_user
from tests.integration.api.conftest import LOGIN, PASSWORD
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Reply
from tests.servers.real import NPM

pytestmark = pytest.mark.django_db(transaction=True)

MAILBOXES = 5
DEVOUR = NPM / "jsonapi-client.js"


@pytest.fixture
def owner(db: None) -> User:
    """Somebody with no permission beyond their own mailboxes."""
    return make_user("owner")


def values(server: ChaosServer) -> dict[str, Any]:
    """Attributes of a mailbox that works, but for its address."""
    return {
        "smtpHost": "127.0.0.1",
        "smtpPort": server.port,
        "smtpSsl": True,
        "username": LOGIN,
        "password": PASSWORD,
    }


class Bearer(AuthBase):
    """The user's token."""

    def __init__(self, user: User) -> None:
        self._token = f"Bearer {PREFIX}{user.get_username()}"

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = self._token
        return request


class TestJsonapiRequests:
    """The client from PyPI."""

    @pytest.fixture
    def mailbox(self, live_server: LiveServer, owner: User) -> Any:
        """Its class for mailboxes, as somebody declares one who uses it."""
        root = f"{live_server.url}/api/v2"
        served = jsonapi_requests.orm.OrmApi.config(
            API_ROOT=root, AUTH=Bearer(owner), APPEND_SLASH=False, TIMEOUT=20, RETRIES=1
        )

        class Person(jsonapi_requests.orm.ApiModel):  # type: ignore[misc]  # untyped
            class Meta:
                type, api = "user", served

        class Box(jsonapi_requests.orm.ApiModel):  # type: ignore[misc]  # untyped
            class Meta:
                type, path, api = "mailbox", "mailboxes", served

            email = jsonapi_requests.orm.AttributeField("email")
            limit = jsonapi_requests.orm.AttributeField("maxMailingsPerDay")
            user = jsonapi_requests.orm.RelationField("user")

        return Box

    def make(self, mailbox: Any, server: ChaosServer, number: int = 0) -> Any:
        """A mailbox, created by the client."""
        box = mailbox()
        box.raw_object.attributes = {**values(server), "email": f"shop{number}@example.com"}
        box.save()
        return box

    def test_it_lists_a_page_and_the_next_with_includes(
        self, mailbox: Any, server: ChaosServer, owner: User
    ) -> None:
        for number in range(MAILBOXES):
            self.make(mailbox, server, number)
        endpoint = mailbox._options.api.endpoint("mailboxes")
        asked = {
            "page[size]": 2,
            "sort": "-email",
            "filter[email]": "shop1@example.com..inf",
            "fields[mailbox]": "email,user",
            "include": "user",
            "count": "true",
        }

        response = endpoint.get(params=asked)
        boxes = mailbox.from_response_content(response.content)
        following = mailbox.get_list(
            params={**asked, "page[after]": after(response.payload["links"]["next"])}
        )

        assert [box.email for box in boxes + following] == [
            f"shop{number}@example.com" for number in (4, 3, 2, 1)
        ]
        assert {box.user.id for box in boxes} == {owner.pk}
        assert {box.user.type for box in boxes} == {"user"}
        assert set(boxes[0].raw_object.attributes) == {"email"}
        assert response.payload["meta"]["count"] == MAILBOXES - 1

    def test_it_sends_back_what_it_read_and_deletes(self, mailbox: Any, server: ChaosServer) -> None:
        box = mailbox.from_id(self.make(mailbox, server).id)
        assert box.limit is None

        box.limit = 250
        box.save()

        assert mailbox.from_id(box.id).limit == 250
        box.delete()
        assert not mailbox.exists(box.id)

    def test_it_runs_an_action_and_reads_a_refusal(self, mailbox: Any, server: ChaosServer) -> None:
        box = self.make(mailbox, server)
        action = mailbox._options.api.endpoint(f"mailboxes/{box.id}/actions/testSend")

        shown = action.post()
        server.on("auth", Reply.of("535 5.7.8 no"))
        with pytest.raises(ApiClientError) as refused:
            action.post()

        assert shown.data.attributes["sendSuccessAt"]
        assert len(server.messages) == 1
        (error,) = json.loads(refused.value.content)["errors"]
        assert (refused.value.status_code, error["code"]) == (422, "auth_failed")
        assert mailbox.from_id(box.id).raw_object.id == box.id


def after(link: str) -> str:
    """The cursor of a link to the next page."""
    return parse_qs(urlsplit(link).query)["page[after]"][0]


@pytest.mark.system("node")
@pytest.mark.skipif(
    not (NPM / "node_modules/devour-client").exists(),
    reason="needs what make server-packages installs by npm",
)
def test_devour_does_all_there_is(live_server: LiveServer, server: ChaosServer, owner: User) -> None:
    given = {
        "root": f"{live_server.url}/api/v2",
        "token": f"{PREFIX}{owner.get_username()}",
        "values": values(server),
        "mailboxes": MAILBOXES,
    }

    ran = subprocess.run(
        ["node", str(DEVOUR), json.dumps(given)],
        env={"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1,localhost"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    seen = json.loads(ran.stdout)
    assert seen["page"] == ["shop4@example.com", "shop3@example.com"]
    assert seen["next"] == ["shop2@example.com", "shop1@example.com"]
    assert seen["owners"] == [owner.pk, owner.pk]
    assert seen["count"] == MAILBOXES - 1
    assert seen["limit"] == 250
    assert seen["sendSuccessAt"]
    assert seen["refused"] == ["email"]
    assert seen["gone"] == "Not found"
    assert len(server.messages) == 1
