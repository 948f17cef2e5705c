"""More doses in three months or a year than may be given without a review (domain.md 6.4, hard stops; 11, scenario 52)."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinic.models import Membership
from sessions import dosegate
from sessions.actions import changes, placing
from sessions.models import Appointment
from tests import factories as make
from tests.cast import Cast

from .booking import at
from .dosing import book_dose, dosing_room, may_be_dosed, monitor, publish_dosing, team

DENVER = ZoneInfo("America/Denver")
FIRST = datetime(2026, 3, 2, 10, tzinfo=DENVER)


def dose(day: int) -> datetime:
    return FIRST + timedelta(days=day)


def doses(*days: int) -> list[datetime]:
    return [dose(day) for day in days]


class TestCounting:
    """Pure: moments in, the cap that is gone beyond out."""

    def test_the_twelfth_in_ninety_days_and_the_thirteenth(self) -> None:
        eleven = doses(*range(0, 77, 7))
        assert len(eleven) == 11
        assert dosegate.over_cap(eleven, dose(80), DENVER, None) is None
        twelve = [*eleven, dose(80)]
        assert dosegate.over_cap(twelve, dose(89), DENVER, None) == (90, 12)
        # The ninety-first day begins another stretch, from which the first dose has dropped out.
        assert dosegate.over_cap(twelve, dose(90), DENVER, None) is None

    def test_one_put_in_between_counts_what_is_booked_after_it(self) -> None:
        twelve = doses(*range(0, 84, 7))
        assert dosegate.over_cap(twelve, dose(10), DENVER, None) == (90, 12)

    def test_the_day_is_the_clinic_s_also_where_a_night_lost_an_hour(self) -> None:
        """The first at 00:30 of a Denver day, the last at 23:30 of the eighty-ninth day after: ninety days, by a changed clock."""
        first = datetime(2026, 2, 1, 0, 30, tzinfo=DENVER)
        twelve = [first + timedelta(days=7 * n) for n in range(12)]
        last = datetime(2026, 5, 1, 23, 30, tzinfo=DENVER)
        assert dosegate.over_cap(twelve, last.astimezone(UTC), DENVER, None) == (90, 12)
        assert dosegate.over_cap(twelve, last + timedelta(hours=1), DENVER, None) is None

    def test_the_twenty_seventh_in_a_year(self) -> None:
        """Scenario 52: one every two weeks is twenty-six in a year."""
        year = doses(*range(0, 364, 14))
        assert len(year) == 26
        assert dosegate.over_cap(year, dose(364), DENVER, None) == (365, 26)
        assert dosegate.over_cap(year, dose(365), DENVER, None) is None

    def test_a_review_counts_that_came_after_the_twelfth(self) -> None:
        twelve = doses(*range(0, 84, 7))
        last = twelve[-1]
        assert dosegate.over_cap(twelve, dose(84), DENVER, last) == (90, 12)
        assert dosegate.over_cap(twelve, dose(84), DENVER, last + timedelta(minutes=1)) is None

    @given(
        st.lists(st.integers(0, 120), max_size=30, unique=True), st.integers(0, 120), st.none() | st.integers(-1, 121)
    )
    def test_as_every_stretch_of_days_says(self, days: list[int], new: int, reviewed: int | None) -> None:
        """Each of the stretches is gone through, day by day, which the product does not do."""
        others = sorted(set(days) - {new})
        expected = None
        for first in range(new - 89, new + 1):
            within = [day for day in others if first <= day < first + 90]
            seen = reviewed is not None and sum(day < reviewed for day in within) >= 12
            if len(within) >= 12 and not seen:
                expected = (90, 12)
        if (
            expected is None
            and len(others) >= 26
            and not (reviewed is not None and sum(day < reviewed for day in others) >= 26)
        ):
            expected = (365, 26)
        review = None if reviewed is None else FIRST + timedelta(days=reviewed)
        assert dosegate.over_cap(doses(*others), dose(new), DENVER, review) == expected


class TestBooking:
    def after_twelve(self, cast: Cast, *, ended_days_ago: int) -> None:
        """Twelve doses have taken place, one every five days. The clearance was decided two days ago."""
        self.kind, self.room, self.device = publish_dosing(cast), dosing_room(cast), monitor(cast)
        self.pat = may_be_dosed(cast, cast.pat, max_sessions=24)
        for n in range(12):
            starts = make.NOON - timedelta(days=ended_days_ago + 5 * n, hours=3)
            make.make_appointment(
                self.pat, self.kind, cast.theo, starts, status="completed", started_at=starts,
                finished_at=starts + timedelta(minutes=150),
            )  # fmt: skip

    def test_the_thirteenth_asks_for_a_review(self, cast: Cast) -> None:
        self.after_twelve(cast, ended_days_ago=1)
        with pytest.raises(
            placing.DoseNotMet, match=r"more than 12 dosing visits in 90 days\. The medical director has to review"
        ):
            book_dose(cast, self.pat, team(cast, self.device), self.room, starts_at=at("10:00", 18))
        assert not Appointment.objects.filter(patient=self.pat, status="confirmed").exists()
        # Whoever reviews it is led to where that is done.
        found = dosegate.unmet(
            by=cast.dana, patient=self.pat, visit_type=self.kind, starts_at=at("10:00", 18), tz=cast.denver.tz, now=make.NOON
        )  # fmt: skip
        assert [(one.code, f"/{self.pat.pk}/" in one.url) for one in found] == [("cap", True)]
        # The first of the twelve is fifty-six days ago: there is room again when it lies ninety days back.
        later = book_dose(
            cast, self.pat, team(cast, self.device), self.room, starts_at=at("10:00", 18) + timedelta(days=29)
        )
        assert later.status == "confirmed"
        with pytest.raises(placing.DoseNotMet, match="more than 12 dosing visits in 90 days"):
            changes.move(
                by=cast.frida, appointment=later, team=team(cast, self.device), room=self.room, starts_at=at("10:00", 18),
                seen_version=1, now=make.NOON,
            )  # fmt: skip
        later.refresh_from_db()
        assert later.starts_at == at("10:00", 18) + timedelta(days=29)

    def test_a_clearance_that_the_medical_director_decided_since_is_the_review(self, cast: Cast) -> None:
        self.after_twelve(cast, ended_days_ago=3)
        dana = Membership.objects.filter(user=cast.dana, location=cast.denver)
        dana.update(is_medical_director=False)
        with pytest.raises(placing.DoseNotMet, match="more than 12 dosing visits in 90 days"):
            book_dose(cast, self.pat, team(cast, self.device), self.room, starts_at=at("10:00", 18))
        dana.update(is_medical_director=True)
        visit = book_dose(cast, self.pat, team(cast, self.device), self.room, starts_at=at("10:00", 18))
        assert visit.status == "confirmed"
