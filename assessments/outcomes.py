"""What a course of scores means: better, in remission, worse, ill again, or not more than wobble. Pure.

Scores with their dates go in, statements and the data of a chart come out; nothing is decided, and nothing here sets a
dose. The words are defined in domain.md 6.3 and 2.2, the numbers of each instrument stand in its file. A gap is a gap:
what was not answered or could not be scored is never bridged, guessed or carried forward.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction

from assessments.instrument import Band, Definition, Direction
from assessments.safety import Signal
from assessments.scoring import Score

# The definitions of domain.md 6.3, which are the meaning of the words and no limits that a clinic would set.
RESPONSE_PERCENT = 50
PARTIAL_PERCENT = 25
REVIEW_AFTER_SESSIONS = 3
STOP_AFTER_SESSIONS = 4
RECURRENCE_AFTER = timedelta(weeks=8)


@dataclass(frozen=True)
class Reading:
    """One point of a course. ``total`` is None for a gap, and ``gap`` says why ("not answered", a reason code).

    ``complete`` is False when items were filled in. ``alarms`` are the safety items answered so that they alarm. Of some
    only the day is known (``is_day_only``): ``at`` is then its first moment.
    """

    at: datetime
    total: int | None
    complete: bool = True
    alarms: frozenset[str] = frozenset()
    category: str = ""
    gap: str = ""
    is_day_only: bool = False

    @classmethod
    def of(cls, at: datetime, score: Score, signals: Iterable[Signal] = ()) -> Reading:
        """Return the point that a stored score makes. A blank safety item is no positive one."""
        alarms = frozenset(signal.item for signal in signals if signal.value is not None)
        return cls(
            at, score.total, score.is_complete, alarms, "" if score.category is None else score.category.id,
            "" if score.total is not None or score.reason is None else str(score.reason),
        )  # fmt: skip


class NoBaseline(StrEnum):
    """Why there is nothing to compare with."""

    NO_DOSE_YET = "no_dose_yet"
    NOTHING_COMPLETE = "nothing_complete"


@dataclass(frozen=True)
class Baseline:
    """The last complete score before dose 1, or why there is none.

    ``is_low``: below the instrument's symptom floor, so that a halving says little (domain.md appendix B).
    """

    reading: Reading | None
    reason: NoBaseline | None
    is_low: bool = False


def baseline(definition: Definition, readings: Iterable[Reading], first_dose_at: datetime | None) -> Baseline:
    """Return the last complete score before dose 1 (domain.md 2.2). A prorated score is not complete."""
    if first_dose_at is None:
        return Baseline(None, NoBaseline.NO_DOSE_YET)
    before = [r for r in readings if r.at < first_dose_at and r.complete and r.total is not None]
    if not before:
        return Baseline(None, NoBaseline.NOTHING_COMPLETE)
    last = max(before, key=lambda reading: reading.at)
    floor = definition.baseline_floor
    return Baseline(last, None, floor is not None and last.total is not None and last.total < floor)


class Response(StrEnum):
    """How far a score has fallen from its baseline."""

    RESPONSE = "response"
    PARTIAL = "partial"
    NONE = "none"


class Reliable(StrEnum):
    """Whether a change is more than the wobble of the instrument. POSSIBLY: inside the range of published figures."""

    NO = "no"
    POSSIBLY = "possibly"
    YES = "yes"


@dataclass(frozen=True)
class Noticed:
    """Whether a change reaches one published figure of what people notice, in the direction that it went."""

    label: str
    met: bool | None


@dataclass(frozen=True)
class Outcome:
    """One score against its baseline. None means that the word is not defined here.

    ``change`` is points, negative when the number fell. ``improvement`` is the fall towards better in per cent of the
    baseline, rounded half up, negative when worse. ``remission`` is asked of the score alone.
    """

    change: int
    improvement: int | None
    response: Response | None
    remission: bool | None
    deteriorated: bool
    new_alarms: frozenset[str]
    reliable: Reliable | None
    reliable_is_illustration: bool
    noticed: tuple[Noticed, ...]
    baseline_is_low: bool


def reliable_points(definition: Definition) -> tuple[float, float] | None:
    """Return how many points a change must have to be reliable, as the lower and upper end, or None when unknown.

    Published figures as they are; else ``1.96 * SD * sqrt(2) * sqrt(1 - r)`` (domain.md 2.2) from the file's SD and r.
    """
    figure = definition.reliable_change
    if figure is None:
        return None
    if figure.points is not None:
        return float(figure.points), float(figure.points_high or figure.points)
    assert figure.sd is not None
    assert figure.r is not None
    points = 1.96 * figure.sd * math.sqrt(2) * math.sqrt(1 - figure.r)
    return points, points


def reliable(definition: Definition, change: int) -> Reliable | None:
    """Return whether a change of so many points, up or down, is reliable, or None when no figure is known."""
    needed = reliable_points(definition)
    if needed is None:
        return None
    if abs(change) >= needed[1]:
        return Reliable.YES
    return Reliable.POSSIBLY if abs(change) >= needed[0] else Reliable.NO


def _better_by(definition: Definition, change: int) -> int:
    """Return how many points a change is towards better; below 0 is towards worse."""
    return change if definition.higher_is is Direction.BETTER else -change


def compare(definition: Definition, start: Baseline, now: Reading) -> Outcome | None:
    """Return what one score says against the baseline, or None when either is missing. Source: domain.md 6.3, 2.2.

    Response is defined for instruments where more is worse, from a baseline above 0. Deterioration is the instrument's
    own figure, or a safety item that alarms now and did not at the baseline.
    """
    if start.reading is None or start.reading.total is None or now.total is None:
        return None
    before = start.reading.total
    change = now.total - before
    better = _better_by(definition, change)
    improvement = None if before == 0 else Fraction(better * 100, before)
    defined = definition.higher_is is Direction.WORSE
    new_alarms = now.alarms - start.reading.alarms
    figure = definition.reliable_change
    worse = definition.deterioration is not None and -better >= definition.deterioration
    return Outcome(
        change=change,
        improvement=None if improvement is None else math.floor(improvement + Fraction(1, 2)),
        response=_response(improvement) if defined and improvement is not None else None,
        remission=in_remission(definition, now.total),
        deteriorated=worse or bool(new_alarms),
        new_alarms=new_alarms,
        reliable=None if definition.higher_is is Direction.NEITHER else reliable(definition, change),
        reliable_is_illustration=figure is not None and figure.illustration,
        noticed=_noticed(definition, before, change),
        baseline_is_low=start.is_low,
    )


def _response(improvement: Fraction) -> Response:
    if improvement >= RESPONSE_PERCENT:
        return Response.RESPONSE
    return Response.PARTIAL if improvement >= PARTIAL_PERCENT else Response.NONE


def _noticed(definition: Definition, before: int, change: int) -> tuple[Noticed, ...]:
    found = []
    for figure in definition.meaningful_changes:
        if figure.points is not None:
            found.append(Noticed(figure.label, abs(change) >= figure.points))
        else:
            assert figure.percent is not None
            found.append(Noticed(figure.label, abs(change) * 100 >= before * figure.percent if before else None))
    return tuple(found)


def in_remission(definition: Definition, total: int) -> bool | None:
    """Return whether a total is the instrument's end state, or None when it defines none (domain.md 6.3)."""
    return None if definition.remission is None else definition.remission.met(total)


