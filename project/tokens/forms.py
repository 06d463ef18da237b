"""The form that makes a token."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User

from .making import LIFETIME

LIFETIMES = {
    "1 hour": timedelta(hours=1),
    "12 hours": LIFETIME,
    "7 days": timedelta(days=7),
    "30 days": timedelta(days=30),
    "1 year": timedelta(days=365),
}


class TokenForm(forms.Form):
    """For how long and, if a superuser asks, for whom."""

    user = forms.ModelChoiceField(
        get_user_model().objects.none(),
        label="For",
        empty_label=None,
        help_text="Whoever has the token may do over the API what this user may.",
    )
    lifetime = forms.TypedChoiceField(
        label="Valid for",
        choices=[(words, words) for words in LIFETIMES],
        coerce=LIFETIMES.__getitem__,
        initial="12 hours",
        help_text="Then it is refused. It can be revoked at any time before.",
    )

    def __init__(self, *args: Any, asks: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._asks = asks
        if asks.is_superuser:
            choice = self.fields["user"]
            assert isinstance(choice, forms.ModelChoiceField)  # noqa: S101 - it stands above
            choice.queryset = get_user_model().objects.filter(is_active=True).order_by("username")
            choice.initial = asks.pk
        else:
            # Not only hidden: what is posted in its name is not looked at.
            del self.fields["user"]

    @property
    def owner(self) -> User:
        """Return whose token it will be, once the form is valid."""
        chosen: User = self.cleaned_data.get("user", self._asks)
        return chosen
