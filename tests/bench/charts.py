"""W2: the chart of a heavy patient, its scores over time, and the page on which a clearance is decided."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.urls import reverse

from assessments.actions import flags
from assessments.models import Condition, Measurement, Medication
from clinic import clock
from clinic.models import Location, Membership, Role, User
from patients.models import CareTeamMember, Patient
from tests import factories as make

from . import load
from .seeding import LONG_AGO, Seeded

# People with many answers behind them, as performance.md asks: pages must not grow with what one patient brings.
HEAVY, RESPONSES, MEASURED = 20, 60, 60
# How often each is answered: sixty in all.
COURSES = (("phq-9", 30), ("gad-7", 20), ("pcl-5", 10))
MEDICINES = ("sertraline 100 mg", "lorazapam 1 mg", "lisinopril 20 mg", "a green pill", "ibuprofen", "phenelzine 15 mg")

PAGES = {
    "chart": "sessions:chart",
    "scores": "assessments:chart_scores",
    "review": "assessments:review_clearance",
}


@dataclass
class Charts:
    """A prescriber's session, the people they treat, and where the bare view finds the same number of rows."""

    cookie: str
    patients: list[uuid.UUID]

    def page(self, item: str, number: int, turn: int) -> load.Request:
        """Return the request for somebody's page, another person's every turn."""
        pk = self.patients[(number * 7 + turn) % len(self.patients)]
        headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={self.cookie}", "Host": "localhost"}
        return "GET", reverse(PAGES[item], args=[pk]), b"", headers


def prepare(seeded: Seeded, session_of: Callable[[User], str]) -> Charts:
    """Make a prescriber on the care team of heavy patients, whose clearance waits for a decision."""
    now = clock.now()
    place = Location.objects.get(pk=seeded.locations[0])
    by = User.objects.create(
        kind=User.Kind.STAFF, email=f"{uuid.uuid4().hex}@bench.example", name="Paula Prescriber", created_at=LONG_AGO
    )
    Membership.objects.create(user=by, location=place, role=Role.PRESCRIBER, started_at=LONG_AGO)
    found = list(Patient.objects.filter(pk__in=seeded.patients[0][-HEAVY:]).order_by("pk"))
    for patient in found:
        CareTeamMember.objects.create(patient=patient, user=by, is_lead=True, added_by=by, since=LONG_AGO)
        make_heavy(patient, by, now)
    return Charts(session_of(by), [patient.pk for patient in found])


def make_heavy(patient: Patient, by: User, now: datetime, *, responses: int = RESPONSES) -> None:
    """Give a patient answers, facts, flags and an open review. The last PHQ-9 alarms nobody."""
    for code, times in COURSES:
        for number in range(times * responses // RESPONSES):
            make.make_response(patient, by, code, at=now - timedelta(days=7 * number + 1))
    for text in MEDICINES:
        make.make_health_fact(Medication, patient, by, at=now - timedelta(days=9), text=text, taking="current")
    make.make_health_fact(Condition, patient, by, at=now - timedelta(days=9), kind="hypertension", state="controlled")
    for number in range(MEASURED):
        at = now - timedelta(days=number // 2, hours=1 + number % 2)
        kind = "blood_pressure" if number % 2 else "heart_rate"
        values: dict[str, Any] = {"first": 120 + number % 9, "second": 76} if number % 2 else {"first": 60 + number % 9}
        make.make_health_fact(Measurement, patient, by, at=at, kind=kind, **values)
    make.make_clearance(patient, by=by, since=now - timedelta(days=1), opened_at=now - timedelta(days=1))
    flags.rescreen(by=by, patient=patient, now=now)


def is_right(item: str) -> Callable[[int, bytes], bool]:
    """Return what tells the page that was asked for from any other."""
    sign = {"chart": b"/chart/scores/", "scores": b"data-score-chart=", "review": b'id="decision"'}[item]

    def check(status: int, body: bytes) -> bool:
        return status == 200 and sign in body

    return check
