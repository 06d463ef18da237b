"""``{% mailconfig_troubles %}``: what somebody has to see to. Any admin template may show it."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import Context

register = template.Library()


@register.inclusion_tag("admin/mailconfig/troubles.html", takes_context=True)
def mailconfig_troubles(context: Context) -> dict[str, Any]:
    """Accounts that stopped, and whether anything sends at all; nothing for those who may not see accounts."""
    # Django imports this module in every project; only one with the admin can show what it shows.
    from django.contrib import admin

    from mailconfig.admin.troubles import troubles_for

    request = context.get("request")
    return troubles_for(request, admin.site) if request is not None else {}
