"""What the browser does with visits: one tap on the board, the board that refreshes itself, times by keyboard, the calendar."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from clinic.models import User
from sessions.actions import attendance
from sessions.models import Block, ResourceHold
from tests import factories as make
from tests.browser.axe_pages import faults_of
from tests.cast import Cast
from tests.sessions.booking import at, book
from tests.sessions.dosing import book_dose, dosing_room, may_be_dosed, monitor, publish_dosing, team

Enter = Callable[[BrowserContext, User], None]


@pytest.fixture(autouse=True)
def _ten_twenty(settings: object) -> None:
    settings.CLOCK_FROZEN_AT = at("10:20", 13).isoformat()  # type: ignore[attr-defined]  # pytest-django's own type


@pytest.fixture
def desk(cast: Cast, context: BrowserContext, page: Page, enter: Enter) -> Page:
    enter(context, cast.frida)
    return page


def test_one_tap_checks_in_and_another_takes_it_back(cast: Cast, desk: Page) -> None:
    make.make_appointment(cast.pat, cast.intake, cast.dana, at("10:30", 13), room=cast.room)
    desk.goto("/today/")
    desk.get_by_role("button", name="Check in").click()
    expect(desk.get_by_text("Pat Moreau is checked in.")).to_be_visible()
    expect(desk.locator("#col-here + ul li")).to_have_count(1)
    assert desk.url.endswith("/today/")
    desk.locator("[data-toast-undo] button").click()
    expect(desk.locator("#col-arriving + ul li")).to_have_count(1)


def test_a_second_enter_does_not_take_the_next_step(cast: Cast, desk: Page) -> None:
    make.make_appointment(cast.pat, cast.intake, cast.dana, at("10:30", 13), room=cast.room)
    desk.goto("/today/")
    desk.get_by_role("button", name="Check in").press("Enter")
    expect(desk.get_by_role("button", name="Into the room")).to_be_visible()
    expect(desk.get_by_role("link", name="Pat Moreau")).to_be_focused()


def test_a_second_press_on_the_same_spot_does_not_reach_the_neighbour(cast: Cast, desk: Page) -> None:
    make.make_appointment(cast.pat, cast.intake, cast.dana, at("10:30", 13), room=cast.room)
    make.make_appointment(cast.quinn, cast.intake, cast.theo, at("10:30", 13), room=cast.second_room)
    desk.goto("/today/")
    spot = desk.get_by_role("button", name="Check in").first.bounding_box()
    assert spot is not None
    here = desk.locator("#col-here + ul li")
    desk.mouse.click(spot["x"] + 20, spot["y"] + 15)
    expect(here).to_have_count(1)
    desk.mouse.click(spot["x"] + 20, spot["y"] + 15)
    desk.wait_for_timeout(900)
    expect(here).to_have_count(1)
    desk.mouse.click(spot["x"] + 20, spot["y"] + 15)
    expect(here).to_have_count(2)


@pytest.mark.long
def test_the_board_refreshes_itself_and_leaves_the_focus_alone(cast: Cast, desk: Page) -> None:
    make.make_appointment(cast.pat, cast.intake, cast.dana, at("11:30", 13), room=cast.room)
    make.make_appointment(
        make.make_patient(cast.denver, "Noa"),
        cast.intake,
        cast.tess,
        at("09:00", 13),
        status="no_show",
        no_show_at=at("09:30", 13),
    )
    desk.goto("/today/")
    # What was folded out stays folded out.
    desk.locator("#away-title").click()
    desk.get_by_role("link", name="Pat Moreau").focus()
    make.make_appointment(cast.quinn, cast.intake, cast.theo, at("11:00", 13), room=cast.second_room)
    expect(desk.get_by_role("link", name="Quinn Abbott")).to_be_visible(timeout=40_000)
    expect(desk.get_by_role("link", name="Noa Example")).to_be_visible()
    assert desk.evaluate("document.activeElement.textContent") == "Pat Moreau"


def test_booking_by_keyboard_and_a_slot_that_is_gone(cast: Cast, desk: Page) -> None:
    desk.goto(f"/appointments/book-intake/?patient={cast.pat.pk}")
    desk.get_by_role("link", name="Week after").click()
    expect(desk.get_by_role("heading", name="18–24 Jan 2027")).to_be_visible()
    assert desk.url.count("week=") == 1
    desk.locator("#find-room").select_option(label="Aspen")
    desk.wait_for_url("**room=*")
    assert desk.url.count("week=") == 1
    desk.locator("input[name=slot]").first.focus()
    desk.keyboard.press("Space")
    desk.keyboard.press("ArrowRight")
    desk.keyboard.press("ArrowDown")
    expect(desk.locator("[data-slot-choice]")).to_have_text("Tue 19 Jan 2027 08:15 MST · Dana Deng · Aspen")
    book(cast, cast.quinn, starts_at=at("08:15", 19))
    desk.keyboard.press("Enter")
    expect(desk.locator("#slots").get_by_role("alert")).to_contain_text("Dana Deng is taken at that time.")
    desk.locator("button[name=alternative]").first.click()
    expect(desk.get_by_text("Intake booked for Pat Moreau: Tue 19 Jan 2027 09:30 MST.")).to_be_visible()


@pytest.mark.parametrize(
    ("query", "shape"), [("view=day&by=room", "day"), ("view=day&by=person", "day"), ("view=week&by=room", "week")]
)
def test_the_calendar_shows_what_the_list_shows(cast: Cast, desk: Page, query: str, shape: str) -> None:
    make.make_appointment(cast.pat, cast.intake, cast.dana, at("10:00", 13), room=cast.room)
    make.make_appointment(cast.quinn, cast.intake, cast.theo, at("10:00", 13), room=None)
    desk.goto(f"/schedule/2027-01-13/?{query}")
    calendar, rows = desk.locator(".schedule-calendar"), desk.locator("[data-schedule-list] .row-link")
    expect(calendar.locator(".look")).to_have_count(2)
    assert calendar.get_attribute("data-shape") == shape
    assert sorted(calendar.locator(".ec-who").all_text_contents()) == sorted(rows.all_text_contents())
    # The list is on paper only while the calendar shows; the choice is this browser's and is kept.
    expect(rows.first).to_be_hidden()
    desk.emulate_media(media="print")
    expect(rows.first).to_be_visible()
    expect(calendar).to_be_hidden()
    desk.emulate_media(media="screen")
    desk.get_by_role("button", name="List").click()
    desk.reload()
    expect(rows.first).to_be_visible()


STANDS_IN_THE_VISIT = """() => {
    const [line, visit] = [".now-line", ".look"].map((name) => document.querySelector(name)?.getBoundingClientRect());
    return Boolean(line && visit && visit.top < line.top && line.top < visit.bottom);
}"""


def test_the_present_moment_is_the_clinic_s(cast: Cast, desk: Page) -> None:
    """The browser's clock says another year and another zone; the line stands where the clinic's clock is."""
    visit = make.make_appointment(cast.pat, cast.intake, cast.dana, at("10:15", 13), room=cast.room)
    assert visit.ends_at - visit.starts_at > timedelta(minutes=5)
    desk.goto("/schedule/2027-01-13/?view=day&by=room")
    expect(desk.locator(".look").first).to_be_visible()
    # Both boxes in one look, and again while the calendar is still being drawn.
    for _look in range(50):
        if desk.evaluate(STANDS_IN_THE_VISIT):
            break
        desk.wait_for_timeout(100)
    assert desk.evaluate(STANDS_IN_THE_VISIT)


def test_a_visit_on_the_calendar_opens_its_page(cast: Cast, desk: Page) -> None:
    visit = make.make_appointment(cast.pat, cast.intake, cast.dana, at("14:00", 13), room=cast.room)
    desk.goto("/schedule/2027-01-13/?view=day&by=room")
    desk.locator(".look").click()
    desk.wait_for_url(f"**/appointments/{visit.pk}/")
    expect(desk.get_by_role("heading", level=1)).to_have_text("Pat Moreau")


def test_without_scripts_all_of_it_works(cast: Cast, opened: Browser, site: str, enter: Enter) -> None:
    make.make_appointment(cast.pat, cast.intake, cast.dana, at("10:30", 13), room=cast.room)
    context = opened.new_context(base_url=site, java_script_enabled=False)
    enter(context, cast.frida)
    page = context.new_page()
    page.goto("/today/")
    page.get_by_role("button", name="Check in").click()
    expect(page.get_by_text("Pat Moreau is checked in.")).to_be_visible()
    page.goto("/schedule/2027-01-13/?view=day")
    expect(page.get_by_role("link", name="Pat Moreau")).to_be_visible()
    page.goto(f"/appointments/book-intake/?patient={cast.quinn.pk}")
    page.locator("input[name=slot]").first.check()
    page.get_by_role("button", name="Book this time").click()
    expect(page.get_by_text("Intake booked for Quinn Abbott")).to_be_visible()
    context.close()


def test_a_dosing_visit_is_dragged_and_everything_follows(cast: Cast, desk: Page) -> None:
    publish_dosing(cast)
    room, other = dosing_room(cast), dosing_room(cast, "Elm")
    visit = book_dose(cast, may_be_dosed(cast, cast.pat), team(cast, monitor(cast)), room)
    desk.goto("/schedule/2027-01-14/?view=day&by=room")
    card = desk.locator(".look")
    expect(card.locator(".ec-part")).to_have_text(["Preparation", "Dosing", "Integration"])
    expect(card.locator(".ec-there").nth(1)).to_have_text("Theo, Dana, Milo")

    def drag(hours: int) -> None:
        box, column = card.bounding_box(), desk.locator(".ec-col-head", has_text="Elm").bounding_box()
        assert box
        assert column
        desk.mouse.move(box["x"] + 30, box["y"] + 12)
        desk.mouse.down()
        desk.mouse.move(column["x"] + 40, box["y"] + 30, steps=4)
        desk.mouse.move(column["x"] + 40, box["y"] + 12 + hours * 64, steps=4)
        desk.mouse.up()

    # Two hours later nobody is free for so long before closing, and the question says so; closed, all is where it was.
    question = desk.get_by_role("dialog", name="Move this visit?")
    drag(5)
    expect(question).to_contain_text("This cannot be moved there")
    question.get_by_role("link", name="Leave it where it is").click()
    expect(question).to_be_hidden()
    expect(card.locator(".ec-when").first).to_contain_text("10:00")
    drag(2)
    expect(question).to_contain_text("Thu 14 Jan 2027 12:00 MST")
    expect(question).to_contain_text("Elm is kept until 15:15")
    expect(question).to_contain_text("please tell Pat by phone")
    visit.refresh_from_db()
    assert (visit.starts_at, visit.room) == (at("10:00"), room)
    question.get_by_label("Why is it moved?").select_option("patient:suits_better")
    question.get_by_role("button", name="Move the visit").click()
    expect(desk.get_by_text("Dosing for Pat Moreau moved to Thu 14 Jan 2027 12:00 MST.")).to_be_visible()
    visit.refresh_from_db()
    assert (visit.starts_at, visit.room) == (at("12:00"), other)
    blocks = Block.objects.filter(appointment=visit)
    assert {b.starts_at for b in blocks if b.duty == "therapist"} == {at("12:00"), at("12:30"), at("13:45")}
    assert ResourceHold.objects.filter(appointment=visit, is_live=True, during__startswith__lt=at("12:00")).count() == 0


def test_a_colleague_is_ill_and_everybody_is_called(cast: Cast, desk: Page) -> None:
    """Dana is ill today: what is here comes first, the rest is proposed, carried out and called."""
    here = book(cast, starts_at=at("11:00", 13))
    attendance.check_in(by=cast.frida, appointment=here, now=at("10:10", 13))
    book(cast, cast.pat, starts_at=at("15:00", 13))
    desk.goto("/schedule/")
    desk.get_by_role("link", name="Somebody is away").click()
    desk.get_by_label("Who").select_option(label="Dana Deng")
    desk.get_by_role("button", name="Show their visits").press("Enter")
    expect(desk.get_by_role("heading", name="Dana Deng is away")).to_be_visible()
    expect(desk.get_by_role("heading", name="Here already, or begun: see to these first")).to_be_visible()
    expect(desk.get_by_role("checkbox", name="Pat Moreau")).to_be_checked()
    assert not faults_of(desk, "absence")
    desk.get_by_role("button", name="Carry out what is ticked").press("Enter")
    expect(desk.get_by_text("One call is still to be made.")).to_be_visible()
    assert not faults_of(desk, "absence with calls", lightly=True)
    desk.get_by_role("button", name="Could not reach Pat Moreau").click()
    expect(desk.get_by_text("Not reached")).to_be_visible()
    desk.get_by_role("button", name="Reached Pat Moreau", exact=True).click()
    expect(desk.get_by_text("0 calls are still to be made.")).to_be_visible()
