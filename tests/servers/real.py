"""Mail servers that nobody here wrote, each started from a configuration and a folder of its own, on a loopback port.

They keep what they accept, or log it, and pass nothing on. All know one login, ``me``; ``stranger@`` may not send, and
``nobody@`` receives nothing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Self

import trustme

from tests.password import PASSWORD
from tests.servers.children import until
from tests.servers.dovecot import DovecotLogins
from tests.servers.sidecar import ROOT, unmeasured

USER = "me"
SYSTEM_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"
NPM = ROOT / "tests/servers/npm"
EXIM = ROOT / "var/exim"


class RealServer(ABC):
    """A context manager; ``port`` is where it listens, ``ca_file`` what a client has to trust."""

    needs: ClassVar[str]
    """What is missing if :meth:`is_available` is false."""
    mechanisms: ClassVar[tuple[str, ...]] = ("PLAIN", "LOGIN")
    greeting: ClassVar[bytes] = b"220"
    """What its greeting begins with."""

    def __init__(self) -> None:
        # Not within pytest's folders: these servers give up being root, and could not enter them.
        self._temporary = tempfile.TemporaryDirectory(prefix=f"mailconfig-{type(self).__name__.lower()}-")
        self.folder = Path(self._temporary.name)
        self.folder.chmod(0o755)
        authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        self.ca_file = str(self.folder / "ca.pem")
        authority.cert_pem.write_to_path(self.ca_file)
        self.certificate, self.key = self.folder / "certificate.pem", self.folder / "key.pem"
        self.certificate.write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
        certificate.private_key_pem.write_to_path(str(self.key))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    @abstractmethod
    def is_available(cls) -> bool:
        """Whether it is installed."""

    @abstractmethod
    def configure(self) -> tuple[list[str], dict[str, str]]:
        """Write the configuration; the command line and the environment that serve by it in the foreground."""

    @abstractmethod
    def accepted(self) -> list[str]:
        """The Message-IDs of what it accepted, in that order."""

    def __enter__(self) -> Self:
        command, environment = self.configure()
        leash = [sys.executable, "-m", "tests.servers.leashed", "--exec"]
        with (self.folder / "output").open("wb") as output:
            self._process = subprocess.Popen(
                [*leash, *command],
                cwd=ROOT,
                env={**unmeasured(), **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            until(self._greets, why=f"{type(self).__name__} did not start")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._temporary.cleanup()

    def _greets(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError((self.folder / "output").read_text(errors="replace"))
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as client:
                return client.recv(len(self.greeting)) == self.greeting
        except OSError:
            return False

    def _log(self, name: str) -> str:
        path = self.folder / name
        return path.read_text(errors="replace") if path.exists() else ""


class Postfix(RealServer):
    """With its defaults, so that what it thinks of client, HELO and sender is told at RCPT."""

    needs = "postfix"
    mechanisms = ("PLAIN",)

    @classmethod
    def is_available(cls) -> bool:
        return os.geteuid() == 0 and shutil.which("postfix", path=SYSTEM_PATH) is not None

    def __enter__(self) -> Self:
        self._logins = DovecotLogins({USER: PASSWORD})
        self._logins.start()
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._logins.stop()

    def configure(self) -> tuple[list[str], dict[str, str]]:
        settings, queue, data = (self.folder / name for name in ("etc", "queue", "data"))
        for folder in (settings, queue, data):
            folder.mkdir()
        shutil.chown(data, "postfix")
        main = {
            "compatibility_level": "3.6",
            "queue_directory": queue,
            "data_directory": data,
            "maillog_file": self.folder / "log",
            "maillog_file_prefixes": self.folder,
            "myhostname": "mail.test",
            "mydestination": "",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "mynetworks": "192.0.2.1/32",
            "smtp_dns_support_level": "disabled",
            "default_transport": "discard",
            "relay_transport": "discard",
            "smtpd_peername_lookup": "no",
            "smtpd_tls_cert_file": self.certificate,
            "smtpd_tls_key_file": self.key,
            "smtpd_tls_security_level": "may",
            "smtpd_sasl_auth_enable": "yes",
            "smtpd_sasl_type": "dovecot",
            "smtpd_sasl_path": f"inet:127.0.0.1:{self._logins.port}",
            "smtpd_sender_login_maps": "inline:{sender@example.com=me}",
            "smtpd_sender_restrictions": "reject_sender_login_mismatch",
            "smtpd_recipient_restrictions": "check_recipient_access inline:{ {nobody@example.net=550 5.1.1 User unknown} }",
        }
        lines = "".join(f"{name} = {value}\n" for name, value in main.items())
        (settings / "main.cf").write_text(lines)
        (settings / "master.cf").write_text(_MASTER.format(port=self.port))
        program = str(shutil.which("postfix", path=SYSTEM_PATH))
        return [program, "-c", str(settings), "start-fg"], {"PATH": SYSTEM_PATH}

    def accepted(self) -> list[str]:
        log = self._log("log")
        queued = set(re.findall(r"qmgr\[\d+\]: (\w+): from=", log))
        found = re.findall(r"cleanup\[\d+\]: (\w+): message-id=(<[^>]+>)", log)
        return [message_id for queue_id, message_id in found if queue_id in queued]


_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
tlsmgr unix - - n 1000? 1 tlsmgr
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
postlog unix-dgram n - n - 1 postlogd
"""


