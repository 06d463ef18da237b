"""A host project's process that queues mail until SIGTERM, and writes down what was accepted, and how fast.

``python -m tests.acceptance.feeder LEDGER [ACCOUNT...]``: a line of JSON for each mail, after its commit. Without
accounts it sends through all that are there, again and again looked up. With CELERY_BROKER_URL in the environment it
rings by Celery.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import TextIO

import django


def main() -> None:
    """Queue a few mails, wait a little, and so on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ledger", type=Path)
    parser.add_argument("accounts", type=int, nargs="*", help="none: whatever accounts there are")
    parser.add_argument("--every", type=float, default=0.2, help="seconds between rounds over the accounts")
    parser.add_argument("--rounds", type=int, default=0, help="0: until SIGTERM")
    parser.add_argument("--backlog", type=int, default=0, help="wait while so many are queued; 0: never")
    parser.add_argument("--patient", action="store_true", help="wait for a database that is away, and go on")
    options = parser.parse_args()
    django.setup()
    if "CELERY_BROKER_URL" in os.environ:
        from tests.acceptance import celery_app  # noqa: F401 - the app that rings
    from django.db import Error, connection

    from mailconfig.models import Account, Message

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    number = 0
    with options.ledger.open("a", buffering=1, encoding="utf-8") as ledger:
        while not stop.is_set() and not 0 < options.rounds <= number:
            try:
                if options.backlog and Message.objects.filter(state="queued").count() >= options.backlog:
                    stop.wait(options.every)
                    continue
                number += 1
                kept = Account.objects.kept().values_list("pk", flat=True)
                for account in options.accounts or list(kept):
                    feed(account, number, ledger)
            except Error:
                if not options.patient:
                    raise
                connection.close()
            stop.wait(options.every)


def feed(account: int, number: int, ledger: TextIO) -> None:
    """Queue one mail, and write it down once it is committed."""
    from django.db import transaction

    from mailconfig import delivery
    from mailconfig.exceptions import NoAccount
    from tests.factories import body_of, make_email

    began = time.monotonic()
    try:
        with transaction.atomic():
            message = delivery.enqueue(make_email(number), account=account)
            sent = body_of(message) or b""  # erased once it is sent
            digest = hashlib.sha256(sent).hexdigest()
    except NoAccount:
        return  # deleted at this moment: nothing was promised
    seconds = time.monotonic() - began
    fields = {"message_id": message.message_id, "sha256": digest, "account": account}
    ledger.write(json.dumps({**fields, "seconds": seconds}) + "\n")


if __name__ == "__main__":
    main()
