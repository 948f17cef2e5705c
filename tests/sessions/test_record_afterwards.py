"""A visit that took place and was never checked in is recorded afterwards: by whom, until when, and taken back."""

import re
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from clinic.actions import worklist
from clinic.errors import Refused
from clinic.models import AuditEvent, WorkItem
from patients.models import LifeState
from sessions.actions import attendance, changes, placing, recalls
from sessions.models import Appointment, ResourceHold
from tests import factories as make
from tests.cast import Cast, make_cast
from tests.conftest import SignedIn

from .booking import TEN, at, book, in_thread, queries_of

S, Why, Kind = Appointment.Status, Appointment.RecordReason, WorkItem.Kind
BEGAN = TEN + timedelta(minutes=5)
NEXT_DAY = at("09:00", 15)


@pytest.fixture
def visit(cast: Cast) -> Appointment:
    return book(cast)


def record(cast: Cast, visit: Appointment, now: datetime = NEXT_DAY, **changes: Any) -> Appointment:
    values = {"by": cast.dana, "appointment": visit, "began_at": BEGAN, "reason": Why.WENT_STRAIGHT_IN, "note": ""}
    return attendance.record_afterwards(**{**values, **changes}, now=now)


def undo(cast: Cast, visit: Appointment, now: datetime = NEXT_DAY) -> Appointment:
    return attendance.undo_record_afterwards(by=cast.frida, appointment=visit, now=now)


def refused(kind: type[Refused], cast: Cast, visit: Appointment, **changes: Any) -> str:
    visit.refresh_from_db()
    before = (visit.status, visit.version, visit.started_at, AuditEvent.objects.count())
    with pytest.raises(kind) as caught:
        record(cast, visit, **changes)
    visit.refresh_from_db()
    assert (visit.status, visit.version, visit.started_at, AuditEvent.objects.count()) == before
    return str(caught.value)


def items(visit: Appointment, kind: WorkItem.Kind) -> list[tuple[str, str]]:
    found = WorkItem.objects.filter(kind=kind, subject_id=visit.pk).order_by("created_at")
    return [("open" if item.closed_at is None else "closed", item.outcome) for item in found]


