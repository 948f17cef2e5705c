"""The calendar file, by tables of cases: neutral, safe, in the clinic's zone on both change days."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from icalendar import Calendar, Event

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
