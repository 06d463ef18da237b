"""A storage as a client of an object store is: away, or without a file, by errors that are no OSError."""

from __future__ import annotations

import threading
import time
from typing import Any, ClassVar

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage


class ClientError(Exception):
    """What such clients raise: a class of their own."""


class ObjectFile(File):  # type: ignore[type-arg]  # not subscriptable when it runs
    """Read over a connection that may break."""

    def __init__(self, file: Any, storage: ObjectStorage) -> None:
        super().__init__(file)
        self._storage = storage

    def read(self, size: int = -1) -> bytes:
        """As Django's."""
        self._storage.fail_if_broken("read")
        return bytes(self.file.read(size))  # type: ignore[union-attr]


class ObjectStorage(FileSystemStorage):
    """Files, as long as nothing is said to be broken. Says what was opened."""

    broken: ClassVar[set[str]] = set()
    """Methods that raise."""
    stuck: ClassVar[set[str]] = set()
    """Methods, of ``open`` and ``read``, that say nothing until :meth:`mend`."""
    opened: ClassVar[list[str]] = []
    hangs: ClassVar[threading.Event] = threading.Event()
    """Lists say nothing until this is set, as it is at first."""
    hangs.set()
    is_hanging: ClassVar[bool] = False

    @classmethod
    def mend(cls) -> None:
        """Nothing is broken, nothing was opened."""
        cls.broken.clear()
        cls.stuck.clear()
        cls.opened.clear()

    def fail_if_broken(self, method: str) -> None:
        """Raise if it was said to be broken."""
        while method in self.stuck:
            time.sleep(0.01)
        if method in self.broken:
            raise ClientError(f"An error occurred (503) when calling the {method} operation")

    def _open(self, name: str, mode: str = "rb") -> Any:
        self.opened.append(name)
        self.fail_if_broken("open")
        file = super()._open(name, mode)  # type: ignore[misc]  # unknown to the stubs
        return ObjectFile(file.file, self)

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        """As Django's."""
        self.fail_if_broken("listdir")
        ObjectStorage.is_hanging = not self.hangs.is_set()
        self.hangs.wait()
        return super().listdir(path)

    def delete(self, name: str) -> None:
        """As Django's."""
        self.fail_if_broken("delete")
        super().delete(name)
