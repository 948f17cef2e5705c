"""Booking an intake: what it makes, what it refuses, twenty at once, and the page."""

import threading
from datetime import date, time, timedelta
from functools import partial
from typing import Any

import pytest
from psycopg2.extras import DateTimeTZRange

from clinic import localtime
from clinic.errors import Refused
from clinic.models import (
    AuditEvent,
    Closure,
    Membership,
    OpeningHours,
    OutboundMessage,
    Role,
    Room,
    TimeOff,
    User,
    WorkingHours,
)
from patients.models import LifeState, Referral
from sessions.actions import attendance, changes, holds, placing, visits
from sessions.models import Appointment, Block, Reminder, ResourceHold
from tests import factories as make
from tests.cast import Cast, make_cast

from .booking import TEN, at, book, clock, in_thread


@pytest.fixture
def accepted(cast: Cast) -> Referral:
    """Rosa, accepted and registered: her patient record is ``accepted.patient``."""
    rosa = make.make_patient(cast.denver, "Rosa", "Vega", email="rosa@post.example", life_state=LifeState.ENQUIRER)
    make.make_preference(rosa, cast.frida, "visit", "email")
    cast.rosa.patient, cast.rosa.status, cast.rosa.accepted_at = rosa, Referral.Status.ACCEPTED, make.NOON
    cast.rosa.save()
    return cast.rosa


class TestWorks:
    def test_a_visit_with_all_it_takes(self, cast: Cast, accepted: Referral) -> None:
        assert accepted.patient is not None
        cast.intake.overrun_minutes, cast.intake.turnover_minutes = 10, 5
        cast.intake.save()
        visit = book(cast, accepted.patient, referral=accepted)
        assert (visit.status, visit.starts_at, visit.ends_at) == ("booked", TEN, TEN + timedelta(minutes=75))
        holds = {(h.kind, h.resource_id, h.during.lower, h.during.upper) for h in ResourceHold.objects.all()}
        assert holds == {
            ("person", cast.dana.pk, visit.starts_at, visit.ends_at),
            ("patient", accepted.patient.pk, visit.starts_at, visit.ends_at),
            ("room", cast.room.pk, visit.starts_at, visit.ends_at + timedelta(minutes=15)),
        }
        block = Block.objects.get()
        assert (block.person, block.starts_at, block.ends_at) == (cast.dana, visit.starts_at, visit.ends_at)
        accepted.refresh_from_db()
        assert accepted.status == Referral.Status.BOOKED
        event = AuditEvent.objects.get(verb="appointment.booked")
        assert (event.subject_id, event.patient_id, event.location_id) == (
            visit.pk,
            accepted.patient.pk,
            cast.denver.pk,
        )
        assert OutboundMessage.objects.filter(subject_id=visit.pk, kind="visit_confirmation").count() == 1
        assert Reminder.objects.filter(appointment=visit, status="planned").exists()

    def test_a_known_patient_needs_no_enquiry(self, cast: Cast) -> None:
        assert book(cast).referral is None

    def test_from_the_patient_s_page_it_answers_their_enquiry(self, cast: Cast, accepted: Referral) -> None:
        """Or the desk is told to book an intake that is booked, and a second one is a press away."""
        assert accepted.patient is not None
        visit = book(cast, accepted.patient)
        accepted.refresh_from_db()
        assert (visit.referral, accepted.status) == (accepted, Referral.Status.BOOKED)

    def test_an_enquiry_elsewhere_or_decided_is_left_alone(self, cast: Cast, accepted: Referral) -> None:
        assert accepted.patient is not None
        accepted.location = cast.phoenix
        accepted.save()
        assert book(cast, accepted.patient).referral is None
        accepted.refresh_from_db()
        assert accepted.status == Referral.Status.ACCEPTED

    def test_back_to_back(self, cast: Cast) -> None:
        book(cast)
        assert book(cast, cast.pat, starts_at=at("11:15")).room == cast.room

    def test_on_the_spring_forward_day(self, cast: Cast) -> None:
        """A visit on the day Denver's clocks change is at ten by the wall, and lasts its minutes."""
        OpeningHours.objects.create(location=cast.denver, weekday=6, opens=time(8), closes=time(18))
        WorkingHours.objects.create(
            user=cast.dana, location=cast.denver, weekday=6, starts=time(8), ends=time(17), valid_from=date(2020, 1, 1)
        )
        ten = localtime.at(date(2027, 3, 14), time(10), cast.denver.tz)
        visit = book(cast, starts_at=ten)
        assert localtime.moment_text(visit.starts_at, cast.denver.tz) == "Sun 14 Mar 2027 10:00 MDT"
        assert visit.ends_at - visit.starts_at == timedelta(minutes=75)


