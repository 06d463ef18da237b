"""Metrics: who may read them, what they say, and that what is made for Grafana and Prometheus names only what is there."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from django.contrib.auth.models import Permission
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from rest_framework.test import APIClient

from mailconfig.delivery.worker.counting import count_figures, hour_of
from mailconfig.models import Account, Attempt, Lane, WaitReason
from tests.bearer import client_of
from tests.documents import ROOT
from tests.factories import make_account, make_message, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]

URLS = ("/mailconfig/metrics", "/mailconfig/metrics.json")
FILES = [ROOT / "docs/monitoring/grafana.json", ROOT / "docs/monitoring/alerts.yml"]


@pytest.fixture
def scraper(db: None) -> APIClient:
    """Has the one permission that it takes, and a token."""
    user = make_user("scraper")
    user.user_permissions.add(Permission.objects.get(codename="view_metrics"))
    return client_of(user)


def samples(client: APIClient) -> dict[str, float]:
    answer = client.get(URLS[0])
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        ",".join((sample.name, *sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


def a_day(account: Account) -> None:
    # In the middle of an hour that is over: of the present one nothing may be counted yet.
    now = hour_of(timezone.now()) - timedelta(minutes=30)
    for outcome in ("sent", "sent", "deferred"):
        Attempt.objects.create(
            account=account, outcome=outcome, started_at=now, ended_at=now - timedelta(minutes=1)
        )
    for _ in range(30):
        count_figures(now)


@pytest.mark.parametrize("url", URLS)
def test_it_takes_a_token_and_the_permission(url: str, scraper: APIClient) -> None:
    assert scraper.get(url).status_code == 200
    assert scraper.get(url)["Cache-Control"] == "no-store"
    refused = client_of(None).get(url)
    assert (refused.status_code, refused["WWW-Authenticate"]) == (401, "Bearer")
    assert client_of(make_user("dave", is_staff=True)).get(url).status_code == 403
    assert scraper.post(url).status_code == 405


def test_a_scrape_tells_what_the_dashboard_shows(scraper: APIClient) -> None:
    account = make_account(name="Front desk")
    a_day(account)
    make_message(account, not_before=timezone.now() - timedelta(minutes=5))
    Lane.objects.update(wait_reason=WaitReason.PAUSED_LOGIN, wait_since=timezone.now())

    found = samples(scraper)

    assert found["mailconfig_mails_total,sent"] == 2
    assert found["mailconfig_mails_total,put_off"] == 1
    assert found["mailconfig_mails_waiting,queued"] == 1
    assert found["mailconfig_accounts_paused,paused_login"] == 1
    assert found["mailconfig_accounts_paused,paused_config"] == 0
    assert 300 <= found["mailconfig_oldest_due_seconds"] < 900
    assert found[f"mailconfig_account_mails_last_day,{account.pk},sent"] == 2
    assert "Front desk" not in scraper.get(URLS[0]).content.decode()


def test_accounts_have_a_bounded_number_of_series(scraper: APIClient) -> None:
    for _ in range(25):
        a_day(make_account())
    now = timezone.now()
    for account in Account.objects.all():
        Attempt.objects.create(account=account, outcome="sent", started_at=now, ended_at=now)

    assert len([name for name in samples(scraper) if name.startswith("mailconfig_account_mails")]) <= 60


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_files_for_grafana_and_prometheus_name_metrics_that_there_are(file: Path, scraper: APIClient) -> None:
    a_day(make_account())
    text = file.read_text(encoding="utf-8")
    read = json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
    exprs = (
        [target["expr"] for panel in read["panels"] for target in panel["targets"]]
        if file.suffix == ".json"
        else [rule["expr"] for rule in read["groups"][0]["rules"]]
    )
    there = {name.partition(",")[0] for name in samples(scraper)}

    named = {name for expr in exprs for name in re.findall(r"mailconfig_\w+", expr)}

    assert len(exprs) >= 5
    assert named <= there


def test_the_page_lists_the_metrics_that_there_are(scraper: APIClient) -> None:
    a_day(make_account())
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`(mailconfig_[a-z_]+)`", page.partition("## Metrics")[2].partition("\n## ")[0]))

    assert told == {name.partition(",")[0] for name in samples(scraper)}
