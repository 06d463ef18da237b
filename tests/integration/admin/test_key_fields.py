"""Fields that name users: any user model will do, also one that is not in the admin or may not be seen."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.widgets import (
    AutocompleteSelect,
    ForeignKeyRawIdWidget,
    ManyToManyRawIdWidget,
    RelatedFieldWidgetWrapper,
)
from django.contrib.auth.models import Permission, User
from django.forms import Field, ModelChoiceField, Select, Widget
from django.http import HttpRequest
from django.test import Client, RequestFactory

from mailconfig.admin.mailboxes import MailboxAdmin
from mailconfig.admin.tenants import TenantAdmin
from mailconfig.models import EventWebhook, Mailbox, Tenant
from tests.factories import make_account, make_mailbox, make_tenant, make_user

from .conftest import permitted
from .neighbours import OURS
from .pages import admin_url, entered


def request_of(user: User) -> HttpRequest:
    """A request as the admin sees it."""
    request = RequestFactory().get("/")
    request.user = user
    return request


def control(field: Field) -> Widget:
    """The field's widget, without the buttons that the admin puts around it."""
    return field.widget.widget if isinstance(field.widget, RelatedFieldWidgetWrapper) else field.widget


def test_without_users_in_the_admin_people_are_named_by_key(alice: User) -> None:
    site = AdminSite(name="bare")
    request = request_of(alice)
    mailbox = MailboxAdmin(Mailbox, site).get_form(request)()
    tenant = TenantAdmin(Tenant, site).get_form(request)()
    assert isinstance(control(mailbox.fields["owner"]), ForeignKeyRawIdWidget)
    assert isinstance(control(tenant.fields["members"]), ManyToManyRawIdWidget)


def test_who_may_see_users_searches_them_and_others_choose_themselves_or_nobody(client: Client) -> None:
    field = client.get(admin_url("mailbox", "add")).context["adminform"].form.fields["owner"]
    assert isinstance(control(field), AutocompleteSelect)

    dave = permitted("dave", "add_mailbox", "view_mailbox")
    field = dave.get(admin_url("mailbox", "add")).context["adminform"].form.fields["owner"]
    assert type(control(field)) is Select
    assert [str(label) for _key, label in field.choices] == ["---------", "dave"]


def test_a_tenant_is_given_its_members(client: Client) -> None:
    carol, tenant = make_user("carol"), make_tenant()
    url = admin_url("tenant", "change", tenant.pk)
    data = {"name": "Acme", "slug": "acme", "is_active": "on", "members": [carol.pk]}

    assert client.post(url, data).status_code == 302

    tenant.refresh_from_db()
    assert (tenant.slug, list(tenant.members.all())) == ("acme", [carol])
    assert "Lower-case letters" in client.post(url, data | {"slug": "Acme!"}).content.decode()


def test_a_tenant_with_accounts_is_not_deleted(client: Client) -> None:
    tenant = make_tenant()
    Mailbox.objects.create(
        name="box", tenant=tenant, from_email="box@example.com", host="127.0.0.1", authentication="none"
    )
    page = client.post(admin_url("tenant", "delete", tenant.pk), {"post": "yes"})
    assert page.status_code == 200
    assert Tenant.objects.filter(pk=tenant.pk).exists()


def test_a_key_is_neither_taken_nor_named_where_one_may_not_see_users(client: Client, db: None) -> None:
    carol = make_user("carol-the-secret")
    names = ("add_mailbox", "view_mailbox", "change_mailbox")
    dave = permitted("dave", *names)
    url = admin_url("mailbox", "add")

    for page in (dave.post(url, {"owner": carol.pk}), dave.get(f"{url}?owner={carol.pk}")):
        assert "carol-the-secret" not in page.content.decode()
    assert "owner" in dave.post(url, {"owner": carol.pk}).context["adminform"].form.errors

    # What is stored stays, and is named as in the list; nobody else comes in.
    mailbox = make_mailbox(owner=carol)
    url = admin_url("mailbox", "change", mailbox.pk)
    assert dave.post(url, entered(dave, url, name="renamed")).status_code == 302
    mailbox.refresh_from_db()
    assert (mailbox.name, mailbox.owner) == ("renamed", carol)
    eve = make_user("eve")
    refused = dave.post(url, entered(dave, url, owner=eve.pk))
    assert "owner" in refused.context["adminform"].form.errors


def test_who_may_see_users_that_are_in_no_admin_is_told_whose_a_key_is(db: None) -> None:
    carol, seer = make_user("carol"), make_user("seer", is_staff=True)
    seer.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "add_mailbox"]))
    widget = control(
        MailboxAdmin(Mailbox, AdminSite(name="bare")).get_form(request_of(seer))().fields["owner"]
    )
    assert isinstance(widget, ForeignKeyRawIdWidget)
    assert widget.label_and_url_for_value(carol.pk)[0] == "carol"


def test_who_may_not_see_users_sees_members_by_name_and_makes_nobody_one(db: None) -> None:
    carol, eve, tenant = make_user("carol"), make_user("eve"), make_tenant()
    dave = permitted("dave", "view_tenant", "change_tenant")
    tenant.members.set([carol, User.objects.get(username="dave")])
    url = admin_url("tenant", "change", tenant.pk)
    page = dave.get(url)
    assert "carol, dave" in page.content.decode()
    assert "members" not in page.context["adminform"].form.fields
    data = {"name": "Acme", "slug": "acme", "is_active": "on", "members": [eve.pk]}
    assert dave.post(url, data).status_code == 302
    assert set(tenant.members.all()) == {carol, User.objects.get(username="dave")}


LIMITED = {"tenantless": (), "member": (), "seer": ("see_all_tenants",)}


@pytest.mark.parametrize("role", LIMITED)
@pytest.mark.parametrize("page", OURS.values(), ids=lambda page: page.opts.model_name)
def test_no_form_has_a_bare_key_for_who_sees_neither_users_nor_tenants(
    page: ModelAdmin[Any], role: str, db: None
) -> None:
    """Whatever tables a form refers to: each field that leads to another row is searched or chosen, never a number."""
    model = str(page.opts.model_name)
    names = [f"{verb}_{model}" for verb in ("add", "change", "view")]
    known = Permission.objects.filter(codename__in=names).values_list("codename", flat=True)
    browser = permitted("dave", *known, *LIMITED[role])
    if role == "member":
        make_tenant().members.add(User.objects.get(username="dave"))
    answer = browser.get(admin_url(model, "add"))
    if answer.status_code != 200 or "adminform" not in answer.context:
        assert answer.status_code in {302, 403} or model == "account"
        return
    for name, field in answer.context["adminform"].form.fields.items():
        if isinstance(field, ModelChoiceField):
            assert isinstance(control(field), Select), name
            assert not isinstance(control(field), ForeignKeyRawIdWidget), name


def test_an_event_webhook_is_added_by_who_can_search_for_its_account(db: None) -> None:
    names = ("view_eventwebhook", "add_eventwebhook")
    url = admin_url("eventwebhook", "add")
    assert permitted("dave", *names).get(url).status_code == 403
    erin = permitted("erin", *names, "view_mailbox")
    field = erin.get(url).context["adminform"].form.fields["account"]
    assert isinstance(control(field), AutocompleteSelect)
    mailbox, provider = make_mailbox(), make_account(kind="smtp_provider")
    for account, status in ((provider, 200), (mailbox, 302)):
        sent = {"account": account.pk, "service": "brevo"}
        assert erin.post(url, sent).status_code == status, "accounts of kinds that one may not see are none"
    assert EventWebhook.objects.get().account_id == mailbox.pk
