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

import django


def main() -> None:
    """Queue a few mails, wait a little, and so on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ledger", type=Path)
    parser.add_argument("accounts", type=int, nargs="*", help="none: whatever accounts there are")
    parser.add_argument("--every", type=float, default=0.2, help="seconds between rounds over the accounts")
    parser.add_argument("--rounds", type=int, default=0, help="0: until SIGTERM")
    parser.add_argument("--backlog", type=int, default=0, help="wait while so many are queued; 0: never")
    options = parser.parse_args()
    django.setup()
    if "CELERY_BROKER_URL" in os.environ:
        from tests.acceptance import celery_app  # noqa: F401 - the app that rings
    from django.db import transaction

    from mailconfig import delivery
    from mailconfig.exceptions import NoAccount
    from mailconfig.models import Account, Message
    from tests.factories import body_of, make_email

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    number = 0
    with options.ledger.open("a", buffering=1, encoding="utf-8") as ledger:
        while not stop.is_set() and not 0 < options.rounds <= number:
            if options.backlog and Message.objects.filter(state="queued").count() >= options.backlog:
                stop.wait(options.every)
                continue
            number += 1
            kept = Account.objects.kept().values_list("pk", flat=True)
            for account in options.accounts or list(kept):
                began = time.monotonic()
                try:
                    with transaction.atomic():
                        message = delivery.enqueue(make_email(number), account=account)
                        sent = body_of(message) or b""  # erased once it is sent
                        digest = hashlib.sha256(sent).hexdigest()
                except NoAccount:
                    continue  # deleted at this moment: nothing was promised
                seconds = time.monotonic() - began
                fields = {"message_id": message.message_id, "sha256": digest, "account": account}
                ledger.write(json.dumps({**fields, "seconds": seconds}) + "\n")
            stop.wait(options.every)


if __name__ == "__main__":
    main()
