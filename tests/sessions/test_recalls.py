"""Visits that cannot take place as booked, and visits without an end: the desk is asked, once, and told why."""

from collections.abc import Callable
from datetime import datetime, time, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from clinic.actions import hours, people, worklist
from clinic.models import Membership, Role, Room, TimeOff, WorkingHours, WorkItem
from patients.actions import patients
from patients.models import LifeState
from sessions.actions import attendance, changes, recalls
from sessions.models import Appointment
from sessions.tasks import look_after_visits
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

from .booking import TEN, at, book

Kind = WorkItem.Kind
NOON = make.NOON


def look(cast: Cast, now: datetime = NOON) -> int:
    return recalls.find(by=cast.sam, location=cast.denver, now=now)


def waiting(visit: Appointment, kind: str = Kind.RECALL) -> list[WorkItem]:
    return list(WorkItem.objects.open().filter(kind=kind, subject_id=visit.pk))


def discharge(cast: Cast) -> None:
    patients.change_life_state(by=cast.frida, patient=cast.quinn, to=LifeState.DISCHARGED, now=NOON)


def die(cast: Cast) -> None:
    patients.change_life_state(by=cast.frida, patient=cast.quinn, to=LifeState.DECEASED, now=NOON)


def leave(cast: Cast) -> None:
    people.leave(by=cast.ada, person=cast.dana, now=NOON)


def lose_the_role(cast: Cast) -> None:
    people.end_membership(by=cast.ada, membership=Membership.objects.get(user=cast.dana), now=NOON)


def go_away(cast: Cast) -> None:
    hours.enter_time_off(
        by=cast.ada, user=cast.dana, location=cast.denver, first=TEN.date(), last=TEN.date(),
        reason=TimeOff.Reason.ILLNESS, despite=9, now=NOON,
    )  # fmt: skip


def shut(cast: Cast) -> None:
    hours.enter_closure(
        by=cast.ada, location=cast.denver, name="Snow", first=TEN.date(), last=TEN.date(), despite=9, now=NOON,
    )  # fmt: skip


def close_the_room(cast: Cast) -> None:
    Room.objects.filter(pk=cast.room.pk).update(is_in_use=False)


def work_less(cast: Cast) -> None:
    WorkingHours.objects.filter(user=cast.dana).update(starts=time(13))


def open_later(cast: Cast) -> None:
    hours.set_opening_hours(
        by=cast.ada, location=cast.denver, week={day: (time(12), time(18)) for day in range(5)}, now=NOON
    )  # fmt: skip


CAUSES: list[tuple[Callable[[Cast], None], str]] = [
    (discharge, "discharged"), (die, "has died"), (leave, "no longer works here"), (lose_the_role, "no longer works here"),
    (go_away, "clinician is away"), (shut, "location is shut"), (close_the_room, "room is no longer in use"),
    (work_less, "outside opening or working hours"), (open_later, "outside opening or working hours"),
]  # fmt: skip


class TestFind:
    @pytest.mark.parametrize(("cause", "words"), CAUSES)
    def test_the_desk_is_asked_once_and_told_why(
        self, cast: Cast, now: datetime, signed_in: SignedIn, cause: Callable[[Cast], None], words: str
    ) -> None:
        visit = book(cast)
        assert look(cast) == 0
        cause(cast)
        assert look(cast) == 1
        assert look(cast) == 0
        [item] = waiting(visit)
        assert (item.owner_role, item.patient_id, item.due_at) == (
            Role.FRONT_DESK, cast.quinn.pk, min(NOON + timedelta(days=1), TEN - timedelta(hours=3)),
        )  # fmt: skip
        page = signed_in(cast.frida).get(reverse("sessions:appointment", args=[visit.pk])).content.decode()
        assert "This visit cannot take place as booked" in page
        assert words in page

    def test_cancelled_or_moved_it_is_off_the_list(self, cast: Cast) -> None:
        visit = book(cast)
        go_away(cast)
        look(cast)
        changes.reschedule(
            by=cast.frida, appointment=visit, clinician=cast.dana, room=cast.room, starts_at=at("10:00", 18),
            seen_version=1, now=NOON,
        )  # fmt: skip
        look(cast)
        assert waiting(visit) == []
        assert WorkItem.objects.get(kind=Kind.RECALL).outcome == "not_needed"

    def test_what_a_person_decided_is_not_asked_again_until_something_new_happens(self, cast: Cast) -> None:
        visit = book(cast)
        go_away(cast)
        look(cast)
        [item] = waiting(visit)
        later = NOON + timedelta(hours=1)
        worklist.close_item(
            by=cast.frida, item=item, outcome=WorkItem.Outcome.DONE, note="Dana comes in for it.", now=later
        )
        assert look(cast, later) == 0
        patients.change_life_state(
            by=cast.frida, patient=cast.quinn, to=LifeState.DECEASED, now=later + timedelta(hours=1)
        )
        assert look(cast, later + timedelta(hours=2)) == 1

    def test_what_is_over_or_elsewhere_is_left_alone(self, cast: Cast) -> None:
        book(cast)
        go_away(cast)
        assert look(cast, TEN + timedelta(hours=1)) == 0
        assert recalls.find(by=cast.sam, location=cast.phoenix, now=NOON) == 0

    def test_as_many_queries_for_thirty_visits_as_for_one(self, cast: Cast) -> None:
        book(cast)
        look(cast)
        with CaptureQueriesContext(connection) as one:
            look(cast)
        for day in range(18, 23):
            for number in range(6):
                patient = make.make_patient(cast.denver)
                make.make_appointment(
                    patient, cast.intake, cast.dana, at("08:00", day) + number * timedelta(minutes=90)
                )
        with CaptureQueriesContext(connection) as many:
            look(cast)
        assert len(one) == len(many) <= 12


class TestAskTheEnd:
    def ask(self, cast: Cast, now: datetime) -> int:
        return recalls.ask_the_end(by=cast.sam, location=cast.denver, now=now)

    def test_a_visit_nobody_settled_is_asked_about_the_next_day(self, cast: Cast) -> None:
        visit = book(cast)
        assert self.ask(cast, at("23:59")) == 0
        assert self.ask(cast, at("00:01", 15)) == 1
        assert self.ask(cast, at("00:06", 15)) == 0
        assert len(waiting(visit, Kind.UNSETTLED_VISIT)) == 1
        attendance.mark_no_show(by=cast.frida, appointment=visit, now=at("09:00", 15))
        self.ask(cast, at("09:05", 15))
        assert waiting(visit, Kind.UNSETTLED_VISIT) == []

    def test_closed_by_hand_it_is_not_asked_again(self, cast: Cast) -> None:
        visit = book(cast)
        self.ask(cast, at("08:00", 15))
        [item] = waiting(visit, Kind.UNSETTLED_VISIT)
        worklist.close_item(by=cast.frida, item=item, outcome=WorkItem.Outcome.DONE, note="Came.", now=at("08:10", 15))
        assert self.ask(cast, at("08:15", 15)) == 0

    def test_a_visit_that_has_its_end_is_not(self, cast: Cast) -> None:
        visit = book(cast)
        for act in (attendance.check_in, attendance.start, attendance.finish):
            act(by=cast.frida, appointment=visit, now=TEN)
        assert self.ask(cast, at("08:00", 15)) == 0


def test_the_clock_looks_at_every_location(cast: Cast, now: datetime) -> None:
    visit = book(cast)
    die(cast)
    look_after_visits()
    look_after_visits()
    assert len(waiting(visit)) == 1
