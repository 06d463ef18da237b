"""An account remembers for which destination its stored secret was entered."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from mailconfig.models import Account, Tenant
from mailconfig.values import Secret
from tests.factories import account_values, make_account, make_tenant, make_user

pytestmark = pytest.mark.django_db


def test_what_was_reloaded_counts_as_stored_and_not_as_edited() -> None:
    account = make_account(25, username="me")
    elsewhere = Account.objects.get(pk=account.pk)
    elsewhere.host, elsewhere.secret = "127.0.0.2", Secret("not-a-real-password-either")
    elsewhere.save()

    account.refresh_from_db()
    account.name = "Another name"
    account.save()

    assert Account.objects.get(pk=account.pk).name == "Another name"


@pytest.mark.parametrize("fields", [None, ["revision"], ["secret"]])
def test_reloading_forgets_no_edit_of_the_destination(fields: list[str] | None) -> None:
    account = make_account(25, username="me")
    account.refresh_from_db(fields=fields)
    account.host = "127.0.0.2"
    if fields:
        account.refresh_from_db(fields=fields)
    with pytest.raises(ValidationError, match="enter the password again"):
        account.save()


def test_reloading_loads_nothing_that_was_left_out(django_assert_num_queries: object) -> None:
    account = Account.objects.only("name").get(pk=make_account(25, username="me").pk)
    with django_assert_num_queries(1):  # type: ignore[operator]
        account.refresh_from_db()
    assert "host" in account.get_deferred_fields()


@pytest.mark.parametrize("holder", ["owner", "tenant"])
def test_a_stored_secret_is_not_kept_for_another_owner_or_tenant(holder: str) -> None:
    account = make_account(25, username="me")
    setattr(account, holder, make_user() if holder == "owner" else make_tenant())
    for tried in (account.save, account.full_clean):
        with pytest.raises(ValidationError, match="The owner or tenant changed"):
            tried()
    account.secret = Secret("not-a-real-password-either")
    account.save()
    without = make_account(25)
    setattr(without, holder, getattr(account, holder))
    without.save()


@pytest.mark.parametrize(
    "address",
    ["webmaster@localhost", "root@LOCALHOST", "a@mail.localhost", "a@localhost.localdomain"],
)
@pytest.mark.parametrize("column", ["from_email", "username"])
def test_localhost_is_no_domain_of_a_tenants_from(address: str, column: str) -> None:
    values = {"from_email": "", column: address}
    account = Account(**account_values(25, **values, kind="tenant_config", tenant=make_tenant()))
    with pytest.raises(ValidationError) as caught:
        account.full_clean()
    assert {error.code for error in caught.value.error_dict[column]} >= {"localhost"}
    account.tenant = None
    assert "localhost" not in {error.code for error in _errors(account).get(column, [])}


def test_a_domain_that_begins_with_a_combining_mark_is_none() -> None:
    account = Account(**account_values(25, from_email="anna@xn--a-wbb.example", host="xn--a-wbb.example"))
    assert set(_errors(account)) == {"from_email", "host"}
    account.from_email, account.host = "anna@xn--bcher-kva.example", "xn--bcher-kva.example"
    assert _errors(account) == {}


def _errors(account: Account) -> dict[str, Any]:
    """By field."""
    try:
        account.full_clean()
    except ValidationError as error:
        return error.error_dict
    return {}


@pytest.mark.parametrize("column", ["name", "from_name", "reply_to_name", "username"])
@pytest.mark.parametrize(
    "text",
    [
        *(
            f"Bank{chr(code)}gpj.exe"
            for code in (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
        ),
        "\u0301Bank",
        " \u0338Bank",
        "\u0903Bank",
        "\u20ddBank",
    ],
    ids=ascii,
)
def test_a_name_is_read_as_it_is_written(column: str, text: str) -> None:
    assert column in _errors(Account(**account_values(25, **{column: text})))
    with pytest.raises(ValidationError):
        Tenant(slug="acme", name=text).full_clean()


@pytest.mark.parametrize("text", ["Zoë", "Zoe\u0308", "بنك", "בנק", "हिन्दी", "👩\u200d🔧 Ann", "ประเทศไทย"])
def test_names_of_all_scripts_are_fine(text: str) -> None:
    assert _errors(Account(**account_values(25, name=text, from_name=text))) == {}
    Tenant(slug="acme", name=text).full_clean()
