"""The request that the outbound e-mails' own documentation publishes, sent to a running demo."""

from __future__ import annotations

import json

import pytest

from tests.servers.demo import Demo

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("ssl", "kind"), [("0", "other"), ("1", "exchange"), ("2", "google")])
def test_an_outbound_email_is_connected_and_answered_as_published(demo: Demo, ssl: str, kind: str) -> None:
    smtp = demo.said["smtp"]
    body = {
        "name": "My Exchange Account",
        "mail_smtptype": kind,
        "mail_smtpserver": smtp["host"],
        "mail_smtpport": smtp["port"],
        "mail_smtpuser": smtp["username"],
        "mail_smtppass": smtp["password"],
        "mail_smtpauth_req": True,
        "mail_smtpssl": ssl,
    }
    made = demo.call("POST", "/rest/v10/OutboundEmail", body)
    assert made.status == 200, made.body
    shown = json.loads(made.body)
    assert shown == body | {
        "id": shown["id"],
        "type": "user",
        "user_id": shown["user_id"],
        "mail_sendtype": "smtp",
        "mail_smtppass": True,
        "deleted": False,
        "my_favorite": False,
        "_acl": {"fields": {}},
        "_module": "OutboundEmail",
    }
    refused = demo.call("POST", "/rest/v10/OutboundEmail", body | {"mail_smtppass": "wrong"})
    assert (refused.status, json.loads(refused.body)["error"]) == (422, "smtp_server_error")
