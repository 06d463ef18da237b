"""Probes: every stage that can fail names itself, the field to look at, and what probably helps."""

from __future__ import annotations

import base64
import time
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from pytest_django import Settings

from mailconfig.delivery import probe_account, probe_values
from mailconfig.delivery.accounts.check_view import public_view, staff_view
from mailconfig.delivery.accounts.probe import adopt_check
from mailconfig.models import Account, CheckState, ConnectionCheck, Tenant
from mailconfig.testing import outbox
from mailconfig.values import Secret, Timeouts
from tests.integration.delivery.accounts.conftest import PASSWORD, USERNAME, new_account, stored_account
from tests.servers.certificates import Certificates
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Close, Endless, Hang, Raw, Reply, Reset, Slow

pytestmark = pytest.mark.django_db(transaction=True)

STAGES = ["resolve", "connect", "tls", "ehlo", "login", "sender"]


def outcomes(check: ConnectionCheck) -> dict[str, str]:
    return {stage["stage"]: stage["outcome"] for stage in check.stages}


def test_a_passing_probe_goes_through_every_stage_and_sends_nothing(
    starttls: ChaosServer, staff: User
) -> None:
    check = probe_values(account=new_account(starttls), requested_by=staff)

    assert check.state == CheckState.PASSED
    assert outcomes(check) == dict.fromkeys(STAGES, "ok")
    assert [stage["stage"] for stage in check.stages] == STAGES
    assert all(stage["milliseconds"] >= 0 for stage in check.stages)
    assert starttls.auth_attempts == [("PLAIN", USERNAME, PASSWORD)]
    assert starttls.verbs()[-4:] == ["MAIL", "RCPT", "RSET", "QUIT"]
    assert starttls.messages == []
    assert check.started_at is not None
    assert check.finished_at is not None
    assert check.finished_at >= check.started_at


def test_a_server_without_login_and_tls_skips_these_stages(plain: ChaosServer, staff: User) -> None:
    check = probe_values(account=new_account(plain), requested_by=staff)

    assert check.ok
    assert outcomes(check) == dict.fromkeys(STAGES, "ok") | {"tls": "skipped", "login": "skipped"}


@pytest.mark.parametrize(
    ("verb", "action", "stage", "code", "field"),
    [
        ("banner", Reply.of("554 5.3.2 go away"), "connect", "connect_failed", "host"),
        ("banner", Raw(b"SSH-2.0-OpenSSH_9\r\n"), "connect", "protocol_error", "host"),
        ("banner", Close(), "connect", "connect_failed", "port"),
        ("ehlo", Reply.of("421 4.3.2 too busy"), "ehlo", "connect_failed", "host"),
        ("ehlo", Endless(), "ehlo", "protocol_error", "host"),
        ("starttls", Reply.of("454 4.7.0 no TLS now"), "tls", "tls_failed", "security"),
        ("handshake", Close(), "tls", "tls_failed", "security"),
        ("auth", Reply.of("535 5.7.8 no"), "login", "auth_failed", "secret"),
        ("auth", Reply.of("454 4.7.0 too many logins"), "login", "auth_failed", "secret"),
        ("mail", Reply.of("553 5.7.1 not owned by user"), "sender", "sender_refused", "from_email"),
        ("mail", Reply.of("530 5.7.0 log in first"), "sender", "sender_refused", "authentication"),
        ("mail", Reply.of("451 4.7.1 later"), "sender", "sender_refused", "from_email"),
        ("mail", Reset(), "sender", "connect_failed", ""),
    ],
)
def test_a_failure_names_its_stage_and_the_guilty_field(
    starttls: ChaosServer, staff: User, verb: str, action: Any, stage: str, code: str, field: str
) -> None:
    starttls.on(verb, action)

    check = probe_values(account=new_account(starttls), requested_by=staff)

    assert (check.state, check.stage, check.code, check.guilty_field) == ("failed", stage, code, field)
    assert check.message
    listed = outcomes(check)
    assert listed[stage] == "failed"
    assert [name for name in STAGES[STAGES.index(stage) + 1 :] if listed[name] != "skipped"] in ([], ["ehlo"])


