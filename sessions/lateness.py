"""How late a day runs: which visits will begin late because of the visits before them, by how much, and why. Pure.

Reckoned anew from what was recorded whenever it is asked, and stored nowhere. It tells; it never moves a visit.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

# Less than this is the ordinary slack of a day, and is not told.
LEAST = timedelta(minutes=10)
# Told in steps of so many minutes: nobody knows it better.
STEP = timedelta(minutes=5)
# So long before the next visit its desk hears that the room is not free (domain.md 11, scenario 36).
AHEAD = timedelta(minutes=15)
# Whatever should have ended, or begun, longer ago than this is not late: somebody forgot to press a button.
BELIEVED = timedelta(minutes=90)


class Why(StrEnum):
    """What is known of the visit that holds the others up."""

    PAST_ITS_END = "past_its_end"
    BEGAN_LATE = "began_late"
    NOT_BEGUN = "not_begun"


class Stage(StrEnum):
    """How far a visit is: nobody there yet, waiting, in the room, over."""

    EXPECTED = "expected"
    HERE = "here"
    IN_ROOM = "in_room"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Visit:
    """What is known of one visit of a day. ``turnover`` is how long its room is seen to afterwards."""

    key: uuid.UUID
    clinician: uuid.UUID
    room: uuid.UUID | None
    starts_at: datetime
    ends_at: datetime
    stage: Stage
    began_at: datetime | None = None
    turnover: timedelta = timedelta(0)

    @property
    def length(self) -> timedelta:
        return self.ends_at - self.starts_at


@dataclass(frozen=True, slots=True)
class Delay:
    """By about how many minutes a visit will begin late, and the visit that began the delay."""

    minutes: int
    cause: uuid.UUID
    why: Why


@dataclass(frozen=True, slots=True)
class _Free:
    """From when somebody, or a room, is free again, and what holds them up; nothing when all is as planned."""

    at: datetime
    held_up_by: tuple[uuid.UUID, Why] | None


def delays(visits: Iterable[Visit], now: datetime) -> dict[uuid.UUID, Delay]:
    """Return the visits not begun which their clinician or room will not be free for in time; at least ``LEAST`` late.

    Whoever is not here holds nobody up: it is not known that they come. A visit in the room takes its planned length from
    when it began, and at least until now; one whose patient waits begins now at the earliest. What a later visit of the same
    clinician or room has overtaken is over, whatever is recorded of it.
    """
    everything = list(visits)
    begun = [one for one in everything if one.began_at is not None]
    free: dict[uuid.UUID, _Free] = {}
    for one in begun:
        if one.stage is Stage.IN_ROOM and not any(_overtakes(other, one) for other in begun):
            _take(free, one, *_end_of(one, now))
    found: dict[uuid.UUID, Delay] = {}
    waiting = (one for one in everything if one.stage in {Stage.EXPECTED, Stage.HERE})
    for one in sorted(waiting, key=lambda one: (one.starts_at, one.key)):
        held = max((free[key] for key in _needs(one) if key in free), key=lambda row: row.at, default=None)
        begins, held_up_by = one.starts_at, None
        if held is not None and held.at > begins:
            begins, held_up_by = held.at, held.held_up_by
        if held_up_by is not None and begins - one.starts_at >= LEAST:
            minutes = round((begins - one.starts_at) / STEP) * int(STEP / timedelta(minutes=1))
            found[one.key] = Delay(minutes, *held_up_by)
        if one.stage is Stage.HERE:
            if now - one.starts_at > BELIEVED and held_up_by is None:
                continue
            if now > begins:
                begins, held_up_by = now, held_up_by or (one.key, Why.NOT_BEGUN)
        elif one.starts_at < now:
            continue
        _take(free, one, begins + one.length, held_up_by)
    return found


def without_a_room(visits: Iterable[Visit], now: datetime) -> dict[uuid.UUID, tuple[uuid.UUID, Why]]:
    """Return the visits that begin within ``AHEAD``, or should have, and whose room is not free: the visit that is in it, and why.

    That is one that leaves no time to see to the room, one that is ``STEP`` past its end (nobody knows when it ends), or one that
    began ``LEAST`` too late for it: what is a few minutes behind may still catch up. Only the first to follow is held up.
    """
    everything = list(visits)
    begun = [one for one in everything if one.began_at is not None]
    found: dict[uuid.UUID, tuple[uuid.UUID, Why]] = {}
    for one in begun:
        if one.stage is not Stage.IN_ROOM or one.room is None or any(_overtakes(other, one) for other in begun):
            continue
        until, held_up_by = _end_of(one, now)
        after = [
            other
            for other in everything
            if other.room == one.room
            and other.stage in {Stage.EXPECTED, Stage.HERE}
            and one.starts_at <= other.starts_at <= now + AHEAD
        ]
        if held_up_by is None or not after:
            continue
        following = min(after, key=lambda other: (other.starts_at, other.key))
        short_by = until + one.turnover - following.starts_at
        if held_up_by[1] is Why.PAST_ITS_END:
            is_held_up = short_by >= timedelta(0) or now - one.ends_at >= STEP
        else:
            is_held_up = short_by >= LEAST
        if is_held_up:
            found[following.key] = (one.key, held_up_by[1])
    return found


def _needs(one: Visit) -> tuple[uuid.UUID, ...]:
    return (one.clinician,) if one.room is None else (one.clinician, one.room)


def _overtakes(other: Visit, one: Visit) -> bool:
    """Return whether ``other`` began after ``one`` with the same clinician or in the same room."""
    is_later = other.began_at is not None and one.began_at is not None and other.began_at > one.began_at
    return is_later and (other.clinician == one.clinician or (one.room is not None and other.room == one.room))


def _end_of(one: Visit, now: datetime) -> tuple[datetime, tuple[uuid.UUID, Why] | None]:
    """Return when a visit in the room will end, and what to say of it if that is late."""
    planned = max(one.ends_at, (one.began_at or one.starts_at) + one.length)
    if now - planned > BELIEVED:
        return one.ends_at, None
    if now > one.ends_at:
        return max(planned, now), (one.key, Why.PAST_ITS_END)
    return planned, (one.key, Why.BEGAN_LATE) if planned > one.ends_at else None


def _take(free: dict[uuid.UUID, _Free], one: Visit, until: datetime, held_up_by: tuple[uuid.UUID, Why] | None) -> None:
    for key in _needs(one):
        at = until + one.turnover if key == one.room else until
        if key not in free or at > free[key].at:
            free[key] = _Free(at, held_up_by)
