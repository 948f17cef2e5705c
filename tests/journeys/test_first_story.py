"""The first whole story, from a stranger's question to the check-in, in a real browser on real processes.

Rosa asks for help; Frida accepts, registers, invites and books; Rosa's letters arrive by SMTP; she comes into the portal
with her birth date and a code from a letter; the reminder goes out by itself at its hour, once; Felix checks her in; and
of two who take the same time the second is told in a sentence and offered others.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from clinic import letters
from tests import chromium

from .stack import Stack, stack, text_of

DENVER = ZoneInfo("America/Denver")
TUESDAY = datetime(2027, 1, 12, 10, 0, tzinfo=DENVER)
VISIT = datetime(2027, 1, 14, 10, 0, tzinfo=DENVER)
ROSA = "rosa@post.example"
SUBJECT = "A message from Juniper Street"

pytestmark = [pytest.mark.browser, pytest.mark.long]


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """The whole stack, on a Tuesday at ten, on servers that are not the tests'."""
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_ROLE", "DATABASE_APP_ROLE", "REDIS_URL", "PORT"):
        monkeypatch.delenv(name, raising=False)
    with stack(at=TUESDAY) as run:
        yield run


@pytest.fixture
def wrong() -> list[str]:
    """What any page complained of: an error of a script, a refusal by the content security policy."""
    return []


@pytest.fixture
def browse(house: Stack, wrong: list[str]) -> Iterator[Callable[[], BrowserContext]]:
    """Return a function that opens another person's browser."""
    with chromium.browser() as opened:

        def another() -> BrowserContext:
            return _context(opened, house, wrong)

        yield another


def _context(opened: Browser, house: Stack, wrong: list[str]) -> BrowserContext:
    context = opened.new_context(base_url=house.site, viewport={"width": 1440, "height": 900}, accept_downloads=True)
    context.set_default_timeout(15_000)
    context.on("weberror", lambda error: wrong.append(str(error.error)))
    context.on(
        "console",
        lambda said: wrong.append(said.text) if said.type == "error" and "Failed to load" not in said.text else None,
    )
    return context


def sign_in(context: BrowserContext, name: str) -> Page:
    """Return a page of somebody of the cast, at their first page."""
    page = context.new_page()
    page.goto("/account/login/")
    page.get_by_role("button", name=f"Continue as {name}").click()
    page.wait_for_url(lambda url: "/account/" not in url)
    return page


def choose(page: Page, words: str) -> None:
    """Choose an opening whose label begins with ``words``."""
    page.locator(f"label.slot:has(input[data-slot-label^='{words}'])").first.click()


def register(page: Page, given: str, family: str, email: str, born: str) -> None:
    page.goto("/patients/register/")
    page.get_by_label("First name").fill(given)
    page.get_by_label("Last name").fill(family)
    page.get_by_label("Birth date").fill(born)
    page.get_by_role("textbox", name="E-mail").fill(email)
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_role("heading", level=1, name=f"{given} {family}")).to_be_visible()


