"""Keys keep a sign-in alive, time alone ends it, and the page says so before (static/js/awake.js, kept_form.js)."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse
from playwright.sync_api import BrowserContext, Page, Request, expect

from clinic import clock
from clinic.models import AuditEvent
from patients.actions import patients
from patients.models import Contact, Patient
from tests import factories as make
from tests.browser.conftest import Enter
from tests.cast import Cast

SOON = "You will be signed out in about two minutes"
OVER = "You have been signed out."


@pytest.fixture
def hours() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(make.NOON, tick=True) as server:
        yield server


Pass = Callable[[int], None]


@pytest.fixture
def form(cast: Cast, context: BrowserContext, enter: Enter, hours: object) -> Page:
    """Frida at the form for a contact of Pat's, on a clock that stands still until it is told."""
    enter(context, cast.frida)
    page = context.new_page()
    page.clock.install(time=make.NOON)
    page.goto(reverse("patients:add_contact", args=[cast.pat.pk]))
    return page


@pytest.fixture
def wait(form: Page, hours: time_machine.Traveller) -> Pass:
    """Return a function that lets seconds pass, for the browser and for the server."""

    def pass_by(seconds: int) -> None:
        for _step in range(seconds // 10):
            hours.shift(timedelta(seconds=10))
            form.clock.run_for(10_000)
        form.wait_for_timeout(150)

    return pass_by


@pytest.fixture
def asked(form: Page) -> list[str]:
    found: list[str] = []

    def note(request: Request) -> None:
        if "/account/" in request.url:
            found.append(request.url.rpartition("/account/")[2])

    form.on("request", note)
    return found


def test_typing_for_an_hour_keeps_it_alive(form: Page, wait: Pass, asked: list[str]) -> None:
    note = form.get_by_label("Name", exact=False).first
    for _minute in range(20):
        for _stroke in range(3):
            note.press("a")
            wait(20)
    assert 15 <= asked.count("still-here/") <= 20, "at most once a minute"
    expect(form.locator("[data-session-words]")).to_be_empty()
    form.reload()
    assert "/login/" not in form.url


def test_doing_nothing_is_warned_of_and_ends(form: Page, wait: Pass, asked: list[str]) -> None:
    form.evaluate("document.dispatchEvent(new KeyboardEvent('keydown'))")
    wait(12 * 60)
    expect(form.locator("[data-session-words]")).to_be_empty()
    wait(70)
    expect(form.get_by_text(SOON)).to_be_visible()
    assert "still-here/" not in asked, "what a script does is no sign of life"
    wait(130)
    expect(form.get_by_text(OVER)).to_be_visible()
    expect(form.get_by_role("link", name="Sign in again")).to_be_visible()


def test_stay_signed_in(form: Page, wait: Pass, asked: list[str]) -> None:
    wait(13 * 60 + 20)
    form.get_by_role("button", name="Stay signed in").click()
    expect(form.locator("[data-session-words]")).to_be_empty()
    wait(10 * 60)
    form.reload()
    assert "/login/" not in form.url


def test_another_tab_spares_the_warning(form: Page, wait: Pass, context: BrowserContext) -> None:
    wait(10 * 60)
    other = context.new_page()
    other.goto(reverse("clinic:my_sessions"))
    wait(4 * 60)
    expect(form.locator("[data-session-words]")).to_be_empty()


def test_what_was_typed_too_late_comes_back_into_the_form(form: Page, wait: Pass, cast: Cast, settings: object) -> None:
    settings.DEMO_MODE = True  # type: ignore[attr-defined]  # pytest-django's own type
    form.get_by_label("Name", exact=False).first.fill("Robin Moreau")
    box = form.locator("main form.form textarea").first
    if box.count():
        box.fill("One line.\nAnother one.")
    wait(17 * 60)
    form.locator("main form.form button[type=submit]").first.click()
    expect(form.get_by_text("What you typed is kept for half an hour")).to_be_visible()
    form.get_by_role("button", name="Continue as Frida").click()
    expect(form.get_by_text("What you typed is back in the form")).to_be_visible()
    expect(form.get_by_label("Name", exact=False).first).to_have_value("Robin Moreau")
    if box.count():
        expect(box).to_have_value("One line.\nAnother one.")
    assert not Contact.objects.filter(name="Robin Moreau").exists(), "nothing is sent by itself"
    assert not AuditEvent.objects.filter(verb="contact.added").exists()


def test_a_form_that_was_overtaken_meanwhile_overrules_nobody(
    form: Page, wait: Pass, cast: Cast, settings: object
) -> None:
    settings.DEMO_MODE = True  # type: ignore[attr-defined]  # pytest-django's own type
    form.goto(reverse("patients:edit_patient", args=[cast.pat.pk]))
    form.get_by_label("Street").fill("9 Elm Row")
    wait(17 * 60)
    known = Patient.objects.get(pk=cast.pat.pk)
    corrected = replace(patients.identity_of(patient=known), email="right@post.example")
    patients.edit(by=cast.felix, patient=known, version=known.version, identity=corrected, now=clock.now())
    form.get_by_role("button", name="Save").click()
    form.get_by_role("button", name="Continue as Frida").click()
    expect(form.get_by_label("Street")).to_have_value("9 Elm Row")
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_text("Somebody changed this record while you were editing it.")).to_be_visible()
    expect(form.get_by_label("E-mail")).to_have_value("right@post.example")
    known.refresh_from_db()
    assert known.email == "right@post.example"
