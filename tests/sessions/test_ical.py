"""The calendar file, by tables of cases: neutral, safe, in the clinic's zone on both change days."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from icalendar import Calendar, Event, Timezone

from clinic import localtime
from sessions import ical

START = datetime(2027, 1, 14, 17, tzinfo=UTC)


def entry(**changes: Any) -> ical.Entry:
    values: dict[str, Any] = {
        "uid": "1@stillwater", "summary": "Visit: Juniper Street", "location": "12 Juniper Street, Denver, CO 80203",
        "starts_at": START, "ends_at": START + timedelta(minutes=75), "time_zone": "America/Denver", "sequence": 3,
        "is_cancelled": False, "made_at": START - timedelta(days=9),
    }  # fmt: skip
    return ical.Entry(**{**values, **changes})


def lines(body: bytes) -> list[str]:
    return body.decode().replace("\r\n ", "").split("\r\n")


def event_of(body: bytes) -> Event:
    [event] = Calendar.from_ical(body).walk("VEVENT")
    assert isinstance(event, Event)
    return event


def test_what_stands_in_it() -> None:
    found = lines(ical.calendar(entry()))
    for line in (
        "SUMMARY:Visit: Juniper Street",
        "DTSTART;TZID=America/Denver:20270114T100000",
        "DTEND;TZID=America/Denver:20270114T111500",
        "SEQUENCE:3",
        "UID:1@stillwater",
        "STATUS:CONFIRMED",
        "LOCATION:12 Juniper Street\\, Denver\\, CO 80203",
        "BEGIN:VTIMEZONE",
        "TZID:America/Denver",
    ):
        assert line in found


def test_a_cancelled_one_says_so() -> None:
    assert "STATUS:CANCELLED" in lines(ical.calendar(entry(is_cancelled=True)))


@pytest.mark.parametrize(
    ("zone", "start", "wall"),
    [
        ("America/Denver", datetime(2027, 3, 14, 16, tzinfo=UTC), "20270314T100000"),
        ("America/Denver", datetime(2027, 11, 7, 17, tzinfo=UTC), "20271107T100000"),
        ("America/Phoenix", datetime(2027, 3, 14, 17, tzinfo=UTC), "20270314T100000"),
    ],
)
def test_ten_is_ten_on_the_change_days(zone: str, start: datetime, wall: str) -> None:
    body = ical.calendar(entry(time_zone=zone, starts_at=start, ends_at=start + timedelta(minutes=75)))
    assert f"DTSTART;TZID={zone}:{wall}" in lines(body)
    event = event_of(body)
    assert start == event.DTSTART
    assert start + timedelta(minutes=75) == event.DTEND


@pytest.mark.parametrize(
    "nasty", ["A\r\nBEGIN:VALARM", "A\nATTACH:http://x", "A\rX:1", "A\x00\x0b\u2028B", "A;B,C\\nD"]
)
def test_text_cannot_add_lines(nasty: str) -> None:
    """D27."""
    body = ical.calendar(entry(summary=nasty, location=nasty))
    found = lines(body)
    assert not any(line.startswith(("BEGIN:VALARM", "ATTACH", "X:")) for line in found)
    assert sum(line.startswith("SUMMARY") for line in found) == 1
    event = event_of(body)
    assert str(event["SUMMARY"]).startswith("A")
    assert b"\r\n" in body
    assert b"\n" not in body.replace(b"\r\n", b"")


def test_it_is_small() -> None:
    assert len(ical.calendar(entry())) < 2_500


ZONES = (
    "America/Denver", "America/New_York", "Europe/London", "Australia/Sydney", "Australia/Lord_Howe", "America/Phoenix",
)  # fmt: skip


@pytest.mark.parametrize("zone", ZONES)
def test_the_zones_own_rules_are_right_to_the_minute(zone: str) -> None:
    """Read by the rules that stand in the file and not by what the reader knows of the zone."""
    body = ical.feed([entry(time_zone=zone, starts_at=START + timedelta(days=n * 90)) for n in range(5)], "Visits")
    [rules] = Calendar.from_ical(body).walk("VTIMEZONE")
    assert isinstance(rules, Timezone)
    written, known = rules.to_tz(lookup_tzid=False), localtime.zone(zone)
    # The autumn hour that comes twice has one name for two moments: a program takes the first.
    for minutes in range(0, 330 * 24 * 60, 30):
        wall = datetime.combine(date(2026, 12, 20), time()) + timedelta(minutes=minutes)
        if wall.replace(tzinfo=known).astimezone(UTC).astimezone(known).replace(tzinfo=None) == wall:
            assert wall.replace(tzinfo=written).utcoffset() == wall.replace(tzinfo=known).utcoffset(), wall
    subcomponents: list[Any] = list(rules.subcomponents)
    onsets = {
        (rule["TZOFFSETFROM"].td, moment)
        for rule in subcomponents
        for moment in (rule.DTSTART, *(one.dt for rdate in _as_list(rule.get("RDATE")) for one in rdate.dts))
    }
    for before, wall in onsets:
        moment = wall.replace(tzinfo=UTC) - before
        if moment.year in {2027, 2028} and (moment.month, moment.day) != (1, 1):
            offsets = [(moment + timedelta(seconds=n)).astimezone(known).utcoffset() for n in (-1, 0)]
            assert offsets[0] == before != offsets[1]
    assert len(onsets) == (1 if zone == "America/Phoenix" else 9)


def _as_list(found: Any) -> list[Any]:
    if found is None:
        return []
    return found if isinstance(found, list) else [found]


@pytest.mark.parametrize("zone", ZONES)
def test_a_weekly_ten_stays_ten_all_year(zone: str) -> None:
    tz = localtime.zone(zone)
    starts = [localtime.at(date(2027, 1, 3) + timedelta(weeks=n), time(10), tz) for n in range(52)]
    body = ical.feed(
        [
            entry(uid=str(n), time_zone=zone, starts_at=at, ends_at=at + timedelta(minutes=75))
            for n, at in enumerate(starts)
        ],
        "Visits",
    )
    read = Calendar.from_ical(body)
    assert [event.DTSTART for event in read.events] == starts
    assert {f"{event.DTSTART:%H:%M}" for event in read.events} == {"10:00"}
    assert len(read.walk("VTIMEZONE")) == 1


def test_a_calendar_of_two_zones_and_of_none() -> None:
    body = ical.feed(
        [entry(), entry(uid="2", time_zone="America/Phoenix"), entry(uid="3", time_zone="UTC")], "A\r\nX:1"
    )
    assert sorted(str(zone["TZID"]) for zone in Calendar.from_ical(body).walk("VTIMEZONE")) == [
        "America/Denver", "America/Phoenix"
    ]  # fmt: skip
    assert "X-WR-CALNAME:A X:1" in lines(body)
    assert "REFRESH-INTERVAL;VALUE=DURATION:PT1H" in lines(body)
    assert not Calendar.from_ical(ical.feed([], "Visits")).events
    assert "STATUS:TENTATIVE" in lines(ical.calendar(entry(is_tentative=True)))
