"""What is left of a course, laid anew around a visit that moved, fell out or was missed. Pure.

As little changes as can: of all ways to give every dose a place and a talk it is the one that changes the fewest visits, and of those
the one that shifts doses least. Doses keep their order and their distance; each dose that is given a time has a talk within its hours
after it, which does not run into the next dose. Source: domain.md 5.3, 6.1, 8.2.
"""

import uuid
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sessions.availability import Opening, Span
from sessions.courseplan import TALK_WITHIN

# Doses without a place, talks without one, visits that change, seconds by which doses shift, seconds from a dose to its talk.
Cost = tuple[int, int, int, int, int]
NOTHING: Cost = (0, 0, 0, 0, 0)
Apart = Callable[[datetime, datetime], bool]


@dataclass(frozen=True)
class Left:
    """One dose of the course and the talk after it, from when to when; None where it has to be booked anew.

    What is fixed stays whatever becomes of the rest: it has begun, is over, or somebody has just put it there.
    """

    dose: Span | None
    talk: Span | None
    dose_is_fixed: bool = False
    talk_is_fixed: bool = False


@dataclass(frozen=True)
class Laid:
    """Where a dose and its talk come: an opening where they get another time, None where they stay or have no place."""

    dose: Opening | None = None
    talk: Opening | None = None
    dose_has_place: bool = True
    talk_has_place: bool = True


@dataclass(frozen=True)
class _Talk:
    span: Span | None
    opening: Opening | None
    cost: Cost


@dataclass(frozen=True)
class _Dose:
    span: Span
    opening: Opening | None
    cost: Cost
    # The cheapest first.
    talks: tuple[_Talk, ...]


def is_within(dose: Span, talk: Span) -> bool:
    """Return whether a talk lies in its hours after a dose."""
    return TALK_WITHIN[0] <= talk[0] - dose[1] <= TALK_WITHIN[1]


def pair_up(doses: Sequence[Span], talks: Sequence[Span]) -> tuple[list[int | None], list[int]]:
    """Return for each dose the number of its talk, or None, and the numbers of the talks that are left over. Both in order of time.

    A talk belongs to the dose that it lies in the hours after; what is left goes, in order, to doses that have none.
    """
    found: list[int | None] = []
    free = list(range(len(talks)))
    for dose in doses:
        own = next((n for n in free if is_within(dose, talks[n])), None)
        found.append(own)
        if own is not None:
            free.remove(own)
    for at, own in enumerate(found):
        if own is None and free:
            found[at] = free.pop(0)
    return found, free


def best_talk(dose: Span, talks: Iterable[Opening], with_whom: uuid.UUID) -> Opening | None:
    """Return the talk that suits a dose best: in its hours, with the same person where that can be, and then the earliest."""
    found = [one for one in talks if is_within(dose, (one.starts_at, one.ends_at))]
    return min(found, key=lambda one: (one.clinician_id != with_whom, one.starts_at), default=None)


def lay_anew(
    rest: Sequence[Left], doses: Sequence[Opening], talks: Sequence[Opening], *, are_apart: Apart
) -> tuple[Laid, ...]:
    """Return where each dose and talk of ``rest`` comes.

    ``rest`` is in order of time, those to be booked anew last; ``doses`` and ``talks`` are in order of time, one for each start, with
    what the course itself holds counted as free. ``are_apart`` says of two starts whether they are far enough from each other, and
    stays true as the later one gets later. A dose that moves always gets a talk; one that stays can be left without.
    """
    origin = doses[0].starts_at if doses else None
    steps = [_choices(left, doses, talks, origin) for left in rest]
    best = _best(rest, steps, are_apart)
    return _walk(rest, steps, best)


def _choices(left: Left, doses: Sequence[Opening], talks: Sequence[Opening], origin: datetime | None) -> list[_Dose]:
    """Return every place of one dose with its talks, in order of time."""
    found = []
    if left.dose is not None:
        after = _talks_after(left, left.dose, talks)
        if not left.talk_is_fixed:
            after.append(_Talk(None, None, (0, 1, 0, 0, 0)))
        found.append(_Dose(left.dose, None, NOTHING, tuple(sorted(after, key=lambda one: one.cost))))
    if not left.dose_is_fixed:
        for one in doses:
            if left.dose is not None and one.starts_at == left.dose[0]:
                continue
            span = (one.starts_at, one.ends_at)
            after = _talks_after(left, span, talks)
            if not after:
                continue
            since = left.dose[0] if left.dose else origin or one.starts_at
            cost = (0, 0, 1 if left.dose else 0, int(abs(one.starts_at - since).total_seconds()), 0)
            found.append(_Dose(span, one, cost, tuple(sorted(after, key=lambda talk: talk.cost))))
    return sorted(found, key=lambda one: one.span[0])


def _talks_after(left: Left, dose: Span, talks: Sequence[Opening]) -> list[_Talk]:
    if left.talk_is_fixed and left.talk is not None:
        return [_Talk(left.talk, None, NOTHING)]
    found = []
    if left.talk is not None and is_within(dose, left.talk):
        found.append(_Talk(left.talk, None, (0, 0, 0, 0, int((left.talk[0] - dose[1]).total_seconds()))))
    first = bisect_left(talks, dose[1] + TALK_WITHIN[0], key=lambda one: one.starts_at)
    for one in talks[first:]:
        if one.starts_at > dose[1] + TALK_WITHIN[1]:
            break
        if left.talk is None or one.starts_at != left.talk[0]:
            wait = int((one.starts_at - dose[1]).total_seconds())
            found.append(_Talk((one.starts_at, one.ends_at), one, (0, 0, 1 if left.talk else 0, 0, wait)))
    return found


