"""The fake behaves as Google's own client expects of Gmail."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers.gmail import DOCUMENTED, TOKEN, FakeGmail

discovery = pytest.importorskip("googleapiclient.discovery", reason="needs google-api-python-client")


@pytest.fixture
def server() -> Iterator[FakeGmail]:
    with FakeGmail() as found:
        yield found


@pytest.fixture
def client(server: FakeGmail) -> Iterator[Any]:
    import httplib2
    from google.oauth2.credentials import Credentials
    from google_auth_httplib2 import AuthorizedHttp
    from googleapiclient.discovery_cache import get_static_doc

    # What its wheel says of the interface, without a question to the network, and with another root.
    described = json.loads(get_static_doc("gmail", "v1"))
    described |= {"rootUrl": server.url, "baseUrl": server.url, "mtlsRootUrl": server.url}
    credentials = Credentials(TOKEN)  # type: ignore[no-untyped-call]
    http = AuthorizedHttp(credentials, http=httplib2.Http(proxy_info=None))
    client = discovery.build_from_document(described, http=http)
    yield client
    client.close()


def test_googles_own_client_sends_and_reads(server: FakeGmail, client: Any) -> None:
    from googleapiclient.errors import HttpError
    from googleapiclient.http import MediaInMemoryUpload

    users = client.users()
    data = b"To: you@example.net\r\nBcc: hidden@example.net\r\nSubject: hello\r\n\r\nHow are you?\r\n"
    raw = base64.urlsafe_b64encode(data).decode()
    start = users.getProfile(userId="me").execute()["historyId"]

    taken = users.messages().send(userId="me", body={"raw": raw}).execute()
    users.messages().send(userId="me", media_body=MediaInMemoryUpload(data, "message/rfc822")).execute()
    key = server.put(b"Subject: back\r\n\r\nFine.\r\n")

    assert [sent.recipients for sent in server.sent] == [("you@example.net", "hidden@example.net")] * 2
    assert b"hidden" not in server.sent[1].data
    assert set(taken) == {"id", "threadId", "labelIds"}
    listed = users.messages().list(userId="me", labelIds=["INBOX"]).execute()
    assert [message["id"] for message in listed["messages"]] == [key]
    found = users.messages().get(userId="me", id=key, format="raw").execute()
    assert base64.urlsafe_b64decode(found["raw"]) == b"Subject: back\r\n\r\nFine.\r\n"
    history = users.history().list(userId="me", startHistoryId=start, labelId="INBOX").execute()
    assert [each["messagesAdded"][0]["message"]["id"] for each in history["history"]] == [key]
    assert users.labels().list(userId="me").execute()["labels"][0]["id"] == "INBOX"
    assert users.labels().get(userId="me", id="INBOX").execute()["messagesTotal"] == 1

    server.faults["messages.send"] = DOCUMENTED["domainPolicy"]
    with pytest.raises(HttpError) as caught:
        users.messages().send(userId="me", body={"raw": raw}).execute()
    assert (caught.value.status_code, caught.value.error_details[0]["reason"]) == (403, "domainPolicy")
