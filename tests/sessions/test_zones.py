"""Weekly at ten stays at ten across both changes of the clocks, wherever the clinic is: on the calendar, in letters and in files."""

import itertools
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from icalendar import Calendar

from clinic import localtime
from clinic.models import Location, OpeningHours, OutboundMessage, WorkingHours
from sessions import availability, courseplan, dosegate, ical, letters, timetable
from sessions.models import Reminder
from tests.cast import Cast

from .booking import book

TEN_O_CLOCK, WEEK = time(10), timedelta(days=7)
AMERICAN = (date(2027, 3, 14), date(2027, 11, 7))
AUSTRALIAN = (date(2027, 4, 4), date(2027, 10, 3))
CHANGES = {
    "America/Denver": AMERICAN,
    "America/New_York": AMERICAN,
    "Europe/London": (date(2027, 3, 28), date(2027, 10, 31)),
    "Australia/Sydney": AUSTRALIAN,
    # By half an hour.
    "Australia/Lord_Howe": AUSTRALIAN,
    # Never; the same days as its neighbours'.
    "America/Phoenix": AMERICAN,
}
# Where a patient reads the letters, by day as well: these clocks never change.
ELSEWHERE = {"America": "America/Sao_Paulo", "Europe": "Europe/Moscow", "Australia": "Pacific/Fiji"}


@pytest.mark.parametrize("zone", CHANGES)
def test_weekly_at_ten_stays_at_ten(cast: Cast, zone: str) -> None:
    """Scenario 12, in six zones: the Sundays before, of and after each change."""
    here, place = ZoneInfo(zone), cast.denver
    elsewhere = ZoneInfo(ELSEWHERE[zone.split("/")[0]])
    Location.objects.filter(pk=place.pk).update(time_zone=zone)
    place.time_zone = zone
    OpeningHours.objects.create(location=place, weekday=6, opens=time(8), closes=time(18))
    WorkingHours.objects.create(
        user=cast.dana, location=place, weekday=6, starts=time(8), ends=time(17), valid_from=date(2020, 1, 1)
    )
    cast.quinn.time_zone = elsewhere.key
    cast.quinn.save(update_fields=["time_zone"])
    for change in CHANGES[zone]:
        days = [change - WEEK, change, change + WEEK]
        now = localtime.at(change - 3 * WEEK, time(9), here)
        calendar = timetable.read(
            place, people=[cast.dana.pk], taken=timetable.NOTHING_TAKEN, start=now, end=now + 9 * WEEK
        )
        offered = availability.open_slots(
            calendar, timetable.need_of(cast.intake), clinicians=[cast.dana.pk], rooms=[cast.room.pk],
            patient=cast.quinn.pk, first=days[0], last=days[-1], now=now,
        )  # fmt: skip
        at_ten = [one for one in offered if wall(one.starts_at, here).weekday() == 6 and wall(one.starts_at, here).time() == TEN_O_CLOCK]  # fmt: skip
        assert [wall(one.starts_at, here).date() for one in at_ten] == days
        # Every week as the days go by on the wall, though one of them is longer or shorter by an hour.
        course = courseplan.lay_out(
            [one for one in offered if wall(one.starts_at, here).time() >= TEN_O_CLOCK], [], count=3, with_talks=False,
            are_apart=lambda one, other: dosegate.is_far_enough(one, other, here, 7),
        )  # fmt: skip
        weekly = [wall(step.dose.starts_at, here) for step in course]
        assert [one.time() for one in weekly] == [TEN_O_CLOCK] * len(weekly)
        assert {other - one for one, other in itertools.pairwise(weekly)} == {WEEK}
        for opening in at_ten:
            visit = book(cast, cast.quinn, starts_at=opening.starts_at, now=now, second_is_meant=True)
            visit.refresh_from_db()
            assert wall(visit.starts_at, here).time() == TEN_O_CLOCK
            # The day before at ten, however many hours that is.
            reminder = Reminder.objects.get(appointment=visit, kind="visit_tomorrow")
            assert wall(reminder.due_at, here) == wall(visit.starts_at, here) - timedelta(days=1)
            # A letter says the clinic's time and names its zone, and beside it the reader's own.
            letter = OutboundMessage.objects.about("appointment", visit.pk).filter(kind="visit_confirmation").get()
            words = letters.visit_context(letter)
            assert (words["time"], words["zone"]) == ("10:00", localtime.zone_text(visit.starts_at, here))
            assert words["time_there"] == f"{wall(visit.starts_at, elsewhere):%H:%M}"
            assert words["zone_there"] == localtime.zone_text(visit.starts_at, elsewhere) != words["zone"]
            # A calendar that knows nothing of the zone but what stands in the file reads the same moment.
            file = ical.calendar(
                ical.Entry("1@x", "Visit", "Here", visit.starts_at, visit.ends_at, zone, 1, False, now)
            )
            assert f"DTSTART;TZID={zone}:{wall(visit.starts_at, here):%Y%m%dT}100000".encode() in file
            [event] = Calendar.from_ical(file).walk("VEVENT")
            assert event.decoded("dtstart") == visit.starts_at


def wall(moment: datetime, tz: ZoneInfo) -> datetime:
    """Return what the clock on the wall shows."""
    return moment.astimezone(tz).replace(tzinfo=None)
