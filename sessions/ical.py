"""Visits as a calendar file, one or many. Pure: plain words and moments in, bytes out.

What stands in it lands on lock screens and in employers' calendars: the neutral word, the neutral name, the address.
Never a kind of visit, a person or a reason.
"""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from icalendar import Calendar, Event, Timezone, TimezoneDaylight, TimezoneStandard
from icalendar.prop import vText

from clinic import localtime

# How far around the visits the file carries the zone's changes: whole years, so that they are reckoned once a year.
ZONE_YEARS = 1
PRODUCT = "-//Stillwater//Visits//EN"
# How often a calendar that follows a feed may come again. Most come when they like.
ASK_AGAIN = timedelta(hours=1)


@dataclass(frozen=True)
class Entry:
    """What a calendar may know about a visit. ``sequence`` rises with every change, so that calendars update it."""

    uid: str
    summary: str
    location: str
    starts_at: datetime
    ends_at: datetime
    time_zone: str
    sequence: int
    is_cancelled: bool
    made_at: datetime
    # Held for somebody and not promised yet.
    is_tentative: bool = False


def calendar(entry: Entry) -> bytes:
    """Return a calendar with one event in the location's zone, the zone's own rules included."""
    return _written(_empty(), [entry])


def feed(entries: Iterable[Entry], name: str) -> bytes:
    """Return a calendar of many events, each in the zone of its place, for programs that come again and again.

    ``name`` is what the calendar is called where it is shown. Without a visit there is a calendar without events.
    """
    result = _empty()
    result.add("x-wr-calname", vText(one_line(name)))
    result.add("refresh-interval", ASK_AGAIN, parameters={"VALUE": "DURATION"})
    result.add("x-published-ttl", vText("PT1H"))
    return _written(result, list(entries))


def _empty() -> Calendar:
    result = Calendar()
    result.add("prodid", PRODUCT)
    result.add("version", "2.0")
    result.add("method", "PUBLISH")
    return result


def _written(result: Calendar, entries: list[Entry]) -> bytes:
    zones: dict[str, list[int]] = {}
    for entry in entries:
        years = zones.setdefault(str(localtime.zone(entry.time_zone)), [])
        years += [entry.starts_at.year, entry.ends_at.year]
    # A moment in UTC says so itself and names no zone.
    for name, years in sorted(zones.items()):
        if name != "UTC":
            result.add_component(_zone(name, min(years) - ZONE_YEARS, max(years) + ZONE_YEARS))
    for entry in entries:
        result.add_component(_event(entry))
    return bytes(result.to_ical())


def _event(entry: Entry) -> Event:
    tz = localtime.zone(entry.time_zone)
    event = Event()
    event.add("uid", entry.uid)
    event.add("dtstamp", entry.made_at)
    event.add("dtstart", entry.starts_at.astimezone(tz))
    event.add("dtend", entry.ends_at.astimezone(tz))
    event.add("summary", vText(one_line(entry.summary)))
    event.add("location", vText(one_line(entry.location)))
    event.add("sequence", entry.sequence)
    event.add("status", _status(entry))
    event.add("class", "PRIVATE")
    event.add("transp", "TRANSPARENT" if entry.is_cancelled else "OPAQUE")
    return event


def _status(entry: Entry) -> str:
    if entry.is_cancelled:
        return "CANCELLED"
    return "TENTATIVE" if entry.is_tentative else "CONFIRMED"


@functools.lru_cache(maxsize=256)
def _zone(name: str, first_year: int, last_year: int) -> Timezone:
    """Return the rules of a zone for whole years (RFC 5545, 3.6.5): each change at the wall clock from before it.

    The library's own writes a spring change at the clock from after it, an hour late (in Lord Howe half an hour).
    """
    tz = localtime.zone(name)
    begin, end = datetime(first_year, 1, 1, tzinfo=UTC), datetime(last_year + 1, 1, 1, tzinfo=UTC)
    result = Timezone()
    result.add("tzid", name)
    rules: dict[tuple[bool, str, timedelta, timedelta], TimezoneDaylight | TimezoneStandard] = {}
    for moment, before in [(begin, _offset(begin, name)), *_changes(name, begin, end)]:
        local = moment.astimezone(tz)
        key = (bool(local.dst()), local.tzname() or name, before, _offset(moment, name))
        onset = (moment + before).replace(tzinfo=None)
        if key in rules:
            rules[key].add("rdate", onset)
            continue
        rules[key] = rule = TimezoneDaylight() if key[0] else TimezoneStandard()
        rule.add("dtstart", onset)
        rule.add("tzname", key[1])
        rule.add("tzoffsetfrom", before)
        rule.add("tzoffsetto", key[3])
        result.add_component(rule)
    return result


def _changes(name: str, begin: datetime, end: datetime) -> Iterator[tuple[datetime, timedelta]]:
    """Yield each moment of a stretch at which a zone's offset changes, to the second, with the offset from before it."""
    day = timedelta(days=1)
    while begin < end:
        until, before = begin + day, _offset(begin, name)
        if _offset(until, name) != before:
            early, late = begin, until
            while late - early > timedelta(seconds=1):
                middle = early + timedelta(seconds=int((late - early).total_seconds()) // 2)
                early, late = (middle, late) if _offset(middle, name) == before else (early, middle)
            yield late, before
        begin = until


def _offset(moment: datetime, name: str) -> timedelta:
    return moment.astimezone(localtime.zone(name)).utcoffset() or timedelta()


def one_line(text: str) -> str:
    """Return text without line breaks or other control characters, so that it cannot add lines of its own."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
