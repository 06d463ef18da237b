"""The write-only form field for a secret."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from mailconfig.values import Secret

from .entry import secret_from_entry


class SecretInput(forms.PasswordInput):
    """A password input that renders no value, whatever it is given."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"autocomplete": "new-password", **(attrs or {})}, render_value=False)


class SecretFormField(forms.Field):
    """Takes a secret and never shows one.

    Cleans to a ``Secret``, or to ``None`` when nothing was entered, which keeps what is stored
    (``SecretField.save_form_data``). Clearing a secret is the form's own matter, with a control of its own.
    """

    widget = SecretInput
    default_error_messages = {"invalid": _("Enter text.")}

    def to_python(self, value: Any) -> Secret | None:
        if value is None:
            return None
        if not isinstance(value, str):
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return secret_from_entry(value)

    def prepare_value(self, value: Any) -> None:
        return None

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(data)