class TestRecordAfterwards:
    def test_works(self, cast: Cast, visit: Appointment) -> None:
        done = record(cast, visit, note="Dana fetched them at the door.")
        assert (done.status, done.started_at, done.recorded_at, done.recorded_by) == (
            S.COMPLETED, BEGAN, NEXT_DAY, cast.dana,
        )  # fmt: skip
        assert (done.record_reason, done.record_note) == (Why.WENT_STRAIGHT_IN, "Dana fetched them at the door.")
        # Nobody saw them arrive or looked at the clock when they went; neither is made up.
        assert (done.checked_in_at, done.finished_at) == (None, None)
        event = AuditEvent.objects.get(verb="appointment.recorded", subject_id=visit.pk)
        assert event.details == {"began_at": BEGAN.isoformat(), "reason": "went_straight_in", "was": "booked"}
        assert ResourceHold.objects.filter(appointment=visit, is_live=True).count() == 3

    def test_a_confirmed_one(self, cast: Cast, visit: Appointment) -> None:
        attendance.confirm(by=cast.frida, appointment=visit, seen_version=1, now=make.NOON)
        assert record(cast, visit).status == S.COMPLETED

    def test_the_desk_is_no_longer_asked(self, cast: Cast, visit: Appointment) -> None:
        recalls.ask_the_end(by=cast.sam, location=cast.denver, now=NEXT_DAY)
        record(cast, visit)
        assert items(visit, Kind.UNSETTLED_VISIT) == [("closed", "done")]

    def test_a_miss_that_was_a_mistake(self, cast: Cast, visit: Appointment) -> None:
        attendance.mark_no_show(by=cast.frida, appointment=visit, now=at("10:20"))
        done = record(cast, visit, reason=Why.MARKED_BY_MISTAKE)
        assert (done.status, done.no_show_at) == (S.COMPLETED, None)
        assert items(visit, Kind.CALL_PATIENT) == [("closed", "not_needed")]

    @pytest.mark.parametrize("minutes", [14, 15])
    def test_from_the_minute_on_that_a_miss_may_be_said(self, cast: Cast, visit: Appointment, minutes: int) -> None:
        now = TEN + timedelta(minutes=minutes)
        if minutes == 15:
            assert record(cast, visit, now).status == S.COMPLETED
            return
        assert refused(attendance.TooEarly, cast, visit, now=now) == (
            "It is too early to say that. If Quinn is here, check them in; else wait until Thu 14 Jan 2027 10:15 MST."
        )

    @pytest.mark.parametrize("seconds", [0, 1])
    def test_for_two_weeks(self, cast: Cast, visit: Appointment, seconds: int) -> None:
        now = visit.ends_at + timedelta(days=14, seconds=seconds)
        if seconds == 0:
            assert record(cast, visit, now).status == S.COMPLETED
            return
        assert refused(attendance.TooLate, cast, visit, now=now) == (
            "This visit was on Thu 14 Jan 2027, and a visit can be recorded for two weeks. "
            "Leave it as it is and tell a manager."
        )

    def test_on_another_day(self, cast: Cast, visit: Appointment) -> None:
        said = refused(attendance.NotThen, cast, visit, began_at=at("08:00", 15))
        assert said == "This visit was planned for Thu 14 Jan 2027. Give the time at which it began on that day."

    def test_still_to_come(self, cast: Cast, visit: Appointment) -> None:
        said = refused(attendance.NotThen, cast, visit, began_at=at("10:30"), now=at("10:20"))
        assert said == "Thu 14 Jan 2027 10:30 MST is still to come. Give the time at which the visit began."

    def test_twice_is_once(self, cast: Cast, visit: Appointment) -> None:
        record(cast, visit)
        said = refused(changes.NotPossibleNow, cast, visit, began_at=at("11:00"))
        assert said == "Quinn's visit is recorded already, since Fri 15 Jan 2027 09:00 MST."

    def test_somebody_who_was_checked_in(self, cast: Cast, visit: Appointment) -> None:
        attendance.check_in(by=cast.frida, appointment=visit, now=TEN)
        said = refused(changes.NotPossibleNow, cast, visit)
        assert said == "Quinn's visit cannot be recorded afterwards: its state is “here”."

    def test_a_cancelled_one(self, cast: Cast, visit: Appointment) -> None:
        changes.cancel(
            by=cast.frida, appointment=visit, cancelled_by=Appointment.CancelledBy.PATIENT, note="", seen_version=1,
            reason=Appointment.CancelReason.ILLNESS, now=make.NOON,
        )  # fmt: skip
        assert "its state is “cancelled”" in refused(changes.NotPossibleNow, cast, visit)

    @pytest.mark.parametrize(("died", "may"), [(at("23:00", 13), False), (at("08:00", 15), True)])
    def test_a_death(self, cast: Cast, died: datetime, may: bool) -> None:
        """Somebody who died the day after was here the day before."""
        vera = make.make_patient(cast.denver, "Vera", "Abbott")
        visit = book(cast, vera)
        vera.life_state, vera.life_state_since = LifeState.DECEASED, died
        vera.save()
        if may:
            assert record(cast, visit).status == S.COMPLETED
            return
        assert refused(placing.NotInCare, cast, visit).startswith("Vera Abbott was recorded as deceased before that.")

    @pytest.mark.parametrize(
        "wrong", [{"recorded_by": None}, {"record_reason": ""}, {"started_at": None}, {"status": S.NO_SHOW}]
    )
    def test_the_database_has_the_last_word(self, cast: Cast, visit: Appointment, wrong: dict[str, Any]) -> None:
        record(cast, visit)
        with pytest.raises(IntegrityError), transaction.atomic():
            Appointment.objects.filter(pk=visit.pk).update(**wrong)


