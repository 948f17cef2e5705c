"""Which times can be offered, and why another cannot. Pure: plain data in, openings or an obstacle out.

A moment is UTC, a span is half open, and hours are on the location's wall clock: 10:00 stays 10:00 across a clock
change, an hour the spring change skips is never offered, and an hour the autumn change repeats is offered twice, each
time with its own zone abbreviation. The rows are read by ``sessions/timetable.py``.
"""

from __future__ import annotations

import uuid
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from clinic import localtime

Span = tuple[datetime, datetime]


class Obstacle(StrEnum):
    """What stands in the way of one time, in the order in which it is asked."""

    PAST = "past"
    OFF_GRID = "off_grid"
    SHUT = "shut"
    CLOSURE = "closure"
    NOT_WORKING = "not_working"
    AWAY = "away"
    CLINICIAN_TAKEN = "clinician_taken"
    ROOM_TAKEN = "room_taken"
    PATIENT_TAKEN = "patient_taken"


@dataclass(frozen=True)
class Need:
    """What a kind of visit takes. ``room_tail`` is held after the visit by the room alone."""

    duration: timedelta
    grid_minutes: int
    room_tail: timedelta = timedelta(0)
    needs_room: bool = True


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
    """All that one location says about a stretch of time. ``taken`` is by resource: people, rooms, patients."""

    tz: ZoneInfo
    opening: Sequence[WeeklyHours] = ()
    closures: Sequence[Span] = ()
    working: Mapping[uuid.UUID, Sequence[WeeklyHours]] = field(default_factory=dict)
    away: Mapping[uuid.UUID, Sequence[Span]] = field(default_factory=dict)
    taken: Mapping[uuid.UUID, Sequence[Span]] = field(default_factory=dict)


@dataclass(frozen=True, order=True)
class Opening:
    """One time that can be offered, with the person and the room it would take."""

    starts_at: datetime
    ends_at: datetime
    clinician_id: uuid.UUID
    room_id: uuid.UUID | None


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


class _Busy:
    """The spans of one resource, asked many times whether a stretch overlaps any."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self.spans = merged(spans)
        self.ends = [end for _start, end in self.spans]

    def overlaps(self, start: datetime, end: datetime) -> bool:
        # The first span that ends after the stretch begins; no earlier one can touch it.
        at = bisect_left(self.ends, start)
        while at < len(self.spans) and self.spans[at][1] <= start:
            at += 1
        return at < len(self.spans) and self.spans[at][0] < end


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
) -> list[Opening]:
    """Return every opening from one day to another, both included, in order of time.

    One for each start and clinician, in the first of ``rooms`` that is free. Openings lie wholly within opening and
    working hours, outside closures and time off, begin on the grid and not before ``now``, and overlap no hold.
    """
    busy = {key: _Busy(calendar.taken.get(key, ())) for key in {*clinicians, *rooms, *([patient] if patient else [])}}
    found = []
    day = first
    while day <= last:
        at_work = [(who, at_work_on(day, calendar, who)) for who in clinicians]
        for start in grid_starts(day, calendar.tz, need.grid_minutes):
            end = start + need.duration
            if start < now or (patient is not None and busy[patient].overlaps(start, end)):
                continue
            able = [
                who
                for who, spans in at_work
                if any(a <= start and end <= b for a, b in spans) and not busy[who].overlaps(start, end)
            ]
            if not able:
                continue
            room = next((room for room in rooms if not busy[room].overlaps(start, end + need.room_tail)), None)
            if room is None and need.needs_room:
                continue
            found += [Opening(start, end, who, room if need.needs_room else None) for who in able]
        day += timedelta(days=1)
    return found


def obstacle(
    calendar: Calendar,
    need: Need,
    *,
    starts_at: datetime,
    clinician: uuid.UUID,
    room: uuid.UUID | None,
    patient: uuid.UUID,
    now: datetime,
) -> Obstacle | None:
    """Return the first thing that keeps one time from being offered, or nothing when it can be."""
    ends_at = starts_at + need.duration
    day = localtime.day_of(starts_at, calendar.tz)

    def inside(spans: Iterable[Span]) -> bool:
        return any(a <= starts_at and ends_at <= b for a, b in spans)

    if starts_at < now:
        return Obstacle.PAST
    if not is_on_grid(starts_at, calendar.tz, need.grid_minutes):
        return Obstacle.OFF_GRID
    if not inside(hours_on(day, calendar.opening, calendar.tz)):
        return Obstacle.SHUT
    if not inside(open_on(day, calendar)):
        return Obstacle.CLOSURE
    works = common(open_on(day, calendar), hours_on(day, calendar.working.get(clinician, ()), calendar.tz))
    if not inside(works):
        return Obstacle.NOT_WORKING
    if not inside(at_work_on(day, calendar, clinician)):
        return Obstacle.AWAY
    return clash(calendar.taken, need, starts_at=starts_at, clinician=clinician, room=room, patient=patient)


def clash(
    taken: Mapping[uuid.UUID, Sequence[Span]],
    need: Need,
    *,
    starts_at: datetime,
    clinician: uuid.UUID,
    room: uuid.UUID | None,
    patient: uuid.UUID,
) -> Obstacle | None:
    """Return who or what is taken at one time, the clinician first, or nothing when all are free."""
    ends_at = starts_at + need.duration

    def overlaps(resource: uuid.UUID, until: datetime) -> bool:
        return any(start < until and starts_at < end for start, end in taken.get(resource, ()))

    if overlaps(clinician, ends_at):
        return Obstacle.CLINICIAN_TAKEN
    if room is not None and overlaps(room, ends_at + need.room_tail):
        return Obstacle.ROOM_TAKEN
    if overlaps(patient, ends_at):
        return Obstacle.PATIENT_TAKEN
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
