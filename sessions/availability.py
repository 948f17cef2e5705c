"""Which times can be offered, and why another cannot. Pure: plain data in, openings or an obstacle out.

A moment is UTC, a span is half open, and hours are on the location's wall clock: 10:00 stays 10:00 across a clock
change, an hour the spring change skips is never offered, and an hour the autumn change repeats is offered twice, each
time with its own zone abbreviation. The rows are read by ``sessions/timetable.py``.
"""

from __future__ import annotations

import uuid
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from clinic import localtime

Span = tuple[datetime, datetime]


# Whoever is held alone takes all lanes from 0 up to here; who is shared takes one of the first, and who is only on site takes one from here on.
SOLE_LANES = 100


class Load(StrEnum):
    """How much of somebody a stretch of a visit takes."""

    # Nobody else's at that time.
    SOLE = "sole"
    # Beside at most so many visits of the same kind in all, and nothing else: a monitor after the first hour.
    SHARED = "shared"
    # In the house and within reach, for at most so many visits at once, whatever else they do: the prescriber of a dose.
    ON_SITE = "on_site"


class Obstacle(StrEnum):
    """What stands in the way of one time, in the order in which it is asked."""

    PAST = "past"
    OFF_GRID = "off_grid"
    SHUT = "shut"
    CLOSURE = "closure"
    TOO_LATE_TO_CLOSE = "too_late_to_close"
    NOT_WORKING = "not_working"
    AWAY = "away"
    CLINICIAN_TAKEN = "clinician_taken"
    ROOM_TAKEN = "room_taken"
    DEVICE_TAKEN = "device_taken"
    PATIENT_TAKEN = "patient_taken"
    # Said in a list only (sessions/whynot.py): nobody is left who is not in two places, and another dose is too near.
    NOBODY_LEFT = "nobody_left"
    DOSE_TOO_NEAR = "dose_too_near"


@dataclass(frozen=True)
class Stretch:
    """A stretch of a visit, reckoned from its start, for which somebody or something is held. ``most`` is for loads that are shared."""

    starts: timedelta
    ends: timedelta
    load: Load = Load.SOLE
    most: int = 1
    # Held after the end as well, in case the visit takes longer; nobody need be at work for it.
    tail: timedelta = timedelta(0)

    def lanes(self) -> range:
        """Return the lanes of which a shared stretch takes one; for a sole one all that it takes."""
        if self.load is Load.SOLE:
            return range(SOLE_LANES)
        first = SOLE_LANES if self.load is Load.ON_SITE else 0
        return range(first, first + self.most)


@dataclass(frozen=True)
class Need:
    """What a kind of visit takes.

    ``room_tail`` is held after the visit by the room alone. ``seats`` are the stretches of each person, the first being the one the visit
    is listed under; none means one person throughout. ``devices`` are the stretches of each piece of equipment. A visit ends at least
    ``closing_margin`` before the location shuts.
    """

    duration: timedelta
    grid_minutes: int
    room_tail: timedelta = timedelta(0)
    needs_room: bool = True
    seats: tuple[tuple[Stretch, ...], ...] = ()
    devices: tuple[Stretch, ...] = ()
    closing_margin: timedelta = timedelta(0)

    @property
    def people(self) -> tuple[tuple[Stretch, ...], ...]:
        """Return the stretches of each person, the first one's first."""
        return self.seats or ((Stretch(timedelta(0), self.duration),),)

    def can_be_one(self, seats: Iterable[int], seat: int) -> bool:
        """Return whether somebody who has some seats can take another too: no two of their stretches at the same time."""
        return not any(
            one.starts < other.ends + other.tail and other.starts < one.ends + one.tail
            for taken in seats
            for one in self.people[taken]
            for other in self.people[seat]
        )


@dataclass(frozen=True)
class WeeklyHours:
    """From one wall-clock time to another on a weekday (Monday is 0), while valid."""

    weekday: int
    starts: time
    ends: time
    valid_from: date | None = None
    valid_until: date | None = None

    def rule(self, day: date) -> bool:
        return (
            day.weekday() == self.weekday
            and (self.valid_from is None or self.valid_from <= day)
            and (self.valid_until is None or day <= self.valid_until)
        )


