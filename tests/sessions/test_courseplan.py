"""A course laid into openings, held against every way there is to lay it."""

import uuid
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from sessions import courseplan
from sessions.availability import Opening
from sessions.courseplan import TALK_WITHIN, Step

BEGIN = datetime(2027, 1, 18, tzinfo=UTC)
WHO = uuid.UUID(int=1)
HOUR = timedelta(hours=1)
APART = 72 * HOUR


def opening(hour: int, length: int) -> Opening:
    return Opening(BEGIN + hour * HOUR, BEGIN + (hour + length) * HOUR, WHO, None)


def are_apart(one: datetime, other: datetime) -> bool:
    return abs(one - other) >= APART


def plan(doses: list[Opening], talks: list[Opening], count: int, *, with_talks: bool = True) -> tuple[Step, ...]:
    return courseplan.lay_out(doses, talks, count=count, are_apart=are_apart, with_talks=with_talks)


def every_plan(doses: list[Opening], talks: list[Opening], count: int, with_talks: bool) -> list[list[Step]]:
    """Every course there is, however short, by trying all of them."""
    found: list[list[Step]] = [[]]

    def extend(steps: list[Step]) -> None:
        if len(steps) == count:
            return
        for dose in doses:
            if steps and not (
                dose.starts_at > steps[-1].dose.starts_at and are_apart(dose.starts_at, steps[-1].dose.starts_at)
            ):
                continue
            last = steps[-1].talk if steps else None
            if last is not None and last.starts_at < dose.ends_at and dose.starts_at < last.ends_at:
                continue
            after = [t for t in talks if TALK_WITHIN[0] <= t.starts_at - dose.ends_at <= TALK_WITHIN[1]]
            for talk in after if with_talks else [None]:
                found.append([*steps, Step(dose, talk)])
                extend(found[-1])

    extend([])
    return found


HOURS = st.lists(st.integers(0, 300), unique=True, max_size=7).map(sorted)


@settings(max_examples=250, deadline=None)
@given(dose_hours=HOURS, talk_hours=HOURS, count=st.integers(1, 4), with_talks=st.booleans(), long=st.integers(1, 30))
def test_no_other_way_gives_more_doses_or_earlier_ones(
    dose_hours: list[int], talk_hours: list[int], count: int, with_talks: bool, long: int
) -> None:
    doses, talks = [opening(hour, 3) for hour in dose_hours], [opening(hour, long) for hour in talk_hours]
    steps = plan(doses, talks, count, with_talks=with_talks)
    everything = every_plan(doses, talks, count, with_talks)
    assert list(steps) in everything
    most = max(len(one) for one in everything)
    starts = min([step.dose.starts_at for step in one] for one in everything if len(one) == most)
    assert [step.dose.starts_at for step in steps] == starts


def test_two_a_week_with_a_talk_the_day_after() -> None:
    doses = [opening(24 * day + 10, 3) for day in range(30)]
    talks = [opening(24 * day + hour, 1) for day in range(40) for hour in (9, 14)]
    steps = plan(doses, talks, 6)
    assert [(step.dose.starts_at - BEGIN).days for step in steps] == [0, 3, 6, 9, 12, 15]
    # The first that is 24 hours after the end at 13:00.
    assert {(step.talk.starts_at - step.dose.starts_at) / HOUR for step in steps if step.talk} == {28.0}


def test_a_dose_without_a_talk_is_no_step() -> None:
    assert plan([opening(0, 3)], [opening(10, 1), opening(100, 1)], 1) == ()
    assert len(plan([opening(0, 3)], [], 1, with_talks=False)) == 1


def test_many_openings_are_laid_out_at_once() -> None:
    """Half a year of quarter hours with not enough talks for the whole course."""
    doses = [opening(n, 3) for n in range(24 * 180)]
    talks = [opening(24 * day, 1) for day in range(0, 30)]
    assert len(plan(doses, talks, 12)) == 10
