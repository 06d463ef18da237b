"""Where the demo project keeps things on disk, and the secrets it makes for itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex

ROOT = Path(__file__).resolve().parent.parent
VAR = Path(os.environ.get("DEMO_DIR") or ROOT / "var").resolve()
"""What outlives a run: keys, and the data of runs with ``--keep``."""
RUN = Path(os.environ.get("DEMO_RUN") or VAR).resolve()
"""What belongs to one run: database, broker, stored mails, logs. ``manage.py demo`` makes one for each."""


def make(folder: Path) -> Path:
    """The folder, there and closed to everybody else."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def kept(name: str, generate: Callable[[], str]) -> str:
    """The text of ``VAR/name``; the first who asks writes ``generate()`` there, readable by its owner only."""
    path = make(VAR) / name
    try:
        return path.read_text("ascii")
    except FileNotFoundError:
        pass
    # Whole or not at all, and the first of two processes wins: a link cannot replace what is there.
    draft = path.with_name(f".{name}-{token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(generate())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text("ascii")
