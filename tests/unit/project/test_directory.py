"""The demo's resolver answers a tenant what is its own, and what it answers can be sent."""

from mailconfig.delivery import is_token
from project.directory import PEOPLE, TableResolver


def test_a_tenant_sees_its_own_tokens_only() -> None:
    found = TableResolver().resolve(
        tenant="acme", tokens=("NS-EU-DEMO-1", "NS-EU-DEMO-4", "NS-EU-X-1"), seconds=1
    )
    assert found == {"NS-EU-DEMO-1": "anna.example@example.net"}
    assert TableResolver().resolve(tenant="nobody", tokens=("NS-EU-DEMO-1",), seconds=1) == {}


def test_the_table_has_tokens() -> None:
    assert all(is_token(token) for table in PEOPLE.values() for token in table)