@dataclass(frozen=True)
class Calendar:
    """All that one location says about a stretch of time.

    ``taken`` is by resource (people, rooms, patients, devices) and holds them wholly; ``shared`` is by resource and lane.
    """

    tz: ZoneInfo
    opening: Sequence[WeeklyHours] = ()
    closures: Sequence[Span] = ()
    working: Mapping[uuid.UUID, Sequence[WeeklyHours]] = field(default_factory=dict)
    away: Mapping[uuid.UUID, Sequence[Span]] = field(default_factory=dict)
    taken: Mapping[uuid.UUID, Sequence[Span]] = field(default_factory=dict)
    shared: Mapping[uuid.UUID, Mapping[int, Sequence[Span]]] = field(default_factory=dict)


@dataclass(frozen=True, order=True)
class Opening:
    """One time that can be offered, with the people, the room and the devices it would take.

    ``others`` are the people beside the clinician, one for each further seat of the need, in its order.
    """

    starts_at: datetime
    ends_at: datetime
    clinician_id: uuid.UUID
    room_id: uuid.UUID | None
    others: tuple[uuid.UUID, ...] = ()
    devices: tuple[uuid.UUID, ...] = ()


@lru_cache(maxsize=1024)
def grid_starts(day: date, tz: ZoneInfo, grid_minutes: int) -> tuple[datetime, ...]:
    """Return the moments of a day whose wall clock shows a multiple of ``grid_minutes`` since midnight, in order."""
    moments: set[datetime] = set()
    for minute in range(0, 24 * 60, grid_minutes):
        clock = time(minute // 60, minute % 60)
        for fold in (0, 1):
            local = datetime.combine(day, clock, tzinfo=tz).replace(fold=fold)
            moment = local.astimezone(UTC)
            if moment.astimezone(tz).replace(tzinfo=None) == local.replace(tzinfo=None):
                moments.add(moment)
    return tuple(sorted(moments))


def is_on_grid(moment: datetime, tz: ZoneInfo, grid_minutes: int) -> bool:
    """Return whether a moment is on the wall-clock grid of its day."""
    local = moment.astimezone(tz)
    return not (local.second or local.microsecond) and (local.hour * 60 + local.minute) % grid_minutes == 0


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return spans in order, those that touch or overlap joined, empty ones left out."""
    result: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result


def common(first: Iterable[Span], second: Iterable[Span]) -> list[Span]:
    """Return the stretches that lie in both."""
    second = list(second)
    return merged((max(a, c), min(b, d)) for a, b in first for c, d in second if max(a, c) < min(b, d))


def without(spans: Iterable[Span], removed: Iterable[Span]) -> list[Span]:
    """Return what is left of spans when others are taken out of them."""
    left = merged(spans)
    for start, end in merged(removed):
        left = [
            part for a, b in left for part in ((a, min(b, start)), (max(a, end), b)) if part[0] < part[1]
        ]  # fmt: skip
    return left


def hours_on(day: date, hours: Iterable[WeeklyHours], tz: ZoneInfo) -> list[Span]:
    """Return the stretches of a day that weekly hours cover, as moments."""
    return merged(
        (localtime.at(day, rule.starts, tz), localtime.at(day, rule.ends, tz)) for rule in hours if rule.rule(day)
    )


def open_on(day: date, calendar: Calendar) -> list[Span]:
    """Return when the location is open on a day, closures taken out."""
    return without(hours_on(day, calendar.opening, calendar.tz), calendar.closures)


def at_work_on(day: date, calendar: Calendar, person: uuid.UUID) -> list[Span]:
    """Return when somebody can be booked on a day if nothing is booked yet."""
    works = hours_on(day, calendar.working.get(person, ()), calendar.tz)
    return without(common(open_on(day, calendar), works), calendar.away.get(person, ()))


class _Spans:
    """Spans, asked many times whether a stretch overlaps any."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self.spans = merged(spans)
        self.ends = [end for _start, end in self.spans]

    def overlaps(self, start: datetime, end: datetime) -> bool:
        # The first span that ends after the stretch begins; no earlier one can touch it.
        at = bisect_left(self.ends, start)
        while at < len(self.spans) and self.spans[at][1] <= start:
            at += 1
        return at < len(self.spans) and self.spans[at][0] < end


class Busy:
    """When one resource is taken, wholly or in lanes."""

    def __init__(self, whole: Sequence[Span], lanes: Mapping[int, Sequence[Span]]) -> None:
        self._wholly = _Spans(whole)
        self._lanes = {lane: _Spans(spans) for lane, spans in lanes.items()}
        # Nobody can be held alone while they are shared; being on site is no hindrance.
        self._at_all = _Spans(
            [*whole, *(span for lane, spans in lanes.items() if lane < SOLE_LANES for span in spans)]
        )  # fmt: skip

    @classmethod
    def of(cls, calendar: Calendar, resource: uuid.UUID) -> Busy:
        return cls(calendar.taken.get(resource, ()), calendar.shared.get(resource, {}))

    def overlaps(self, start: datetime, end: datetime) -> bool:
        """Return whether the resource cannot be held alone between two moments."""
        return self._at_all.overlaps(start, end)

    def lane_for(self, stretch: Stretch, starts_at: datetime) -> int | None:
        """Return the first lane that is free for a stretch of a visit, 0 for one that is held alone; None when there is none."""
        start, end = starts_at + stretch.starts, starts_at + stretch.ends + stretch.tail
        if stretch.load is Load.SOLE:
            return None if self._at_all.overlaps(start, end) else 0
        if stretch.load is Load.SHARED and self._wholly.overlaps(start, end):
            return None
        free = (
            lane for lane in stretch.lanes() if lane not in self._lanes or not self._lanes[lane].overlaps(start, end)
        )
        return next(free, None)

    def is_full(self, stretch: Stretch, starts_at: datetime) -> bool:
        """Return whether a shared stretch finds no lane although nobody has the resource alone: the ratio is reached."""
        start, end = starts_at + stretch.starts, starts_at + stretch.ends + stretch.tail
        return self.lane_for(stretch, starts_at) is None and not self._wholly.overlaps(start, end)

    def can_take(self, stretches: Iterable[Stretch], starts_at: datetime) -> bool:
        """Return whether the resource is free for every stretch of a visit."""
        return all(self.lane_for(stretch, starts_at) is not None for stretch in stretches)


class _Search:
    """Looks for openings, a day at a time; what is asked is what ``open_slots`` says."""

    def __init__(
        self, calendar: Calendar, need: Need, *, clinicians: Sequence[uuid.UUID], rooms: Sequence[uuid.UUID],
        patient: uuid.UUID | None, now: datetime, others: Sequence[Sequence[uuid.UUID]],
        devices: Sequence[Sequence[uuid.UUID]], until: datetime | None,
    ) -> None:  # fmt: skip
        self.calendar, self.need, self.now, self.until = calendar, need, now, until
        self.clinicians, self.rooms, self.patient, self.others, self.devices = (
            clinicians, rooms, patient, others, devices,
        )  # fmt: skip
        self.people = list(dict.fromkeys([*clinicians, *(one for seat in others for one in seat)]))
        everything = {*self.people, *rooms, *([patient] if patient else []), *(one for kind in devices for one in kind)}
        self.busy = {key: Busy.of(calendar, key) for key in everything}

    def on(self, day: date) -> list[Opening]:
        """Return the openings of one day in order of time."""
        opened = open_on(day, self.calendar)
        at_work = {who: at_work_on(day, self.calendar, who) for who in self.people} if opened else {}
        need, busy, seats, found = self.need, self.busy, self.need.people, []

        def able(who: uuid.UUID, seat: int) -> bool:
            return is_at_work(at_work[who], seats[seat], start) and busy[who].can_take(seats[seat], start)

        for start in grid_starts(day, self.calendar.tz, need.grid_minutes) if opened else ():
            end = start + need.duration
            if start < self.now or (self.until and start > self.until):
                continue
            if not is_inside(opened, start, end + need.closing_margin):
                continue
            if self.patient is not None and busy[self.patient].overlaps(start, end):
                continue
            leads = [who for who in self.clinicians if able(who, 0)]
            if not leads:
                continue
            room = next((room for room in self.rooms if not busy[room].overlaps(start, end + need.room_tail)), None)
            if room is None and need.needs_room:
                continue
            equipment = _one_each(
                [
                    [one for one in kind if busy[one].can_take([need.devices[n]], start)]
                    for n, kind in enumerate(self.devices)
                ]
            )
            if equipment is None:
                continue
            helpers = [[who for who in seat if able(who, n + 1)] for n, seat in enumerate(self.others)]
            for who in leads:
                team = _team(need, helpers, (who,))
                if team is not None:
                    found.append(Opening(start, end, who, room if need.needs_room else None, team[1:], equipment))
        return found


def open_slots(
    calendar: Calendar,
    need: Need,
    *,
    clinicians: Sequence[uuid.UUID],
    rooms: Sequence[uuid.UUID],
    patient: uuid.UUID | None,
    first: date,
    last: date,
    now: datetime,
    others: Sequence[Sequence[uuid.UUID]] = (),
    devices: Sequence[Sequence[uuid.UUID]] = (),
    until: datetime | None = None,
) -> list[Opening]:
    """Return every opening from one day to another, both included, in order of time; none that begins after ``until``.

    One for each start and clinician, with the first of ``rooms``, of the ``others`` for each further seat and of the ``devices`` for each
    piece of equipment that are free, nobody in two places at once. Openings lie wholly within opening hours, each person's stretches within
    working hours, outside closures and time off, begin on the grid and not before ``now``, and overlap no hold.
    """
    search = _Search(
        calendar, need, clinicians=clinicians, rooms=rooms, patient=patient, now=now, others=others, devices=devices,
        until=until,
    )  # fmt: skip
    return [one for number in range((last - first).days + 1) for one in search.on(first + timedelta(days=number))]


def open_near(
    calendar: Calendar,
    need: Need,
    *,
    wanted: datetime,
    clinician: uuid.UUID,
    clinicians: Sequence[uuid.UUID],
    rooms: Sequence[uuid.UUID],
    patient: uuid.UUID,
    within_days: int,
    now: datetime,
    others: Sequence[Sequence[uuid.UUID]] = (),
    devices: Sequence[Sequence[uuid.UUID]] = (),
    count: int = 3,
    suits: Callable[[Opening], bool] | None = None,
) -> list[Opening]:
    """Return what ``nearest`` would of all openings of so many days around a moment; days further away are not looked at without need.

    ``suits`` leaves out openings before they are counted.
    """
    search = _Search(
        calendar, need, clinicians=clinicians, rooms=rooms, patient=patient, now=now, others=others, devices=devices,
        until=None,
    )  # fmt: skip
    wished, best, found = localtime.day_of(wanted, calendar.tz), [], []
    today = localtime.day_of(now, calendar.tz)
    for distance in range(within_days + 1):
        before, after = wished - timedelta(days=distance), wished + timedelta(days=distance)
        found += [
            one for day in {before, after} if day >= today for one in search.on(day) if suits is None or suits(one)
        ]
        best = nearest(found, wanted, clinician, count)
        # What lies on days not looked at yet is at least as far away as the nearer edge of those that were.
        edges = localtime.day_bounds(before, calendar.tz)[0], localtime.day_bounds(after, calendar.tz)[1]
        reach = min(abs(edge - wanted) for edge in edges)
        if len(best) == count and all(abs(one.starts_at - wanted) < reach for one in best):
            break
    return best


def is_inside(spans: Iterable[Span], start: datetime, end: datetime) -> bool:
    """Return whether one of the spans holds the whole of a stretch."""
    return any(a <= start and end <= b for a, b in spans)


def is_at_work(spans: Sequence[Span], stretches: Iterable[Stretch], start: datetime) -> bool:
    """Return whether somebody who is at work in some spans is there for each of their stretches."""
    return all(is_inside(spans, start + stretch.starts, start + stretch.ends) for stretch in stretches)


def _one_each(
    choices: Sequence[Sequence[uuid.UUID]], chosen: tuple[uuid.UUID, ...] = ()
) -> tuple[uuid.UUID, ...] | None:
    """Return one of each list, none twice, earlier ones preferred; None when that cannot be."""
    if len(chosen) == len(choices):
        return chosen
    for one in choices[len(chosen)]:
        if one not in chosen and (rest := _one_each(choices, (*chosen, one))) is not None:
            return rest
    return None


def _team(
    need: Need, choices: Sequence[Sequence[uuid.UUID]], chosen: tuple[uuid.UUID, ...]
) -> tuple[uuid.UUID, ...] | None:
    """Return one person for each seat, nobody in two places at once; None when that cannot be. ``chosen`` have their seats already.

    Whoever is there goes on where they can, so that a patient under effect is not handed over without need; then earlier ones are preferred.
    """
    seat = len(chosen)
    if seat == len(need.people):
        return chosen
    able = choices[seat - 1]
    for who in [*(one for one in reversed(chosen) if one in able), *(one for one in able if one not in chosen)]:
        if need.can_be_one([n for n, one in enumerate(chosen) if one == who], seat):
            team = _team(need, choices, (*chosen, who))
            if team is not None:
                return team
    return None


def obstacle(
    calendar: Calendar,
    need: Need,
    *,
    starts_at: datetime,
    clinician: uuid.UUID,
    room: uuid.UUID | None,
    patient: uuid.UUID,
    now: datetime,
    others: Sequence[uuid.UUID] = (),
    devices: Sequence[uuid.UUID] = (),
) -> Obstacle | None:
    """Return the first thing that keeps one time from being offered, or nothing when it can be."""
    found = hitch(
        calendar, need, starts_at=starts_at, clinician=clinician, room=room, patient=patient, now=now, others=others,
        devices=devices,
    )  # fmt: skip
    return found[0] if found else None


def hitch(
    calendar: Calendar,
    need: Need,
    *,
    starts_at: datetime,
    clinician: uuid.UUID,
    room: uuid.UUID | None,
    patient: uuid.UUID,
    now: datetime,
    others: Sequence[uuid.UUID] = (),
    devices: Sequence[uuid.UUID] = (),
) -> tuple[Obstacle, uuid.UUID | None] | None:
    """Return the first thing that keeps one time from being offered and whose it is, or nothing when it can be."""
    ends_at = starts_at + need.duration
    day = localtime.day_of(starts_at, calendar.tz)
    if starts_at < now:
        return Obstacle.PAST, None
    if not is_on_grid(starts_at, calendar.tz, need.grid_minutes):
        return Obstacle.OFF_GRID, None
    if not is_inside(hours_on(day, calendar.opening, calendar.tz), starts_at, ends_at):
        return Obstacle.SHUT, None
    opened = open_on(day, calendar)
    if not is_inside(opened, starts_at, ends_at):
        return Obstacle.CLOSURE, None
    if not is_inside(opened, starts_at, ends_at + need.closing_margin):
        return Obstacle.TOO_LATE_TO_CLOSE, None
    for who, stretches in zip((clinician, *others), need.people, strict=True):
        works = common(opened, hours_on(day, calendar.working.get(who, ()), calendar.tz))
        if not is_at_work(works, stretches, starts_at):
            return Obstacle.NOT_WORKING, who
        if not is_at_work(at_work_on(day, calendar, who), stretches, starts_at):
            return Obstacle.AWAY, who
    return clash(
        calendar, need, starts_at=starts_at, clinician=clinician, room=room, patient=patient, others=others,
        devices=devices,
    )  # fmt: skip


def clash(
    calendar: Calendar,
    need: Need,
    *,
    starts_at: datetime,
    clinician: uuid.UUID,
    room: uuid.UUID | None,
    patient: uuid.UUID,
    others: Sequence[uuid.UUID] = (),
    devices: Sequence[uuid.UUID] = (),
) -> tuple[Obstacle, uuid.UUID] | None:
    """Return who or what is taken at one time, people first, or nothing when all are free."""
    ends_at = starts_at + need.duration
    for who, stretches in zip((clinician, *others), need.people, strict=True):
        if not Busy.of(calendar, who).can_take(stretches, starts_at):
            return Obstacle.CLINICIAN_TAKEN, who
    if room is not None and Busy.of(calendar, room).overlaps(starts_at, ends_at + need.room_tail):
        return Obstacle.ROOM_TAKEN, room
    for device, stretch in zip(devices, need.devices, strict=True):
        if not Busy.of(calendar, device).can_take([stretch], starts_at):
            return Obstacle.DEVICE_TAKEN, device
    if Busy.of(calendar, patient).overlaps(starts_at, ends_at):
        return Obstacle.PATIENT_TAKEN, patient
    return None


def nearest(openings: Iterable[Opening], wanted: datetime, clinician: uuid.UUID, count: int = 3) -> list[Opening]:
    """Return the ``count`` openings nearest to a moment, one for each start, the same clinician's first; by time."""
    chosen: dict[datetime, Opening] = {}
    for opening in sorted(
        openings, key=lambda o: (abs(o.starts_at - wanted), o.starts_at, o.clinician_id != clinician, o.clinician_id)
    ):
        chosen.setdefault(opening.starts_at, opening)
        if len(chosen) == count:
            break
    return sorted(chosen.values())
