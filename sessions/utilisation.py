"""How much of their hours rooms and people were taken, and what became of visits. Pure: spans and counts in, numbers out.

What the numbers mean, and why, is in docs/decisions/0036-utilisation.md. A share always keeps what it is a share of: of
nothing there is none, and none is not 0 %.
"""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Literal
from zoneinfo import ZoneInfo

from clinic import localtime
from sessions.availability import Calendar, Span, common, hours_on, merged, open_on, without

Length = Literal["week", "month", "quarter"]
MONTHS: dict[str, int] = {"month": 1, "quarter": 3}


@dataclass(frozen=True)
class Period:
    """Whole days from ``first`` until before ``end``: a week from Monday, a month or a quarter of the year."""

    length: Length
    first: date
    end: date

    def days(self) -> Iterator[date]:
        for number in range((self.end - self.first).days):
            yield self.first + timedelta(days=number)

    def before(self) -> "Period":
        """Return the period of the same kind that ends where this one begins."""
        return period_of(self.length, self.first - timedelta(days=1))

    def after(self) -> "Period":
        return period_of(self.length, self.end)

    def bounds(self, tz: ZoneInfo) -> Span:
        """Return its first moment and that of the period after it, on the wall clock of a zone."""
        return localtime.day_bounds(self.first, tz)[0], localtime.day_bounds(self.end, tz)[0]


def period_of(length: Length, day: date) -> Period:
    """Return the week, month or quarter in which a day lies."""
    if length == "week":
        monday = localtime.week_start(day)
        return Period(length, monday, monday + timedelta(days=7))
    months = MONTHS[length]
    first = day.replace(month=(day.month - 1) // months * months + 1, day=1)
    past = first.year * 12 + first.month - 1 + months
    return Period(length, first, date(past // 12, past % 12 + 1, 1))


@dataclass(frozen=True)
class Share:
    """So many of so many, in visits or seconds. ``percent`` is None of nothing."""

    part: int = 0
    whole: int = 0

    @property
    def percent(self) -> int | None:
        """Return whole percent, halves rounded up; None when there is nothing to be a share of."""
        if not self.whole:
            return None
        return int(Fraction(100 * self.part, self.whole) + Fraction(1, 2))

    def __add__(self, other: "Share") -> "Share":
        return Share(self.part + other.part, self.whole + other.whole)


@dataclass(frozen=True)
class Use:
    """Seconds taken within the hours there were, and seconds taken besides."""

    within: Share = Share()
    outside: int = 0

    def __add__(self, other: "Use") -> "Use":
        return Use(self.within + other.within, self.outside + other.outside)


def use(taken: Iterable[Span], hours: Iterable[Span]) -> Use:
    """Return how much of the hours there were was taken. Two at once, such as a monitor's two patients, count once."""
    whole, all_taken = merged(hours), merged(taken)
    inside = seconds(_in_both(all_taken, whole))
    return Use(Share(inside, seconds(whole)), seconds(all_taken) - inside)


def seconds(spans: Iterable[Span]) -> int:
    """Return the length of spans that do not overlap, in true seconds: the night of a clock change has its own length."""
    return sum(int((end - start) / timedelta(seconds=1)) for start, end in spans)


def clipped(spans: Iterable[Span], within: Span) -> list[Span]:
    """Return what of some spans lies between two moments, in order and joined."""
    return common(spans, [within])


def open_hours(calendar: Calendar, days: Iterable[date]) -> list[Span]:
    """Return when the location was open on some days, closures taken out."""
    return merged(span for day in days for span in open_on(day, calendar))


def working_hours(calendar: Calendar, days: Iterable[date], opened: Sequence[Span], person: uuid.UUID) -> list[Span]:
    """Return when somebody was at work on some days: inside ``opened``, time off taken out."""
    rules = calendar.working.get(person, ())
    works = [span for day in days for span in hours_on(day, rules, calendar.tz)]
    return without(_in_both(merged(works), opened), calendar.away.get(person, ()))


def _in_both(first: Sequence[Span], second: Sequence[Span]) -> list[Span]:
    """Return the stretches that lie in both of two lists in order, in one walk: a quarter has hundreds of stretches."""
    found, left, right = [], 0, 0
    while left < len(first) and right < len(second):
        start, end = max(first[left][0], second[right][0]), min(first[left][1], second[right][1])
        if start < end:
            found.append((start, end))
        if first[left][1] < second[right][1]:
            left += 1
        else:
            right += 1
    return found


@dataclass(frozen=True)
class Outcomes:
    """What became of visits that were booked for a period, in numbers of visits."""

    came: int = 0
    missed: int = 0
    cancelled_late: int = 0
    cancelled_in_time: int = 0
    cancelled_by_clinic: int = 0
    not_said: int = 0

    def __add__(self, other: "Outcomes") -> "Outcomes":
        return Outcomes(**{name: getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__})

    @property
    def booked(self) -> int:
        return sum(getattr(self, name) for name in self.__dataclass_fields__)

    @property
    def no_shows(self) -> Share:
        """Return who did not come, of those of whom it is known whether they came."""
        return Share(self.missed, self.came + self.missed)

    @property
    def late_cancels(self) -> Share:
        """Return what patients cancelled within the notice of that kind of visit, of all that were booked."""
        return Share(self.cancelled_late, self.booked)

    @property
    def clinic_cancels(self) -> Share:
        return Share(self.cancelled_by_clinic, self.booked)


@dataclass(frozen=True)
class Spread:
    """How long something took: the one in the middle, the middle half of them, the longest; in days, of ``count``."""

    count: int
    median: Fraction
    low: Fraction
    high: Fraction
    longest: Fraction


def spread(waits: Iterable[timedelta]) -> Spread | None:
    """Return the spread of some waits; None of none. A negative one (entered afterwards) is one of no days."""
    days = sorted(max(Fraction(0), Fraction(int(wait / timedelta(seconds=1)), 86400)) for wait in waits)
    if not days:
        return None
    return Spread(len(days), quantile(days, 2), quantile(days, 1), quantile(days, 3), days[-1])


def quantile(ordered: Sequence[Fraction], quarters: int) -> Fraction:
    """Return the value below which so many quarters lie, between two of them by the distance to each."""
    place = Fraction((len(ordered) - 1) * quarters, 4)
    low = int(place)
    if low + 1 >= len(ordered):
        return ordered[-1]
    return ordered[low] + (ordered[low + 1] - ordered[low]) * (place - low)


def until(period: Period, tz: ZoneInfo, now: datetime) -> Span:
    """Return the moments between which a period is counted: what is still to come is not."""
    start, end = period.bounds(tz)
    return start, max(start, min(end, now))
