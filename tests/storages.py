"""A storage as a client of an object store is: away, or without a file, by errors that are no OSError."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.files.storage import FileSystemStorage


class ClientError(Exception):
    """What such clients raise: a class of their own."""


class ObjectStorage(FileSystemStorage):
    """Files, as long as nothing is said to be broken. Says what was opened."""

    broken: ClassVar[set[str]] = set()
    """Methods that raise."""
    opened: ClassVar[list[str]] = []

    @classmethod
    def mend(cls) -> None:
        """Nothing is broken, nothing was opened."""
        cls.broken.clear()
        cls.opened.clear()

    def _fail(self, method: str) -> None:
        if method in self.broken:
            raise ClientError(f"An error occurred (503) when calling the {method} operation")

    def _open(self, name: str, mode: str = "rb") -> Any:
        self.opened.append(name)
        self._fail("open")
        return super()._open(name, mode)  # type: ignore[misc]  # unknown to the stubs

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        """As Django's."""
        self._fail("listdir")
        return super().listdir(path)

    def delete(self, name: str) -> None:
        """As Django's."""
        self._fail("delete")
        super().delete(name)
