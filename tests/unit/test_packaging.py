"""Wheel and source distribution are opened and looked into: they hold what they should, all of it, and nothing else."""

import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
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


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution of this checkout, unpacked."""
    folder = tmp_path_factory.mktemp("source")
    with tarfile.open(next(SdistBuilder(str(ROOT)).build(directory=str(folder)))) as opened:
        opened.extractall(folder, filter="data")
    return folder / f"mailconfig-{mailconfig.__version__}"


def test_the_wheel_holds_every_file_of_the_app(wheel: zipfile.ZipFile) -> None:
    wanted = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "mailconfig").rglob("*")
        if path.is_file() and not CACHES & set(path.parts)
    }

    assert wanted - set(wheel.namelist()) == set()
    assert {"mailconfig/py.typed", "mailconfig/migrations/0001_initial.py"} <= wanted
    assert {f"mailconfig/locale/ja/LC_MESSAGES/django.{suffix}" for suffix in ("po", "mo")} <= wanted


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


def test_the_source_distribution_holds_what_the_repository_has_and_nothing_besides(source: Path) -> None:
    found = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}
    made = {"PKG-INFO", "pyproject.toml", ".gitignore"}
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("this is no checkout of git")  # a test run from the source distribution itself
    kept = {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}

    assert {
        "mailconfig/py.typed",
        "tests/conftest.py",
        "docs/installation.md",
        "Makefile",
        "LICENSE",
    } <= found
    assert found - kept - made == set()
    assert {name for name in kept - found if not name.startswith(".")} == set()


def test_the_wheel_made_of_the_source_distribution_is_the_same(
    wheel: zipfile.ZipFile, source: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(next(WheelBuilder(str(source)).build(directory=str(tmp_path)))) as again:
        assert {item.filename: item.CRC for item in again.infolist()} == {
            item.filename: item.CRC for item in wheel.infolist()
        }
