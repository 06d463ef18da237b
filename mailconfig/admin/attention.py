"""The banner of what needs attention: accounts that stopped, webhooks that were disabled, and mail that nobody sends."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy

from mailconfig.delivery import StoppedAccount, find_attention
from mailconfig.models import Account, AccountKind, DisabledReason, WaitReason, WebhookEndpoint
from mailconfig.models.access import within_reach

from .account_links import MODEL_OF_KIND, account_url
from .connecting import connect_context
from .durations import moment_text
from .typed import user_of
from .webhooks import visible_webhooks
from .within_reach import sees_deployment

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

SHOWN = 5
ADVICE: dict[str, _StrPromise] = {
    WaitReason.PAUSED_LOGIN: gettext_lazy(
        "Enter the right password and save, or test the connection once the server accepts it."
    ),
    WaitReason.PAUSED_CONFIG: gettext_lazy("Test the connection to see what is wrong, and correct it."),
    WaitReason.PAUSED_SENDER: gettext_lazy(
        "Use an address that this account may send from, or have the server allow it."
    ),
    WaitReason.PAUSED_CONSENT: gettext_lazy("Connect it again: somebody has to sign in and agree."),
    WaitReason.PAUSED_REGISTRATION: gettext_lazy(
        "Look at the app registration: its client secret may have expired. Then save it, or test the connection."
    ),
    WaitReason.PAUSED_PROTOCOL: gettext_lazy("Check server and port, then test the connection."),
    WaitReason.SECRET_UNREADABLE: gettext_lazy("Then save."),
    WaitReason.INTERNAL_ERROR: gettext_lazy("The log says more. All other accounts go on."),
}


def attention_for(request: HttpRequest, site: AdminSite) -> dict[str, Any]:
    """Return what the template shows, as far as this person may see accounts; empty for those who may see none."""
    webhooks = _disabled_webhooks(request, site)
    kinds = _visible_kinds(request)
    if not kinds:
        return {"webhooks": webhooks} if webhooks else {}
    found = find_attention(kinds=kinds, limit=SHOWN, among=within_reach(Account, user_of(request)))
    return {
        "stopped": [_stopped(stopped, site, found.at, request) for stopped in found.stopped],
        "count": found.count,
        "hidden": max(0, found.count - SHOWN),
        "nobody_sends": found.nobody_sends,
        "webhooks": webhooks,
        "failing_steps": [
            {"name": failing.step, "since": moment_text(failing.since, found.at), "text": failing.text}
            for failing in (found.failing_steps if sees_deployment(request) else ())
        ],
    }


def _stopped(stopped: StoppedAccount, site: AdminSite, now: datetime, request: HttpRequest) -> dict[str, Any]:
    is_to_connect = stopped.reason == WaitReason.PAUSED_CONSENT
    return {
        "account": stopped.account,
        "url": account_url(stopped.account, site),
        "text": str(stopped.reason.label),
        "advice": str(ADVICE.get(stopped.reason, "")),
        "since": moment_text(stopped.since, now) if stopped.since else "",
        "words": stopped.words,
        "connect_url": connect_context(request, stopped.account).get("connect_url", "")
        if is_to_connect
        else "",
    }


def _disabled_webhooks(request: HttpRequest, site: AdminSite) -> list[dict[str, Any]]:
    """Return the webhooks that were disabled by themselves, as far as this person may see any."""
    user = user_of(request)
    if not any(user.has_perm(f"mailconfig.{verb}_webhookendpoint") for verb in ("view", "change")):
        return []
    disabled = visible_webhooks(request).exclude(disabled_reason="").order_by("-disabled_at")
    shown = disabled.select_related("tenant").only("url", "description", "disabled_reason", "tenant__name")
    return [_disabled_webhook(endpoint, site) for endpoint in shown[:SHOWN]]


def _disabled_webhook(endpoint: WebhookEndpoint, site: AdminSite) -> dict[str, Any]:
    name = "admin:mailconfig_webhookendpoint_change"
    return {
        "webhook": endpoint,
        "tenant": endpoint.tenant,
        "url": reverse(name, args=[endpoint.pk], current_app=site.name),
        "text": DisabledReason(endpoint.disabled_reason).label,
    }


def _visible_kinds(request: HttpRequest) -> list[str]:
    user = user_of(request)
    return [
        kind
        for kind in AccountKind.values
        if any(user.has_perm(f"mailconfig.{verb}_{MODEL_OF_KIND[kind]}") for verb in ("view", "change"))
    ]
