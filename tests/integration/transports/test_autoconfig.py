"""Files of autoconfiguration, fetched: from the domain itself, over a certificate that is verified, and no more than a file holds."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from mailconfig.transports.contract import Surroundings
from mailconfig.transports.discovery import find_by_autoconfig
from mailconfig.transports.discovery.autoconfig import MOST_BYTES
from mailconfig.transports.network.deadline import Deadline
from mailconfig.values import NetworkPolicy, Timeouts
from tests.servers.certificates import Certificates
from tests.servers.http import Asked, ScriptedHttpServer, answer

FILE = (
    b'<clientConfig><emailProvider id="localhost"><outgoingServer type="smtp"><hostname>mail.%EMAILDOMAIN%</hostname>'
    b"<port>465</port><socketType>SSL</socketType></outgoingServer></emailProvider></clientConfig>"
)


@pytest.fixture
def web(certificates: Certificates) -> Iterator[ScriptedHttpServer]:
    with ScriptedHttpServer(tls=certificates.good) as server:
        yield server


def urls(web: ScriptedHttpServer) -> tuple[str, ...]:
    """Where the file is looked for."""
    return tuple(f"https://{{domain}}:{web.port}/{name}.xml" for name in ("first", "second"))


@pytest.fixture
def around(policy: NetworkPolicy) -> Surroundings:
    return Surroundings(policy=policy, timeouts=Timeouts(total=20.0))


def test_the_second_place_is_asked_where_the_first_has_no_file(
    web: ScriptedHttpServer, around: Surroundings
) -> None:
    web.scripts["/second.xml"] = answer(FILE)

    found = find_by_autoconfig("bob@localhost", around, urls=urls(web))

    assert found is not None
    assert found.sending.host == "mail.localhost"
    assert [asked.target for asked in web.asked] == ["/first.xml", "/second.xml"]
    assert not any("bob" in str(asked) for asked in web.asked)


def test_nothing_is_taken_from_elsewhere_or_beyond_the_cap(
    web: ScriptedHttpServer, around: Surroundings
) -> None:
    redirect = f"Location: https://127.0.0.1:{web.port}/file.xml\r\n"
    web.scripts["/file.xml"] = answer(FILE)
    web.scripts["/first.xml"] = answer(status="302 Found", fields=redirect)
    web.scripts["/second.xml"] = answer(FILE + b" " * MOST_BYTES)

    assert find_by_autoconfig("bob@localhost", around, urls=urls(web)) is None
    assert [asked.target for asked in web.asked] == ["/first.xml", "/second.xml"]


def test_a_certificate_for_another_name_is_no_word_of_the_domain(
    certificates: Certificates, around: Surroundings
) -> None:
    with ScriptedHttpServer(tls=certificates.wrong_name) as web:
        web.scripts["/first.xml"] = answer(FILE)

        assert find_by_autoconfig("bob@localhost", around, urls=urls(web)) is None
        assert web.asked == []


def test_a_silent_place_leaves_time_for_the_next(web: ScriptedHttpServer, policy: NetworkPolicy) -> None:
    over = threading.Event()

    def keep_silent(_: Asked) -> bytes:
        over.wait(20)
        return b""

    web.scripts["/first.xml"] = keep_silent
    web.scripts["/second.xml"] = answer(FILE)
    around = Surroundings(policy=policy, timeouts=Timeouts(total=20.0))

    found = find_by_autoconfig("bob@localhost", around, urls=urls(web), deadline=Deadline(2.0))

    over.set()
    assert found is not None
