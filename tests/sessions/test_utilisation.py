"""Utilisation: the arithmetic against counting minute by minute, and the page of a manager."""

import csv
import io
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions import utilisation
from sessions.availability import Calendar, Span, WeeklyHours
from sessions.models import Appointment
from sessions.utilisation import Outcomes, Share, Use
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

from .booking import TEN, queries_of

PAGE = "/reports/utilisation/"
START = datetime(2027, 1, 4, tzinfo=UTC)
MINUTES = st.integers(0, 60)


def spans(pairs: list[tuple[int, int]]) -> list[Span]:
    return [(START + timedelta(minutes=a), START + timedelta(minutes=b)) for a, b in pairs]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(MINUTES, MINUTES), max_size=6), st.lists(st.tuples(MINUTES, MINUTES), max_size=6))
def test_use_is_what_counting_minutes_says(taken: list[tuple[int, int]], hours: list[tuple[int, int]]) -> None:
    busy, there = ({m for a, b in pairs for m in range(a, b)} for pairs in (taken, hours))
    expected = Use(Share(60 * len(busy & there), 60 * len(there)), 60 * len(busy - there))
    assert utilisation.use(spans(taken), spans(hours)) == expected


@pytest.mark.parametrize(
    ("length", "day", "first", "end"),
    [
        ("week", date(2027, 1, 3), date(2026, 12, 28), date(2027, 1, 4)),
        ("month", date(2026, 12, 31), date(2026, 12, 1), date(2027, 1, 1)),
        ("quarter", date(2026, 12, 1), date(2026, 10, 1), date(2027, 1, 1)),
        ("quarter", date(2027, 2, 28), date(2027, 1, 1), date(2027, 4, 1)),
    ],
)
def test_periods(length: Any, day: date, first: date, end: date) -> None:
    period = utilisation.period_of(length, day)
    assert (period.first, period.end) == (first, end)
    assert period.before().end == period.first
    assert period.after().before() == period


@pytest.mark.parametrize(("zone", "day", "hours"), [
    ("America/Denver", date(2027, 3, 14), 23), ("America/Denver", date(2026, 11, 1), 25),
    ("Australia/Lord_Howe", date(2026, 10, 4), 23.5), ("America/Phoenix", date(2027, 3, 14), 24),
])  # fmt: skip
def test_the_night_of_a_clock_change_has_its_own_length(zone: str, day: date, hours: float) -> None:
    tz = ZoneInfo(zone)
    period = utilisation.Period("week", day, day + timedelta(days=1))
    assert utilisation.seconds([period.bounds(tz)]) == hours * 3600
    # Open from midnight to six: an hour less, or one more, of it on that night.
    calendar = Calendar(tz, opening=[WeeklyHours(day.weekday(), time(0), time(6))])
    assert utilisation.seconds(utilisation.open_hours(calendar, period.days())) == (6 + hours - 24) * 3600


def test_hours_at_work_lie_in_opening_hours_without_time_off() -> None:
    who, day = uuid4(), START.date()
    calendar = Calendar(
        ZoneInfo("UTC"),
        opening=[WeeklyHours(0, time(8), time(18))],
        closures=[(START + timedelta(hours=8), START + timedelta(hours=9))],
        working={who: [WeeklyHours(0, time(7), time(12)), WeeklyHours(0, time(13), time(20), valid_until=day)]},
        away={who: [(START + timedelta(hours=17), START + timedelta(hours=30))]},
    )
    days = [day, day + timedelta(days=7)]
    found = utilisation.working_hours(calendar, days, utilisation.open_hours(calendar, days), who)
    # Three hours and four on the first Monday, four on the next, when the afternoon is no longer worked.
    assert utilisation.seconds(found) == (3 + 4 + 4) * 3600


def test_a_share_of_nothing_is_none() -> None:
    assert Share().percent is None
    assert [Share(part, 200).percent for part in (0, 1, 3, 199, 200)] == [0, 1, 2, 100, 100]
    none_came = Outcomes(cancelled_late=1, not_said=2)
    assert none_came.no_shows.percent is None
    assert none_came.late_cancels == Share(1, 3)


