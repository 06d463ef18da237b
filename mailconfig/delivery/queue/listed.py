"""Looking addresses up in the suppression list: in SQL of our own, and through the ORM.

Which entries count, the kind of the mail says. Transactional mail asks for none; ordinary mail for those by which an
address cannot be reached, or which somebody wrote by hand; bulk mail for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mailconfig.incoming.addresses import normalised
from mailconfig.models import (
    NO_TENANT,
    UNREACHABLE,
    MessageKind,
    Suppression,
    tenant_key,
)

_MOST_AT_ONCE = 400
"""Values in one statement; every database takes so many."""


def code_of(reason: str) -> str:
    """Return the error code of what is not sent for this reason."""
    return f"suppressed_{reason}"


def listed_sql(message: str, address: str) -> str:
    """SQL that selects the reasons for which an address is on the list, as far as they count for a message.

    Its rows are found by the index of the list's constraint, two look-ups for an address. Recipients' addresses are ASCII, and
    small letters are made of it as Python makes them, whatever the database's locale: in Turkish an I would be no i.
    Compared is by the collation of the index, without which it would not serve.

    Args:
        message: name of a row with ``tenant_id`` and ``kind``.
        address: SQL of the recipient's address.
    """
    small = f'(lower({address} COLLATE "C") COLLATE "default")'
    unreachable = ", ".join(f"'{reason.value}'" for reason in UNREACHABLE)
    return f"""
        SELECT entry.reason FROM mailconfig_suppression AS entry
         WHERE COALESCE(entry.tenant_id, {NO_TENANT}) = COALESCE({message}.tenant_id, {NO_TENANT})
           AND entry.address IN ({small}, split_part({small}, '@', -1))
           AND ({message}.kind = {MessageKind.BULK.value} OR entry.reason IN ({unreachable}))
    """  # noqa: S608 - names, and words of our own


def find_listed(tenant_id: int | None, kind: int, addresses: Iterable[str]) -> dict[str, str]:
    """Return which of the addresses a mail of this kind does not go to, each with the reason, the first by its name.

    Args:
        tenant_id: whose list; ``None``: that of no tenant.
        kind: a :class:`~mailconfig.models.MessageKind`.
        addresses: as recipients have them.
    """
    if kind == MessageKind.TRANSACTIONAL:
        return {}
    entries = {address: _entries(address) for address in addresses}
    wanted = sorted({entry for each in entries.values() for entry in each})
    found: dict[str, str] = {}
    for start in range(0, len(wanted), _MOST_AT_ONCE):
        found |= _reasons(tenant_id, kind, wanted[start : start + _MOST_AT_ONCE])
    listed = {
        address: min((found[entry] for entry in each if entry in found), default="")
        for address, each in entries.items()
    }
    return {address: reason for address, reason in listed.items() if reason}


def _reasons(tenant_id: int | None, kind: int, wanted: Sequence[str]) -> dict[str, str]:
    rows = Suppression.objects.alias(whose=tenant_key()).filter(
        whose=tenant_id or NO_TENANT, address__in=wanted
    )
    if kind != MessageKind.BULK:
        rows = rows.filter(reason__in=UNREACHABLE)
    found: dict[str, str] = {}
    for address, reason in rows.values_list("address", "reason"):
        found[address] = min(found.get(address, reason), reason)
    return found


def _entries(address: str) -> tuple[str, str]:
    """Return the entries that would stop mail to an address: its own, and its domain's."""
    whole = normalised(address)
    return whole, whole.rpartition("@")[2]
