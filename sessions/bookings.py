"""Counts the visits to come in a stretch of time, for closures and time off on the ground floor (``clinic.bookings``)."""

from datetime import datetime
from urllib.parse import urlencode

from django.db.models import Count, Min
from django.urls import reverse

from clinic import bookings, localtime
from clinic.bookings import Booked
from clinic.models import Location, User
from sessions.models import Appointment
from sessions.timetable import LONGEST_HOLD


def _inside(location: Location, person: User | None, start: datetime, end: datetime, now: datetime) -> Booked:
    """Return the count in one query, by start: no visit is longer than a day, so an index by start finds them all."""
    visits = Appointment.objects.filter(status__in=Appointment.OPEN, ends_at__gt=start, starts_at__gt=now).between(
        start - LONGEST_HOLD, end
    )
    visits = visits.filter(location=location) if person is None else visits.filter(clinician=person)
    found = visits.aggregate(count=Count("id"), first=Min("starts_at"))
    if not found["count"]:
        return Booked()
    day = localtime.day_of(found["first"], location.tz)
    query = {"view": "week"} | ({"by": "person", "only": str(person.pk)} if person else {})
    return Booked(found["count"], found["first"], f"{reverse('sessions:schedule', args=[day])}?{urlencode(query)}")


def register_own() -> None:
    """Declare that visits are counted here."""
    bookings.register(_inside)
