"""Opening hours and business days as moments: is it open, until when, and when is the next business day. The one place it is reckoned."""

from datetime import datetime, time, timedelta

from clinic import localtime
from clinic.models import Closure, Location, OpeningHours

# A place that is shut for longer is being set up or given up.
LOOK_AHEAD = timedelta(days=30)

Span = tuple[datetime, datetime]


def end_of_next(*, location: Location, now: datetime) -> datetime:
    """Return when the location shuts on the next day on which it is open, in two queries.

    A day counts on which closures leave some of its opening hours, and ends with what they leave. Without such a day
    soon somebody looks tomorrow all the same: due too early is asked about, due too late is not.
    """
    week = {row.weekday: (row.opens, row.closes) for row in OpeningHours.objects.filter(location=location)}
    closures = Closure.objects.filter(location=location, cancelled_at=None, during__overlap=(now, now + LOOK_AHEAD))
    shut = [(closure.starts_at, closure.ends_at) for closure in closures]
    today = localtime.day_of(now, location.tz)
    for ahead in range(1, LOOK_AHEAD.days):
        day = today + timedelta(days=ahead)
        if day.weekday() not in week:
            continue
        opens, closes = week[day.weekday()]
        end = _end_of(localtime.at(day, opens, location.tz), localtime.at(day, closes, location.tz), shut)
        if end is not None:
            return end
    return now + timedelta(days=1)


def open_spans(*, location: Location, now: datetime) -> list[Span]:
    """Return when the location is open from the beginning of today on, for thirty days, without its closures; in order.

    Two queries. A day that a closure cuts in two is two spans.
    """
    week = {row.weekday: (row.opens, row.closes) for row in OpeningHours.objects.filter(location=location)}
    start, _end = localtime.day_bounds(localtime.day_of(now, location.tz), location.tz)
    closures = Closure.objects.filter(location=location, cancelled_at=None, during__overlap=(start, now + LOOK_AHEAD))
    shut = sorted((closure.starts_at, closure.ends_at) for closure in closures)
    today = localtime.day_of(now, location.tz)
    spans: list[Span] = []
    for ahead in range(LOOK_AHEAD.days):
        day = today + timedelta(days=ahead)
        if day.weekday() in week:
            opens, closes = week[day.weekday()]
            spans += _left_of(localtime.at(day, opens, location.tz), localtime.at(day, closes, location.tz), shut)
    return spans


def is_open(*, location: Location, now: datetime) -> bool:
    """Return whether the location is open at this moment, by its opening hours and closures."""
    return closing(open_spans(location=location, now=now), now) is not None


def closing(spans: list[Span], now: datetime) -> datetime | None:
    """Return when the location shuts that is open now; None when it is shut."""
    return next((end for begin, end in spans if begin <= now < end), None)


def same_day_or_morning(
    *, location: Location, now: datetime, by: time, at_least: timedelta = timedelta(hours=1)
) -> datetime:
    """Return until when what must be seen the same business day is seen: when the location shuts today.

    When it is shut, or shuts in less than ``at_least``, the next business morning at ``by``, or when it opens, if that
    is later. Without a business day soon, a day from now: due too early is asked about, due too late is not.
    """
    spans = open_spans(location=location, now=now)
    shuts = closing(spans, now)
    if shuts is not None and shuts - now >= at_least:
        return shuts
    seen = set()
    for begin, _end in spans:
        day = localtime.day_of(begin, location.tz)
        morning = max(localtime.at(day, by, location.tz), begin)
        if day not in seen and morning > now and begin > now:
            return morning
        seen.add(day)
    return now + timedelta(days=1)


def _left_of(begin: datetime, end: datetime, shut: list[Span]) -> list[Span]:
    """Return what closures, in order, leave of one day's hours."""
    left = []
    for start, stop in shut:
        if stop <= begin or start >= end:
            continue
        if start > begin:
            left.append((begin, start))
        begin = max(begin, stop)
    if begin < end:
        left.append((begin, end))
    return left


def _end_of(begin: datetime, end: datetime, shut: list[Span]) -> datetime | None:
    """Return when the last of a day's hours ends that closures leave, or None when they leave none."""
    for start, stop in sorted(shut, reverse=True):
        if start < end <= stop:
            end = start
    return end if end > begin else None
