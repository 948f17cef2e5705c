"""The desk's main story, and the patient's, in a browser that runs no scripts: links and posts are enough."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from patients.models import Referral
from sessions.models import Appointment, ChangeRequest
from tests import factories as make
from tests.browser.conftest import Enter
from tests.cast import Cast


@pytest.fixture
def plain(opened: Browser, site: str) -> Iterator[BrowserContext]:
    """A browser without JavaScript."""
    context = opened.new_context(base_url=site, viewport={"width": 1440, "height": 900}, java_script_enabled=False)
    context.set_default_timeout(10_000)
    yield context
    context.close()


def test_from_an_enquiry_to_a_visit_under_way(plain: BrowserContext, cast: Cast, enter: Enter, now: datetime) -> None:
    page = plain.new_page()
    page.goto("/")
    page.get_by_role("link", name="Ask or start").first.click()
    page.get_by_label("First name").fill("Ivy")
    page.get_by_label("Last name").fill("Plain")
    page.locator("input[name=reach_by][value=email]").check(force=True)
    page.get_by_role("textbox", name="E-mail").fill("ivy@post.example")
    page.get_by_text("Denver · 12 Juniper Street").click()
    page.get_by_text("You may write to me by e-mail about my visits").click()
    page.get_by_role("button", name="Send my message").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("We have your message")

    enter(plain, cast.frida)
    page.goto("/referrals/")
    page.get_by_role("link", name="Ivy Plain").click()
    page.get_by_role("button", name="Accept").click()
    page.get_by_role("link", name="Register").first.click()
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_text("Enter the birth date.").first).to_be_visible()
    expect(page.get_by_label("First name")).to_have_value("Ivy")
    page.get_by_label("Birth date").fill("5/17/1984")
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ivy Plain")
    page.get_by_role("link", name="Show the visits").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()

    referral = Referral.objects.get(given_name="Ivy")
    page.goto(f"/appointments/book-intake/?referral={referral.pk}")
    page.get_by_label("Room").select_option(label="Birch")
    page.get_by_role("button", name="Show").click()
    page.locator("label.slot:has(input[data-slot-label^='Wed 13 Jan 2027 11:00'])").click()
    page.get_by_role("button", name="Book this time").click()
    expect(page.get_by_text("Intake booked for Ivy Plain: Wed 13 Jan 2027 11:00 MST.").first).to_be_visible()
    visit = Appointment.objects.get(patient=referral.__class__.objects.get(pk=referral.pk).patient_id)
    assert visit.room == cast.second_room

    page.goto("/today/")
    row = page.get_by_role("listitem").filter(has_text="Ivy Plain")
    row.get_by_role("button", name="Check in").click()
    expect(page.locator("section[aria-labelledby=col-here]")).to_contain_text("Ivy Plain")
    page.get_by_role("link", name="Ivy Plain").click()
    page.get_by_role("button", name="Take into the room").click()
    expect(page.locator("main")).to_contain_text("In room")


def test_a_taken_time_is_answered_with_others(plain: BrowserContext, cast: Cast, enter: Enter, now: datetime) -> None:
    enter(plain, cast.frida)
    page = plain.new_page()
    page.goto(f"/appointments/book-intake/?patient={cast.quinn.pk}")
    page.locator("label.slot:has(input[data-slot-label^='Wed 13 Jan 2027 11:00'])").click()
    taken = datetime(2027, 1, 13, 11, 0, tzinfo=cast.denver.tz)
    make.make_appointment(cast.pat, cast.intake, cast.dana, taken, room=cast.room)
    page.get_by_role("button", name="Book this time").click()
    expect(page.get_by_text("This could not be booked")).to_be_visible()
    page.locator("button[name=alternative]").first.click()
    expect(page.get_by_text("Intake booked for Quinn Abbott").first).to_be_visible()


def test_a_patient_asks_for_another_time(plain: BrowserContext, cast: Cast, enter: Enter, now: datetime) -> None:
    visit = make.make_appointment(
        cast.pat, cast.intake, cast.dana, datetime(2027, 1, 20, 10, 0, tzinfo=cast.denver.tz), room=cast.room
    )
    enter(plain, cast.pat_user)
    page: Page = plain.new_page()
    page.goto("/portal/")
    expect(page.locator("main")).to_contain_text("Wednesday, 20 January 2027")
    page.goto(f"/portal/appointments/{visit.pk}/")
    page.get_by_role("link", name="Ask for another time").click()
    page.get_by_label("What would suit you?").fill("A Friday")
    page.locator("main form button[type=submit]").click()
    expect(page.get_by_text("A Friday")).to_be_visible()
    assert ChangeRequest.objects.get(appointment=visit).message == "A Friday"