def test_from_a_question_to_the_check_in(
    house: Stack, browse: Callable[[], BrowserContext], wrong: list[str], tmp_path: Path
) -> None:
    rosa, frida = browse().new_page(), sign_in(browse(), "Frida")

    # Rosa asks.
    rosa.goto("/")
    rosa.get_by_role("link", name="Ask or start").first.click()
    rosa.get_by_label("First name").fill("Rosa")
    rosa.get_by_label("Last name").fill("Vega")
    rosa.get_by_text("By e-mail", exact=True).click()
    rosa.get_by_role("textbox", name="E-mail").fill(ROSA)
    rosa.get_by_label("Anything you would like us to know").fill("Mornings are best.")
    rosa.get_by_text("You may write to me by e-mail about my visits").click()
    rosa.get_by_role("button", name="Send my message").click()
    expect(rosa.get_by_role("heading", level=1)).to_have_text("We have your message")

    # Frida accepts, registers, invites and books.
    frida.goto("/referrals/")
    frida.get_by_role("link", name="Rosa Vega").click()
    expect(frida.get_by_text("Mornings are best.")).to_be_visible()
    frida.get_by_role("button", name="Accept").click()
    frida.get_by_role("link", name="Register").first.click()
    expect(frida.get_by_label("First name")).to_have_value("Rosa")
    frida.get_by_label("Birth date").fill("5/17/1984")
    frida.get_by_role("button", name="Register").click()
    expect(frida.get_by_role("heading", level=1)).to_have_text("Rosa Vega")
    frida.get_by_role("button", name="Invite to the portal").click()
    expect(frida.get_by_text(f"An invitation goes to {ROSA}.")).to_be_visible()
    frida.goto("/referrals/?state=accepted")
    frida.get_by_role("link", name="Rosa Vega").click()
    frida.get_by_role("link", name="Book").first.click()
    choose(frida, "Thu 14 Jan 2027 10:00 MST")
    frida.get_by_role("button", name="Book this time").click()
    expect(frida.get_by_text("Intake booked for Rosa Vega: Thu 14 Jan 2027 10:00 MST.").first).to_be_visible()
    expect(frida.get_by_text("Rosa is told by e-mail.").first).to_be_visible()
    visit = frida.url

    # Her letters come by SMTP, and she comes in.
    house.letter_to(ROSA, "We have your message")
    confirmation = house.letter_to(ROSA, "14 January 2027")
    assert "10:00 MST" in confirmation
    link = re.search(r"http://localhost:\d+/join/\S+", house.letter_to(ROSA, "/join/"))
    assert link is not None
    rosa.goto(link.group())
    rosa.get_by_label("Your birth date").fill("5/17/1984")
    rosa.get_by_role("button", name="Go on").click()
    rosa.get_by_role("button", name="Send me the code").click()
    code = re.search(r"is:\s+(\S+)", house.letter_to(ROSA, "Your sign-in code is:"))
    assert code is not None
    rosa.get_by_label("Code").fill(code.group(1))
    rosa.get_by_role("button", name="Sign in").click()
    main = rosa.locator("main")
    expect(main).to_contain_text("Thursday, 14 January 2027")
    expect(main).to_contain_text("10:00 MST")
    expect(main).to_contain_text("A photo ID")
    with rosa.expect_download() as download:
        rosa.get_by_role("link", name=re.compile("calendar")).first.click()
    download.value.save_as(tmp_path / "visit.ics")
    ics = (tmp_path / "visit.ics").read_text()
    assert "DTSTART;TZID=America/Denver:20270114T100000" in ics
    assert "SUMMARY:Visit: Juniper Street" in ics
    assert letters.revealing_words(ics) == []

    # The day before, at the hour, the reminder goes out by itself: not before, and once.
    before = len(house.letters_to(ROSA))
    house.move_clock(VISIT - timedelta(days=1, seconds=12))
    reminder = house.letter_to(ROSA, "Your visit is very soon")
    assert house.now() >= VISIT - timedelta(days=1)
    assert "14 January 2027" in reminder
    frida = sign_in(browse(), "Frida")
    for given, born in (("Nora", "3/4/1988"), ("Otis", "11/30/1961")):
        register(frida, given, "Quick", f"{given.lower()}@post.example", born)
    assert len(house.letters_to(ROSA)) == before + 1, "rounds of beat went by, and no second one came"

    # On the day Felix checks her in.
    house.move_clock(VISIT - timedelta(minutes=12))
    felix, frida = sign_in(browse(), "Felix"), sign_in(browse(), "Frida")
    felix.goto("/today/")
    felix.get_by_role("listitem").filter(has_text="Rosa Vega").get_by_role("button", name="Check in").click()
    here = felix.locator("section[aria-labelledby=col-here]")
    expect(here.get_by_role("link", name="Rosa Vega")).to_be_visible()
    frida.goto(visit)
    expect(frida.locator("main")).to_contain_text("Here")

    # Two take the same time: the second is told, and offered three others.
    for page, given in ((frida, "Nora"), (felix, "Otis")):
        page.goto(f"/patients/?q={given}")
        page.get_by_role("link", name=f"{given} Quick").first.click()
        page.goto(f"/appointments/book-intake/?patient={page.url.rstrip('/').rpartition('/')[2]}")
        choose(page, "Fri 15 Jan 2027 09:00 MST")
    frida.get_by_role("button", name="Book this time").click()
    expect(frida.get_by_text("Intake booked for Nora Quick").first).to_be_visible()
    felix.get_by_role("button", name="Book this time").click()
    expect(felix.get_by_text("This could not be booked")).to_be_visible()
    others = felix.locator("button[name=alternative]")
    expect(others).to_have_count(3)
    others.first.click()
    expect(felix.get_by_text("Intake booked for Otis Quick").first).to_be_visible()

    # Nothing on an envelope says what kind of clinic this is.
    for letter in house.letters_to(ROSA):
        assert letter["Subject"] == SUBJECT
        assert letters.revealing_words(text_of(letter)) == []
    assert len(house.letters_to(ROSA)) == before + 1
    assert wrong == []
