"""Two people who want the same at the same time, each in a browser of their own: one has it, the other is told what to do."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from clinic.models import Role, User
from sessions.models import Appointment
from tests import factories as make
from tests.browser.axe_pages import faults_of
from tests.cast import Cast
from tests.sessions.booking import at, book
from tests.sessions.test_visit_requests import book_it, publish
from tests.sessions.test_waitlist import cancel, tick, wait

Enter = Callable[[BrowserContext, User], None]
TWENTY_PAST_TEN = at("10:20", 13)


@pytest.fixture(autouse=True)
def _ten_twenty(settings: object) -> None:
    settings.CLOCK_FROZEN_AT = TWENTY_PAST_TEN.isoformat()  # type: ignore[attr-defined]  # pytest-django's own type


@pytest.fixture
def other(opened: Browser, site: str) -> Iterator[BrowserContext]:
    """The second person's browser: a phone."""
    context = opened.new_context(base_url=site, viewport={"width": 390, "height": 844})
    context.set_default_timeout(10_000)
    yield context
    context.close()


def choose(page: Page, patient_id: object) -> None:
    page.goto(f"/appointments/book-intake/?patient={patient_id}")
    page.get_by_role("link", name="Week after").click()
    expect(page.get_by_role("heading", name="18–24 Jan 2027")).to_be_visible()
    page.locator("input[name=slot]").first.check(force=True)


def test_two_clerks_collide_and_the_second_gets_alternatives(
    cast: Cast, context: BrowserContext, other: BrowserContext, enter: Enter
) -> None:
    fred = make.make_user("Fred Fuchs")
    make.make_member(fred, cast.denver, Role.FRONT_DESK)
    enter(context, cast.frida)
    enter(other, fred)
    first, second = context.new_page(), other.new_page()
    choose(first, cast.pat.pk)
    choose(second, cast.quinn.pk)
    first.get_by_role("button", name="Book this time").press("Enter")
    expect(first.get_by_text("Intake booked for Pat Moreau")).to_be_visible()
    second.get_by_role("button", name="Book this time").press("Enter")
    expect(second.locator("#slots").get_by_role("alert")).to_contain_text("is taken at that time")
    assert not faults_of(second, "the second clerk")
    assert Appointment.objects.count() == 1
    second.locator("button[name=alternative]").first.click()
    expect(second.get_by_text("Intake booked for Quinn")).to_be_visible()
    one, two = Appointment.objects.order_by("booked_at", "starts_at")
    assert {one.patient_id, two.patient_id} == {cast.pat.pk, cast.quinn.pk}
    apart = one.ends_at <= two.starts_at or two.ends_at <= one.starts_at
    assert apart or one.clinician_id != two.clinician_id


def test_a_freed_time_is_one_patient_s_and_the_other_is_told(
    cast: Cast, context: BrowserContext, other: BrowserContext, enter: Enter, settings: object
) -> None:
    """Pat waits longest and lets half an hour go by; Quinn has it then, and Pat's page is an old one."""
    una = make.make_patient(cast.denver, "Una")
    visit = book(cast, una)
    for patient, minutes in ((cast.pat, 0), (cast.quinn, 1)):
        wait(cast, patient, at=make.NOON + timedelta(minutes=minutes))
    cancel(cast, visit)
    tick(cast, TWENTY_PAST_TEN)
    enter(context, cast.pat_user)
    late = context.new_page()
    late.goto("/portal/waitlist/")
    expect(late.get_by_role("heading", name="A time is free for you")).to_be_visible()
    assert not faults_of(late, "an offer")
    after = TWENTY_PAST_TEN + timedelta(minutes=31)
    tick(cast, after)
    settings.CLOCK_FROZEN_AT = after.isoformat()  # type: ignore[attr-defined]  # pytest-django's own type
    enter(other, cast.quinn_user)
    winner = other.new_page()
    winner.goto("/portal/waitlist/")
    winner.get_by_role("button", name="Take this time").click()
    expect(winner.get_by_text("14 Jan 2027").first).to_be_visible()
    # Half an hour without a press ends a sign-in; the page that is open is as old as it was.
    enter(context, cast.pat_user)
    late.get_by_role("button", name="Take this time").click()
    expect(late.get_by_role("alert")).to_be_visible()
    assert "somebody else" in late.get_by_role("alert").inner_text()
    assert not faults_of(late, "an offer that went on")
    assert [one.patient_id for one in Appointment.objects.filter(status="booked")] == [cast.quinn.pk]


def test_a_patient_on_a_phone_asks_comes_moves_and_cancels(
    cast: Cast, context: BrowserContext, other: BrowserContext, enter: Enter
) -> None:
    (kind,) = publish(cast, "follow_up")
    enter(other, cast.quinn_user)
    phone = other.new_page()
    phone.goto("/portal/appointments/")
    phone.get_by_role("link", name="Ask for a visit").click()
    phone.get_by_label("What for?").select_option("follow_up")
    phone.get_by_label("Anything else we should know?").fill("After four, please")
    phone.get_by_role("button", name="Send to the clinic").click()
    expect(phone.get_by_role("heading", name="You asked for")).to_be_visible()
    assert not faults_of(phone, "asked for a visit", lightly=True)
    enter(context, cast.frida)
    desk = context.new_page()
    desk.goto("/worklist/")
    desk.get_by_role("link", name="Patient asks for a visit").last.click()
    expect(desk.get_by_role("link", name="Find an opening")).to_be_visible()
    assert not faults_of(desk, "a patient's request")
    visit = book_it(cast, kind, now=TWENTY_PAST_TEN)
    phone.goto("/portal/appointments/")
    assert not faults_of(phone, "visits of the portal", lightly=True)
    phone.goto(f"/portal/appointments/{visit.pk}/")
    phone.get_by_role("button", name="I will come").click()
    expect(phone.get_by_text("You said that you come.")).to_be_visible()
    phone.get_by_role("link", name="Choose another time").click()
    assert not faults_of(phone, "choose another time", lightly=True)
    phone.locator("input[name=slot]").nth(3).check(force=True)
    phone.get_by_role("button", name="Move my visit").click()
    expect(phone.get_by_role("button", name="I will come")).to_be_visible()
    visit.refresh_from_db()
    assert (visit.status, visit.starts_at == at("10:00", 20)) == ("booked", False)
    phone.get_by_role("link", name="Cancel the visit").click()
    phone.get_by_label("Work or family").check()
    phone.get_by_role("button", name="Cancel the visit").click()
    expect(phone.get_by_text("Your visit is cancelled.").first).to_be_visible()
    visit.refresh_from_db()
    assert (visit.status, visit.cancelled_by) == ("cancelled", "patient")
