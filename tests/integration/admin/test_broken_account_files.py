"""Files of accounts that are odd, and imports that break off: nothing is lost without a word, and no value is kept."""

from __future__ import annotations

import itertools
import time
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from mailconfig.admin.account_files import storing
from mailconfig.delivery import leave_import
from mailconfig.models import Account, AccountImport
from tests.factories import make_account, make_mailbox, make_user

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


@pytest.mark.parametrize("spelled", ["\\ud800", "\\U00110000", "\\UFFFFFFFF"])
@pytest.mark.parametrize("has_libyaml", [True, False])
def test_yaml_that_spells_no_character_is_not_read(
    client: Client, monkeypatch: pytest.MonkeyPatch, spelled: str, *, has_libyaml: bool
) -> None:
    if not has_libyaml:
        monkeypatch.delattr("yaml.CSafeLoader", raising=False)

    page = upload(client, f'- {{kind: mailbox, name: "a{spelled}"}}\n', name="a.yaml").content.decode()

    assert "cannot be read" in page
    assert not AccountImport.objects.exists()


@pytest.mark.parametrize("form", ["csv", "yaml"])
@pytest.mark.parametrize(
    "values",
    [{"name": " padded "}, {"signature": "-- \nBob\n"}, {"signature": "-- \r\nBob\r\n"}],
    ids=["name", "signature", "signature with CRLF"],
)
def test_space_around_a_value_is_no_change(client: Client, form: str, values: dict[str, Any]) -> None:
    mailbox = make_mailbox(from_email="y@example.com", imap_host="127.0.0.1", **values)
    page = upload(client, exported(client, form, mailbox), name=f"a.{form}").content.decode()
    assert "Unchanged: 1" in page
    changed = upload(client, "kind,from_email,name\nmailbox,y@example.com,Other\n", name="a.csv")
    assert "Changed: 1" in changed.content.decode()


@pytest.mark.parametrize("kept_in", ["db", "signed_cookies"])
def test_an_import_goes_on_where_each_answer_writes_the_session_anew(
    db: None, monkeypatch: pytest.MonkeyPatch, settings: Settings, kept_in: str
) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{kept_in}"
    settings.SESSION_SAVE_EVERY_REQUEST = True
    person = make_user("zed", is_staff=True, is_superuser=True)
    browser, other = Client(), Client()
    browser.force_login(person)
    other.force_login(person)
    # Cookies are signed with the second, so the next one differs.
    monkeypatch.setattr("django.core.signing.time.time", itertools.count(time.time()).__next__)

    seen = upload(browser, HEAD + line("n0"), **UNTRIED)

    assert "New: 1" in seen.content.decode()
    assert "not kept any more" in stored(other, seen).content.decode()
    assert "The import is done." in stored(browser, seen).content.decode()
