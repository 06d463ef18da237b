"""App registrations as system checks look at them: are they of use with the settings as they are?"""

from __future__ import annotations

from django.db.models import Q

from mailconfig.delivery.web import why_not_reached
from mailconfig.models import OAuth2Client, OAuth2GrantType


def does_somebody_sign_in() -> bool:
    """Return whether there is an app registration for which somebody signs in, or that no account uses yet."""
    wanted = Q(grants=None) | Q(grants__grant_type=OAuth2GrantType.AUTHORIZATION_CODE)
    return OAuth2Client.objects.filter(wanted).exists()


def unreachable_registrations() -> list[tuple[str, str]]:
    """Name the app registrations whose token endpoint may not be asked, each with the reason. Nothing is connected."""
    found = [
        (str(client), why_not_reached(client.token_url())) for client in OAuth2Client.objects.defer("secret")
    ]
    return [(name, why) for name, why in found if why]
