"""Who sends for whom: the project's own mail goes through accounts an administrator marked, a tenant's through its own."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import django
import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core import mail
from django.core.mail import EmailMessage
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.log import AdminEmailHandler

from mailconfig import delivery
from mailconfig.backend import EmailBackend
from mailconfig.delivery.queue.routing import account_for, routed
from mailconfig.exceptions import NoAccount
from mailconfig.models import Account, MailAlias, Message, Tenant
from tests.factories import make_account, make_mailbox, make_tenant, make_user

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "mailconfig.backend.EmailBackend"


@pytest.fixture(autouse=True)
def ours(settings: Any) -> None:
    if django.VERSION >= (6, 1):
        settings.MAILERS = {"default": {"BACKEND": PATH}}
    else:
        settings.EMAIL_BACKEND = PATH
    settings.ADMINS = ["boss@example.org"] if django.VERSION >= (6,) else [("Boss", "boss@example.org")]


@pytest.fixture
def default() -> Account:
    return make_account(name="default", from_email="default@project.example", is_default=True)


@pytest.fixture
def acme() -> Tenant:
    return make_tenant(slug="acme")


@pytest.fixture
def config(acme: Tenant) -> Account:
    """What a tenant's administrator posted."""
    return make_account(name="acme", kind="tenant_config", tenant=acme, from_email="noreply@acme.example")


def sent_by(sender: str | None, **options: Any) -> Account:
    """The account that got a mail with this From."""
    assert EmailBackend(**options).send_messages([EmailMessage("s", "b", sender, ["anna@example.net"])]) == 1
    return Message.objects.latest("pk").account


# The project's own mail


@pytest.mark.parametrize("kind", ["outbound_email", "smtp_provider", "tenant_config", "mailbox"])
@pytest.mark.parametrize(
    ("setting", "address"),
    [
        ("DEFAULT_FROM_EMAIL", "webmaster@localhost"),
        ("DEFAULT_FROM_EMAIL", "Project <noreply@project.example>"),
        ("SERVER_EMAIL", "root@localhost"),
        ("SERVER_EMAIL", "errors@project.example"),
    ],
)
def test_naming_an_address_of_the_project_gets_none_of_its_mail(
    default: Account, acme: Tenant, settings: Any, kind: str, setting: str, address: str
) -> None:
    setattr(settings, setting, address)
    bare = address.rpartition("<")[2].rstrip(">")
    make_account(kind=kind, from_email=bare, tenant=acme)
    if kind != "tenant_config":
        make_account(kind=kind, from_email="", username=bare.upper(), owner=make_user("mallory"))

    mail.send_mail("reset", "b", None, ["anna@example.net"])
    mail.send_mail("named", "b", bare, ["anna@example.net"])
    mail.mail_admins("traceback", "b")

    assert dict(Message.objects.values_list("subject", "account")) == {
        "reset": default.pk,
        "named": default.pk,
        "[Django] traceback": default.pk,
    }


def test_a_marked_account_is_found_by_address_then_by_domain_then_the_default_one(default: Account) -> None:
    shop = make_account(from_email="Shop@Shop.example", serves_project=True)
    news = make_account(from_email="", username="news@news.example", serves_project=True)
    make_account(from_email="first@other.example")

    assert sent_by("shop@shop.EXAMPLE") == shop
    assert sent_by("Anybody <orders@shop.example>") == shop
    assert sent_by("orders@sub.shop.example") == default
    assert sent_by("x@notshop.example") == default
    assert sent_by("other@news.example") == news
    assert sent_by("first@other.example") == default
    assert sent_by(None) == default


def test_localhost_is_nobodys_domain(default: Account) -> None:
    here = make_account(from_email="cron@localhost", serves_project=True)

    assert sent_by("cron@localhost") == here
    assert sent_by("webmaster@localhost") == default


@pytest.mark.parametrize("which", ["owner", "tenant"])
def test_an_account_whose_owner_or_tenant_is_not_active_sends_nothing_that_names_none(
    default: Account, acme: Tenant, which: str
) -> None:
    owner = make_user("alice")
    for account in (default, make_account(from_email="shop@shop.example", serves_project=True)):
        Account.objects.filter(pk=account.pk).update(owner=owner, tenant=acme)
    assert sent_by("shop@shop.example") != sent_by(None)

    owner.is_active, acme.is_active = which != "owner", which != "tenant"
    owner.save()
    acme.save()

    for sender in ("shop@shop.example", None):
        with pytest.raises(NoAccount):
            sent_by(sender)


