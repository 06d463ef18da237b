"""Keys that the demo makes for itself."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CODE = "from project.folders import kept; from secrets import token_hex; print(kept('key', lambda: token_hex(16)))"


def test_processes_that_start_at_once_get_the_same_key(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    environment = {"DEMO_DIR": str(folder), "PATH": ""}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", CODE], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    keys = {process.communicate()[0].strip() for process in started}

    (key,) = keys
    assert len(key) == 32
    assert [path.name for path in folder.iterdir()] == ["key"]
    assert (folder / "key").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
