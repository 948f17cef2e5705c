"""``script/shots``: a picture of every page in its states, in three widths, light and dark, for looking at.

It starts a throw-away demo whose clock stands still on a Wednesday at 10:20 in Denver, so that Today has people who are
expected, late, here, in the room and done, and a second, empty clinic for the pages that have nothing to show yet. The
pictures lie under ``.dev/shots`` as ``<page>-<role>-<state>-<width>-<theme>.png``; two runs are the same, byte for byte,
but for what truly changed.

    script/shots                   everything
    script/shots today schedule    only pages whose name contains one of the words
    script/shots --pictures        also the few pictures of README.md, into docs/pictures
"""

import argparse
import contextlib
import functools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

from clinic import devservices
from clinic.devservices import ROOT
from clinic.management.commands.dev import Demo, Places, choose_port, is_ready, say

from . import chromium

FROZEN_AT = "2027-01-13T10:20:00-07:00"
SHOTS = ROOT / ".dev" / "shots"
PICTURES = ROOT / "docs" / "pictures"
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
# Taller pages are cut: what matters of a long list is how it begins.
TALLEST = 4000
# What founds the two clinics: a module, with its arguments, run with the demo's variables.
FULL, EMPTY = "django seed_demo", "tests.journeys.small_clinic"


class Studio(Demo):
    """A throw-away demo of which only the web server runs: letters that left would change what pages say."""

    def open(self, *, founded_by: str) -> None:
        """Bring up the web server on a clinic that a program founds: a module, run with the demo's variables."""
        # The demo seeds what is not seeded yet; here the module below says what there is.
        (self.places.state / "seeded").write_text(self.places.same_data())
        self.prepare()
        self.run_python("-m", *founded_by.split(), settings={})
        workers = ("--interface", "wsgi", "--workers", "1", "--blocking-threads", "4")
        self.launch(
            "web", "granian", *workers, "--host", "127.0.0.1", "--port", str(self.port), "clinic.wsgi:application"
        )
        self.wait_for("/healthz", enough=is_ready)


@contextlib.contextmanager
def studio(founded_by: str) -> Iterator[Studio]:
    """Open a throw-away demo for the block, on servers of its own, its clock standing still."""
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_ROLE", "DATABASE_APP_ROLE", "REDIS_URL"):
        os.environ.pop(name, None)
    os.environ["CLOCK_FROZEN_AT"] = FROZEN_AT
    with contextlib.ExitStack() as stack:
        folder = devservices.throw_away_folder(ROOT)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        run = Studio(Places(folder, folder, None), stack)
        run.port = choose_port(8700, stack)
        run.open(founded_by=founded_by)
        yield run


@dataclass(frozen=True)
class Shot:
    """One page in one state: who looks, where, and what is done there before the picture is taken."""

    page: str
    state: str
    who: str
    path: str
    act: Callable[[Page], None] | None = None


def _send(values: Mapping[str, str]) -> Callable[[Page], None]:
    """Send the page's form so that the server refuses it. Says so when the server did not: that changed the demo."""

    def act(page: Page) -> None:
        path = page.url
        if (status := chromium.send_form(page, values)) != 422:
            say(f"\n  {path} was not refused but answered {status}.")

    return act


def _press(key: str) -> Callable[[Page], None]:
    return lambda page: page.keyboard.press(key)


def _click(selector: str) -> Callable[[Page], None]:
    return lambda page: page.locator(selector).locator("visible=true").first.click()


