"""All pages of ours under each theme, on a desk and on a phone, by day and by night: they fit, load, can be used and keep nobody out."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import ConsoleMessage, Page, Response

from tests.servers.real import NPM

from .pictures import snap
from .sights import Sight, make_sights

AXE = NPM / "node_modules" / "axe-core" / "axe.min.js"
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

DESK, PHONE = 1280, 390
"""Pixels from side to side."""
IMPACTS = {"serious", "critical"}
OF_THE_THEME = {
    "stock": [["#searchbar"], [".select2-container"]],
    # Its links in fields and lists are paler than they should be, and a heading's cross to sort no more has no name.
    "jazzmin": [["#searchbar"], [".select2-container"], [".readonly"], ["#result_list a"], [".btn"]],
    # The link to one more row of a table is too dark by night.
    "unfold": [["#searchbar"], [".select2-container"], [".add-row"]],
}
"""What a theme draws within our part of the page: its own affair."""
AROUND = {
    "stock": [["#content"]],
    "jazzmin": [[".app-content"], [".mc-tool-item"]],
    "unfold": [["#content"], [".mc-tool-item"]],
}
"""Where our parts of the page are; what is around them is the theme's."""
TURN = {
    "stock": "(scheme) => { document.documentElement.dataset.theme = scheme; }",
    "jazzmin": "(scheme) => { document.documentElement.dataset.bsTheme = scheme; }",
    "unfold": "(scheme) => { document.documentElement.classList.toggle('dark', scheme === 'dark'); }",
}
"""Turns the page light or dark, as the theme's own switch does."""

STILL = "*, ::before, ::after { animation: none !important; transition: none !important; }"
"""Colours that are on their way from one to another are neither."""
MENU = "document.querySelector('[x-on\\\\:click=\"showActions = !showActions\"]')?.click()"
"""On a phone unfold folds the tools of a page away."""

MENU_GONE = """() => {
    const menu = document.querySelector(".app-sidebar");
    return !menu || menu.getBoundingClientRect().right <= 0 || menu.getBoundingClientRect().left >= innerWidth;
}"""
"""Jazzmin's script moves its menu off a narrow window, a while after it was told of the width."""

# Of the night, contrast alone: all else is as by day.
AXE_RUN = """async ([within, without, rules]) => (await axe.run(
    {include: within, exclude: without},
    {resultTypes: ["violations"], ...(rules.length ? {runOnly: {type: "rule", values: rules}} : {})},
)).violations"""
USABLE = """(selectors) => {
    const found = [], root = document.documentElement;
    const over = root.scrollWidth - root.clientWidth;
    if (over > 0) { found.push(`is ${over} px wider than the window`); }
    for (const list of document.querySelectorAll(".results:has(#result_list):has(.field-quota)")) {
        const hidden = list.scrollWidth - list.clientWidth;
        if (hidden > 0 && innerWidth > 1000) { found.push(`cuts off ${hidden} px of its list`); }
    }
    for (const selector of selectors) {
        const seen = [...document.querySelectorAll(selector)].filter((one) => one.getBoundingClientRect().width);
        if (!seen.length) { found.push(`${selector} is not shown`); }
        for (const one of seen) {
            one.scrollIntoView({behavior: "instant", block: "center", inline: "nearest"});
            const box = one.getClientRects()[0];
            const above = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
            if (box.left < 0 || box.right > root.clientWidth) { found.push(`${one.outerHTML.slice(0, 99)} is cut off`); }
            else if (!one.contains(above)) { found.push(`${one.outerHTML.slice(0, 99)} lies under ${above?.outerHTML.slice(0, 99)}`); }
        }
    }
    window.scrollTo(0, 0);
    return found;
}"""


def serious(page: Page, theme: str, *rules: str) -> list[str]:
    """Return what axe finds on the page that is shown: the rule, and the first place that breaks it."""
    found: list[dict[str, Any]] = page.evaluate(AXE_RUN, [AROUND[theme], OF_THE_THEME[theme], rules])
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:300]} {one['nodes'][0]['failureSummary'][:300]}"
        for one in found
        if one["impact"] in IMPACTS
    ]


def look_at(page: Page, theme: str, name: str, sight: Sight) -> list[str]:
    """Return what is wrong with one page."""
    page.set_viewport_size({"width": DESK, "height": 900})
    sight.show(page)
    picture = f"page-{theme}-{name.replace(' ', '-').replace(':', '')}"
    page.add_script_tag(path=AXE)
    page.add_style_tag(content=STILL)
    page.evaluate(TURN[theme], "light")
    found = [f"axe: {one}" for one in serious(page, theme)]
    found += [f"desk: {one}" for one in page.evaluate(USABLE, sight.controls)]
    snap(page, f"{picture}-desk")
    page.evaluate(TURN[theme], "dark")
    found += [f"axe, dark: {one}" for one in serious(page, theme, "color-contrast")]
    snap(page, f"{picture}-desk-dark")
    page.set_viewport_size({"width": PHONE, "height": 900})
    page.wait_for_function(MENU_GONE)
    snap(page, f"{picture}-phone-dark")
    page.evaluate(MENU)
    return found + [f"phone: {one}" for one in page.evaluate(USABLE, sight.controls)]


@pytest.mark.system("node")
@pytest.mark.skipif(not AXE.exists(), reason="needs axe-core: `make test-system` installs it by npm")
def test_every_page_fits_loads_can_be_used_and_keeps_nobody_out(themed_page: Page, theme: str) -> None:
    page, said = themed_page, list[str]()

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error":
            said.append(f"console: {message.text}")

    def see(response: Response) -> None:
        if response.status >= 400:
            said.append(f"{response.status}: {response.url}")

    page.on("console", hear)
    page.on("response", see)
    found: dict[str, list[str]] = {}
    for name, sight in make_sights().items():
        wrong = look_at(page, theme, name, sight)
        for one in (*wrong, *said):
            found.setdefault(one, []).append(name)
        said.clear()
    assert not found, "\n".join(f"{what}\n  {', '.join(where)}" for what, where in found.items())
