"""The rest of a course laid anew, held against every way there is to lay it."""

import itertools
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from sessions import courserest
from sessions.availability import Opening, Span
from sessions.courseplan import TALK_WITHIN
from sessions.courserest import Laid, Left

from .test_courseplan import BEGIN, HOUR, are_apart, opening

Place = tuple[Span, Opening | None, Span | None, Opening | None]


def span(hour: int, length: int = 3) -> Span:
    return BEGIN + hour * HOUR, BEGIN + (hour + length) * HOUR


def lay(rest: list[Left], doses: list[Opening], talks: list[Opening]) -> tuple[Laid, ...]:
    return courserest.lay_anew(rest, doses, talks, are_apart=are_apart)


def every_place(left: Left, doses: list[Opening], talks: list[Opening]) -> list[Place | None]:
    """Every way to place one dose with its talk, None for not at all."""
    spots: list[tuple[Span, Opening | None]] = [(left.dose, None)] if left.dose else []
    if not left.dose_is_fixed:
        spots += [((d.starts_at, d.ends_at), d) for d in doses if not left.dose or d.starts_at != left.dose[0]]
    found: list[Place | None] = [] if left.dose_is_fixed else [None]
    for where, moved in spots:
        if left.talk_is_fixed and left.talk:
            found.append((where, moved, left.talk, None))
            continue
        if moved is None:
            found.append((where, None, None, None))
        if left.talk and courserest.is_within(where, left.talk):
            found.append((where, moved, left.talk, None))
        for talk in talks:
            if TALK_WITHIN[0] <= talk.starts_at - where[1] <= TALK_WITHIN[1] and (
                not left.talk or talk.starts_at != left.talk[0]
            ):
                found.append((where, moved, (talk.starts_at, talk.ends_at), talk))
    return found


def may_be(rest: list[Left], places: tuple[Place | None, ...]) -> bool:
    placed = [(left, place) for left, place in zip(rest, places, strict=True) if place]
    for (one, (dose, _m, talk, _t)), (other, (after, _m2, _talk, _t2)) in itertools.pairwise(placed):
        if not (one.dose_is_fixed and other.dose_is_fixed) and not (
            after[0] > dose[0] and are_apart(dose[0], after[0])
        ):
            return False
        if talk and talk[0] < after[1] and after[0] < talk[1]:
            return False
    return True


def price(
    rest: list[Left], places: tuple[Place | None, ...], origin: datetime | None
) -> tuple[int, int, int, float, float]:
    doses = talks = changed = 0
    shift = wait = timedelta(0)
    for left, place in zip(rest, places, strict=True):
        if place is None:
            doses, talks = doses + 1, talks + bool(left.talk)
            continue
        dose, moved, talk, anew = place
        if moved:
            changed += bool(left.dose)
            shift += abs(dose[0] - (left.dose[0] if left.dose else origin or dose[0]))
        changed += bool(anew and left.talk)
        talks += talk is None
        if talk and not left.talk_is_fixed:
            wait += talk[0] - dose[1]
    return doses, talks, changed, shift.total_seconds(), wait.total_seconds()


HOURS = st.lists(st.integers(0, 300), unique=True, max_size=5).map(sorted)


@st.composite
def courses(draw: st.DrawFn) -> list[Left]:
    """A course as a clinic could have it: doses apart, some begun, the talk anywhere or nowhere, some to be booked anew."""
    at, found = draw(st.integers(0, 60)), []
    for n in range(draw(st.integers(1, 3))):
        fixed = draw(st.booleans()) if n == 0 else draw(st.integers(0, 5)) == 0
        talk = draw(st.one_of(st.none(), st.integers(at + 3, at + 110).map(lambda hour: span(hour, 1))))
        found.append(Left(span(at), talk, fixed, fixed and talk is not None and draw(st.booleans())))
        at += draw(st.integers(115, 150))
    return found + [Left(None, None)] * draw(st.integers(0, 1))


@settings(max_examples=200, deadline=None)
@given(rest=courses(), dose_hours=HOURS, talk_hours=HOURS)
def test_no_other_way_places_more_or_changes_less(
    rest: list[Left], dose_hours: list[int], talk_hours: list[int]
) -> None:
    doses, talks = [opening(hour, 3) for hour in dose_hours], [opening(hour, 1) for hour in talk_hours]
    origin = doses[0].starts_at if doses else None
    laid = lay(rest, doses, talks)
    ways = [way for way in itertools.product(*(every_place(left, doses, talks) for left in rest)) if may_be(rest, way)]
    shown: list[Place | None] = []
    for left, one in zip(rest, laid, strict=True):
        dose = (one.dose.starts_at, one.dose.ends_at) if one.dose else left.dose
        if not one.dose_has_place or dose is None:
            shown.append(None)
            continue
        talk = (one.talk.starts_at, one.talk.ends_at) if one.talk else left.talk if one.talk_has_place else None
        shown.append((dose, one.dose, talk, one.talk))
    assert tuple(shown) in ways
    assert price(rest, tuple(shown), origin) == min(price(rest, way, origin) for way in ways)


def test_a_dose_that_moves_takes_its_talk_along_and_only_what_is_too_near() -> None:
    """Three a week apart; the first was put five days later, so the second follows it, and the third stays."""
    rest = [
        Left(span(130), span(40, 1), dose_is_fixed=True),
        Left(span(168), span(200, 1)),
        Left(span(336), span(370, 1)),
    ]
    doses = [opening(24 * day + 10, 3) for day in range(30)]
    talks = [opening(24 * day + 15, 1) for day in range(40)]
    first, second, third = lay(rest, doses, talks)
    assert (first.dose, first.talk) == (None, opening(24 * 6 + 15, 1))
    assert (second.dose, second.talk) == (opening(24 * 8 + 10, 3), opening(24 * 9 + 15, 1))
    assert third == Laid()


def test_what_fell_out_is_given_a_time_at_the_end_and_its_talk_goes_with_it() -> None:
    rest = [Left(span(0), span(30, 1)), Left(None, span(110, 1))]
    laid = lay(rest, [opening(24, 3), opening(100, 3)], [opening(130, 1)])
    assert laid == (Laid(), Laid(opening(100, 3), opening(130, 1)))


def test_what_has_no_place_is_said() -> None:
    """A dose is put a day before the next, and there is no opening for that; its talk falls with it."""
    rest = [Left(span(0), None, dose_is_fixed=True), Left(span(24), span(60, 1))]
    assert lay(rest, [], []) == (
        Laid(talk_has_place=False), Laid(dose_has_place=False, talk_has_place=False),
    )  # fmt: skip


def test_talks_belong_to_the_dose_before_them() -> None:
    doses, talks = [span(0), span(168)], [span(40, 1), span(200, 1), span(400, 1)]
    assert courserest.pair_up(doses, talks) == ([0, 1], [2])
    # The first dose moved behind its talk: it keeps it, out of its hours.
    assert courserest.pair_up([span(96), span(336)], [span(40, 1), span(370, 1)]) == ([0, 1], [])


def test_many_openings_are_laid_out_at_once() -> None:
    """Twelve doses among the quarter hours of half a year."""
    rest = [Left(span(72 * n), span(72 * n + 30, 1), n == 0) for n in range(12)]
    doses = [opening(n, 3) for n in range(24 * 120)]
    laid = lay(rest, doses, [opening(24 * day + 14, 1) for day in range(125)])
    assert all(one.dose is None and one.dose_has_place and one.talk_has_place for one in laid)
