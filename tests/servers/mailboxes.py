"""Debian's Dovecot, with mailboxes in folders of its own. It knows one login, ``me``."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import socket
from pathlib import Path

import trustme

from tests.password import PASSWORD
from tests.servers.real import SYSTEM_PATH, USER, RealServer

LOGIN = USER


class Dovecot(RealServer):
    """``port`` is that of IMAP with STARTTLS, ``tls_port`` that of IMAP over TLS.

    Args:
        expired: whether its certificate has run out.
        tokens: where it asks who a token is for, up to the token itself; empty: it takes passwords alone.
    """

    needs = "dovecot-imapd"
    greeting = b"* OK"

    def __init__(self, *, expired: bool = False, tokens: str = "") -> None:
        super().__init__()
        self._tokens = tokens
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.tls_port = int(free.getsockname()[1])
        self.maildir = self.folder / "mail" / USER
        if expired:
            authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
            now = dt.datetime.now(dt.UTC)
            certificate = authority.issue_cert(
                "localhost", not_before=now - dt.timedelta(days=9), not_after=now - dt.timedelta(days=1)
            )
            authority.cert_pem.write_to_path(self.ca_file)
            self.certificate.write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
            certificate.private_key_pem.write_to_path(str(self.key))

    @classmethod
    def is_available(cls) -> bool:
        return os.geteuid() == 0 and shutil.which("dovecot", path=SYSTEM_PATH) is not None

    def configure(self) -> tuple[list[str], dict[str, str]]:
        for name in ("run", "state"):
            (self.folder / name).mkdir()
        (self.folder / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
        for folder in ("", ".Entw&APw-rfe", ".[Gmail]"):
            for part in ("cur", "new", "tmp"):
                (self.maildir / folder / part).mkdir(parents=True)
        self._give(self.folder / "mail")
        configuration = self.folder / "dovecot.conf"
        text = _CONFIGURATION.format(self=self, folder=self.folder)
        if self._tokens:
            (self.folder / "tokens").write_text(
                f"tokeninfo_url = {self._tokens}\nusername_attribute = user\n"
            )
            text += _TOKENS.format(folder=self.folder)
        configuration.write_text(text)
        program = str(shutil.which("dovecot", path=SYSTEM_PATH))
        return [program, "-F", "-c", str(configuration)], {"PATH": SYSTEM_PATH}

    def accepted(self) -> list[str]:
        return []  # no mail is handed to it

    def add_messages(self, count: int, *, octets: int = 0) -> None:
        """Put so many into the inbox: some seen, some answered, some new to all. Each has ``octets`` of text, if not more."""
        for number in range(1, count + 1):
            text = f"Subject: number {number}\nMessage-ID: <{number}@mail.test>\n\nText {number}\n"
            text += f"{'x' * 71}\n" * (octets // 72)
            name = f"{1_700_000_000 + number}.M{number}.mail"
            place = {0: f"cur/{name}:2,S", 1: f"cur/{name}:2,RS", 2: f"cur/{name}:2,", 3: f"new/{name}"}
            (self.maildir / place[number % 4]).write_text(text)
        self._give(self.maildir)

    def files(self) -> set[str]:
        """The names of the messages in the inbox, which say what flags they have."""
        return {
            str(path.relative_to(self.maildir))
            for part in ("cur", "new")
            for path in (self.maildir / part).iterdir()
        }

    def _give(self, folder: Path) -> None:
        """Make it nobody's: Dovecot reads no mail as root."""
        for path in (folder, *folder.rglob("*")):
            os.chown(path, 65534, 65534)


_CONFIGURATION = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{self.certificate}
ssl_key = <{self.key}
auth_mechanisms = plain login
auth_failure_delay = 0
mail_location = maildir:{folder}/mail/%u
first_valid_uid = 65534
last_valid_uid = 65534
first_valid_gid = 65534
namespace inbox {{
  inbox = yes
}}
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home={folder}/mail/%u
}}
service imap-login {{
  inet_listener imap {{
    port = {self.port}
  }}
  inet_listener imaps {{
    port = {self.tls_port}
    ssl = yes
  }}
}}
"""

_TOKENS = """\
auth_mechanisms = plain login xoauth2 oauthbearer
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/tokens
}}
"""
