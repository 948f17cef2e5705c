"""The end of the next business day: weekends, closures whole and in part, clock changes, and a place that never opens."""

from datetime import date, datetime, time, timedelta
from typing import Any

import pytest

from clinic import businessdays, localtime
from clinic.models import Closure, Location, OpeningHours
from tests import factories as make
from tests.cast import Cast


def at(place: Location, clock: str, month: int, day: int) -> datetime:
    hour, minute = map(int, clock.split(":"))
    return localtime.at(date(2027, month, day), time(hour, minute), place.tz)


def shut(cast: Cast, start: datetime, end: datetime, **fields: Any) -> None:
    Closure.objects.create(
        location=cast.denver, name="Holiday", entered_by=cast.ada, entered_at=make.NOON, during=(start, end), **fields
    )


class TestEndOfNext:
    """The cast's Denver is open from eight to six, Monday to Friday. The 13th of January 2027 is a Wednesday."""

    @pytest.mark.parametrize(
        ("clock", "day", "due"),
        [
            ("09:00", 13, 14),
            ("00:00", 13, 14),
            ("23:59", 13, 14),
            ("09:00", 15, 18),
            ("12:00", 16, 18),
            ("12:00", 17, 18),
        ],
    )
    def test_the_next_day_it_is_open(self, cast: Cast, clock: str, day: int, due: int) -> None:
        found = businessdays.end_of_next(location=cast.denver, now=at(cast.denver, clock, 1, day))
        assert found == at(cast.denver, "18:00", 1, due)

    @pytest.mark.parametrize(
        ("starts", "ends", "due"),
        [
            (("00:00", 14), ("00:00", 15), ("18:00", 15)),
            (("08:00", 14), ("18:00", 14), ("18:00", 15)),
            # Shut at noon, and one looked at noon only: the day is open until ten, or from one.
            (("10:00", 14), ("23:00", 14), ("10:00", 14)),
            (("00:00", 14), ("13:00", 14), ("18:00", 14)),
            (("11:00", 14), ("13:00", 14), ("18:00", 14)),
            (("09:00", 14), ("12:00", 19), ("09:00", 14)),
            (("08:00", 14), ("12:00", 19), ("18:00", 19)),
        ],
    )
    def test_closures(self, cast: Cast, starts: tuple[str, int], ends: tuple[str, int], due: tuple[str, int]) -> None:
        place = cast.denver
        shut(cast, at(place, starts[0], 1, starts[1]), at(place, ends[0], 1, ends[1]))
        assert businessdays.end_of_next(location=place, now=make.NOON) == at(place, due[0], 1, due[1])

    def test_two_closures_of_one_day(self, cast: Cast) -> None:
        place = cast.denver
        shut(cast, at(place, "11:00", 1, 14), at(place, "14:00", 1, 14))
        shut(cast, at(place, "14:00", 1, 14), at(place, "20:00", 1, 14))
        assert businessdays.end_of_next(location=place, now=make.NOON) == at(place, "11:00", 1, 14)

    def test_a_closure_that_was_taken_back(self, cast: Cast) -> None:
        place = cast.denver
        shut(cast, at(place, "00:00", 1, 14), at(place, "00:00", 1, 15), cancelled_at=make.NOON)
        assert businessdays.end_of_next(location=place, now=make.NOON) == at(place, "18:00", 1, 14)

    @pytest.mark.parametrize(("month", "friday", "monday"), [(3, 12, 15), (11, 5, 8)])
    def test_over_a_change_of_the_clocks(self, cast: Cast, month: int, friday: int, monday: int) -> None:
        place = cast.denver
        found = businessdays.end_of_next(location=place, now=at(place, "16:00", month, friday))
        assert found == at(place, "18:00", month, monday)
        assert localtime.clock_text(found, place.tz) == "18:00"

    def test_a_place_without_hours_still_answers(self, cast: Cast) -> None:
        place = make.make_location("Tucson", "America/Phoenix", "AZ")
        assert businessdays.end_of_next(location=place, now=make.NOON) == make.NOON + timedelta(days=1)

    def test_a_place_that_is_shut_for_long(self, cast: Cast) -> None:
        shut(cast, make.NOON, make.NOON + timedelta(days=90))
        assert businessdays.end_of_next(location=cast.denver, now=make.NOON) == make.NOON + timedelta(days=1)

    def test_two_queries(self, cast: Cast, django_assert_num_queries: Any) -> None:
        assert OpeningHours.objects.filter(location=cast.denver).count() == 5
        with django_assert_num_queries(2):
            businessdays.end_of_next(location=cast.denver, now=make.NOON)
