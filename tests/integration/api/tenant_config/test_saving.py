"""What a configuration says is what is stored, whichever way it came in."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mailconfig.models import Account, Tenant, TenantMailConfig
from tests.factories import make_account, make_tenant
from tests.integration.api.tenant_config.calls import (
    BY_HOST,
    BY_PATH,
    MISSING,
    OK,
    SEED,
    Route,
    body_of,
    config_of,
    token_of,
)

pytestmark = pytest.mark.django_db

NEEDED = {"host": "smtp.acme.example", "from": "noreply@acme.example"}


def test_the_pages_own_request_is_stored(route: Route, alice: User, acme: Tenant) -> None:
    answer = route.configure(alice, SEED)

    assert (answer.status_code, body_of(answer)) == (200, OK)
    config = config_of()
    assert (config.kind, config.tenant, config.created_by, config.updated_by) == (
        "tenant_config",
        acme,
        alice,
        alice,
    )
    assert (config.host, config.port, config.security) == ("smtp.gmail.com", 587, "starttls")
    assert (config.authentication, config.username) == ("password", "mailer@acme.example")
    assert config.transport_settings().secret.reveal() == "not-a-real-password"  # type: ignore[union-attr]
    assert (config.from_email, config.from_name) == ("noreply@acme.example", "From KC Test team")
    assert (config.reply_to_email, config.reply_to_name) == ("answers@acme.example", "Receiver")
    assert (config.envelope_from, config.reverse_path) == ("", "noreply@acme.example")
    assert config.lane is not None


def test_host_and_from_suffice(route: Route, alice: User) -> None:
    assert body_of(route.configure(alice, NEEDED)) == OK

    config = config_of()
    assert (config.port, config.security, config.authentication) == (25, "opportunistic", "none")
    assert (config.username, config.secret) == ("", None)


@pytest.mark.parametrize("nothing", ["", None], ids=["blank", "null"])
def test_nothing_in_an_optional_field_is_as_good_as_leaving_it_out(
    route: Route, alice: User, nothing: str | None
) -> None:
    blank = dict.fromkeys(SEED, nothing)

    assert body_of(route.configure(alice, blank | NEEDED)) == OK

    config = config_of()
    assert (config.port, config.security, config.authentication) == (25, "opportunistic", "none")
    assert (config.from_name, config.reply_to_email, config.reply_to_name, config.envelope_from) == ("",) * 4


def test_the_second_call_changes_the_one_configuration(route: Route, alice: User) -> None:
    route.configure(alice, SEED)
    first = config_of()

    assert body_of(route.configure(alice, SEED | {"fromDisplayName": "Another"})) == OK

    second = config_of()
    assert (second.pk, second.from_name) == (first.pk, "Another")
    assert second.revision > first.revision


def test_both_ways_lead_to_the_same_configuration(alice: User) -> None:
    BY_HOST.configure(alice, SEED)
    BY_PATH.configure(alice, SEED | {"fromDisplayName": "By path"})

    assert config_of().from_name == "By path"


def test_what_a_later_call_leaves_out_is_set_back_but_for_the_password(route: Route, alice: User) -> None:
    route.configure(alice, SEED)
    token = token_of(config_of())
    kept = {name: SEED[name] for name in ("host", "from", "port", "starttls", "user")}

    assert body_of(route.configure(alice, kept)) == OK

    config = config_of()
    assert (config.from_name, config.reply_to_email, config.reply_to_name) == ("", "", "")
    assert token_of(config) == token


def test_what_only_an_administrator_sets_stays_as_it_is(route: Route, alice: User) -> None:
    route.configure(alice, SEED)
    Account.objects.update(is_enabled=False, limit_per_day=7, name="Ours")

    route.configure(alice, SEED | {"fromDisplayName": "x"})

    config = config_of()
    assert (config.is_enabled, config.limit_per_day, config.name) == (False, 7, "Ours")


def test_a_deleted_configuration_is_not_revived(route: Route, alice: User) -> None:
    route.configure(alice, SEED)
    Account.objects.update(deleted_at=timezone.now(), secret=None)

    assert body_of(route.configure(alice, SEED)) == OK

    assert TenantMailConfig.objects.count() == 2
    assert TenantMailConfig.objects.filter(deleted_at=None).count() == 1


@pytest.mark.parametrize(
    ("starttls", "ssl", "security"),
    [
        (True, False, "starttls"),
        ("true", "false", "starttls"),
        (False, True, "tls"),
        ("false", "true", "tls"),
        (True, True, "tls"),
        ("true", "true", "tls"),
        (False, False, "opportunistic"),
        ("false", "", "opportunistic"),
    ],
)
def test_the_two_switches_choose_the_encryption_and_ssl_wins(
    route: Route, alice: User, starttls: Any, ssl: Any, security: str
) -> None:
    assert body_of(route.configure(alice, NEEDED | {"starttls": starttls, "ssl": ssl})) == OK

    assert config_of().security == security


def test_an_administrators_choice_of_no_encryption_outlives_a_call_that_asks_for_none(
    route: Route, alice: User
) -> None:
    route.configure(alice, NEEDED)
    Account.objects.update(security="none")

    route.configure(alice, NEEDED | {"starttls": False, "ssl": False})
    assert config_of().security == "none"

    route.configure(alice, NEEDED | {"host": "elsewhere.example"})
    assert config_of().security == "opportunistic"


@pytest.mark.parametrize(
    ("port", "number"), [(587, 587), ("587", 587), ("0587", 587), ("1", 1), (65535, 65535)]
)
def test_a_port_is_a_number_or_digits(route: Route, alice: User, port: Any, number: int) -> None:
    assert body_of(route.configure(alice, NEEDED | {"port": port})) == OK

    assert config_of().port == number


@pytest.mark.parametrize("gone", [None, "", " ", "\t\n", "absent"])
@pytest.mark.parametrize("name", ["host", "from"])
def test_without_host_or_from_the_literal_text_is_answered(
    route: Route, alice: User, name: str, gone: str | None
) -> None:
    body = {**SEED, name: gone, "port": "not a port either"}
    if gone == "absent":
        del body[name]

    answer = route.configure(alice, body)

    assert (answer.status_code, body_of(answer)) == (400, MISSING)
    assert not TenantMailConfig.objects.exists()


def test_an_empty_body_is_missing_host_and_from(route: Route, alice: User) -> None:
    assert body_of(route.configure(alice, {})) == MISSING
    assert body_of(route.configure(alice, b"")) == MISSING


def test_unknown_fields_are_ignored(route: Route, alice: User, acme: Tenant) -> None:
    other = {
        "id": 7,
        "tenant": 9,
        "is_default": True,
        "secret": "x",
        "from_email": "a@b.example",
        "kind": "mailbox",
    }

    assert body_of(route.configure(alice, NEEDED | other)) == OK

    config = config_of()
    assert (config.is_default, config.tenant, config.from_email) == (False, acme, "noreply@acme.example")
    assert config.secret is None


@pytest.mark.django_db(transaction=True)
def test_how_many_others_there_are_costs_no_query(route: Route, alice: User) -> None:
    """Most of them are Django's, which has the database judge each constraint before the row is written."""
    counts = []
    for _time in range(3):
        with CaptureQueriesContext(connection) as captured:
            route.configure(alice, SEED)
        counts.append(len(captured))
        for _number in range(5):
            make_account(kind="tenant_config", tenant=make_tenant())

    assert counts[1] == counts[2]
    assert max(counts) <= 36, counts


