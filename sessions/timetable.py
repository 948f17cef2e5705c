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


def read(
    location: Location,
    *,
    people: Collection[uuid.UUID],
    resources: Collection[uuid.UUID],
    start: datetime,
    end: datetime,
    ignoring: Appointment | None = None,
) -> Calendar:
    """Return the calendar of a location between two moments, in five queries however much it holds.

    ``resources`` are the ids whose holds matter, at whichever location: people, rooms, patients. ``ignoring`` leaves
    out one visit's own holds, so that a visit is no obstacle to moving it.
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
        taken[resource].append((during.lower, during.upper))
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
    for person, *rule in rules.values_list("user_id", "weekday", "starts", "ends", "valid_from", "valid_until"):
        working[person].append(WeeklyHours(*rule))
    closures = Closure.objects.filter(location=location, cancelled_at=None, during__overlap=(start, end))
    opening = OpeningHours.objects.filter(location=location)
    return Calendar(
        tz=location.tz,
        opening=[WeeklyHours(*rule) for rule in opening.values_list("weekday", "opens", "closes")],
        closures=[(d.lower or start, d.upper or end) for d in closures.values_list("during", flat=True)],
        working=dict(working),
        away=dict(away),
        taken=dict(taken),
    )
