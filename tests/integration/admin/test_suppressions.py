"""The suppression list in the admin: added by hand, imported from a file line by line, exported for a spreadsheet."""

from __future__ import annotations

import codecs
import csv
import io
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from mailconfig.models import Suppression
from tests.factories import make_tenant

from .conftest import permitted
from .pages import admin_url

pytestmark = pytest.mark.django_db

IMPORT = "/admin/mailconfig/suppression/import/"


def upload(browser: Client, data: bytes, **values: Any) -> str:
    """Import a file, and return the page that comes of it."""
    file = SimpleUploadedFile("list.csv", data, content_type="text/csv")
    response = browser.post(IMPORT, {"file": file, **values}, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def listed() -> set[tuple[str, str, str]]:
    return set(Suppression.objects.values_list("address", "reason", "note"))


def test_an_entry_is_added_in_the_form_in_which_it_is_compared(client: Client, alice: User) -> None:
    tenant = make_tenant()
    tenant.members.add(alice)
    url = admin_url("suppression", "add")
    given = {"address": " Them@EXAMPLE.net", "reason": "manual", "note": "by phone", "tenant": tenant.pk}
    assert client.post(url, given).status_code == 302
    entry = Suppression.objects.get()
    assert (entry.address, entry.tenant, entry.created_by) == ("them@example.net", tenant, alice)
    assert "already" in client.post(url, given).content.decode()
    for address in ("them@", "example", "127.0.0.1", "a b@example.net", "@example.net", "x" * 400):
        assert client.post(url, given | {"address": address}).status_code == 200
    assert client.post(url, given | {"address": "Bücher.example"}).status_code == 302
    assert listed() == {
        ("them@example.net", "manual", "by phone"),
        ("xn--bcher-kva.example", "manual", "by phone"),
    }
    assert client.post(admin_url("suppression", "change", entry.pk), given).status_code == 403


def test_nobody_writes_into_the_list_of_another_tenant(db: None) -> None:
    dave = permitted("dave", "view_suppression", "add_suppression")
    other = make_tenant()
    given = {"address": "them@example.net", "reason": "manual", "tenant": other.pk}
    assert dave.post(admin_url("suppression", "add"), given).status_code == 200
    assert "address" in upload(dave, b"address\nthem@example.net\n", tenant=other.pk)
    assert permitted("erin", "view_suppression").get(IMPORT).status_code == 403
    assert not Suppression.objects.exists()


HOSTILE = (
    "\ufeffAddress,reason,note,unknown\r\n"
    "a@example.net,,,x\r\n"
    "A@Example.net,manual,twice,\r\n"
    '"b@example.net",opt_out,"said ""no"", twice"\r\n'
    "\r\n"
    "'+c@example.net,bounce,'=1+1\r\n"
    "example.org\r\n"
    "nobody\r\n"
    "d@example.net,because,\r\n"
    "e@example.net,manual,a\x00b\r\n"
    '"f@example.net\nBcc: x",manual,\r\n'
    ",manual,\r\n"
    '"g@example.net,manual,never ends\r\n'
)


def test_a_hostile_file_is_read_line_by_line(client: Client) -> None:
    looked = upload(client, HOSTILE.encode(), only_looks="on")
    assert "4 new, 1 known already, 6 lines not read." in looked
    assert not Suppression.objects.exists()
    page = upload(client, HOSTILE.encode())
    for line in (8, 9, 10, 12, 13, 14):
        assert f"Line {line}: " in page, line
    assert listed() == {
        ("a@example.net", "manual", ""),
        ("b@example.net", "opt_out", 'said "no", twice'),
        ("+c@example.net", "bounce", "=1+1"),
        ("example.org", "manual", ""),
    }
    assert "0 new, 1 known already, 0 lines not read." in upload(
        client, b"address;reason\nA@example.net;manual\n"
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"mail\na@example.net\n", "does not name a column"),
        (b"\x00\x01", "does not name a column"),
        (b'"', "does not name a column"),
        (b"address\n\xff\n", "no text in UTF-8"),
        (b"address\n" + b"a@example.net\n" * 50_001, "too many lines"),
        (b"address\n" + b"x" * (4 * 2**20), "too large"),
        (b"address\n" + b"x" * 200_000, "Line 2: "),
        (b"", "empty"),
    ],
    ids=["column", "binary", "quote", "latin", "lines", "large", "cell", "empty"],
)
def test_a_file_that_is_none_is_refused_with_words(client: Client, data: bytes, words: str) -> None:
    assert words in upload(client, data)
    assert not Suppression.objects.exists()


def test_an_export_is_no_formula_and_comes_back(client: Client) -> None:
    Suppression.objects.create(address="+x@example.net", reason="bounce", note="=cmd|' /C calc'!A0")
    Suppression.objects.create(address="y@example.net", reason="manual", note="@SUM(1), 2")
    Suppression.objects.create(address="z@example.net", reason="manual", note="＝1＋1")
    for odd in ("a..b.@docomo.example", '"a b"@example.net', "-x@example.net", "x@[192.0.2.1]"):
        Suppression.objects.create(address=odd, reason="opt_out", note="odd")
    chosen = {
        "action": "export_as_csv",
        "_selected_action": list(Suppression.objects.values_list("pk", flat=True)),
    }
    response = client.post(admin_url("suppression"), chosen)
    data = b"".join(response.streaming_content)  # type: ignore[attr-defined]
    assert data.startswith(codecs.BOM_UTF8), "by which Excel knows UTF-8"
    head, *rows = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    assert head == ["address", "reason", "note", "created_at"]
    assert not [cell for row in rows for cell in row if cell[:1] in "=+-@\t\r＝"]
    before = {row[:2] for row in listed()}
    Suppression.objects.all().delete()
    upload(client, data)
    assert {row[:2] for row in listed()} == before
    assert ("+x@example.net", "bounce", "=cmd|' /C calc'!A0") in listed()
