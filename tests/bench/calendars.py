"""W8, W10 and the search for openings: a week as JSON, a patient by name, and a large team's free times over a full calendar."""

import json
import random
import statistics
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from clinic import clock
from clinic.models import Location
from sessions import availability, timetable
from sessions.models import Appointment, VisitType

from . import load, seeding
from .seeding import Seeded

# What the search looks through: two weeks of thirty clinicians in twenty rooms, in a place with fifty thousand visits.
CLINICIANS, ROOMS, DAYS, BEHIND, AHEAD = 30, 20, 14, 400, 17
# Of the pages' own places, whose days are all alike.
A_WEEK = len(seeding.STARTS) * seeding.CLINICIANS * 7


def week(headers: Callable[[int], dict[str, str]], seeded: Seeded, place: int) -> load.Request:
    """Return the request for a location's week, every visit of it."""
    path = reverse("sessions:schedule_events", args=[seeded.today])
    return "GET", f"{path}?view=week&by=room", b"", headers(place)


def is_week(status: int, body: bytes) -> bool:
    return status == 200 and len(json.loads(body)["rows"]) >= A_WEEK


def found(headers: Callable[[int], dict[str, str]], place: int, turn: int) -> load.Request:
    """Return what the desk's page asks while somebody types a name: the beginning of a family name."""
    asked = f"Family{10 + turn % 90}"
    return "GET", f"{reverse('patients:patients')}?q={asked}", b"", {**headers(place), "HX-Request": "true"}


def is_found(status: int, body: bytes) -> bool:
    return status == 200 and b"Family" in body


@dataclass
class Team:
    """A place of its own with a large team, and somebody who looks for a time there."""

    location: Location
    visit_type: VisitType
    patients: list[uuid.UUID]
    today: date


@transaction.atomic
def prepare(seeded: Seeded) -> Team:
    """Fill a place with fifty thousand visits: every hour of twenty clinicians and all rooms, on 417 days."""
    with connection.cursor() as cursor:
        # Checked row by row: a table whose rows wait to be checked cannot be altered.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    large = Seeded(today=seeded.today, visit_type=seeded.visit_type, first_serial=len(seeded.locations) + 1)
    seeding.place(large, 999_999, clinicians=CLINICIANS, rooms=ROOMS)
    seeding.history("DISABLE")
    seeding.people_of(large)
    seeding.visits_of(large, range(-BEHIND, AHEAD))
    seeding.history("ENABLE")
    return Team(
        Location.objects.get(pk=large.locations[0]), VisitType.objects.get(pk=large.visit_type), large.patients[0],
        seeded.today,
    )  # fmt: skip


def search(team: Team, patient: uuid.UUID, now: datetime) -> int:
    """Look for every opening of two weeks, as the page of openings does, and return how many there are."""
    choices = timetable.choices(team.location, team.visit_type)
    start = datetime.combine(team.today - timedelta(days=1), datetime.min.time(), tzinfo=UTC)
    end = start + timedelta(days=DAYS + 2)
    taken = timetable.held([*choices.resources, patient], start, end)
    calendar = timetable.read(team.location, people=choices.everybody, taken=taken, start=start, end=end)
    return len(
        availability.open_slots(
            calendar, timetable.need_of(team.visit_type), clinicians=choices.clinicians, others=choices.others,
            devices=choices.kits, rooms=list(choices.rooms), patient=patient, first=team.today,
            last=team.today + timedelta(days=DAYS - 1), now=now,
        )
    )  # fmt: skip


def measure(team: Team, rounds: int) -> dict[str, Any]:
    """Return how long a search takes, in milliseconds, how many openings it finds and how many statements it asks."""
    now, chance, times, own = clock.now(), random.Random(8), [], []
    with CaptureQueriesContext(connection) as captured:
        openings = search(team, team.patients[0], now)
    for _turn in range(max(5, rounds * 5)):
        began, worked = time.perf_counter(), time.process_time()
        search(team, chance.choice(team.patients), now)
        times.append((time.perf_counter() - began) * 1000)
        own.append((time.process_time() - worked) * 1000)
    return {
        "p50": round(statistics.median(times), 2), "longest": round(max(times), 2), "cpu": round(statistics.median(own), 2), "openings": openings,
        "statements": len(captured), "clinicians": CLINICIANS, "rooms": ROOMS, "days": DAYS,
        "visits": Appointment.objects.live().filter(location=team.location).count(),
    }  # fmt: skip


def limits(seeded: Seeded) -> dict[str, load.Ask]:
    """Return what the bare view is asked beside each page."""
    chance = random.Random(5)
    some = [chance.choice(chance.choice(seeded.patients)) for _n in range(500)]

    def week_of(number: int, turn: int) -> load.Request:
        location = seeded.locations[(number * 31 + turn) % len(seeded.locations)]
        return "GET", f"/week?location={location}&day={seeded.today.isoformat()}", b"", {"Host": "localhost"}

    def one_patient(number: int, turn: int) -> load.Request:
        return "GET", f"/patient?id={some[(number * 97 + turn) % len(some)]}", b"", {"Host": "localhost"}

    return {"week": week_of, "find": one_patient}


def statements(client: Any, seeded: Seeded, cookie: str) -> dict[str, int]:
    """Return how many statements each page takes once it was looked at."""
    client.cookies[settings.SESSION_COOKIE_NAME] = cookie
    counts = {}
    for item, request in (
        ("week", week(lambda _place: {}, seeded, 0)),
        ("find", found(lambda _place: {}, 0, 0)),
    ):
        for _time in range(2):
            with CaptureQueriesContext(connection) as captured:
                answer = client.get(request[1], headers={"HX-Request": "true"} if item == "find" else {})
        assert answer.status_code == 200, f"{item}: {answer.status_code}"
        counts[item] = len(captured)
    return counts