def test_the_default_account_is_one_that_sends_for_the_project() -> None:
    account = make_account()
    account.is_default = True
    account.save(update_fields=["is_default"])

    assert Account.objects.get().serves_project
    assert sent_by("nobody@anywhere.example") == account


def test_whose_account_sends_for_the_project_may_disable_it_and_the_mail_waits(default: Account) -> None:
    """It is that person's login, who could change its password at the server as well."""
    owner = make_user()
    mine = make_account(from_email="noreply@project.example", owner=owner, serves_project=True)
    mine.is_enabled = False
    delivery.save_account(account=mine, by=owner)

    assert sent_by("noreply@project.example") == mine
    message = Message.objects.get()
    (reason,) = delivery.explain([message]).values()
    assert (message.state, reason.reason) == ("queued", "disabled")
    mine.is_enabled = True
    delivery.save_account(account=mine, by=owner)
    assert Account.objects.get(pk=mine.pk).serves_project, "it needs no new mark"


@pytest.mark.parametrize("others", [True, False])
def test_whose_account_sends_for_the_project_may_delete_it_and_another_one_does(others: bool) -> None:
    owner = make_user()
    mine = make_account(from_email="noreply@project.example", owner=owner, serves_project=True)
    another = make_account(from_email="info@project.example", serves_project=True) if others else None

    delivery.delete_account(account_id=mine.pk, by=owner)

    if others:
        assert sent_by("noreply@project.example") == another, "of the same domain"
    else:
        with pytest.raises(NoAccount, match=r"noreply@project\.example"):
            sent_by("noreply@project.example")


def test_a_deleted_account_gives_up_its_mark() -> None:
    account = make_account(serves_project=True)
    delivery.delete_account(account_id=account.pk, by=None)

    assert not Account.objects.get().serves_project
    with pytest.raises(NoAccount, match=r"mail from sender@example\.com for the project: mark one"):
        sent_by("sender@example.com")


def test_a_name_is_looked_up_among_the_marked_ones_only(default: Account, acme: Tenant) -> None:
    letters = make_account(name="Newsletter", serves_project=True)
    make_account(name="Newsletter", owner=make_user("mallory"))
    make_account(name="Newsletter", kind="tenant_config", tenant=acme)
    unmarked = make_account(name="Unmarked")

    assert sent_by(None, account="Newsletter") == letters
    with pytest.raises(NoAccount, match="named 'Unmarked' among those that send for the project"):
        sent_by(None, account="Unmarked")
    assert sent_by(None, account=unmarked.uuid) == sent_by(None, account=unmarked.pk) == unmarked


def test_enqueue_without_an_account_follows_the_same_rule(default: Account) -> None:
    shop = make_account(from_email="shop@shop.example", serves_project=True)
    make_account(from_email="own@person.example", owner=make_user())
    mails = [
        EmailMessage("s", "b", sender, ["anna@example.net"])
        for sender in ("shop@shop.example", None, "own@person.example")
    ]

    expected = [shop.pk, default.pk, default.pk]
    assert [delivery.enqueue(message).account_id for message in mails] == expected
    assert [row.account_id for row in delivery.enqueue_many(iter(mails))] == expected


def test_many_senders_are_looked_up_in_few_queries(
    default: Account, django_assert_max_num_queries: Callable[[int], CaptureQueriesContext]
) -> None:
    accounts = [make_account(from_email=f"a{n}@d{n}.example", serves_project=True) for n in range(150)]
    mails = [EmailMessage("s", "b", account.from_email, ["anna@example.net"]) for account in accounts]

    with django_assert_max_num_queries(2):
        found = list(routed(mails))

    assert found == list(zip(mails, accounts, strict=True))


def test_an_alias_that_may_send_comes_before_the_domain_and_after_an_account_of_that_address(
    default: Account, django_assert_num_queries: Callable[[int], CaptureQueriesContext]
) -> None:
    same_domain = make_account(from_email="first@shop.example", serves_project=True)
    mailbox = make_mailbox(from_email="me@shop.example", serves_project=True)
    other = make_mailbox(from_email="you@shop.example", serves_project=True)
    unmarked = make_mailbox(from_email="mine@person.example", owner=make_user())
    MailAlias.objects.create(mailbox=mailbox, email="Sales@shop.example", can_send=True)
    MailAlias.objects.create(mailbox=mailbox, email="info@elsewhere.example", can_send=True)
    MailAlias.objects.create(mailbox=mailbox, email="you@shop.example", can_send=True)
    MailAlias.objects.create(mailbox=mailbox, email="in@shop.example")
    MailAlias.objects.create(mailbox=unmarked, email="boss@project.org", can_send=True)
    expected = {
        "sales@SHOP.example": mailbox,
        "info@elsewhere.example": mailbox,
        "you@shop.example": other,
        "in@shop.example": same_domain,
        "boss@project.org": default,
    }

    with django_assert_num_queries(2):
        found = list(routed([EmailMessage("s", "b", sender, ["anna@example.net"]) for sender in expected]))
    assert [account.pk for _message, account in found] == [account.pk for account in expected.values()]
    with django_assert_num_queries(1):
        assert sent_by_route("first@shop.example") == same_domain


