"""The login that a check makes, as a hash that all spellings of the same server and user name share."""

from __future__ import annotations

import unicodedata

from django.db.models import Q
from django.utils.crypto import salted_hmac

from mailconfig.conf import get_settings
from mailconfig.delivery.accounts.check_result import FAILED, OK
from mailconfig.delivery.accounts.check_target import model_of, secret_column_of, target_of
from mailconfig.hostnames import check_host
from mailconfig.models import Account, CheckKind, CheckState, ConnectionCheck
from mailconfig.values import CheckResult, ErrorCode, Stage

_SALT = "mailconfig.delivery.probing.logins"
"""Never to be changed, whatever this module is called: rows hold what was made with it."""
_DROPPED = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
"""Categories of characters that make no other name: blanks, controls and what has no width."""

_AFTER_LOGIN = (Stage.FOLDER, Stage.SENDER, Stage.RECIPIENT, Stage.DOT)


def key_of(account: Account, kind: str = CheckKind.CONNECTION) -> str:
    """The login that these values make in a check of this kind; ``""``: none is made.

    One that is made for sending and for syncing is the same. A hash under the deployment's ``SECRET_KEY``, for people type passwords into the field of the user name.
    """
    target = target_of(account, kind)
    if not target.username:
        return ""
    login = f"{_host(target.host)}\0{_plain(target.username)}"
    return salted_hmac(_SALT, login.encode(errors="surrogatepass"), algorithm="sha256").hexdigest()


def was_made(result: CheckResult) -> bool:
    """Return whether the server was asked to log us in, whatever it said."""
    # Without words of the server it was we who refused: no encryption, no readable password, no mechanism.
    refused_here = result.code is ErrorCode.AUTH_FAILED and not result.server_text
    return was_accepted(result) or (_outcome(result) == FAILED and not refused_here)


def was_accepted(result: CheckResult) -> bool:
    """Return whether the server let us log in."""
    return _outcome(result) == OK


def _outcome(result: CheckResult) -> str:
    return next((stage.outcome for stage in result.stages if stage.stage is Stage.LOGIN), "")


def is_claimed(key: str, account: Account, *, kind: str, person_id: int | None) -> bool:
    """Return whether the login is one's own: that of the stored account, or one that a server has let this person make."""
    if account.pk is not None:
        rows = model_of(kind).objects.kept().defer(secret_column_of(kind))
        stored = rows.filter(pk=account.pk).first()
        if stored is not None and key_of(stored, kind) == key:
            return True
    if person_id is None:
        return False
    accepted = Q(state=CheckState.PASSED) | Q(state=CheckState.FAILED, stage__in=_AFTER_LOGIN)
    return ConnectionCheck.objects.filter(accepted, requested_by_id=person_id, login=key).exists()


def _host(text: str) -> str:
    plain = _plain(text).rstrip(".")
    try:
        return check_host(plain, listed=get_settings().allowed_hosts)
    except ValueError:
        return plain


def _plain(text: str) -> str:
    """The text in one width and case, without blanks and what cannot be seen."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(character for character in folded if unicodedata.category(character) not in _DROPPED)
