"""What is left of HTML that came in."""

from __future__ import annotations

import pytest

from mailconfig.incoming.harmless import harmless
from tests import growth


@pytest.mark.parametrize(
    ("html", "left"),
    [
        ("<p style='color: red' onclick=x>Hi</p>", '<p style="color: red">Hi</p>'),
        ("<script>x</script><title>y</title><svg><script>z</script></svg>", ""),
        ("<base href=//e.test><meta http-equiv=refresh content='0;url=//e.test'><link rel=preconnect href=//e.test>", ""),
        ("<form action=//e.test><input name=a>text<button>Go</button></form>", "textGo"),
        ("<a href=https://e.test target=_top ping=//e.test>here</a>", '<a title="https://e.test">here</a>'),
        ("<a title=bank.test id=x href='https://e.test/?a=1&b=%22\"'>x</a>", '<a title="https://e.test/?a=1&amp;b=%22&quot;" id="x">x</a>'),
        ("<a class='a href=&quot;b' href=\"mailto:me@e.test\">x</a>", '<a title="mailto:me@e.test" class="a href=&quot;b">x</a>'),
        ("<a href='https://e.test/\u202etset.knab\n&lt;b&gt;'>x</a>", '<a title="https://e.test/%E2%80%AEtset.knab%0A&lt;b&gt;">x</a>'),
        ("<a href='javascript:x' name=y>x</a><a href=' /admin/logout/'>y</a><b href=//e.test>z</b>", '<a>x</a><a title="/admin/logout/">y</a><b>z</b>'),
        (f"<a href=https://e.test/{'x' * 600}>x</a>", f'<a title="https://e.test/{"x" * 485}">x</a>'),
        ("<img src=https://e.test/x srcset='//e.test/y 2x' alt=z>", '<img alt="z">'),
        ("<img src=/admin/logout/><img src=x><img src='?y'><img src=cid:z>", "<img><img><img><img>"),
        ("<img src='data:image/png;base64,AA=='>", '<img src="data:image/png;base64,AA==">'),
        ("<video poster=//e.test><source src=//e.test></video><table background=//e.test></table>", "<table></table>"),
        ("<iframe src=//e.test>x</iframe><object data=//e.test>y</object>z<embed src=//e.test>", "z"),
        ("<style>p { color: red }</style><p>", "<style>p { color: red }</style><p></p>"),
        ("<!-- <p> --> &lt;b&gt;", " &lt;b&gt;"),
    ],
    ids=str,
)  # fmt: skip
def test_only_what_looks_like_something_is_left(html: str, left: str) -> None:
    assert harmless(html) == left


@pytest.mark.parametrize(
    "piece",
    [
        "<",
        "<b>",
        "<a ",
        "<p><b><i>",
        "<table>",
        "<style>",
        "&",
        "<img src=",
        "<a href=x ",
        "<a href='",
        '<a "',
    ],
)
def test_it_takes_as_long_as_its_input_is(piece: str) -> None:
    assert growth.is_even(harmless, piece * 12_000, piece * 3_000)
