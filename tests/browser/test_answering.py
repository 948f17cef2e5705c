"""Questionnaires in a browser: three interrupted sittings on a phone lose nothing, the keyboard is enough, axe is content."""

from datetime import datetime

import pytest
from django.conf import settings
from playwright.sync_api import Browser, BrowserContext, Page, Route, ViewportSize, expect

from assessments.actions import kiosks
from assessments.models import AssessmentRequest, AssessmentResponse, RiskAlert
from clinic.actions import devices
from clinic.models import EnrolledDevice
from tests import factories as make
from tests.browser.axe_pages import faults_of
from tests.browser.conftest import Enter
from tests.cast import Cast

PHONE: ViewportSize = {"width": 390, "height": 844}


def kept(page: Page) -> None:
    expect(page.locator("#saved")).to_contain_text("Kept at")


def _hold(route: Route, held: list[int]) -> None:
    """Let a letter of the autosave reach the server, and its answer never reach the page."""
    if "hx-request" in route.request.headers:
        held.append(route.fetch().status)
    else:
        route.continue_()


@pytest.mark.long
def test_three_interrupted_sittings_on_a_phone(
    context: BrowserContext, cast: Cast, enter: Enter, now: datetime
) -> None:
    """What was picked is kept as it is picked: closing the page, losing the sign-in and coming back lose nothing."""
    asked = make.make_request(cast.pat)
    enter(context, cast.pat_user)
    page = context.new_page()
    page.set_viewport_size(PHONE)
    page.goto("/portal/")
    page.get_by_role("link", name="Patient Health Questionnaire").click()
    assert not faults_of(page, "begin")
    page.set_viewport_size(PHONE)
    page.get_by_role("link", name="Start").click()
    box = page.get_by_text("Several days").locator("xpath=ancestor::label").bounding_box()
    assert box
    assert box["height"] >= 56
    assert box["width"] >= 300
    page.get_by_label("Several days").check()
    kept(page)
    page.get_by_role("button", name="Next").click()
    page.get_by_label("More than half the days").check()
    kept(page)
    assert not faults_of(page, "question")
    page.close()

    context.clear_cookies(name=settings.SESSION_COOKIE_NAME)
    enter(context, cast.pat_user)
    page = context.new_page()
    page.set_viewport_size(PHONE)
    page.goto(f"/portal/questionnaires/{asked.pk}/")
    expect(page.get_by_text("Welcome back")).to_be_visible()
    expect(page.get_by_label("More than half the days")).to_be_checked()
    # In a tunnel the question stays, with the numbers to call on it, and no page of the browser's own.
    context.set_offline(True)
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("No answer from the clinic.")).to_be_visible()
    expect(page.get_by_role("main").get_by_role("link", name="Call 988")).to_be_visible()
    context.set_offline(False)
    page.get_by_role("button", name="Dismiss").click()
    page.get_by_role("button", name="Next").click()

    # The keyboard alone from here: the question has the focus, the answers are one stop, Enter goes on.
    for place in range(3, 9):
        expect(page.get_by_text(f"{place} of 10")).to_be_visible()
        expect(page.get_by_role("heading", level=1)).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        kept(page)
        with page.expect_navigation():
            page.keyboard.press("Enter")
    expect(page.get_by_text("9 of 10")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    # From here on the server keeps what it is sent, and its word never comes back: thumbs are faster than a weak network.
    held: list[int] = []
    page.route("**/portal/questionnaires/**", lambda route: _hold(route, held))
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    for words in ("Not at all", "Several days"):
        expect(page.get_by_label(words)).to_be_checked()
        page.keyboard.press("ArrowDown")
    expect(page.get_by_label("More than half the days")).to_be_checked()
    while not held:
        page.wait_for_timeout(20)
    assert held == [200], "the first pick is kept on the server"
    with page.expect_navigation():
        page.keyboard.press("Enter")
    page.unroute("**/portal/questionnaires/**")
    expect(page.get_by_role("heading", name="You can talk to somebody right now")).to_be_visible()
    page.get_by_role("link", name="Look over my answers").click()
    expect(page.get_by_text("You left 1 question open")).to_be_visible()
    assert not faults_of(page, "check")
    assert AssessmentRequest.objects.get().draft == {"q1": 1, "q2": 2, **{f"q{n}": 0 for n in range(3, 9)}, "q9": 2}
    assert not AssessmentResponse.objects.exists()
    page.set_viewport_size(PHONE)
    page.get_by_role("button", name="Hand in anyway").click()
    expect(page.get_by_role("heading", name="Thank you for telling us")).to_be_visible()
    first = page.get_by_role("main").get_by_role("link", name="Call 988")
    stands = first.bounding_box()
    assert stands
    assert stands["y"] + stands["height"] < PHONE["height"], "help is on the first screen"
    assert not faults_of(page, "done")
    assert RiskAlert.objects.get().tier == "orange"

    # Printed, the answers say when they came; the alarm that rings for whoever reads them is not theirs.
    enter(context, cast.theo)
    page.goto(f"/responses/{AssessmentResponse.objects.get().pk}/")
    alarm = page.get_by_role("link", name="Clinician contact required")
    expect(alarm).to_be_visible()
    page.emulate_media(media="print")
    expect(alarm).to_be_hidden()
    expect(page.get_by_role("heading", name="How it came")).to_be_visible()


@pytest.mark.long
def test_a_kiosk_without_scripts_and_its_pages(
    opened: Browser, context: BrowserContext, cast: Cast, site: str, now: datetime
) -> None:
    made = devices.enroll(
        by=cast.ada, location=cast.denver, kind=EnrolledDevice.Kind.KIOSK, name="Door", room=None, now=now
    )
    make.make_request(cast.pat, "audit-c")
    plain = opened.new_context(base_url=site, java_script_enabled=False, viewport={"width": 820, "height": 1180})
    page = plain.new_page()
    page.goto("/devices/set-up/")
    page.get_by_label("Credential").fill(made.credential)
    page.get_by_role("button", name="Set up").click()
    code = kiosks.give_code(by=cast.frida, patient=cast.pat, location=cast.denver, now=now).code
    page.get_by_label("Your code").fill(f"{code[:3]} {code[3:]}")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Yes, that is me").click()
    page.get_by_role("link", name="Start").click()
    for _question in range(3):
        page.get_by_role("radio").first.check()
        page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Hand in my answers").click()
    expect(page.get_by_role("heading", name="Thank you, that is all")).to_be_visible()
    page.go_back()
    expect(page.get_by_label("Your code")).to_be_visible()
    assert AssessmentResponse.objects.get().mode == "kiosk"
    plain.close()

    context.add_cookies([{"name": settings.DEVICE_COOKIE_NAME, "value": made.credential, "url": site}])
    page = context.new_page()
    make.make_request(cast.pat, "asq")
    page.goto("/kiosk/")
    found = faults_of(page, "kiosk")
    code = kiosks.give_code(by=cast.frida, patient=cast.pat, location=cast.denver, now=now).code
    page.get_by_label("Your code").fill(code)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Are you Pat M.?")).to_be_visible()
    found += faults_of(page, "is it you")
    page.get_by_role("button", name="Yes, that is me").click()
    expect(page.get_by_role("link", name="Start")).to_be_visible()
    found += faults_of(page, "kiosk begin")
    page.goto("/kiosk/done/")
    found += faults_of(page, "kiosk done")
    assert not found, "\n".join(found)
