"""Our pages with something on them, and what is to be seen and used on each: for tests that look at all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page

from mailconfig.models import (
    Account,
    AccountKind,
    Attempt,
    ConnectionCheck,
    FiguresState,
    HourFigures,
    HourTotals,
    Lane,
    Mailbox,
    Suppression,
    WaitReason,
)
from tests.factories import (
    make_account,
    make_mailbox,
    make_message,
    make_oauth2_client,
    make_synced,
    make_tenant,
)

FILE = (
    "kind,name,from_email,host,port,security,authentication,limit_per_day\n"
    "outbound_email,New,new@example.com,127.0.0.1,2525,none,none,7\n"
    "outbound_email,Bad,bad@example.com,127.0.0.1,x,none,none,\n"
)
LISTS = (
    "account", "mailbox", "message", "attempt", "bounce", "accountchange", "connectioncheck", "eventwebhook",
    "oauth2client", "suppression", "syncedmessage", "tenant", "webhookendpoint", "worker",
)  # fmt: skip
CHOOSE = """(name) => {
    const form = document.getElementById("changelist-form");
    form.querySelectorAll("input[name=_selected_action]").forEach((box) => { box.checked = true; });
    (form.querySelector("[name=action]") || document.querySelector("[name=action][form]")).value = name;
    HTMLFormElement.prototype.submit.call(form);
}"""
SAVE = "[name=_save]"
YES = "#content-main input[type=submit]"


@dataclass(frozen=True, slots=True)
class Sight:
    """A page of ours.

    Attributes:
        address: its URL, or that of the page from which it is reached.
        controls: selectors of what people use there; each has to be there.
        reach: goes from the address to the page.
    """

    address: str
    controls: tuple[str, ...] = ()
    reach: Callable[[Page], None] | None = None

    def show(self, page: Page) -> None:
        """Open it."""
        page.goto(self.address)
        if self.reach:
            self.reach(page)


def _action(name: str) -> Callable[[Page], None]:
    """Choose all rows of a list, and this action for them."""

    def reach(page: Page) -> None:
        # By the form itself: themes draw its controls each in their own way.
        with page.expect_navigation():
            page.evaluate(CHOOSE, name)

    return reach


def upload(page: Page) -> None:
    """Have a file of accounts looked at."""
    page.set_input_files(
        "#id_file", {"name": "accounts.csv", "mimeType": "text/csv", "buffer": FILE.encode()}
    )
    page.click(YES)
    page.wait_for_url("**/import/*-*/")


def retry(page: Page) -> None:
    """Ask for all of a list to be sent once more."""
    page.click(".mc-bulk-action >> nth=0")
    page.wait_for_url("**/bulk/**")


def _fill() -> tuple[Mailbox, Account]:
    """A mailbox at its limit with mail and a day of figures, and an account that nobody tried."""
    now = timezone.now()
    tenant = make_tenant(name="Acme")
    mailbox = make_mailbox(
        name="Front desk", tenant=tenant, limit_count=5, limit_period=20, limit_per_day=500
    )
    account = make_account(name="Alerts")
    stopped = make_account(name="Newsletter", kind=AccountKind.SMTP_PROVIDER)
    hour = now.replace(minute=0, second=0, microsecond=0)
    for number in range(24):
        at, sent, failed = hour - timedelta(hours=number), 40 + (number * 37) % 60, number % 5
        HourTotals.objects.create(hour_at=at, sent=sent, failed=failed, put_off=3, waiting=number)
        HourFigures.objects.create(
            hour_at=at, account=mailbox, sent=sent, failed=failed, put_off=3, waiting=number
        )
    FiguresState.objects.create(id=1, counted_until=now, leaders=[mailbox.pk])
    ConnectionCheck.objects.create(account=mailbox, kind="connection", state="passed", created_at=now)
    Lane.objects.filter(account_id=mailbox.pk).update(
        wait_reason=WaitReason.LIMIT, wait_since=now, wait_until=now + timedelta(minutes=1), validated_at=now
    )
    Lane.objects.filter(account_id=stopped.pk).update(
        wait_reason=WaitReason.PAUSED_LOGIN, wait_since=now, wait_text="535 5.7.8 the postmaster says no"
    )
    return mailbox, account


def make_sights() -> dict[str, Sight]:
    """Return each of our pages, by what it is, in the order in which somebody meets them."""
    mailbox, account = _fill()
    now = timezone.now()
    sent = make_message(mailbox, state="sent", settled_at=now, subject="Your booking", body=None)
    Attempt.objects.create(
        account=mailbox, message=sent, stage="dot", outcome="sent", reply_code=250, started_at=now, ended_at=now
    )  # fmt: skip
    waiting = make_message(mailbox, subject="Your bill, with all that you had on the third of the month")
    failed = make_message(mailbox, subject="Wrong address", state="failed", settled_at=now)
    synced = make_synced(mailbox, subject="Re: Your booking")
    Suppression.objects.create(address="gone@example.net", reason="bounce")
    make_oauth2_client(name="Our Google app", provider="google")

    def of(model: str, page: str, key: object = None) -> str:
        return reverse(f"admin:mailconfig_{model}_{page}", args=[key] if key else [])

    lists = {f"list: {name}": Sight(of(name, "changelist"), (".mc-banner a",)) for name in LISTS}
    tools = (".mc-tool-item .mc-tool", ".mc-window a", SAVE)
    return {
        "index": Sight(reverse("admin:app_list", args=["mailconfig"]), (".mc-dash-links a", ".mc-banner a")),
        "dashboard": Sight(of("hourfigures", "changelist"), (".mc-dash-links a", ".mc-dash-lists a")),
        "words": Sight(of("account", "words"), ("dt",)),
        "dashboard of an account": Sight(
            f"{of('hourfigures', 'changelist')}?account={mailbox.pk}", (".mc-dash-links a",)
        ),
        **lists,
        "kinds": Sight(of("account", "add"), (".mc-kinds a",)),
        "adding an account": Sight(
            of("outboundemail", "add"), ("#id_from_email", "#id_secret", SAVE, ".mc-save-untested")
        ),
        "adding a mailbox": Sight(of("mailbox", "add"), ("#id_from_email", "#id_secret", SAVE)),
        "a mailbox": Sight(of("mailbox", "change", mailbox.pk), tools),
        "an account": Sight(of("outboundemail", "change", account.pk), (*tools[:1], SAVE)),
        "its history": Sight(of("mailbox", "history", mailbox.pk)),
        "pausing": Sight(of("mailbox", "pause", mailbox.pk), (YES,)),
        "a test mail": Sight(of("mailbox", "test_mail", mailbox.pk), ("#id_recipient", YES)),
        "importing": Sight(of("account", "import"), ("label[for=id_file]", YES)),
        "what an import would change": Sight(of("account", "import"), (YES,), upload),
        "limits of many": Sight(of("mailbox", "changelist"), ("#id_limit_count", YES), _action("limit_selected")),
        "pausing many": Sight(of("mailbox", "changelist"), (YES,), _action("pause_selected")),
        "mail that failed": Sight(f"{of('message', 'changelist')}?state=failed", (".mc-bulk-action",)),
        "retrying all of it": Sight(f"{of('message', 'changelist')}?state=failed", (YES,), retry),
        "cancelling some": Sight(
            f"{of('message', 'changelist')}?state=waiting", (YES,), _action("cancel")
        ),
        "mail that was looked for": Sight(f"{of('message', 'changelist')}?q=booking", (".mc-about",)),
        "a sent mail": Sight(of("message", "change", sent.pk)),
        "a waiting mail": Sight(of("message", "change", waiting.pk), (".mc-tool-item .mc-tool",)),
        "a failed mail": Sight(of("message", "change", failed.pk), (".mc-tool-item .mc-tool",)),
        "its content": Sight(of("message", "content", waiting.pk)),
        "a synced mail": Sight(of("syncedmessage", "change", synced.pk)),
        "importing suppressed addresses": Sight(of("suppression", "import"), ("label[for=id_file]", YES)),
        "adding a tenant": Sight(of("tenant", "add"), (SAVE,)),
        "adding an app registration": Sight(of("oauth2client", "add"), (SAVE,)),
        "adding reports of a service": Sight(of("eventwebhook", "add"), (SAVE,)),
        "adding a webhook": Sight(of("webhookendpoint", "add"), (SAVE,)),
    }  # fmt: skip
