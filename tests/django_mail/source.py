"""Django's tests, which are in its source distribution only: fetched by pip, unpacked where they are forgotten."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import django

PATIENCE = 240
"""Seconds for pip, which also builds what tells it the distribution's name."""


class NotFetched(Exception):
    """The registry cannot be reached, or does not have it."""


def fetch(folder: Path) -> Path:
    """The folder in which the package ``mail`` lies, of the very version of Django that is installed.

    Raises:
        NotFetched: pip could not get it.
    """
    wanted = f"Django=={django.get_version()}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=Django", wanted]
    try:
        done = subprocess.run(
            [*command, "--dest", str(folder)], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise NotFetched(f"pip did not get {wanted} within {PATIENCE} s") from error
    archives = sorted(folder.glob("*.tar.gz"))
    if done.returncode or not archives:
        raise NotFetched(f"pip could not get the source of {wanted}: {done.stderr.strip()[-300:]}")
    with tarfile.open(archives[0]) as archive:
        members = [member for member in archive.getmembers() if "/tests/mail/" in member.name]
        archive.extractall(folder, members=members, filter="data")
    return next(folder.glob("*/tests"))
