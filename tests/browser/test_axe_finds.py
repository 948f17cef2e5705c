"""What axe is asked, and how a page is looked at, still finds faults that were put there."""

from playwright.sync_api import BrowserContext

from tests.browser.axe_pages import faults_of, tab_of

PLANTED = (
    '<html lang="en"><title>Planted</title><main><h1>Planted</h1><input><a href="/" style="display: inline-block; width: 9px">x</a>'
    '<p style="color: #aaa; background: #fff; width: 2000px">Words</p></main></html>'
)


def test_what_is_planted_is_found(context: BrowserContext) -> None:
    """Whatever is left out to be quick: each way of looking finds what it is there to find."""
    page = tab_of(context)
    for turn, lightly in ((0, False), (1, False), (0, True), (1, True)):
        page.set_content(PLANTED)
        found = "\n".join(faults_of(page, "planted", turn=turn, lightly=lightly))
        for fault in ("label", "color-contrast", "scrolls sideways"):
            assert fault in found, (turn, lightly, found)
        for width in () if lightly else (390, 1440):
            assert f"planted {width}: the page is" in found
            assert any(line.startswith(f"planted {width} ") and "color-contrast" in line for line in found.splitlines())
