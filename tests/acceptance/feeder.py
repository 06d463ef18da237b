"""A host project's process that queues mail until SIGTERM, and writes down what was accepted.

``python -m tests.acceptance.feeder LEDGER ACCOUNT...``: a line of JSON for each mail, after its commit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import signal
import threading
from pathlib import Path

import django


def main() -> None:
    """Queue a few mails, wait a little, and so on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ledger", type=Path)
    parser.add_argument("accounts", type=int, nargs="+")
    parser.add_argument("--every", type=float, default=0.2, help="seconds between rounds over the accounts")
    parser.add_argument("--rounds", type=int, default=0, help="0: until SIGTERM")
    options = parser.parse_args()
    django.setup()
    from mailconfig import delivery
    from tests.factories import make_email

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    number = 0
    with options.ledger.open("a", buffering=1, encoding="utf-8") as ledger:
        while not stop.is_set() and not 0 < options.rounds <= number:
            number += 1
            for account in options.accounts:
                message = delivery.enqueue(make_email(number), account=account)
                digest = hashlib.sha256(bytes(message.body or b"")).hexdigest()
                fields = {"message_id": message.message_id, "sha256": digest, "account": account}
                ledger.write(json.dumps(fields) + "\n")
            stop.wait(options.every)


if __name__ == "__main__":
    main()
