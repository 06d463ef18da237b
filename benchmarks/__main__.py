"""``python -m benchmarks [--quick]``: measure, and print the table."""

from __future__ import annotations

import argparse
import signal
import sys

from .run import Scale, run

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
    races=((20, 2, 1, 9.0),),
    accounts_rounds=1,
    latencies=20,
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
    races=((5, 20, 1, 70.0), (5, 20, 5, 70.0), (20, 2, 1, 20.0), (20, 2, 5, 20.0)),
    accounts_rounds=3,
    latencies=100,
    beside=True,
)


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything, in under two minutes")
    cases = (
        "local",
        "far",
        "far-50-accounts",
        "far-200-accounts",
        "idle-latency",
        "rows",
        "turns",
        "growth",
        "memory",
        "limits",
    )
    parser.add_argument("--only", choices=cases, action="append")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(143))  # so that the servers are ended too
    run(QUICK if arguments.quick else FULL, only=arguments.only or ())


if __name__ == "__main__":
    main()
