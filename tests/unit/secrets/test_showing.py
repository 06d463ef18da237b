"""Where a secret must not show: fixtures, forms, pages, logs."""

import json
import logging
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django import forms
from django.contrib.admin import ModelAdmin, site
from django.core import serializers
from django.core.management import call_command
from django.forms.models import model_to_dict
from django.test import RequestFactory

from mailconfig.secrets.forms import SecretFormField, SecretInput
from mailconfig.values import Secret
from tests.secretapp.models import Box

from .keys import PASSWORD, raw_token

pytestmark = pytest.mark.django_db


class BoxForm(forms.ModelForm):  # type: ignore[type-arg]
    """What a host project would write."""

    class Meta:
        model = Box
        fields = ["host", "secret"]


@pytest.fixture
def box() -> Box:
    made: Box = Box.objects.create(host="mail.example.com", secret=Secret(PASSWORD))
    return made


@pytest.mark.parametrize("form", ["json", "jsonl", "xml"])
def test_a_dump_holds_neither_text_nor_token_and_loads_without_a_secret(
    box: Box, tmp_path: Path, form: str
) -> None:
    out = StringIO()
    call_command("dumpdata", "secretapp.box", format=form, stdout=out)
    assert "mail.example.com" in out.getvalue()
    assert PASSWORD not in out.getvalue()
    assert raw_token(box)[:20] not in out.getvalue()
    fixture = tmp_path / f"dump.{form}"
    fixture.write_text(out.getvalue())
    call_command("loaddata", fixture, verbosity=0)
    assert Box.objects.get().host == "mail.example.com"
    assert raw_token(box) is None


def test_a_secret_in_a_fixture_is_refused_and_not_repeated() -> None:
    fields = {"host": "h", "deleted": False, "note": "", "secret": PASSWORD}
    (loaded,) = serializers.deserialize(
        "json", json.dumps([{"model": "secretapp.box", "pk": 1, "fields": fields}])
    )
    with pytest.raises(TypeError, match="save") as caught:
        loaded.save()
    assert PASSWORD not in str(caught.value)


def test_a_form_shows_nothing_of_it(box: Box) -> None:
    loaded = Box.objects.get()
    page = BoxForm(instance=loaded).as_p()
    again = BoxForm({"host": "", "secret": PASSWORD}, instance=loaded).as_p()
    for html in (page, again):
        assert 'type="password"' in html
        assert PASSWORD not in html
        assert raw_token(box)[:20] not in html
        assert "***" not in html
    assert "value=" not in again.split('type="password"')[1]


def test_an_empty_form_field_keeps_the_secret_and_a_filled_one_replaces_it(box: Box) -> None:
    before = raw_token(box)
    form = BoxForm({"host": box.host, "secret": ""}, instance=Box.objects.get())
    assert not form.has_changed()
    form.save()
    assert raw_token(box) == before
    form = BoxForm({"host": box.host, "secret": " spaces stay "}, instance=Box.objects.get())
    assert form.changed_data == ["secret"]
    form.save()
    assert Box.objects.get().password() == " spaces stay "


def test_the_admin_gets_the_same_field_in_spite_of_its_text_areas(box: Box) -> None:
    request = RequestFactory().get("/")
    form = ModelAdmin(Box, site).get_form(request, box, fields=["host", "secret"])(instance=box)
    assert isinstance(form.fields["secret"], SecretFormField)
    assert isinstance(form.fields["secret"].widget, SecretInput)
    assert PASSWORD not in form.as_p()


@pytest.mark.parametrize(
    ("entered", "code"),
    [
        ("*", "mask"),
        ("••••••••", "mask"),
        ("*•*", "mask"),
        (f"{PASSWORD}\n", "forbidden_character"),
        (f"{PASSWORD}\r", "forbidden_character"),
        (f"{PASSWORD}\0", "forbidden_character"),
        (f"{PASSWORD}\ud800", "forbidden_character"),
        ("ü" * 32769, "too_long"),
    ],
)
def test_what_is_no_secret_is_refused_without_repeating_it(entered: str, code: str) -> None:
    form = BoxForm({"host": "h", "secret": entered})
    assert [error["code"] for error in form.errors.get_json_data()["secret"]] == [code]
    assert PASSWORD not in repr(form.errors.as_data())
    assert PASSWORD not in form.as_p()


@pytest.mark.parametrize("entered", [" x ", "***x", "\t", "p\u00e4ss w\u00f6rd", "*" * 3 + " ", "ü" * 32768])
def test_what_may_be_a_secret_is_taken_as_it_is(entered: str) -> None:
    form = BoxForm({"host": "h", "secret": entered})
    assert form.is_valid(), form.errors
    form.save()
    assert Box.objects.get().password() == entered


def test_a_required_secret_is_required() -> None:
    class Required(forms.Form):
        secret = SecretFormField()

    assert [error["code"] for error in Required({}).errors.get_json_data()["secret"]] == ["required"]
    assert Required({"secret": PASSWORD}).is_valid()


def test_no_query_no_log_and_no_dictionary_shows_it(
    caplog: pytest.LogCaptureFixture, django_assert_num_queries: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    with django_assert_num_queries(3) as captured:
        box = Box.objects.create(host="h", secret=Secret(PASSWORD))
        loaded = Box.objects.get()
        loaded.save()
    assert not [query for query in captured.captured_queries if PASSWORD in query["sql"]]
    logging.getLogger("tests").warning("%s %r %s", box.secret, loaded.secret, vars(loaded))
    assert PASSWORD not in caplog.text
    assert PASSWORD not in repr(model_to_dict(loaded))
