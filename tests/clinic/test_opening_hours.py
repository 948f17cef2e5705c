"""When a location is open: one stretch a weekday on its wall clock."""

from datetime import datetime, time

import pytest
from django.urls import reverse

from clinic.actions import hours
from clinic.models import AuditEvent, OpeningHours
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

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


class TestPage:
    def path(self, cast: Cast) -> str:
        return reverse("clinic:set_opening_hours", args=[cast.denver.pk])

    def test_it_shows_what_holds_and_saves_what_is_said(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        client = signed_in(cast.ada)
        assert client.get(self.path(cast)).content.decode().count('value="08:00"') == 5
        assert client.post(self.path(cast), {"opens_5": "09:00", "closes_5": "12:00"}).status_code == 302
        assert week_of(cast) == {5: (NINE, NOON)}

    @pytest.mark.parametrize(
        ("values", "field"),
        [
            ({"opens_0": "09:00"}, "closes_0"), ({"opens_0": "9 o'clock", "closes_0": "17:00"}, "opens_0"),
            ({"opens_0": "25:00", "closes_0": "26:00"}, "opens_0"), ({}, "__all__"),
            ({"opens_0": "18:00", "closes_0": "08:00"}, "__all__"),
        ],
    )  # fmt: skip
    def test_refused_and_nothing_changes(
        self, cast: Cast, signed_in: SignedIn, now: datetime, values: dict[str, str], field: str
    ) -> None:
        before = week_of(cast)
        answer = signed_in(cast.ada).post(self.path(cast), values)
        assert answer.status_code == 422
        assert field in answer.context["form"].errors
        assert week_of(cast) == before

    def test_a_stranger(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        path = reverse("clinic:set_opening_hours", args=[cast.phoenix.pk])
        assert signed_in(cast.ada).post(path, {"opens_5": "09:00", "closes_5": "12:00"}).status_code == 404
        assert signed_in(cast.omar).get(self.path(cast)).status_code == 403