class TestUndo:
    @pytest.mark.parametrize("minutes", [0, 10])
    def test_within_ten_minutes(self, cast: Cast, visit: Appointment, minutes: int) -> None:
        record(cast, visit)
        done = undo(cast, visit, NEXT_DAY + timedelta(minutes=minutes))
        assert (done.status, done.started_at, done.recorded_at, done.recorded_by) == (S.BOOKED, None, None, None)
        assert (done.record_reason, done.record_note) == ("", "")
        assert AuditEvent.objects.filter(verb="appointment.record_undone", subject_id=visit.pk).count() == 1
        assert record(cast, visit, reason=Why.FORGOTTEN).record_reason == Why.FORGOTTEN

    def test_the_desk_is_asked_again_of_a_past_day(self, cast: Cast, visit: Appointment) -> None:
        recalls.ask_the_end(by=cast.sam, location=cast.denver, now=NEXT_DAY)
        record(cast, visit)
        undo(cast, visit)
        assert items(visit, Kind.UNSETTLED_VISIT) == [("closed", "done"), ("open", "")]

    def test_on_the_day_the_board_asks(self, cast: Cast, visit: Appointment) -> None:
        record(cast, visit, at("12:00"))
        undo(cast, visit, at("12:05"))
        assert items(visit, Kind.UNSETTLED_VISIT) == []

    @pytest.mark.parametrize("recorded", [at("10:30"), NEXT_DAY])
    def test_a_miss_is_a_miss_again(self, cast: Cast, visit: Appointment, recorded: datetime) -> None:
        """What it held was given away, so it cannot be planned; and whoever was to be called still is."""
        attendance.mark_no_show(by=cast.frida, appointment=visit, now=at("10:20"))
        record(cast, visit, recorded, reason=Why.MARKED_BY_MISTAKE)
        again = undo(cast, visit, recorded + timedelta(minutes=1))
        assert (again.status, again.no_show_at, again.started_at) == (S.NO_SHOW, recorded + timedelta(minutes=1), None)
        assert items(visit, Kind.CALL_PATIENT) == [("closed", "not_needed"), ("open", "")]
        assert items(visit, Kind.UNSETTLED_VISIT) == []
        assert not ResourceHold.objects.filter(appointment=visit, is_live=True).exists()

    def test_a_call_that_was_made_is_not_asked_for_again(self, cast: Cast, visit: Appointment) -> None:
        attendance.mark_no_show(by=cast.frida, appointment=visit, now=at("10:20"))
        call = WorkItem.objects.get(kind=Kind.CALL_PATIENT, subject_id=visit.pk)
        worklist.close_item(by=cast.frida, item=call, outcome=WorkItem.Outcome.DONE, note="", now=at("11:00"))
        record(cast, visit)
        undo(cast, visit)
        assert items(visit, Kind.CALL_PATIENT) == [("closed", "done")]

    def test_what_is_recorded_cannot_be_missed(self, cast: Cast, visit: Appointment) -> None:
        done = record(cast, visit)
        assert not done.can_be_missed(NEXT_DAY)
        with pytest.raises(changes.NotPossibleNow):
            attendance.mark_no_show(by=cast.frida, appointment=visit, now=NEXT_DAY)

    def test_too_late(self, cast: Cast, visit: Appointment) -> None:
        record(cast, visit)
        with pytest.raises(attendance.TooLate, match="can be taken back for ten minutes"):
            undo(cast, visit, NEXT_DAY + timedelta(minutes=10, seconds=1))

    def test_nothing_to_undo(self, cast: Cast, visit: Appointment) -> None:
        with pytest.raises(changes.NotPossibleNow, match="no record to take back: Quinn's visit is “planned”"):
            undo(cast, visit)
        attendance.check_in(by=cast.frida, appointment=visit, now=TEN)
        attendance.start(by=cast.dana, appointment=visit, now=TEN)
        attendance.finish(by=cast.dana, appointment=visit, now=TEN)
        with pytest.raises(changes.NotPossibleNow, match="no record to take back: Quinn's visit is “done”"):
            undo(cast, visit)


