"""``{% mailconfig_attention %}``: the banner of what needs attention. Any admin template may show it.

``{% mailconfig_dashboard %}``: the figures of the last day; with ``mailconfig/dashboard.css`` and ``dashboard.js``.

``{% mailconfig_tool_role "form" %}`` belongs into the ``<li>`` of a page's tool, ``"list"`` into that of a list's.

``{{ moment|mailconfig_exact }}`` is a moment with seconds, ``mailconfig_exact:"time"`` its time alone.

``{% mailconfig_without_failover accounts %}`` is for the pages that ask whether accounts are to be deleted.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import template
from django.db.models import Model
from django.template import Context
from django.utils.safestring import mark_safe

if TYPE_CHECKING:
    from mailconfig.models import Account

register = template.Library()


@register.inclusion_tag("admin/mailconfig/attention.html", takes_context=True)
def mailconfig_attention(context: Context) -> dict[str, Any]:
    """Return the accounts that stopped, and whether anything sends; nothing for those who may not see accounts."""
    # Django imports this module in every project; only one with the admin can show what it shows.
    from django.contrib import admin

    from mailconfig.admin.attention import attention_for

    request = context.get("request")
    return attention_for(request, admin.site) if request is not None else {}


@register.inclusion_tag("admin/mailconfig/dashboard_figures.html", takes_context=True)
def mailconfig_dashboard(context: Context) -> dict[str, Any]:
    """Return the figures of the accounts that this person may see; nothing for those who may not see the dashboard."""
    from django.contrib import admin

    from mailconfig.admin.dashboard import figures_for

    request = context.get("request")
    return figures_for(request, admin.site) if request is not None else {}


@register.filter
def mailconfig_exact(moment: datetime | None, part: str = "") -> str:
    """Return a moment with seconds, in the language's own way; ``"time"``: without its date. Empty where there is none."""
    from mailconfig.admin.durations import exact_text

    return exact_text(moment, has_date=part != "time") if moment else ""


@register.simple_tag
def mailconfig_tool_role(page: str) -> str:
    """Return the attribute of a tool that the theme draws outside any list; nothing where it draws one around."""
    from mailconfig.admin.themes import TOOLS_IN_LISTS

    return "" if page in TOOLS_IN_LISTS else mark_safe(' role="none"')


@register.inclusion_tag("admin/mailconfig/without_failover.html", takes_context=True)
def mailconfig_without_failover(context: Context, going: Account | Iterable[Account]) -> dict[str, Any]:
    """Return the accounts that nobody stands in for once one or several are deleted."""
    from django.contrib import admin

    from mailconfig.admin.account_links import account_url
    from mailconfig.delivery import accounts_without_failover

    rows = [going] if isinstance(going, Model) else list(going)
    found, hidden = accounts_without_failover([row.pk for row in rows], context["request"].user)
    named = [{"name": str(account), "url": account_url(account, admin.site)} for account in found]
    return {"accounts": named, "hidden": hidden}
