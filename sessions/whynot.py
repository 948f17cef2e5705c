"""Why nothing is offered at a time, or on a day, of those who and what could be chosen. Pure, as ``availability`` is.

A reason is what the action would say of it: whoever is named cannot be there then, and where a room or a device is named none of
that kind can. A time without a reason is offered.
"""

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from clinic import localtime
from sessions import availability
from sessions.availability import Busy, Calendar, Load, Need, Obstacle, Span, Stretch

# A day has as many reasons as are read at a glance.
MOST_ON_A_DAY = 3
_OF_THE_WHOLE_DAY = frozenset({Obstacle.PAST, Obstacle.SHUT, Obstacle.CLOSURE, Obstacle.TOO_LATE_TO_CLOSE})


@dataclass(frozen=True)
class Reason:
    """One thing that is in the way: of a person with the seat they would take, or of all rooms or devices.

    ``is_ratio`` says of somebody who is taken that they watch as many at once as they may.
    """

    obstacle: Obstacle
    person: uuid.UUID | None = None
    seat: int = 0
    is_ratio: bool = False


class WhyNot:
    """What one search could choose from, asked about times and days."""

    def __init__(
        self,
        calendar: Calendar,
        need: Need,
        *,
        clinicians: Sequence[uuid.UUID],
        rooms: Sequence[uuid.UUID],
        patient: uuid.UUID,
        now: datetime,
        others: Sequence[Sequence[uuid.UUID]] = (),
        devices: Sequence[Sequence[uuid.UUID]] = (),
        may_begin: Callable[[datetime], bool] | None = None,
    ) -> None:
        self._calendar, self._need, self._now, self._may_begin = calendar, need, now, may_begin
        self._seats = (clinicians, *others)
        self._rooms, self._devices, self._patient = rooms, devices, patient
        self._busy: dict[uuid.UUID, Busy] = {}
        self._hours: dict[tuple[date, uuid.UUID | None, bool], list[Span]] = {}

    def at(self, starts_at: datetime) -> tuple[Reason, ...]:
        """Return everything that keeps a time from being offered; nothing when it is. What rules a whole time out stands alone."""
        need, end = self._need, starts_at + self._need.duration
        day = localtime.day_of(starts_at, self._calendar.tz)
        if starts_at < self._now:
            return (Reason(Obstacle.PAST),)
        if not availability.is_on_grid(starts_at, self._calendar.tz, need.grid_minutes):
            return (Reason(Obstacle.OFF_GRID),)
        for obstacle, hours, until in (
            (Obstacle.SHUT, self._opening(day, with_closures=False), end),
            (Obstacle.CLOSURE, self._opening(day, with_closures=True), end),
            (Obstacle.TOO_LATE_TO_CLOSE, self._opening(day, with_closures=True), end + need.closing_margin),
        ):
            if not availability.is_inside(hours, starts_at, until):
                return (Reason(obstacle),)
        found = [Reason(Obstacle.DOSE_TOO_NEAR)] if self._may_begin and not self._may_begin(starts_at) else []
        if self._of(self._patient).overlaps(starts_at, end):
            found.append(Reason(Obstacle.PATIENT_TAKEN))
        for seat, (people, stretches) in enumerate(zip(self._seats, need.people, strict=True)):
            hindered = [(who, self._person(who, stretches, starts_at, day)) for who in people]
            if all(reason for _who, reason in hindered):
                # Where nobody could be chosen there is nobody to name.
                found += [Reason(reason[0], who, seat, reason[1]) for who, reason in hindered if reason] or [
                    Reason(Obstacle.NOT_WORKING, None, seat)
                ]
        if need.needs_room and all(
            self._of(room).overlaps(starts_at, end + need.room_tail) for room in self._rooms
        ):  # fmt: skip
            found.append(Reason(Obstacle.ROOM_TAKEN))
        for stretch, kind in zip(need.devices, self._devices, strict=True):
            if not any(self._of(one).can_take([stretch], starts_at) for one in kind):
                found.append(Reason(Obstacle.DEVICE_TAKEN))
        return tuple(found) or self._together(starts_at, day)

    def on(self, day: date, *, within: Callable[[datetime], bool] | None = None) -> tuple[Reason, ...]:
        """Return the strongest reasons why a day has no opening, at most three kinds, those that rule out most times first.

        ``within`` limits the times that are asked about. Of people it is told what keeps them while they are at work.
        """
        starts = availability.grid_starts(day, self._calendar.tz, self._need.grid_minutes)
        asked = [self.at(start) for start in starts if within is None or within(start)]
        thinkable = [reasons for reasons in asked if reasons and reasons[0].obstacle not in _OF_THE_WHOLE_DAY]
        if not thinkable:
            whole = Counter(reasons[0] for reasons in asked if reasons)
            # What was over an hour ago says less than what is still to come.
            still = [(reason, n) for reason, n in whole.most_common() if reason.obstacle != Obstacle.PAST]
            closed = [one for one in still if one[0].obstacle != Obstacle.SHUT] or still
            return tuple(reason for reason, _n in (closed or whole.most_common())[:1])
        groups: Counter[tuple[Obstacle | None, int]] = Counter()
        for reasons in thinkable:
            groups.update({(None if one.person else one.obstacle, one.seat) for one in reasons})
        strongest: list[Reason] = []
        for (obstacle, seat), _n in groups.most_common(MOST_ON_A_DAY):
            if obstacle is not None:
                strongest.append(Reason(obstacle, seat=seat))
            else:
                strongest += _of_people(
                    one for reasons in thinkable for one in reasons if one.person and one.seat == seat
                )
        return tuple(strongest)

    def _together(self, starts_at: datetime, day: date) -> tuple[Reason, ...]:
        """Return that nobody is left when each is free for a seat, and all of them together are not."""
        offered = availability.open_slots(
            self._calendar, self._need, clinicians=self._seats[0], others=self._seats[1:], rooms=self._rooms,
            devices=self._devices, patient=self._patient, first=day, last=day, now=starts_at, until=starts_at,
        )  # fmt: skip
        return () if offered else (Reason(Obstacle.NOBODY_LEFT),)

    def _person(
        self, who: uuid.UUID, stretches: Sequence[Stretch], starts_at: datetime, day: date
    ) -> tuple[Obstacle, bool] | None:
        if not availability.is_at_work(self._working(day, who, with_time_off=False), stretches, starts_at):
            return Obstacle.NOT_WORKING, False
        if not availability.is_at_work(self._working(day, who, with_time_off=True), stretches, starts_at):
            return Obstacle.AWAY, False
        busy = self._of(who)
        full = [one for one in stretches if busy.lane_for(one, starts_at) is None]
        if not full:
            return None
        shared = [one for one in full if one.load is not Load.SOLE]
        return Obstacle.CLINICIAN_TAKEN, bool(shared) and all(
            busy.is_full(one, starts_at) for one in shared
        )  # fmt: skip

    def _of(self, resource: uuid.UUID) -> Busy:
        if resource not in self._busy:
            self._busy[resource] = Busy.of(self._calendar, resource)
        return self._busy[resource]

    def _opening(self, day: date, *, with_closures: bool) -> list[Span]:
        key = (day, None, with_closures)
        if key not in self._hours:
            self._hours[key] = (
                availability.open_on(day, self._calendar)
                if with_closures
                else availability.hours_on(day, self._calendar.opening, self._calendar.tz)
            )
        return self._hours[key]

    def _working(self, day: date, who: uuid.UUID, *, with_time_off: bool) -> list[Span]:
        key = (day, who, with_time_off)
        if key not in self._hours:
            hours = availability.hours_on(day, self._calendar.working.get(who, ()), self._calendar.tz)
            self._hours[key] = (
                availability.at_work_on(day, self._calendar, who)
                if with_time_off
                else availability.common(self._opening(day, with_closures=True), hours)
            )
        return self._hours[key]


def _of_people(reasons: Iterable[Reason]) -> list[Reason]:
    """Return one reason for each person: what keeps them most often while they are at work, else that they are not."""
    by_person: dict[uuid.UUID | None, Counter[Reason]] = {}
    for one in reasons:
        by_person.setdefault(one.person, Counter())[one] += 1
    return [_strongest(counted) for counted in by_person.values()]


def _strongest(counted: Counter[Reason]) -> Reason:
    return max(counted, key=lambda one: (one.obstacle != Obstacle.NOT_WORKING, counted[one]))
