"""A mailbox: what follows from what was said of it, and that one password is bound to each place it serves."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from mailconfig import delivery
from mailconfig.exceptions import DestinationChanged
from mailconfig.models import Account, Lane, Mailbox, WaitReason
from mailconfig.models.account_destination import SecretName
from mailconfig.models.mailbox_fallbacks import Connections
from mailconfig.models.validators import validate_endpoint, validate_text
from mailconfig.secrets import keyring
from mailconfig.secrets.fields import SealedSecret
from mailconfig.values import Secret
from tests.factories import make_tenant, make_user

pytestmark = pytest.mark.django_db

PASSWORD, OTHER = "not-a-real-password", "another-not-real-password"
EMAIL = "me@example.com"
ENDPOINT = "https://mail.example.com/EWS/Exchange.asmx"


def said(mailbox: Mailbox, *, password: str | None = None, own: str | None = None, **values: Any) -> Mailbox:
    """With values that somebody names, and whatever follows from them."""
    connections = Connections(mailbox)
    for name, value in values.items():
        setattr(mailbox, name, value)
    connections.fill(said=values)
    if own is not None:
        mailbox.enter_smtp_password(Secret(own) if own else None)
    if password is not None:
        mailbox.enter_password(Secret(password) if password else None)
    connections.fill_authentication()
    return mailbox


def stored(**values: Any) -> Mailbox:
    """A mailbox as it is read after it was stored."""
    mailbox = said(Mailbox(), **{"from_email": EMAIL, **values})
    mailbox.full_clean()
    mailbox.save()
    return Mailbox.objects.get(pk=mailbox.pk)


def opened(mailbox: Mailbox, name: SecretName) -> str | None:
    """The secret, where it would be used now."""
    column = {"smtp": "secret"}.get(name, f"{name}_secret")
    secret = getattr(Mailbox.objects.get(pk=mailbox.pk), column)
    return secret.bound_to(mailbox.secret_binding(name)).reveal() if secret is not None else None


def refused(mailbox: Mailbox) -> dict[str, list[str | None]]:
    """The codes of what is wrong, by field, however it is stored."""
    with pytest.raises(ValidationError) as checked:
        mailbox.full_clean()
    with pytest.raises(ValidationError) as saved:
        mailbox.save()
    assert set(saved.value.error_dict) <= set(checked.value.error_dict)
    return {name: [error.code for error in errors] for name, errors in checked.value.error_dict.items()}


@pytest.mark.parametrize(
    ("provider", "host", "port", "security", "imap_host"),
    [
        ("gmail", "smtp.gmail.com", 587, "starttls", "imap.gmail.com"),
        ("gmail_api", "smtp.gmail.com", 587, "starttls", "imap.gmail.com"),
        ("google_oauth2", "smtp.gmail.com", 587, "starttls", "imap.gmail.com"),
        ("exchange_online", "smtp.office365.com", 587, "starttls", "outlook.office365.com"),
        ("office_365", "smtp.office365.com", 587, "starttls", "outlook.office365.com"),
        ("office365_oauth2", "smtp.office365.com", 587, "starttls", "outlook.office365.com"),
        ("microsoft_hma_oauth2", "smtp.office365.com", 587, "starttls", "outlook.office365.com"),
        ("rackspace", "secure.emailsrvr.com", 465, "tls", "secure.emailsrvr.com"),
    ],
)
def test_a_known_mail_service_fills_what_nobody_said(
    provider: str, host: str, port: int, security: str, imap_host: str
) -> None:
    mailbox = stored(email_provider=provider, password=PASSWORD)

    assert (mailbox.host, mailbox.port, mailbox.security) == (host, port, security)
    assert (mailbox.imap_host, mailbox.imap_port, mailbox.imap_ssl) == (imap_host, 993, True)
    assert (mailbox.send_method, mailbox.sync_method, mailbox.authentication) == ("smtp", "imap", "password")
    assert mailbox.username == EMAIL
    assert opened(mailbox, SecretName.SMTP) == opened(mailbox, SecretName.IMAP) == PASSWORD


def test_what_was_said_stays_when_the_mail_service_changes_and_all_else_follows() -> None:
    mailbox = stored(email_provider="gmail", host="relay.example.com", port=2525, security="starttls")

    said(mailbox, email_provider="rackspace")

    assert (mailbox.host, mailbox.port, mailbox.security) == ("relay.example.com", 2525, "starttls")
    assert (mailbox.preset, mailbox.imap_host) == ("rackspace", "secure.emailsrvr.com")


def test_a_mail_service_that_changes_takes_its_servers_along() -> None:
    mailbox = stored(email_provider="gmail")
    said(mailbox, email_provider="rackspace")
    assert (mailbox.host, mailbox.port, mailbox.security) == ("secure.emailsrvr.com", 465, "tls")
    said(mailbox, email_provider="")
    assert (mailbox.host, mailbox.imap_host, mailbox.send_method, mailbox.sync_method) == ("", "", "none", "")


@pytest.mark.parametrize(
    ("values", "send", "sync"),
    [
        ({}, "none", ""),
        ({"host": "smtp.example.com"}, "smtp", ""),
        ({"imap_host": "imap.example.com"}, "none", "imap"),
        ({"ews_endpoint": ENDPOINT}, "ews", "ews"),
        ({"host": "smtp.example.com", "ews_endpoint": ENDPOINT}, "smtp", "ews"),
        ({"email_provider": "exchange_online", "ews_endpoint": ENDPOINT}, "ews", "imap"),
        ({"host": "smtp.example.com", "send_method": "sendgrid"}, "sendgrid", ""),
    ],
    ids=str,
)
def test_the_methods_follow_from_what_was_said(values: dict[str, str], send: str, sync: str) -> None:
    mailbox = stored(**values)
    assert (mailbox.send_method, mailbox.sync_method) == (send, sync)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({}, EMAIL),
        ({"login_name": "box"}, "box"),
        ({"login_name": "box", "smtp_login_name": "relay"}, "relay"),
        ({"smtp_login_name": "relay"}, "relay"),
    ],
    ids=str,
)
def test_the_user_name_for_sending_is_its_own_or_the_mailboxs_or_the_address(
    names: dict[str, str], expected: str
) -> None:
    mailbox = stored(host="smtp.example.com", password=PASSWORD, **names)
    assert mailbox.username == expected
    assert mailbox.transport_settings().username == expected


def everywhere(**values: Any) -> Mailbox:
    """A mailbox whose one password serves SMTP, IMAP and EWS."""
    plain = {"host": "smtp.example.com", "imap_host": "imap.example.com", "ews_endpoint": ENDPOINT}
    return stored(**{**plain, "password": PASSWORD, **values})


def test_one_password_is_bound_to_each_of_three_destinations() -> None:
    mailbox = everywhere()

    names = (SecretName.SMTP, SecretName.IMAP, SecretName.EWS)
    assert [opened(mailbox, name) for name in names] == [PASSWORD] * 3
    assert len({mailbox.secret_binding(name) for name in names}) == 3
    assert isinstance(mailbox.imap_secret, SealedSecret)
    elsewhere = mailbox.imap_secret.bound_to(mailbox.secret_binding("smtp"))
    with pytest.raises(DestinationChanged):
        elsewhere.reveal()


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"host": "smtp.example.net"}, ("secret",)),
        ({"port": 25}, ("secret",)),
        ({"security": "tls"}, ("secret",)),
        ({"smtp_login_name": "relay"}, ("secret",)),
        ({"send_method": "ews"}, ("secret",)),
        ({"email_provider": "gmail", "host": "smtp.gmail.com"}, ("secret",)),
        ({"imap_host": "imap.example.net"}, ("imap_secret",)),
        ({"imap_port": 144}, ("imap_secret",)),
        ({"imap_ssl": True}, ("imap_secret",)),
        ({"ews_endpoint": ENDPOINT + "/2"}, ("ews_secret",)),
        ({"ews_verify_mode": 2}, ("ews_secret",)),
        (
            {"login_name": "box"},
            (
                "secret",
                "imap_secret",
                "ews_secret",
            ),
        ),
        (
            {"from_email": "you@example.com"},
            (
                "secret",
                "imap_secret",
                "ews_secret",
            ),
        ),
    ],
    ids=str,
)
def test_a_destination_that_changes_wants_the_password_again(
    change: dict[str, Any], fields: tuple[str, ...]
) -> None:
    mailbox = said(everywhere(), **change)

    assert refused(mailbox) == {name: ["destination_changed"] for name in fields}

    mailbox.enter_password(Secret(OTHER))
    mailbox.full_clean()
    mailbox.save()
    assert [opened(mailbox, name) for name in (SecretName.SMTP, SecretName.IMAP, SecretName.EWS)] == [
        OTHER
    ] * 3


@pytest.mark.parametrize(
    ("change", "column"),
    [({"imap_host": "imap.example.com"}, "imap_secret"), ({"ews_endpoint": ENDPOINT}, "ews_secret")],
    ids=str,
)
@pytest.mark.parametrize("own", [None, OTHER])
def test_a_new_destination_wants_the_password_that_is_stored_for_others(
    change: dict[str, Any], column: str, own: str | None
) -> None:
    mailbox = said(stored(host="smtp.example.com", password=PASSWORD, own=own), send_method="smtp", **change)
    assert refused(mailbox) == {column: ["destination_changed"]}


def test_where_no_password_is_stored_a_new_destination_wants_none() -> None:
    for mailbox in (stored(host="smtp.example.com"), stored(host="smtp.example.com", own=OTHER)):
        said(mailbox, imap_host="imap.example.com").full_clean()
        mailbox.save()
        assert mailbox.imap_secret is None


def test_what_concerns_no_connection_keeps_the_password() -> None:
    mailbox = said(
        everywhere(), signature="Bye", name="Another", exchange_version="Exchange2013", limit_per_day=3
    )
    mailbox.full_clean()
    mailbox.save()
    assert opened(mailbox, SecretName.EWS) == PASSWORD


def test_a_password_for_sending_goes_nowhere_else() -> None:
    mailbox = everywhere(own=OTHER)

    assert opened(mailbox, SecretName.SMTP) == OTHER
    assert opened(mailbox, SecretName.IMAP) == opened(mailbox, SecretName.EWS) == PASSWORD


def test_the_mailboxs_password_that_shall_serve_sending_has_to_be_entered_again() -> None:
    mailbox = said(everywhere(own=OTHER), own="")
    assert refused(mailbox) == {"secret": ["destination_changed"]}
    said(mailbox, password=PASSWORD)
    mailbox.save()
    assert opened(mailbox, SecretName.SMTP) == PASSWORD
    assert not mailbox.has_own_smtp_secret


def test_a_password_that_nothing_needs_besides_is_not_forgotten() -> None:
    """It is stored nowhere, and yet was entered: who clears the other one means this one."""
    mailbox = stored(host="smtp.example.com", password=PASSWORD, own=OTHER)
    assert mailbox.has_password
    assert refused(said(mailbox, own="")) == {"secret": ["destination_changed"]}


def test_without_any_other_password_one_for_sending_can_be_taken_away() -> None:
    mailbox = said(stored(host="smtp.example.com", own=OTHER), own="")
    mailbox.full_clean()
    mailbox.save()
    assert (mailbox.secret, mailbox.authentication) == (None, "none")


def test_a_password_that_is_taken_away_is_taken_away_everywhere() -> None:
    mailbox = said(everywhere(), password="")
    mailbox.full_clean()
    mailbox.save()
    stored_again = Mailbox.objects.get(pk=mailbox.pk)
    assert (stored_again.secret, stored_again.imap_secret, stored_again.ews_secret) == (None, None, None)
    assert stored_again.authentication == "none"
    said(stored_again, host="smtp.example.net").full_clean()


def test_a_server_that_goes_takes_its_copy_of_the_password_along() -> None:
    mailbox = said(everywhere(), imap_host="", imap_port=None)
    mailbox.full_clean()
    mailbox.save()
    assert Mailbox.objects.get(pk=mailbox.pk).imap_secret is None
    assert opened(mailbox, SecretName.SMTP) == PASSWORD


def test_another_owner_does_not_get_a_stored_secret() -> None:
    mailbox = everywhere(own=OTHER, owner=make_user())
    mailbox.sendgrid_secret = Secret(PASSWORD)
    mailbox.save()

    mailbox.owner = make_user()
    mailbox.enter_smtp_password(Secret(OTHER))

    others = ("imap_secret", "ews_secret", "sendgrid_secret")
    assert refused(mailbox) == {name: ["holder_changed"] for name in others}


def test_what_the_admin_changes_is_said_of_the_mailbox() -> None:
    """There is one user name, one password and one mail service in its form."""
    mailbox = everywhere()
    mailbox.username, mailbox.secret, mailbox.preset = "box", Secret(OTHER), "gmail"
    mailbox.full_clean()
    mailbox.save()

    mailbox = Mailbox.objects.get(pk=mailbox.pk)
    assert (mailbox.login_name, mailbox.smtp_login_name, mailbox.email_provider) == ("box", "", "gmail")
    assert [opened(mailbox, name) for name in (SecretName.SMTP, SecretName.IMAP, SecretName.EWS)] == [
        OTHER
    ] * 3
    mailbox.secret = None
    mailbox.authentication = "none"
    mailbox.save()
    assert (mailbox.imap_secret, mailbox.ews_secret) == (None, None)


def test_a_user_name_changed_alone_is_stored_with_what_follows() -> None:
    mailbox = stored(host="smtp.example.com")
    mailbox.username = "box"
    mailbox.save(update_fields=["username"])
    assert Mailbox.objects.get(pk=mailbox.pk).login_name == "box"


def test_secrets_that_could_not_be_stored_are_sealed_by_the_next_try() -> None:
    mailbox = everywhere()
    mailbox.enter_password(Secret(OTHER))
    mailbox.sendgrid_secret = Secret(OTHER)
    mailbox.imap_port = 70000
    with pytest.raises(IntegrityError), transaction.atomic():
        mailbox.save()
    mailbox.imap_port, mailbox.imap_host = 993, "imap.example.net"
    mailbox.save()
    names = (SecretName.SMTP, SecretName.IMAP, SecretName.EWS, SecretName.SENDGRID)
    assert [opened(mailbox, name) for name in names] == [OTHER] * 4


def test_a_mailbox_that_is_deleted_keeps_no_secret() -> None:
    mailbox = everywhere(own=OTHER)
    mailbox.sendgrid_secret = Secret(OTHER)
    mailbox.save()
    delivery.delete_account(account_id=mailbox.pk, by=None)
    mailbox = Mailbox.objects.get(pk=mailbox.pk)
    assert {mailbox.secret, mailbox.imap_secret, mailbox.ews_secret, mailbox.sendgrid_secret} == {None}
    assert not mailbox.has_password


def test_keys_that_are_rotated_while_somebody_edits_stay_rotated() -> None:
    read = everywhere()
    assert isinstance(read.imap_secret, SealedSecret)
    resealed = SealedSecret(keyring.reseal(read.imap_secret.token))
    Mailbox._base_manager.filter(pk=read.pk).update(imap_secret=resealed)

    read.signature = "Bye"
    delivery.save_account(account=read, by=None)

    found = Mailbox.objects.get(pk=read.pk)
    assert (found.signature, found.imap_secret) == ("Bye", resealed)


def test_sending_by_smtp_needs_a_server_and_nothing_else_does() -> None:
    assert refused_codes(Mailbox(from_email=EMAIL, authentication="none")) == {"host": ["required"]}
    for method in ("ews", "sendgrid", "none"):
        Mailbox(from_email=EMAIL, authentication="none", send_method=method).full_clean()


def test_the_folder_outreach_is_of_one_version() -> None:
    mailbox = stored(exchange_version="Exchange2007_SP1", syncs_outreach_folder=True)
    mailbox.exchange_version = "Exchange2013"
    assert refused_codes(mailbox) == {"syncs_outreach_folder": ["invalid"]}


def refused_codes(mailbox: Mailbox) -> dict[str, list[str | None]]:
    """What is wrong, by field."""
    with pytest.raises(ValidationError) as caught:
        mailbox.full_clean()
    return {name: [error.code for error in errors] for name, errors in caught.value.error_dict.items()}


@pytest.mark.parametrize("tenant", [True, False])
def test_what_a_deleted_mailbox_said_is_forgotten_in_time(tenant: bool) -> None:
    mailbox = everywhere(signature="Bye", tenant=make_tenant() if tenant else None)
    delivery.delete_account(account_id=mailbox.pk, by=None)
    Account.objects.filter(pk=mailbox.pk).update(deleted_at="2020-01-01T00:00:00Z")
    from_before = Mailbox.objects.get(pk=mailbox.pk)
    assert from_before.imap_host
    delivery.purge()
    left = Mailbox._base_manager.filter(pk=mailbox.pk)
    assert not left.exclude(imap_host="", signature="", ews_endpoint="").exists()


@pytest.mark.parametrize(
    "address",
    [
        "http://mail.example.com/EWS",
        "https://",
        "https:///EWS",
        "https:/mail.example.com",
        "https:\\\\mail.example.com",
        "https://me@mail.example.com/EWS",
        "https://me:word@mail.example.com/EWS",
        "https://mail.example.com#x",
        "https://mail.example.com:0/",
        "https://mail.example.com:65536/",
        "https://mail.example.com:abc/",
        "https://mail.example.com?x=1",
        "https://mail example.com/",
        "https://mail.example.com/\n",
        "https://mail.example.com/\x00",
        "https://ma\til.example.com/",
        "https://2130706433/",
        "https://127.1/",
        "https://[fe80::1%25eth0]/",
        "https://münchen.example/",
        "ftp://mail.example.com/",
        "//mail.example.com/",
        "mail.example.com",
        "javascript:alert(1)",
    ],
)
def test_an_address_that_is_not_plainly_one_of_a_web_service_is_refused(address: str) -> None:
    with pytest.raises(ValidationError):
        validate_endpoint(address)


@pytest.mark.parametrize(
    "address",
    [
        ENDPOINT,
        "https://mail.example.com",
        "https://mail.example.com:8443/EWS?a=b",
        "https://[2001:db8::1]/EWS",
    ],
)
def test_an_address_of_a_web_service_is_taken(address: str) -> None:
    validate_endpoint(address)


def test_text_has_lines_and_no_control_characters() -> None:
    validate_text("a\n\tb\r\n<p>ü 😀</p>")
    for text in ("\x00", "a\x07", "\x1b[31m", "\x85", "\ud800"):
        with pytest.raises(ValidationError):
            validate_text(text)


def lanes_of(mailbox: Mailbox) -> dict[str, Lane]:
    return {lane.purpose: lane for lane in Lane.objects.filter(account=mailbox)}


def test_a_mailbox_gets_a_lane_for_its_sync_once_it_says_how_it_is_synced() -> None:
    mailbox = stored(host="smtp.example.com")
    assert set(lanes_of(mailbox)) == {"send"}
    said(mailbox, imap_host="imap.example.com").save()
    assert set(lanes_of(mailbox)) == {"send", "sync"}
    assert lanes_of(mailbox)["sync"].due_at is not None, "it is to be synced soon"
    assert set(lanes_of(stored(imap_host="imap.example.com"))) == {"send", "sync"}


@pytest.mark.parametrize(
    ("edit", "proved_false"),
    [
        ({"host": "smtp.example.org"}, {"send"}),
        ({"port": 2525}, {"send"}),
        ({"smtp_login_name": "other"}, {"send"}),
        ({"imap_host": "imap.example.org"}, {"sync"}),
        ({"imap_port": 1143}, {"sync"}),
        ({"imap_ssl": True}, {"sync"}),
        ({"syncs_outreach_folder": True}, {"sync"}),
        ({"sync_method": "gmail_api"}, {"sync"}),
        ({"login_name": "other"}, {"send", "sync"}),
        ({"from_email": "other@example.com"}, {"send", "sync"}),
        ({"password": PASSWORD}, {"send", "sync"}),
        ({"own": PASSWORD}, {"send"}),
        ({"signature": "Bye"}, set()),
        ({"ews_endpoint": "https://ews.example.org/"}, set()),
    ],
)
def test_an_edit_proves_false_what_is_known_of_its_own_half(
    edit: dict[str, Any], proved_false: set[str]
) -> None:
    # Without a stored password nothing has to be entered again.
    mailbox = stored(host="smtp.example.com", imap_host="imap.example.com", ews_endpoint=ENDPOINT)
    before = timezone.now()
    Lane.objects.filter(account=mailbox).update(
        last_success_at=before,
        finished_at=before,
        validated_at=before,
        wait_reason=WaitReason.PAUSED_LOGIN,
    )

    said(mailbox, **edit).save()

    lanes = lanes_of(mailbox)
    assert {purpose for purpose, lane in lanes.items() if lane.last_success_at is None} == proved_false
    assert {purpose for purpose, lane in lanes.items() if lane.validated_at is None} == proved_false
    assert {purpose for purpose, lane in lanes.items() if not lane.is_paused} == proved_false
    assert all(lane.finished_at == before for lane in lanes.values()), "that it came to an end stays true"
