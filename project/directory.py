"""A resolver of PII tokens for the demo: a table of people who do not exist, by tenant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

PEOPLE: Mapping[str, Mapping[str, str]] = {
    "acme": {
        "NS-EU-DEMO-1": "anna.example@example.net",
        "NS-EU-DEMO-2": "Your appointment, Anna",
        "NS-EU-DEMO-3": "Dear Anna,\n\nwe look forward to seeing you on Tuesday.\n",
    },
    "globex": {"NS-EU-DEMO-4": "bert.example@example.net"},
}
"""Tenants by their short names, each with its tokens: another tenant's are unknown to it."""


class TableResolver:
    """Looks tokens up in :data:`PEOPLE`; see :class:`mailconfig.resolvers.TokenResolver`."""

    def resolve(self, *, tenant: str, tokens: Sequence[str], seconds: float) -> Mapping[str, str]:
        """Return what this tenant's tokens stand for."""
        table = PEOPLE.get(tenant, {})
        return {token: table[token] for token in tokens if token in table}
