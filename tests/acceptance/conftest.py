"""A demo for all tests that look at one: it takes seconds to start."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.demo import Demo, running


@pytest.fixture(scope="session")
def var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the demo."""
    return tmp_path_factory.mktemp("demo") / "var"


@pytest.fixture(scope="session")
def demo(var: Path) -> Iterator[Demo]:
    """A demo that is up. Tests leave in it what they found."""
    with running(var) as started:
        yield started
