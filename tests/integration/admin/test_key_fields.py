"""Fields that name users: any user model will do, also one that is not in the admin or may not be seen."""

from __future__ import annotations

from django.contrib.admin import AdminSite
from django.contrib.admin.widgets import (
    AutocompleteSelect,
    ForeignKeyRawIdWidget,
    ManyToManyRawIdWidget,
    RelatedFieldWidgetWrapper,
)
from django.contrib.auth.models import Permission, User
from django.forms import Field, Widget
from django.http import HttpRequest
from django.test import Client, RequestFactory

from mailconfig.admin.mailboxes import MailboxAdmin
from mailconfig.admin.tenants import TenantAdmin
from mailconfig.models import Mailbox, Tenant
from tests.factories import make_tenant, make_user

from .conftest import permitted
from .pages import admin_url


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


def test_who_may_see_users_searches_them_and_others_name_them_by_key(client: Client) -> None:
    field = client.get(admin_url("mailbox", "add")).context["adminform"].form.fields["owner"]
    assert isinstance(control(field), AutocompleteSelect)

    dave = permitted("dave", "add_mailbox", "view_mailbox")
    field = dave.get(admin_url("mailbox", "add")).context["adminform"].form.fields["owner"]
    assert isinstance(control(field), ForeignKeyRawIdWidget)


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


def test_a_key_tells_nobody_whose_it_is_who_may_not_see_users(client: Client, db: None) -> None:
    carol = make_user("carol-the-secret")
    dave = permitted("dave", "add_mailbox", "view_mailbox")
    permitted("seer", "add_mailbox", "view_mailbox")
    seer_user = User.objects.get(username="seer")
    seer_user.user_permissions.add(Permission.objects.get(codename="view_user"))
    site = AdminSite(name="bare")  # users are in no admin here, so even who may see them names them by key

    page = dave.post(admin_url("mailbox", "add"), {"owner": carol.pk}).content.decode()
    assert f'value="{carol.pk}"' in page
    assert "carol-the-secret" not in page
    for user, label in ((User.objects.get(username="dave"), ""), (seer_user, "carol-the-secret")):
        form = MailboxAdmin(Mailbox, site).get_form(request_of(user))
        widget = control(form.base_fields["owner"])
        assert isinstance(widget, ForeignKeyRawIdWidget)
        assert widget.label_and_url_for_value(carol.pk)[0] == label