class TestRefuses:
    def refused(self, cast: Cast, kind: type[Refused], **changes: Any) -> str:
        before = Appointment.objects.count()
        with pytest.raises(kind) as caught:
            book(cast, **changes)
        assert Appointment.objects.count() == before
        return str(caught.value)

    def test_the_past(self, cast: Cast) -> None:
        assert self.refused(cast, placing.InThePast, now=at("10:01")) == "This time has passed. Choose a later one."

    def test_a_time_of_last_week_that_is_taken(self, cast: Cast) -> None:
        """Somebody sends a form that has been open for days: they get openings from now on, and no error."""
        book(cast, cast.pat)
        now = at("09:01", 28)
        with pytest.raises(holds.SlotTaken) as refused:
            book(cast, now=now)
        found = refused.value.alternatives
        assert (len(found), all(one.starts_at > now for one in found)) == (3, True)

    def test_off_the_grid(self, cast: Cast) -> None:
        assert "every 15 minutes" in self.refused(cast, placing.OffTheGrid, starts_at=at("10:05"))

    @pytest.mark.parametrize("start", ["07:00", "17:00"])
    def test_outside_opening_hours(self, cast: Cast, start: str) -> None:
        assert "Denver is not open" in self.refused(cast, placing.OutsideHours, starts_at=at(start))

    def test_on_a_day_it_is_shut(self, cast: Cast) -> None:
        assert "Denver is not open" in self.refused(cast, placing.OutsideHours, starts_at=at("10:00", 16))

    def test_in_a_closure(self, cast: Cast) -> None:
        Closure.objects.create(
            location=cast.denver, name="Snow", during=DateTimeTZRange(at("11:00"), at("12:00")), entered_by=cast.ada,
            entered_at=make.NOON,
        )  # fmt: skip
        assert "shut that day" in self.refused(cast, placing.OutsideHours)

    def test_outside_working_hours(self, cast: Cast) -> None:
        assert "Dana Deng does not work for the whole" in self.refused(
            cast, placing.OutsideHours, starts_at=at("16:00")
        )

    def test_in_time_off(self, cast: Cast) -> None:
        TimeOff.objects.create(
            user=cast.dana, during=DateTimeTZRange(at("11:00"), at("12:00")), reason="training", entered_by=cast.ada,
            entered_at=make.NOON,
        )  # fmt: skip
        assert self.refused(cast, placing.OutsideHours).startswith("Dana Deng is away then.")

    @pytest.mark.parametrize("who", ["theo", "omar", "frida"])
    def test_somebody_without_the_role_here(self, cast: Cast, who: str) -> None:
        said = self.refused(cast, placing.WrongClinician, clinician=getattr(cast, who))
        assert "does not work as a prescriber in Denver" in said

    def test_somebody_who_left(self, cast: Cast) -> None:
        Membership.objects.filter(user=cast.dana).update(ended_at=make.NOON)
        assert "does not work as a prescriber in Denver" in self.refused(cast, placing.WrongClinician)

    def test_a_room_elsewhere_out_of_use_missing_or_of_another_kind(self, cast: Cast) -> None:
        assert "consulting room in Denver" in self.refused(cast, placing.WrongRoom, room=cast.phoenix_room)
        self.refused(cast, placing.WrongRoom, room=None)
        self.refused(cast, placing.WrongRoom, room=make.make_room(cast.denver, kind=Room.Kind.DOSING))
        Room.objects.filter(pk=cast.room.pk).update(is_in_use=False)
        self.refused(cast, placing.WrongRoom)

    @pytest.mark.parametrize("state", [LifeState.DISCHARGED, LifeState.DECEASED])
    def test_a_patient_out_of_care(self, cast: Cast, state: LifeState) -> None:
        former = make.make_patient(cast.denver, "Vera", life_state=state)
        assert f"Vera is {state.label}" in self.refused(cast, placing.NotInCare, patient=former)

    def test_an_enquiry_that_is_new(self, cast: Cast) -> None:
        said = self.refused(cast, visits.NotReadyToBook, referral=cast.rosa)
        assert said.startswith("This enquiry is not ready to book. Accept it and register Rosa")

    def test_an_enquiry_of_somebody_else(self, cast: Cast, accepted: Referral) -> None:
        said = self.refused(cast, visits.NotReadyToBook, referral=accepted, patient=cast.quinn)
        assert said == "This enquiry is somebody else's. Open it again and book from there."

    def test_an_enquiry_of_another_location(self, cast: Cast, accepted: Referral) -> None:
        said = self.refused(
            cast, visits.NotReadyToBook, referral=accepted, patient=accepted.patient, location=cast.phoenix,
            clinician=cast.omar, room=cast.phoenix_room,
        )  # fmt: skip
        assert "another location" in said

    def test_an_enquiry_twice(self, cast: Cast, accepted: Referral) -> None:
        book(cast, accepted.patient, referral=accepted)
        said = self.refused(
            cast, visits.NotReadyToBook, referral=accepted, patient=accepted.patient, starts_at=at("14:00")
        )
        assert "Rosa's intake is booked already" in said
        assert OutboundMessage.objects.filter(kind="visit_confirmation").count() == 1