def test_the_middle_and_its_spread() -> None:
    assert utilisation.spread([]) is None
    found = utilisation.spread(timedelta(days=days) for days in (9, 1, 4, 2, -3))
    assert found is not None
    assert [found.count, *map(int, (found.median, found.low, found.high, found.longest))] == [5, 2, 1, 4, 9]
    two = utilisation.spread([timedelta(days=1), timedelta(days=2)])
    assert two is not None
    assert two.median == Fraction(3, 2)


def with_visits(cast: Cast) -> None:
    """One visit a day of the week before: came, came, missed, cancelled late, cancelled by us, not said."""
    referral = make.make_referral(cast.denver, received_at=TEN - timedelta(days=20))
    fields: list[dict[str, Any]] = [
        {"status": "completed", "finished_at": TEN, "referral": referral},
        {"status": "completed", "finished_at": TEN},
        {"status": "no_show", "no_show_at": TEN},
        {"status": "cancelled", "cancelled_at": TEN, "cancelled_by": "patient", "cancel_reason": "work", "cancel_is_late": True},
        {"status": "cancelled", "cancelled_at": TEN, "cancelled_by": "clinic", "cancel_reason": "other"},
        {},
    ]  # fmt: skip
    for day, values in enumerate(fields):
        make.make_appointment(cast.pat, cast.intake, cast.dana, TEN - timedelta(days=7 - day), room=cast.room, **values)


def test_the_page_counts_and_names_no_patient(cast: Cast, now: datetime, signed_in: SignedIn) -> None:
    with_visits(cast)
    client = signed_in(cast.ada)
    page = " ".join(client.get(PAGE, {"by": "month", "day": "2027-01-13"}).content.decode().split())
    for words in (
        "1 of 3",
        "1 of 6",
        "33 %",
        "17 %",
        "13.0 days",
        "no visits",
        "January 2027",
        "Of 1 visit nobody has said",
    ):
        assert words in page, words
    # The wait of the one intake is its own middle, at the end of the scale and still on it.
    assert '<rect class="share-middle" x="99.0"' in page
    for secret in ("Pat ", "Moreau", cast.pat.mrn, str(cast.pat.pk)):
        assert secret not in page
    sheet = client.get(PAGE + "utilisation.csv", {"by": "month", "day": "2027-01-13"})
    assert sheet.headers["Content-Disposition"] == 'attachment; filename="utilisation-month-2027-01-01.csv"'
    rows = list(csv.reader(io.StringIO(sheet.content.decode("utf-8-sig"))))
    assert [row[3:5] for row in rows if row[0] == "Did not come"] == [["1", "3"], ["1", "3"]]
    # Only who manages the place; and nothing is asked of a day that does not exist or is still to come.
    assert signed_in(cast.frida).get(PAGE).status_code == 403
    assert client.get(PAGE, {"by": "age", "day": "x"}).context["title"] == "January 2027"
    assert client.get(PAGE, {"by": "week", "day": "2027-09-01"}).context["is_running"]


def test_without_visits_it_says_so(cast: Cast, now: datetime, signed_in: SignedIn) -> None:
    page = signed_in(cast.ada).get(PAGE).content.decode()
    assert "no visits" in page
    assert "no intakes" in page
    assert "0 of 0" not in page


def test_the_statements_do_not_grow_and_read_one_period(cast: Cast, now: datetime, signed_in: SignedIn) -> None:
    client = signed_in(cast.ada)
    queries_of(client, PAGE)
    few = queries_of(client, PAGE)
    with_visits(cast)
    assert queries_of(client, PAGE) == few
    # By the location's visits of those days and by nothing else, once the table is worth an index: of a table of one page any
    # index with the time in it is as good.
    one = Appointment.objects.filter(location=cast.denver).order_by("id")[0]
    values = {
        field.attname: getattr(one, field.attname) for field in Appointment._meta.concrete_fields if field.name != "id"
    }
    starts = [TEN - timedelta(hours=10 * number) for number in range(1500)]
    Appointment.objects.bulk_create(
        Appointment(
            **values | {"location_id": cast.phoenix.pk, "starts_at": start, "ends_at": start + timedelta(hours=1)}
        )
        for start in starts
    )
    visits = Appointment.objects.between(TEN - timedelta(days=31), TEN).filter(location=cast.denver)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert "appointment_by_location" in visits.explain()
