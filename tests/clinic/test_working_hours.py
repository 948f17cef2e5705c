"""When somebody works: rows by weekday with a first and a last day of validity, and what a new week does to the old."""

from datetime import date, datetime, time, timedelta

import pytest
from django.urls import reverse

from clinic.actions import hours
from clinic.actions.hours import Stretch
from clinic.models import AuditEvent, Role, TimeOff, WorkingHours
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn
from tests.query_counts import queries

pytestmark = pytest.mark.django_db

TODAY = date(2027, 1, 13)
MORNING, AFTERNOON = Stretch(0, time(8), time(12)), Stretch(0, time(13), time(17))
DAY = timedelta(days=1)


def rows_of(cast: Cast) -> list[tuple[int, date, date | None]]:
    rows = WorkingHours.objects.filter(user=cast.dana, location=cast.denver)
    return sorted((row.weekday, row.valid_from, row.valid_until) for row in rows)


def say(cast: Cast, *rows: Stretch, start: date = TODAY, end: date | None = None) -> list[WorkingHours]:
    return hours.set_working_hours(
        by=cast.ada, user=cast.dana, location=cast.denver, rows=rows, valid_from=start, valid_until=end, now=make.NOON
    )


def test_two_rows_a_day_make_a_lunch_break(cast: Cast) -> None:
    rows = say(cast, AFTERNOON, MORNING)
    assert [(row.starts, row.ends) for row in rows] == [(time(8), time(12)), (time(13), time(17))]


def test_what_held_before_ends_the_day_before(cast: Cast) -> None:
    say(cast, MORNING)
    old = date(2020, 1, 1)
    assert rows_of(cast) == sorted([*((day, old, TODAY - DAY) for day in range(5)), (0, TODAY, None)])
    event = AuditEvent.objects.get(verb="hours.changed")
    assert (event.subject_id, event.location_id) == (cast.dana.pk, cast.denver.pk)
    assert event.details == {"from": "2027-01-13", "until": "", "rows": ["0 08:00-12:00"]}


def test_a_week_for_a_while_lets_the_old_one_go_on_after_it(cast: Cast) -> None:
    start, end = date(2027, 2, 1), date(2027, 2, 14)
    say(cast, MORNING, start=start, end=end)
    monday = [row for row in rows_of(cast) if row[0] == 0]
    assert monday == [(0, date(2020, 1, 1), start - DAY), (0, start, end), (0, end + DAY, None)]
    friday = [row for row in rows_of(cast) if row[0] == 4]
    assert friday == [(4, date(2020, 1, 1), start - DAY), (4, end + DAY, None)]


def test_a_plan_for_later_gives_way_to_a_newer_one(cast: Cast) -> None:
    say(cast, AFTERNOON, start=TODAY + 30 * DAY)
    say(cast, MORNING, start=TODAY + 10 * DAY)
    later = [row for row in rows_of(cast) if row[1] > TODAY]
    assert later == [(0, TODAY + 10 * DAY, None)]


def test_a_plan_for_later_is_kept_after_a_short_one(cast: Cast) -> None:
    say(cast, AFTERNOON, start=TODAY + 5 * DAY)
    say(cast, MORNING, start=TODAY + 4 * DAY, end=TODAY + 10 * DAY)
    assert [row for row in rows_of(cast) if row[1] > TODAY] == [
        (0, TODAY + 4 * DAY, TODAY + 10 * DAY),
        (0, TODAY + 11 * DAY, None),
    ]


def test_nothing_said_means_not_there(cast: Cast) -> None:
    assert say(cast) == []
    assert all(until == TODAY - DAY for _day, _from, until in rows_of(cast))


def test_the_same_week_twice_is_one_week(cast: Cast) -> None:
    say(cast, MORNING)
    say(cast, MORNING)
    assert rows_of(cast).count((0, TODAY, None)) == 1


class TestRefusals:
    def test_overlapping(self, cast: Cast) -> None:
        with pytest.raises(hours.HoursOverlap, match="Monday overlap"):
            say(cast, MORNING, Stretch(0, time(11), time(15)))

    def test_backwards(self, cast: Cast) -> None:
        with pytest.raises(hours.EndsBeforeItBegins, match="Friday"):
            say(cast, Stretch(4, time(11), time(9)))
        with pytest.raises(hours.EndsBeforeItBegins):
            say(cast, MORNING, start=TODAY, end=TODAY - DAY)

    def test_somebody_without_a_role_here(self, cast: Cast) -> None:
        with pytest.raises(hours.NotHere, match="Omar Osei holds no role"):
            hours.set_working_hours(
                by=cast.ada, user=cast.omar, location=cast.denver, rows=[MORNING], valid_from=TODAY, now=make.NOON
            )

    def test_the_past_stays_as_it_was_worked(self, cast: Cast) -> None:
        before = rows_of(cast)
        with pytest.raises(hours.PastIsWritten, match="Wed 13 Jan 2027"):
            say(cast, MORNING, start=TODAY - DAY)
        assert rows_of(cast) == before

    def test_today_is_the_locations_day(self, cast: Cast) -> None:
        """At 23:30 in Denver it is tomorrow in UTC; the twelfth is still today."""
        late = make.NOON.replace(day=13, hour=6, minute=30)
        hours.set_working_hours(
            by=cast.ada, user=cast.dana, location=cast.denver, rows=[MORNING], valid_from=date(2027, 1, 12), now=late
        )
        assert (0, date(2027, 1, 12), None) in rows_of(cast)


