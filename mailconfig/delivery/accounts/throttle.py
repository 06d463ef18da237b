"""Throttles of checks and test mails: counted over the checks themselves."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NoReturn

from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from mailconfig.conf import get_settings
from mailconfig.delivery.clock import database_now
from mailconfig.exceptions import Throttled
from mailconfig.models import CheckKind, CheckState, ConnectionCheck
from mailconfig.values import ErrorCode, Stage

MINUTE = 60
HOUR = 3600

RUNNING_OF_ONE = 2
"""Checks of one person that run at the same time."""
GRACE_SECONDS = 5.0
"""A check that still runs so long after its deadline holds nobody up any more: its process is gone."""
FAILED_LOGINS = 5
FAILED_LOGINS_SECONDS = 15 * MINUTE
"""So many refused logins of one principal at one server with one user name, in so many seconds."""
LOGINS_PER_HOUR = 20
"""Logins of one person with one user name, and refused ones of all who have no claim to that login together."""
SHARE_OF_ONE = 5
"""Of the refused logins of all together, so many count of one person: nobody uses them up alone."""
SHARE_OF_A_MEMBER = 10
"""Each member may make this fraction of a tenant's checks, whatever the others have made."""

_MOST_ROWS = 1000
_TOO_OFTEN = _(
    "This server was checked too often with this user name. The next check is possible in %(wait)s."
)
_LOCK = 0x6D61696C63686B
"""Key of the advisory lock: "mailchk"."""


@dataclass(frozen=True, slots=True)
class Rule:
    """At most ``limit`` of ``rows`` in any ``seconds``."""

    rows: QuerySet[ConnectionCheck]
    limit: int
    seconds: int
    words: Promise | str
    """What a person is told; ``%(wait)s`` is the time until the next one."""


