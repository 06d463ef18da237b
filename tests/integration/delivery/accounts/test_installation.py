"""A copied database logs in nowhere with a stored secret: not to test, not to check later, not to save."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from mailconfig import delivery
from mailconfig.exceptions import WrongInstallation
from mailconfig.models import Account, CheckKind, ConnectionCheck
from mailconfig.values import Secret
from tests.integration.delivery.accounts.conftest import PASSWORD, stored_account
from tests.servers.chaos import ChaosServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def copy(settings: Settings) -> Callable[[str], None]:
    """Makes this the copy of a database, under another id."""

    def become(name: str) -> None:
        settings.MAILCONFIG = {**settings.MAILCONFIG, "INSTALLATION_ID": "production"}
        delivery.adopt()
        settings.MAILCONFIG = {**settings.MAILCONFIG, "INSTALLATION_ID": name}

    return become


def ways_in(account: Account) -> dict[str, Callable[[], Any]]:
    """Whatever logs in with what is stored."""
    renamed = Account.objects.get(pk=account.pk)
    renamed.from_email = "other@mail.test"
    recipient = "anna@mail.test"
    return {
        "probe": lambda: delivery.probe_account(account_id=account.pk, requested_by=None),
        "probe values": lambda: delivery.probe_values(account=renamed, requested_by=None),
        "save": lambda: delivery.save_account(account=renamed, by=None, prove=True),
        "test mail": lambda: delivery.send_test_mail(
            account_id=account.pk, recipient=recipient, requested_by=None
        ),
        "test mail of values": lambda: delivery.send_test_of_values(
            account=renamed, recipient=recipient, requested_by=None
        ),
        "drain": lambda: delivery.drain_account(account_id=account.pk),
    }


@pytest.mark.parametrize("name", ["staging", ""], ids=["another id", "no id"])
@pytest.mark.parametrize(
    "way", ["probe", "probe values", "save", "test mail", "test mail of values", "drain"]
)
def test_nothing_logs_in_with_a_stored_secret(
    starttls: ChaosServer, copy: Callable[[str], None], way: str, name: str
) -> None:
    account = stored_account(starttls)
    copy(name)
    before = Account.objects.values().get()

    with pytest.raises(WrongInstallation):
        ways_in(account)[way]()

    assert starttls.sessions == 0
    assert not ConnectionCheck.objects.exists()
    assert Account.objects.values().get() == before


@pytest.mark.parametrize("kind", [CheckKind.CONNECTION, CheckKind.TEST_MAIL])
def test_a_worker_refuses_a_check_that_was_asked_for(
    starttls: ChaosServer, copy: Callable[[str], None], kind: CheckKind, staff: User
) -> None:
    account = stored_account(starttls)
    check = delivery.request_check(
        account_id=account.pk, kind=kind, requested_by=staff, recipient="anna@mail.test"
    )
    copy("staging")

    finished = delivery.run_check(check_id=check.pk)

    assert finished is not None
    assert (finished.state, starttls.sessions) == ("failed", 0)
    assert finished.message == "wrong_installation"


def test_what_is_typed_here_and_what_logs_in_nowhere_is_tried(
    starttls: ChaosServer, plain: ChaosServer, copy: Callable[[str], None]
) -> None:
    account, open_one = stored_account(starttls), stored_account(plain, from_email="open@mail.test")
    copy("staging")
    account.secret = Secret(PASSWORD)

    assert delivery.save_account(account=account, by=None, prove=True)
    assert delivery.probe_account(account_id=open_one.pk, requested_by=None).ok
    assert (len(starttls.auth_attempts), plain.sessions) == (1, 1)