class NoResponseStep(StrEnum):
    """What a course without response asks for. A prompt for people, never an act (domain.md 6.3, 6.4)."""

    REVIEW = "review"
    STOP_RULE = "stop_rule"


def no_response_step(outcome: Outcome | None, sessions: int) -> NoResponseStep | None:
    """Return the step after so many sessions without response: a review after 3, the stop rule after 4."""
    if outcome is None or outcome.response is not Response.NONE or sessions < REVIEW_AFTER_SESSIONS:
        return None
    return NoResponseStep.STOP_RULE if sessions >= STOP_AFTER_SESSIONS else NoResponseStep.REVIEW


def worsened(definition: Definition, before: Reading, now: Reading) -> bool | None:
    """Return whether an instrument with categories got worse: a graver category, or a new alarming answer.

    Source: domain.md 2.2, "any worsening of category", "any new yes". None when either category is unknown, unless a
    new alarming answer settles it.
    """
    if now.alarms - before.alarms:
        return True
    if not before.category or not now.category:
        return None
    return definition.category(now.category).rank > definition.category(before.category).rank


class Because(StrEnum):
    """What a relapse was seen by."""

    SCORES = "scores"
    HOSPITAL = "hospital"
    ATTEMPT = "attempt"


@dataclass(frozen=True)
class Event:
    """Something that counts as a relapse by itself: an admission or an attempt."""

    at: datetime
    because: Because


