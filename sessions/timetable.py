"""What a location's calendar says, read in a fixed number of queries for ``sessions/availability.py`` to think about."""

import uuid
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Q

from clinic.models import Closure, Device, Location, Membership, OpeningHours, Room, TimeOff, User, WorkingHours
from sessions.availability import SOLE_LANES, Calendar, Need, Span, WeeklyHours
from sessions.models import Appointment, ResourceHold, VisitType

# No hold is longer (constraint visit_type_fits_a_day), so a read by start finds every hold that reaches into a stretch.
LONGEST_HOLD = timedelta(days=1)


@dataclass(frozen=True)
class Taken:
    """What is held, by resource: ``wholly`` for whatever is held alone, ``shared`` by lane for whoever is not."""

    wholly: dict[uuid.UUID, list[Span]] = field(default_factory=dict)
    shared: dict[uuid.UUID, dict[int, list[Span]]] = field(default_factory=dict)


NOTHING_TAKEN = Taken()


def need_of(visit_type: VisitType) -> Need:
    """Return what a kind of visit takes, as plain data."""
    shape = visit_type.shape
    return Need(
        duration=visit_type.duration,
        grid_minutes=visit_type.grid_minutes,
        room_tail=visit_type.room_tail,
        needs_room=bool(visit_type.room_kind),
        seats=tuple(seat.stretches for seat in shape.seats),
        devices=tuple(one.stretch for one in shape.equipment),
        closing_margin=timedelta(minutes=visit_type.closing_margin_minutes),
    )


@dataclass(frozen=True)
class Choices:
    """Who, where and with what a kind of visit may be at a location, by id in order of name.

    ``clinicians`` are those it may be with, ``others`` those for each further seat, ``everybody`` all of them.
    """

    clinicians: list[uuid.UUID]
    others: list[list[uuid.UUID]]
    kits: list[list[uuid.UUID]]
    everybody: dict[uuid.UUID, User]
    rooms: dict[uuid.UUID, Room]
    devices: dict[uuid.UUID, Device]

    @property
    def people(self) -> dict[uuid.UUID, User]:
        """Return those the visit may be with."""
        return {pk: self.everybody[pk] for pk in self.clinicians}

    @property
    def resources(self) -> list[uuid.UUID]:
        return [*self.everybody, *self.rooms, *self.devices]


def choices(location: Location, visit_type: VisitType) -> Choices:
    """Return who and what a kind of visit may take at a location, in at most three queries."""
    shape = visit_type.shape
    roles = {role for seat in shape.seats for role in seat.roles}
    members = list(
        Membership.objects.live()
        .filter(location=location, role__in=roles, user__is_active=True)
        .select_related("user")
        .order_by("user__name", "user_id", "role")
    )
    seats = [list(dict.fromkeys(one.user_id for one in members if one.role in seat.roles)) for seat in shape.seats]
    devices: list[Device] = []
    if shape.equipment:
        kinds = {one.kind for one in shape.equipment}
        devices = list(Device.objects.filter(location=location, is_in_use=True, kind__in=kinds).order_by("name"))
    rooms: list[Room] = []
    if visit_type.room_kind:
        rooms = list(Room.objects.in_use().filter(location=location, kind=visit_type.room_kind).order_by("name"))
    return Choices(
        clinicians=seats[0],
        others=seats[1:],
        kits=[[device.pk for device in devices if device.kind == one.kind] for one in shape.equipment],
        everybody={one.user_id: one.user for one in members},
        rooms={room.pk: room for room in rooms},
        devices={device.pk: device for device in devices},
    )


def held(
    resources: Collection[uuid.UUID],
    start: datetime,
    end: datetime,
    ignoring: Appointment | Collection[Appointment] | None = None,
) -> Taken:
    """Return when people, rooms, devices and patients are held between two moments, at whichever location, in one query.

    ``ignoring`` leaves out the holds of some visits, so that a visit is no obstacle to moving it.
    """
    holds = ResourceHold.objects.filter(
        is_live=True,
        resource_id__in=list(resources),
        during__startswith__gte=start - LONGEST_HOLD,
        during__startswith__lt=end,
    )
    if ignoring is not None:
        visits = [ignoring] if isinstance(ignoring, Appointment) else list(ignoring)
        holds = holds.exclude(appointment__in=visits)
    wholly: dict[uuid.UUID, list[Span]] = defaultdict(list)
    shared: dict[uuid.UUID, dict[int, list[Span]]] = defaultdict(lambda: defaultdict(list))
    # Their ends rather than the ranges: thousands of range objects cost many times what the database does.
    ends = ("during__startswith", "during__endswith", "lanes__startswith", "lanes__endswith")
    for resource, lower, upper, lane, after in holds.values_list("resource_id", *ends):
        first, last = int(lane or 0), int(after or SOLE_LANES)
        # A hold always has both ends; an open one would hold everything.
        span = (lower or start, upper or end)
        if (first, last) == (0, SOLE_LANES):
            wholly[resource].append(span)
        else:
            for lane in range(first, last):
                shared[resource][lane].append(span)
    return Taken(dict(wholly), {resource: dict(by_lane) for resource, by_lane in shared.items()})


def read(
    location: Location,
    *,
    people: Collection[uuid.UUID],
    taken: Taken,
    start: datetime,
    end: datetime,
) -> Calendar:
    """Return the calendar of a location between two moments, in four queries however much it holds.

    ``taken`` is what ``held`` returned, or ``NOTHING_TAKEN`` when only hours matter.
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
        taken=taken.wholly,
        shared=taken.shared,
    )
