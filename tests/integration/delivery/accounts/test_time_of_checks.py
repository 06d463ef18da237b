"""When a check that a worker runs is over, for who polls it."""

from __future__ import annotations

import socket

import pytest

from mailconfig.delivery import request_check, run_check
from mailconfig.models import CheckKind
from mailconfig.values import Secret
from tests.factories import make_mailbox, make_user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("kind", CheckKind)
def test_the_time_at_which_a_check_is_over_does_not_tell_why_nobody_was_reached(kind: CheckKind) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]  # where nobody listens from here on
    account = make_mailbox(
        port,
        username="me@example.com",
        security="starttls",
        sync_method="imap",
        imap_host="127.0.0.1",
        imap_port=port,
        imap_secret=Secret("not-a-real-password"),
    )
    asked = request_check(
        account_id=account.pk,
        kind=kind,
        requested_by=make_user(),
        recipient="friend@example.net",
    )

    check = run_check(check_id=asked.pk)

    assert check is not None
    assert check.started_at is not None
    assert check.finished_at is not None
    assert check.code == "connect_failed"
    assert (check.finished_at - check.started_at).total_seconds() >= 0.99
