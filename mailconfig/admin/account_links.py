"""From an account of any kind to its page."""

from __future__ import annotations

from django.contrib.admin import AdminSite
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from mailconfig.models import Account, Mailbox, OutboundEmail, SMTPProvider, TenantMailConfig

KINDS: tuple[type[Account], ...] = (Mailbox, OutboundEmail, SMTPProvider, TenantMailConfig)
MODEL_OF_KIND = {str(model.kind_of_class): model._meta.model_name for model in KINDS}


def account_url(account: Account, site: AdminSite) -> str:
    """The address of the account's page; ``""`` for a deleted one, which has none."""
    model = MODEL_OF_KIND.get(account.kind)
    if model is None or account.deleted_at is not None:
        return ""
    return reverse(f"admin:mailconfig_{model}_change", args=[account.pk], current_app=site.name)


def account_link(account: Account | None, site: AdminSite) -> SafeString | str:
    """Its name, as a link where it has a page."""
    if account is None:
        return "–"
    url = account_url(account, site)
    return format_html('<a href="{}">{}</a>', url, account) if url else str(account)