@pytest.mark.parametrize("certificate", ["expired", "wrong_name", "unknown_authority", "outdated"])
def test_a_bad_certificate_fails_before_any_login(
    certificates: Certificates, staff: User, certificate: str
) -> None:
    tls = getattr(certificates, certificate)
    with ChaosServer(tls=tls, starttls=True, credentials={USERNAME: PASSWORD}) as server:
        check = probe_values(account=new_account(server), requested_by=staff)

    assert (check.stage, check.code) == ("tls", "tls_failed")
    # A certificate is the server's affair: the encryption is not to be looked at, let alone switched off.
    assert check.guilty_field == ("security" if certificate == "outdated" else "host")
    assert check.hint
    assert server.auth_attempts == []


def test_tls_on_a_starttls_port_is_hinted_at(starttls: ChaosServer, staff: User) -> None:
    check = probe_values(account=new_account(starttls, security="tls"), requested_by=staff)

    assert (check.stage, check.guilty_field) == ("tls", "security")
    assert check.hint == "looks_like_starttls"


def test_where_nothing_says_anything_no_mail_server_answers(
    certificates: Certificates, staff: User, settings: Settings
) -> None:
    settings.MAILCONFIG |= {"PROBE_SECONDS": 1.0}
    with ChaosServer(tls=certificates.good, credentials={USERNAME: PASSWORD}) as server:
        check = probe_values(account=new_account(server, security="starttls"), requested_by=staff)

    assert (check.stage, check.code, check.guilty_field) == ("connect", "timeout", "port")
    assert check.message == "no_mail_server"
    assert "tls" not in check.hint, "this port is not the one for it"


def test_a_missing_app_password_is_hinted_at(starttls: ChaosServer, staff: User) -> None:
    starttls.on("auth", Reply.of("534 5.7.9 Application-specific password required"))

    check = probe_values(account=new_account(starttls), requested_by=staff)

    assert check.hint == "app_password"
    assert "Application-specific" in check.server_text
    assert "Application-specific" not in str(public_view(check))


def test_a_login_in_clear_is_refused_before_it_is_made(staff: User) -> None:
    with ChaosServer(credentials={USERNAME: PASSWORD}, auth_in_clear=True) as server:
        check = probe_values(account=new_account(server), requested_by=staff)

    assert (check.stage, check.guilty_field) == ("login", "security")
    assert server.sessions == 0


def test_a_sender_is_needed(plain: ChaosServer, staff: User) -> None:
    check = probe_values(account=new_account(plain, from_email=""), requested_by=staff)

    assert (check.stage, check.code, check.guilty_field) == ("sender", "sender_refused", "from_email")
    assert "MAIL" not in plain.verbs()


def test_a_refused_sender_may_be_reported_without_failing(starttls: ChaosServer, staff: User) -> None:
    starttls.on("mail", Reply.of("553 5.7.1 not owned by user"))

    check = probe_values(account=new_account(starttls), requested_by=staff, judge_sender=False)

    assert check.ok
    assert outcomes(check)["sender"] == "failed"
    assert "sender" in check.message


def test_the_guilty_field_is_the_bounce_address_where_that_is_the_sender(
    plain: ChaosServer, staff: User
) -> None:
    plain.on("mail", Reply.of("550 5.7.1 no"))

    check = probe_values(account=new_account(plain, envelope_from="b@mail.test"), requested_by=staff)

    assert check.guilty_field == "envelope_from"


@pytest.mark.parametrize("verb", ["banner", "ehlo", "starttls", "auth", "mail"])
@pytest.mark.parametrize("action", [Hang(), Slow(seconds=0.2)], ids=["hang", "slow"])
def test_one_deadline_holds_over_everything(
    starttls: ChaosServer, staff: User, settings: Settings, verb: str, action: Any
) -> None:
    settings.MAILCONFIG |= {"PROBE_SECONDS": 1.0}
    starttls.on(verb, action)
    began = time.monotonic()

    check = probe_values(account=new_account(starttls), requested_by=staff)

    assert time.monotonic() - began < Timeouts().banner, "no time-out of a single step ended it"
    assert check.state == CheckState.FAILED
    assert check.code == "timeout"