def sent_by_route(sender: str) -> Account:
    return account_for(EmailMessage("s", "b", sender, ["anna@example.net"]))


def test_a_tenants_mailbox_is_found_by_its_alias(acme: Tenant, config: Account) -> None:
    mailbox = make_mailbox(from_email="me@acme.example", tenant=acme)
    own = make_mailbox(from_email="own@acme.example", tenant=acme, owner=make_user())
    for each, address in ((mailbox, "sales@acme.example"), (own, "boss@acme.example")):
        MailAlias.objects.create(mailbox=each, email=address, can_send=True)

    with delivery.sending_for(acme):
        assert sent_by_route("sales@acme.example").pk == mailbox.pk
        assert sent_by_route("boss@acme.example").pk == config.pk  # a person's own takes nobody else's mail


# A tenant's mail


@pytest.fixture
def others(default: Account) -> list[Account]:
    """Accounts that would like to have a tenant's mail: of another tenant, of a person, of the project."""
    rival = make_tenant(slug="rival")
    return [
        make_account(from_email="sales@acme.example", tenant=rival),
        make_account(kind="tenant_config", from_email="noreply@acme.example", tenant=rival),
        make_account(from_email="sales@acme.example", serves_project=True),
        make_account(from_email="sales@acme.example"),
    ]


@pytest.mark.parametrize("by", ["option: row", "option: key", "option: slug", "row", "key", "slug"])
def test_a_tenants_mail_is_sent_by_that_tenants_accounts(
    config: Account, acme: Tenant, others: list[Account], by: str
) -> None:
    named: Any = {"row": acme, "key": acme.pk, "slug": acme.slug}[by.rpartition(" ")[2]]
    support = make_account(from_email="support@help.acme.example", tenant=acme)
    # A colleague's own account, and one that names the same address.
    make_account(from_email="sales@acme.example", tenant=acme, owner=make_user("colleague"))

    def sender_of(sender: str | None) -> Account:
        if by.startswith("option"):
            return sent_by(sender, tenant=named)
        with delivery.sending_for(named):
            return sent_by(sender)

    assert sender_of("support@help.acme.example") == support
    assert sender_of("desk@help.acme.example") == support
    for sender in (None, "sales@acme.example", "default@project.example", "x@anywhere.example"):
        assert sender_of(sender) == config


def test_a_persons_account_takes_its_tenants_mail_once_an_administrator_marked_it(
    config: Account, acme: Tenant
) -> None:
    marked = make_account(
        from_email="sales@acme.example", tenant=acme, owner=make_user(), serves_project=True
    )
    assert sent_by("sales@acme.example", tenant=acme) == marked


@pytest.mark.parametrize("option", [True, False])
@pytest.mark.parametrize("trouble", ["inactive", "no account", "unknown"])
def test_a_tenant_that_cannot_send_falls_back_to_nobody(
    acme: Tenant, others: list[Account], trouble: str, option: bool
) -> None:
    if trouble == "inactive":
        make_account(from_email="sales@acme.example", tenant=acme)
        acme.is_active = False
        acme.save()
    slug = "nobody" if trouble == "unknown" else "acme"

    options = {"tenant": slug} if option else {}
    with delivery.sending_for(None if option else slug), pytest.raises(NoAccount, match=f"tenant {slug}"):
        sent_by("sales@acme.example", **options)

    assert not Message.objects.exists()


def test_within_a_tenant_names_are_its_own(config: Account, acme: Tenant, default: Account) -> None:
    make_account(name="Newsletter", serves_project=True)
    mine = make_account(name="Newsletter", tenant=acme)

    assert sent_by(None, account="Newsletter", tenant="acme") == mine
    with delivery.sending_for(acme):
        assert sent_by(None, account="Newsletter") == mine
    assert sent_by(None, account=mine.uuid, tenant=acme) == mine
    for other in (default.uuid, default.pk, "default"):
        with pytest.raises(NoAccount, match="among those that send for the tenant acme"):
            sent_by(None, account=other, tenant=acme)


