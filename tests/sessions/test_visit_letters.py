"""What was sent, and why not: the panel of a visit and the panel of a patient."""

from collections import Counter
from datetime import timedelta
from urllib.parse import unquote

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from clinic import channels, keyset, letters
from clinic.actions import outbox
from sessions.actions import reminders
from sessions.models import Reminder
from tests import factories as make
from tests.sessions.test_reminders_plan import move, no_consent, plan, visit_at

NOON = make.NOON
REFUSED = channels.Permanent(outbox.Reason.ADDRESS_REFUSED, "550 5.1.1 no such user")


def deliver(cast, now=NOON, error=None):
    def send(letter):
        if error:
            raise error
        return "id"

    return outbox.deliver_next(by=cast.sam, now=now, send=send)


@pytest.fixture
def panel(now, cast, signed_in):
    def get(visit, who=None, **headers):
        url = reverse("sessions:visit_letters", args=[visit.pk])
        return signed_in(who or cast.frida).get(url, headers=headers)

    return get


@pytest.fixture
def patients_panel(now, cast, signed_in):
    def get(patient, who=None, **asked):
        return signed_in(who or cast.frida).get(reverse("sessions:patient_letters", args=[patient.pk]), asked)

    return get


def states(response, name="now_planned"):
    return [(trail.title, trail.word, trail.look) for trail in response.context[name]]


def test_planned_sent_and_too_late(cast, panel):
    visit = visit_at(cast, NOON + timedelta(days=5))
    plan(cast, visit)
    deliver(cast)
    response = panel(visit)
    assert sorted(states(response)) == [
        ("A week before the visit", "not sent", "not_assessed"),
        ("The day before the visit", "planned", "planned"),
        ("Three days before the visit", "planned", "planned"),
        ("Visit booked", "sent", "done"),
    ]
    body = response.content.decode()
    assert "planned for Sun 17 Jan 2027 09:00 MST" in body
    assert "Its time had passed when the visit was booked." in body
    assert "pat@post.example" in body


def test_why_not(cast, panel):
    no_consent(cast)
    visit = visit_at(cast, NOON + timedelta(days=20))
    plan(cast, visit)
    assert "The patient has not agreed to be written to about visits this way." in panel(visit).content.decode()


def test_what_the_provider_said(cast, panel):
    visit = visit_at(cast, NOON + timedelta(days=20))
    plan(cast, visit)
    deliver(cast, error=REFUSED)
    body = panel(visit).content.decode()
    assert "could not be sent" in body
    assert "The mail provider refused the address." in body
    assert "550 5.1.1 no such user" in body


def test_a_moved_visit_keeps_its_old_letters_apart(cast, panel):
    visit = visit_at(cast, NOON + timedelta(days=20))
    plan(cast, visit)
    move(visit, NOON + timedelta(days=25))
    plan(cast, visit)
    response = panel(visit)
    assert ("Visit moved", "waiting", "planned") in states(response)
    assert {word for _title, word, _look in states(response, "earlier")} == {"withdrawn"}
    assert "Letters about the new time took its place." in response.content.decode()


def test_a_visit_without_letters_teaches(cast, panel):
    assert "No letters are planned" in panel(visit_at(cast, NOON + timedelta(days=20))).content.decode()


def test_the_panel_alone_for_htmx(cast, panel):
    visit = visit_at(cast, NOON + timedelta(days=20))
    plan(cast, visit)
    body = panel(visit, **{"HX-Request": "true"}).content.decode()
    assert body.lstrip().startswith('<div id="letters"')


@pytest.mark.parametrize(
    ("who", "status"),
    [("frida", 200), ("theo", 200), ("milo", 403), ("olga", 404), ("omar", 404), ("quinn_user", 403)],
)
def test_who_may_look(cast, panel, patients_panel, who, status):
    visit = visit_at(cast, NOON + timedelta(days=20))
    assert panel(visit, getattr(cast, who)).status_code == status
    assert patients_panel(cast.pat, getattr(cast, who)).status_code == status


def questions(ask):
    # What the process keeps, such as the policy's limits, is asked for once and not by every page.
    ask()
    cache.clear()
    with CaptureQueriesContext(connection) as asked:
        assert ask().status_code == 200
    return len(asked)


def test_as_many_questions_for_many_versions_as_for_one(cast, panel):
    visit = visit_at(cast, NOON + timedelta(days=20))
    plan(cast, visit)
    one = questions(lambda: panel(visit))
    for day in range(21, 29):
        move(visit, NOON + timedelta(days=day))
        plan(cast, visit)
    assert Reminder.objects.count() >= 30
    assert questions(lambda: panel(visit)) == one


def visits_of_pat(cast, count, first=0):
    for number in range(first, first + count):
        visit = make.make_appointment(
            cast.pat, cast.intake, make.make_user(), NOON + timedelta(days=2, hours=2 * number)
        )
        reminders.plan(by=cast.frida, appointment=visit, now=NOON + timedelta(minutes=number))


def test_a_patients_letters(cast, patients_panel):
    visits_of_pat(cast, 1)
    body = patients_panel(cast.pat).content.decode()
    assert "Visit booked" in body
    assert "Its time had passed when the visit was booked." in body


def test_a_patient_without_letters(cast, patients_panel):
    assert "No letters yet" in patients_panel(cast.quinn).content.decode()


def test_a_patients_letters_by_keyset_and_by_a_fixed_number_of_questions(cast, patients_panel):
    visits_of_pat(cast, 1)
    one = questions(lambda: patients_panel(cast.pat))
    visits_of_pat(cast, 24, first=1)
    assert questions(lambda: patients_panel(cast.pat)) == one
    # What is still planned is on each visit's own panel.
    unsent = Reminder.objects.filter(message=None, settled_at__isnull=False)
    expected = Counter(
        [letters.label_of(kind) for kind in unsent.values_list("kind", flat=True)] + ["Visit booked"] * 25
    )
    seen: Counter[str] = Counter()
    asked: dict[str, str] = {}
    for _ in range(5):
        response = patients_panel(cast.pat, **asked)
        seen.update(trail.title for trail in response.context["trails"])
        url = response.context["older_url"]
        if not url:
            break
        assert len(response.context["trails"]) == keyset.PER_PAGE
        asked = {"after": unquote(url.partition("after=")[2])}
    assert seen == expected
    assert seen.total() > 2 * keyset.PER_PAGE
