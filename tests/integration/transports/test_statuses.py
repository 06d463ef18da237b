"""Statuses behind a mail: whatever speaks HTTP leaves the same ones in doubt, and takes the same ones for not taken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mailconfig.transports.contract import Verdict
from mailconfig.values import NetworkPolicy
from tests.servers.certificates import Certificates
from tests.servers.ews import Fault
from tests.servers.gmail import Fault as GmailFault
from tests.servers.services import Said

from .far_sides import (
    ExchangeFarSide,
    FarSide,
    GmailFarSide,
    SendGridFarSide,
    Tray,
    far_side,
    mail,
    settings_to,
    surroundings_to,
    transport_to,
)

IN_DOUBT = {
    500: True,
    501: False,
    502: True,
    503: False,
    504: True,
    505: False,
    507: True,
    520: True,
    599: True,
}


@pytest.fixture(params=["sendgrid", "gmail_api", "ews"])
def far(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[FarSide]:
    with far_side(request.param, certificates) as far:
        yield far


def answer_next_mail(far: FarSide, status: int) -> None:
    if isinstance(far, SendGridFarSide):
        far.server.faults.append(Said(status, "<html>Sorry</html>"))
    elif isinstance(far, GmailFarSide):
        far.server.faults["messages.send"] = GmailFault(status, b"<html>Sorry</html>", left=1)
    else:
        assert isinstance(far, ExchangeFarSide)
        far.server.faults["CreateItem"] = Fault(status=status, body=b"<html>Sorry</html>")


@pytest.mark.parametrize(("status", "in_doubt"), IN_DOUBT.items())
def test_a_status_leaves_a_mail_in_doubt_unless_it_says_that_nothing_was_begun(
    far: FarSide, policy: NetworkPolicy, status: int, in_doubt: bool
) -> None:
    session = transport_to(far.name).open(settings_to(far), surroundings_to(far, policy))
    answer_next_mail(far, status)
    tray = Tray(far, [mail(1)])

    [outcome] = session.send(tray, tray)
    session.close()

    assert (outcome.error is not None and outcome.error.ambiguous) == in_doubt
    assert outcome.whole.verdict in {Verdict.RETRY, Verdict.SERVER_LIMIT, Verdict.PROTOCOL}
    assert far.received == []
