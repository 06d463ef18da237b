"""How often connections may be checked and test mails sent: counted over the checks themselves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

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

FAILED_LOGINS = 5
FAILED_LOGINS_SECONDS = 15 * MINUTE
"""So many refused logins of one principal at one server with one user name, in so many seconds."""
CHECKS_PER_LOGIN_AND_HOUR = 20
"""At one server with one user name, whoever asks."""

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


def charge(check: ConnectionCheck) -> None:
    """Count ``check``, which was inserted in this transaction; if it is one too many, it has to be rolled back.

    Raises:
        Throttled: with the seconds to wait.
    """
    for rule in _rules(check):
        if wait := _seconds_to_wait(rule):
            _refuse(rule.words, wait)
    _charge_failed_logins(check)


def _rules(check: ConnectionCheck) -> Iterator[Rule]:
    settings = get_settings()
    others = ConnectionCheck.objects.exclude(pk=check.pk)
    if check.requested_by_id is not None:
        mine = others.filter(requested_by_id=check.requested_by_id)
        words = _("Too many checks in a short time. The next one is possible in %(wait)s.")
        yield Rule(mine, settings.checks_per_minute, MINUTE, words)
        if check.kind == CheckKind.TEST_MAIL:
            words = _("Too many test mails. The next one is possible in %(wait)s.")
            yield Rule(mine.filter(kind=CheckKind.TEST_MAIL), settings.test_mails_per_hour, HOUR, words)
    if check.tenant_id is not None:
        theirs = others.filter(tenant_id=check.tenant_id)
        words = _("Your organisation has made too many checks. The next one is possible in %(wait)s.")
        yield Rule(theirs, settings.checks_per_hour_and_tenant, HOUR, words)
    same = others.filter(host=check.host, username__iexact=check.username)
    words = _(
        "This server was checked too often with this user name. The next check is possible in %(wait)s."
    )
    yield Rule(same, CHECKS_PER_LOGIN_AND_HOUR, HOUR, words)


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
    if check.requested_by_id is None or not check.username:
        return
    failed = Q(state=CheckState.FAILED, stage=Stage.LOGIN, code=ErrorCode.AUTH_FAILED) & ~Q(server_text="")
    under_way = Q(state__in=[CheckState.PENDING, CheckState.RUNNING])
    rows = ConnectionCheck.objects.exclude(pk=check.pk).filter(
        failed | under_way,
        requested_by_id=check.requested_by_id,
        host=check.host,
        username__iexact=check.username,
        created_at__gt=Now() - timedelta(seconds=FAILED_LOGINS_SECONDS),
    )
    newest = list(rows.order_by("-created_at").values_list("created_at", "state")[:FAILED_LOGINS])
    if len(newest) < FAILED_LOGINS:
        return
    refused = all(state == CheckState.FAILED for _created_at, state in newest)
    wait = (
        _until(newest[-1][0], FAILED_LOGINS_SECONDS) if refused else math.ceil(get_settings().probe_seconds)
    )
    _refuse(_("This login was refused too often. The next try is possible in %(wait)s."), wait)


def _refuse(words: Promise | str, seconds: int) -> None:
    raise Throttled(str(words) % {"wait": in_words(seconds)}, retry_after=seconds)


def in_words(seconds: int) -> str:
    """How long that is, in the active language."""
    if seconds < 2 * MINUTE:
        return ngettext("%(count)d second", "%(count)d seconds", seconds) % {"count": seconds}
    minutes = math.ceil(seconds / MINUTE)
    return ngettext("%(count)d minute", "%(count)d minutes", minutes) % {"count": minutes}
