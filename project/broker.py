"""Kombu's broker in a folder, with messages that appear whole: as ``folder://``, once this module is imported."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from time import monotonic
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps

TRANSPORT_ALIASES["folder"] = "project.broker:Transport"


class Channel(filesystem.Channel):
    """Kombu's own creates a file and then writes it: a worker that reads in between ends with a JSONDecodeError."""

    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:  # type: ignore[override]
        folder, name = Path(self.data_folder_out), uuid.uuid4()
        unfinished = folder / f"{name}.unfinished"
        unfinished.write_text(dumps(payload), encoding="utf-8")
        # In the order of their names they are read.
        os.replace(unfinished, folder / f"{round(monotonic() * 1000)}_{name}.{queue}.msg")  # noqa: PTH105


class Transport(filesystem.Transport):
    """Transport that the URL scheme stands for."""

    Channel = Channel
