"""Pages of ours as axe-core judges them: nothing that keeps somebody with a keyboard or a screen reader from using them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page

from mailconfig.models import Attempt, ConnectionCheck, Lane, WaitReason
from tests.factories import make_account, make_mailbox, make_message, make_synced, make_tenant
from tests.servers.real import NPM

AXE = NPM / "node_modules" / "axe-core" / "axe.min.js"
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

# Of the page without what Django draws: all around it, the lists' search box and its choice of users and tenants.
RUN = """async () => (await axe.run(
    {include: [["#content"]], exclude: [["#searchbar"], [".select2-container"]]},
    {resultTypes: ["violations"]},
)).violations"""
IMPACTS = {"serious", "critical"}


@pytest.fixture
def pages(transactional_db: None) -> dict[str, str]:
    """Each of our pages with something on it, by what it is."""
    now = timezone.now()
    tenant = make_tenant(name="Acme")
    mailbox = make_mailbox(
        name="Front desk", tenant=tenant, limit_count=5, limit_period=20, limit_per_day=500
    )
    account = make_account(name="Alerts")
    sent = make_message(mailbox, state="sent", settled_at=now, subject="Your booking", body=None)
    Attempt.objects.create(
        account=mailbox, message=sent, stage="dot", outcome="sent", reply_code=250, started_at=now, ended_at=now
    )  # fmt: skip
    waiting = make_message(mailbox, subject="Your bill")
    ConnectionCheck.objects.create(account=mailbox, kind="connection", state="passed", created_at=now)
    Lane.objects.filter(account_id=mailbox.pk).update(
        wait_reason=WaitReason.LIMIT, wait_since=now, wait_until=now + timedelta(minutes=1), validated_at=now
    )
    synced = make_synced(mailbox)
    lists = {
        name: reverse(f"admin:mailconfig_{name}_changelist")
        for name in (
            "account", "mailbox", "message", "attempt", "bounce", "accountchange", "connectioncheck", "eventwebhook",
            "oauth2client", "suppression", "syncedmessage", "tenant", "webhookendpoint", "worker",
        )
    }  # fmt: skip
    return lists | {
        "index": reverse("admin:app_list", args=["mailconfig"]),
        "kinds": reverse("admin:mailconfig_account_add"),
        "adding an account": reverse("admin:mailconfig_outboundemail_add"),
        "adding a mailbox": reverse("admin:mailconfig_mailbox_add"),
        "a mailbox": reverse("admin:mailconfig_mailbox_change", args=[mailbox.pk]),
        "an account": reverse("admin:mailconfig_outboundemail_change", args=[account.pk]),
        "its history": reverse("admin:mailconfig_mailbox_history", args=[mailbox.pk]),
        "pausing": reverse("admin:mailconfig_mailbox_pause", args=[mailbox.pk]),
        "a test mail": reverse("admin:mailconfig_mailbox_test_mail", args=[mailbox.pk]),
        "a sent mail": reverse("admin:mailconfig_message_change", args=[sent.pk]),
        "a waiting mail": reverse("admin:mailconfig_message_change", args=[waiting.pk]),
        "its content": reverse("admin:mailconfig_message_content", args=[waiting.pk]),
        "a synced mail": reverse("admin:mailconfig_syncedmessage_change", args=[synced.pk]),
    }


def serious(page: Page) -> list[str]:
    """Return what axe finds on the page that is shown: the rule, and the first place that breaks it."""
    page.add_script_tag(path=AXE)
    found: list[dict[str, Any]] = page.evaluate(RUN)
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found if one["impact"] in IMPACTS]


@pytest.mark.system("node")
@pytest.mark.skipif(not AXE.exists(), reason="needs axe-core: `make test-system` installs it by npm")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_page(page: Page, pages: dict[str, str], scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    found: list[str] = []
    for name, address in pages.items():
        page.goto(address)
        page.wait_for_load_state("networkidle")
        found += [f"{name}: {violation}" for violation in serious(page)]
    assert not found, "\n".join(found)
