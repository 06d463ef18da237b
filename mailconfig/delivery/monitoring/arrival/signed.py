"""DKIM keys (RFC 6376) and the DMARC policy (RFC 7489) of a domain."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from mailconfig.transports.network.dns import NameServers

LONGEST = 2000
MOST_SELECTORS = 8
MOST_LABELS = 7
"""Of a domain above the one that is asked first: a name of a hundred labels is no hundred questions."""


class DkimOutcome(StrEnum):
    """Outcomes of looking for keys."""

    FOUND = "found"
    REVOKED = "revoked"
    """A record is there whose key was taken away (RFC 6376 §3.6.1)."""
    NOT_FOUND = "not_found"
    """Under no selector that was tried: the selector is the signer's choice, so there may be another."""
    UNANSWERED = "unanswered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dkim:
    """Findings. ``selector`` is the one under which a key was found; ``tried`` are all."""

    domain: str
    outcome: DkimOutcome
    tried: tuple[str, ...]
    selector: str = ""


class DmarcOutcome(StrEnum):
    """Outcomes of looking for a policy."""

    FOUND = "found"
    NO_RECORD = "no_record"
    SEVERAL = "several"
    BROKEN = "broken"
    UNANSWERED = "unanswered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dmarc:
    """Findings.

    Attributes:
        domain: of the From address.
        found_at: the domain whose record it is: that one, or one above it.
        policy: ``none``, ``quarantine`` or ``reject``; ``""``: none was found.
        is_aligned: whether the envelope sender's domain counts for this From domain, so that SPF helps (§3.1.2).
    """

    domain: str
    outcome: DmarcOutcome
    found_at: str = ""
    record: str = ""
    policy: str = ""
    is_aligned: bool = False


def look_at_dkim(ask: NameServers, domain: str, selectors: Iterable[str]) -> Dkim:
    """Look for a key under the selectors, in their order, at most :data:`MOST_SELECTORS`."""
    tried = tuple(dict.fromkeys(selectors))[:MOST_SELECTORS]
    is_certain, revoked = True, ""
    for selector in tried:
        answer = ask.texts(f"{selector}._domainkey.{domain}")
        is_certain = is_certain and answer.is_certain
        for text in answer.records:
            tags = tags_of(text)
            if tags.get("v", "DKIM1") != "DKIM1" or "p" not in tags:
                continue
            if tags["p"]:
                return Dkim(domain=domain, outcome=DkimOutcome.FOUND, tried=tried, selector=selector)
            revoked = revoked or selector
    if revoked:
        return Dkim(domain=domain, outcome=DkimOutcome.REVOKED, tried=tried, selector=revoked)
    outcome = DkimOutcome.NOT_FOUND if is_certain else DkimOutcome.UNANSWERED
    return Dkim(domain=domain, outcome=outcome, tried=tried)


def look_at_dmarc(ask: NameServers, domain: str, *, envelope_domain: str) -> Dmarc:
    """Find the policy of a domain, or of the nearest domain above it that has one.

    The RFC asks the organisation's domain, by a list of public suffixes; asking one label after another finds the same record
    without that list, and is what its successor does. The organisation is the highest domain with a record, unless that is one
    under which others register theirs and says so (``psd=y``).
    """
    policy: tuple[str, str] | None = None
    organisation = below = domain
    for at in _and_above(domain):
        answer = ask.texts(f"_dmarc.{at}")
        if not answer.is_certain and policy is None:
            return Dmarc(domain=domain, outcome=DmarcOutcome.UNANSWERED)
        found = [text for text in answer.records if _is_policy(text)]
        if len(found) > 1 and policy is None:
            return Dmarc(domain=domain, outcome=DmarcOutcome.SEVERAL, found_at=at)
        if len(found) == 1:
            policy = policy or (at, found[0][:LONGEST])
            of_registry = tags_of(found[0]).get("psd", "").lower()
            organisation = below if of_registry == "y" else at
            if of_registry in {"y", "n"}:
                break
        below = at
    if policy is None:
        is_aligned = _is_aligned(domain, envelope_domain, domain, strict=False)
        return Dmarc(domain=domain, outcome=DmarcOutcome.NO_RECORD, is_aligned=is_aligned)
    return _read(policy[1], domain, policy[0], envelope_domain, organisation)


def _is_policy(text: str) -> bool:
    name, _equals, value = text.partition(";")[0].partition("=")
    return (name.strip(), value.strip()) == ("v", "DMARC1")


def _read(record: str, domain: str, at: str, envelope_domain: str, organisation: str) -> Dmarc:
    tags = tags_of(record)
    policy = tags.get("p", "").lower()
    if at != domain:
        policy = tags.get("sp", policy).lower()
    is_known = policy in {"none", "quarantine", "reject"}
    strict = tags.get("aspf", "r").lower() == "s"
    return Dmarc(
        domain=domain,
        outcome=DmarcOutcome.FOUND if is_known else DmarcOutcome.BROKEN,
        found_at=at,
        record=record,
        policy=policy if is_known else "",
        is_aligned=_is_aligned(domain, envelope_domain, organisation, strict=strict),
    )


def _is_aligned(domain: str, envelope_domain: str, organisation: str, *, strict: bool) -> bool:
    if strict or domain == envelope_domain:
        return domain == envelope_domain
    return (
        envelope_domain == organisation
        or envelope_domain.endswith(f".{organisation}")
        or domain.endswith(f".{envelope_domain}")
    )


def _and_above(domain: str) -> list[str]:
    """Return a domain and those above it, without the last label alone."""
    labels = domain.split(".")
    above = labels[1:][-MOST_LABELS:]
    return [domain, *(".".join(above[number:]) for number in range(len(above) - 1))]


def tags_of(text: str) -> dict[str, str]:
    """Return the tags of a list (RFC 6376 §3.2); a tag that comes twice counts the first time."""
    found: dict[str, str] = {}
    for part in text[:LONGEST].split(";"):
        name, equals, value = part.partition("=")
        if equals:
            found.setdefault(name.strip(), "".join(value.split()))
    return found
