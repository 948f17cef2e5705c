"""Wall clocks against UTC, on the days that go wrong."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinic import localtime

DENVER, PHOENIX = ZoneInfo("America/Denver"), ZoneInfo("America/Phoenix")
SPRING, AUTUMN = date(2027, 3, 14), date(2027, 11, 7)


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [(SPRING, DENVER, 23), (AUTUMN, DENVER, 25), (date(2027, 1, 13), DENVER, 24), (SPRING, PHOENIX, 24), (AUTUMN, PHOENIX, 24)],
)  # fmt: skip
def test_a_day_is_as_long_as_it_is(day: date, zone: ZoneInfo, hours: int) -> None:
    start, end = localtime.day_bounds(day, zone)
    assert end - start == timedelta(hours=hours)


def test_ten_stays_ten_across_both_changes() -> None:
    for change in (SPRING, AUTUMN):
        week = [localtime.at(change + timedelta(days=shift), time(10), DENVER) for shift in (-7, 0, 7)]
        assert {localtime.clock_text(moment, DENVER) for moment in week} == {"10:00"}


def test_a_skipped_time_moves_past_the_gap() -> None:
    moment = localtime.at(SPRING, time(2, 30), DENVER)
    assert moment.astimezone(DENVER).time() == time(3, 30)


def test_of_a_repeated_time_the_first_is_meant() -> None:
    assert localtime.at(AUTUMN, time(1, 30), DENVER) == datetime(2027, 11, 7, 7, 30, tzinfo=UTC)


def test_what_people_read_names_weekday_and_zone() -> None:
    winter, summer = datetime(2026, 12, 15, 17, tzinfo=UTC), datetime(2027, 7, 13, 16, tzinfo=UTC)
    assert localtime.moment_text(winter, DENVER) == "Tue 15 Dec 2026 10:00 MST"
    assert localtime.moment_text(summer, DENVER) == "Tue 13 Jul 2027 10:00 MDT"
    assert localtime.long_day_text(date(2026, 12, 15)) == "Tuesday, 15 December 2026"


def test_a_deadline_at_midnight_is_the_day_that_it_ends() -> None:
    assert localtime.until_text(localtime.at(SPRING, time.min, DENVER), DENVER) == "Sat 13 Mar 2027"
    assert localtime.until_text(localtime.at(SPRING, time(9), DENVER), DENVER) == "Sun 14 Mar 2027 09:00 MDT"


def test_an_unknown_zone_falls_back() -> None:
    assert localtime.zone("Mars/Olympus", "America/Denver") == DENVER
    assert localtime.zone("../etc/passwd") == ZoneInfo("UTC")


@pytest.mark.parametrize(
    ("minutes", "text"), [(0, "0 min"), (59, "59 min"), (60, "1 h"), (47 * 60, "47 h"), (48 * 60, "2 d"), (-5, "0 min")]
)
def test_age_is_one_word(minutes: int, text: str) -> None:
    now = datetime(2027, 1, 13, 16, tzinfo=UTC)
    assert localtime.age_text(now - timedelta(minutes=minutes), now) == text


@given(moment=st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - Hypothesis takes naive bounds and adds the zone itself
def test_every_moment_lies_in_its_own_day_and_week(moment: datetime) -> None:
    for zone in (DENVER, PHOENIX, ZoneInfo("Australia/Lord_Howe")):
        day = localtime.day_of(moment, zone)
        start, end = localtime.day_bounds(day, zone)
        assert start <= moment < end
        monday, next_monday = localtime.week_bounds(day, zone)
        assert monday <= moment < next_monday