@dataclass(frozen=True)
class FellIll:
    """Ill again after a response. ``is_recurrence``: after at least eight weeks of remission (domain.md 6.3)."""

    at: datetime
    because: Because
    is_recurrence: bool


def relapse(
    definition: Definition, start: Baseline, readings: Iterable[Reading], events: Iterable[Event] = ()
) -> FellIll | None:
    """Return the first relapse after the first response, or None. Source: domain.md 6.3.

    The instrument's file says how high, how far above the best score since the baseline, on how many occasions and how
    many days between the first and the last of them; the date is that of the last. A score that is no worse than the
    best is no relapse, however high. A score in between that is not so high starts the count again; a gap does not. An
    instrument without such a rule knows only events.
    """
    if start.reading is None:
        return None
    opening = start.reading
    course = sorted((r for r in readings if r.at > opening.at and r.total is not None), key=lambda r: r.at)
    first = next((r for r in course if _responded(definition, start, r)), None)
    if first is None:
        return None
    course = [r for r in course if r.at >= first.at]
    by_scores = _relapse_by_scores(definition, opening, course)
    by_event = min((e for e in events if e.at > first.at), key=lambda e: e.at, default=None)
    if by_event is not None and (by_scores is None or by_event.at <= by_scores[1]):
        ill_from, at, because = by_event.at, by_event.at, by_event.because
    elif by_scores is not None:
        (ill_from, at), because = by_scores, Because.SCORES
    else:
        return None
    return FellIll(at, because, _longest_remission(definition, course, ill_from) >= RECURRENCE_AFTER)


def _responded(definition: Definition, start: Baseline, reading: Reading) -> bool:
    outcome = compare(definition, start, reading)
    return outcome is not None and outcome.response is Response.RESPONSE


def _relapse_by_scores(
    definition: Definition, opening: Reading, course: Sequence[Reading]
) -> tuple[datetime, datetime] | None:
    """Return when the run of bad scores began and when it became a relapse."""
    rule = definition.relapse
    if rule is None or opening.total is None:
        return None
    best = opening.total
    run: list[datetime] = []
    for reading in course:
        assert reading.total is not None
        rise = reading.total - best
        if rise > 0 and rise >= rule.above_best and reading.total >= rule.at_least:
            run.append(reading.at)
            if len(run) >= rule.occasions and run[-1] - run[0] >= timedelta(days=rule.days_apart):
                return run[0], run[-1]
        else:
            run = []
        best = min(best, reading.total)
    return None


def _longest_remission(definition: Definition, course: Sequence[Reading], until: datetime) -> timedelta:
    """Return the longest stretch, from first to last score, of scores in remission without another in between."""
    longest = timedelta(0)
    since: datetime | None = None
    for reading in course:
        if reading.at >= until:
            break
        assert reading.total is not None
        if in_remission(definition, reading.total):
            since = since or reading.at
            longest = max(longest, reading.at - since)
        else:
            since = None
    return longest


