"""Content-Disposition: the name that a server offers, as far as it can be read."""

import pytest

from mailconfig.transports.http.disposition import filename_of


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ('attachment; filename="a b.pdf"', "a b.pdf"),
        ("attachment; filename=a.pdf", "a.pdf"),
        ("attachment;filename=a.pdf;", "a.pdf"),
        ('inline; size=3; FILENAME="a.pdf"', "a.pdf"),
        (r'attachment; filename="a \"b\" \\ c.pdf"', r'a "b" \ c.pdf'),
        ("attachment; filename*=UTF-8''%e2%82%ac%20rates.pdf", "€ rates.pdf"),
        ("attachment; filename*=iso-8859-1'en'%A3.pdf", "£.pdf"),
        ("attachment; filename=\"plain.pdf\"; filename*=UTF-8''%C3%A4.pdf", "ä.pdf"),
        ("attachment; filename*=UTF-8''%C3%A4.pdf; filename=plain.pdf", "ä.pdf"),
        ("attachment; filename*=UTF-8''%ff.pdf; filename=plain.pdf", "plain.pdf"),
        ("attachment; filename*=koi8-r''%C3.pdf; filename=plain.pdf", "plain.pdf"),
        ("attachment; filename*=UTF-8''bad%zz; filename=plain.pdf", "plain.pdf"),
        ('attachment; filename="Rechnung März.pdf"'.encode().decode("latin-1"), "Rechnung März.pdf"),
        ('attachment; filename="Rechnung März.pdf"', "Rechnung März.pdf"),
        ('attachment; filename="../../x"', "../../x"),
        ('attachment; filename=""', ""),
        ("attachment", ""),
        ("", ""),
        ("attachment; filename=a.pdf; filename=b.pdf", ""),
        ('attachment; filename="a.pdf"; FileName="b.exe"; filename*=UTF-8\'\'c.pdf', ""),
        ('attachment; filename="a.pdf', ""),
        ("attachment; filename=a b.pdf", ""),
        ("attachment filename=a.pdf", ""),
        ("attachment; filename=a.pdf, inline; filename=b.pdf", ""),
        ("attachment; filename=" + "a" * 5000, ""),
    ],
)
def test_a_name_is_read_or_there_is_none(value: str, name: str) -> None:
    assert filename_of((value,)) == name


def test_two_fields_or_none_offer_no_name() -> None:
    assert filename_of(()) == ""
    assert filename_of(("attachment; filename=a.pdf", "attachment; filename=b.pdf")) == ""