def test_an_edited_destination_needs_the_password_again(starttls: ChaosServer, staff: User) -> None:
    with ChaosServer(credentials={}) as other:
        account = stored_account(starttls)
        account.port = other.port

        with pytest.raises(ValidationError, match="enter the password again"):
            probe_values(account=account, requested_by=staff)

        account.secret = Secret("another-not-real-password")
        check = probe_values(account=account, requested_by=staff)

    assert check.state == CheckState.FAILED
    assert all(PASSWORD not in str(attempt) for attempt in other.auth_attempts)


def test_a_borrowed_secret_does_not_open_and_nothing_is_connected(starttls: ChaosServer, staff: User) -> None:
    borrowed = stored_account(starttls).secret
    with ChaosServer(credentials={}) as other:
        account = new_account(other, username=USERNAME, authentication="password", security="starttls")
        account.secret = borrowed

        check = probe_values(account=account, requested_by=staff)

    assert (check.stage, check.code, check.guilty_field) == ("login", "auth_failed", "secret")
    assert other.sessions == 0


def test_an_unreadable_secret_connects_nowhere(
    starttls: ChaosServer, staff: User, settings: Settings
) -> None:
    account = stored_account(starttls)
    settings.FIELD_ENCRYPTION_KEY = "bm90LWEtcmVhbC1rZXktLWFub3RoZXItb25lLW9mLXM="

    check = probe_account(account_id=account.pk, requested_by=staff)

    assert (check.stage, check.guilty_field, check.state) == ("login", "secret", "failed")
    assert starttls.sessions == 0


def test_unchanged_values_of_a_stored_account_use_its_secret(starttls: ChaosServer, staff: User) -> None:
    account = stored_account(starttls)
    account.from_name = "Another name"

    check = probe_values(account=account, requested_by=staff)

    assert check.ok
    assert check.account is None
    adopt_check(check=check, account=account)
    assert account.checks.get() == check
    assert account.lane.validated_at is not None


def test_an_override_without_system_account_says_so(staff: User) -> None:
    account = new_account(None, scope="system-override", username="me", authentication="password")

    check = probe_values(account=account, requested_by=staff)

    assert (check.stage, check.guilty_field) == ("resolve", "host")


def test_a_probe_belongs_to_the_tenant_named_or_the_accounts(plain: ChaosServer, staff: User) -> None:
    acme = Tenant.objects.create(slug="acme", name="Acme")
    other = Tenant.objects.create(slug="other", name="Other")

    assert probe_values(account=new_account(plain, tenant=acme), requested_by=staff).tenant == acme
    named = probe_values(account=new_account(plain, tenant=acme), requested_by=staff, tenant=other)
    assert named.tenant == other


def test_nothing_is_connected_where_an_outbox_is_set(
    staff: User, settings: Settings, plain: ChaosServer
) -> None:
    settings.MAILCONFIG |= {"OUTBOX": True}

    check = probe_values(account=new_account(plain), requested_by=staff)

    assert check.ok
    assert plain.sessions == 0
    assert outbox == []


@pytest.mark.parametrize(
    ("canary", "pieces"),
    [
        ("canary-not-a-real-password", ["canary"]),
        ("canary\tnot a  real\u200bpassword", ["canary", "real"]),
    ],
)
def test_the_secret_is_in_no_row_even_if_the_server_echoes_it(
    starttls: ChaosServer, staff: User, canary: str, pieces: list[str]
) -> None:
    account = new_account(starttls, secret=Secret(canary))
    in_base64 = base64.b64encode(canary.encode()).decode()
    without_blanks = " ".join(canary.replace("\u200b", "").split())
    for verb, code in (("banner", 220), ("auth", 535)):
        starttls.on(
            verb,
            Reply.of(
                f"{code}-you said {canary}, yes {without_blanks}", f"{code} or {in_base64} in other words"
            ),
        )
    starttls.on("ehlo", Reply.of(f"250-{canary}", "250-STARTTLS", "250 AUTH PLAIN"))

    check = probe_values(account=account, requested_by=staff)

    assert check.stage == "login"
    for piece in [*pieces, in_base64]:
        assert all(piece not in str(row) for row in ConnectionCheck.objects.values())
        assert piece not in str(staff_view(check))
    assert "***" in check.server_text


def test_the_account_row_is_not_written_by_a_probe(starttls: ChaosServer, staff: User) -> None:
    account = stored_account(starttls)

    probe_account(account_id=account.pk, requested_by=staff)

    assert Account.objects.get(pk=account.pk).revision == account.revision
