"""Logins by OAuth 2: tokens are fetched once for all who need them, renewed, and shown to nobody else."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.db.models.functions import Now
from pytest_django import Settings

from mailconfig.delivery import (
    connect_account,
    disconnect_account,
    drain_account,
    log_in_by_microsoft,
    save_oauth2_client,
    send_test_of_values,
)
from mailconfig.delivery.accounts import access_tokens, token_rows
from mailconfig.delivery.accounts.opening import check_sync, open_session
from mailconfig.exceptions import (
    HostNotAllowed,
    LoginRefused,
    ProtocolError,
    SecretUnreadable,
    TokenRefused,
    TokenUnavailable,
)
from mailconfig.models import (
    Account,
    Lane,
    Mailbox,
    MessageState,
    OAuth2Client,
    OAuth2Grant,
    OAuth2Token,
    Purpose,
    WaitReason,
)
from mailconfig.secrets.sealed import SealedSecret
from mailconfig.transports.oauth2 import TokenAnswer, request_token
from mailconfig.values import Remedy, Secret
from tests.factories import (
    make_account,
    make_mailbox,
    make_message,
    make_oauth2_client,
    make_oauth2_grant,
    make_tenant,
    make_user,
)
from tests.servers import authority as said
from tests.servers.authority import Authority, TokenIMAP, TokenSMTP

pytestmark = pytest.mark.django_db

USER = "me@contoso.example"
APP_SECRET = "not-a-real-app-secret"


@pytest.fixture
def authority() -> Iterator[Authority]:
    with Authority() as found:
        found.register("app", APP_SECRET)
        yield found


@pytest.fixture
def smtp(authority: Authority) -> Iterator[TokenSMTP]:
    with TokenSMTP(authority.accepts, auth_in_clear=True) as server:
        yield server


@pytest.fixture(autouse=True)
def deployment(settings: Settings, authority: Authority) -> None:
    settings.MAILCONFIG = {
        "ALLOWED_NETWORKS": ["127.0.0.0/8"],
        "ALLOWED_PORTS": None,
        "WEB_PORTS": None,
        "ALLOW_PLAIN_HTTP": True,
        "ALLOW_PLAIN_LOGIN": True,
        "PROBE_SECONDS": 5.0,
        "OAUTH2_AUTHORITIES": {"microsoft": authority.url("")},
    }


@pytest.fixture
def app(deployment: None) -> OAuth2Client:
    return make_oauth2_client(client_id="app", secret=Secret(APP_SECRET), mail_servers="127.0.0.1")


def account_for(
    server: TokenSMTP, app: OAuth2Client, authority: Authority | None = None, **values: Any
) -> Account:
    """An account; connected by its user if there is an ``authority``, else the organisation let the app in."""
    account = make_account(
        server.port, **{"username": USER, "authentication": "oauth2", "secret": None, **values}
    )
    if authority is None:
        make_oauth2_grant(account, client=app, grant_type="client_credentials")
    else:
        make_oauth2_grant(account, client=app, refresh_token=Secret(authority.agree(account.username)))
        OAuth2Token.objects.create(client=app, grant=account.oauth2_grant, scope="x offline_access")
    return Account.objects.get(pk=account.pk)


def log_in(account: Account) -> None:
    open_session(Account.objects.get(pk=account.pk)).quit()


def refusal(account: Account, kind: type[Any]) -> Any:
    with pytest.raises(kind) as caught:
        log_in(account)
    return caught.value


def change_row(**values: Any) -> None:
    assert OAuth2Token.objects.update(**values)


def test_accounts_of_an_organisation_share_a_token(
    authority: Authority, smtp: TokenSMTP, app: OAuth2Client
) -> None:
    for name in ("a@contoso.example", "b@contoso.example", "a@contoso.example"):
        log_in(account_for(smtp, app, username=name))
    (form,) = authority.forms
    assert form == {
        "grant_type": "client_credentials",
        "client_id": "app",
        "client_secret": APP_SECRET,
        "scope": "https://outlook.office365.com/.default",
    }
    tokens = {token for _, _, token in smtp.auth_attempts}
    assert len(tokens) == 1
    assert [way for way, _, _ in smtp.auth_attempts] == ["XOAUTH2"] * 3


def test_what_somebody_agreed_to_gets_tokens_for_that_account_alone(
    authority: Authority, smtp: TokenSMTP, app: OAuth2Client
) -> None:
    first, second = (account_for(smtp, app, authority, username=f"{name}@contoso.example") for name in "ab")
    for account in (first, second, first):
        log_in(account)
    assert [form["grant_type"] for form in authority.forms] == ["refresh_token"] * 2
    assert {form["scope"] for form in authority.forms} == {"x offline_access"}
    assert len({token for _, _, token in smtp.auth_attempts}) == 2


@pytest.mark.parametrize(("left", "requests"), [(59, 2), (90, 1), (-5, 2)])
def test_a_token_is_renewed_a_minute_before_it_ends_by_the_databases_clock(
    left: int, requests: int, authority: Authority, smtp: TokenSMTP, app: OAuth2Client
) -> None:
    account = account_for(smtp, app)
    log_in(account)
    change_row(expires_at=Now() + timedelta(seconds=left))
    log_in(account)
    assert len(authority.forms) == requests


def test_a_token_that_hardly_lasts_serves_the_one_who_fetched_it(
    authority: Authority, smtp: TokenSMTP, app: OAuth2Client
) -> None:
    authority.expires_in = 0
    account = account_for(smtp, app)
    log_in(account)
    log_in(account)
    assert len(authority.forms) == 2


def test_a_refresh_token_that_comes_with_a_token_replaces_the_last(
    authority: Authority, smtp: TokenSMTP, app: OAuth2Client
) -> None:
    authority.rotates = True
    account = account_for(smtp, app, authority)
    for _ in range(3):
        log_in(account)
        change_row(expires_at=Now())
    used = [form["refresh_token"] for form in authority.forms]
    assert len(set(used)) == 3


@pytest.mark.parametrize("reply", [said.REVOKED, said.CONSENT, said.GOOGLE_REVOKED])
def test_a_permission_that_ended_is_to_be_given_again(
    reply: said.Reply, authority: Authority, smtp: TokenSMTP, app: OAuth2Client
) -> None:
    authority.always = reply
    account = account_for(smtp, app, authority)
    error = refusal(account, TokenRefused)
    assert (error.remedy, error.error) == (Remedy.CONNECT, "invalid_grant")
    row = OAuth2Token.objects.get()
    assert (row.failure_code, row.lease_token) == ("invalid_grant", None)
    assert "Trace" not in row.failure_text
    again = refusal(account, TokenRefused)
    assert (again.remedy, len(authority.forms), smtp.sessions) == (Remedy.CONNECT, 1, 0)


@pytest.mark.parametrize("reply", [said.WRONG_SECRET, said.EXPIRED_SECRET, said.CONSENT])
def test_of_an_organisation_it_is_always_the_registration(
    reply: said.Reply, authority: Authority, smtp: TokenSMTP, app: OAuth2Client
) -> None:
    authority.always = reply
    for name in ("a@contoso.example", "b@contoso.example"):
        assert refusal(account_for(smtp, app, username=name), TokenRefused).remedy is Remedy.REGISTRATION
    assert len(authority.forms) == 1, "what one was told holds for all, for a moment"
    authority.always = None
    change_row(retry_at=Now())
    log_in(account_for(smtp, app, username="c@contoso.example"))


@pytest.mark.parametrize("status", [429, 503])
def test_who_is_sent_away_stays_away_with_all_accounts_of_the_app(
    status: int, authority: Authority, smtp: TokenSMTP, app: OAuth2Client
) -> None:
    first, second = (account_for(smtp, app, authority, username=f"{name}@contoso.example") for name in "ab")
    authority.says.append((status, {"error": "busy"}, "Retry-After: 120\r\n"))
    assert refusal(first, TokenUnavailable).retry_after == 120
    for account in (first, second):
        assert 100 < refusal(account, TokenUnavailable).retry_after <= 120
    assert len(authority.forms) == 1
    other = make_oauth2_client(client_id="app", secret=Secret(APP_SECRET), mail_servers="127.0.0.1")
    log_in(account_for(smtp, other, authority, username="c@contoso.example"))
    change_row(retry_at=Now())
    log_in(second)


def test_who_looked_before_another_was_sent_away_does_not_ask_either(
    authority: Authority, smtp: TokenSMTP, app: OAuth2Client
) -> None:
    account = account_for(smtp, app)
    seen = token_rows.look(
        token_rows.find_row(account.oauth2_grant, "https://outlook.office365.com/.default").pk
    )
    assert seen is not None
    authority.says.append((429, {"error": "busy"}, "Retry-After: 120\r\n"))
    refusal(account, TokenUnavailable)
    assert token_rows.take(seen[0]) is None
    change_row(retry_at=Now() - timedelta(seconds=1))
    assert token_rows.take(seen[0]) is not None


def test_a_service_that_is_away_is_left_alone_for_longer_each_time(
    authority: Authority, smtp: TokenSMTP, app: OAuth2Client
) -> None:
    account, rests = account_for(smtp, app), []
    authority.always = (500, "", "")
    for _ in range(3):
        refusal(account, TokenUnavailable)
        rests.append(refusal(account, TokenUnavailable).retry_after)
        change_row(retry_at=Now())
    assert rests[0] < 11 < rests[1] < 21 < rests[2] < 41
    authority.always = None
    log_in(account)
    assert OAuth2Token.objects.get().failures == 0


def test_an_answer_that_is_none_breaks_the_protocol_and_leaves_no_lease(
    authority: Authority, smtp: TokenSMTP, app: OAuth2Client
) -> None:
    authority.says.append((200, {"access_token": "x\r\nQUIT", "token_type": "bearer"}, ""))
    account = account_for(smtp, app)
    refusal(account, ProtocolError)
    change_row(retry_at=Now())
    log_in(account)


@pytest.mark.django_db(transaction=True)
def test_ten_who_need_a_token_at_once_make_one_request(
    authority: Authority, smtp: TokenSMTP, app: OAuth2Client
) -> None:
    accounts = [account_for(smtp, app, username=f"{number}@contoso.example") for number in range(10)]
    authority.is_open.clear()
    opener = threading.Timer(0.5, authority.is_open.set)
    opener.start()
    failed: list[BaseException] = []

    def try_it(account: Account) -> None:
        try:
            log_in(account)
        except BaseException as error:  # noqa: BLE001 - looked at below
            failed.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=try_it, args=(account,)) for account in accounts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(authority.forms) == 1
    assert len(smtp.auth_attempts) == 10


@pytest.mark.django_db(transaction=True)
def test_no_token_is_fetched_inside_a_transaction(
    authority: Authority, smtp: TokenSMTP, app: OAuth2Client
) -> None:
    account = account_for(smtp, app)
    with transaction.atomic(), pytest.raises(RuntimeError):
        log_in(account)
    assert authority.forms == []


def test_a_lease_that_ran_out_is_taken_over_and_one_that_did_not_is_waited_for(
    authority: Authority, smtp: TokenSMTP, app: OAuth2Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_tokens, "WAIT_SECONDS", 0.2)
    account = account_for(smtp, app, authority)
    change_row(lease_token=uuid.uuid4(), lease_until=Now() + timedelta(seconds=30))
    assert refusal(account, TokenUnavailable).retry_after == 10
    change_row(lease_until=Now() - timedelta(seconds=1))
    log_in(account)


def test_what_comes_after_somebody_connected_anew_is_worth_nothing(
    authority: Authority, smtp: TokenSMTP, app: OAuth2Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.rotates = True
    account = account_for(smtp, app, authority)
    newer = authority.agree(USER)

    def meanwhile(*arguments: Any) -> TokenAnswer:
        answer = request_token(*arguments)
        connect(account, authority, app, refresh_token=Secret(newer))
        return answer

    monkeypatch.setattr(access_tokens, "request_token", meanwhile)
    log_in(account)
    monkeypatch.undo()
    assert smtp.auth_attempts[-1][2] == "from-connecting"
    change_row(expires_at=Now())
    log_in(account)
    assert authority.forms[-1]["refresh_token"] == newer


def connect(account: Account, authority: Authority, app: OAuth2Client, **values: Any) -> OAuth2Grant:
    authority.access_tokens["from-connecting"] = said.Issued(account.username)
    answer = TokenAnswer(
        **{
            "access_token": Secret("from-connecting"),
            "expires_in": 3600,
            "refresh_token": Secret(authority.agree(account.username)),
            "scope": "x",
            **values,
        }
    )
    return connect_account(
        account_id=account.pk, client=app, answer=answer, scope="x offline_access", by=None
    )


def test_a_refused_token_is_renewed_once_and_at_once(
    authority: Authority, smtp: TokenSMTP, app: OAuth2Client
) -> None:
    account = account_for(smtp, app, authority)
    log_in(account)
    for issued in authority.access_tokens.values():
        issued.is_valid = False
    log_in(account)
    assert len(authority.forms) == 2
    assert len(smtp.auth_attempts) == 3


@pytest.mark.parametrize("of_organisation", [True, False])
def test_a_fresh_token_that_is_refused_ends_it(
    authority: Authority, smtp: TokenSMTP, app: OAuth2Client, *, of_organisation: bool
) -> None:
    account = account_for(smtp, app, None if of_organisation else authority)
    smtp._accepts = lambda *_: False
    error = refusal(account, LoginRefused)
    assert isinstance(error, TokenRefused) is not of_organisation
    assert error.tries == len(smtp.auth_attempts) == len(authority.forms) == 2
    assert len({token for _, _, token in smtp.auth_attempts}) == 2
    assert error.reply.code == 535


@pytest.mark.parametrize("mechanisms", [("PLAIN",), ("OAUTHBEARER",)])
def test_a_server_without_xoauth2(
    mechanisms: tuple[str, ...], authority: Authority, app: OAuth2Client
) -> None:
    with TokenSMTP(authority.accepts, auth_in_clear=True, mechanisms=mechanisms) as server:
        account = account_for(server, app)
        if mechanisms == ("PLAIN",):
            assert refusal(account, LoginRefused).field == "authentication"
        else:
            log_in(account)
    assert len(authority.forms) == 1, "no other token would help"


def test_a_token_is_shown_to_no_server_that_the_registration_does_not_name(
    authority: Authority, smtp: TokenSMTP, app: OAuth2Client
) -> None:
    account = account_for(smtp, app)
    log_in(account)
    Account.objects.filter(pk=account.pk).update(host="127.0.0.2")
    assert refusal(account, HostNotAllowed).field == "host"
    OAuth2Client.objects.update(mail_servers="127.0.0.2")
    refusal(account, SecretUnreadable)
    assert (len(authority.forms), len(smtp.auth_attempts)) == (1, 1)


@pytest.mark.parametrize("change", ["username", "owner", "tenant"])
@pytest.mark.parametrize("of_organisation", [True, False])
def test_a_login_is_for_those_to_whom_it_was_granted(
    change: str, authority: Authority, smtp: TokenSMTP, app: OAuth2Client, *, of_organisation: bool
) -> None:
    account = account_for(smtp, app, None if of_organisation else authority)
    values = {"username": "boss@contoso.example", "owner": make_user(), "tenant": make_tenant()}
    setattr(account, change, values[change])
    account.save()
    error = refusal(account, TokenRefused)
    assert error.remedy is (Remedy.REGISTRATION if of_organisation else Remedy.CONNECT)
    assert (authority.forms, smtp.sessions) == ([], 0)


def test_a_registration_of_a_tenant_serves_no_other(
    authority: Authority, smtp: TokenSMTP, app: OAuth2Client
) -> None:
    account = account_for(smtp, app)
    OAuth2Client.objects.update(tenant=make_tenant())
    assert refusal(account, TokenRefused).remedy is Remedy.REGISTRATION
    assert authority.forms == []


def test_who_was_never_connected_is_to_be(authority: Authority, smtp: TokenSMTP, app: OAuth2Client) -> None:
    account = make_account(smtp.port, username=USER, authentication="oauth2", secret=None)
    make_oauth2_grant(account, client=app, refresh_token=None)
    assert refusal(account, TokenRefused).error == "not_connected"
    connect(account, authority, app)
    log_in(account)
    assert authority.forms == [], "the token that came with the agreement is good"


def test_a_mailbox_is_read_with_its_token(authority: Authority, app: OAuth2Client) -> None:
    with TokenIMAP(authority.accepts) as server:
        mailbox = make_mailbox(
            username=USER,
            authentication="oauth2",
            secret=None,
            from_email=USER,
            sync_method="imap",
            imap_host="127.0.0.1",
            imap_port=server.port,
            imap_ssl=False,
        )
        make_oauth2_grant(mailbox, client=app, grant_type="client_credentials")
        check_sync(Mailbox.objects.get(pk=mailbox.pk))
        for issued in authority.access_tokens.values():
            issued.is_valid = False
        check_sync(Mailbox.objects.get(pk=mailbox.pk))
    assert [way for way, _, _ in server.logins] == ["XOAUTH2"] * 3
    assert len(authority.forms) == 2


def test_what_is_not_stored_leaves_nothing_behind(
    authority: Authority, smtp: TokenSMTP, app: OAuth2Client
) -> None:
    unsaved = OAuth2Client(
        client_id="app", secret=Secret(APP_SECRET), directory="contoso.example", mail_servers="127.0.0.1"
    )
    account = Account(
        kind="outbound_email",
        host="127.0.0.1",
        port=smtp.port,
        security="none",
        authentication="oauth2",
        username=USER,
        from_email=USER,
    )
    account.oauth2_grant = OAuth2Grant(client=unsaved, grant_type="client_credentials")
    open_session(account).quit()
    assert not OAuth2Token.objects.exists()
    assert not OAuth2Grant.objects.exists()


def test_an_app_of_microsofts_serves_a_test_without_being_stored(
    authority: Authority, smtp: TokenSMTP, app: OAuth2Client
) -> None:
    account = Account(kind="tenant_config", username=USER, from_email=USER)
    log_in_by_microsoft(
        account=account,
        directory="contoso.example",
        client_id="app",
        client_secret=Secret(APP_SECRET),
        host="127.0.0.1",
        port=smtp.port,
    )
    account.security = "none"
    check = send_test_of_values(account=account, recipient="to@example.net", requested_by=None)
    assert check.ok, check.server_text
    assert [message.mail_from for message in smtp.messages] == [USER]
    assert not OAuth2Token.objects.exists()
    usual = Account(username=USER)
    log_in_by_microsoft(account=usual, directory="d", client_id="app", client_secret=Secret("x"))
    assert (usual.host, usual.port, usual.security) == ("smtp.office365.com", 587, "starttls")


def test_a_mended_registration_lets_its_accounts_go_on(
    authority: Authority, smtp: TokenSMTP, app: OAuth2Client
) -> None:
    account, other = account_for(smtp, app), make_account(smtp.port)
    refusal_before = {"wait_reason": WaitReason.PAUSED_REGISTRATION}
    Lane.objects.update(**refusal_before)
    OAuth2Token.objects.create(client=app, scope="x", retry_at=Now(), failure_code="invalid_client")
    save_oauth2_client(client=OAuth2Client.objects.get(pk=app.pk))
    assert Lane.objects.get(account=account).wait_reason == ""
    assert Lane.objects.get(account=other).wait_reason == WaitReason.PAUSED_REGISTRATION
    assert OAuth2Token.objects.get().failure_code == ""


def test_who_disconnects_an_account_leaves_nothing_of_the_permission(
    authority: Authority, smtp: TokenSMTP, app: OAuth2Client
) -> None:
    account = account_for(smtp, app, authority)
    log_in(account)
    disconnect_account(account_id=account.pk)
    assert OAuth2Grant.objects.get().refresh_token is None
    assert not OAuth2Token.objects.exists()
    assert refusal(account, TokenRefused).error == "not_connected"


def test_no_secret_is_in_a_row_or_in_the_log(
    authority: Authority, smtp: TokenSMTP, app: OAuth2Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    account = account_for(smtp, app, authority)
    log_in(account)
    authority.always = said.google_error(
        "invalid_grant", f"{authority.forms[0]['refresh_token']} {APP_SECRET}"
    )
    change_row(expires_at=Now())
    error = refusal(account, TokenRefused)
    secrets = [APP_SECRET, *authority.refresh_tokens, *authority.access_tokens]
    with connection.cursor() as cursor:
        rows = []
        for model in (OAuth2Client, OAuth2Grant, OAuth2Token):
            cursor.execute(f"SELECT * FROM {model._meta.db_table}")  # noqa: S608 - a name of ours
            rows += cursor.fetchall()
    shown = (
        f"{rows} {caplog.text} {error} {error.reply} {error.detail} {OAuth2Token.objects.get().failure_text}"
    )
    assert [secret for secret in secrets if secret in shown.replace("UPDATE", "")] == []
    assert rows


# Drains

Drained = Callable[[Account], Lane]


@pytest.fixture
def drained() -> Drained:
    def drain(account: Account) -> Lane:
        drain_account(account_id=account.pk)
        return Lane.objects.get(account=account, purpose=Purpose.SEND)

    return drain


@pytest.mark.django_db(transaction=True)
def test_a_permission_that_ended_pauses_the_account_until_it_is_connected_again(
    authority: Authority, smtp: TokenSMTP, app: OAuth2Client, drained: Drained
) -> None:
    account = account_for(smtp, app, authority)
    message = make_message(account)
    authority.revoke_all()
    lane = drained(account)
    assert (lane.wait_reason, lane.wait_until) == (WaitReason.PAUSED_CONSENT, None)
    assert "Connect the account again" in lane.get_wait_reason_display()
    drained(account)
    assert (len(authority.forms), smtp.sessions) == (1, 0)
    connect(account, authority, app)
    drained(account)
    message.refresh_from_db()
    assert message.state == MessageState.SENT


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("reply", "reason", "rest"),
    [
        ((429, "", "Retry-After: 300\r\n"), WaitReason.TOKEN_AWAY, 300),
        ((500, "", ""), WaitReason.TOKEN_AWAY, 60),
        ((200, "no answer", ""), WaitReason.TOKEN_AWAY, 60),
        (said.EXPIRED_SECRET, WaitReason.PAUSED_REGISTRATION, None),
    ],
)
def test_a_service_that_gives_no_token_makes_mail_wait(
    reply: said.Reply,
    reason: WaitReason,
    rest: int | None,
    authority: Authority,
    smtp: TokenSMTP,
    app: OAuth2Client,
    drained: Drained,
) -> None:
    account = account_for(smtp, app)
    message = make_message(account)
    authority.always = reply
    lane = drained(account)
    assert lane.wait_reason == reason
    if rest is not None:
        assert lane.wait_until is not None
        assert lane.wait_since is not None
        assert abs((lane.wait_until - lane.wait_since).total_seconds() - rest) < rest / 4
    message.refresh_from_db()
    assert (message.state, message.attempts) == (MessageState.QUEUED, 0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("of_organisation", [True, False])
def test_what_cannot_be_read_is_told_as_what_helps_and_looked_at_again(
    authority: Authority, smtp: TokenSMTP, app: OAuth2Client, drained: Drained, *, of_organisation: bool
) -> None:
    account = account_for(smtp, app, None if of_organisation else authority)
    message, rows = make_message(account), OAuth2Client.objects if of_organisation else OAuth2Grant.objects
    name = "secret" if of_organisation else "refresh_token"
    (stored,) = rows.values_list(name, flat=True)
    rows.update(**{name: SealedSecret("garbage")})
    lane = drained(account)
    expected = WaitReason.PAUSED_REGISTRATION if of_organisation else WaitReason.PAUSED_CONSENT
    assert (lane.wait_reason, lane.last_error_code, authority.forms) == (expected, "secret_unreadable", [])
    assert lane.wait_until is not None, "the key may come back"
    rows.update(**{name: stored})
    Lane.objects.update(wait_until=Now(), due_at=Now())
    drained(account)
    message.refresh_from_db()
    assert message.state == MessageState.SENT