class Exim(RealServer):
    """Out of Debian's package, unpacked and not installed: beside Postfix it may not be."""

    needs = "exim4-daemon-light, unpacked by make server-packages"

    @classmethod
    def is_available(cls) -> bool:
        return (EXIM / "usr/sbin/exim4").exists()

    def configure(self) -> tuple[list[str], dict[str, str]]:
        for name in ("spool", "log"):
            folder = self.folder / name
            folder.mkdir()
            folder.chmod(0o777)
        self.key.chmod(0o644)
        number = 65534 if os.geteuid() == 0 else os.getuid()  # nobody
        (self.folder / "passwd").write_text(
            f"root:x:0:0::/root:/bin/sh\nDebian-exim:x:{number}:{number}::/nonexistent:/bin/false\n"
        )
        (self.folder / "group").write_text(f"root:x:0:\nDebian-exim:x:{number}:\nmail:x:8:\n")
        configuration = self.folder / "exim.conf"
        configuration.write_text(_EXIM.format(self=self, folder=self.folder, password=PASSWORD, user=USER))
        libraries = next(EXIM.glob("usr/lib/*-linux-gnu"))
        environment = {
            "LD_LIBRARY_PATH": str(libraries),
            "LD_PRELOAD": str(libraries / "libnss_wrapper.so"),
            "NSS_WRAPPER_PASSWD": str(self.folder / "passwd"),
            "NSS_WRAPPER_GROUP": str(self.folder / "group"),
        }
        program = [
            "-C",
            str(configuration),
            "-bdf",
            "-oX",
            f"<; 127.0.0.1.{self.port}",
            "-oP",
            str(self.folder / "pid"),
        ]
        wrapped = ["env", *(f"{name}={value}" for name, value in environment.items())]
        return [*wrapped, str(EXIM / "usr/sbin/exim4"), *program], {}

    def accepted(self) -> list[str]:
        found = re.findall(r" <= \S+ .*? id=(\S+)", self._log("log/main"))
        return [f"<{message_id}>" for message_id in found]


_EXIM = """\
exim_path = {folder}/not-needed
exim_user = Debian-exim
spool_directory = {folder}/spool
log_file_path = {folder}/log/%s
primary_hostname = mail.test
keep_environment =
add_environment = PATH=/usr/bin
never_users = root
host_lookup =
rfc1413_query_timeout = 0s
queue_only = true
tls_advertise_hosts = *
tls_certificate = {self.certificate}
tls_privatekey = {self.key}
acl_smtp_mail = check_mail
acl_smtp_rcpt = check_rcpt
begin acl
check_mail:
  deny message = this sender is not yours
       sender_domains = example.com
       senders = stranger@example.com
  accept
check_rcpt:
  deny message = no such user here
       local_parts = nobody
  accept authenticated = *
  deny message = relay not permitted
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and {{{{eq{{$auth2}}{{{user}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${{if and {{{{eq{{$auth1}}{{{user}}}}}{{eq{{$auth2}}{{{password}}}}}}}}}
  server_set_id = $auth1
"""


class _OfNode(RealServer):
    """Installed by npm, and recording as the tests' own plugin does."""

    package: ClassVar[str]
    needs = "what make server-packages installs by npm"

    @classmethod
    def is_available(cls) -> bool:
        return bool(shutil.which("node")) and (NPM / "node_modules" / cls.package).exists()

    def accepted(self) -> list[str]:
        lines = self._log("record.jsonl").splitlines()
        return [found["id"] for line in lines if "id" in (found := json.loads(line))]


class Haraka(_OfNode):
    """It refuses commands that are sent behind the dot, whatever PIPELINING says."""

    package = "Haraka"
    mechanisms = ("PLAIN", "LOGIN", "CRAM-MD5")

    def configure(self) -> tuple[list[str], dict[str, str]]:
        settings, plugins = self.folder / "config", self.folder / "plugins"
        settings.mkdir()
        plugins.mkdir()
        shutil.copy(NPM / "haraka-record.js", plugins / "record.js")
        shutil.copy(NPM / "node_modules/Haraka/config/connection.ini", settings)
        shutil.copy(self.certificate, settings / "tls_cert.pem")
        shutil.copy(self.key, settings / "tls_key.pem")
        files = {
            "me": "mail.test\n",
            "plugins": "tls\nauth/flat_file\nrecord\n",
            "smtp.ini": f"listen=127.0.0.1:{self.port}\nnodes=0\n",
            "log.ini": "level=NOTICE\n",
            "http.ini": "",
            "tls.ini": "",
            "auth_flat_file.ini": (
                f"[core]\nmethods=PLAIN,LOGIN,CRAM-MD5\nconstrain_sender=false\n[users]\n{USER}={PASSWORD}\n"
            ),
        }
        for name, text in files.items():
            (settings / name).write_text(text)
        program = NPM / "node_modules/Haraka/bin/haraka"
        return ["node", str(program), "-c", str(self.folder)], {
            "MAIL_RECORD": str(self.folder / "record.jsonl")
        }


class NodemailerServer(_OfNode):
    """The npm package smtp-server."""

    package = "smtp-server"
    mechanisms = ("PLAIN", "LOGIN", "CRAM-MD5")

    def configure(self) -> tuple[list[str], dict[str, str]]:
        arguments = [self.port, self.folder / "record.jsonl", self.certificate, self.key, USER, PASSWORD]
        return ["node", str(NPM / "smtp-server.js"), *map(str, arguments)], {}
