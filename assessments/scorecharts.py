"""A course of scores as people look at it: what the chart draws, the table beside it, and the sentence above. Pure.

What a course means is reckoned in outcomes.py; here it is put into words and places. Every moment is a day of the clinic's zone,
named here and not in the browser, which may stand in another.
"""

import json
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext

from assessments.instrument import Band, Definition, Direction
from assessments.outcomes import Baseline, Line, Mark, Outcome, Point, Reliable, Response, Series
from clinic import localtime

MOST_TICKS = 7
# A chart of one day would be a dot in the middle of nowhere.
LEAST_SPAN = timedelta(days=14)

MARKS = {
    Mark.BASELINE: lazy("Baseline"),
    Mark.RESPONSE: lazy("Response"),
    Mark.REMISSION: lazy("Remission"),
    Mark.RELIABLE_IMPROVEMENT: lazy("Reliable improvement"),
    Mark.DETERIORATION: lazy("Worse"),
}
SIDES = {
    "": "%(level)s", "<": lazy("below %(level)s"), "<=": lazy("%(level)s or less"), ">": lazy("above %(level)s"),
    ">=": lazy("%(level)s or more"),
}  # fmt: skip
GAPS = {
    "not_answered": lazy("not answered"),
    "incomplete": lazy("no score: not all was answered"),
    "too_many_missing": lazy("no score: too much was left blank"),
    "too_many_missing_in_one_part": lazy("no score: too much of one part was left blank"),
    "never_imputed": lazy("no score: a question was left blank that nobody may fill in"),
    "only_parts_given": lazy("no score: only parts of it were given"),
    "failed": lazy("could not be scored"),
}
# From light to grave, by how the bands of an instrument are told apart in colour beside their words.
TONES = ("green", "teal", "amber", "clay", "red")


@dataclass(frozen=True)
class Row:
    """One line of the table. ``clock`` is empty where only the day is known; ``score`` is empty for a gap, whose reason is in ``notes``; ``against`` the baseline is in points."""

    day: str
    clock: str
    iso: str
    score: str
    band: str
    against: str
    notes: tuple[str, ...]
    is_gap: bool


@dataclass(frozen=True)
class Picture:
    """A chart with everything that says the same without it. ``data`` is what static/js/score_chart.js draws."""

    sentence: str
    rows: tuple[Row, ...]
    data: dict[str, Any]
    lines: tuple[str, ...]
    is_illustration: bool

    @property
    def as_json(self) -> str:
        """Return the data for an attribute: a data block would be taken out of what htmx swaps in."""
        return json.dumps(self.data)


def picture(definition: Definition, series: Series, tz: ZoneInfo, *, has_verdicts: bool = True) -> Picture:
    """Return the chart, its table (newest first) and its sentence. The series is not empty.

    Without verdicts it has no bands, no lines and nothing against a baseline: the numbers alone, as a patient sees them.
    """
    shown = series if has_verdicts else _numbers_alone(series)
    return Picture(
        sentence=sentence(definition, shown, tz),
        rows=tuple(_row(point, shown, tz) for point in reversed(shown.points)),
        data=_data(definition, shown, tz),
        lines=tuple(_line_words(line) for line in shown.lines),
        is_illustration=any(line.illustration for line in shown.lines),
    )


def _numbers_alone(series: Series) -> Series:
    points = {point: replace(point, band=None, outcome=None) for point in series.points}
    return replace(
        series, points=tuple(points.values()), bands=(), lines=(), baseline=Baseline(None, None),
        stretches=tuple(tuple(points[point] for point in stretch) for stretch in series.stretches),
    )  # fmt: skip


def sentence(definition: Definition, series: Series, tz: ZoneInfo) -> str:
    """Return what the newest score says, or why there is none."""
    newest = next((point for point in reversed(series.points) if point.value is not None), None)
    if newest is None:
        return _("No score yet.")
    said = [
        _("%(score)s on %(day)s.")
        % {
            "score": f"{newest.value}{f' ({newest.band.label})' if newest.band else ''}",
            "day": localtime.day_text(localtime.day_of(newest.at, tz)),
        }
    ]
    if newest.outcome is not None:
        said.append(_against(newest.outcome, series) + ".")
    if series.points[-1].value is None:
        said.append(_("Since then: %(gap)s.") % {"gap": _gap(series.points[-1])})
    return " ".join(said)


def _against(outcome: Outcome, series: Series) -> str:
    """Return a score against the baseline in words: how far, and which of the defined words it reaches."""
    start = series.baseline.reading
    assert start is not None
    if outcome.change == 0:
        return _("The same as the baseline of %(total)d") % {"total": start.total}
    points = abs(outcome.change)
    how_far = (
        ngettext("%(points)d point below the baseline of %(total)d", "%(points)d points below the baseline of %(total)d", points)
        if outcome.change < 0
        else ngettext("%(points)d point above the baseline of %(total)d", "%(points)d points above the baseline of %(total)d", points)
    ) % {"points": points, "total": start.total}  # fmt: skip
    words = outcome_words(outcome)
    return _("%(how_far)s: %(words)s") % {"how_far": how_far, "words": ", ".join(words)} if words else how_far


