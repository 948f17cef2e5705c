"""What a location's calendar says, read in a fixed number of queries for ``sessions/availability.py`` to think about."""

import uuid
from collections import defaultdict
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db.models import Q

from clinic.models import Closure, Location, OpeningHours, TimeOff, WorkingHours
from sessions.availability import Calendar, Need, Span, WeeklyHours
from sessions.models import Appointment, ResourceHold, VisitType

# No hold is longer (constraint visit_type_fits_a_day), so a read by start finds every hold that reaches into a stretch.
LONGEST_HOLD = timedelta(days=1)


def need_of(visit_type: VisitType) -> Need:
    """Return what a kind of visit takes, as plain data."""
    return Need(
        duration=visit_type.duration,
        grid_minutes=visit_type.grid_minutes,
        room_tail=visit_type.room_tail,
        needs_room=bool(visit_type.room_kind),
    )


def held(
    resources: Collection[uuid.UUID], start: datetime, end: datetime, ignoring: Appointment | None = None
) -> dict[uuid.UUID, list[Span]]:
    """Return when people, rooms and patients are held between two moments, at whichever location, in one query.

    ``ignoring`` leaves out one visit's own holds, so that a visit is no obstacle to moving it.
    """
    holds = ResourceHold.objects.filter(
        is_live=True,
        resource_id__in=list(resources),
        during__startswith__gte=start - LONGEST_HOLD,
        during__startswith__lt=end,
    )
    if ignoring is not None:
        holds = holds.exclude(appointment=ignoring)
    taken: dict[uuid.UUID, list[Span]] = defaultdict(list)
    for resource, during in holds.values_list("resource_id", "during"):
        # A hold always has both ends; an open one would hold everything.
        taken[resource].append((during.lower or start, during.upper or end))
    return dict(taken)


def read(
    location: Location,
    *,
    people: Collection[uuid.UUID],
    taken: dict[uuid.UUID, list[Span]],
    start: datetime,
    end: datetime,
) -> Calendar:
    """Return the calendar of a location between two moments, in four queries however much it holds.

    ``taken`` is what ``held`` returned, or empty when only hours matter.
    """
    away: dict[uuid.UUID, list[Span]] = defaultdict(list)
    for person, during in TimeOff.objects.filter(
        user_id__in=list(people), cancelled_at=None, during__overlap=(start, end)
    ).values_list("user_id", "during"):
        away[person].append((during.lower or start, during.upper or end))
    working: dict[uuid.UUID, list[WeeklyHours]] = defaultdict(list)
    rules = WorkingHours.objects.filter(
        Q(valid_until=None) | Q(valid_until__gte=start.date() - timedelta(days=1)),
        location=location,
        user_id__in=list(people),
    )
    for rule in rules:
        working[rule.user_id].append(
            WeeklyHours(rule.weekday, rule.starts, rule.ends, rule.valid_from, rule.valid_until)
        )
    closures = Closure.objects.filter(location=location, cancelled_at=None, during__overlap=(start, end))
    opening = OpeningHours.objects.filter(location=location)
    return Calendar(
        tz=location.tz,
        opening=[WeeklyHours(rule.weekday, rule.opens, rule.closes) for rule in opening],
        closures=[(d.lower or start, d.upper or end) for d in closures.values_list("during", flat=True)],
        working=dict(working),
        away=dict(away),
        taken=taken,
    )
