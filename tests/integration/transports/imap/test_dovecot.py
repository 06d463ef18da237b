"""A server that nobody here wrote: Debian's Dovecot."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from mailconfig.exceptions import FolderRefused, LoginRefused, TLSFailed
from mailconfig.transports.contract import Surroundings
from mailconfig.transports.imap import Criteria, KnownState, UIDSet, check_folder, open_imap
from mailconfig.values import Authentication, ConnectionSettings, NetworkPolicy, Secret, Security, Stage
from tests.factories import PASSWORD
from tests.servers.mailboxes import LOGIN, Dovecot

pytestmark = pytest.mark.system("dovecot")

MESSAGES = 100
SECURITIES = pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS, Security.OPPORTUNISTIC])


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    if not Dovecot.is_available():
        pytest.skip("it is started by root only")
    with Dovecot() as server:
        server.add_messages(MESSAGES)
        yield server


def settings_for(server: Dovecot, security: Security = Security.TLS, **other: Any) -> ConnectionSettings:
    fields = {"username": LOGIN, "secret": Secret(PASSWORD), **other}
    return ConnectionSettings(
        host="localhost",
        port=server.tls_port if security is Security.TLS else server.port,
        security=security,
        authentication=Authentication.PASSWORD,
        **fields,
    )


def around(server: Dovecot, **other: Any) -> Surroundings:
    networks = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    policy = NetworkPolicy(allowed_networks=networks, allowed_ports=None, ca_file=server.ca_file)
    return Surroundings(policy=policy, **other)


@SECURITIES
def test_a_folder_is_checked_stage_by_stage(dovecot: Dovecot, security: Security) -> None:
    stages: list[Stage] = []
    surroundings = around(dovecot, on_stage=lambda stage, *_: stages.append(stage))

    state = check_folder(settings_for(dovecot, security), surroundings, folder="INBOX")

    assert stages == [Stage.RESOLVE, Stage.CONNECT, Stage.TLS, Stage.BANNER, Stage.LOGIN, Stage.FOLDER]
    assert (state.exists, state.uid_next, state.read_only) == (MESSAGES, MESSAGES + 1, True)
    assert state.uid_validity


@SECURITIES
def test_a_wrong_password_is_refused(dovecot: Dovecot, security: Security) -> None:
    settings = settings_for(dovecot, security, secret=Secret("nicht-das-richtige-ü"))

    with pytest.raises(LoginRefused) as caught:
        open_imap(settings, around(dovecot))

    assert (caught.value.stage, caught.value.field, caught.value.temporary) == (Stage.LOGIN, "secret", False)
    assert caught.value.reply is not None
    assert "AUTHENTICATIONFAILED" in caught.value.reply.words


@SECURITIES
def test_an_expired_certificate_is_not_trusted(security: Security) -> None:
    if not Dovecot.is_available():
        pytest.skip("it is started by root only")
    with Dovecot(expired=True) as server, pytest.raises(TLSFailed, match="expired") as caught:
        open_imap(settings_for(server, security), around(server))

    assert caught.value.stage is Stage.TLS


def test_a_folder_that_is_not_there(dovecot: Dovecot) -> None:
    with pytest.raises(FolderRefused) as caught:
        check_folder(settings_for(dovecot), around(dovecot), folder="Outreach")

    assert (caught.value.stage, caught.value.field, caught.value.temporary) == (Stage.FOLDER, "folder", False)


def test_a_hundred_messages_are_read_and_none_is_marked(dovecot: Dovecot) -> None:
    before = dovecot.files()
    session = open_imap(settings_for(dovecot), around(dovecot))
    state = session.examine("INBOX")
    found = session.search()
    heads = list(session.heads(found))
    texts = [b"".join(session.read(head.uid, most=head.size)) for head in heads]
    flags = {flags.uid: flags.flags for flags in session.flags(UIDSet.since(1))}
    one = session.search(Criteria(header=("Message-ID", "<7@mail.test>")))
    session.noop()
    session.quit()

    assert (state.exists, found.count, len(heads)) == (MESSAGES, MESSAGES, MESSAGES)
    assert sum("\\Seen" in head.flags for head in heads) == MESSAGES // 2
    assert {head.uid: head.flags for head in heads} == flags
    assert all(
        len(text) == head.size and text.startswith(head.header)
        for head, text in zip(heads, texts, strict=True)
    )
    assert all(head.received_at is not None and head.is_whole for head in heads)
    (uid,) = one
    assert b"number 7\r\n" in heads[uid - 1].header
    assert dovecot.files() == before


def test_a_known_state_has_nothing_new(dovecot: Dovecot) -> None:
    session = open_imap(settings_for(dovecot), around(dovecot))
    state = session.examine("INBOX")
    assert session.tells_changes
    assert state.uid_validity is not None
    assert state.highest_modseq is not None
    known = KnownState(uid_validity=state.uid_validity, highest_modseq=state.highest_modseq)
    again = session.examine("INBOX", known=known)
    changed = list(session.flags(UIDSet.since(1), changed_since=state.highest_modseq))
    session.quit()

    assert (again.changed, again.vanished, changed) == ((), UIDSet(), [])


def test_folders_are_found_by_their_names(dovecot: Dovecot) -> None:
    session = open_imap(settings_for(dovecot), around(dovecot))
    folders = {folder.name: folder for folder in session.folders()}
    state = session.examine("Entwürfe")
    again = session.examine(folders["Entwürfe"])
    session.examine(folders["[Gmail]"])
    session.quit()

    assert set(folders) == {"INBOX", "Entwürfe", "[Gmail]"}
    assert state.exists == again.exists == 0