class TestPassword:
    """Kept, cleared, exchanged; never shown."""

    def test_left_out_it_is_kept(self, route: Route, alice: User) -> None:
        route.configure(alice, SEED)
        token = token_of(config_of())

        body = {name: value for name, value in SEED.items() if name != "password"}
        assert body_of(route.configure(alice, body)) == OK

        assert token_of(config_of()) == token

    @pytest.mark.parametrize("nothing", ["", None], ids=["blank", "null"])
    def test_nothing_clears_it_and_a_user_without_one_is_refused(
        self, route: Route, alice: User, nothing: str | None
    ) -> None:
        route.configure(alice, SEED)
        token = token_of(config_of())

        answer = route.configure(alice, SEED | {"password": nothing})
        assert answer.status_code == 400
        assert body_of(answer)["message"] == "password: A login needs a password."
        assert token_of(config_of()) == token

        assert body_of(route.configure(alice, SEED | {"password": nothing, "user": ""})) == OK
        config = config_of()
        assert (config.secret, config.authentication, config.username) == (None, "none", "")

    def test_a_user_without_any_password_is_refused(self, route: Route, alice: User) -> None:
        answer = route.configure(alice, NEEDED | {"user": "mailer"})

        assert answer.status_code == 400
        assert body_of(answer)["message"] == "password: A login needs a password."
        assert not TenantMailConfig.objects.exists()

    def test_without_a_user_none_is_stored(self, route: Route, alice: User) -> None:
        assert body_of(route.configure(alice, NEEDED | {"password": "not-a-real-password"})) == OK

        config = config_of()
        assert (config.secret, config.authentication) == (None, "none")

    @pytest.mark.parametrize("mask", ["*", "*******", "••••"])
    def test_a_mask_is_refused(self, route: Route, alice: User, mask: str) -> None:
        route.configure(alice, SEED)
        token = token_of(config_of())

        answer = route.configure(alice, SEED | {"password": mask})

        assert answer.status_code == 400
        assert body_of(answer)["message"].startswith("password: ")
        assert token_of(config_of()) == token

    @pytest.mark.parametrize("bad", ["a\nb", "a\rb", 7, True, ["x"], {"x": 1}, "x" * 65537])
    def test_what_cannot_be_one_is_refused_and_not_repeated(
        self, route: Route, alice: User, bad: Any
    ) -> None:
        answer = route.configure(alice, SEED | {"password": bad})

        assert answer.status_code == 400
        assert body_of(answer)["message"].startswith("password: ")
        assert len(answer.content) < 300
        assert not TenantMailConfig.objects.exists()
