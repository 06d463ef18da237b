"""The encrypted model field, on top of django-encrypted-model-fields and without its defects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import models
from django.db.models.expressions import Case, Value
from django.db.models.functions import Cast
from django.db.models.lookups import Exact
from django.db.models.query_utils import DeferredAttribute
from django.utils.text import capfirst

from mailconfig.values import Secret

from . import keyring
from .forms import SecretFormField, SecretInput
from .sealed import SealedSecret

if TYPE_CHECKING:
    from django import forms
    from django.db.backends.base.base import BaseDatabaseWrapper

    EncryptedTextField = models.TextField[Secret | None, Secret | None]
else:
    try:
        from encrypted_model_fields.fields import EncryptedTextField
    except ImproperlyConfigured:
        # It reads the key when it is imported. All that would use that key is overridden below, so without
        # one the plain column does: models load, and the system check says what is missing.
        EncryptedTextField = models.TextField

__all__ = ["SealedSecret", "SecretField"]

_REFUSED_OPTIONS = ("choices", "db_default", "db_index", "default", "primary_key", "unique")


class SecretAttribute(DeferredAttribute):
    """The attribute on instances: holds a ``Secret`` or ``None``, and refuses text."""

    def __set__(self, instance: models.Model, value: object) -> None:
        if value == "":
            value = None
        if value is not None and not isinstance(value, Secret):
            msg = (
                f"{type(instance).__name__}.{self.field.attname} takes a mailconfig.values.Secret or None, "
                f"not {type(value).__name__}: wrap the text, Secret(text)"
            )
            raise TypeError(msg)
        instance.__dict__[self.field.attname] = value


class ExactNone(Exact):
    """``filter(secret=None)``, which Django turns into ``isnull``; every other value is refused unlooked."""

    def __init__(self, lhs: Any, rhs: Any) -> None:
        if rhs is not None:
            raise FieldError(_not_searchable(lhs.output_field, "exact"))
        super().__init__(lhs, rhs)


class SecretField(EncryptedTextField):
    """A nullable column of tokens; NULL is "no secret".

    Values are ``Secret`` or ``None``. A row that was loaded holds a ``SealedSecret``: nothing is decrypted
    until ``bound_to(binding).reveal()``, and saving it writes the very same token, whatever the keys
    are. A plain ``Secret`` is sealed when its instance is saved (``save``, ``bulk_create``) for
    ``instance.secret_binding(name)``, a method that the model owes and that says the destination. Without an
    instance there is no destination: ``update(secret=Secret(…))`` and ``bulk_update`` of a secret not
    saved yet raise TypeError. Only ``isnull`` and ``=None`` can be looked up. Serialised (``dumpdata``) it is null.

    Args:
        binding: the name under which the model knows the destination; else the field's own. No migration notes
            it: historical models have no destinations, and seal nothing.
    """

    descriptor_class = SecretAttribute

    if TYPE_CHECKING:  # where django-stubs looks for what an attribute takes and gives
        _pyi_private_set_type: Secret | None  # type: ignore[assignment]
        _pyi_private_get_type: Secret | None  # type: ignore[assignment]

    def __init__(self, *args: Any, binding: str = "", **kwargs: Any) -> None:
        refused = [option for option in _REFUSED_OPTIONS if kwargs.get(option)]
        if refused:
            msg = f"a SecretField takes no {', '.join(refused)}: no two tokens are alike"
            raise TypeError(msg)
        super().__init__(*args, **{"blank": True, **kwargs, "null": True})
        self.binding = binding

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        return name, "mailconfig.secrets.fields.SecretField", args, kwargs

    def get_internal_type(self) -> str:
        return "TextField"

    # From the database and from elsewhere

    def from_db_value(self, value: str | None, *_args: object) -> SealedSecret | None:
        return SealedSecret(value) if value else None

    def to_python(self, value: Any) -> Secret | None:
        if value is None or isinstance(value, Secret):
            return value
        return Secret(str(value)) if value != "" else None

    def save_form_data(self, instance: models.Model, data: Any) -> None:
        """Take over what a form holds; ``None`` (nothing was entered) keeps what is stored."""
        if data is not None:
            setattr(instance, self.attname, data)

    # To the database

    def pre_save(self, model_instance: models.Model, add: bool) -> SealedSecret | None:
        value: Secret | None = getattr(model_instance, self.attname)
        if value is None or isinstance(value, SealedSecret):
            return value
        sealed = self._seal(value, model_instance)
        setattr(model_instance, self.attname, sealed)
        return sealed

    def _seal(self, secret: Secret, instance: models.Model) -> SealedSecret | None:
        # The text is in no variable: error reporters show those of every frame.
        if not secret.reveal():
            return None
        binding: str = cast("Any", instance).secret_binding(self.binding or self.name)
        return SealedSecret(keyring.seal(secret.reveal(), binding=binding))

    def get_prep_value(self, value: Any) -> str | None:
        """The token.

        Raises:
            TypeError: `value` has none: text, or a secret that was not saved through its instance.
        """
        if value is None or value == "":
            return None
        if isinstance(value, SealedSecret):
            return value.token
        raise TypeError(_not_storable(self, value))

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        if hasattr(value, "as_sql"):
            # An expression: the rows of bulk_update, or what would store another column's text as a token.
            if not _holds_only_secrets(value):
                msg = f"{self.name} cannot be set to an SQL expression"
                raise FieldError(msg)
            return value
        return self.get_prep_value(value)

    # What would give it away

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name == "isnull":
            return super().get_lookup(lookup_name)
        if lookup_name == "exact":
            return ExactNone
        raise FieldError(_not_searchable(self, lookup_name))

    def get_transform(self, lookup_name: str) -> None:
        return None

    def value_to_string(self, obj: models.Model) -> Any:
        """``None``, always: fixtures hold no secrets, not even as tokens."""
        return None

    def formfield(self, **kwargs: Any) -> forms.Field:
        """A write-only password field; any other widget (the admin proposes a textarea) is left aside."""
        kwargs.pop("form_class", None)
        kwargs.pop("choices_form_class", None)
        widget = kwargs.pop("widget", None)
        widget_class = widget if isinstance(widget, type) else type(widget)
        return SecretFormField(
            **{
                "required": not self.blank,
                "label": capfirst(self.verbose_name),
                "help_text": self.help_text,
                "widget": widget if issubclass(widget_class, SecretInput) else SecretInput,
                **kwargs,
            }
        )


def _not_searchable(field: models.Field[Any, Any], lookup_name: str) -> str:
    return f"{field.name} is encrypted: only isnull can be looked up, not {lookup_name}"


def _not_storable(field: SecretField, value: object) -> str:
    if isinstance(value, Secret):
        return (
            f"{field.name} was not saved through its instance, so nobody knows which destination it is for: "
            "set it on the instance and save() that"
        )
    return f"{field.name} takes a mailconfig.values.Secret or None, not {type(value).__name__}"


def _holds_only_secrets(expression: Any) -> bool:
    """Return whether `expression` is what bulk_update makes of a list of instances."""
    if isinstance(expression, Cast):
        return _holds_only_secrets(expression.get_source_expressions()[0])
    if isinstance(expression, Case):
        results = [case.result for case in expression.cases]
        return all(_holds_only_secrets(result) for result in results) and _is_null(expression.default)
    return isinstance(expression, Value) and isinstance(expression.output_field, SecretField)


def _is_null(expression: Any) -> bool:
    return isinstance(expression, Value) and expression.value is None
