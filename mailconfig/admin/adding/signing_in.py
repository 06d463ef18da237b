"""The buttons by which somebody signs in at the mail service instead of entering a password."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from mailconfig.admin.oauth2_login import may_choose
from mailconfig.admin.typed import user_of
from mailconfig.admin.within_reach import rows_within_reach
from mailconfig.models import OAuth2Client
from mailconfig.presets import PRESETS

MOST_BUTTONS = 5


def sign_ins_for(request: HttpRequest) -> list[dict[str, Any]]:
    """Return a button for each app registration of a known service that this person may choose; which fit, the preset tells."""
    if not may_choose(user_of(request)):
        return []
    try:
        reverse("mailconfig-oauth2-callback")
    except NoReverseMatch:  # the project has not included the pages on which one signs in
        return []
    providers = {preset.signs_in_by for preset in PRESETS.values()} - {""}
    chosen = PRESETS.get(request.POST.get("preset", ""))
    known = OAuth2Client.objects.filter(provider__in=providers).only("name", "provider")
    clients = rows_within_reach(known, request)
    return [
        {
            "client": client.pk,
            "provider": client.provider,
            "label": _("Sign in with %(registration)s instead of a password") % {"registration": client.name},
            "fits": chosen is not None and chosen.signs_in_by == client.provider,
        }
        for client in clients[:MOST_BUTTONS]
    ]
