"""Form controls that carry data for the page's scripts, so that no page needs an inline script."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from mailconfig.presets import PRESETS, Preset


class PresetSelect(forms.Select):
    """A choice of mail services; what each fills in is in ``data-presets`` when the page is drawn."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        data = {key: _as_json(preset) for key, preset in PRESETS.items()}
        return super().get_context(name, value, {**(attrs or {}), "data-presets": json.dumps(data)})


def preset_choices(stored: str = "") -> list[tuple[str, Any]]:
    """The services, and the stored one if it is none of them."""
    choices: list[tuple[str, Any]] = [("", _("choose to fill in server, port and encryption"))]
    choices += [(key, preset.label) for key, preset in PRESETS.items()]
    return choices if stored in dict(choices) else [*choices, (stored, stored)]


def _as_json(preset: Preset) -> dict[str, Any]:
    return {
        "host": preset.host,
        "port": preset.port,
        "security": preset.security.value,
        "imap_host": preset.imap_host,
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
