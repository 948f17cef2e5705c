"""Who takes over, or when else, where somebody is away. Pure.

Each visit has its possible places in order of preference, those at its own time with somebody else first. Of all ways to choose, it is
the one that leaves the fewest visits undecided, of those the one that changes the fewest times, then the one that shifts least. What is
chosen never clashes, nobody's ratio is broken, and a dose and the talk after it stay within their hours. Source: domain.md 3.1, 5.3, 8.2.
"""

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sessions import courserest
from sessions.availability import Busy, Calendar, Load, Need, Span, Stretch

# Places that are tried before the best so far is taken. A day of one person is decided in far fewer.
MOST_STEPS = 1500
# Undecided, other times, seconds of shift, places in the order of preference.
Cost = tuple[int, int, int, int]


@dataclass(frozen=True)
class Place:
    """From when, with whom (in the order of the seats), where and with what."""

    starts_at: datetime
    people: tuple[uuid.UUID, ...]
    room: uuid.UUID | None = None
    devices: tuple[uuid.UUID, ...] = ()


@dataclass(frozen=True)
class Case:
    """One visit that needs somebody who is away, where it is now, and where it could be, best first."""

    key: uuid.UUID
    patient: uuid.UUID
    need: Need
    now_at: Place
    places: tuple[Place, ...] = ()

    def cost(self, at: int | None) -> Cost:
        if at is None:
            return (1, 0, 0, 0)
        shift = abs(self.places[at].starts_at - self.now_at.starts_at)
        return (0, int(bool(shift)), int(shift.total_seconds()), at)


# Says whether the visits of one patient may be at these times together.
Fits = Callable[[uuid.UUID, Mapping[uuid.UUID, datetime]], bool]


def put(calendar: Calendar, need: Need, patient: uuid.UUID, place: Place) -> Calendar | None:
    """Return the calendar with a visit in it as well; None when any of what it takes is taken, or a ratio is reached."""
    whole, shared = dict(calendar.taken), dict(calendar.shared)
    start, end = place.starts_at, place.starts_at + need.duration
    wanted: list[tuple[uuid.UUID, Stretch]] = [
        *((who, one) for who, stretches in zip(place.people, need.people, strict=True) for one in stretches),
        *zip(place.devices, need.devices, strict=True),
    ]
    for resource, one in wanted:
        lane = Busy(whole.get(resource, ()), shared.get(resource, {})).lane_for(one, start)
        if lane is None:
            return None
        span = (start + one.starts, start + one.ends + one.tail)
        if one.load is Load.SOLE:
            whole[resource] = [*whole.get(resource, ()), span]
        else:
            lanes = dict(shared.get(resource, {}))
            lanes[lane] = [*lanes.get(lane, ()), span]
            shared[resource] = lanes
    alone = [(patient, (start, end)), *([(place.room, (start, end + need.room_tail))] if place.room else [])]
    for resource, span in alone:
        if Busy(whole.get(resource, ()), shared.get(resource, {})).overlaps(*span):
            return None
        whole[resource] = [*whole.get(resource, ()), span]
    return replace(calendar, taken=whole, shared=shared)


def settle(calendar: Calendar, cases: Sequence[Case], *, fits: Fits, most_steps: int = MOST_STEPS) -> list[int | None]:
    """Return for each case the number of its place, None where it stays undecided and is called about.

    ``calendar`` holds what everybody else takes. An undecided visit keeps its time and all it holds until somebody decides.
    """
    search = _Search(cases, fits, most_steps)
    search.go(0, calendar, [], (0, 0, 0, 0))
    return search.best


class _Search:
    def __init__(self, cases: Sequence[Case], fits: Fits, most_steps: int) -> None:
        self.cases, self.fits, self.left = cases, fits, most_steps
        # All undecided: the schedule as it is.
        self.best: list[int | None] = [None] * len(cases)
        self.best_cost: Cost = (len(cases), 0, 0, 0)
        self.least: list[Cost] = [(0, 0, 0, 0)]
        for case in reversed(cases):
            cheapest = min((case.cost(at) for at in range(len(case.places))), default=case.cost(None))
            self.least.append(_sum(self.least[-1], cheapest))
        self.least.reverse()

    def go(self, at: int, calendar: Calendar, chosen: list[int | None], cost: Cost) -> None:
        if _sum(cost, self.least[at]) >= self.best_cost:
            return
        if at == len(self.cases):
            self.best, self.best_cost = list(chosen), cost
            return
        case = self.cases[at]
        for one in [*sorted(range(len(case.places)), key=case.cost), None]:
            if self.left <= 0:
                return
            self.left -= 1
            place = case.now_at if one is None else case.places[one]
            then = put(calendar, case.need, case.patient, place)
            if then is not None and self._suits(at, [*chosen, one]):
                self.go(at + 1, then, [*chosen, one], _sum(cost, case.cost(one)))

    def _suits(self, at: int, chosen: list[int | None]) -> bool:
        """Return whether the patient of a case may have what was chosen for them so far; what nobody moves is as it was."""
        patient = self.cases[at].patient
        own = [(case, one) for case, one in zip(self.cases, chosen, strict=False) if case.patient == patient]
        if all(one is None for _case, one in own):
            return True
        times = {case.key: (case.now_at if one is None else case.places[one]).starts_at for case, one in own}
        return self.fits(patient, times)


def _sum(one: Cost, other: Cost) -> Cost:
    return (one[0] + other[0], one[1] + other[1], one[2] + other[2], one[3] + other[3])


def is_in_order(
    was: Mapping[uuid.UUID, datetime], becomes: Mapping[uuid.UUID, datetime], doses: Collection[uuid.UUID]
) -> bool:
    """Return whether each dose comes before and after the same doses and preparations of its patient as it ``was``.

    ``becomes`` has those whose time is known. A dose is decided after the one before it, and a patient is prepared before a dose.
    """
    moved = [key for key, at in becomes.items() if at != was[key]]
    return all(
        (was[one] < was[other]) == (becomes[one] < becomes[other])
        for one in moved
        for other in becomes
        if other != one and (one in doses or other in doses)
    )


def pairs(doses: Mapping[uuid.UUID, Span], talks: Mapping[uuid.UUID, Span]) -> list[tuple[uuid.UUID, uuid.UUID]]:
    """Return each dose that has its talk in the hours after it, with that talk."""
    dose_keys, talk_keys = (sorted(rows, key=lambda key: rows[key]) for rows in (doses, talks))
    own, _left = courserest.pair_up([doses[key] for key in dose_keys], [talks[key] for key in talk_keys])
    found = [(dose, talk_keys[at]) for dose, at in zip(dose_keys, own, strict=True) if at is not None]
    return [(dose, talk) for dose, talk in found if courserest.is_within(doses[dose], talks[talk])]
