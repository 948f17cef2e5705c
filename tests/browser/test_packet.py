"""A packet on a phone over three sittings, torn apart in every way a day has: reloads, two windows, a sign-in that ran out."""

import time
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module

import pytest
from django.conf import settings as django_settings
from playwright.sync_api import BrowserContext, Page, expect

from assessments.models import Packet, PacketSection
from clinic.models import User
from tests import chromium
from tests import factories as make
from tests.cast import Cast

Enter = Callable[[BrowserContext, User], None]
PHONE = {"width": 390, "height": 844}
GOALS = "/portal/packet/goals/"


@pytest.fixture
def phone(cast: Cast, context: BrowserContext, enter: Enter, settings: object) -> Page:
    settings.CLOCK_FROZEN_AT = make.NOON.isoformat()  # type: ignore[attr-defined]  # pytest-django's own type
    make.make_packet(cast.quinn, cast.frida)
    enter(context, cast.quinn_user)
    page = context.new_page()
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]  # a plain dict
    return page


def kept(part: str) -> dict[str, str]:
    return PacketSection.objects.get(code=part).draft  # type: ignore[no-any-return]  # JSON


def until(holds: Callable[[], bool]) -> None:
    """Wait until something is so on the server."""
    ends = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < ends, "it never came to be"
        time.sleep(0.05)


def saved(page: Page) -> None:
    expect(page.locator("[data-autosave-state]")).to_have_text("Saved 09:00")


def test_three_interrupted_sittings_lose_nothing(
    cast: Cast, phone: Page, context: BrowserContext, enter: Enter
) -> None:
    # First sitting: typed, and the page is reloaded before any button was pressed.
    phone.goto("/portal/packet/medicines/")
    phone.get_by_label("Name").fill("sertraline")
    phone.get_by_role("button", name="Add another medicine").click()
    second = phone.get_by_role("group", name="Medicine 2")
    second.get_by_label("Name").fill("lithium")
    saved(phone)
    # "Saved" may still speak of the row that was added.
    until(lambda: kept("medicines").get("medicine-1-name") == "lithium")
    phone.reload()
    expect(phone.get_by_role("group", name="Medicine 2").get_by_label("Name")).to_have_value("lithium")
    phone.get_by_role("radio", name="Not sure").check()
    # The last change leaves with the page: nobody waits for "Saved".
    phone.goto("/portal/packet/")
    expect(phone.get_by_role("link", name="Go on: Medicines and allergies")).to_have_count(0)
    until(lambda: "medicines_all" in kept("medicines"))
    assert kept("medicines") == {
        "medicine-0-name": "sertraline",
        "medicine-1-name": "lithium",
        "medicine-rows": "2",
        "medicines_all": "unsure",
    }
    assert chromium.axe(phone) == []

    # Second sitting: what hangs on a yes comes with it, by keyboard alone, and axe finds nothing on a page that was refused.
    phone.goto("/portal/packet/history/?step=heart")
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(phone.get_by_role("group", name="How is it now?")).to_have_count(0)
    phone.locator("#id_hypertension_0").focus()
    phone.keyboard.press("Space")
    phone.get_by_role("radio", name="I had it. It is over").first.check()
    saved(phone)
    phone.locator(".packet-bar").get_by_role("button", name="Save and go on").click()
    expect(phone.get_by_role("heading", name="Still open on this page")).to_be_visible()
    assert chromium.axe(phone) == []
    phone.get_by_role("button", name="Leave these open and go on").click()
    expect(phone.get_by_role("heading", name="Blood vessels")).to_be_visible()
    assert kept("history") == {"hypertension": "yes", "hypertension-state": "past", "leave-heart": "on"}

    # Third sitting: the sign-in ends in the middle of a sentence, and the sentence is there after the next one.
    phone.goto(GOALS)
    phone.get_by_label("What troubles you most?").fill("I think in circles, and")
    until(lambda: PacketSection.objects.filter(code="goals").exists())
    session_over(context)
    phone.get_by_label("What troubles you most?").press_sequentially(" at night most")
    phone.wait_for_url("**/account/login/**")
    enter(context, cast.quinn_user)
    phone.goto(GOALS)
    expect(phone.get_by_label("What troubles you most?")).to_have_value("I think in circles, and at night most")
    until(lambda: kept("goals")["reason"] == "I think in circles, and at night most")
    assert Packet.objects.get().status == "in_progress"


def session_over(context: BrowserContext) -> None:
    """Let the sign-in of this browser have idled for too long."""
    key = next(cookie["value"] for cookie in context.cookies() if cookie["name"] == django_settings.SESSION_COOKIE_NAME)
    store = import_module(django_settings.SESSION_ENGINE).SessionStore(key)
    store["seen_at"] = (make.NOON - timedelta(hours=2)).timestamp()
    store["began_at"] = (make.NOON - timedelta(hours=3)).timestamp()
    store.save()


def test_two_windows_keep_both_texts_until_one_is_chosen(cast: Cast, phone: Page, context: BrowserContext) -> None:
    laptop = context.new_page()
    phone.goto(GOALS)
    laptop.goto(GOALS)
    phone.get_by_label("What troubles you most?").fill("from the phone")
    saved(phone)
    laptop.get_by_label("What troubles you most?").fill("from the laptop")
    notice = laptop.get_by_role("alert").filter(has_text="In another window you answered this differently.")
    expect(notice).to_contain_text("“from the phone”")
    assert chromium.axe(laptop) == []
    laptop.get_by_role("button", name="Take this one").click()
    expect(laptop.get_by_label("What troubles you most?")).to_have_value("from the phone")
    expect(notice).to_have_count(0)
    row = PacketSection.objects.get(code="goals")
    assert (row.draft, row.others) == ({"reason": "from the phone"}, {})

    # No connection: the page says so, tries again by itself, and nothing is lost.
    context.set_offline(True)
    laptop.get_by_label("What troubles you most?").fill("typed in a tunnel")
    expect(laptop.locator("[data-autosave-state]")).to_have_text(
        "Not saved yet: no connection. We try again by ourselves."
    )
    # Pressing the button in a tunnel is answered by words, and gives up nothing of what was typed.
    laptop.locator(".packet-bar").get_by_role("button", name="Save and go on").click()
    expect(laptop.get_by_text("No answer from the clinic.")).to_be_visible()
    context.set_offline(False)
    saved(laptop)
    assert kept("goals") == {"reason": "typed in a tunnel"}

    # Words of danger bring the numbers, without a button being pressed.
    laptop.get_by_label("What troubles you most?").fill("I want to die")
    expect(laptop.get_by_text("Are you safe right now?")).to_be_visible()
