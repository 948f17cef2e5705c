"""The next business day: until when somebody who wrote to us may expect to be answered. The one place it is reckoned."""

from datetime import datetime, timedelta

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


def _end_of(begin: datetime, end: datetime, shut: list[Span]) -> datetime | None:
    """Return when the last of a day's hours ends that closures leave, or None when they leave none."""
    for start, stop in sorted(shut, reverse=True):
        if start < end <= stop:
            end = start
    return end if end > begin else None
