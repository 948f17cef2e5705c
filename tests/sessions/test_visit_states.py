"""What becomes of a visit on its day: each act works, refuses in its sentence, and twice is once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from clinic.errors import Refused
from clinic.models import AuditEvent, Role
from sessions.actions import attendance, changes, holds
from sessions.models import Appointment, Reminder, ResourceHold
from tests import factories as make
from tests.cast import Cast

from .booking import TEN, at, book

S = Appointment.Status


@pytest.fixture
def visit(cast: Cast) -> Appointment:
    return book(cast)


def do(cast: Cast, act: Callable[..., Appointment], visit: Appointment, now: Any = TEN, **more: Any) -> Appointment:
    return act(by=cast.felix, appointment=visit, now=now, **more)


def refused(kind: type[Refused], cast: Cast, act: Callable[..., Appointment], visit: Appointment, **more: Any) -> str:
    visit.refresh_from_db()
    before = (visit.status, visit.version, AuditEvent.objects.count())
    with pytest.raises(kind) as caught:
        do(cast, act, visit, **more)
    visit.refresh_from_db()
    assert (visit.status, visit.version, AuditEvent.objects.count()) == before
    return str(caught.value)


def live(visit: Appointment) -> int:
    return ResourceHold.objects.filter(appointment=visit, is_live=True).count()


class TestConfirm:
    def test_works(self, cast: Cast, visit: Appointment) -> None:
        done = do(cast, attendance.confirm, visit, make.NOON, seen_version=1)
        assert (done.status, done.confirmed_at) == (S.CONFIRMED, make.NOON)
        assert AuditEvent.objects.filter(verb="appointment.confirmed", subject_id=visit.pk).count() == 1

    def test_twice_is_once(self, cast: Cast, visit: Appointment) -> None:
        do(cast, attendance.confirm, visit, seen_version=1)
        said = refused(changes.NotPossibleNow, cast, attendance.confirm, visit, seen_version=2)
        assert said == "Only a planned visit can be confirmed. Quinn's is: confirmed."


class TestCheckIn:
    @pytest.mark.parametrize("moment", ["00:01", "09:40", "12:00", "23:59"])
    def test_works_all_day(self, cast: Cast, visit: Appointment, moment: str) -> None:
        done = do(cast, attendance.check_in, visit, at(moment))
        assert (done.status, done.checked_in_at) == (S.CHECKED_IN, at(moment))
        assert live(visit) == 3

    @pytest.mark.parametrize("day", [13, 15])
    def test_another_day(self, cast: Cast, visit: Appointment, day: int) -> None:
        said = refused(attendance.NotToday, cast, attendance.check_in, visit, now=at("10:00", day))
        assert said.startswith("This visit is on Thu 14 Jan 2027, not today.")

    def test_the_day_is_the_location_s(self, cast: Cast) -> None:
        """23:30 in Denver is tomorrow in UTC and still today at the desk."""
        late = make.make_appointment(cast.quinn, cast.intake, cast.dana, at("22:00"))
        assert do(cast, attendance.check_in, late, at("23:30")).status == S.CHECKED_IN

    def test_twice_is_once(self, cast: Cast, visit: Appointment) -> None:
        do(cast, attendance.check_in, visit, at("09:42"))
        said = refused(changes.NotPossibleNow, cast, attendance.check_in, visit)
        assert said == "Quinn is checked in already, since 09:42."

    def test_a_cancelled_one(self, cast: Cast, visit: Appointment) -> None:
        changes.cancel(
            by=cast.frida, appointment=visit, cancelled_by=Appointment.CancelledBy.PATIENT,
            reason=Appointment.CancelReason.ILLNESS, note="", seen_version=1, now=make.NOON,
        )  # fmt: skip
        assert "state is “cancelled”" in refused(changes.NotPossibleNow, cast, attendance.check_in, visit)


class TestUndoCheckIn:
    @pytest.mark.parametrize("minutes", [0, 10])
    def test_within_ten_minutes(self, cast: Cast, visit: Appointment, minutes: int) -> None:
        do(cast, attendance.check_in, visit)
        done = do(cast, attendance.undo_check_in, visit, TEN + timedelta(minutes=minutes))
        assert (done.status, done.checked_in_at) == (S.BOOKED, None)
        assert do(cast, attendance.check_in, visit).status == S.CHECKED_IN

    def test_a_confirmed_visit_stays_known_as_confirmed(self, cast: Cast, visit: Appointment) -> None:
        do(cast, attendance.confirm, visit, seen_version=1)
        do(cast, attendance.check_in, visit)
        done = do(cast, attendance.undo_check_in, visit)
        assert (done.status, done.confirmed_at) == (S.CONFIRMED, TEN)
        assert done.is_still_confirmed

    def test_too_late(self, cast: Cast, visit: Appointment) -> None:
        do(cast, attendance.check_in, visit)
        said = refused(
            attendance.TooLate, cast, attendance.undo_check_in, visit, now=TEN + timedelta(minutes=10, seconds=1)
        )
        assert said.startswith("A check-in can be taken back for ten minutes. If Quinn has gone")

    def test_nothing_to_undo(self, cast: Cast, visit: Appointment) -> None:
        said = refused(changes.NotPossibleNow, cast, attendance.undo_check_in, visit)
        assert said == "There is no check-in to take back: Quinn's visit is “planned”."


class TestInTheRoom:
    def test_start_finish(self, cast: Cast, visit: Appointment) -> None:
        do(cast, attendance.check_in, visit)
        assert do(cast, attendance.start, visit, at("10:05")).started_at == at("10:05")
        done = do(cast, attendance.finish, visit, at("11:10"))
        assert (done.status, done.finished_at) == (S.COMPLETED, at("11:10"))

    def test_start_needs_somebody_here(self, cast: Cast, visit: Appointment) -> None:
        assert refused(changes.NotPossibleNow, cast, attendance.start, visit).startswith("Check Quinn in first")

    def test_finish_needs_a_start(self, cast: Cast, visit: Appointment) -> None:
        do(cast, attendance.check_in, visit)
        said = refused(changes.NotPossibleNow, cast, attendance.finish, visit)
        assert said == "Only a visit that is under way can be done. Quinn's is: here."

    @pytest.mark.parametrize("started", [True, False])
    def test_left(self, cast: Cast, visit: Appointment, started: bool) -> None:
        do(cast, attendance.check_in, visit)
        if started:
            do(cast, attendance.start, visit)
        assert do(cast, attendance.mark_left, visit).status == S.LEFT
        assert "cannot be checked in" in refused(changes.NotPossibleNow, cast, attendance.check_in, visit)
        assert "Check Quinn in first" in refused(changes.NotPossibleNow, cast, attendance.start, visit)
        late = TEN + timedelta(minutes=10, seconds=1)
        assert "for ten minutes" in refused(attendance.TooLate, cast, attendance.undo_left, visit, now=late)
        back = do(cast, attendance.undo_left, visit, TEN + timedelta(minutes=10))
        assert (back.status, back.finished_at) == (S.IN_PROGRESS if started else S.CHECKED_IN, None)
        said = refused(changes.NotPossibleNow, cast, attendance.undo_left, visit)
        assert said.startswith("There is no leaving to take back")
        assert live(visit) == 3

    def test_nobody_can_leave_who_never_came(self, cast: Cast, visit: Appointment) -> None:
        assert refused(changes.NotPossibleNow, cast, attendance.mark_left, visit).startswith("Quinn cannot have left")


class TestMarkNoShow:
    def test_works_from_the_minute_on(self, cast: Cast, visit: Appointment) -> None:
        done = do(cast, attendance.mark_no_show, visit, at("10:15"))
        assert (done.status, done.no_show_at) == (S.NO_SHOW, at("10:15"))
        assert live(visit) == 0
        assert not Reminder.objects.filter(appointment=visit, status="planned").exists()
        assert book(cast, cast.pat, now=TEN - timedelta(hours=2)).starts_at == TEN

    def test_too_early(self, cast: Cast, visit: Appointment) -> None:
        said = refused(attendance.TooEarly, cast, attendance.mark_no_show, visit, now=at("10:14"))
        assert said == "It is too early to say that. Wait until Thu 14 Jan 2027 10:15 MST."

    def test_the_minutes_are_the_visit_type_s(self, cast: Cast, visit: Appointment) -> None:
        cast.intake.no_show_after_minutes = 20
        cast.intake.save()
        said = refused(attendance.TooEarly, cast, attendance.mark_no_show, visit, now=at("10:19"))
        assert said == "It is too early to say that. Wait until Thu 14 Jan 2027 10:20 MST."

    def test_somebody_who_came(self, cast: Cast, visit: Appointment) -> None:
        do(cast, attendance.check_in, visit)
        assert "cannot be said of Quinn" in refused(
            changes.NotPossibleNow, cast, attendance.mark_no_show, visit, now=at("11:00")
        )


class TestUndoNoShow:
    @pytest.fixture
    def missed(self, cast: Cast, visit: Appointment) -> Appointment:
        return do(cast, attendance.mark_no_show, visit, at("10:20"))

    def test_works_the_same_day(self, cast: Cast, missed: Appointment) -> None:
        done = do(cast, attendance.undo_no_show, missed, at("10:25"), because="Stuck in snow")
        assert (done.status, done.no_show_at, done.no_show_undone_because) == (S.BOOKED, None, "Stuck in snow")
        assert live(missed) == 3
        assert do(cast, attendance.check_in, done, at("10:25")).status == S.CHECKED_IN

    def test_another_day(self, cast: Cast, missed: Appointment) -> None:
        said = refused(attendance.TooLate, cast, attendance.undo_no_show, missed, now=at("08:00", 15), because="x")
        assert said.startswith("This can be taken back on the day itself only.")

    def test_when_the_room_was_given_away(self, cast: Cast, missed: Appointment) -> None:
        second = make.make_user("Drew Diaz")
        make.make_member(second, cast.denver, Role.PRESCRIBER)
        make.make_working_hours(second, cast.denver)
        book(cast, cast.pat, clinician=second, starts_at=at("10:30"), now=at("10:20"))
        said = refused(holds.SlotTaken, cast, attendance.undo_no_show, missed, now=at("10:25"), because="x")
        assert said.startswith("The room or the clinician has been given to somebody else meanwhile.")
        assert live(missed) == 0

    def test_nothing_to_undo(self, cast: Cast, visit: Appointment) -> None:
        assert "nothing to take back" in refused(
            changes.NotPossibleNow, cast, attendance.undo_no_show, visit, because="x"
        )


def test_whoever_is_in_the_room_stays_there(cast: Cast, visit: Appointment) -> None:
    """Scenario 36: the visit runs over, and its patient is not moved out for the next one; the next one's visit can be."""
    following = book(cast, cast.pat, starts_at=at("13:00"))
    do(cast, attendance.check_in, visit)
    do(cast, attendance.start, visit)
    for who, may in ((visit, False), (following, True)):
        who.refresh_from_db()
        move: dict[str, Any] = {
            "by": cast.frida, "appointment": who, "clinician": cast.dana, "room": cast.second_room,
            "starts_at": who.starts_at, "seen_version": who.version, "now": at("09:55"),
        }  # fmt: skip
        if may:
            assert changes.reschedule(**move).room == cast.second_room
        else:
            with pytest.raises(changes.NotPossibleNow, match="cannot be moved any more"):
                changes.reschedule(**move)
            assert live(who) == 3
