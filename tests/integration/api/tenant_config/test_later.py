"""``Prefer: respond-async``: a worker sends the test mail."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from mailconfig import delivery
from mailconfig.models import CheckKind, ConnectionCheck, SMTPProvider
from tests.bearer import client_of
from tests.factories import make_tenant
from tests.integration.api.tenant_config.calls import BY_HOST, BY_PATH, NO_TENANT, Route, body_of, relay
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Reply

pytestmark = pytest.mark.django_db(transaction=True)

LATER = {"HTTP_PREFER": "respond-async"}


def ask(route: Route, user: User) -> str:
    answer = route.send_test(user, **LATER)
    assert (answer.status_code, answer.json()["state"]) == (202, "pending")
    assert answer["Preference-Applied"] == "respond-async"
    uuid: str = answer.json()["id"]
    host = "acme.localhost" if route is BY_HOST else "localhost"
    assert answer["Location"] == f"https://{host}{route.checks_path.replace('{tenant}', 'acme')}{uuid}"
    return uuid


def test_it_is_sent_by_a_worker_and_read_where_the_answer_says(
    route: Route, alice: User, plain: ChaosServer
) -> None:
    route.configure(alice, relay(plain))
    uuid = ask(route, alice)
    assert plain.sessions == 0

    delivery.run_check(check_id=ConnectionCheck.objects.get().pk)

    answer = route.read_check(alice, uuid)
    assert (answer.status_code, answer.json()["state"], answer.json()["ok"]) == (200, "passed", True)
    assert [received.recipients for received in plain.messages] == [(alice.email,)]


def test_its_failure_names_the_field_as_the_surface_does(
    route: Route, alice: User, plain: ChaosServer
) -> None:
    plain.on("mail", Reply.of("550 5.7.1 not you"))
    route.configure(alice, relay(plain))
    uuid = ask(route, alice)
    delivery.run_check(check_id=ConnectionCheck.objects.get().pk)

    check = route.read_check(alice, uuid).json()

    assert (check["state"], check["code"], check["stage"]) == ("failed", "sender_refused", "sender")
    assert check["field"] == "envelopeFrom"
    assert "server_text" not in check


def test_only_who_asked_may_read_it(
    route: Route, alice: User, bob: User, charlie: User, root: User, plain: ChaosServer
) -> None:
    route.configure(alice, relay(plain))
    uuid = ask(route, alice)
    unknown = "00000000-0000-0000-0000-000000000000"

    for user in (bob, root):
        theirs, none = route.read_check(user, uuid), route.read_check(user, unknown)
        assert theirs.status_code == none.status_code == 404
        assert body_of(theirs) == body_of(none)
    assert body_of(route.read_check(charlie, uuid)) == NO_TENANT
    assert route.read_check(None, uuid).status_code == 401
    assert route.read_check(alice, "nonsense").status_code == 404
    assert route.read_check(alice, uuid).status_code == 200


def test_a_check_is_read_at_its_own_tenant_and_surface_only(alice: User, plain: ChaosServer) -> None:
    other = make_tenant(slug="second", name="Second")
    other.members.add(alice)
    BY_PATH.configure(alice, relay(plain))
    uuid = ask(BY_PATH, alice)
    provider = SMTPProvider.objects.create(name="Shop", authentication="none", host="127.0.0.1")
    elsewhere = delivery.request_check(account_id=provider.pk, kind=CheckKind.CONNECTION, requested_by=alice)

    def read(tenant: str, key: object) -> int:
        path = f"/auth/realms/{tenant}/mail/checks/{key}"
        return int(client_of(alice).get(path, secure=True).status_code)

    assert read("acme", uuid) == 200
    assert read("second", uuid) == 404
    assert read("acme", elsewhere.uuid) == 404


def test_it_is_not_read_any_more_without_the_permission_to_ask(
    route: Route, alice: User, plain: ChaosServer
) -> None:
    route.configure(alice, relay(plain))
    uuid = ask(route, alice)
    assert route.read_check(alice, uuid).status_code == 200

    alice.user_permissions.clear()

    assert route.read_check(User.objects.get(pk=alice.pk), uuid).status_code == 404
