"""HTML of which a parser would make much more than stands there."""

from __future__ import annotations

import pytest

from mailconfig.incoming.harmless import harmless
from mailconfig.markup import grows
from mailconfig.rendering.signature import sanitised
from tests import growth

FONTS = [f"<font size={number}>" for number in range(2_000)]
MAIL = (
    "<!DOCTYPE html><html><head><title>a > b</title><style><!-- p > b { color: red } --></style></head><body>"
    '<!--[if mso]><table><![endif]--><table width="100%"><tr>'
)
CELL = (
    '<td style="color: red" align=left><p><a href="https://example.com/?a=1&amp;b=2"><b>Hello</b><br/>'
    '<img src="x.png" alt="A &gt; B"></a></p><font color="red"><i>there</i></font></td>'
)


@pytest.mark.parametrize(
    "html",
    [
        "".join(f"{font}<p>" for font in FONTS),
        "".join(FONTS) + "<p>x" * 9_000,
        "".join(FONTS) + "</p>" * 9_000,
        "".join(f"{font}<table><td></font></table><p>" for font in FONTS),
        "".join(f"{font}<!--</font>--><!--><p>" for font in FONTS),
        "".join(f"{font}<!-- --!>{font}<p> --></font>" for font in FONTS),
        "".join(f'{font}<p title="</font>">' for font in FONTS),
        "".join(f'{font}<p a=x" b="></font>">' for font in FONTS),
        "".join(f"{font}<script></font></script><p>" for font in FONTS),
        "".join(f"{font}<style></font></style><p>" for font in FONTS),
        "<select><style></select>" + "".join(f"{font}<p>" for font in FONTS) + "</style>",
        f"<b title={'x' * 10_000}>" + "<p>x" * 9_000,
    ],
)
def test_what_would_grow_without_end_is_left_as_text(html: str) -> None:
    assert grows(html)
    for found in (harmless(html), sanitised(html)):
        assert len(found) <= len(html) * 5
        assert "<" not in found
    assert sanitised(sanitised(html)) == sanitised(html)


def test_mail_as_programs_write_it_stays_html() -> None:
    html = MAIL + CELL * 2_000 + "</tr></table><!-- end --></body></html>"

    assert not grows(html)
    assert "<b>Hello</b>" in harmless(html)


@pytest.mark.parametrize(
    "piece",
    ["<", "<a ", "<!", "<!--", "<!-- -->", "<a b=", "<style>", "</b>", "<title></title>", "<?", "<p "],
)
def test_it_takes_as_long_as_its_input_is(piece: str) -> None:
    assert growth.is_even(grows, piece * 12_000, piece * 3_000)
