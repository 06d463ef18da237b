"""``python -m benchmarks [--quick]``: measure, and print the table."""

from __future__ import annotations

import argparse
import signal
import sys

from .limits import Race
from .run import CASES, Scale, run

QUICK = Scale(
    rounds=3,
    count=1500,
    one_by_one=300,
    far_rounds=1,
    far_count=80,
    attachments=10,
    attempts=60_000,
    history=50_000,
    backlog=20_000,
    growth_rounds=3,
    races=(Race(20, 2, accounts=1, seconds=9.0),),
    race_seconds=22.0,
    accounts_rounds=1,
    dead_seconds=20.0,
    accounts=1_500,
    latencies=20,
    lists=20,
    admin_accounts=1_000,
    admin_messages=50_000,
    messages=1000,
    mailboxes=300,
    sync_seconds=75.0,
    beside=False,
)
FULL = Scale(
    rounds=5,
    count=5000,
    one_by_one=1000,
    far_rounds=2,
    far_count=300,
    attachments=50,
    attempts=600_000,
    history=1_000_000,
    backlog=300_000,
    growth_rounds=7,
    races=(
        Race(5, 20, accounts=1, seconds=70.0),
        Race(5, 20, accounts=5, seconds=70.0),
        Race(20, 2, accounts=1, seconds=20.0),
        Race(20, 2, accounts=5, seconds=20.0),
    ),
    race_seconds=62.0,
    accounts_rounds=3,
    dead_seconds=60.0,
    accounts=10_000,
    latencies=100,
    lists=60,
    admin_accounts=10_000,
    admin_messages=1_000_000,
    messages=5000,
    mailboxes=1000,
    sync_seconds=135.0,
    beside=True,
)


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything, in some minutes")
    parser.add_argument("--only", choices=tuple(CASES), action="append")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(143))  # so that the servers are ended too
    if not run(QUICK if arguments.quick else FULL, only=arguments.only or ()):
        sys.exit(1)


if __name__ == "__main__":
    main()