class TestSecondIntake:
    """Somebody who has an intake to come gets another one only when that is said."""

    SAID = (
        "Quinn has an intake already: Thu 14 Jan 2027 10:00 MST with Dana Deng in Denver. "
        "Move that one, or say that a second is meant."
    )

    def second(self, cast: Cast, **changes: Any) -> Appointment:
        return book(cast, **{"starts_at": at("10:00", 21), **changes})

    def test_refused(self, cast: Cast) -> None:
        book(cast)
        with pytest.raises(visits.HasAnIntake) as caught:
            self.second(cast)
        assert str(caught.value) == self.SAID
        assert (Appointment.objects.count(), ResourceHold.objects.count()) == (1, 3)

    def test_when_it_is_meant(self, cast: Cast) -> None:
        book(cast)
        assert self.second(cast, second_is_meant=True).starts_at == at("10:00", 21)

    def test_the_soonest_is_named(self, cast: Cast) -> None:
        self.second(cast)
        book(cast, second_is_meant=True)
        with pytest.raises(visits.HasAnIntake, match="Thu 14 Jan 2027"):
            self.second(cast, starts_at=at("10:00", 28))

    def test_at_another_location_too(self, cast: Cast) -> None:
        make.make_appointment(cast.quinn, cast.intake, cast.omar, at("10:00", 20), location=cast.phoenix)
        with pytest.raises(visits.HasAnIntake, match="with Omar Osei in Phoenix"):
            self.second(cast)

    @pytest.mark.parametrize(
        "over",
        [
            {"status": "cancelled", "cancelled_at": make.NOON, "cancelled_by": "clinic", "cancel_reason": "other"},
            {"status": "no_show", "no_show_at": make.NOON},
            {"starts_at": make.NOON - timedelta(days=2)},
        ],
    )
    def test_one_that_is_over_does_not_count(self, cast: Cast, over: dict[str, Any]) -> None:
        make.make_appointment(cast.quinn, cast.intake, cast.dana, **{"starts_at": TEN, **over})
        assert self.second(cast).pk

    @pytest.mark.parametrize("here", [False, True])
    def test_one_they_are_late_for_or_wait_for_counts(self, cast: Cast, here: bool) -> None:
        visit = book(cast)
        if here:
            attendance.check_in(by=cast.frida, appointment=visit, now=at("09:50"))
        with pytest.raises(visits.HasAnIntake, match="Thu 14 Jan 2027 10:00"):
            self.second(cast, now=at("10:05"))

    def test_another_kind_does_not_count(self, cast: Cast) -> None:
        other = make.make_visit_type(code="follow_up", name="Follow-up")
        make.make_appointment(cast.quinn, other, cast.dana, TEN, room=cast.room)
        assert self.second(cast).pk
        assert self.second(cast, starts_at=at("10:00", 22), visit_type=other).pk

    @pytest.mark.django_db(transaction=True)
    def test_two_clerks_at_once(self) -> None:
        """Each on a time and in a room of its own: only the patient is the same."""
        cast = make_cast()
        drew = make.make_user("Drew Diaz")
        make.make_member(drew, cast.denver, Role.PRESCRIBER)
        make.make_working_hours(drew, cast.denver)
        gate, results = threading.Barrier(4), list[object]()

        def run(number: int) -> None:
            gate.wait()
            try:
                who, room = [(cast.dana, cast.room), (drew, cast.second_room)][number % 2]
                visit = book(cast, clinician=who, room=room, starts_at=at("10:00", 18 + number))
                results.append(visit.status)
            except Exception as refusal:
                results.append(type(refusal))

        threads = [threading.Thread(target=in_thread(partial(run, n))) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(map(str, results)) == sorted(["booked", *[str(visits.HasAnIntake)] * 3])
        assert Appointment.objects.count() == 1


class TestTaken:
    """The same clinician, room or patient twice: refused with the three nearest, and nothing is left behind."""

    def taken(self, cast: Cast, **changes: Any) -> holds.SlotTaken:
        book(cast)
        before = ResourceHold.objects.count()
        with pytest.raises(holds.SlotTaken) as caught:
            book(cast, **changes)
        assert (Appointment.objects.count(), ResourceHold.objects.count()) == (1, before)
        return caught.value

    def test_the_clinician(self, cast: Cast) -> None:
        taken = self.taken(cast, patient=cast.pat, room=cast.second_room)
        assert str(taken) == "Dana Deng is taken at that time."
        assert [clock(o.starts_at) for o in taken.alternatives] == ["08:30", "08:45", "11:15"]

    def test_the_room(self, cast: Cast) -> None:
        second = make.make_user("Drew Diaz")
        make.make_member(second, cast.denver, Role.PRESCRIBER)
        make.make_working_hours(second, cast.denver)
        taken = self.taken(cast, patient=cast.pat, clinician=second)
        assert str(taken) == "Aspen is taken, or being prepared, at that time."
        first = next(o for o in taken.alternatives if o.starts_at == TEN)
        assert (first.clinician_id, first.room_id) == (second.pk, cast.second_room.pk)

    def test_the_patient_at_another_place(self, cast: Cast) -> None:
        taken = self.taken(
            cast, location=cast.phoenix, clinician=cast.omar, room=cast.phoenix_room, starts_at=at("11:00")
        )
        assert str(taken) == "Quinn has another visit at that time."
        assert all(o.room_id == cast.phoenix_room.pk for o in taken.alternatives)
        assert [clock(o.starts_at) for o in taken.alternatives] == ["11:15", "11:30", "11:45"]

    def test_the_room_s_tail(self, cast: Cast) -> None:
        """Scenario 11: overrun and turnover count as occupied for the room, and for nobody else."""
        cast.intake.overrun_minutes, cast.intake.turnover_minutes = 30, 15
        cast.intake.save()
        taken = self.taken(cast, patient=cast.pat, starts_at=at("11:30"))
        assert str(taken).startswith("Aspen is taken, or being prepared")
        assert book(cast, cast.pat, starts_at=at("12:00")).starts_at == at("12:00")

    def test_the_tail_is_the_room_s_alone(self, cast: Cast) -> None:
        cast.intake.turnover_minutes = 45
        cast.intake.save()
        book(cast)
        assert book(cast, cast.pat, starts_at=at("11:15"), room=cast.second_room).clinician == cast.dana

    def test_the_constraint_has_the_last_word(self, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
        """Were the look before the leap forgotten, the database would still refuse, in the same words."""
        for look in ("glance", "guard"):
            monkeypatch.setattr(placing, look, lambda *_, **__: None)
        taken = self.taken(cast, patient=cast.pat)
        assert str(taken) == "This time has just been taken."
        assert len(taken.alternatives) == 3

    def test_another_constraint_is_not_hidden(self, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(placing, "guard", lambda *_, **__: None)
        cast.intake.minutes = 0
        with pytest.raises(Exception, match="appointment_ends_after_start"):
            book(cast)


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_twenty_on_one_slot(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """D24: one booking, nineteen sentences with three alternatives, no deadlock, no orphan hold, no second letter."""
        # On a loaded machine twenty may queue for longer than a clerk should; who waits too long has a test of its own.
        monkeypatch.setattr(holds, "LOCK_WAIT", "60s")
        cast = make_cast()
        people = [make.make_patient(cast.denver, f"Runner{n}") for n in range(20)]
        for patient in people:
            make.make_preference(patient, cast.frida, "visit", "email")
        gate, results = threading.Barrier(20), list[Appointment | Exception]()

        def run(n: int) -> None:
            gate.wait()
            try:
                results.append(book(cast, people[n], room=cast.room if n % 2 else cast.second_room))
            except Exception as refusal:
                results.append(refusal)

        threads = [threading.Thread(target=in_thread(partial(run, n))) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        booked = [r for r in results if isinstance(r, Appointment)]
        refused = [r for r in results if isinstance(r, holds.SlotTaken)]
        assert (len(booked), len(refused)) == (1, 19), results
        assert {str(r) for r in refused} == {"Dana Deng is taken at that time."}
        assert {len(r.alternatives) for r in refused} == {3}
        assert set(ResourceHold.objects.values_list("appointment", flat=True)) == {booked[0].pk}
        assert ResourceHold.objects.count() == 3
        assert OutboundMessage.objects.filter(kind="visit_confirmation").count() == 1

    def test_crossing_orders_do_not_deadlock(self) -> None:
        """Two visits swap rooms and people at once: whoever comes second waits or is told, nobody is shot."""
        cast = make_cast()
        second = make.make_user("Drew Diaz")
        make.make_member(second, cast.denver, Role.PRESCRIBER)
        make.make_working_hours(second, cast.denver)
        one = book(cast, cast.quinn)
        two = book(cast, cast.pat, clinician=second, room=cast.second_room)
        # Two wait at it, and then it is there for the next two.
        gate = threading.Barrier(2)
        problems: list[Exception] = []

        def move(visit: Appointment, clinician: User, room: Room, clock_time: str) -> None:
            gate.wait()
            visit.refresh_from_db()
            try:
                changes.reschedule(
                    by=cast.frida, appointment=visit, clinician=clinician, room=room, starts_at=at(clock_time),
                    seen_version=visit.version, now=make.NOON,
                )  # fmt: skip
            except holds.SlotTaken:
                pass
            except Exception as problem:
                problems.append(problem)

        for _round in range(5):
            threads = [
                threading.Thread(target=in_thread(lambda: move(one, second, cast.second_room, "10:15"))),
                threading.Thread(target=in_thread(lambda: move(two, cast.dana, cast.room, "10:15"))),
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
            assert not problems
            assert ResourceHold.objects.filter(is_live=True).count() == 6

    def test_waiting_too_long_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cast = make_cast()
        monkeypatch.setattr(holds, "LOCK_WAIT", "200ms")
        holding, done = threading.Event(), threading.Event()

        def hold() -> None:
            from django.db import transaction

            with transaction.atomic():
                list(Room.objects.select_for_update(no_key=True).filter(pk=cast.room.pk))
                holding.set()
                done.wait(10)

        thread = threading.Thread(target=in_thread(hold))
        thread.start()
        holding.wait(10)
        try:
            with pytest.raises(holds.Busy, match="try again in a moment"):
                book(cast)
        finally:
            done.set()
            thread.join(10)
        assert book(cast).status == "booked"
