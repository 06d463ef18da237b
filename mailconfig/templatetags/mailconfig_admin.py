"""``{% mailconfig_attention %}``: the banner of what needs attention. Any admin template may show it."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import Context

register = template.Library()


@register.inclusion_tag("admin/mailconfig/attention.html", takes_context=True)
def mailconfig_attention(context: Context) -> dict[str, Any]:
    """Return the accounts that stopped, and whether anything sends; nothing for those who may not see accounts."""
    # Django imports this module in every project; only one with the admin can show what it shows.
    from django.contrib import admin

    from mailconfig.admin.attention import attention_for

    request = context.get("request")
    return attention_for(request, admin.site) if request is not None else {}
