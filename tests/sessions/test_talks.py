"""The talk after a dose: a time is held for one that has none, once, and somebody decides."""

import threading
from datetime import datetime, timedelta

import pytest
from django.urls import reverse

from clinic.models import Room, TimeOff, WorkItem
from sessions import visitkinds
from sessions.actions import changes, talks, visits, visittypes, waitlist
from sessions.actions.holds import Team, team_of
from sessions.models import Appointment, Reminder, ResourceHold, VisitType
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

from .booking import at, in_thread
from .dosing import book_dose, dosing_room, may_be_dosed, monitor, publish_dosing, team

Kind, Status = WorkItem.Kind, Appointment.Status
SOON = make.NOON + talks.LEAVE_ALONE


@pytest.fixture
def room(cast: Cast) -> Room:
    return dosing_room(cast)


@pytest.fixture
def dose(cast: Cast, room: Room) -> Appointment:
    """A dose of Pat's on Monday the 18th at 10:00 with Theo, over at 12:30, and no talk."""
    publish_dosing(cast)
    row = next(row for row in visitkinds.FIRST_KINDS if row["code"] == "integration")
    visittypes.publish(by=cast.ada, now=make.NOON, **row)
    return book_dose(cast, may_be_dosed(cast, cast.pat), team(cast, monitor(cast)), room, starts_at=at("10:00", 18))


def held() -> list[Appointment]:
    return list(Appointment.objects.filter(status=Status.HELD).select_related("clinician", "visit_type"))


def look(cast: Cast, now: datetime = SOON) -> int:
    return talks.look_after(by=cast.ada, now=now)


def open_items(kind: WorkItem.Kind) -> list[WorkItem]:
    return list(WorkItem.objects.open().filter(kind=kind))


def cancel(cast: Cast, visit: Appointment, now: datetime) -> None:
    visit.refresh_from_db()
    changes.cancel(
        by=cast.frida, appointment=visit, cancelled_by=Appointment.CancelledBy.CLINIC,
        reason=Appointment.CancelReason.OTHER, note="", seen_version=visit.version, now=now,
    )  # fmt: skip


def book_talk(cast: Cast, starts_at: datetime, now: datetime) -> Appointment:
    return visits.book_visit(
        by=cast.frida, patient=cast.pat, team=Team((cast.tess,)), room=cast.room, starts_at=starts_at,
        location=cast.denver, visit_type=VisitType.objects.get(code="integration"), now=now,
    )  # fmt: skip


def test_a_dose_without_a_talk_gets_a_time_once_and_somebody_books_it(
    cast: Cast, signed_in: SignedIn, dose: Appointment, now: datetime
) -> None:
    # Whoever has just booked the dose is about to book its talk.
    assert look(cast, make.NOON + timedelta(minutes=5)) == 0
    assert [look(cast), look(cast)] == [1, 0]
    [talk] = held()
    # The earliest that is a day after its end, with whom the dose is, for two days.
    assert (talk.starts_at, talk.clinician, talk.held_until) == (at("12:30", 19), cast.theo, SOON + talks.HELD_FOR)
    assert not Reminder.objects.filter(appointment=talk).exists()
    [item] = open_items(Kind.TALK_TO_SET)
    assert (item.owner, item.subject_id, item.due_at) == (cast.theo, talk.pk, talk.held_until)
    client = signed_in(cast.frida)
    page = reverse("sessions:appointment", args=[talk.pk])
    assert "Book it: they said yes" in client.get(page).content.decode()
    address = reverse("sessions:confirm_appointment", args=[talk.pk])
    # Somebody who saw it as it was before is told.
    client.post(address, {"version": talk.version + 1})
    assert len(held()) == 1
    client.post(address, {"version": talk.version})
    talk.refresh_from_db()
    assert (talk.status, talk.held_until, open_items(Kind.TALK_TO_SET)) == (Status.BOOKED, None, [])
    assert ResourceHold.objects.filter(appointment=talk, is_live=True).count() == 3
    assert look(cast) == 0


def test_what_is_let_go_is_not_held_again_until_the_dose_moves(cast: Cast, dose: Appointment) -> None:
    look(cast)
    [talk] = held()
    later = SOON + timedelta(hours=1)
    cancel(cast, talk, later)
    assert look(cast, later + timedelta(hours=1)) == 0
    assert (held(), open_items(Kind.TALK_TO_SET), open_items(Kind.TALK_MISSING)) == ([], [], [])
    changes.move(
        by=cast.frida, appointment=dose, team=team_of(dose), room=dose.room, starts_at=at("11:00", 18), seen_version=1,
        now=later,
    )  # fmt: skip
    assert look(cast, later + talks.LEAVE_ALONE) == 1
    assert held()[0].starts_at == at("13:30", 19)


def test_what_nobody_decided_ends_and_stays_on_the_list(cast: Cast, dose: Appointment) -> None:
    look(cast)
    over = SOON + talks.HELD_FOR
    waitlist.look_after(by=cast.ada, now=over)
    assert [look(cast, over), look(cast, over + timedelta(hours=1))] == [0, 0]
    [item] = open_items(Kind.TALK_MISSING)
    assert (held(), open_items(Kind.TALK_TO_SET), item.subject_id, item.owner) == ([], [], dose.pk, cast.theo)
    book_talk(cast, at("09:00", 20), over)
    look(cast, over)
    assert open_items(Kind.TALK_MISSING) == []


def test_no_time_is_said(cast: Cast, dose: Appointment) -> None:
    for who in (cast.theo, cast.tess, cast.tara):
        TimeOff.objects.create(
            user=who, during=(at("00:00", 19), at("00:00", 23)), reason="holiday", entered_by=cast.ada,
            entered_at=make.NOON,
        )  # fmt: skip
    assert [look(cast), look(cast, SOON + timedelta(hours=1))] == [0, 0]
    [item] = open_items(Kind.TALK_MISSING)
    assert (item.subject_id, held()) == (dose.pk, [])
    cancel(cast, dose, SOON)
    look(cast, SOON + timedelta(hours=2))
    assert open_items(Kind.TALK_MISSING) == []


def test_a_talk_that_falls_out_is_held_anew_and_one_by_hand_ends_the_hold(cast: Cast, dose: Appointment) -> None:
    booked = book_talk(cast, at("09:00", 20), make.NOON)
    assert look(cast) == 0
    cancel(cast, booked, SOON)
    assert [look(cast), look(cast, SOON + talks.LEAVE_ALONE)] == [0, 1]
    book_talk(cast, at("09:00", 21), SOON)
    look(cast, SOON + talks.LEAVE_ALONE)
    assert (held(), open_items(Kind.TALK_TO_SET)) == ([], [])
    # Nor is anything held for a dose that does not take place.
    cancel(cast, dose, SOON)
    assert look(cast, SOON + timedelta(hours=1)) == 0


@pytest.mark.django_db(transaction=True)
def test_rounds_at_once_hold_one(cast: Cast, dose: Appointment) -> None:
    gate, made = threading.Barrier(3), list[int]()

    def run() -> None:
        gate.wait(20)
        made.append(look(cast))

    threads = [threading.Thread(target=in_thread(run)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (sorted(made), len(held())) == ([0, 0, 1], 1)
