"""Going back after a refused form goes back, and does not ask whether to send it again (static/js/in_place.js)."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, BrowserContext, Page, expect

from clinic.models import Membership
from patients.models import Contact
from tests.browser.conftest import Enter
from tests.cast import Cast


@pytest.fixture
def form(cast: Cast, context: BrowserContext, enter: Enter) -> Page:
    """Frida came from Pat's page to the form for a contact."""
    enter(context, cast.frida)
    page = context.new_page()
    page.goto(reverse("patients:patient", args=[cast.pat.pk]))
    page.goto(reverse("patients:add_contact", args=[cast.pat.pk]))
    return page


def send(page: Page) -> int:
    """Press the form's button and return the status of the answer."""
    with page.expect_response(lambda response: response.request.method == "POST") as said:
        page.locator("main form.form button[type=submit]").first.click()
    return said.value.status


def test_back_after_two_refusals_is_one_step(form: Page, cast: Cast) -> None:
    before = form.evaluate("history.length")
    for _time in range(2):
        form.get_by_label("Name").first.fill("Robin Moreau")
        assert send(form) == 422
        summary = form.locator(".error-summary")
        expect(summary).to_be_visible()
        expect(summary).to_be_focused()
        expect(form.get_by_label("Name").first).to_have_value("Robin Moreau")
    assert form.evaluate("history.length") == before
    form.go_back()
    expect(form).to_have_url(re.compile(reverse("patients:patient", args=[cast.pat.pk]) + "$"))
    expect(form.locator("h1")).to_contain_text("Pat Moreau")


def test_on_a_phone_the_page_goes_up_to_what_is_wrong(form: Page) -> None:
    form.set_viewport_size({"width": 390, "height": 600})
    assert send(form) == 422
    expect(form.locator(".error-summary")).to_be_in_viewport()
    expect(form.locator(".error-summary")).to_be_focused()


def test_what_is_then_right_is_taken_once_and_leads_on(form: Page, cast: Cast) -> None:
    assert send(form) == 422
    form.get_by_label("Other", exact=True).check()
    form.get_by_label("Name").first.fill("Robin Moreau")
    form.get_by_label("What are they to the patient?").fill("sister")
    form.get_by_label("Phone").first.fill("303 555 0144")
    send(form)
    expect(form.locator("h1")).to_contain_text("Pat Moreau")
    assert Contact.objects.filter(name="Robin Moreau").count() == 1
    form.go_back()
    expect(form.locator("h1")).to_contain_text("Add a contact")


def test_a_page_that_says_no_is_shown_too(form: Page, cast: Cast) -> None:
    Membership.objects.filter(user=cast.frida).update(location=cast.phoenix)
    assert send(form) == 404
    expect(form.get_by_role("heading", name="There is nothing here for you")).to_be_visible()


def test_without_javascript_the_answer_is_a_page(opened: Browser, site: str, enter: Enter, cast: Cast) -> None:
    context = opened.new_context(base_url=site, java_script_enabled=False)
    enter(context, cast.frida)
    page = context.new_page()
    page.goto(reverse("patients:add_contact", args=[cast.pat.pk]))
    assert send(page) == 422
    expect(page.locator(".error-summary")).to_be_visible()
    context.close()