class Mark(StrEnum):
    """What a line across the chart stands for."""

    BASELINE = "baseline"
    RESPONSE = "response"
    REMISSION = "remission"
    RELIABLE_IMPROVEMENT = "reliable_improvement"
    DETERIORATION = "deterioration"


@dataclass(frozen=True)
class Line:
    """A level of the chart, in points. ``illustration``: from figures that nobody approved. ``comparison``: on which side of the
    level what it stands for lies, where the instrument says so: 5 is no remission where it is below 5.
    """

    mark: Mark
    level: float
    illustration: bool = False
    comparison: str = ""


@dataclass(frozen=True)
class Point:
    """One reading as the chart and its table show it. A gap has no value and says why."""

    at: datetime
    value: int | None
    band: Band | None
    prorated: bool
    gap: str
    outcome: Outcome | None
    is_day_only: bool = False


@dataclass(frozen=True)
class Series:
    """The data of one chart: the points in time, the stretches without a gap, and what lies behind them.

    ``stretches`` are runs of points to be joined by a line; nothing joins two stretches.
    """

    low: int
    high: int
    points: tuple[Point, ...]
    stretches: tuple[tuple[Point, ...], ...]
    bands: tuple[Band, ...]
    lines: tuple[Line, ...]
    baseline: Baseline


def series(definition: Definition, readings: Iterable[Reading], first_dose_at: datetime | None = None) -> Series | None:
    """Return the chart of a course, in order of time, or None for an instrument without a total."""
    if definition.low is None or definition.high is None:
        return None
    ordered = sorted(readings, key=lambda reading: reading.at)
    start = baseline(definition, ordered, first_dose_at)
    points = tuple(_point(definition, start, reading) for reading in ordered)
    stretches: list[tuple[Point, ...]] = []
    run: list[Point] = []
    for point in points:
        if point.value is not None:
            run.append(point)
        elif run:
            stretches.append(tuple(run))
            run = []
    if run:
        stretches.append(tuple(run))
    return Series(
        definition.low, definition.high, points, tuple(stretches), definition.bands, _lines(definition, start), start
    )


def _point(definition: Definition, start: Baseline, reading: Reading) -> Point:
    after = start.reading is not None and reading.at > start.reading.at
    return Point(
        at=reading.at,
        value=reading.total,
        band=None if reading.total is None else definition.band_of(reading.total),
        prorated=reading.total is not None and not reading.complete,
        gap="" if reading.total is not None else reading.gap or "not_answered",
        outcome=compare(definition, start, reading) if after else None,
        is_day_only=reading.is_day_only,
    )


def _lines(definition: Definition, start: Baseline) -> tuple[Line, ...]:
    """Return the levels that can be drawn: those of the instrument, and those that a baseline makes possible."""
    assert definition.low is not None
    assert definition.high is not None
    lines: list[Line] = []
    if definition.remission is not None:
        lines.append(Line(Mark.REMISSION, definition.remission.value, comparison=definition.remission.comparison))
    if start.reading is not None and start.reading.total is not None and definition.higher_is is not Direction.NEITHER:
        total = start.reading.total
        sign = 1 if definition.higher_is is Direction.BETTER else -1
        lines.append(Line(Mark.BASELINE, total))
        if definition.higher_is is Direction.WORSE and total > 0:
            lines.append(Line(Mark.RESPONSE, total * (100 - RESPONSE_PERCENT) / 100))
        needed = reliable_points(definition)
        if needed is not None and definition.reliable_change is not None:
            illustration = definition.reliable_change.illustration
            lines.append(Line(Mark.RELIABLE_IMPROVEMENT, total + sign * needed[1], illustration))
        if definition.deterioration is not None:
            lines.append(Line(Mark.DETERIORATION, total - sign * definition.deterioration))
    return tuple(line for line in lines if definition.low <= line.level <= definition.high)
