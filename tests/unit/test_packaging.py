"""The wheel is opened and looked into: it holds the app, all of it, and nothing else."""

import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

import mailconfig

ROOT = Path(__file__).resolve().parents[2]
CACHES = {"__pycache__"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel of this checkout, built by the backend itself, without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(next(WheelBuilder(str(ROOT)).build(directory=str(folder)))) as opened:
        yield opened


def test_the_wheel_holds_every_file_of_the_app(wheel: zipfile.ZipFile) -> None:
    wanted = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "mailconfig").rglob("*")
        if path.is_file() and not CACHES & set(path.parts)
    }

    assert wanted - set(wheel.namelist()) == set()
    assert {"mailconfig/py.typed", "mailconfig/migrations/0001_initial.py"} <= wanted


def test_the_wheel_holds_nothing_but_the_app(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}

    assert tops == {"mailconfig", f"mailconfig-{mailconfig.__version__}.dist-info"}


def test_the_wheel_says_what_it_is_and_needs(wheel: zipfile.ZipFile) -> None:
    folder = f"mailconfig-{mailconfig.__version__}.dist-info"
    metadata = Parser().parsestr(wheel.read(f"{folder}/METADATA").decode())
    needed = {
        line.split(";")[0].strip() for line in metadata.get_all("Requires-Dist", []) if "extra" not in line
    }

    assert metadata["Version"] == mailconfig.__version__
    assert f"{folder}/licenses/LICENSE" in wheel.namelist()
    assert not [line for line in needed if line.lower().startswith(("celery", "psycopg", "redis"))]
