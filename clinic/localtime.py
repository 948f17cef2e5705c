"""Days, hours and how they are shown: the one place where UTC meets a wall clock.

Every function takes the zone it works in. Arithmetic on wall-clock time happens here and only here, so that a week of
10:00 stays 10:00 across a clock change.
"""

import functools
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.utils import formats
from django.utils.translation import get_language
from django.utils.translation import gettext as _


def zone(name: str, fallback: str = "UTC") -> ZoneInfo:
    """Return the zone called ``name``, or ``fallback`` when nobody knows that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo(fallback)


def at(day: date, clock_time: time, tz: ZoneInfo) -> datetime:
    """Return the moment (UTC) of a wall-clock time on a day.

    A time that the spring change skips is moved forward by the size of the gap; of a time that the autumn change
    repeats the first is meant.
    """
    local = datetime.combine(day, clock_time, tzinfo=tz)
    return local.astimezone(UTC)


def at_since(day: date, clock_time: time, tz: ZoneInfo, since: datetime) -> datetime:
    """Return the moment as ``at`` does; of a time that the autumn change repeats the second, when the first is before ``since``."""
    first = at(day, clock_time, tz)
    second = datetime.combine(day, clock_time, tzinfo=tz).replace(fold=1).astimezone(UTC)
    return second if first < since and second > first else first


def day_of(moment: datetime, tz: ZoneInfo) -> date:
    """Return the calendar day of a moment in a zone."""
    return moment.astimezone(tz).date()


def day_bounds(day: date, tz: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the first moment of a day and of the next one, in UTC: 23, 24 or 25 hours apart."""
    return at(day, time.min, tz), at(day + timedelta(days=1), time.min, tz)


def week_bounds(day: date, tz: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the moments at which the Monday-to-Sunday week of ``day`` begins and ends, in UTC."""
    monday = week_start(day)
    return at(monday, time.min, tz), at(monday + timedelta(days=7), time.min, tz)


def week_start(day: date) -> date:
    """Return the Monday of the week of ``day``."""
    return day - timedelta(days=day.weekday())


def clock_text(moment: datetime, tz: ZoneInfo) -> str:
    """Return the time of day, like "10:00"."""
    return f"{moment.astimezone(tz):%H:%M}"


def zone_text(moment: datetime, tz: ZoneInfo) -> str:
    """Return the zone's abbreviation at that moment, like "MST"."""
    return moment.astimezone(tz).tzname() or str(tz)


def day_text(day: date) -> str:
    """Return a day with its weekday, like "Tue 14 Dec 2026"."""
    return _day_text(day, get_language())


@functools.lru_cache(maxsize=1024)
def _day_text(day: date, language: str | None) -> str:
    # A list of openings names each of its few days a hundred times.
    return formats.date_format(day, "D j M Y")


def long_day_text(day: date) -> str:
    """Return a day written out for a patient, like "Tuesday, 14 December 2026"."""
    return formats.date_format(day, "l, j F Y")


def moment_text(moment: datetime, tz: ZoneInfo) -> str:
    """Return weekday, date, time and zone, like "Tue 14 Dec 2026 10:00 MST"."""
    local = moment.astimezone(tz)
    return f"{day_text(local.date())} {local:%H:%M} {local.tzname()}"


def until_text(moment: datetime, tz: ZoneInfo) -> str:
    """Return a deadline: one at midnight is the day that it ends, "Sun 20 Dec 2026", and not the first minute of the next."""
    if clock_text(moment, tz) == "00:00":
        return day_text(day_of(moment - timedelta(minutes=1), tz))
    return moment_text(moment, tz)


def stretch_text(start: datetime, end: datetime, tz: ZoneInfo) -> str:
    """Return a stretch as people say it: whole days by their names, else with the times and the zone."""
    first, last = day_of(start, tz), day_of(end - timedelta(microseconds=1), tz)
    until_midnight = end == day_bounds(last, tz)[1]
    if start == day_bounds(first, tz)[0] and until_midnight:
        if first == last:
            return day_text(first)
        return _("%(first)s to %(last)s") % {"first": day_text(first), "last": day_text(last)}
    if first != last:
        return _("%(first)s to %(last)s") % {"first": moment_text(start, tz), "last": moment_text(end, tz)}
    words = {
        "day": day_text(first),
        "from": clock_text(start, tz),
        "to": clock_text(end, tz),
        "zone": zone_text(start, tz),
    }
    if until_midnight:
        return _("%(day)s, from %(from)s %(zone)s") % words
    return _("%(day)s, %(from)s to %(to)s %(zone)s") % words


def age_text(since: datetime, now: datetime) -> str:
    """Return how long ago something was in one word a queue can be read by, like "3 h" or "2 d"."""
    minutes = max(0, int((now - since).total_seconds() // 60))
    if minutes < 60:
        return _("%(n)d min") % {"n": minutes}
    if minutes < 48 * 60:
        return _("%(n)d h") % {"n": minutes // 60}
    return _("%(n)d d") % {"n": minutes // 1440}
