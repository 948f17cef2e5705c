"""What utilisation is reckoned from: what a location's rooms and people were taken for, and what became of visits.

Twelve statements for a period and the one before it, however many visits there were, each bounded by the days asked for.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q

from clinic.models import Location, Room, WorkingHours
from sessions import timetable, utilisation
from sessions.availability import Calendar, Span
from sessions.models import INTAKE, Appointment, Block, without_offers
from sessions.utilisation import Outcomes, Period, Spread, Use

_S = Appointment.Status
# What was only asked for or offered is no visit that anybody could have missed.
COUNTED = frozenset(set(_S) - {_S.REQUESTED, _S.HELD, _S.ENTERED_IN_ERROR})
CAME = frozenset({_S.CHECKED_IN, _S.IN_PROGRESS, _S.COMPLETED, _S.LEFT})

# By the id or the code of what is counted.
Taken = Mapping[uuid.UUID, Iterable[Span]]
Key = uuid.UUID | str


@dataclass(frozen=True)
class Figures:
    """All numbers of one location in one period, as far as it has gone."""

    rooms: Mapping[uuid.UUID, Use]
    people: Mapping[uuid.UUID, Use]
    by_kind: Mapping[str, Outcomes]
    by_person: Mapping[uuid.UUID, Outcomes]
    lead: Spread | None

    @property
    def outcomes(self) -> Outcomes:
        return sum(self.by_kind.values(), Outcomes())


@dataclass(frozen=True)
class Compared:
    """A period and the one before it, and what everything in them is called."""

    now: Figures
    before: Figures
    names: Mapping[Key, str]


def compared(location: Location, period: Period, now: datetime) -> Compared:
    """Return the numbers of a period and of the one before it. What is still to come is not counted."""
    periods = (period, period.before())
    spans = [utilisation.until(one, location.tz, now) for one in periods]
    start, end = spans[1][0], spans[0][1]
    names: dict[Key, str] = {}
    rooms = _rooms(location, start, end, names)
    people = _people(location, start, end, names)
    calendar = timetable.read(location, people=list(people), taken=timetable.NOTHING_TAKEN, start=start, end=end)
    figures = [
        _figures(location, one, span, calendar, rooms, people, names) for one, span in zip(periods, spans, strict=True)
    ]
    return Compared(figures[0], figures[1], names)


def _rooms(location: Location, start: datetime, end: datetime, names: dict[Key, str]) -> Taken:
    """Return when each room was held: those in use, and those out of use that were held then all the same."""
    rooms = list(Room.objects.filter(location=location).order_by("name", "pk"))
    held = timetable.held([room.pk for room in rooms], start, end).wholly
    found = {room.pk: held.get(room.pk, []) for room in rooms if room.is_in_use or room.pk in held}
    names.update((room.pk, room.name) for room in rooms)
    return found


def _people(location: Location, start: datetime, end: datetime, names: dict[Key, str]) -> Taken:
    """Return when each person was needed in a visit here: those with hours here then, and those needed without."""
    taken: dict[uuid.UUID, list[Span]] = {}
    rules = WorkingHours.objects.filter(
        Q(valid_until=None) | Q(valid_until__gte=start.date()), location=location, valid_from__lte=end.date()
    )
    for person, name in rules.order_by("user__name").values_list("user_id", "user__name"):
        names[person] = name
        taken.setdefault(person, [])
    blocks = Block.objects.filter(
        appointment__location=location, appointment__status__in=Appointment.LIVE,
        appointment__starts_at__gte=start - timetable.LONGEST_HOLD, appointment__starts_at__lt=end,
    )  # fmt: skip
    for person, name, begins, ends in blocks.values_list("person_id", "person__name", "starts_at", "ends_at"):
        names[person] = name
        taken.setdefault(person, []).append((begins, ends))
    return taken


def _figures(
    location: Location, period: Period, span: Span, calendar: Calendar, rooms: Taken, people: Taken,
    names: dict[Key, str],
) -> Figures:  # fmt: skip
    days = list(period.days())
    opened = utilisation.open_hours(calendar, days)
    by_kind: dict[str, Outcomes] = defaultdict(Outcomes)
    by_person: dict[uuid.UUID, Outcomes] = defaultdict(Outcomes)
    counts = (
        without_offers(Appointment.objects.between(*span))
        .filter(location=location, status__in=COUNTED)
        .values_list(
            "visit_type__code", "visit_type__name", "clinician_id", "clinician__name", "status", "cancelled_by",
            "cancel_is_late",
        )
        .annotate(count=Count("pk"))
        .order_by("visit_type__name", "clinician__name")
    )  # fmt: skip
    for code, kind, person, name, status, cancelled_by, is_late, count in counts:
        names[code], names[person] = kind, name
        became = Outcomes(**{_outcome(status, cancelled_by, is_late=is_late): count})
        by_kind[code] += became
        by_person[person] += became
    return Figures(
        rooms={pk: utilisation.use(*_within(span, taken, opened)) for pk, taken in rooms.items()},
        people={
            pk: utilisation.use(*_within(span, taken, utilisation.working_hours(calendar, days, opened, pk)))
            for pk, taken in people.items()
        },
        by_kind=by_kind,
        by_person=by_person,
        lead=_lead(location, span),
    )


def _within(span: Span, taken: Iterable[Span], hours: Iterable[Span]) -> tuple[list[Span], list[Span]]:
    return utilisation.clipped(taken, span), utilisation.clipped(hours, span)


def _outcome(status: str, cancelled_by: str, *, is_late: bool) -> str:
    """Return the name of what became of a visit, as ``Outcomes`` has it."""
    if status in CAME:
        return "came"
    if status == _S.NO_SHOW:
        return "missed"
    if status != _S.CANCELLED:
        return "not_said"
    if cancelled_by == Appointment.CancelledBy.CLINIC:
        return "cancelled_by_clinic"
    return "cancelled_late" if is_late else "cancelled_in_time"


def _lead(location: Location, span: Span) -> Spread | None:
    """Return how long those waited who came to their intake in a period, from the day their enquiry was received."""
    intakes = Appointment.objects.between(*span).filter(
        location=location, visit_type__code=INTAKE, status__in=CAME, referral__isnull=False
    )
    moments = intakes.values_list("referral__received_at", "starts_at")
    return utilisation.spread(starts_at - received_at for received_at, starts_at in moments)
