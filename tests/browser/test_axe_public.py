"""What strangers see, and every step of coming in: axe finds nothing."""

import json
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import pytest
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.totp.internal.auth import TOTP
from django.urls import reverse
from playwright.sync_api import BrowserContext, Page

from assessments.actions import kiosks, links
from clinic import keyring
from clinic.actions import devices
from clinic.models import Category, Channel, EnrolledDevice, OutboundMessage
from patients.actions import portal
from tests import chromium
from tests import factories as make
from tests.browser.axe_pages import all_of, faults_of, keys_of, look_at, turn_of
from tests.cast import Cast
from tests.pages import LOOKS

pytestmark = pytest.mark.long

PASSWORD = "Correct-horse-7-battery"


def test_pages_anybody_can_open(context: BrowserContext, cast: Cast, now: datetime) -> None:
    records = {"token": "no-such-link"}
    assert not (
        faults := all_of(look_at(context, key, records, refused=key != "clinic:join(token)") for key in keys_of(""))
    ), faults


def test_the_cast_of_the_demo(context: BrowserContext, cast: Cast, settings: object) -> None:
    settings.DEMO_MODE = True  # type: ignore[attr-defined]  # pytest-django's own type
    assert not (faults := all_of([look_at(context, "account_login", {})])), faults


def test_pages_one_has_to_walk_to(context: BrowserContext, cast: Cast, now: datetime) -> None:
    """A page with a way in that is not walked here fails."""
    found = []
    walks = ways(cast)
    for key, look in LOOKS.items():
        if look.way_in:
            context.clear_cookies()
            page = context.new_page()
            walks[look.way_in](page)
            found.append(faults_of(page, key, turn=turn_of(key)))
            if look.refused is not None:
                assert chromium.send_form(page, look.refused) == 422, key
                found.append(faults_of(page, f"{key} refused", turn=turn_of(key) + 1))
            page.close()
    assert not (faults := all_of(found)), faults


def ways(cast: Cast) -> dict[str, Callable[[Page], None]]:
    """Return how a browser gets to the pages that an address alone does not open."""
    cast.dana.set_password(PASSWORD)
    cast.dana.save(update_fields=["password"])
    TOTP.activate(cast.dana, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")

    def code(page: Page) -> None:
        page.goto(reverse("account_request_login_code"))
        page.get_by_role("textbox").first.fill(cast.pat_user.email)
        page.get_by_role("button", name="E-mail me a code").click()
        page.get_by_role("heading", name="Enter your code").wait_for()

    def second_factor(page: Page) -> None:
        page.goto(reverse("account_login"))
        page.get_by_label("E-mail").first.fill(cast.dana.email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Go on").click()
        page.wait_for_url("**/2fa/authenticate/**")

    def reset_link(page: Page) -> None:
        key = default_token_generator.make_token(cast.dana)
        page.goto(
            reverse("account_reset_password_from_key", kwargs={"uidb36": user_pk_to_url_str(cast.dana), "key": key})
        )
        page.wait_for_url("**/key/**")

    def joined(page: Page) -> None:
        token = invite(cast)
        page.goto(reverse("patients:join_portal", args=[token]))
        page.get_by_label("Your birth date").fill("11/2/1991")
        page.get_by_role("button", name="Go on").click()
        page.get_by_role("heading", name="One more step").wait_for()

    return {
        "code": code, "second_factor": second_factor, "reset_link": reset_link, "joined": joined, **ways_to_answer(cast),
    }  # fmt: skip


def ways_to_answer(cast: Cast) -> dict[str, Callable[[Page], None]]:
    """Return how a browser gets to the questionnaires without a sign-in: by a letter's link, and at a kiosk."""
    make.make_preference(cast.pat, cast.frida, Category.QUESTIONNAIRE, Channel.EMAIL)
    asked = make.make_request(cast.pat, "gad-7")
    letter = links.send(by=cast.theo, request=asked, now=make.NOON)
    door = devices.enroll(
        by=cast.ada, location=cast.denver, kind=EnrolledDevice.Kind.KIOSK, name="Door", room=None, now=make.NOON
    )

    def link(page: Page) -> None:
        page.goto(reverse("assessments:answer_link", args=[token_of(letter.pk)]))
        page.get_by_label("Your birth date").fill(f"{cast.pat.birth_date:%m/%d/%Y}")
        page.get_by_role("button", name="Go on").click()
        page.get_by_role("link", name="Start").wait_for()

    def kiosk(page: Page) -> None:
        page.goto(reverse("clinic:set_up_device"))
        page.get_by_label("Credential").fill(door.credential)
        page.get_by_role("button", name="Set up").click()
        page.get_by_label("Your code").wait_for()

    def kiosk_code(page: Page) -> None:
        kiosk(page)
        given = kiosks.give_code(by=cast.frida, patient=cast.pat, location=cast.denver, now=make.NOON)
        page.get_by_label("Your code").fill(given.code)
        page.get_by_role("button", name="Open my questions").click()
        page.get_by_role("heading", name="Are you Pat M.?").wait_for()

    def kiosk_done(page: Page) -> None:
        kiosk(page)
        page.goto(reverse("assessments:kiosk_done"))
        page.get_by_role("heading", name="Thank you, that is all").wait_for()

    return {"link": link, "kiosk": kiosk, "kiosk_code": kiosk_code, "kiosk_done": kiosk_done}


def token_of(subject: UUID) -> str:
    """Return the token in the sealed letter about ``subject``."""
    token: str = json.loads(keyring.unseal(OutboundMessage.objects.get(subject_id=subject).secret))["token"]
    return token


def invite(cast: Cast) -> str:
    """Invite somebody without a portal to it and return the token of their letter."""
    someone = make.make_patient(cast.denver, "Ivo", "Invited", birth_date=cast.quinn.birth_date)
    invitation = portal.invite_to_portal(by=cast.frida, patient=someone, now=make.NOON)
    return token_of(invitation.pk)
