"""One job in a process of its own, so that its memory is its own: ``python -m benchmarks.worker NAME '{…}'``."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path


def peak_rss_mb() -> float:
    """The most memory this process had resident since it began, in MB of 10⁶ bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # Unlike ru_maxrss this begins anew with exec, so it holds nothing of the parent's.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6
    import resource

    return (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
    )


def main() -> None:
    """Run ``module:function`` with keyword arguments from JSON; the result is the last line printed."""
    name, arguments = sys.argv[1:]
    if not name.startswith(("smtplib", "pipelined", "imaplib")):
        import django

        django.setup()
    module, function = name.split(":")
    result = getattr(importlib.import_module(f"benchmarks.{module}"), function)(**json.loads(arguments))
    print(json.dumps({"result": result, "peak_rss_mb": round(peak_rss_mb(), 1)}))


if __name__ == "__main__":
    main()
