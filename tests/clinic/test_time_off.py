"""Time off: whole days or hours on the location's clock, once at a time for a person."""

import threading
from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.db import connection
from django.urls import reverse

from clinic import localtime
from clinic.actions import hours
from clinic.models import AuditEvent, TimeOff
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

pytestmark = pytest.mark.django_db


def said(row: TimeOff) -> str:
    return localtime.stretch_text(row.starts_at, row.ends_at, localtime.zone("America/Denver"))


FEB_1, FEB_5 = date(2027, 2, 1), date(2027, 2, 5)


def enter(cast: Cast, first: date = FEB_1, last: date = FEB_5, **changes: object) -> TimeOff:
    values = {
        "by": cast.ada, "user": cast.tess, "location": cast.denver, "first": first, "last": last,
        "reason": TimeOff.Reason.HOLIDAY, "now": make.NOON,
    }  # fmt: skip
    return hours.enter_time_off(**{**values, **changes})  # type: ignore[arg-type]  # one call for every test


class TestEnter:
    def test_whole_days_on_the_locations_clock(self, cast: Cast) -> None:
        time_off = enter(cast)
        assert (time_off.starts_at, time_off.ends_at) == (
            datetime(2027, 2, 1, 7, tzinfo=UTC),
            datetime(2027, 2, 6, 7, tzinfo=UTC),
        )
        event = AuditEvent.objects.get(verb="time_off.entered")
        assert (event.location_id, event.details) == (cast.denver.pk, {})

    def test_an_afternoon(self, cast: Cast) -> None:
        time_off = enter(cast, FEB_1, FEB_1, starts=time(13), ends=time(17))
        assert said(time_off) == "Mon 1 Feb 2027, 13:00 to 17:00 MST"

    @pytest.mark.parametrize(("day", "length"), [(date(2027, 3, 14), 23), (date(2027, 11, 7), 25), (FEB_1, 24)])
    def test_a_day_is_as_long_as_the_clock_makes_it(self, cast: Cast, day: date, length: int) -> None:
        time_off = enter(cast, day, day)
        during = (time_off.starts_at, time_off.ends_at)
        assert during[1] - during[0] == timedelta(hours=length)
        assert localtime.stretch_text(*during, cast.denver.tz) == localtime.day_text(day)

    def test_a_zone_without_clock_changes(self, cast: Cast) -> None:
        during = enter(cast, date(2027, 3, 14), date(2027, 3, 14), user=cast.omar, location=cast.phoenix)
        assert during.ends_at - during.starts_at == timedelta(hours=24)

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
            hours.cancel_time_off(by=cast.ada, time_off=time_off, location=cast.denver, now=time_off.ends_at)
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


class TestPages:
    def values(self, cast: Cast, **changes: str) -> dict[str, str]:
        return {
            "person": str(cast.tess.pk),
            "first": "2027-02-01",
            "last": "2027-02-05",
            "reason": "holiday",
            **changes,
        }

    def path(self, cast: Cast) -> str:
        return reverse("clinic:enter_time_off", args=[cast.denver.pk])

    def test_enter_and_cancel(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        client = signed_in(cast.ada)
        assert client.post(self.path(cast), self.values(cast)).status_code == 302
        page = client.get(reverse("clinic:hours")).content.decode()
        assert "Mon 1 Feb 2027 to Fri 5 Feb 2027" in page
        cancel = reverse("clinic:cancel_time_off", args=[cast.denver.pk, TimeOff.objects.get().pk])
        assert client.post(cancel).status_code == 302
        assert "Mon 1 Feb 2027" not in client.get(reverse("clinic:hours")).content.decode()

    def test_no_reason_is_chosen_for_anybody(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        answer = signed_in(cast.ada).post(self.path(cast), {})
        assert set(answer.context["form"].errors) == {"person", "first", "last", "reason"}

    def test_refused(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        client = signed_in(cast.ada)
        answer = client.post(self.path(cast), self.values(cast, last="2027-01-20"))
        assert (answer.status_code, "last" in answer.context["form"].errors) == (422, True)
        for person in (str(cast.omar.pk), str(cast.pat_user.pk), "nobody"):
            answer = client.post(self.path(cast), self.values(cast, person=person))
            assert (answer.status_code, "person" in answer.context["form"].errors) == (422, True)
        assert not TimeOff.objects.exists()

    def test_strangers(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        theirs = enter(cast, user=cast.omar, location=cast.phoenix)
        client = signed_in(cast.ada)
        for location in (cast.denver, cast.phoenix):
            path = reverse("clinic:cancel_time_off", args=[location.pk, theirs.pk])
            assert client.post(path).status_code == 404
        theirs.refresh_from_db()
        assert theirs.cancelled_at is None