def _overlap(one: Span | None, other: Span) -> bool:
    return one is not None and one[0] < other[1] and other[0] < one[1]


def _sum(one: Cost, other: Cost) -> Cost:
    return (one[0] + other[0], one[1] + other[1], one[2] + other[2], one[3] + other[3], one[4] + other[4])


def _without(left: Left) -> Cost:
    """Return what it costs to leave a dose without a place; its talk goes with it."""
    return (1, 1 if left.talk else 0, 0, 0, 0)


# The best from one dose on: its cost, the step and the place of the next dose, and the talk that goes with it.
_Way = tuple[Cost, int | None, int | None, _Talk]


def _best(rest: Sequence[Left], steps: Sequence[list[_Dose]], are_apart: Apart) -> list[list[_Way | None]]:
    """Return for each place of each dose the best that can follow, itself included; from the last dose to the first.

    A place from which a later fixed dose cannot be reached has none.
    """
    count = len(steps)
    ways: list[list[_Way | None]] = [[] for _ in steps]
    # For each step and each place the cheapest place from it on.
    cheapest: list[list[int | None]] = [[] for _ in steps]
    for at in range(count - 1, -1, -1):
        ways[at] = [None] * len(steps[at])
        reach = [0] * count
        for place, dose in enumerate(steps[at]):
            ways[at][place] = _way(at, dose, rest, steps, ways, cheapest, reach, are_apart)
        following: list[int | None] = [None] * (len(steps[at]) + 1)
        for place in range(len(steps[at]) - 1, -1, -1):
            following[place] = following[place + 1]
            own, other = ways[at][place], following[place]
            best = ways[at][other] if other is not None else None
            if own is not None and (best is None or own[0] <= best[0]):
                following[place] = place
        cheapest[at] = following
    return ways


def _way(
    at: int,
    dose: _Dose,
    rest: Sequence[Left],
    steps: Sequence[list[_Dose]],
    ways: list[list[_Way | None]],
    cheapest: list[list[int | None]],
    reach: list[int],
    are_apart: Apart,
) -> _Way | None:
    """Return the best way on from one place of one dose. ``reach`` keeps how far each later step was looked through: later places reach later."""
    best: _Way | None = None
    skipped = NOTHING
    for then in range(at + 1, len(steps)):
        later = steps[then]
        both_fixed = rest[at].dose_is_fixed and rest[then].dose_is_fixed
        while (
            not both_fixed
            and reach[then] < len(later)
            and not (later[reach[then]].span[0] > dose.span[0] and are_apart(dose.span[0], later[reach[then]].span[0]))
        ):
            reach[then] += 1
        first = 0 if both_fixed else reach[then]
        best = _better(best, _onward(dose, then, first, skipped, steps, ways, cheapest))
        if rest[then].dose_is_fixed:
            return best
        skipped = _sum(skipped, _without(rest[then]))
    end: _Way = (_sum(_sum(dose.cost, dose.talks[0].cost), skipped), None, None, dose.talks[0])
    return _better(best, end)


def _onward(
    dose: _Dose,
    then: int,
    first: int,
    skipped: Cost,
    steps: Sequence[list[_Dose]],
    ways: list[list[_Way | None]],
    cheapest: list[list[int | None]],
) -> _Way | None:
    """Return the best way on with the next dose at step ``then``, at its place ``first`` or later.

    Only places that begin before the cheapest talk is over are looked at one by one.
    """
    best: _Way | None = None
    later = steps[then]
    cheap = dose.talks[0]
    place = first
    while place < len(later) and cheap.span is not None and later[place].span[0] < cheap.span[1]:
        way = ways[then][place]
        talk = next((one for one in dose.talks if not _overlap(one.span, later[place].span)), None)
        if way is not None and talk is not None:
            cost = _sum(_sum(_sum(dose.cost, talk.cost), skipped), way[0])
            best = _better(best, (cost, then, place, talk))
        place += 1
    found = cheapest[then][place]
    if found is not None:
        way = ways[then][found]
        assert way is not None
        best = _better(best, (_sum(_sum(_sum(dose.cost, cheap.cost), skipped), way[0]), then, found, cheap))
    return best


def _better(one: _Way | None, other: _Way | None) -> _Way | None:
    if one is None or other is None:
        return one or other
    return other if other[0] < one[0] else one


def _walk(
    rest: Sequence[Left], steps: Sequence[list[_Dose]], ways: Sequence[Sequence[_Way | None]]
) -> tuple[Laid, ...]:
    """Return the steps of the best way of all, from the first dose that has a place."""
    laid = [
        Laid(dose_has_place=False, talk_has_place=left.talk is None) if not left.dose_is_fixed else Laid() for left in rest
    ]  # fmt: skip
    skipped = NOTHING
    start: tuple[Cost, int, int] | None = None
    for at, left in enumerate(rest):
        for place, way in enumerate(ways[at]):
            if way is not None and (start is None or _sum(skipped, way[0]) < start[0]):
                start = (_sum(skipped, way[0]), at, place)
        if left.dose_is_fixed:
            break
        skipped = _sum(skipped, _without(left))
    onward: tuple[int | None, int | None] = (start[1], start[2]) if start is not None else (None, None)
    while onward[0] is not None and onward[1] is not None:
        at, place = onward[0], onward[1]
        found = ways[at][place]
        assert found is not None
        talk = found[3]
        laid[at] = Laid(steps[at][place].opening, talk.opening, talk_has_place=talk.span is not None)
        onward = (found[1], found[2])
    return tuple(laid)
