"""A folder for each run, which nobody else uses while the run lives, however the last one ended."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from project.folders import VAR, make

PREFIX = "run-"
LOCK = "lock"


class FolderInUse(Exception):
    """Another demo works in the folder."""


def open_run(*, keep: bool) -> Path:
    """A fresh folder below ``VAR``, or with ``keep`` ``VAR`` itself; locked until this process ends.

    The lock is held across ``exec``, and given back by the system however the process ends.

    Raises:
        FolderInUse: with ``keep``, if another demo has it.
    """
    make(VAR)
    _remove_abandoned()
    folder = VAR if keep else Path(tempfile.mkdtemp(prefix=PREFIX, dir=VAR))
    descriptor = _lock(folder)
    if descriptor is None:
        msg = f"another demo with --keep is running in {folder}; end it, or start this one without --keep"
        raise FolderInUse(msg)
    os.set_inheritable(descriptor, True)
    return folder


def remove_run(folder: Path) -> None:
    """Remove the folder of a run, unless it is the one that is kept."""
    if folder != VAR:
        shutil.rmtree(folder, ignore_errors=True)


def _lock(folder: Path) -> int | None:
    """A descriptor that holds the folder's lock; ``None`` if somebody else has it."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _remove_abandoned() -> None:
    """Remove what killed runs left. A folder without a lock file is just being made by another start."""
    for folder in VAR.glob(f"{PREFIX}*"):
        if not (folder / LOCK).exists():
            continue
        descriptor = _lock(folder)
        if descriptor is not None:
            remove_run(folder)
            os.close(descriptor)
