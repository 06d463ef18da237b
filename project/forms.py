"""The form of the demo's front page."""

from __future__ import annotations

from django import forms

from mailconfig.models import Account


class QueueForm(forms.Form):
    """Some mails for one account."""

    account = forms.ModelChoiceField(Account.objects.kept().defer("secret"), empty_label=None)
    count = forms.IntegerField(label="mails", min_value=1, max_value=500, initial=10)
