"""One visit as a calendar file. Pure: plain words and moments in, bytes out.

What stands in it lands on lock screens and in employers' calendars: the neutral word, the neutral name, the address.
Never a kind of visit, a clinician or a reason.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from icalendar import Calendar, Event
from icalendar.prop import vText

from clinic import localtime

# How far around the visit the file carries the zone's changes: enough for a move, and not a century of them.
ZONE_RULES = timedelta(days=400)
PRODUCT = "-//Stillwater//Visits//EN"


@dataclass(frozen=True)
class Entry:
    """What a calendar may know about a visit. ``sequence`` rises with every move, so that calendars update it."""

    uid: str
    summary: str
    location: str
    starts_at: datetime
    ends_at: datetime
    time_zone: str
    sequence: int
    is_cancelled: bool
    made_at: datetime


def calendar(entry: Entry) -> bytes:
    """Return a calendar with one event in the location's zone, the zone's own rules included."""
    tz = localtime.zone(entry.time_zone)
    event = Event()
    event.add("uid", entry.uid)
    event.add("dtstamp", entry.made_at)
    event.add("dtstart", entry.starts_at.astimezone(tz))
    event.add("dtend", entry.ends_at.astimezone(tz))
    event.add("summary", vText(one_line(entry.summary)))
    event.add("location", vText(one_line(entry.location)))
    event.add("sequence", entry.sequence)
    event.add("status", "CANCELLED" if entry.is_cancelled else "CONFIRMED")
    event.add("class", "PRIVATE")
    event.add("transp", "OPAQUE")
    result = Calendar()
    result.add("prodid", PRODUCT)
    result.add("version", "2.0")
    result.add("method", "PUBLISH")
    result.add_component(event)
    day = entry.starts_at.date()
    result.add_missing_timezones(first_date=day - ZONE_RULES, last_date=day + ZONE_RULES)
    return bytes(result.to_ical())


def one_line(text: str) -> str:
    """Return text without line breaks or other control characters, so that it cannot add lines of its own."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
