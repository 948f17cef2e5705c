"""How full the days of a month are: the hours that are taken of those there are, by room or by person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Count, DateTimeField, DurationField, F, Func, Sum
from django.db.models.functions import TruncDate
from django.utils import formats
from django.utils.translation import gettext as _

from clinic import localtime
from clinic.models import Room, User
from sessions import availability
from sessions.availability import Calendar, Span
from sessions.models import Appointment, ResourceHold
from sessions.views.asked import Asked

# From how many of a hundred on a day is said to be filling up, and to be full.
BUSY_FROM, FULL_FROM = 60, 90
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class DayFill:
    """One day of the month: what is taken, of how much, and what is said of it."""

    day: date
    is_today: bool
    url: str
    visits: int
    taken: timedelta
    there: timedelta
    shut_for: str

    @property
    def percent(self) -> int:
        """Return how much of the time is taken, of a hundred; more than a hundred when more is booked than there is."""
        return round(100 * self.taken / self.there) if self.there else 0

    @property
    def level(self) -> str:
        """Return how full the day is as the end of a class: its look never stands without the figure."""
        if not self.there:
            return "shut"
        if self.percent >= FULL_FROM:
            return "full"
        return "busy" if self.percent >= BUSY_FROM else "some" if self.visits else "free"

    @property
    def word(self) -> str:
        return {
            "shut": self.shut_for or str(_("Shut")),
            "full": str(_("Full")),
            "busy": str(_("Filling up")),
            "some": str(_("Room left")),
            "free": str(_("Free")),
        }[self.level]

    @property
    def width(self) -> int:
        return min(100, self.percent)

    @property
    def number(self) -> int:
        return self.day.day

    @property
    def title(self) -> str:
        return localtime.day_text(self.day)

    @property
    def hours_taken(self) -> str:
        return _hours(self.taken)

    @property
    def hours_there(self) -> str:
        return _hours(self.there)


def _hours(span: timedelta) -> str:
    return f"{formats.number_format(span / HOUR, 1)} h"


def month(
    asked: Asked,
    calendar: Calendar,
    closures: Sequence[tuple[str, Span]],
    *,
    people: Sequence[User],
    rooms: Sequence[Room],
    today: date,
) -> dict[str, Any]:
    """Return the weeks of the month (None for days of its neighbours), Monday first, and the days alone. Two queries.

    By room the tail of a visit counts, since nobody else can have the room. By person only what holds somebody: one who
    watches two patients at once is taken once, and being in the house is not being taken.
    """
    tz = asked.location.tz
    taken = _taken(asked, people, rooms)
    visits = _counts(asked, people)
    days: list[DayFill] = []
    for offset in range(asked.days):
        day = asked.first + timedelta(days=offset)
        begin, end = localtime.day_bounds(day, tz)
        if asked.by == "room":
            there = _length(availability.open_on(day, calendar)) * len(rooms)
        else:
            there = sum((_length(availability.at_work_on(day, calendar, who.pk)) for who in people), timedelta(0))
        shut_for = next((name for name, (a, b) in closures if a < end and b > begin), "")
        days.append(
            DayFill(
                day, day == today, asked.url(day, view="day"), visits.get(day, 0), taken.get(day, timedelta(0)), there,
                shut_for,
            )
        )  # fmt: skip
    cells: list[DayFill | None] = [None] * asked.first.weekday() + days
    cells += [None] * (-len(cells) % 7)
    return {
        "weekdays": [formats.date_format(date(2024, 1, n), "D") for n in range(1, 8)],
        "weeks": [cells[n : n + 7] for n in range(0, len(cells), 7)],
        "days": days,
        "what": _("rooms") if asked.by == "room" else _("people"),
    }


def _length(spans: Sequence[Span]) -> timedelta:
    return sum((b - a for a, b in spans), timedelta(0))


def _taken(asked: Asked, people: Sequence[User], rooms: Sequence[Room]) -> dict[date, timedelta]:
    begin, end = asked.bounds
    resources = [room.pk for room in rooms] if asked.by == "room" else [who.pk for who in people]
    holds = ResourceHold.objects.filter(
        # The first lane: whoever is shared by two patients is taken once, and being on site has lanes of its own.
        is_live=True, resource_id__in=resources, during__startswith__gte=begin, during__startswith__lt=end,
        lanes__startswith=0,
    )  # fmt: skip
    length = Func(
        Func(F("during"), function="upper"), Func(F("during"), function="lower"), arg_joiner=" - ", template="(%(expressions)s)",
        output_field=DurationField(),
    )  # fmt: skip
    start: Func = Func(F("during"), function="lower", output_field=DateTimeField())
    by_day = (
        holds.annotate(day=TruncDate(start, tzinfo=asked.location.tz))
        .order_by("day")
        .values("day")
        .annotate(sum=Sum(length))
    )
    return {row["day"]: row["sum"] for row in by_day}


def _counts(asked: Asked, people: Sequence[User]) -> dict[date, int]:
    visits = Appointment.objects.live().filter(location=asked.location).between(*asked.bounds)
    if asked.only and asked.by == "room":
        visits = visits.filter(room__in=asked.ids)
    elif asked.only:
        visits = visits.filter(clinician__in=[who.pk for who in people])
    by_day = (
        visits.annotate(day=TruncDate("starts_at", tzinfo=asked.location.tz))
        .order_by("day")
        .values("day")
        .annotate(n=Count("id"))
    )
    return {row["day"]: row["n"] for row in by_day}
