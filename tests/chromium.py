"""The system's Chromium, as the browser tests and ``script/shots`` drive it, and axe-core run inside its pages."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, Page, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
# A sandbox needs rights that containers lack; the rest keeps Chromium from calling home.
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--font-render-hinting=none",
]  # fmt: skip
AXE = Path(__file__).parents[1] / "node_modules" / "axe-core" / "axe.min.js"
# What a page is looked at in: phone, tablet, desk.
WIDTHS = {390: 844, 820: 1180, 1440: 900}


class ChromiumMissing(Exception):
    """There is no Chromium on this machine."""


def program() -> str:
    """Return the path of Chromium. Refuses with what to install when there is none."""
    found = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    if found is None:
        raise ChromiumMissing("The browser tests need Chromium: install it (Debian: apt-get install chromium).")
    return found


_opened: list[Browser] = []


@contextmanager
def browser() -> Iterator[Browser]:
    """Open a headless Chromium for the block, or lend the one that is open: a process can hold Playwright only once."""
    if _opened:
        yield _opened[0]
        return
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program(), args=FLAGS)
        _opened.append(opened)
        try:
            yield opened
        finally:
            _opened.clear()
            opened.close()


def axe(page: Page, *, leave_out: tuple[str, ...] = (), only: tuple[str, ...] = ()) -> list[str]:
    """Return what axe-core finds wrong on the page as it is now: "rule: where", by WCAG 2.2 A and AA and best practice.

    ``only`` names the rules to ask, where not all of them are.

    Run by evaluate and not by a script tag, which the content security policy refuses. ``leave_out`` are selectors of
    parts that are exempt, each of which its caller gives the reason for.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    # The size of targets is the one rule of WCAG 2.2 AA that axe leaves out unless it is told.
    options: dict[str, Any] = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
    if only:
        options = {"resultTypes": ["violations"], "runOnly": {"type": "rule", "values": list(only)}}
    found: dict[str, Any] = page.evaluate(
        "([leaveOut, options]) => axe.run({exclude: leaveOut.map(selector => [selector])}, options)",
        [list(leave_out), options],
    )
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in found["violations"]
        # The first few places say what is wrong; thirty rows of a list repeat it.
        for node in violation["nodes"][:3]
    ]


def send_form(page: Page, values: Mapping[str, str]) -> int:
    """Send the page's first form that asks for ``values``, with them written into it, past the browser's own checks.

    Return the status of the answer, once it is shown; 0 when the page has no form to send.
    """
    form = page.locator("main form[method=post]" + "".join(f':has([name="{name}"])' for name in values)).first
    if not form.count():
        return 0
    # The answer may be there before the page that shows it is: until then the old page is still loaded.
    with page.expect_navigation(wait_until="load"), page.expect_response(lambda r: r.request.method == "POST") as said:
        form.evaluate(
            "(form, values) => { for (const [name, value] of Object.entries(values)) form.elements[name].value = value;"
            " form.submit() }",
            dict(values),
        )
    return int(said.value.status)


def settle(page: Page) -> None:
    """Return when the page's fonts are there and every panel that it fetches for itself has come."""
    page.wait_for_load_state("load")
    page.wait_for_function(
        "() => document.fonts.status === 'loaded' && !document.querySelector('.htmx-request')"
        " && [...document.querySelectorAll('[hx-trigger=load]')]"
        ".every(panel => !panel.querySelector(`a[href=\"${panel.getAttribute('hx-get')}\"]`))"
    )


def paint(page: Page, theme: Literal["light", "dark"]) -> None:
    """Change the theme at once: on the way from one to the other colours are none that anybody chose."""
    page.evaluate(
        """() => {
            const still = new CSSStyleSheet();
            still.replaceSync("*, *::before, *::after { transition: none !important; animation: none !important }");
            document.adoptedStyleSheets = [still];
        }"""
    )
    page.emulate_media(color_scheme=theme)
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
