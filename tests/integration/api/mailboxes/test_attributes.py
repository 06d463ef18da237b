"""Attributes: those of the original document, what follows from what was said, and secrets that stay inside."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from mailconfig.api.mailboxes.resources import email_hash
from mailconfig.models import EventWebhook, Mailbox
from mailconfig.models.account_destination import SecretName
from mailconfig.transports import registry
from tests.factories import make_message

from .calls import JSONAPI, SAID, URL, changed, data_of, document, made, refusals, send

pytestmark = pytest.mark.django_db

READ_ONLY = {
    "authId", "createdAt", "editable", "emailHash", "providerId", "providerType", "sendErroredAt", "sendSuccessAt",
    "sendgridWebhookUrl", "syncErroredAt", "syncFinishedAt", "syncSuccessAt", "updatedAt", "userId",
}  # fmt: skip
WRITE_ONLY = {"password", "smtpPassword", "sendgridApiKey", "validateSend", "validateSync"}
WRITTEN: dict[str, Any] = {
    "email": "box@example.com",
    "emailProvider": "exchange_server",
    "emailSignature": "<p>Bye</p>\n",
    "ewsEndpoint": "https://mail.example.com/EWS/Exchange.asmx",
    "ewsSslVerifyMode": 4,
    "exchangeVersion": "Exchange2007_SP1",
    "imapHost": "imap.example.com",
    "imapPort": 143,
    "imapSsl": False,
    "maxEmailsPerDay": 0,
    "maxMailingsPerDay": 500,
    "maxMailingsPerWeek": 5000,
    "optOutMessage": "To unsubscribe, click below.",
    "optOutSignature": '<a href="#">Unsubscribe</a>',
    "prospectEmailExclusions": "*@example.org\n*@example.net",
    "sendDisabled": True,
    "sendMaxRetries": 3,
    "sendMethod": "ews",
    "sendPeriod": 60,
    "sendRequiresSync": True,
    "sendThreshold": 2,
    "smtpHost": "smtp.example.com",
    "smtpPort": 465,
    "smtpSsl": True,
    "smtpUsername": "relay",
    "syncActiveFrequency": 60,
    "syncDisabled": True,
    "syncMethod": "imap",
    "syncOutreachFolder": True,
    "syncPassiveFrequency": 900,
    "username": "box",
}
PASSWORD = "not-a-real-password"
OTHER = "another-not-real-password"


def opened(key: int, name: SecretName) -> str | None:
    """A stored secret, where it would be used."""
    mailbox = Mailbox.objects.get(pk=key)
    secret = getattr(mailbox, "secret" if name is SecretName.SMTP else f"{name}_secret")
    return secret.bound_to(mailbox.secret_binding(name)).reveal() if secret is not None else None


def test_every_attribute_is_stored_and_read_as_it_was_written(api: APIClient) -> None:
    shown = made(api, **WRITTEN)["attributes"]

    assert {name: shown[name] for name in WRITTEN} == WRITTEN
    assert set(shown) == READ_ONLY | set(WRITTEN)
    assert not WRITE_ONLY & set(shown)


LENGTHS = {
    "emailSignature": 65535,
    "optOutMessage": 512,
    "optOutSignature": 512,
    "password": 65535,
    "prospectEmailExclusions": 65535,
    "sendgridApiKey": 65535,
    "smtpPassword": 65535,
    "smtpUsername": 255,
    "username": 255,
}
"""Characters, as the original document has them."""


@pytest.mark.parametrize("escaped", [True, False])
def test_texts_are_as_long_as_the_original_says_in_any_letters(api: APIClient, escaped: bool) -> None:
    longest = {name: "\U00020bb7" * length for name, length in LENGTHS.items()}
    raw = json.dumps(document(**{**SAID, **longest}), ensure_ascii=escaped)

    data = data_of(api.generic("POST", URL, raw, content_type=JSONAPI))

    shown = {name: value for name, value in longest.items() if name in data["attributes"]}
    assert data["attributes"] == {**data["attributes"], **shown}
    assert opened(data["id"], SecretName.SMTP) == longest["smtpPassword"]
    assert opened(data["id"], SecretName.SENDGRID) == longest["sendgridApiKey"]
    over = {name: value + "\U00020bb7" for name, value in longest.items()}
    raw = json.dumps(document(data["id"], **over), ensure_ascii=escaped)
    response = api.generic("PATCH", f"{URL}/{data['id']}", raw, content_type=JSONAPI)
    assert set(refusals(response)) == {f"/data/attributes/{name}" for name in LENGTHS}


def test_every_attribute_can_be_cleared(api: APIClient) -> None:
    key = made(api, **WRITTEN)["id"]

    shown = data_of(changed(api, key, **dict.fromkeys(WRITTEN)))["attributes"]

    usual: dict[str, Any] = {
        "sendDisabled": False,
        "sendRequiresSync": False,
        "syncDisabled": False,
        "syncOutreachFolder": False,
    }
    usual |= {"syncPassiveFrequency": 1800}
    assert {name: shown[name] for name in WRITTEN} == {**dict.fromkeys(WRITTEN), **usual}
    assert Mailbox.objects.get().send_method == "none"


def test_what_is_read_only_is_ignored_in_a_write(api: APIClient) -> None:
    before = made(api)
    strange = {
        "authId": 5,
        "editable": False,
        "userId": 999,
        "emailHash": "x",
        "sendgridWebhookUrl": "https://x.test",
    }
    strange |= {"createdAt": "2019-08-24T14:15:22Z", "providerType": {}, "sendSuccessAt": "never"}

    assert data_of(changed(api, before["id"], **strange)) == before


def test_the_smallest_mailbox_is_an_empty_one(api: APIClient) -> None:
    response = send(api, "POST", "", {"data": {"type": "mailbox"}})
    shown = data_of(response)["attributes"]
    assert (shown["sendMethod"], shown["smtpHost"], shown["smtpPort"], shown["smtpSsl"]) == (
        None,
        None,
        None,
        None,
    )
    assert refusals(changed(api, data_of(response)["id"], sendMethod="smtp")) == {
        "/data/attributes/smtpHost": "validationError"
    }


def test_a_server_may_be_named_piece_by_piece(api: APIClient) -> None:
    """What was said is read as it was written, and counts as soon as there is a server."""
    data = data_of(send(api, "POST", "", document(smtpPort=465, smtpSsl=True, imapPort=143, imapSsl=False)))
    shown = data["attributes"]
    assert (shown["smtpPort"], shown["smtpSsl"], shown["imapPort"], shown["imapSsl"]) == (
        465,
        True,
        143,
        False,
    )

    shown = data_of(changed(api, data["id"], smtpHost="smtp.example.com"))["attributes"]
    assert (shown["sendMethod"], shown["smtpPort"], shown["smtpSsl"]) == ("smtp", 465, True)
    assert Mailbox.objects.get().security == "tls"


def test_a_known_mail_service_fills_what_nobody_said(api: APIClient) -> None:
    key = made(api, smtpHost=None, smtpPort=None, smtpSsl=None, emailProvider="rackspace")["id"]
    shown = data_of(send(api, "GET", f"/{key}"))["attributes"]
    assert (shown["smtpHost"], shown["smtpPort"], shown["smtpSsl"]) == ("secure.emailsrvr.com", 465, True)
    assert (shown["imapHost"], shown["imapPort"], shown["imapSsl"]) == ("secure.emailsrvr.com", 993, True)
    assert (shown["sendMethod"], shown["syncMethod"]) == ("smtp", "imap")

    shown = data_of(changed(api, key, emailProvider="gmail"))["attributes"]
    assert (shown["smtpHost"], shown["smtpPort"], shown["imapHost"]) == (
        "smtp.gmail.com",
        587,
        "imap.gmail.com",
    )


@pytest.mark.parametrize(
    ("ssl", "port", "security"),
    [
        (True, 465, "tls"),
        (True, 587, "starttls"),
        (True, 2525, "starttls"),
        (False, 465, "opportunistic"),
        (False, 587, "opportunistic"),
        (None, 25, "opportunistic"),
    ],
)
def test_smtpssl_means_what_its_port_says(api: APIClient, ssl: bool | None, port: int, security: str) -> None:
    key = made(api, smtpSsl=ssl, smtpPort=port)["id"]
    assert Mailbox.objects.get(pk=key).security == security
    assert data_of(send(api, "GET", f"/{key}"))["attributes"]["smtpSsl"] is bool(ssl)


def test_another_port_says_anew_how_to_encrypt(api: APIClient) -> None:
    key = made(api)["id"]
    data_of(changed(api, key, smtpPort=465))
    assert Mailbox.objects.get().security == "tls"
    data_of(changed(api, key, smtpPort=25, smtpSsl=False))
    assert Mailbox.objects.get().security == "opportunistic"


def test_one_password_serves_all_and_one_for_sending_that_alone(api: APIClient) -> None:
    key = made(api, imapHost="imap.example.com", password=PASSWORD)["id"]
    assert opened(key, SecretName.SMTP) == opened(key, SecretName.IMAP) == PASSWORD

    data_of(changed(api, key, smtpPassword=OTHER, sendgridApiKey=PASSWORD))
    assert (opened(key, SecretName.SMTP), opened(key, SecretName.IMAP)) == (OTHER, PASSWORD)
    assert opened(key, SecretName.SENDGRID) == PASSWORD

    data_of(changed(api, key, sendgridApiKey=""))
    assert opened(key, SecretName.SENDGRID) is None
    data_of(changed(api, key, smtpPassword=None, password=OTHER))
    assert opened(key, SecretName.SMTP) == opened(key, SecretName.IMAP) == OTHER
    data_of(changed(api, key, password=None))
    assert (opened(key, SecretName.SMTP), Mailbox.objects.get().authentication) == (None, "none")


@pytest.mark.parametrize(
    ("change", "attribute"),
    [
        ({"smtpHost": "smtp.example.net"}, "password"),
        ({"smtpHost": None}, "password"),
        ({"smtpPort": 25}, "password"),
        ({"smtpSsl": False}, "password"),
        ({"smtpUsername": "relay"}, "password"),
        ({"username": "box"}, "password"),
        ({"email": "you@example.com"}, "password"),
        ({"emailProvider": "gmail", "smtpHost": None}, "password"),
        ({"emailProvider": "gmail"}, "password"),
        ({"sendMethod": "ews"}, "password"),
        ({"imapHost": "imap.example.com"}, "password"),
        ({"ewsEndpoint": "https://mail.example.com/EWS"}, "password"),
    ],
    ids=str,
)
def test_a_stored_password_goes_to_no_other_place(
    api: APIClient, change: dict[str, Any], attribute: str
) -> None:
    """By fall-backs and mail services neither."""
    key = made(api, password=PASSWORD)["id"]
    before = Mailbox.objects.values().get()

    response = changed(api, key, **change)

    assert set(refusals(response)) == {f"/data/attributes/{attribute}"}
    assert Mailbox.objects.values().get() == before
    data_of(changed(api, key, **change, password=OTHER))


def test_a_password_for_sending_is_asked_for_where_sending_moves(api: APIClient) -> None:
    key = made(api, imapHost="imap.example.com", password=PASSWORD, smtpPassword=OTHER)["id"]
    assert set(refusals(changed(api, key, smtpHost="smtp.example.net"))) == {"/data/attributes/smtpPassword"}
    assert set(refusals(changed(api, key, smtpPassword=None))) == {"/data/attributes/password"}
    assert set(refusals(changed(api, key, imapHost="imap.example.net"))) == {"/data/attributes/password"}
    data_of(changed(api, key, smtpHost="smtp.example.net", smtpPassword=OTHER))
    assert opened(key, SecretName.IMAP) == PASSWORD


def test_no_secret_comes_out(api: APIClient) -> None:
    key = made(api, password=PASSWORD, smtpPassword=OTHER, sendgridApiKey=PASSWORD)["id"]
    for path in ("", f"/{key}", f"/{key}/user"):
        assert PASSWORD.encode() not in send(api, "GET", path).content


def test_a_hash_stands_for_the_address_in_any_case(api: APIClient, settings: Settings) -> None:
    first, second = (made(api, email=email)["attributes"]["emailHash"] for email in ("A@B.test", "a@b.test"))
    assert first == second == email_hash("a@b.test")
    assert len(first) == 64
    settings.SECRET_KEY = "another-key-of-the-tests"
    assert email_hash("a@b.test") != first, "nobody without the key can try addresses"


def test_limits_go_together(api: APIClient) -> None:
    assert refusals(send(api, "POST", "", document(email="a@b.test", sendThreshold=2))) == {
        "/data/attributes/sendPeriod": "validationError"
    }


def test_a_folder_of_another_version_is_refused(api: APIClient) -> None:
    response = send(
        api, "POST", "", document(exchangeVersion="Exchange2013", syncOutreachFolder=True, sendMethod="ews")
    )
    assert refusals(response) == {"/data/attributes/syncOutreachFolder": "validationError"}


def test_every_value_that_is_wrong_is_named(api: APIClient) -> None:
    response = send(api, "POST", "", document(smtpPort=0, emailProvider="x", ewsSslVerifyMode=3))
    names = ("emailProvider", "ewsSslVerifyMode", "smtpPort")
    assert refusals(response) == {f"/data/attributes/{name}": "validationError" for name in names}


def test_a_mailbox_whose_mail_waits_is_not_deleted(api: APIClient) -> None:
    key = made(api)["id"]
    make_message(Mailbox.objects.get())
    assert refusals(send(api, "DELETE", f"/{key}")) == {"": "resourceInUse"}


@pytest.mark.parametrize("method", ["sendgrid", None])
def test_a_method_that_is_not_installed_is_stored(
    api: APIClient, method: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_registered", {})
    monkeypatch.setattr(registry, "is_mail_service", lambda _name: False)
    key = made(api, sendMethod=method, smtpHost="smtp.example.com" if method else None)["id"]
    for call in (
        changed(api, key, validateSend=True),
        send(api, "POST", f"/{key}/actions/testSend"),
    ):
        assert refusals(call) == {"/data/attributes/sendMethod": "validationError"}
        words = "not available on this server" if method else "Nothing is said of how the mailbox sends"
        assert words in call.json()["errors"][0]["detail"]


def test_where_sendgrid_reports_is_shown_to_those_who_may_change_the_mailbox(
    api: APIClient, settings: Settings
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "PUBLIC_BASE_URL": "https://mail.example.com/"}
    other = made(api)
    read = made(api, sendMethod="sendgrid", sendgridApiKey=PASSWORD)
    token = EventWebhook.objects.get().token

    assert other["attributes"]["sendgridWebhookUrl"] is None
    url = f"https://mail.example.com/webhooks/sendgrid/{token}"
    assert read["attributes"]["sendgridWebhookUrl"] == url
    again = data_of(changed(api, read["id"], sendgridWebhookUrl="https://x.test", sendgridApiKey=""))
    assert again["attributes"]["sendgridWebhookUrl"] == url

    settings.MAILCONFIG = {**settings.MAILCONFIG, "PUBLIC_BASE_URL": None}
    assert data_of(send(api, "GET", f"/{read['id']}"))["attributes"]["sendgridWebhookUrl"] is None


def test_a_signature_is_shown_as_it_is_stored_and_can_be_sent_back(api: APIClient) -> None:
    read = made(api, emailSignature="<b onclick=x>Ann<script>x</script> & Bob")

    assert read["attributes"]["emailSignature"] == "<b>Ann &amp; Bob</b>"
    again = data_of(changed(api, read["id"], emailSignature="<b>Ann &amp; Bob</b>"))
    assert again["attributes"] == read["attributes"]


@pytest.mark.parametrize("signature", ["<" * 65535, "&" * 65535, "\xa0" * 65535])
def test_a_signature_that_gets_too_long_when_it_is_made_harmless_is_refused(
    api: APIClient, signature: str
) -> None:
    response = send(api, "POST", "", document(email="me@example.com", emailSignature=signature))
    assert refusals(response) == {"/data/attributes/emailSignature": "validationError"}
