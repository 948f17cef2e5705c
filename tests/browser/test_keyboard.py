"""Everything at the desk by keyboard alone: no test here touches the mouse."""

import re
import time
from datetime import datetime
from typing import Literal

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from patients.models import Patient
from sessions.models import Appointment
from tests import factories as make
from tests.browser.conftest import Enter
from tests.cast import Cast

REGISTER_SECONDS = 60


@pytest.fixture
def desk(context: BrowserContext, cast: Cast, enter: Enter, now: datetime) -> Page:
    """Frida's browser at Today, with nothing focused yet."""
    enter(context, cast.frida)
    page = context.new_page()
    page.goto("/today/")
    return page


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def tab_to(page: Page, words: str, *, key: str = "Tab", most: int = 60) -> None:
    """Walk on until what has the focus is called ``words``. Refuses when a walk through the page does not get there."""
    for _ in range(most):
        press(page, key)
        if words in focused(page):
            return
    raise AssertionError(f"Nobody gets to {words!r} by {key}; the last stop was {focused(page)!r}")


def focused(page: Page) -> str:
    """Return what the element with the focus is called, by its words, its label or its title."""
    return str(
        page.evaluate(
            "() => { const e = document.activeElement; const labels = [...(e.labels || [])].map(l => l.textContent);"
            " return [e.textContent, e.getAttribute('aria-label'), ...labels, e.dataset.slotLabel].join(' ').trim() }"
        )
    )


def await_the_first_field(page: Page) -> None:
    """Wait for the focus: a browser gives it with the first picture of a page, which may come after its load."""
    expect(page.get_by_label("First name")).to_be_focused()


def test_register_a_patient(desk: Page) -> None:
    """From any page to the new record in under a minute, with the time of typing in it."""
    began = time.perf_counter()
    press(desk, "Control+k")
    desk.keyboard.type("regis", delay=20)
    press(desk, "Enter")
    desk.wait_for_url("**/patients/register/")
    await_the_first_field(desk)
    for line in ("Mei", "Lindqvist", "2/28/1990", "3035550177", "mei@post.example"):
        desk.keyboard.type(line, delay=20)
        press(desk, "Tab")
    press(desk, "Enter") if "Register" in focused(desk) else tab_to(desk, "Register")
    press(desk, "Enter")
    expect(desk.get_by_role("heading", level=1)).to_have_text("Mei Lindqvist")
    assert time.perf_counter() - began < REGISTER_SECONDS
    assert Patient.objects.get(given_name="Mei").birth_date.isoformat() == "1990-02-28"


def test_enter_anywhere_in_the_form_registers(desk: Page) -> None:
    desk.goto("/patients/register/")
    await_the_first_field(desk)
    for line in ("Mei", "Lindqvist", "2/28/1990", "3035550177"):
        desk.keyboard.type(line)
        press(desk, "Tab")
    press(desk, "Enter")
    expect(desk.get_by_role("heading", level=1)).to_have_text("Mei Lindqvist")


def test_book_an_intake(desk: Page, cast: Cast) -> None:
    desk.goto(f"/appointments/book-intake/?patient={cast.quinn.pk}")
    tab_to(desk, "Wed 13 Jan 2027")
    press(desk, "ArrowDown", "ArrowDown")
    chosen = focused(desk)
    tab_to(desk, "Book this time")
    press(desk, "Enter")
    expect(desk.get_by_text("Intake booked for Quinn Abbott").first).to_be_visible()
    booked = Appointment.objects.get(patient=cast.quinn)
    assert f"{booked.starts_at.astimezone(cast.denver.tz):%H:%M}" in chosen


def test_check_in_from_today(desk: Page, cast: Cast) -> None:
    make.make_appointment(cast.quinn, cast.intake, cast.dana, make.NOON)
    desk.reload()
    tab_to(desk, "Check in")
    press(desk, "Enter")
    expect(desk.locator("section[aria-labelledby=col-here]")).to_contain_text("Quinn Abbott")


def test_the_skip_link_comes_first_and_leads_to_the_page(desk: Page) -> None:
    press(desk, "Tab")
    assert re.search("[Ss]kip", focused(desk))
    press(desk, "Enter")
    assert desk.evaluate("document.activeElement.id") == "main"


def test_slash_finds_people_and_not_while_one_types(desk: Page) -> None:
    press(desk, "/")
    expect(desk.locator("#search-everyone")).to_be_focused()
    desk.keyboard.type("1/2")
    expect(desk.locator("#search-everyone")).to_have_value("1/2")
    desk.locator("#search-everyone").fill("abbott")
    press(desk, "Enter")
    expect(desk.get_by_role("link", name="Quinn Abbott")).to_be_visible()


def test_escape_closes_and_gives_the_focus_back(desk: Page) -> None:
    tab_to(desk, "Account menu")
    press(desk, "Enter")
    menu = desk.locator("#menu-who")
    expect(menu).to_be_visible()
    press(desk, "Escape")
    expect(menu).to_be_hidden()
    assert "Account menu" in focused(desk)
    press(desk, "Control+k")
    palette = desk.locator("dialog#palette")
    expect(palette).to_be_visible()
    press(desk, "Escape")
    expect(palette).to_be_hidden()
    assert "Account menu" in focused(desk)


def test_the_palette_goes_to_pages_by_arrows(desk: Page) -> None:
    press(desk, "Control+k")
    desk.keyboard.type("enquir")
    press(desk, "ArrowDown", "ArrowUp", "Enter")
    desk.wait_for_url(re.compile("/referrals/"))
    expect(desk.get_by_role("heading", level=1)).to_have_text("Enquiries")


@pytest.mark.parametrize("path", ["/today/", "/patients/", "/patients/register/", "/referrals/", "/schedule/"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_focus_is_seen_at_every_stop(desk: Page, path: str, theme: Literal["light", "dark"]) -> None:
    """Each stop of the tab key draws something around itself that was not there before."""
    desk.emulate_media(color_scheme=theme)
    desk.goto(path)
    unseen = []
    for _ in range(45):
        press(desk, "Tab")
        seen = desk.evaluate(
            """() => {
                const drawn = e => { const s = getComputedStyle(e); return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2 || s.boxShadow !== 'none' };
                const e = document.activeElement;
                if (e === document.body) return true;
                const around = [e, e.parentElement, e.closest('label, tr, li, form'), e.nextElementSibling];
                return around.some(part => part && drawn(part));
            }"""
        )
        if not seen:
            unseen.append(focused(desk))
    assert unseen == []
