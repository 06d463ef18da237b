"""Secrets as the database holds them: a token that is opened only when asked, and only for its destination."""

from __future__ import annotations

from typing import NoReturn

from mailconfig.values import Secret

from . import keyring


class SealedSecret(Secret):
    """A stored secret. Holding one decrypts nothing and needs no key.

    Two are equal when their tokens are; a sealed secret equals no plain one.
    """

    __slots__ = ("token",)

    def __init__(self, token: str) -> None:
        super().__init__(_refuse)
        self.token = token

    def bound_to(self, binding: str) -> BoundSecret:
        """The secret for the destination `binding`; its ``reveal()`` verifies that it was entered for it."""
        return BoundSecret(self.token, binding=binding)

    def reveal(self) -> str:
        """Never the text: which destination it would go to is not known here.

        Raises:
            TypeError: always; call ``bound_to(binding).reveal()``.
        """
        return _refuse()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, SealedSecret):
            return self.token == other.token
        return False if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(self.token)


class BoundSecret(SealedSecret):
    """A stored secret together with the destination it is wanted for.

    Assigned to a row it is stored as the token it is, never sealed anew: handing one account's secret to
    an account with another destination gives a secret that does not open.
    """

    __slots__ = ("binding",)

    def __init__(self, token: str, *, binding: str) -> None:
        super().__init__(token)
        self.binding = binding

    def reveal(self) -> str:
        """The text.

        Raises:
            DestinationChanged: it was entered for another destination.
            SecretUnreadable: the token does not open with the keys there are.
        """
        return keyring.open(self.token, binding=self.binding)


def _refuse() -> NoReturn:
    msg = "a stored secret opens for its destination only: use bound_to(binding).reveal()"
    raise TypeError(msg)
