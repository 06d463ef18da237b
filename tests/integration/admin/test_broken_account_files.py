"""Files of accounts that are odd, and imports that break off: nothing is lost without a word, and no value is kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from mailconfig.admin.account_files import storing
from mailconfig.delivery import leave_import
from mailconfig.models import Account, AccountImport
from tests.factories import make_account

from .test_account_files import HEAD, UNTRIED, exported, stored, upload

pytestmark = pytest.mark.django_db

ONE = "outbound_email,{name},{address},127.0.0.1,25,{security},none,,,\n"


def line(name: str, *, address: str = "", security: str = "none") -> str:
    return ONE.format(name=name, address=address or f"{name}@example.com", security=security)


class KilledError(BaseException):
    """The process ends."""


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (HEAD + line("N", address="a\x00b@example.com"), "a.csv"),
        (HEAD + line("N\x00M", address="a@example.com"), "a.csv"),
        (HEAD.strip() + ",tenant\n" + line("N").strip() + ",a\x00b\n", "a.csv"),
        ('- {kind: outbound_email, name: "a\\0b", from_email: a@example.com}\n', "a.yaml"),
    ],
    ids=["address", "name", "tenant", "spelled in YAML"],
)
def test_a_file_with_a_nul_is_not_read(client: Client, text: str, name: str) -> None:
    page = upload(client, text, name=name, **UNTRIED)
    assert page.status_code == 200
    assert "cannot be read" in page.content.decode()
    assert not AccountImport.objects.exists()


@pytest.mark.parametrize("broken", ["n1", "n2"])
@pytest.mark.parametrize("error", [KilledError, RuntimeError])
def test_a_row_that_broke_off_is_told(
    client: Client, monkeypatch: pytest.MonkeyPatch, broken: str, error: type[BaseException]
) -> None:
    seen = upload(client, HEAD + "".join(line(f"n{number}") for number in range(3)), **UNTRIED)
    store = storing._store

    def break_off(request: Any, planned: Any, **values: Any) -> None:
        if planned.name == broken:
            raise error
        store(request, planned, **values)

    monkeypatch.setattr(storing, "_store", break_off)
    with pytest.raises(error):
        stored(client, seen)
    AccountImport.objects.update(busy_until=None)
    page = stored(client, seen).content.decode()

    assert "The import is done." in page
    assert page.count("broke off in the middle") == 1
    assert sorted(Account.objects.values_list("name", flat=True)) == sorted({"n0", "n1", "n2"} - {broken})


def test_the_last_row_is_told_of_after_its_process_was_killed(client: Client) -> None:
    seen = upload(client, HEAD + line("n0"), **UNTRIED)
    AccountImport.objects.update(next_row=1)  # as it was begun

    page = client.get(seen.redirect_chain[-1][0], follow=True).content.decode()

    assert page.count("broke off in the middle") == 1
    assert not AccountImport.objects.get().sealed


def test_no_value_of_a_file_is_kept_with_what_became_of_it(client: Client) -> None:
    seen = upload(client, HEAD + line("n", security="hunter2secret"), **UNTRIED)
    stored(client, seen)
    (outcome,) = AccountImport.objects.get().outcomes
    assert outcome["problems"] == [
        ["security", "Select a valid choice. … is not one of the available choices."]
    ]


@pytest.mark.parametrize("how", ["uuid as it is spelled", "uuid and address", "case of the kind"])
def test_an_account_that_is_named_twice_in_two_ways_is_refused_the_second_time(
    client: Client, how: str
) -> None:
    uuid = str(make_account(from_email="a@example.com", limit_per_day=5).uuid)
    rows = {
        "uuid as it is spelled": [f"{uuid},,,7", f"{uuid.replace('-', '')},,,8"],
        "uuid and address": [f"{uuid},,,7", ",outbound_email,a@example.com,8"],
        "case of the kind": [",outbound_email,a@example.com,7", ",Outbound_Email,a@example.com,8"],
    }[how]

    seen = upload(client, "uuid,kind,from_email,limit_per_day\n" + "\n".join(rows) + "\n", **UNTRIED)

    assert "Another row above names the same account." in seen.content.decode()
    stored(client, seen)
    assert Account.objects.get().limit_per_day == 7


def test_a_file_is_kept_for_as_long_as_it_is_imported(client: Client) -> None:
    seen = upload(client, HEAD + line("n0") + line("n1"), **UNTRIED)
    draft = AccountImport.objects.get()
    AccountImport.objects.update(
        created_at=timezone.now() - timedelta(minutes=AccountImport.KEPT_MINUTES - 1)
    )
    leave_import(draft, rows=2)  # as after a step

    later = timezone.now() - timedelta(minutes=AccountImport.KEPT_MINUTES - 1)
    AccountImport.objects.filter(created_at__lt=later).delete()
    assert "The import is done." in stored(client, seen).content.decode()


@pytest.mark.parametrize("form", ["csv", "yaml"])
@pytest.mark.parametrize("name", ["'=1+1", "''-x", "'", "x;=HYPERLINK(1)", "=1+1"])
def test_a_name_that_looks_like_a_formula_comes_back_as_it_is(client: Client, form: str, name: str) -> None:
    account = make_account(name=name, from_email="x@example.com")
    page = upload(client, exported(client, form, account), name=f"a.{form}").content.decode()
    assert "Unchanged: 1" in page
