"""Filling in and sending the admin's forms."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.urls import reverse

LOGIN = "bob@example.com"
SECRET = "not-a-real-password-of-bob"


def admin_url(model: str, page: str = "changelist", *args: Any) -> str:
    """The address of a page of the admin."""
    return reverse(f"admin:mailconfig_{model}_{page}", args=args)


def entered(client: Client, url: str, **changes: Any) -> dict[str, Any]:
    """What a browser would send from the form at ``url``, with what a person changes in it."""
    page = client.get(url).context
    form = page["adminform"].form
    shown = {name: form[name].value() for name in form.fields}
    for name, field in form.fields.items():
        if field.show_hidden_initial:
            shown[form.add_initial_prefix(name)] = str(form[name].initial)
    for inline in page["inline_admin_formsets"]:
        for part in (inline.formset.management_form, *inline.formset.initial_forms):
            shown |= {part.add_prefix(name): part[name].value() for name in part.fields}
    kept = {name: value for name, value in shown.items() if value is not None and value is not False}
    data = kept | changes
    return {name: value for name, value in data.items() if value is not None}


def values(port: int, **changes: Any) -> dict[str, Any]:
    """The fields that connect to a server on loopback."""
    return {
        "name": "Bob's mail",
        "from_email": LOGIN,
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
        "authentication": "password",
        "username": LOGIN,
        "secret": SECRET,
        **changes,
    }
