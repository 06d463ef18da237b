"""The look of the host's admin: with unfold its own base classes and controls, with any other theme Django's.

Other themes restyle Django's pages as they are; unfold draws only what comes from its own classes, and jazzmin only
controls that have Bootstrap's.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from django import forms
from django.apps import apps

HAS_UNFOLD = apps.is_installed("unfold")
"""Whether the host project uses it. Nothing of it is imported otherwise."""

HAS_JAZZMIN = apps.is_installed("jazzmin")
TOOLS_IN_LISTS = {"form", "list"} - ({"form", "list"} if HAS_JAZZMIN else {"list"} if HAS_UNFOLD else set())
"""Pages around whose tools the theme draws a list, into which ``<li>`` belongs."""

_classes: tuple[tuple[type[forms.Widget], str], ...] = ()
"""The CSS classes that the theme's controls have, by the kind of control; the first that fits."""

if TYPE_CHECKING or not HAS_UNFOLD:
    from django.contrib.admin import ModelAdmin
    from django.contrib.admin.views.main import ChangeList
    from django.contrib.admin.widgets import ForeignKeyRawIdWidget as RawIdWidget
    from django.forms import FileInput
else:
    ModelAdmin = import_module("unfold.admin").ModelAdmin
    ChangeList = import_module("unfold.views").ChangeList
    _widgets = import_module("unfold.widgets")
    RawIdWidget = _widgets.UnfoldForeignKeyRawIdWidget
    # Its script wants every choice of a file to be built like this.
    FileInput = _widgets.UnfoldAdminFileFieldWidget
    _classes = (
        (forms.FileInput, ""),
        (forms.CheckboxInput, " ".join(_widgets.SWITCH_CLASSES)),
        (forms.Select, " ".join(_widgets.SELECT_CLASSES)),
        (forms.widgets.Input, " ".join(_widgets.INPUT_CLASSES)),
    )

if HAS_JAZZMIN:
    _classes = (
        (forms.CheckboxInput, "form-check-input"),
        (forms.Select, "form-select"),
        (forms.widgets.Input, "form-control"),
        (forms.Textarea, "form-control"),
    )

__all__ = ["HAS_UNFOLD", "TOOLS_IN_LISTS", "ChangeList", "FileInput", "ModelAdmin", "RawIdWidget", "dress"]


def dress(widget: forms.Widget) -> None:
    """Give a control that a form declares by itself the look of those that the theme makes."""
    classes = next((classes for kind, classes in _classes if isinstance(widget, kind)), "")
    if classes and not widget.is_hidden:
        widget.attrs["class"] = f"{widget.attrs.get('class', '')} {classes}".strip()