def test_the_first_hours_may_begin_in_the_past(cast: Cast) -> None:
    """Somebody who has worked here for years is entered as they are; nothing is rewritten by it."""
    WorkingHours.objects.filter(user=cast.dana).delete()
    say(cast, MORNING, start=date(2025, 1, 1))
    assert rows_of(cast) == [(0, date(2025, 1, 1), None)]


class TestPages:
    def path(self, cast: Cast) -> str:
        return reverse("clinic:set_working_hours", args=[cast.denver.pk, cast.dana.pk])

    def test_it_shows_what_holds_and_what_is_planned(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        say(cast, MORNING, AFTERNOON, start=TODAY + DAY, end=TODAY + 8 * DAY)
        page = signed_in(cast.ada).get(self.path(cast))
        assert page.content.decode().count('value="17:00"') == 5
        assert page.context["planned"] == [
            {"from": "Thu 14 Jan 2027", "until": "Thu 21 Jan 2027", "week": ["Mon 08:00–12:00, 13:00–17:00"]},
            {"from": "Fri 22 Jan 2027", "until": "", "week": ["Mon–Fri 08:00–17:00"]},
        ]

    def test_a_lunch_break_is_saved(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        values = {
            "valid_from": "2027-01-18", "from_0": "08:00", "to_0": "12:00", "again_from_0": "13:00", "again_to_0": "17:00",
        }  # fmt: skip
        assert signed_in(cast.ada).post(self.path(cast), values).status_code == 302
        assert rows_of(cast).count((0, date(2027, 1, 18), None)) == 2

    def test_refusals_stand_by_their_field(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        client, before = signed_in(cast.ada), rows_of(cast)
        for values, field in (
            ({}, "valid_from"),
            ({"valid_from": "2027-01-01", "from_0": "08:00", "to_0": "09:00"}, "valid_from"),
            ({"valid_from": "2027-01-18", "from_0": "08:00"}, "to_0"),
            (
                {
                    "valid_from": "2027-01-18",
                    "from_0": "08:00",
                    "to_0": "12:00",
                    "again_from_0": "11:00",
                    "again_to_0": "13:00",
                },
                "__all__",
            ),
        ):
            answer = client.post(self.path(cast), values)
            assert (answer.status_code, field in answer.context["form"].errors) == (422, True), values
        assert rows_of(cast) == before

    def test_strangers(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        client = signed_in(cast.ada)
        for location, person in ((cast.denver, cast.omar), (cast.phoenix, cast.omar), (cast.denver, cast.pat_user)):
            path = reverse("clinic:set_working_hours", args=[location.pk, person.pk])
            assert client.get(path).status_code == 404
        assert signed_in(cast.dana).get(self.path(cast)).status_code == 403

    def test_the_list_asks_as_much_for_thirty_as_for_a_few(
        self, cast: Cast, signed_in: SignedIn, now: datetime
    ) -> None:
        client, path = signed_in(cast.ada), reverse("clinic:hours")
        few = len(queries(client, path))
        for number in range(30):
            user = make.make_user()
            make.make_member(user, cast.denver, Role.THERAPIST)
            make.make_working_hours(user, cast.denver)
            hours.enter_time_off(
                by=cast.ada, user=user, location=cast.denver, first=TODAY + DAY, last=TODAY + DAY,
                reason=TimeOff.Reason.HOLIDAY, now=make.NOON,
            )  # fmt: skip
            day = TODAY + (number + 1) * DAY
            hours.enter_closure(by=cast.ada, location=cast.denver, name="x", first=day, last=day, now=make.NOON)
        assert len(queries(client, path)) == few

    def test_somebody_without_hours_is_pointed_at(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        WorkingHours.objects.filter(user=cast.tara).delete()
        client = signed_in(cast.ada)
        assert client.get(reverse("clinic:hours")).content.decode().count("none: never offered") == 1
        assert "never offered: Tara Todd" in client.get(reverse("clinic:office")).content.decode()