def test_enqueue_without_an_account_stays_within_the_tenant(
    config: Account, acme: Tenant, default: Account
) -> None:
    message = EmailMessage("s", "b", None, ["anna@example.net"])
    with delivery.sending_for(acme):
        assert delivery.enqueue(message).account_id == config.pk
        assert [row.account_id for row in delivery.enqueue_many(iter([message]))] == [config.pk]
        assert delivery.enqueue(message, account=default).account_id == default.pk


def test_the_context_ends_nests_and_is_each_threads_and_tasks_own(
    config: Account, acme: Tenant, default: Account
) -> None:
    seen: list[Account] = []

    def found() -> Account:
        """By a thread of its own, with a connection of its own."""
        try:
            return account_for(EmailMessage("s", "b"))
        finally:
            connection.close()

    async def within() -> Account:
        with delivery.sending_for(acme):
            await asyncio.sleep(0)
            return await asyncio.to_thread(found)

    async def both() -> list[Account]:
        others = asyncio.to_thread(found)
        return list(await asyncio.gather(within(), others))

    with delivery.sending_for(acme):
        with delivery.sending_for(None):
            assert sent_by(None) == default
        assert sent_by(None) == config
        thread = threading.Thread(target=lambda: seen.append(found()))
        thread.start()
        thread.join()
    assert seen == [default]
    with pytest.raises(ZeroDivisionError), delivery.sending_for(acme):
        raise ZeroDivisionError
    assert sent_by(None) == default
    assert asyncio.run(both()) == [config, default]


def test_as_a_decorator_it_holds_for_each_call_also_of_what_is_awaited(
    config: Account, acme: Tenant, default: Account
) -> None:
    @delivery.sending_for(acme)
    def plain(depth: int) -> Account:
        return plain(depth - 1) if depth else account_for(EmailMessage("s", "b"))

    @delivery.sending_for("acme")
    async def awaited() -> Account:
        await asyncio.sleep(0)
        return await sync_to_async(account_for)(EmailMessage("s", "b"))

    assert (plain(2), async_to_sync(awaited)(), plain(0)) == (config, config, config)
    assert account_for(EmailMessage("s", "b")) == default
    with pytest.raises(TypeError, match="yields"):

        @delivery.sending_for(acme)
        def yielding() -> Iterator[None]:
            yield


def test_a_block_is_entered_once(acme: Tenant) -> None:
    block = delivery.sending_for(acme)
    with block, pytest.raises(RuntimeError):
        block.__enter__()


def test_who_is_sent_for_is_decided_when_the_accounts_are_asked_for(
    config: Account, acme: Tenant, default: Account
) -> None:
    """And not when somebody gets round to queueing them."""
    message = EmailMessage("s", "b", None, ["anna@example.net"])
    with delivery.sending_for(acme):
        pairs = delivery.choose_accounts([message])
    with delivery.sending_for(None):
        assert [row.account_id for row in delivery.enqueue_for(pairs)] == [config.pk]


@pytest.mark.parametrize("wrong", [True, 1.5, object(), Tenant(slug="acme")])
def test_what_names_no_tenant_is_refused_at_once(wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError)), delivery.sending_for(wrong):
        pass
    with pytest.raises((TypeError, ValueError)):
        EmailBackend(tenant=wrong)


@pytest.mark.parametrize("same_address", [True, False])
def test_an_error_report_made_while_sending_for_a_tenant_stays_the_projects(
    config: Account, acme: Tenant, default: Account, settings: Any, same_address: bool
) -> None:
    settings.SERVER_EMAIL = settings.DEFAULT_FROM_EMAIL if same_address else "errors@project.example"
    nobody = "no address at all" if django.VERSION >= (6,) else ("Nobody", "no address at all")
    settings.ADMINS = [*settings.ADMINS, nobody]
    record = logging.LogRecord("django.request", logging.ERROR, __file__, 1, "it broke", (), None)

    with delivery.sending_for(acme):
        AdminEmailHandler().emit(record)
        mail.send_mail("welcome", "b", None, ["anna@example.net"])
        mail.send_mail("to both", "b", settings.SERVER_EMAIL, ["boss@example.org", "anna@example.net"])

    assert list(Message.objects.order_by("pk").values_list("account", flat=True)) == [
        default.pk,
        config.pk,
        config.pk,
    ]


# The upgrade
