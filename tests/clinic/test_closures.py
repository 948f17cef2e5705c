"""Closures: a location is shut for a while."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from clinic.actions import hours
from clinic.models import AuditEvent, Closure
from tests import factories as make
from tests.cast import Cast

pytestmark = pytest.mark.django_db

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
    during = enter(cast).during
    assert (during.lower, during.upper) == (datetime(2027, 5, 31, 6, tzinfo=UTC), datetime(2027, 6, 1, 6, tzinfo=UTC))
    assert AuditEvent.objects.get(verb="closure.entered").location_id == cast.denver.pk


def test_from_one_in_the_afternoon(cast: Cast) -> None:
    closure = enter(cast, starts=time(13))
    assert hours.span_text(closure.during, cast.denver) == "Mon 31 May 2027, 13:00 to 00:00 MDT"


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
        hours.cancel_closure(by=cast.ada, closure=closure, now=closure.during.upper)
