"""Runs another Python program in this process, which dies when the process that started it dies.

``python -m tests.servers.leashed manage.py mailconfig_drain`` or ``… -m celery worker``: a test run that is killed
leaves no worker behind.
"""

import ctypes
import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Put the leash on, then become the program."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == 1:
            raise SystemExit("the parent has gone already")
    arguments = sys.argv[1:]
    if arguments[0] == "--exec":  # the leash holds over exec: not a Python program
        os.execvp(arguments[1], arguments[1:])  # noqa: S606 - no shell is wanted
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - as `python -m` does
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main()
