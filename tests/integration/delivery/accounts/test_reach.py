"""What a probe may reach, and what somebody who is not staff may learn from one."""

from __future__ import annotations

import socket
import time

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from pytest_django import Settings
from rest_framework.exceptions import ValidationError as RefusedByField

from mailconfig.api.common.fields import HostField
from mailconfig.delivery import probe_values
from mailconfig.delivery.accounts.check_view import public_view, staff_view
from mailconfig.models import ConnectionCheck
from tests.integration.delivery.accounts.conftest import new_account
from tests.servers.certificates import Certificates
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Close, Reply
from tests.servers.hostile_hosts import FORBIDDEN_LITERALS, NO_HOST_NAMES

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("host", NO_HOST_NAMES + FORBIDDEN_LITERALS, ids=ascii)
def test_a_hostile_host_is_refused_and_nothing_is_connected(
    host: str, staff: User, settings: Settings, blocked_connections: list[object]
) -> None:
    settings.MAILCONFIG |= {"ALLOWED_NETWORKS": []}

    check = probe_values(account=new_account(None, host=host), requested_by=staff)

    assert (check.code, check.stage, check.guilty_field) == ("host_not_allowed", "resolve", "host")
    assert blocked_connections == []
    assert public_view(check)["message"]


@pytest.mark.parametrize("host", ["localhost", "LocalHost"])
@pytest.mark.parametrize("listed", ["localhost", "localhost.", "Localhost"])
def test_a_listed_name_is_reached_however_it_is_listed(
    host: str, listed: str, staff: User, settings: Settings, starttls: ChaosServer
) -> None:
    settings.MAILCONFIG |= {"ALLOWED_NETWORKS": [], "ALLOWED_HOSTS": [listed]}

    check = probe_values(account=new_account(starttls, host=host), requested_by=staff)

    assert (check.code, check.ok) == ("", True), check.server_text


@pytest.mark.parametrize("host", ["mail_server", "mailpit.", "_smtp.mail.test"])
def test_a_name_of_a_container_may_be_entered_where_it_is_listed_and_nowhere_else(
    host: str, settings: Settings
) -> None:
    field = HostField(allowed_only=True)
    account = new_account(None, host=host)
    with pytest.raises(ValidationError):
        account.clean_fields(exclude=["secret"])
    with pytest.raises(RefusedByField):
        field.run_validation(host)

    settings.MAILCONFIG |= {"ALLOWED_HOSTS": [host]}

    account.clean_fields(exclude=["secret"])
    assert field.run_validation(host) == host


def test_a_forbidden_port_is_refused(staff: User, settings: Settings, plain: ChaosServer) -> None:
    settings.MAILCONFIG |= {"ALLOWED_PORTS": [25, 587]}

    check = probe_values(account=new_account(plain), requested_by=staff)

    assert (check.code, check.guilty_field) == ("connect_failed", "port")
    assert plain.sessions == 0


def test_unknown_refused_and_blocked_look_and_last_alike_for_others(
    bob: User, settings: Settings, free_port: int, plain: ChaosServer
) -> None:
    views = []
    for host, port, networks in (
        ("no-such-name.invalid", 25, ["127.0.0.0/8"]),
        ("127.0.0.1", free_port, ["127.0.0.0/8"]),
        ("localhost", plain.port, []),
    ):
        settings.MAILCONFIG = settings.MAILCONFIG | {"ALLOWED_NETWORKS": networks}
        began = time.monotonic()
        check = probe_values(account=new_account(None, host=host, port=port), requested_by=bob)
        assert time.monotonic() - began >= 1.0
        views.append(public_view(check))

    assert views[0] == views[1] == views[2]
    assert (views[0]["code"], views[0]["stage"], views[0]["field"]) == ("connect_failed", "connect", "host")
    assert plain.sessions == 0


def test_staff_is_told_which_it_was(staff: User, free_port: int) -> None:
    refused = probe_values(account=new_account(None, port=free_port), requested_by=staff)
    unknown = probe_values(account=new_account(None, host="no-such-name.invalid"), requested_by=staff)

    assert (staff_view(refused)["stage"], staff_view(refused)["field"]) == ("connect", "port")
    assert "listens" in staff_view(refused)["hint"]
    assert "refused" in staff_view(refused)["stages"][1]["detail"]
    assert staff_view(unknown)["stage"] == "resolve"


def test_the_servers_words_are_for_staff_only(plain: ChaosServer, bob: User) -> None:
    plain.on("mail", Reply.of("550 5.7.1 internal-name.corp says no"))

    check = probe_values(account=new_account(plain), requested_by=bob)

    assert "internal-name.corp" in str(staff_view(check))
    assert "internal-name.corp" not in str(public_view(check))


def test_a_server_that_hangs_up_is_not_an_unreachable_one(plain: ChaosServer, bob: User) -> None:
    plain.on("banner", Close())

    view = public_view(probe_values(account=new_account(plain), requested_by=bob))

    assert (view["code"], view["stage"], view["field"]) == ("connect_failed", "connect", "port")


def test_odd_values_are_stored_cleaned(staff: User) -> None:
    account = new_account(None, host="a\0b" * 200, port=2**40, username="x\0\ud800" * 300)

    probe_values(account=account, requested_by=staff)

    row = ConnectionCheck.objects.get()
    assert (len(row.host), row.username, row.port) == (255, "", None)
    assert row.host.isprintable()


@pytest.mark.parametrize(
    ("settings_of_policy", "account", "named"),
    [
        ({"ALLOWED_NETWORKS": []}, {"host": "127.0.0.1"}, "ALLOWED_NETWORKS"),
        ({"ALLOWED_NETWORKS": []}, {"host": "localhost"}, "ALLOWED_NETWORKS"),
        ({"ALLOWED_PORTS": [25]}, {"host": "127.0.0.1"}, "ALLOWED_PORTS"),
    ],
)
def test_staff_alone_is_told_which_setting_allows_what_policy_forbids(
    staff: User,
    bob: User,
    settings: Settings,
    plain: ChaosServer,
    settings_of_policy: dict[str, object],
    account: dict[str, object],
    named: str,
) -> None:
    settings.MAILCONFIG |= settings_of_policy
    for user in (staff, bob):
        check = probe_values(account=new_account(plain, **account), requested_by=user)
        assert named in staff_view(check)["hint"]
        assert "ALLOWED" not in str(public_view(check))
    assert plain.sessions == 0


def test_an_unknown_authority_is_nothing_to_lessen_the_encryption_for(
    staff: User, certificates: Certificates
) -> None:
    with ChaosServer(tls=certificates.unknown_authority, starttls=True) as server:
        check = probe_values(account=new_account(server), requested_by=staff)

    for view in (staff_view(check), public_view(check)):
        assert view["field"] == "host"
        assert "authority" in view["message"]
        assert "certificate of a public authority" in view["hint"]
    assert "CA_FILE" in staff_view(check)["hint"]
    assert "CA_FILE" not in str(public_view(check))
