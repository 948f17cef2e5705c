"""Closures: a location is shut for a while."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.urls import reverse

from clinic import localtime
from clinic.actions import hours
from clinic.models import AuditEvent, Closure
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

pytestmark = pytest.mark.django_db


def said(row: Closure) -> str:
    return localtime.stretch_text(row.starts_at, row.ends_at, localtime.zone("America/Denver"))


MEMORIAL = date(2027, 5, 31)


def enter(cast: Cast, first: date = MEMORIAL, last: date = MEMORIAL, **changes: object) -> Closure:
    values = {
        "by": cast.ada,
        "location": cast.denver,
        "name": "Memorial Day",
        "first": first,
        "last": last,
        "now": make.NOON,
    }
    return hours.enter_closure(**{**values, **changes})  # type: ignore[arg-type]  # one call for every test


def test_a_day_on_the_locations_clock(cast: Cast) -> None:
    closure = enter(cast)
    assert (closure.starts_at, closure.ends_at) == (
        datetime(2027, 5, 31, 6, tzinfo=UTC),
        datetime(2027, 6, 1, 6, tzinfo=UTC),
    )
    assert AuditEvent.objects.get(verb="closure.entered").location_id == cast.denver.pk


def test_from_one_in_the_afternoon(cast: Cast) -> None:
    closure = enter(cast, starts=time(13))
    assert said(closure) == "Mon 31 May 2027, from 13:00 MDT"


def test_overlapping_is_refused_at_the_same_place_only(cast: Cast) -> None:
    enter(cast)
    with pytest.raises(hours.AlreadyClosed, match="Memorial Day, Mon 31 May 2027"):
        enter(cast, MEMORIAL - timedelta(days=2), MEMORIAL + timedelta(days=2), name="Painting")
    enter(cast, location=cast.phoenix)
    assert Closure.objects.count() == 2


def test_what_is_over_is_not_entered(cast: Cast) -> None:
    with pytest.raises(hours.IsOver):
        enter(cast, date(2027, 1, 12), date(2027, 1, 12))
    enter(cast, date(2027, 1, 13), date(2027, 1, 13))


def test_a_slip_in_the_year_is_refused(cast: Cast) -> None:
    with pytest.raises(hours.TooLong):
        enter(cast, MEMORIAL, date(2072, 5, 31))


def test_cancelled_once_and_open_again(cast: Cast) -> None:
    closure = enter(cast)
    hours.cancel_closure(by=cast.ada, closure=closure, now=make.NOON)
    with pytest.raises(hours.AlreadyCancelled):
        hours.cancel_closure(by=cast.ada, closure=closure, now=make.NOON)
    assert AuditEvent.objects.filter(verb="closure.cancelled").count() == 1
    enter(cast)


def test_what_is_over_stays(cast: Cast) -> None:
    closure = enter(cast)
    with pytest.raises(hours.IsOver):
        hours.cancel_closure(by=cast.ada, closure=closure, now=closure.ends_at)


class TestPages:
    def test_a_federal_holiday_closes_nothing_until_somebody_presses(
        self, cast: Cast, signed_in: SignedIn, now: datetime
    ) -> None:
        client = signed_in(cast.ada)
        page = client.get(reverse("clinic:hours"))
        first = page.context["holidays"][0]
        assert (first["name"], first["day"]) == ("Martin Luther King Jr. Day", "Mon 18 Jan 2027")
        form = client.get(first["url"])
        assert 'value="2027-01-18"' in form.content.decode()
        assert not Closure.objects.exists()
        values = {"name": first["name"], "first": "2027-01-18", "last": "2027-01-18", "starts": "", "ends": ""}
        assert client.post(first["url"], values).status_code == 302
        closure = Closure.objects.get()
        assert said(closure) == "Mon 18 Jan 2027"
        assert client.get(reverse("clinic:hours")).context["holidays"][0]["name"] == "Washington's Birthday"

    def test_a_holiday_on_a_day_that_is_closed_anyway_is_not_suggested(
        self, cast: Cast, signed_in: SignedIn, now: datetime
    ) -> None:
        suggested = signed_in(cast.ada).get(reverse("clinic:hours")).context["holidays"]
        assert not [one for one in suggested if one["day"].startswith(("Sat", "Sun"))]

    def test_an_overlap_is_refused_and_what_was_typed_stays(
        self, cast: Cast, signed_in: SignedIn, now: datetime
    ) -> None:
        enter(cast)
        path = reverse("clinic:enter_closure", args=[cast.denver.pk])
        answer = signed_in(cast.ada).post(path, {"name": "Painting", "first": "2027-05-30", "last": "2027-06-02"})
        assert answer.status_code == 422
        assert "Memorial Day" in answer.context["form"].non_field_errors()[0]
        assert 'value="Painting"' in answer.content.decode()

    @pytest.mark.parametrize("value", ["yesterday", "2027-02-30", "99999-01-01", "0000-00-00", "2027-05-31'--"])
    def test_a_day_that_is_none_is_a_sentence(self, cast: Cast, signed_in: SignedIn, now: datetime, value: str) -> None:
        path = reverse("clinic:enter_closure", args=[cast.denver.pk])
        answer = signed_in(cast.ada).post(path, {"name": "x", "first": value, "last": value})
        assert answer.status_code == 422
        assert "Write a day like 2027-01-31." in answer.context["form"].errors["first"]
        asked = {"first": value, "last": value, "name": "x" * 500}
        assert signed_in(cast.ada).get(path, asked).status_code == 200

    @pytest.mark.parametrize("value", ["0001-01-01", "9999-12-31"])
    def test_the_ends_of_time_are_refused(self, cast: Cast, signed_in: SignedIn, now: datetime, value: str) -> None:
        path = reverse("clinic:enter_closure", args=[cast.denver.pk])
        answer = signed_in(cast.ada).post(path, {"name": "x", "first": value, "last": value})
        assert answer.status_code == 422
        assert not Closure.objects.exists()

    def test_cancel(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        client, path = signed_in(cast.ada), reverse("clinic:cancel_closure", args=[enter(cast).pk])
        assert client.get(path).status_code == 405
        assert client.post(path).status_code == 302
        said = [str(message) for message in client.post(path, follow=True).context["messages"]]
        assert any("cancelled already" in sentence for sentence in said)

    def test_a_stranger(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        theirs = enter(cast, location=cast.phoenix)
        client = signed_in(cast.ada)
        assert client.post(reverse("clinic:cancel_closure", args=[theirs.pk])).status_code == 404
        values = {"name": "x", "first": "2027-05-31", "last": "2027-05-31"}
        assert client.post(reverse("clinic:enter_closure", args=[cast.phoenix.pk]), values).status_code == 404
        theirs.refresh_from_db()
        assert theirs.cancelled_at is None
