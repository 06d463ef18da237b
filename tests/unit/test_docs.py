"""What the README says is so."""

import re
from dataclasses import fields
from pathlib import Path

from mailconfig.conf import Settings

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_lists_exactly_the_settings_there_are() -> None:
    table = README.partition("## Settings")[2].partition("\n## ")[0]
    first_cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    listed = {name for cell in first_cells for name in re.findall(r"`([A-Z_]+)`", cell)}

    assert listed == {item.name.upper() for item in fields(Settings)}


def test_the_targets_the_documents_name_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`make ([a-z-]+)|^    make ([a-z-]+)", README + contributing, re.MULTILINE))

    assert {one or other for one, other in named} <= targets