def outcome_words(outcome: Outcome) -> list[str]:
    """Return the defined words that an outcome reaches (domain.md 6.3), the gravest first. No word is a word too."""
    words = []
    if outcome.deteriorated:
        words.append(_("worse"))
    if outcome.new_alarms:
        words.append(_("a safety question alarms that did not at the baseline"))
    if outcome.response is Response.RESPONSE:
        words.append(_("response (half or less)"))
    elif outcome.response is Response.PARTIAL:
        words.append(_("partial response (%(percent)d %% lower)") % {"percent": outcome.improvement})
    if outcome.remission:
        words.append(_("remission"))
    if outcome.reliable is Reliable.YES:
        words.append(_("more than chance"))
    elif outcome.reliable is Reliable.POSSIBLY:
        words.append(_("perhaps more than chance"))
    elif outcome.reliable is Reliable.NO:
        words.append(_("may be chance"))
    if outcome.reliable_is_illustration and outcome.reliable is not None:
        words.append(_("by figures that nobody has approved"))
    if outcome.baseline_is_low and outcome.response is not None:
        words.append(_("the baseline was low, so half of it says little"))
    return words


def _gap(point: Point) -> str:
    return str(GAPS.get(point.gap, point.gap.replace("_", " ")))


def _row(point: Point, series: Series, tz: ZoneInfo) -> Row:
    notes = []
    if point.value is None:
        notes.append(_gap(point))
    if point.prorated:
        notes.append(_("blank answers were filled in by rule"))
    if series.baseline.reading is not None and point.at == series.baseline.reading.at:
        notes.append(_("baseline"))
    return Row(
        day=localtime.day_text(localtime.day_of(point.at, tz)),
        clock="" if point.is_day_only else f"{localtime.clock_text(point.at, tz)} {localtime.zone_text(point.at, tz)}",
        iso=localtime.day_of(point.at, tz).isoformat() if point.is_day_only else point.at.isoformat(),
        score="" if point.value is None else str(point.value),
        band="" if point.band is None else point.band.label,
        against=""
        if point.outcome is None
        else ", ".join([_signed(point.outcome.change), *outcome_words(point.outcome)]),
        notes=tuple(notes),
        is_gap=point.value is None,
    )


def _signed(points: int) -> str:
    """Return points with their sign, a minus as wide as a plus; no change is 0."""
    return f"{points:+d}".replace("-", "−") if points else "0"


def _line_words(line: Line) -> str:
    level = str(SIDES[line.comparison]) % {"level": f"{line.level:g}"}
    words = f"{MARKS[line.mark]}: {level}"
    return _("%(line)s (figures that nobody has approved)") % {"line": words} if line.illustration else words


def _tone(band: Band, definition: Definition) -> str:
    """Return the tone of a band, by where it stands between the lightest and the gravest."""
    last = len(definition.bands) - 1
    place = last - band.rank if definition.higher_is is Direction.BETTER else band.rank
    return TONES[round(place * (len(TONES) - 1) / last)] if last else TONES[0]


def _data(definition: Definition, series: Series, tz: ZoneInfo) -> dict[str, Any]:
    first, last = _span([point.at for point in series.points])
    return {
        "from": _ms(first),
        "to": _ms(last),
        "low": series.low,
        "high": series.high,
        "ticks": [{"at": _ms(localtime.at(day, time.min, tz)), "label": label} for day, label in _ticks(first, last, tz)],
        "stretches": [[_dot(point, tz) for point in stretch] for stretch in series.stretches],
        "gaps": [
            {"x": _ms(point.at), "label": f"{localtime.day_text(localtime.day_of(point.at, tz))}: {_gap(point)}"}
            for point in series.points
            if point.value is None
        ],
        "bands": [
            {
                "from": max(series.low, band.low - 0.5), "to": min(series.high, band.high + 0.5), "label": band.label,
                "tone": _tone(band, definition),
            }
            for band in series.bands
        ],
        "lines": [{"at": line.level, "label": _line_words(line), "kind": str(line.mark)} for line in series.lines],
    }  # fmt: skip


def _dot(point: Point, tz: ZoneInfo) -> dict[str, Any]:
    words = f"{localtime.day_text(localtime.day_of(point.at, tz))}: {point.value}"
    return {
        "x": _ms(point.at),
        "y": point.value,
        "label": f"{words} ({point.band.label})" if point.band else words,
        "prorated": point.prorated,
    }


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _span(moments: list[datetime]) -> tuple[datetime, datetime]:
    """Return from when until when the chart reaches: what there is and a little air, and never less than two weeks."""
    first, last = min(moments), max(moments)
    air = max((last - first) / 20, timedelta(hours=12), (LEAST_SPAN - (last - first)) / 2)
    return first - air, last + air


def _ticks(first: datetime, last: datetime, tz: ZoneInfo) -> list[tuple[date, str]]:
    """Return the days that are named under the chart: every so many days, weeks or months, seven at most."""
    start, end = localtime.day_of(first, tz) + timedelta(days=1), localtime.day_of(last, tz)
    for step in (1, 2, 7, 14, 28):
        days = [start + timedelta(days=n) for n in range((end - start).days + 1)]
        if step >= 7:
            days = [day for day in days if day.weekday() == 0]
            days = days[:: step // 7]
        else:
            days = days[::step]
        if len(days) <= MOST_TICKS:
            return [(day, localtime.day_text(day)) for day in days]
    months = [
        date(year, month, 1)
        for year in range(start.year, end.year + 1)
        for month in range(1, 13)
        if start <= date(year, month, 1) <= end
    ]
    every = -(-len(months) // MOST_TICKS) or 1
    return [(day, localtime.day_text(day)) for day in months[::every]]