@pytest.mark.django_db(transaction=True)
def test_six_at_once_are_one() -> None:
    cast = make_cast()
    visit = book(cast)
    results: list[object] = []

    def run() -> None:
        try:
            results.append(record(cast, visit).status)
        except changes.NotPossibleNow:
            results.append("refused")

    threads = [threading.Thread(target=in_thread(run)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(map(str, results)) == ["completed", *["refused"] * 5]
    assert AuditEvent.objects.filter(verb="appointment.recorded").count() == 1


def text_of(response: Any) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


class TestPage:
    SENT = {"began_at": "10:05", "reason": "nobody_at_desk", "note": ""}

    @pytest.fixture
    def desk(self, cast: Cast, visit: Appointment, signed_in: SignedIn) -> Any:
        with time_machine.travel(NEXT_DAY, tick=False):
            yield signed_in(cast.frida)

    def url(self, visit: Appointment, name: str = "record_afterwards") -> str:
        return reverse(f"sessions:{name}", args=[visit.pk])

    def test_from_the_visit_and_back(self, desk: Client, visit: Appointment) -> None:
        assert self.url(visit) in text_of(desk.get(self.url(visit, "appointment")))
        page = text_of(desk.get(self.url(visit)))
        assert "took place on Thu 14 Jan 2027 (times in MST)" in page
        # The board leads here past the visit's own page, and two people may have one name.
        assert "Quinn Abbott (born " in page
        answer = desk.post(self.url(visit), self.SENT, follow=True)
        told = text_of(answer)
        assert "Intake of Quinn Abbott on Thu 14 Jan 2027 10:05 MST is recorded as done." in told
        assert "Nobody was at the desk" in told
        assert "Take back the record" in told
        assert self.url(visit) not in told
        back = text_of(desk.post(self.url(visit, "undo_record_afterwards"), follow=True))
        assert "The visit of Quinn Abbott is as it was before. Say what became of it." in back
        visit.refresh_from_db()
        assert visit.status == S.BOOKED

    def test_on_the_day_it_asks_whether_they_are_still_here(
        self, cast: Cast, desk: Client, signed_in: SignedIn, visit: Appointment
    ) -> None:
        with time_machine.travel(at("12:00"), tick=False):
            assert "Is Quinn still here? Then check them in instead." in text_of(
                signed_in(cast.frida).get(self.url(visit))
            )

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"began_at": ""}, "Give the time at which the visit began, like 10:05."),
            ({"began_at": "25:99"}, "Give the time at which the visit began, like 10:05."),
            ({"reason": ""}, "Say why nobody was checked in."),
            ({"reason": "weather"}, "Say why nobody was checked in."),
            ({"reason": "other"}, "Say in a few words what happened."),
            ({"note": "x" * 301}, "300"),
        ],
    )
    def test_the_form_says_what_is_missing(
        self, desk: Client, visit: Appointment, wrong: dict[str, str], said: str
    ) -> None:
        answer = desk.post(self.url(visit), self.SENT | wrong)
        assert answer.status_code == 422
        assert said in text_of(answer)
        visit.refresh_from_db()
        assert visit.status == S.BOOKED

    def test_a_refusal_keeps_what_was_typed(self, desk: Client, cast: Cast, visit: Appointment) -> None:
        record(cast, visit)
        answer = desk.post(self.url(visit), self.SENT | {"note": "by the side door"})
        assert answer.status_code == 422
        assert "recorded already" in text_of(answer)
        assert "by the side door" in text_of(answer)

    def test_strangers(self, cast: Cast, desk: Client, visit: Appointment, signed_in: SignedIn) -> None:
        """The desk and every clinician of the place; nobody of Phoenix, no manager, no patient."""
        answers = {
            who: signed_in(getattr(cast, who)).get(self.url(visit)).status_code
            for who in ("felix", "milo", "nina", "theo", "dana", "ada", "petra", "omar", "olga", "quinn_user")
        }
        assert answers == {
            "felix": 200, "milo": 200, "nina": 200, "theo": 200, "dana": 200, "ada": 404, "petra": 403, "omar": 404,
            "olga": 404, "quinn_user": 403,
        }  # fmt: skip
        assert signed_in(cast.omar).post(self.url(visit), self.SENT).status_code == 404
        assert signed_in(cast.omar).post(self.url(visit, "undo_record_afterwards")).status_code == 404
        visit.refresh_from_db()
        assert visit.status == S.BOOKED

    def test_queries(self, cast: Cast, desk: Client, visit: Appointment) -> None:
        one = queries_of(desk, self.url(visit))
        for day in range(15, 44):
            make.make_appointment(cast.quinn, cast.intake, cast.dana, at("10:00", day), room=cast.room)
        assert queries_of(desk, self.url(visit)) == one


@pytest.mark.parametrize(("who", "offered"), [("frida", True), ("theo", True), ("petra", False)])
def test_today_offers_it_with_did_not_come(cast: Cast, signed_in: SignedIn, who: str, offered: bool) -> None:
    visit = make.make_appointment(cast.quinn, cast.intake, cast.dana, at("08:30", 13))
    url = reverse("sessions:record_afterwards", args=[visit.pk])
    for clock, is_time in (("08:44", False), ("08:45", True)):
        with time_machine.travel(at(clock, 13), tick=False):
            page = signed_in(getattr(cast, who)).get("/today/").content.decode()
        assert (f'href="{url}"' in page) is (is_time and offered)
