"""Who takes over and when else, held against every way there is to choose."""

import itertools
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from clinic import localtime
from sessions import standin
from sessions.availability import Calendar, Load, Need, Stretch
from sessions.standin import Case, Cost, Place

from .booking import TEN

HOUR = timedelta(hours=1)
PEOPLE = [uuid.UUID(int=n) for n in range(1, 4)]
ROOMS = [uuid.UUID(int=n) for n in range(11, 13)]
PATIENTS = [uuid.UUID(int=n) for n in range(21, 24)]
ALONE = ((Stretch(timedelta(0), 2 * HOUR),),)
# Two at most at the same time, as a monitor after the first hour.
SHARED = ((Stretch(timedelta(0), 2 * HOUR, Load.SHARED, 2),),)

places = st.builds(
    lambda hour, who, room: Place(TEN + hour * HOUR, (PEOPLE[who],), ROOMS[room]),
    st.integers(0, 4), st.integers(0, 2), st.integers(0, 1),
)  # fmt: skip


@st.composite
def cases(draw: st.DrawFn) -> list[Case]:
    found = []
    # Now they are with somebody of whom there is enough, each in a room of their own, so that the schedule as it is holds.
    for n in range(draw(st.integers(1, 3))):
        need = Need(2 * HOUR, 60, seats=draw(st.sampled_from([ALONE, SHARED])))
        now_at = Place(TEN + draw(st.integers(0, 4)) * HOUR, (uuid.UUID(int=90 + n),), uuid.UUID(int=80 + n))
        own = draw(st.lists(places, max_size=3, unique=True))
        found.append(Case(uuid.UUID(int=50 + n), PATIENTS[n // 2], need, now_at, tuple(own)))
    starts = [(one.patient, one.now_at.starts_at) for one in found]
    if any(a[0] == b[0] and abs(a[1] - b[1]) < 2 * HOUR for a, b in itertools.combinations(starts, 2)):
        return found[:1]
    return found


def fits(_patient: uuid.UUID, times: Mapping[uuid.UUID, datetime]) -> bool:
    """Two of one patient lie three hours apart, as doses lie three days."""
    return all(abs(a - b) >= 3 * HOUR for a, b in itertools.combinations(times.values(), 2))


def may_be(own: list[Case], chosen: tuple[int | None, ...]) -> bool:
    placed = [(case, case.now_at if at is None else case.places[at]) for case, at in zip(own, chosen, strict=True)]
    for (one, a), (other, b) in itertools.combinations(placed, 2):
        meet = abs(a.starts_at - b.starts_at) < 2 * HOUR
        if meet and (a.room == b.room or one.patient == other.patient):
            return False
        if meet and a.people == b.people and ALONE in {one.need.seats, other.need.seats}:
            return False
    for at in range(5 + 2):
        moment = TEN + at * HOUR
        there = [b.people for _case, b in placed if b.starts_at <= moment < b.starts_at + 2 * HOUR]
        if any(there.count(who) > 2 for who in there):
            return False
    for patient in {case.patient for case in own}:
        mine = [n for n, case in enumerate(own) if case.patient == patient]
        if any(chosen[n] is not None for n in mine) and not fits(patient, {own[n].key: placed[n][1].starts_at for n in mine}):  # fmt: skip
            return False
    return True


def cost(own: list[Case], chosen: tuple[int | None, ...]) -> Cost:
    costs = [case.cost(at) for case, at in zip(own, chosen, strict=True)]
    return (sum(c[0] for c in costs), sum(c[1] for c in costs), sum(c[2] for c in costs), sum(c[3] for c in costs))


@settings(max_examples=60, deadline=None)
@given(cases())
def test_it_is_the_best_of_all_ways(own: list[Case]) -> None:
    calendar = Calendar(tz=localtime.zone("America/Denver"))
    found = tuple(standin.settle(calendar, own, fits=fits))
    ways = itertools.product(*([None, *range(len(case.places))] for case in own))
    possible = [way for way in ways if may_be(own, way) or all(at is None for at in way)]
    assert found in possible
    assert cost(own, found) == min(cost(own, way) for way in possible)


def test_out_of_steps_it_says_so_by_deciding_less() -> None:
    calendar = Calendar(tz=localtime.zone("America/Denver"))
    own = [
        Case(uuid.UUID(int=50 + n), uuid.UUID(int=20 + n), Need(2 * HOUR, 60), Place(TEN, (uuid.UUID(int=90 + n),)),
             (Place(TEN, (PEOPLE[0],)), Place(TEN + 2 * HOUR, (PEOPLE[0],))))
        for n in range(2)
    ]  # fmt: skip
    assert standin.settle(calendar, own, fits=fits, most_steps=0) == [None, None]
    assert standin.settle(calendar, own, fits=fits) == [0, 1]
