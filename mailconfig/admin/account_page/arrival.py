"""“Will it arrive?”: SPF, DKIM and DMARC in a sentence each, with the record to add. Looked up when somebody asks, never with a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from mailconfig.admin.typed import AccountModelAdmin, user_of
from mailconfig.delivery import Arrival, look_at_arrival, may_look_at_arrival
from mailconfig.exceptions import Throttled

GOOD, DOUBT, BAD, UNKNOWN = "ok", "waits", "paused", "unproved"
"""Marks of the state of an account, which look the same here."""


@dataclass(frozen=True, slots=True)
class Card:
    """Findings about one of the three.

    Attributes:
        title: its name.
        mark: how good that is, as a mark and a colour.
        state: the same in a word.
        sentence: what it means.
        record: what DNS says now.
        name, value: the TXT record to add or to change; empty: none.
    """

    title: str
    mark: str
    sentence: str
    record: str = ""
    name: str = ""
    value: str = ""

    @property
    def state(self) -> str:
        """The mark in a word."""
        words = {GOOD: _("good"), DOUBT: _("look at it"), BAD: _("wrong"), UNKNOWN: _("not known")}
        return words[self.mark]


class ArrivalActions(AccountModelAdmin):
    """Adds the page. Whoever may test an account's connection may have its domains looked up."""

    def get_urls(self) -> list[URLPattern]:
        """The admin's own, after ours."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_arrival"
        ours = path("<path:object_id>/arrival/", self.admin_site.admin_view(self.arrival_view), name=name)
        return [ours, *super().get_urls()]

    @transaction.non_atomic_requests
    def arrival_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Look the domains up, and show what was found."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        account = self.get_object(request, unquote(object_id))
        if account is None:
            raise Http404
        allowed = user_of(request).has_perm("mailconfig.test_account")
        if not (allowed and self.has_view_permission(request, account)):
            raise PermissionDenied
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        account_url = reverse(name, args=[quote(account.pk)], current_app=self.admin_site.name)
        found = None
        if may_look_at_arrival():
            try:
                found = look_at_arrival(account, requested_by=user_of(request))
            except Throttled as error:
                self.message_user(request, str(error), messages.ERROR)
                return HttpResponseRedirect(account_url)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": _("Will it arrive?"),
            "subtitle": str(account),
            "opts": self.opts,
            "original": account,
            "media": self.media,
            "is_installed": may_look_at_arrival(),
            "arrival": found,
            "cards": [_spf(found), _dkim(found), _dmarc(found)] if found else [],
            "account_url": account_url,
        }
        return TemplateResponse(request, "admin/mailconfig/account_arrival.html", context)


def _spf(found: Arrival) -> Card:
    spf, domain = found.spf, found.envelope_domain
    mechanism = f"include:{found.include}" if found.include else f"a:{found.host}" if found.host else "…"
    words: dict[str, tuple[str, str]] = {
        "passes": (GOOD, _("%(domain)s says that this server may send for it.")),
        "not_listed": (
            BAD,
            _("%(domain)s lists who may send for it, and this server is not among them: add it."),
        ),
        "unsure": (
            DOUBT,
            _("%(domain)s has a record, but whether this server falls under it cannot be told from here."),
        ),
        "no_record": (
            BAD,
            _("%(domain)s does not say who may send for it, so anybody might: add a record."),
        ),
        "several": (BAD, _("%(domain)s has more than one SPF record, so none counts: make one of them.")),
        "broken": (
            BAD,
            _("The SPF record of %(domain)s, or one that it includes, has an error, so it does not count."),
        ),
        "too_many": (
            BAD,
            _(
                "The SPF record of %(domain)s takes more than ten look-ups, so it does not count: include less."
            ),
        ),
        "unanswered": (UNKNOWN, _("The name servers gave no answer about %(domain)s: try again later.")),
    }
    mark, sentence = words[spf.outcome]
    sentence %= {"domain": domain}
    if spf.record and spf.outcome in {"passes", "not_listed", "unsure"}:
        sentence += " " + _("It takes %(count)s of ten look-ups.") % {"count": spf.lookups}
    value = ""
    if spf.outcome == "no_record":
        value = f"v=spf1 {mechanism} ~all"
    elif spf.outcome == "not_listed":
        value = f"v=spf1 {mechanism} {spf.record[6:].strip()}"
    return Card(_("SPF: who may send"), mark, sentence, spf.record, domain if value else "", value)


def _dkim(found: Arrival) -> Card:
    dkim = found.dkim
    values = {"domain": dkim.domain, "selector": dkim.selector, "tried": ", ".join(dkim.tried)}
    words: dict[str, tuple[str, str]] = {
        "found": (
            GOOD,
            _(
                "%(domain)s publishes a key for signatures (selector %(selector)s). That mails are signed with it is the"
                " server's part: the header of a test mail says so."
            ),
        ),
        "revoked": (
            BAD,
            _(
                "The key of %(domain)s (selector %(selector)s) was taken back: signatures with it do not count."
            ),
        ),
        "not_found": (
            DOUBT,
            _(
                "No key was found. Each server chooses the name under which its key is, so there may be one all the same:"
                " we looked under %(tried)s. Switch DKIM on at the mail service; it shows the record to add."
            ),
        ),
        "unanswered": (UNKNOWN, _("The name servers gave no answer about %(domain)s: try again later.")),
    }
    mark, sentence = words[dkim.outcome]
    return Card(_("DKIM: signatures"), mark, sentence % values)


def _dmarc(found: Arrival) -> Card:
    dmarc = found.dmarc
    title = _("DMARC: what becomes of mail that fails both")
    record = f"v=DMARC1; p=none; rua=mailto:postmaster@{dmarc.domain}"
    name = f"_dmarc.{dmarc.domain}"
    values = {"domain": dmarc.domain, "envelope": found.envelope_domain}
    if dmarc.outcome == "no_record":
        sentence = _(
            "%(domain)s says nothing. Large services want a policy of those who send much: begin with one that only"
            " asks for reports."
        )
        return Card(title, DOUBT, sentence % values, "", name, record)
    if dmarc.outcome == "unanswered":
        sentence = _("The name servers gave no answer about %(domain)s: try again later.")
        return Card(title, UNKNOWN, sentence % values)
    if dmarc.outcome != "found":
        sentence = _("The DMARC record of %(domain)s is broken, or there is more than one: none counts.")
        return Card(title, BAD, sentence % values, dmarc.record, name, record)
    policies = {
        "none": _("Mail that fails SPF and DKIM is delivered all the same, and reported."),
        "quarantine": _("Mail that fails SPF and DKIM goes to spam."),
        "reject": _("Mail that fails SPF and DKIM is refused."),
    }
    sentence = policies[dmarc.policy]
    if not dmarc.is_aligned:
        sentence += " " + _(
            "Bounces of this account go to %(envelope)s, which is not %(domain)s, so SPF does not count here: the mail"
            " needs a DKIM signature of %(domain)s."
        )
    is_safe = dmarc.is_aligned or dmarc.policy == "none"
    return Card(title, GOOD if is_safe else DOUBT, sentence % values, dmarc.record)
