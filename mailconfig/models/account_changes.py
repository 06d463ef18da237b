"""Changes of an account since it was read: each question that a save asks, and the stored values that answer it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast

from django.db import models

from mailconfig.secrets.fields import SealedSecret

from . import account_fields
from .account_destination import SecretName, entered

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from mailconfig.values import Secret

    from .account import Account


REMEMBERED = {
    "destination": ("scope", *account_fields.DESTINATION),
    "senders": account_fields.SENDERS,
    "names": account_fields.NAMES,
    "holder": account_fields.HOLDER,
    "marks": account_fields.MARKS,
    "failover": ("failover_id",),
}
"""Columns whose stored values are remembered, by what a change of them means."""


class RemembersStored(models.Model):
    """The part of an account that knows what was stored when it was loaded."""

    _stored: Mapping[str, tuple[object, ...]] = {"marks": (False, False)}
    """By the keys of ``REMEMBERED``, as far as it was loaded. Never changed in place: classes and copies share it."""

    if TYPE_CHECKING:
        secret: Secret | None
        failover_id: int | None

    class Meta:
        abstract = True

    @classmethod
    def from_db(
        cls, db: str | None, field_names: Collection[str], values: Collection[Any], **kwargs: Any
    ) -> Self:
        """Remember the destination the stored secret was entered for."""
        account = super().from_db(db, field_names, values, **kwargs)
        account._remember_stored()
        return account

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        """Reload as Django does. What is reloaded as a whole is what is stored, so that nothing of it counts as edited."""
        super().refresh_from_db(*args, **kwargs)
        if len(args) < 2 and kwargs.get("fields") is None:
            self._remember_stored()

    def _remember_stored(self) -> None:
        deferred = self.get_deferred_fields()
        loaded = (key for key, names in REMEMBERED.items() if not deferred.intersection(names))
        self._stored = {**self._stored, **{key: self._now(key) for key in loaded}}

    def _now(self, key: str) -> tuple[object, ...]:
        if key == "destination":
            return entered(cast("Account", self), SecretName.SMTP)
        return tuple(getattr(self, name) for name in REMEMBERED[key])

    def _differs(self, *keys: str) -> bool:
        """Return whether something of these differs from what is stored; of what is not stored everything does."""
        return any(self._stored.get(key) != self._now(key) for key in keys)

    def _enters_secret(self) -> bool:
        typed = self.__dict__.get("secret")
        return typed is not None and not isinstance(typed, SealedSecret)

    def destination_changed(self) -> bool:
        """Return whether the stored secret would newly reach another server or user name.

        A system server that moves under its overrides is caught when the secret is opened: it is bound
        to the effective destination (:meth:`secret_binding`).
        """
        return self._keeps_secret_over("destination")

    def holder_changed(self) -> bool:
        """Return whether the stored secret would newly be used for another owner or tenant, who was never told it."""
        return self._keeps_secret_over("holder")

    def would_be_held_by_another(self) -> bool:
        """Return whether it was given another owner or tenant since it was read."""
        return "holder" in self._stored and self._differs("holder")

    def _keeps_secret_over(self, key: str) -> bool:
        return key in self._stored and isinstance(self.secret, SealedSecret) and self._differs(key)

    def project_marks_changed(self) -> bool:
        """Return whether it would newly send for the project, or cease to."""
        return self._differs("marks")

    def leads_elsewhere(self) -> bool:
        """Return whether its mail would newly use another server, account or address (also for answers), or be somebody else's.

        Another name leads mail as well: code names the account by it, and one that two have finds neither.
        """
        return self._differs("destination", "senders", "names", "holder", "failover")

    def fails_over_anew(self) -> bool:
        """Return whether its mail would newly be led over another account."""
        return self.failover_id is not None and self._differs("failover")
