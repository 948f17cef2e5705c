"""When a location is open: one stretch a weekday on its wall clock."""

from datetime import time

import pytest

from clinic.actions import hours
from clinic.models import AuditEvent, OpeningHours
from tests import factories as make
from tests.cast import Cast

pytestmark = pytest.mark.django_db

NINE, FIVE, NOON = time(9), time(17), time(12)


def week_of(cast: Cast) -> dict[int, tuple[time, time]]:
    return {row.weekday: (row.opens, row.closes) for row in OpeningHours.objects.filter(location=cast.denver)}


def test_the_week_becomes_what_was_said(cast: Cast) -> None:
    week = {0: (NINE, FIVE), 5: (NINE, NOON)}
    rows = hours.set_opening_hours(by=cast.ada, location=cast.denver, week=week, now=make.NOON)
    assert [row.weekday for row in rows] == [0, 5]
    assert week_of(cast) == week
    event = AuditEvent.objects.get(verb="hours.changed")
    assert event.details["was"]["4"] == "08:00-18:00"
    assert event.details["is"] == {"0": "09:00-17:00", "5": "09:00-12:00"}
    assert OpeningHours.objects.filter(location=cast.phoenix).count() == 5


def test_saying_the_same_again_leaves_no_trace(cast: Cast) -> None:
    hours.set_opening_hours(by=cast.ada, location=cast.denver, week=week_of(cast), now=make.NOON)
    assert not AuditEvent.objects.filter(verb="hours.changed").exists()


@pytest.mark.parametrize("closes", [NINE, time(8)])
def test_a_day_that_closes_before_it_opens_changes_nothing(cast: Cast, closes: time) -> None:
    before = week_of(cast)
    with pytest.raises(hours.EndsBeforeItBegins, match="Tuesday ends before it begins"):
        hours.set_opening_hours(
            by=cast.ada, location=cast.denver, week={0: (NINE, FIVE), 1: (NINE, closes)}, now=make.NOON
        )
    assert week_of(cast) == before
