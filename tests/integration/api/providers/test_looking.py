"""Who may only look at providers tries their connections, and changes nothing by it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from rest_framework.test import APIClient

from mailconfig.delivery import run_check
from mailconfig.models import ConnectionCheck, Lane, SMTPProvider, WaitReason
from tests.bearer import client_of
from tests.factories import make_user
from tests.integration.api.calls import URL, make_provider
from tests.integration.api.conftest import permit
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Reply

pytestmark = pytest.mark.django_db(transaction=True)

ASYNC = {"Prefer": "respond-async"}


@pytest.fixture
def paused(server: ChaosServer) -> SMTPProvider:
    """Sends no more until somebody acts."""
    provider = make_provider(port=server.port)
    Lane.objects.filter(account=provider).update(wait_reason=WaitReason.PAUSED_LOGIN)
    return provider


def ask(user: User, provider: SMTPProvider, *, later: bool) -> int:
    """The status of the answer; what is for a worker is done."""
    response = client_of(user).get(f"{URL}/{provider.pk}/status", headers=ASYNC if later else {})
    if later:
        assert run_check(check_id=ConnectionCheck.objects.latest("pk").pk)
    return response.status_code


@pytest.mark.parametrize("later", [False, True], ids=["now", "by a worker"])
def test_only_who_may_change_it_ends_its_pause(
    paused: SMTPProvider, alice: User, server: ChaosServer, later: bool
) -> None:
    reader = permit(make_user("reader", is_staff=True), "view_smtpprovider")
    before = Lane.objects.values().get()

    assert ask(reader, paused, later=later) == (202 if later else 204)
    assert Lane.objects.values().get() == before
    assert ConnectionCheck.objects.get().ok

    # At once: what the reader's check came to is not told instead of trying.
    assert ask(alice, paused, later=later) == (202 if later else 204)
    assert paused.lane.wait_reason == ""
    assert len(server.auth_attempts) == 2


def test_a_failure_that_a_reader_sees_is_not_noted(
    paused: SMTPProvider, alice: User, server: ChaosServer
) -> None:
    server.on("banner", Reply.of("554 5.3.2 go away"))
    before = Lane.objects.values().get()

    assert ask(permit(make_user("reader"), "view_smtpprovider"), paused, later=False) == 422
    assert Lane.objects.values().get() == before


def test_a_check_is_not_read_any_more_without_the_permission(
    paused: SMTPProvider, alice: User, api: APIClient
) -> None:
    place = api.get(f"{URL}/{paused.pk}/status", headers=ASYNC)["Location"]
    assert api.get(place).status_code == 200

    alice.user_permissions.remove(Permission.objects.get(codename="view_smtpprovider"))

    assert client_of(User.objects.get(pk=alice.pk)).get(place).status_code == 404
