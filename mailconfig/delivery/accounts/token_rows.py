"""Access tokens as rows: found, lent to whoever fetches the next one, stored with what came along.

Each function is a short transaction of its own; none is open while the service is asked.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from mailconfig.delivery.clock import database_now
from mailconfig.exceptions import SecretUnreadable, TokenRefused, TokenUnavailable, TransportError
from mailconfig.models import OAuth2Grant, OAuth2Token
from mailconfig.models.oauth2_grant import ACCESS_TOKEN
from mailconfig.secrets.sealed import SealedSecret
from mailconfig.transports.oauth2 import TokenAnswer
from mailconfig.values import Secret

EARLY = timedelta(seconds=60)
"""A token that ends sooner is renewed: a login takes a while, and clocks differ."""
LEASE = timedelta(seconds=45)
"""For which one process fetches a token; longer than the request may take."""
REFUSAL_HOLDS = timedelta(seconds=30)
"""How long the others take a service's no for theirs. All of them pause meanwhile, and whoever mends it may try again."""
FIRST_BACKOFF, MOST_BACKOFF = 10.0, 600.0
LONGEST_CODE = 64


@dataclass(frozen=True, slots=True)
class HeldToken:
    """A token in hand."""

    secret: Secret
    number: int
    """Which one it is."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to fetch the next token of a row."""

    row_id: int
    token: uuid.UUID
    began_at: datetime
    """By the database's clock, from before the service was asked."""
    was_left: bool = False
    """Whether the one who had it last ended without a word: what the service gave then is lost."""


def find_row(grant: OAuth2Grant, scope: str) -> OAuth2Token:
    """Return the row of the grant's token, made if there is none: of its own, or the one that all accounts of the app share."""
    if grant.is_of_organisation:
        row, _made = OAuth2Token.objects.get_or_create(client_id=grant.client_id, grant=None, scope=scope)
    else:
        row, _made = OAuth2Token.objects.get_or_create(
            grant_id=grant.pk, defaults={"client_id": grant.client_id, "scope": scope}
        )
    return row


def look(row_id: int) -> tuple[OAuth2Token, datetime] | None:
    """Return the row as it is now, and the time by the database's clock; ``None``: it is gone."""
    rows = OAuth2Token.objects.select_related("client", "grant__client").annotate(now=Now())
    row = rows.filter(pk=row_id).first()
    return None if row is None else (row, row.now)


def usable(row: OAuth2Token, now: datetime, *, refused: int | None) -> HeldToken | None:
    """Return the stored token if it is good for a login.

    Args:
        row, now: as :func:`look` gave them.
        refused: the number of one that a server refused, which is not good any more.
    """
    if row.access_token is None or row.expires_at is None or row.expires_at - now <= EARLY:
        return None
    if row.number == refused or not isinstance(row.access_token, SealedSecret):
        return None
    secret = row.access_token.bound_to(row.secret_binding(ACCESS_TOKEN))
    try:
        secret.reveal()
    except SecretUnreadable:  # the app's servers changed, or the key did: another one is fetched
        return None
    return HeldToken(secret, row.number)


def take(row: OAuth2Token) -> Lease | None:
    """Return the lease on the row's next token; ``None``: somebody else has it, or it was asked for since the row was read.

    Raises:
        RuntimeError: a transaction is open.
    """
    token, began_at = uuid.uuid4(), database_now()
    with transaction.atomic(durable=True):
        # Whoever had the lease meanwhile may have been sent away, which holds for those who have read the row before.
        rested = Q(retry_at=None) | Q(retry_at__lte=Now())
        mine = OAuth2Token.objects.filter(rested, pk=row.pk, number=row.number)
        values = {"lease_token": token, "lease_until": Now() + LEASE}
        was_left = bool(mine.filter(lease_until__lt=Now()).update(**values))
        if not was_left and not mine.filter(lease_until=None).update(**values):
            return None
    return Lease(row.pk, token, began_at, was_left=was_left)


def store(lease: Lease, answer: TokenAnswer) -> HeldToken | None:
    """Store the token that came, and the refresh token that replaces the one it was fetched with.

    Returns:
        The token; ``None``: the lease ran out, or somebody connected or disconnected the account meanwhile. What came is
        worth nothing then.
    """
    with transaction.atomic():
        rows = OAuth2Token.objects.select_for_update(of=("self",)).select_related("client", "grant__client")
        row = rows.filter(pk=lease.row_id, lease_token=lease.token).first()
        if row is None:
            return None
        put(row, answer, asked_at=lease.began_at)
        if row.grant is not None and answer.refresh_token is not None:
            row.grant.refresh_token = answer.refresh_token
            row.grant.save(update_fields=["refresh_token", "updated_at"])
    return HeldToken(answer.access_token, row.number)


def put(row: OAuth2Token, answer: TokenAnswer, *, asked_at: datetime) -> None:
    """Write a new token into a row that nobody else writes; all that was wrong with the last one is over."""
    row.access_token = answer.access_token
    row.expires_at = asked_at + timedelta(seconds=answer.expires_in)
    row.number += 1
    row.lease_token = row.lease_until = row.retry_at = row.failed_at = None
    row.failures, row.failure_code, row.failure_text = 0, "", ""
    row.save()


def hold(account_id: int) -> None:
    """Lock the token of an account before its grant is locked, as :func:`store` does; in the caller's transaction."""
    list(OAuth2Token.objects.select_for_update().filter(grant__account_id=account_id).values_list("pk"))


def give_back(lease: Lease) -> None:
    """Let others fetch: nothing is known of the service."""
    OAuth2Token.objects.filter(pk=lease.row_id, lease_token=lease.token).update(
        lease_token=None, lease_until=None
    )


def note_failure(lease: Lease, row: OAuth2Token, error: TransportError) -> None:
    """Note why no token came, and until when nobody asks again: what a service tells an app holds for all its tokens."""
    now, reply = database_now(), error.reply
    if isinstance(error, TokenRefused):
        code, rest = error.error[:LONGEST_CODE], REFUSAL_HOLDS
    else:
        code, rest = "", timedelta(seconds=min(MOST_BACKOFF, FIRST_BACKOFF * 2 ** min(row.failures, 10)))
        if isinstance(error, TokenUnavailable) and error.retry_after is not None:
            rest = timedelta(seconds=error.retry_after)
    words = reply.words if reply is not None else f"{error} {error.detail}".strip()
    noted = OAuth2Token.objects.filter(pk=lease.row_id, lease_token=lease.token).update(
        lease_token=None,
        lease_until=None,
        retry_at=now + rest,
        failures=min(row.failures + 1, 1000),
        failed_at=now,
        failure_code=code,
        failure_text=words,
    )
    if noted and isinstance(error, TokenUnavailable) and error.is_of_client:
        sooner = Q(retry_at=None) | Q(retry_at__lt=now + rest)
        OAuth2Token.objects.filter(sooner, client_id=row.client_id).exclude(pk=row.pk).update(
            retry_at=now + rest, failed_at=now, failure_code="", failure_text=words
        )
