"""Tenant staff see their tenant only, on every page and by every address; asked of all pages that the admin has of ours."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from mailconfig.admin import within_reach
from mailconfig.admin.within_reach import WithinReach
from mailconfig.models import (
    Account,
    Attempt,
    Mailbox,
    Message,
    OAuth2Client,
    SMTPProvider,
    Suppression,
    Tenant,
    Worker,
)
from mailconfig.models.access import has_rule
from tests.factories import make_mailbox

from .neighbours import OURS, browser_of, make_neighbours, text_of
from .pages import admin_url, values

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]

Rows = dict[str, dict[type[Model], Model]]


@pytest.fixture
def rows(db: None) -> Rows:
    return make_neighbours()


@pytest.fixture
def acme(rows: Rows) -> Tenant:
    tenant = rows["acme"][Tenant]
    assert isinstance(tenant, Tenant)
    return tenant


@pytest.fixture
def staff(acme: Tenant) -> Client:
    """Has every permission but the one to see all tenants, and belongs to acme."""
    return browser_of("staff", of=acme)


def name_of(model: type[Model]) -> str:
    return str(model._meta.model_name)


PAGES: list[type[Model]] = sorted(OURS, key=lambda model: str(model._meta.model_name))


def test_every_admin_of_ours_goes_by_the_rule(rows: Rows) -> None:
    for model, page in OURS.items():
        assert isinstance(page, WithinReach), model
        assert has_rule(model), model
    made = {model for of_one in rows.values() for model in of_one}
    assert made >= set(OURS) - {Account}, "each table of the admin has its row in this test's world"


@pytest.mark.parametrize("model", PAGES, ids=name_of)
def test_a_list_shows_searches_and_counts_what_is_of_ones_tenant(
    model: type[Model], rows: Rows, staff: Client
) -> None:
    url = admin_url(name_of(model))
    asking: tuple[dict[str, str], ...] = ({}, {"q": "zebra"}, {"q": "example"})
    for asked in asking:
        page = staff.get(url, query_params=asked)
        assert page.status_code == 200
        found = {row.pk for row in page.context["cl"].result_list}
        foreign = {of[model].pk for word, of in rows.items() if word != "acme" and model in of}
        assert not found & foreign, asked
        if not asked:
            if model in rows["acme"]:
                assert rows["acme"][model].pk in found
            assert page.context["cl"].result_count == len(found)
        assert "zebra ltd" not in text_of(page)
        assert "zebra mailbox" not in text_of(page)  # in no filter either


@pytest.mark.parametrize("model", PAGES, ids=name_of)
def test_what_is_anothers_is_not_there_by_any_address(model: type[Model], rows: Rows, staff: Client) -> None:
    for of_another in (rows["zebra"], rows["nobody"]):
        if model not in of_another:
            continue
        key = of_another[model].pk
        # Each address of this page's that names a row, whatever it does.
        patterns = [
            one for one in OURS[model].get_urls() if one.name and "object_id" in one.pattern.converters
        ]
        for pattern in patterns:
            extra = {name: "cancel" for name in pattern.pattern.converters if name != "object_id"}
            url = reverse(f"admin:{pattern.name}", kwargs={"object_id": key, **extra})
            for answer in (staff.get(url), staff.post(url, {"post": "yes"})):
                # Django leads to the index from what is not there.
                assert answer.status_code in {302, 403, 404, 405}, url
                if answer.status_code == 302:
                    assert answer["Location"] in {reverse("admin:index"), admin_url("message")}, url
    assert all(model.objects.filter(pk=of[model].pk).exists() for of in rows.values() if model in of)  # type: ignore[attr-defined]


def test_an_action_over_all_that_is_selected_leaves_other_tenants_alone(rows: Rows, staff: Client) -> None:
    keys = [of[Suppression].pk for of in rows.values()]
    data = {"action": "delete_selected", "_selected_action": keys, "select_across": "1", "post": "yes"}
    staff.post(admin_url("suppression"), data)
    assert set(Suppression.objects.values_list("note", flat=True)) == {"zebra", "nobody"}

    exported = staff.post(
        admin_url("suppression"), {"action": "export_as_csv", "_selected_action": keys, "select_across": "1"}
    )
    assert exported.status_code == 302 or b"zebra" not in exported.getvalue()

    cancelled = {"action": "cancel", "_selected_action": "1", "select_across": "1", "confirmed": "1"}
    staff.post(admin_url("message"), cancelled)
    of_message = {word: of[model] for word, of in rows.items() for model in of if name_of(model) == "message"}
    states = {}
    for word, message in of_message.items():
        message.refresh_from_db()
        states[word] = message.state  # type: ignore[attr-defined]
    assert states == {"acme": "cancelled", "zebra": "queued", "nobody": "queued"}


def test_choices_offer_ones_own_tenant_and_take_no_other(rows: Rows, acme: Tenant, staff: Client) -> None:
    zebra = rows["zebra"][Tenant]
    found = staff.get(
        reverse("admin:autocomplete"),
        {"app_label": "mailconfig", "model_name": "mailbox", "field_name": "tenant", "term": ""},
    )
    assert "zebra" not in text_of(found)
    form = staff.get(admin_url("smtpprovider", "add")).context["adminform"].form
    assert [str(label) for _key, label in form.fields["tenant"].choices] == ["acme ltd"]

    data = values(2525, name="new", authentication="none", secret="", username="", _save_untested="1")
    refused = staff.post(admin_url("smtpprovider", "add"), {**data, "tenant": zebra.pk})
    assert "tenant" in refused.context["adminform"].form.errors
    # The only one there is need not be chosen.
    assert staff.post(admin_url("smtpprovider", "add"), data).status_code == 302
    made = SMTPProvider.objects.get(name="new")
    assert made.tenant == acme

    # Nor is it moved to another tenant, or to none.
    url = admin_url("smtpprovider", "change", made.pk)
    data["seen_revision"] = made.revision
    for tenant in (zebra.pk, ""):
        staff.post(url, {**data, "tenant": tenant})
        assert SMTPProvider.objects.get(name="new").tenant == acme


def test_a_new_account_is_offered_no_other_tenants_app_registration(rows: Rows, staff: Client) -> None:
    form = staff.get(admin_url("outboundemail", "add")).context["adminform"].form

    assert set(form.fields["oauth2_client"].queryset) == {rows[of][OAuth2Client] for of in ("acme", "nobody")}


def test_of_several_tenants_one_has_to_be_chosen(rows: Rows, acme: Tenant, staff: Client) -> None:
    second = Tenant.objects.create(name="second ltd", slug="second")
    second.members.add(User.objects.get(username="staff"))
    data = values(2525, name="new", authentication="none", secret="", username="", _save_untested="1")

    refused = staff.post(admin_url("smtpprovider", "add"), data)
    assert "tenant" in refused.context["adminform"].form.errors
    assert staff.post(admin_url("smtpprovider", "add"), {**data, "tenant": second.pk}).status_code == 302
    assert SMTPProvider.objects.get(name="new").tenant == second


def test_a_key_that_was_typed_is_not_named_where_it_is_anothers(rows: Rows, staff: Client) -> None:
    foreign = rows["zebra"][Mailbox]
    page = staff.post(admin_url("eventwebhook", "add"), {"account": foreign.pk, "service": "brevo"})
    assert page.status_code == 200
    assert "zebra" not in text_of(page)
    own = rows["acme"][Mailbox]
    page = staff.post(admin_url("eventwebhook", "add"), {"account": own.pk, "service": ""})
    assert "acme mailbox" in text_of(page)


def test_who_belongs_to_no_tenant_sees_what_belongs_to_none(rows: Rows) -> None:
    frank = browser_of("frank")
    for model in OURS:
        if model in {Tenant, Account} or model not in rows["nobody"]:
            continue
        page = frank.get(admin_url(name_of(model)))
        found = {row.pk for row in page.context["cl"].result_list}
        assert rows["nobody"][model].pk in found, model
        assert not found & {rows[word][model].pk for word in ("acme", "zebra") if model in rows[word]}, model


def test_superusers_and_who_may_see_all_tenants_see_everything(client: Client, rows: Rows) -> None:
    grace = browser_of("grace", "see_all_tenants", "view_mailbox", "view_message", "view_worker")
    for browser in (client, grace):
        for model in (model for model in OURS if name_of(model) in {"mailbox", "message", "worker"}):
            page = browser.get(admin_url(name_of(model)))
            found = {row.pk for row in page.context["cl"].result_list}
            assert found >= {of[model].pk for of in rows.values() if model in of}
    assert Worker.objects.exists()


@pytest.mark.parametrize("model", [Message, Attempt], ids=name_of)
def test_long_lists_ask_for_the_accounts_by_key_where_they_are_few_and_show_the_same_where_they_are_many(
    model: type[Model], rows: Rows, staff: Client, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = admin_url(name_of(model))

    def asked() -> tuple[set[int], list[str]]:
        staff.get(url)
        with CaptureQueriesContext(connection) as captured:
            page = staff.get(url)
        sqls = [query["sql"] for query in captured.captured_queries]
        return {row.pk for row in page.context["cl"].result_list}, sqls

    def by_key(sqls: list[str]) -> bool:
        """No query that finds keys stands within the one that lists."""
        listing = [sql for sql in sqls if f'FROM "{model._meta.db_table}"' in sql and "ORDER BY" in sql]
        assert listing
        return not any('FROM "mailconfig_account" U0' in sql for sql in listing)

    few, statements = asked()
    assert few
    assert by_key(statements)
    for number in range(5):
        make_mailbox(tenant=acme, name=f"more {number}")
    more, with_more = asked()
    assert more == few
    assert len(with_more) == len(statements), "as many for more accounts"
    monkeypatch.setattr(within_reach, "MOST_NAMED", 1)
    many, looked_up = asked()
    assert many == few
    assert not by_key(looked_up)


def test_ones_own_account_is_seen_wherever_it_belongs(rows: Rows, staff: Client) -> None:
    own = Mailbox.objects.get(pk=rows["nobody"][Mailbox].pk)
    own.owner = User.objects.get(username="staff")
    own.save()
    shown: Any = staff.get(admin_url("mailbox", "change", own.pk))
    assert shown.status_code == 200
    # It keeps having no tenant.
    assert shown.context["adminform"].form.fields["tenant"].required is False


def test_the_banner_speaks_of_ones_own_accounts(rows: Rows, staff: Client) -> None:
    for word in ("acme", "zebra"):
        rows[word][Mailbox].lanes.filter(purpose="send").update(wait_reason="paused_login")  # type: ignore[attr-defined]
    page = text_of(staff.get(reverse("admin:app_list", args=["mailconfig"])))
    assert "acme mailbox" in page
    assert "zebra" not in page


def test_nobody_joins_another_tenant_by_the_pages_of_tenants(rows: Rows, acme: Tenant, staff: Client) -> None:
    user = User.objects.get(username="staff")
    zebra = rows["zebra"][Tenant]
    data = {"name": "new", "slug": "new", "is_active": "on", "members": user.pk}
    assert staff.post(admin_url("tenant", "add"), data).status_code == 403
    staff.post(admin_url("tenant", "change", zebra.pk), data)
    assert list(Tenant.objects.filter(members=user)) == [acme]
