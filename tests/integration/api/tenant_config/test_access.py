"""Who may do what to whose configuration, over which connection."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from mailconfig.api.tenant_config.views import slug_of_host
from mailconfig.models import ConnectionCheck, Tenant, TenantMailConfig
from tests.bearer import client_of
from tests.factories import make_tenant, make_user
from tests.integration.api.tenant_config.calls import (
    BY_HOST,
    BY_PATH,
    NO_CONFIG,
    NO_TENANT,
    OK,
    SEED,
    TEST,
    UNAUTHORIZED,
    Route,
    body_of,
    config_of,
    permitted,
)

pytestmark = pytest.mark.django_db

BODIES: list[Any] = [SEED, TEST, {}, b"{", b"x" * 2_000_000, {"host": 7}]


def member_with(tenant: Tenant, *actions: str) -> User:
    user = permitted("dave", *actions)
    tenant.members.add(user)
    return user


def forbidden(answer: Any) -> bool:
    return bool(answer.status_code == 403 and body_of(answer)["status"] == "FORBIDDEN")


class TestWho:
    """Nobody, strangers, members with and without permissions, the superuser."""

    @pytest.mark.parametrize(
        "header",
        [
            None,
            "",
            "Bearer",
            "Bearer wrong",
            "Basic YTpi",
            "bearer token-of-nobody",
            "Bearer \xff",
            "Bearer a b",
        ],
    )
    def test_without_a_good_token_it_is_401(self, route: Route, acme: Tenant, header: str | None) -> None:
        headers: dict[str, Any] = {} if header is None else {"HTTP_AUTHORIZATION": header}
        for path in (route.config_path, route.test_path):
            answer = route.post(None, path, SEED, **headers)

            assert (answer.status_code, body_of(answer)) == (401, UNAUTHORIZED)
            assert answer["WWW-Authenticate"] == "Bearer"
        assert not TenantMailConfig.objects.exists()

    def test_somebody_inactive_is_nobody(self, route: Route, alice: User) -> None:
        alice.is_active = False
        alice.save()

        assert route.configure(alice, SEED).status_code == 401

    @pytest.mark.parametrize("body", BODIES, ids=lambda body: str(body)[:20])
    def test_a_stranger_and_an_unknown_tenant_are_answered_alike(
        self, route: Route, acme: Tenant, charlie: User, body: Any
    ) -> None:
        for path in (route.config_path, route.test_path):
            foreign = route.post(charlie, path, body)
            unknown = route.post(charlie, path, body, tenant="nowhere")

            assert foreign.status_code == unknown.status_code == 404
            assert body_of(foreign) == body_of(unknown) == NO_TENANT
            assert set(foreign.headers) == set(unknown.headers)
        assert not TenantMailConfig.objects.exists()

    def test_an_inactive_tenant_is_not_there_for_anybody(
        self, route: Route, acme: Tenant, alice: User, root: User
    ) -> None:
        Tenant.objects.update(is_active=False)

        for user in (alice, root):
            assert body_of(route.configure(user, SEED)) == NO_TENANT
            assert body_of(route.send_test(user)) == NO_TENANT

    def test_a_member_of_another_tenant_writes_only_that_ones(
        self, route: Route, acme: Tenant, alice: User, charlie: User
    ) -> None:
        route.configure(alice, SEED)

        assert body_of(route.configure(charlie, SEED | {"fromDisplayName": "x"}, tenant="other")) == OK
        assert body_of(route.configure(charlie, SEED | {"fromDisplayName": "x"})) == NO_TENANT

        assert config_of("acme").from_name == SEED["fromDisplayName"]
        assert config_of("other").from_name == "x"

    @pytest.mark.parametrize("body", BODIES, ids=lambda body: str(body)[:20])
    def test_a_member_without_permission_is_refused_before_the_body_is_read(
        self, route: Route, bob: User, body: Any
    ) -> None:
        assert forbidden(route.configure(bob, body))
        assert forbidden(route.send_test(bob, body))
        assert not TenantMailConfig.objects.exists()

    def test_staff_without_permission_is_a_member_like_any_other(self, route: Route, bob: User) -> None:
        bob.is_staff = True
        bob.save()

        assert forbidden(route.configure(bob, SEED))

    @pytest.mark.parametrize(
        ("actions", "first", "second"),
        [
            ((), 403, 403),
            (("view",), 403, 403),
            (("delete",), 403, 403),
            (("test_account",), 403, 403),
            (("add",), 200, 403),
            (("change",), 403, 200),
            (("add", "change"), 200, 200),
        ],
        ids=str,
    )
    def test_a_first_configuration_needs_add_and_a_later_one_change(
        self, route: Route, acme: Tenant, root: User, actions: tuple[str, ...], first: int, second: int
    ) -> None:
        dave = member_with(acme, *actions)

        assert route.configure(dave, SEED).status_code == first
        assert route.configure(root, SEED).status_code == 200
        assert route.configure(dave, SEED).status_code == second

    @pytest.mark.parametrize(
        ("actions", "status"),
        [
            ((), 403),
            (("view", "add", "delete"), 403),
            (("change",), 404),
            (("test_account",), 404),
        ],
        ids=str,
    )
    def test_a_test_mail_needs_change_or_the_permission_to_test(
        self, route: Route, acme: Tenant, actions: tuple[str, ...], status: int
    ) -> None:
        answer = route.send_test(member_with(acme, *actions))

        assert answer.status_code == status
        if status == 404:
            assert body_of(answer) == NO_CONFIG

    def test_the_superuser_may_all_without_being_a_member(
        self, route: Route, acme: Tenant, root: User
    ) -> None:
        assert body_of(route.configure(root, SEED)) == OK
        assert body_of(route.send_test(root, TEST | {"mailType": "x"}))["status"] == "BAD_REQUEST"

    def test_options_tells_methods_and_only_to_members(
        self, route: Route, alice: User, charlie: User
    ) -> None:
        mine = route.post(alice, route.config_path, b"", method="OPTIONS")
        theirs = route.post(charlie, route.config_path, b"", method="OPTIONS")

        assert (mine.status_code, mine["Allow"], mine.content) == (204, "POST, OPTIONS", b"")
        assert theirs.status_code == 404

    def test_a_session_needs_its_csrf_token(self, alice: User) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(alice)

        answer = client.post(
            BY_PATH.config_path.format(tenant="acme"), SEED, content_type="application/json", secure=True
        )

        assert forbidden(answer)

    def test_a_surface_that_is_switched_off_is_not_there(
        self, route: Route, alice: User, settings: Settings
    ) -> None:
        settings.MAILCONFIG |= {"SURFACES": ["providers"]}

        answer = route.configure(alice, SEED)

        assert (answer.status_code, body_of(answer)["status"]) == (404, "NOT_FOUND")


class TestWhichTenant:
    """The first label of the host name, or the realm in the path."""

    @pytest.mark.parametrize(
        "host",
        [
            "acme.localhost",
            "ACME.localhost",
            "Acme.LocalHost:8443",
            "acme.localhost.",
            "acme.eu.localhost",
            "acme.localhost:80",
        ],
    )
    def test_the_first_label_names_it_in_any_case_of_letters(self, alice: User, host: str) -> None:
        assert body_of(BY_HOST.configure(alice, SEED, HTTP_HOST=host)) == OK

    @pytest.mark.parametrize(
        "host",
        [
            "localhost", "localhost:8000", "127.0.0.1", "127.0.0.1:8000", "[::1]", "[::1]:8000", "testserver",
            "xacme.localhost", "www.acme.localhost", "acme-.localhost", "xn--acme.localhost", "a..localhost",
            "a" * 64 + ".localhost",
        ],
    )  # fmt: skip
    def test_other_hosts_are_no_tenants(self, alice: User, settings: Settings, host: str) -> None:
        settings.ALLOWED_HOSTS = ["*"]
        make_tenant(slug="127").members.add(alice)
        make_tenant(slug="localhost").members.add(alice)
        make_tenant(slug="testserver").members.add(alice)

        answer = BY_HOST.configure(alice, SEED, HTTP_HOST=host)

        assert (answer.status_code, body_of(answer)) == (404, NO_TENANT)

    @pytest.mark.parametrize(
        "host",
        ["acme.evil.example", "acme.localhost.evil.example", "acme.localhost@evil", "", "acme_x.localhost"],
    )
    def test_a_host_that_is_not_allowed_is_refused(self, alice: User, host: str) -> None:
        answer = BY_HOST.configure(alice, SEED, HTTP_HOST=host)

        assert answer.status_code in {400, 404}
        assert not TenantMailConfig.objects.exists()

    def test_without_djangos_common_middleware_it_is_refused_in_the_envelope(
        self, alice: User, settings: Settings
    ) -> None:
        settings.MIDDLEWARE = []

        answer = BY_HOST.configure(alice, SEED, HTTP_HOST="acme.evil.example")

        assert (answer.status_code, body_of(answer)["status"]) == (400, "BAD_REQUEST")

    def test_a_proxys_host_counts_only_where_the_deployment_says_so(
        self, alice: User, settings: Settings
    ) -> None:
        names = {"HTTP_HOST": "other.localhost", "HTTP_X_FORWARDED_HOST": "acme.localhost"}
        make_tenant(slug="other")

        assert body_of(BY_HOST.configure(alice, SEED, **names)) == NO_TENANT
        settings.USE_X_FORWARDED_HOST = True
        assert body_of(BY_HOST.configure(alice, SEED, **names)) == OK

    @pytest.mark.parametrize(
        "tenant",
        [
            "ACME", "Acme", "acme ", "%20acme", "acme%00", "%00", "%ff", "acme%2f", "acme/x", "a/../acme", "..", "../acme",
            "..%2facme", ".", "%2e%2e", "*", "1", "-", "acme;x", "acme%0d%0aX", "🙂", "%F0%9F%99%82", "a" * 64, "a" * 5000,
            "' OR 1=1 --", "setup", "auth/realms/acme",
        ],
    )  # fmt: skip
    def test_in_the_path_only_the_short_name_itself_is_one(self, alice: User, tenant: str) -> None:
        answer = BY_PATH.configure(alice, SEED, tenant=tenant)

        assert answer.status_code == 404
        if "%0a" not in tenant:  # a line break is in no path of ours
            assert body_of(answer) == NO_TENANT
        assert not TenantMailConfig.objects.exists()

    def test_the_path_counts_and_not_the_host(self, alice: User, charlie: User) -> None:
        assert body_of(BY_PATH.configure(alice, SEED, HTTP_HOST="other.localhost")) == OK
        assert body_of(BY_PATH.configure(charlie, SEED, HTTP_HOST="other.localhost")) == NO_TENANT

    @pytest.mark.parametrize(
        ("host", "slug"),
        [
            ("acme.example.com", "acme"),
            ("ACME.example.com:443", "acme"),
            ("acme.example.com.", "acme"),
            ("localhost", ""),
            ("10.0.0.1", ""),
            ("[fe80::1]:443", ""),
            ("", ""),
            ("a b.example.com", ""),
        ],
    )
    def test_the_slug_of_a_host(self, host: str, slug: str) -> None:
        assert slug_of_host(host) == slug


class TestEncryption:
    """Plain http is refused, whoever calls, unless the deployment says otherwise."""

    def test_plain_http_is_refused_and_nobodys_token_is_looked_at(
        self, route: Route, alice: User, django_assert_num_queries: Any
    ) -> None:
        client_of(alice)  # whoever is known to be there costs nothing more
        for user in (alice, None):
            for path in (route.config_path, route.test_path):
                with django_assert_num_queries(0):
                    answer = route.post(user, path, SEED, secure=False)
                assert forbidden(answer)
                assert "https" in body_of(answer)["message"]
        assert not TenantMailConfig.objects.exists()

    def test_a_check_is_not_read_over_plain_http(self, route: Route, alice: User) -> None:
        uuid = "00000000-0000-0000-0000-000000000000"

        assert forbidden(route.read_check(alice, uuid, secure=False))

    def test_a_deployment_may_allow_it(self, route: Route, alice: User, settings: Settings) -> None:
        settings.MAILCONFIG |= {"REQUIRE_HTTPS": False}

        assert body_of(route.configure(alice, SEED, secure=False)) == OK

    def test_a_proxys_word_counts_only_as_django_was_told(
        self, route: Route, alice: User, settings: Settings
    ) -> None:
        said = {"HTTP_X_FORWARDED_PROTO": "https"}
        others = {"HTTP_FORWARDED": "proto=https", "HTTP_X_FORWARDED_SSL": "on", "HTTPS": "on"}

        assert forbidden(route.configure(alice, SEED, secure=False, **said, **others))

        settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
        assert body_of(route.configure(alice, SEED, secure=False, **said)) == OK
        assert forbidden(route.configure(alice, SEED, secure=False, HTTP_X_FORWARDED_PROTO="http"))
        assert forbidden(route.configure(alice, SEED, secure=True, HTTP_X_FORWARDED_PROTO="http"))


def test_nothing_here_asks_a_server(route: Route, alice: User, charlie: User, bob: User) -> None:
    for user in (None, alice, bob, charlie, make_user("eve")):
        route.configure(user, SEED)
        if user is not alice:
            route.send_test(user)

    assert not ConnectionCheck.objects.exists()
