"""Statuses of answers, as far as they say whether what was asked may be done all the same."""

from __future__ import annotations

_NOT_BEGUN = frozenset({501, 503, 505})


def leaves_in_doubt(status: int) -> bool:
    """Return whether a mail may be out although this was the answer to it.

    500 says that something went wrong on the way (RFC 9110 §15.6.1), and not where: the mail may be queued already. 502, 504
    and what proxies have beyond the standard are those of a server that asked another one, and cannot know. 501, 503 and
    505 are those of a server that does not begin (§15.6.2, §15.6.4, §15.6.6). Mail in doubt is for the deployment's policy
    to decide, which may prefer a late mail to two of them; a mail that was counted as not taken would come twice.
    """
    return status >= 500 and status not in _NOT_BEGUN
