"""Form controls that carry data for the page's scripts, so that no page needs an inline script."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from mailconfig.mail_services import MAIL_SERVICES
from mailconfig.presets import PRESETS, Preset
from mailconfig.values import Security

BY_HTTP = "_http"
"""Ends the choice of a service's own interface, which fills in the form and is not stored: the send method is."""


class PresetSelect(forms.Select):
    """A choice of mail services; what each fills in is in ``data-presets`` when the page is drawn."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        data = {key: _as_json(preset) for key, preset in PRESETS.items()}
        data |= {f"{name}{BY_HTTP}": _by_http(name) for name in MAIL_SERVICES}
        return super().get_context(name, value, {**(attrs or {}), "data-presets": json.dumps(data)})


def preset_choices(stored: str = "", *, send_methods: Collection[str] = ()) -> list[tuple[str, Any]]:
    """The services, those of ``send_methods`` by their own interface as well, and the stored one if it is none of them."""
    choices: list[tuple[str, Any]] = [("", _("choose to fill in server, port and encryption"))]
    choices += [(key, preset.label) for key, preset in PRESETS.items()]
    choices += [
        (f"{name}{BY_HTTP}", _("%(service)s, by its own interface") % {"service": service.label})
        for name, service in MAIL_SERVICES.items()
        if name in send_methods
    ]
    return choices if stored in dict(choices) else [*choices, (stored, stored)]


def _by_http(name: str) -> dict[str, Any]:
    """Return what the choice of a service's own interface fills in; what it calls its settings stands at the send method."""
    return {"host": "", "port": 443, "security": Security.TLS.value, "send_method": name, "note": ""}


def _as_json(preset: Preset) -> dict[str, Any]:
    return {
        "host": preset.host,
        "port": preset.port,
        "security": preset.security.value,
        "imap_host": preset.imap_host,
        "label": str(preset.label),
        "domains": preset.domains,
        "username": preset.username,
        "signs_in_by": preset.signs_in_by,
        "refuses_passwords": preset.refuses_passwords,
        "note": " ".join([str(preset.note), *_service_limits(preset)]),
    }


def _service_limits(preset: Preset) -> list[str]:
    """Return the service's own limits in words; empty: none are known."""
    if preset.per_minute and preset.per_day:
        return [
            _("It takes at most %(minute)s mails a minute and %(day)s recipients a day.")
            % {"minute": preset.per_minute, "day": preset.per_day}
        ]
    if preset.per_day:
        return [_("It takes at most %(day)s recipients a day.") % {"day": preset.per_day}]
    return []
