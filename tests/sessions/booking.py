"""What the tests of booking share: a morning to book on, and the shortest way to do it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from clinic import localtime
from patients.models import Patient
from sessions.actions import visits
from sessions.models import Appointment
from tests import factories as make
from tests.cast import Cast

# The day after make.NOON, a Thursday; 10:00 in Denver.
TEN = make.NOON + timedelta(days=1, hours=1)


def at(clock: str, day: int = 14) -> datetime:
    """Return a wall-clock time in Denver on a day of January 2027; the 14th is a Thursday."""
    hour, minute = map(int, clock.split(":"))
    return TEN + timedelta(days=day - 14, hours=hour - 10, minutes=minute)


def book(cast: Cast, patient: Patient | None = None, **changes: Any) -> Appointment:
    """Book an intake for Quinn on Thursday at 10:00 with Dana in Aspen, by Frida, unless told otherwise."""
    values: dict[str, Any] = {
        "by": cast.frida, "referral": None, "patient": patient or cast.quinn, "clinician": cast.dana, "room": cast.room,
        "starts_at": TEN, "location": cast.denver, "visit_type": cast.intake, "now": make.NOON,
    }  # fmt: skip
    return visits.book_intake(**{**values, **changes})


def clock(moment: datetime) -> str:
    return localtime.clock_text(moment, localtime.zone("America/Denver"))


def in_thread(work: Callable[[], None]) -> Callable[[], None]:
    """Return the work with its connection closed behind it, so that the test database can be emptied."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    return run


def queries_of(client: Client, url: str) -> int:
    """Return how many queries a page asks once the session, the limits and the read-audit are warm."""
    for _ in range(3):
        client.get(url)
    with CaptureQueriesContext(connection) as seen:
        assert client.get(url).status_code in {200, 204}
    return len(seen)
