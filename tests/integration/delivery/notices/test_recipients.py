"""Those who may change an account are told of it, each in one mail and in a language of their own, and nobody else is."""

from __future__ import annotations

from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.db.models import QuerySet

from mailconfig import delivery
from mailconfig.models import Lane, Tenant
from tests.factories import make_tenant, make_user

from .conftest import BASE, addresses, make_administrator, make_paused, make_teller, pause, queued

pytestmark = pytest.mark.django_db(transaction=True)


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def test_the_owner_is_told_and_nobody_beside(tenant: Tenant) -> None:
    make_administrator(tenant, "zoe", "outboundemail")
    make_paused(tenant, kind="outbound_email", owner=make_user("olga"))
    delivery.sweep()
    assert addresses() == ["olga@example.com"]


@pytest.mark.parametrize("values", [{"is_active": False}, {"email": ""}, {"email": "no address"}])
def test_administrators_are_told_in_place_of_an_owner_who_cannot_be(
    tenant: Tenant, values: dict[str, Any]
) -> None:
    make_administrator(tenant, "zoe", "outboundemail")
    make_paused(tenant, kind="outbound_email", owner=make_user("olga", **values))
    delivery.sweep()
    assert addresses() == ["zoe@example.com"]


def test_an_owner_who_may_not_change_the_account_is_not_told(tenant: Tenant) -> None:
    """Only for outbound e-mails and mailboxes is it enough to own one."""
    make_paused(tenant, owner=make_user("olga"))
    delivery.sweep()
    assert addresses() == ["anna@example.com"]


def test_members_who_may_change_it_are_told_and_no_other_tenants(tenant: Tenant) -> None:
    other = make_tenant()
    make_administrator(other, "bob")
    make_administrator(tenant, "carol", "mailbox")
    make_administrator(tenant, "dan", is_active=False)
    tenant.members.add(make_user("erin"))
    outsider = make_user("frank", is_staff=True)
    outsider.user_permissions.set(Permission.objects.filter(content_type__app_label="mailconfig"))
    make_user("root", is_superuser=True)
    make_paused(tenant)
    delivery.sweep()
    assert addresses() == ["anna@example.com"]


def test_members_are_told_whose_group_may_change_it_and_superusers_among_them(tenant: Tenant) -> None:
    group = Group.objects.create(name="mail")
    group.permissions.add(Permission.objects.get(codename="change_smtpprovider"))
    gina, root = make_user("gina"), make_user("root", is_superuser=True)
    gina.groups.add(group)
    tenant.members.add(gina, root)
    make_paused(tenant)
    delivery.sweep()
    assert addresses() == ["anna@example.com", "gina@example.com", "root@example.com"]


def test_each_tenants_people_hear_of_their_own_accounts(tenant: Tenant) -> None:
    other = make_tenant()
    make_administrator(other, "bob")
    make_teller()
    make_paused(tenant, name="Annas account")
    make_paused(other, name="Bobs account")
    delivery.sweep()
    found = {str(mail["To"]): text_of(mail) for mail in queued()}
    assert set(found) == {"anna@example.com", "bob@example.com"}
    assert "Bobs" not in found["anna@example.com"]
    assert "Annas" not in found["bob@example.com"]


def test_ten_members_are_told_at_most(tenant: Tenant) -> None:
    for number in range(15):
        make_administrator(tenant, f"admin{number:02}")
    make_paused(tenant)
    delivery.sweep()
    assert len(queued()) == 10
    assert "anna@example.com" in addresses()


@pytest.mark.parametrize("entries", [["ops@example.com"], [("Ops", "ops@example.com")]])
def test_an_account_of_nobody_is_told_of_to_the_projects_administrators(
    settings: Any, entries: list[Any]
) -> None:
    settings.ADMINS = entries
    settings.MANAGERS = ["editors@example.com"]
    make_teller()
    make_paused(None)
    delivery.sweep()
    assert addresses() == ["ops@example.com"]


def test_nobody_is_told_where_nobody_may_change_it(tenant: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    tenant.members.clear()
    account = make_paused(tenant)
    delivery.sweep()
    assert queued() == []
    assert account.lane.notice_queued_at is None
    assert "nobody who may change it has an address" in caplog.text


def test_one_mail_tells_a_person_of_all_that_paused(tenant: Tenant) -> None:
    make_paused(tenant, name="First")
    make_paused(tenant, name="Second")
    delivery.sweep()
    (mail,) = queued()
    assert mail["Subject"] == "2 mail accounts are paused"
    assert "First" in text_of(mail)
    assert "Second" in text_of(mail)


def test_each_person_is_written_to_in_a_language_of_their_own(
    tenant: Tenant, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host's user model may know it."""
    settings.LANGUAGE_CODE = "en"
    languages = {"anna": "ja", "bea": "xx-unknown", "cleo": None}
    monkeypatch.setattr(
        get_user_model(), "language", property(lambda user: languages[user.username]), raising=False
    )
    make_administrator(tenant, "bea")
    make_administrator(tenant, "cleo")
    make_paused(tenant)
    delivery.sweep()
    subjects = {str(mail["To"]): str(mail["Subject"]) for mail in queued()}
    assert subjects.pop("anna@example.com") == "メールアカウント「Front desk」は一時停止しています"
    assert set(subjects.values()) == {"The mail account “Front desk” is paused"}


def test_the_deployments_language_is_that_of_all_others(tenant: Tenant, settings: Any) -> None:
    settings.LANGUAGE_CODE = "ja"
    make_paused(tenant)
    delivery.sweep()
    (mail,) = queued()
    assert "認証に失敗しました" in text_of(mail)
    html = mail.get_body(("html",))
    assert html is not None
    assert '<html lang="ja">' in html.get_content()


def test_the_link_leads_those_to_the_accounts_page_for_whom_it_opens(tenant: Tenant) -> None:
    owner = make_user("olga")
    mine = make_paused(tenant, kind="outbound_email", owner=owner)
    theirs = make_paused(tenant)
    delivery.sweep()
    found = {str(mail["To"]): text_of(mail) for mail in queued()}
    assert f"{BASE}/admin/mailconfig/smtpprovider/{theirs.pk}/change/" in found["anna@example.com"]
    assert BASE not in found["olga@example.com"], f"{mine} is no business of hers in the admin"


def test_an_owner_is_led_to_the_page_where_an_account_is_connected_again(tenant: Tenant) -> None:
    mine = make_paused(tenant, kind="outbound_email", owner=make_user("olga"))
    pause(mine, reason="paused_consent")
    delivery.sweep()
    (mail,) = queued()
    assert f"/connect/{mine.uuid}/" in text_of(mail)


def test_without_an_address_of_the_site_there_is_no_link(tenant: Tenant, on: Callable[..., None]) -> None:
    on(PUBLIC_BASE_URL=None)
    make_paused(tenant)
    delivery.sweep()
    (mail,) = queued()
    assert "http" not in text_of(mail)
    assert "<a " not in mail.as_string()


def test_a_backend_of_the_projects_own_says_whom_it_gives_permissions(tenant: Tenant, settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = [
        "django.contrib.auth.backends.ModelBackend",
        f"{__name__}.Directory",
    ]
    tenant.members.add(make_user("directory"), make_user("other"))
    make_paused(tenant)
    delivery.sweep()
    assert addresses() == ["anna@example.com", "directory@example.com"]
    assert Lane.objects.exclude(noticed_since=None).count() == 1


class Directory:
    """Gives everything to one person."""

    def with_perm(self, perm: str, **kwargs: object) -> QuerySet[Any]:
        """Return that person."""
        return get_user_model()._default_manager.filter(username="directory")
