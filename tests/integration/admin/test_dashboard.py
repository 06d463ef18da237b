"""The dashboard's pages: who sees which figures, and that static files and themes find what they name."""

from __future__ import annotations

import csv
import io
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

import mailconfig
from mailconfig.delivery.worker.counting import hour_of
from mailconfig.models import Account, AccountKind, FiguresState, HourFigures, Lane, WaitReason
from tests.factories import make_account, make_message, make_tenant

from .conftest import permitted
from .pages import admin_url

pytestmark = pytest.mark.django_db

INDEX = "/admin/mailconfig/"
PAGES = [admin_url("hourfigures", page) for page in ("changelist", "fragment", "json", "csv")]


def counted(account: Account, sent: int) -> Account:
    """An account with figures of the hour before this."""
    now = timezone.now()
    HourFigures.objects.create(account=account, hour_at=hour_of(now - timedelta(hours=1)), sent=sent)
    state, _created = FiguresState.objects.get_or_create(id=1, defaults={"counted_until": now})
    FiguresState.objects.filter(id=1).update(leaders=[*state.leaders, account.pk])
    return account


def said(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    content = response.getvalue().decode()
    assert "no-store" in response["Cache-Control"] or url == INDEX
    return content


def test_who_may_not_see_it_sees_nothing_of_it_anywhere() -> None:
    counted(make_account(name="Front desk"), 5)
    browser = permitted("dave", "view_message")

    assert [browser.get(url).status_code for url in PAGES] == [403] * 4
    assert "mc-dashboard" not in browser.get(INDEX).content.decode()
    assert "hourfigures" not in browser.get("/admin/").content.decode()
    assert [Client().get(url).status_code for url in PAGES] == [302] * 4


def test_staff_of_a_tenant_see_the_figures_of_its_accounts_only() -> None:
    mine = make_tenant()
    config = AccountKind.TENANT_CONFIG
    ours = counted(make_account(name="Ours", tenant=mine, kind=config), 5)
    theirs = counted(make_account(name="Theirs", tenant=make_tenant(), kind=config), 7)
    for account in (ours, theirs):
        make_message(account)
    Lane.objects.update(wait_reason=WaitReason.PAUSED_LOGIN, wait_since=timezone.now())
    browser = permitted("carol", "view_hourfigures")
    mine.members.add(User.objects.get(username="carol"))

    for url in PAGES:
        content = said(browser, url)
        assert "Ours" in content
        assert "Theirs" not in content
        assert "Theirs" not in said(browser, f"{url}?account={theirs.pk}")
    figures = browser.get(admin_url("hourfigures", "json")).json()
    assert figures["waiting"]["total"] == 1
    assert sum(hour["sent"] for hour in figures["hours"]) == 5
    assert (figures["is_whole"], figures["workers"]) == (False, [])


def test_whoever_sees_all_tenants_sees_all_figures() -> None:
    counted(make_account(name="Ours", tenant=make_tenant()), 5)
    browser = permitted("carol", "view_hourfigures", "see_all_tenants")

    for url in PAGES:
        assert "Ours" in said(browser, url)
    assert browser.get(admin_url("hourfigures", "json")).json()["is_whole"]
    assert "Last sweep" in browser.get(INDEX).content.decode()


def test_one_account_can_be_looked_at_and_odd_addresses_do_no_harm(client: Client) -> None:
    desk, _shop = counted(make_account(name="Front desk"), 5), counted(make_account(name="Shop"), 7)
    page = said(client, f"{PAGES[0]}?account={desk.pk}")

    assert "Front desk: The last 24 hours" in page
    assert "Shop" not in page
    for odd in ("", "x", "²", "9" * 30, "-1", "0"):
        assert "Shop" in said(client, f"{PAGES[0]}?account={odd}")
    assert client.get(f"{PAGES[0]}{desk.pk}/change/").status_code == 404
    assert client.get(f"{PAGES[0]}add/").status_code == 404


def test_an_export_holds_a_row_for_each_hour_and_account_and_no_formula(client: Client) -> None:
    counted(make_account(name="=HYPERLINK(1)"), 5)

    text = said(client, admin_url("hourfigures", "csv"))
    assert text.startswith("\ufeff"), "by which Excel knows UTF-8"
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))

    assert [(row["name"], row["sent"]) for row in rows] == [("'=HYPERLINK(1)", "5")]


def test_a_name_is_shown_as_it_is_and_runs_nothing(client: Client) -> None:
    counted(make_account(name="</script><script>alert(1)</script>"), 5)
    for url in (INDEX, *PAGES[:2]):
        assert "<script>alert(1)" not in client.get(url).content.decode()


def test_the_index_takes_the_same_queries_for_one_account_and_for_twenty(client: Client) -> None:
    def queries() -> int:
        client.get(INDEX)
        with CaptureQueriesContext(connection) as captured:
            client.get(INDEX)
        return len(captured)

    def fill(accounts: int) -> None:
        for _ in range(accounts):
            make_message(counted(make_account(), 1))
        Lane.objects.update(wait_reason=WaitReason.PAUSED_LOGIN, wait_since=timezone.now())

    fill(6)  # the banner names five
    few = queries()
    fill(20)
    assert queries() == few


@pytest.mark.one_database
def test_its_static_files_have_names_for_a_manifest(tmp_path: Path) -> None:
    shutil.copytree(Path(mailconfig.__file__).parent / "static", tmp_path, dirs_exist_ok=True)
    storage = ManifestStaticFilesStorage(location=str(tmp_path), base_url="/static/")
    names = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()]

    made = {}
    for name, _hashed, processed in storage.post_process({name: (storage, name) for name in names}):
        assert not isinstance(processed, Exception), processed
        made[name] = processed

    assert {"mailconfig/uplot/uPlot.iife.min.js", "mailconfig/dashboard.js"} <= set(made)
    assert "MIT License" in (tmp_path / "mailconfig/uplot/LICENSE").read_text()
