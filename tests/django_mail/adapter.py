"""Django's test classes for mail backends with ours in place of its SMTP backend, and what came of each test."""

from __future__ import annotations

import importlib
import re
import sys
import unittest
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import django

from mailconfig import delivery
from mailconfig.backend import EmailBackend
from mailconfig.models import Account, Attempt, Message, Recipient

PACKAGE = "mail"
MODULE = f"{PACKAGE}.test_backends" if django.VERSION >= (6, 1) else f"{PACKAGE}.tests"
SENDER = "account@example.com"


def outcomes(folder: Path) -> dict[str, str]:
    """Each test's id and ``""`` if it succeeded, else the last line of why not."""
    with _imported(folder) as module, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = _Outcomes()
        for case in _cases(module):
            unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
        return result.found


class _Outcomes(unittest.TestResult):
    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self.found[_id(test)] = ""

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        self._note(test, err)

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        self._note(test, err)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self.found[_id(test)] = f"skipped: {reason}"

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        if err is not None:
            self._note(test, err)

    def _note(self, test: unittest.TestCase, err: Any) -> None:
        self.found[_id(test)] = f"{err[0].__name__}: {err[1]}"


def _id(test: unittest.TestCase) -> str:
    """The class and the test; for what went wrong before any test of a class, the class and ``setUpClass``."""
    found = re.fullmatch(r"(setUpClass) \(.*?([^.]+)\)", test.id())
    return f"{found[2]}.{found[1]}" if found else ".".join(test.id().split(".")[-2:])


@contextmanager
def _imported(folder: Path) -> Iterator[ModuleType]:
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module(MODULE)
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
            del sys.modules[name]


def _cases(module: ModuleType) -> list[type[unittest.TestCase]]:
    module.SMTPHandler = _recorder(module)  # type: ignore[attr-defined]
    module.smtp = SimpleNamespace(EmailBackend=EmailBackend)  # type: ignore[attr-defined]
    over_queue: dict[str, Any] = {
        "databases": "__all__",
        "email_backend": f"{EmailBackend.__module__}.{EmailBackend.__qualname__}",
        "backend_class": EmailBackend,
        # The one test of its kind that asks of any backend what it asks of the one in memory.
        "test_validate_multiline_headers": module.LocmemBackendTests.test_validate_multiline_headers,
    }
    shared = getattr(module, "SharedEmailBackendTests", None)
    if shared is not None:
        # Past the one that names a server: that is the account's matter.
        over_queue["create_backend"] = shared.create_backend
    return [
        type("SMTPBackendTests", (OverTheQueue, module.SMTPBackendTests), over_queue),
        type(
            "SMTPBackendStoppedServerTests", (module.SMTPBackendStoppedServerTests,), {"databases": "__all__"}
        ),
    ]


def _recorder(module: ModuleType) -> type[Any]:
    """Django's recording server, but for asking that MAIL FROM be the mail's From."""

    class Recorder(module.SMTPHandler):  # type: ignore[misc, name-defined]
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            sender = envelope.mail_from
            header = message_from_bytes(envelope.content, policy=policy.default)["From"]
            envelope.mail_from = header.addresses[0].addr_spec
            answer = await super().handle_DATA(server, session, envelope)
            self.smtp_envelopes[-1]["mail_from"] = sender
            return str(answer)

    return Recorder


class OverTheQueue:
    """What is sent is queued, and whoever looks into the mailbox drains the queue first."""

    smtp_controller: Any
    smtp_handler: Any

    def setUp(self) -> None:
        """Make an account that sends whatever there is to Django's recording server."""
        self.addCleanup(_empty)  # type: ignore[attr-defined]
        self.account = Account.objects.create(
            kind="smtp_provider", name="Django's", from_email=SENDER, is_default=True, serves_project=True, host="127.0.0.1",
            port=self.smtp_controller.port, security="none", authentication="none",
        )  # fmt: skip
        super().setUp()  # type: ignore[misc]

    def get_mailbox_content(self) -> list[Any]:
        """What has come to the server."""
        delivery.drain_account(account_id=self.account.pk)
        return list(self.smtp_handler.mailbox)

    def get_smtp_envelopes(self) -> list[Any]:
        """The envelopes it came in."""
        delivery.drain_account(account_id=self.account.pk)
        return list(self.smtp_handler.smtp_envelopes)

    def flush_mailbox(self) -> None:
        """Forget what came so far."""
        self.smtp_handler.flush_mailbox()


def _empty() -> None:
    for model in (Attempt, Recipient, Message):
        model._default_manager.all().delete()
    Account.objects.all().delete()