def _search(words: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        page.keyboard.press("Control+k")
        page.keyboard.type(words)

    return act


def shots_of(records: dict[str, Any]) -> list[Shot]:
    """Return what is photographed of the full clinic."""
    from .pages import LOOKS, paths_of

    found = []
    for key, look in LOOKS.items():
        name = key.partition("(")[0].replace(":", "-")
        # Pages that are reached by walking are shown by the browser tests, not here.
        if look.not_a_page or look.way_in or key in NOT_SHOWN:
            continue
        try:
            paths = paths_of(key, records)
        except KeyError:
            continue
        for query, path in zip(look.queries, paths, strict=True):
            state = query.partition("=")[2].partition("{")[0].replace("&by=", "-") or (
                "full" if not query else "chosen"
            )
            found.append(Shot(name, state, look.who, path))
        if look.refused is not None and not name.startswith(NEVER_REFUSED):
            found.append(Shot(name, "refused", look.who, paths[0], _send(look.refused)))
    found += [
        Shot("sessions-today", "palette", "frida", "/today/", _press("Control+k")),
        Shot("sessions-today", "palette-found", "frida", "/today/", _search("pat")),
        Shot("sessions-today", "account-menu", "frida", "/today/", _click("[popovertarget=menu-who]")),
        Shot("sessions-today", "manager", "ada", "/today/"),
        Shot("sessions-today", "location-menu", "ada", "/today/", _click("[popovertarget=menu-where]")),
        Shot("sessions-today", "prescriber", "dana", "/today/?mine=1"),
        Shot("sessions-schedule", "calendar", "frida", "/schedule/", _click("[data-schedule-show=calendar]")),
        Shot("sessions-schedule", "list", "frida", "/schedule/", _click("[data-schedule-show=list]")),
        Shot("sessions-portal_home", "next-visit", "pat_user", "/portal/"),
        Shot("sessions-portal_home", "nothing-planned", "quinn_user", "/portal/"),
        Shot("patients-patient", "prescriber", "dana", paths_of("patients:patient(patient_id)", records)[0]),
        Shot("error-404", "full", "frida", "/nothing/here/"),
        Shot("error-403", "full", "milo", "/referrals/"),
        Shot("error-404", "stranger", "", "/nothing/here/"),
    ]
    return found


NOT_SHOWN = {"account_logout", "clinic:join(token)"}
# Not shown refused: the demo's people have no password or factor that could be wrong, and its sign-in page begins with
# the form of the cast.
NEVER_REFUSED = ("mfa_", "account_login", "account_reauthenticate", "account_change_password")


def empty_shots() -> list[Shot]:
    """Return what is photographed of the clinic on its first day: the pages that have nothing to show."""
    from django.urls import reverse

    from .pages import LOOKS

    return [
        Shot(key.replace(":", "-"), "empty", look.who, reverse(key))
        for key, look in LOOKS.items()
        if "(" not in key and look.who in {"frida", "ada", "petra"} and not look.not_a_page and look.queries[0] == ""
    ]


def records_of_the_demo() -> dict[str, Any]:
    """Return ids for the arguments of paths, chosen so that each page has something to show."""
    from assessments.models import (
        AskingRule,
        AssessmentRequest,
        AssessmentResponse,
        Clearance,
        Medication,
        Packet,
        RiskAlert,
        ScreeningFlag,
    )
    from clinic.models import (
        Closure,
        Device,
        EnrolledDevice,
        Location,
        Membership,
        OutboundMessage,
        PolicyVersion,
        Room,
        TimeOff,
        User,
        WorkItem,
    )  # fmt: skip
    from patients.models import BreakGlass, Consent, ConsentText, Contact, LifeState, Patient, Referral
    from sessions.models import Appointment, ChangeRequest

    now = datetime.fromisoformat(FROZEN_AT)
    denver = Location.objects.get(name="Denver")
    pat = Patient.objects.get(portal_user__email="pat@post.example")
    felix = User.objects.get(email="felix@juniper.example")
    coming = Appointment.objects.filter(patient=pat, starts_at__gt=now, status__in=Appointment.LIVE).order_by(
        "starts_at"
    )
    first: dict[str, Any] = {
        "contact_id": Contact.objects.filter(patient=pat),
        "referral_id": Referral.objects.filter(location=denver, given_name="Rosa"),
        "other_patient_id": Patient.objects.filter(home_location=denver, life_state=LifeState.ENQUIRER).order_by("mrn"),
        "grant_id": BreakGlass.objects.order_by("started_at"),
        "appointment_id": coming,
        "missed_appointment_id": Appointment.objects.filter(status="no_show", location=denver).order_by("-starts_at"),
        "change_request_id": ChangeRequest.objects.filter(status="open", appointment__location=denver),
        "item_id": WorkItem.objects.open().filter(location=denver, owner_role="front_desk").order_by("due_at"),
        "message_id": OutboundMessage.objects.filter(status="unknown"),
        "membership_id": Membership.objects.filter(user=felix),
        "room_id": Room.objects.filter(location=denver).order_by("name"),
        "equipment_id": Device.objects.filter(location=denver).order_by("name"),
        "device_id": EnrolledDevice.objects.filter(location=denver).order_by("name"),
        "time_off_id": TimeOff.objects.order_by("entered_at"),
        "closure_id": Closure.objects.order_by("entered_at"),
        "fact_id": Medication.objects.filter(patient=pat).order_by("-text"),
        "clearance_id": Clearance.objects.filter(patient=pat),
        "response_id": AssessmentResponse.objects.filter(patient=pat).order_by("-answered_at"),
        "request_id": AssessmentRequest.objects.filter(status="open", patient=pat),
        "done_request_id": AssessmentRequest.objects.filter(patient=pat, status="done").order_by("-settled_at"),
        "packet_id": Packet.objects.filter(patient=pat),
        "submitted_packet_id": Packet.objects.filter(patient=pat, status="submitted"),
        "rule_id": AskingRule.objects.order_by("pk"),
        "alert_id": RiskAlert.objects.order_by("-raised_at"),
        "consent_id": Consent.objects.filter(patient=pat, text__kind="ketamine"),
        "text_id": ConsentText.objects.filter(kind="ketamine", route="sl"),
        "unsigned_text_id": ConsentText.objects.filter(kind="ketamine", route="oral"),
        "policy_id": PolicyVersion.objects.order_by("number"),
        # Somebody about whom a prescriber has much to decide, for the picture of the review.
        "to_review_id": Patient.objects.filter(
            pk__in=ScreeningFlag.objects.open().filter(code="MED-BENZO").values("patient"), home_location=denver
        ).order_by("mrn"),
    }
    found = {name: row.pk for name, rows in first.items() if (row := rows.first()) is not None}
    return found | {
        "patient_id": pat.pk, "patient_number": pat.mrn, "person_id": felix.pk, "location_id": denver.pk, "day": now.date(), "token": "no-such-link",
        "table": "medication", "code": "ptq", "part": "medicines",
    }  # fmt: skip


def _users() -> dict[str, str]:
    """Return the ids of the cast by the names that Look and Shot use."""
    from clinic.models import User

    rows = User.objects.exclude(kind=User.Kind.SYSTEM).values_list("email", "kind", "pk")
    return {email.split("@")[0] + ("_user" if kind == User.Kind.PATIENT else ""): str(pk) for email, kind, pk in rows}


def _liven() -> None:
    """Let somebody be late, somebody wait and Pat be asked something, whatever the demo's story had for this morning."""
    from assessments.actions import requests
    from clinic.errors import Refused
    from clinic.models import Location, Room, User
    from patients.models import LifeState, Patient
    from sessions.actions import attendance, visits
    from sessions.models import Appointment, VisitType

    now = datetime.fromisoformat(FROZEN_AT)
    denver = Location.objects.get(name="Denver")
    frida, dana, theo = (User.objects.get(email=f"{name}@juniper.example") for name in ("frida", "dana", "theo"))
    intake = VisitType.objects.current().get(code="intake")
    newcomers = Patient.objects.filter(home_location=denver, life_state=LifeState.ENQUIRER).order_by("-mrn")
    for minutes_ago in (20, 5, 35):
        for room in Room.objects.in_use().filter(location=denver, kind=intake.room_kind).order_by("name"):
            with contextlib.suppress(Refused):
                visits.book_intake(
                    by=frida, referral=None, patient=newcomers[0], clinician=dana, room=room, location=denver,
                    starts_at=now - timedelta(minutes=minutes_ago), visit_type=intake, now=now - timedelta(days=1),
                    second_is_meant=True,
                )  # fmt: skip
                break
    with contextlib.suppress(Refused):
        requests.ask(
            by=theo, patient=Patient.objects.get(portal_user__email="pat@post.example"), code="phq-9", opens_at=now,
            due_at=now + timedelta(days=2), expires_at=now + timedelta(days=9), now=now,
        )  # fmt: skip
    coming = Appointment.objects.filter(location=denver, starts_at__gt=now, status__in=Appointment.OPEN)
    for visit in coming.order_by("starts_at")[:1]:
        with contextlib.suppress(Refused):
            attendance.check_in(by=frida, appointment=visit, now=now - timedelta(minutes=4))


def _still_sessions() -> None:
    """Give the sessions the moment at which the demo's clock stands: Django dates them by the machine's."""
    from allauth.usersessions.models import UserSession
    from django.contrib.sessions.models import Session

    now = datetime.fromisoformat(FROZEN_AT)
    UserSession.objects.update(created_at=now, last_seen_at=now)
    Session.objects.update(expire_date=now + timedelta(hours=12))


class Camera:
    """One browser context a role, and the pictures taken with it."""

    def __init__(self, browser: Browser, site: str, folder: Path) -> None:
        self.browser, self.site, self.folder = browser, site, folder
        self.users = _users()

    @functools.cache  # noqa: B019 - the camera lives as long as the run
    def context(self, who: str) -> BrowserContext:
        """Return the browser of one person, signed in as the demo lets one."""
        context = self.browser.new_context(
            base_url=self.site, timezone_id="America/Denver", locale="en-US", reduced_motion="reduce",
            viewport={"width": 1440, "height": 900},
        )  # fmt: skip
        context.set_default_timeout(20_000)
        context.clock.set_fixed_time(datetime.fromisoformat(FROZEN_AT))
        if who:
            page = context.new_page()
            page.goto("/account/login/")
            person = page.locator(f"button[name=person][value='{self.users[who]}']")
            if not person.count():
                # The page offers a few patients only; the demo lets one in as any.
                page.locator("button[name=person]").first.evaluate("(b, id) => b.value = id", self.users[who])
                person = page.locator("button[name=person]").first
            with page.expect_navigation():
                person.click()
            page.close()
            _still_sessions()
        return context

    def take(self, shot: Shot) -> None:
        """Write the page's pictures: three widths, light and dark."""
        who = shot.who.removesuffix("_user") or "public"
        page = self.context(shot.who).new_page()
        for width, height in chromium.WIDTHS.items():
            page.emulate_media(color_scheme="light", reduced_motion="reduce")
            page.set_viewport_size({"width": width, "height": height})
            page.goto(shot.path)
            if shot.act is not None:
                try:
                    shot.act(page)
                except Exception as error:  # the picture shows what went wrong
                    say(f"\n  {shot.page} {shot.state} {width}: {str(error).splitlines()[0]}")
            _settle(page)
            for theme in THEMES:
                chromium.paint(page, theme)
                name = f"{shot.page}-{who}-{shot.state}-{width}-{theme}.png"
                self._write(page, self.folder / name, {"width": width, "height": height})
        page.close()

    def _write(self, page: Page, path: Path, size: ViewportSize, *, whole: bool = True) -> None:
        tall = min(int(page.evaluate("document.documentElement.scrollHeight")), TALLEST) if whole else size["height"]
        if tall > size["height"]:
            page.set_viewport_size({"width": size["width"], "height": tall})
        page.screenshot(path=path, animations="disabled", caret="hide")
        if tall > size["height"]:
            page.set_viewport_size(size)


def _settle(page: Page) -> None:
    """Return when the page is whole, with what no two runs have in common written as if they had: ids and secrets."""
    chromium.settle(page)
    page.evaluate(
        """() => {
            const ids = /\\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\\b|\\b(?=[0-9a-f]*[0-9])[0-9a-f]{8}\\b/g;
            const texts = document.createTreeWalker(document.querySelector('main') || document.body, NodeFilter.SHOW_TEXT);
            while (texts.nextNode()) {
                const text = texts.currentNode;
                text.data = text.data.replace(ids, id => id.replace(/[0-9a-f]/g, '0'));
            }
            for (const secret of document.querySelectorAll('img.qr, [aria-labelledby=secret-label]'))
                secret.style.visibility = 'hidden';
        }"""
    )


def _progress(done: int, all_of_them: int, words: str) -> None:
    width = 30
    bar = "#" * (width * done // max(all_of_them, 1))
    sys.stdout.write(f"\r  [{bar:<{width}}] {done}/{all_of_them} {words:<60.60}")
    sys.stdout.flush()


def _photograph(run: Studio, shots: list[Shot], words: Sequence[str]) -> None:
    wanted = [shot for shot in shots if not words or any(word in f"{shot.page}-{shot.state}" for word in words)]
    with chromium.browser() as browser:
        camera = Camera(browser, f"http://localhost:{run.port}", SHOTS)
        for number, shot in enumerate(wanted, start=1):
            _progress(number, len(wanted), f"{shot.page} {shot.state}")
            camera.take(shot)
        say("")


def _django(run: Studio) -> None:
    """Let this process read the demo's database, as the app."""
    import django

    os.environ.update(run.environment)
    # Playwright's own event loop runs in this thread; Django would refuse the ORM beside it.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    django.setup()


def _pictures(run: Studio) -> None:
    """Write the README's pictures: the upper part of some pages, as a visitor at a desk sees them."""
    records = records_of_the_demo()
    pages = {
        "today": ("frida", "/today/"),
        "welcome": ("", "/welcome/"),
        "book-intake": ("frida", f"/appointments/book-intake/?patient={records['other_patient_id']}"),
        "register": ("frida", "/patients/register/"),
        "portal-home": ("pat_user", "/portal/"),
        "review": ("dana", f"/patients/{records['to_review_id']}/clearance/"),
        "scores": ("dana", f"/patients/{records['patient_id']}/chart/scores/?instrument=phq-9"),
    }
    PICTURES.mkdir(parents=True, exist_ok=True)
    with chromium.browser() as browser:
        camera = Camera(browser, f"http://localhost:{run.port}", PICTURES)
        for name, (who, path) in pages.items():
            page = camera.context(who).new_page()
            page.goto(path)
            _settle(page)
            camera._write(page, PICTURES / f"{name}.png", {"width": 1440, "height": 900}, whole=False)
            page.close()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="script/shots", description="Photographs every page of the demo clinic.")
    parser.add_argument("words", nargs="*", help="only pages whose name contains one of these")
    parser.add_argument("--pictures", action="store_true", help="also write the README's pictures into docs/pictures")
    parser.add_argument("--empty", action="store_true", help="only the clinic that has nothing to show yet")
    chosen = parser.parse_args(arguments)
    began = time.monotonic()
    SHOTS.mkdir(parents=True, exist_ok=True)
    if not chosen.words and not chosen.empty:
        for old in SHOTS.glob("*.png"):
            old.unlink()
    with devservices.stopping_on_signals(), studio(EMPTY if chosen.empty else FULL) as run:
        _django(run)
        if chosen.empty:
            _photograph(run, empty_shots(), chosen.words)
        else:
            _liven()
            _photograph(run, shots_of(records_of_the_demo()), chosen.words)
            if chosen.pictures:
                _pictures(run)
    say(f"{len(list(SHOTS.glob('*.png')))} pictures in {SHOTS}, {time.monotonic() - began:.0f} s.")
    if chosen.empty:
        return 0
    # Django is set up for one database; the empty clinic has another.
    return subprocess.run([sys.executable, "-m", "tests.shots", "--empty", *chosen.words], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
