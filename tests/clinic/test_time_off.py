"""Time off: whole days or hours on the location's clock, once at a time for a person."""

import threading
from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.db import connection

from clinic.actions import hours
from clinic.models import AuditEvent, TimeOff
from tests import factories as make
from tests.cast import Cast

pytestmark = pytest.mark.django_db

FEB_1, FEB_5 = date(2027, 2, 1), date(2027, 2, 5)


def enter(cast: Cast, first: date = FEB_1, last: date = FEB_5, **changes: object) -> TimeOff:
    values = {
        "by": cast.ada, "user": cast.tess, "location": cast.denver, "first": first, "last": last,
        "reason": TimeOff.Reason.HOLIDAY, "now": make.NOON,
    }  # fmt: skip
    return hours.enter_time_off(**{**values, **changes})  # type: ignore[arg-type]  # one call for every test


class TestEnter:
    def test_whole_days_on_the_locations_clock(self, cast: Cast) -> None:
        during = enter(cast).during
        assert (during.lower, during.upper) == (
            datetime(2027, 2, 1, 7, tzinfo=UTC),
            datetime(2027, 2, 6, 7, tzinfo=UTC),
        )
        event = AuditEvent.objects.get(verb="time_off.entered")
        assert (event.location_id, event.details) == (cast.denver.pk, {"reason": "holiday"})

    def test_an_afternoon(self, cast: Cast) -> None:
        time_off = enter(cast, FEB_1, FEB_1, starts=time(13), ends=time(17))
        assert hours.span_text(time_off.during, cast.denver) == "Mon 1 Feb 2027, 13:00 to 17:00 MST"

    @pytest.mark.parametrize(("day", "length"), [(date(2027, 3, 14), 23), (date(2027, 11, 7), 25), (FEB_1, 24)])
    def test_a_day_is_as_long_as_the_clock_makes_it(self, cast: Cast, day: date, length: int) -> None:
        during = enter(cast, day, day).during
        assert during.upper - during.lower == timedelta(hours=length)
        assert hours.span_text(during, cast.denver) == hours.localtime.day_text(day)

    def test_a_zone_without_clock_changes(self, cast: Cast) -> None:
        during = enter(cast, date(2027, 3, 14), date(2027, 3, 14), user=cast.omar, location=cast.phoenix).during
        assert during.upper - during.lower == timedelta(hours=24)

    def test_neighbouring_days_do_not_overlap(self, cast: Cast) -> None:
        enter(cast)
        enter(cast, FEB_5 + timedelta(days=1), FEB_5 + timedelta(days=2))
        assert TimeOff.objects.count() == 2

    def test_overlapping_is_refused_with_what_is_there(self, cast: Cast) -> None:
        enter(cast)
        with pytest.raises(
            hours.AlreadyAway, match="Tess Tanaka is away then already: Mon 1 Feb 2027 to Fri 5 Feb 2027"
        ):
            enter(cast, FEB_5, FEB_5)
        assert TimeOff.objects.count() == 1

    def test_backwards_too_long_and_strangers_are_refused(self, cast: Cast) -> None:
        with pytest.raises(hours.EndsBeforeItBegins):
            enter(cast, FEB_5, FEB_1)
        with pytest.raises(hours.EndsBeforeItBegins):
            enter(cast, FEB_1, FEB_1, starts=time(13), ends=time(13))
        with pytest.raises(hours.TooLong):
            enter(cast, FEB_1, date(2072, 2, 5))
        with pytest.raises(hours.NotHere):
            enter(cast, user=cast.omar)
        assert not TimeOff.objects.exists()


class TestCancel:
    def test_cancelled_once_and_free_again(self, cast: Cast) -> None:
        time_off = enter(cast)
        hours.cancel_time_off(by=cast.ada, time_off=time_off, location=cast.denver, now=make.NOON)
        with pytest.raises(hours.AlreadyCancelled):
            hours.cancel_time_off(by=cast.ada, time_off=time_off, location=cast.denver, now=make.NOON)
        assert AuditEvent.objects.filter(verb="time_off.cancelled").count() == 1
        enter(cast)

    def test_what_is_over_stays(self, cast: Cast) -> None:
        time_off = enter(cast)
        with pytest.raises(hours.IsOver):
            hours.cancel_time_off(by=cast.ada, time_off=time_off, location=cast.denver, now=time_off.during.upper)
        time_off.refresh_from_db()
        assert time_off.cancelled_at is None


@pytest.mark.django_db(transaction=True)
def test_ten_at_once_are_one(cast: Cast) -> None:
    outcomes: list[str] = []
    start = threading.Barrier(10)

    def one() -> None:
        try:
            start.wait()
            enter(cast)
            outcomes.append("entered")
        except hours.AlreadyAway:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["entered"] + ["refused"] * 9
    assert TimeOff.objects.count() == 1