def queue_up() -> None:
    """Let one transaction after another insert and count; to be called before the insert.

    PostgreSQL needs a lock, or two transactions would not see each other's rows. SQLite has one writer, and the
    insert makes this transaction that writer.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def charge(check: ConnectionCheck, *, is_claimed: Callable[[], bool]) -> None:
    """Count ``check``, which was inserted in this transaction; if it is one too many, it has to be rolled back.

    Args:
        is_claimed: whether the login it makes is one's own, so that what others made of it does not matter.

    Raises:
        Throttled: with the seconds to wait.
    """
    for rule in _rules(check):
        if wait := _seconds_to_wait(rule):
            refuse(rule.words, wait)
    if check.state == CheckState.RUNNING:
        charge_running(check)
    _charge_failed_logins(check)
    _charge_logins_of_all(check, is_claimed)


def _rules(check: ConnectionCheck) -> Iterator[Rule]:
    settings = get_settings()
    others = ConnectionCheck.objects.exclude(pk=check.pk)
    mine = others.filter(requested_by_id=check.requested_by_id)
    if check.requested_by_id is not None:
        words = _("Too many checks in a short time. The next one is possible in %(wait)s.")
        yield Rule(mine, settings.checks_per_minute, MINUTE, words)
        if check.kind == CheckKind.TEST_MAIL:
            words = _("Too many test mails. The next one is possible in %(wait)s.")
            yield Rule(mine.filter(kind=CheckKind.TEST_MAIL), settings.test_mails_per_hour, HOUR, words)
    if check.tenant_id is not None and not _has_share(mine.filter(tenant_id=check.tenant_id)):
        theirs = others.filter(tenant_id=check.tenant_id)
        words = _("Your organisation has made too many checks. The next one is possible in %(wait)s.")
        yield Rule(theirs, settings.checks_per_hour_and_tenant, HOUR, words)
    if check.login:
        yield Rule(mine.filter(login=check.login), LOGINS_PER_HOUR, HOUR, _TOO_OFTEN)


def _has_share(mine: QuerySet[ConnectionCheck]) -> bool:
    """Return whether somebody with these checks in a tenant has some left that nobody else can use up."""
    most = get_settings().checks_per_hour_and_tenant
    share = math.ceil(most / SHARE_OF_A_MEMBER)
    return mine.filter(created_at__gt=Now() - timedelta(seconds=HOUR)).count() < share


def charge_running(check: ConnectionCheck) -> None:
    """Count the checks of the same person that run now.

    Raises:
        Throttled: there are as many as one may have, besides ``check``.
    """
    if check.requested_by_id is None:
        return
    running = running_checks().exclude(pk=check.pk).filter(requested_by_id=check.requested_by_id)
    started = list(running.order_by("-started_at").values_list("started_at", flat=True)[:RUNNING_OF_ONE])
    if len(started) < RUNNING_OF_ONE:
        return
    wait = _until(min(filter(None, started)), math.ceil(get_settings().probe_seconds))
    refuse(_("Your other checks are still running. The next one is possible in %(wait)s."), wait)


def running_checks() -> QuerySet[ConnectionCheck]:
    """Checks that run; one whose process died counts for as long as it could have lasted."""
    longest = get_settings().probe_seconds + GRACE_SECONDS
    return ConnectionCheck.objects.filter(
        state=CheckState.RUNNING, started_at__gt=Now() - timedelta(seconds=longest)
    )


def _seconds_to_wait(rule: Rule) -> int:
    """Whole seconds until the rule allows another one; 0: it does."""
    since = Now() - timedelta(seconds=rule.seconds)
    rows = rule.rows.filter(created_at__gt=since).order_by("-created_at")
    times = list(rows.values_list("created_at", flat=True)[: rule.limit])
    if len(times) < rule.limit:
        return 0
    return _until(times[-1], rule.seconds) if times else rule.seconds


def _until(at: datetime, seconds: int) -> int:
    left = (at + timedelta(seconds=seconds) - database_now()).total_seconds()
    return max(1, math.ceil(left))


def _charge_failed_logins(check: ConnectionCheck) -> None:
    """Refused logins count, and checks under way as if they were, so that many at once guess no more than five."""
    if check.requested_by_id is None or not check.login:
        return
    rows = _refused_logins(check, seconds=FAILED_LOGINS_SECONDS).filter(requested_by_id=check.requested_by_id)
    newest = list(rows.order_by("-created_at").values_list("created_at", "state")[:FAILED_LOGINS])
    if len(newest) < FAILED_LOGINS:
        return
    refused = all(state == CheckState.FAILED for _created_at, state in newest)
    wait = (
        _until(newest[-1][0], FAILED_LOGINS_SECONDS) if refused else math.ceil(get_settings().probe_seconds)
    )
    refuse(_("This login was refused too often. The next try is possible in %(wait)s."), wait)


def _charge_logins_of_all(check: ConnectionCheck, is_claimed: Callable[[], bool]) -> None:
    """However many people guess, one user name at one server is not tried more often than the server bears."""
    if not check.login:
        return
    counted: list[datetime] = []
    by_person: Counter[object] = Counter()
    rows = _refused_logins(check, seconds=HOUR).order_by("-created_at")
    for created_at, person in rows.values_list("created_at", "requested_by_id")[:_MOST_ROWS]:
        by_person[person] += 1
        if by_person[person] <= SHARE_OF_ONE:
            counted.append(created_at)
        if len(counted) == LOGINS_PER_HOUR:
            if not is_claimed():
                refuse(_TOO_OFTEN, _until(created_at, HOUR))
            return


def _refused_logins(check: ConnectionCheck, *, seconds: int) -> QuerySet[ConnectionCheck]:
    """Other checks that made the same login and were refused, or that are about to make it."""
    refused = Q(state=CheckState.FAILED, stage=Stage.LOGIN, code=ErrorCode.AUTH_FAILED)
    under_way = Q(state__in=[CheckState.PENDING, CheckState.RUNNING])
    return ConnectionCheck.objects.exclude(pk=check.pk).filter(
        refused | under_way, login=check.login, created_at__gt=Now() - timedelta(seconds=seconds)
    )


def refuse(words: Promise | str, seconds: int) -> NoReturn:
    """Raise :class:`mailconfig.exceptions.Throttled` with ``words``, whose ``%(wait)s`` is ``seconds``."""
    raise Throttled(str(words) % {"wait": duration_in_words(seconds)}, retry_after=seconds)


def duration_in_words(seconds: int) -> str:
    """Return a span of ``seconds`` in words of the active language: seconds, or from two minutes on minutes."""
    if seconds < 2 * MINUTE:
        return ngettext("%(count)d second", "%(count)d seconds", seconds) % {"count": seconds}
    minutes = math.ceil(seconds / MINUTE)
    return ngettext("%(count)d minute", "%(count)d minutes", minutes) % {"count": minutes}
