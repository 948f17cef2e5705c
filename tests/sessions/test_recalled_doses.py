"""A dose that was missed, is recorded afterwards as given, and lies too near one that was booked since: the desk is asked."""

from datetime import timedelta

import pytest

from clinic.models import WorkItem
from sessions.actions import attendance, recalls
from sessions.models import Appointment
from tests.cast import Cast

from .booking import TEN
from .dosing import book_dose, dosing_room, may_be_dosed, monitor, publish_dosing, team

Kind = WorkItem.Kind
AFTERWARDS = TEN + timedelta(hours=5)


def look(cast: Cast) -> list[WorkItem]:
    recalls.find(by=cast.sam, location=cast.denver, now=AFTERWARDS)
    return list(WorkItem.objects.open().filter(kind=Kind.RECALL))


@pytest.fixture
def missed(cast: Cast) -> Appointment:
    """Return a dose on Thursday at ten of which "did not come" was said an hour later."""
    publish_dosing(cast)
    quinn = may_be_dosed(cast, cast.quinn)
    visit = book_dose(cast, quinn, team(cast, monitor(cast)), dosing_room(cast))
    return attendance.mark_no_show(by=cast.frida, appointment=visit, now=TEN + timedelta(hours=1))


def book_next(cast: Cast, missed: Appointment, days: int) -> Appointment:
    with_team = team(cast, monitor(cast, "Monitor 2"))
    return book_dose(
        cast, missed.patient, with_team, dosing_room(cast, "Elder"), starts_at=TEN + timedelta(days=days),
        now=TEN + timedelta(hours=2),
    )  # fmt: skip


def record(cast: Cast, missed: Appointment) -> None:
    attendance.record_afterwards(
        by=cast.dana,
        appointment=missed,
        began_at=TEN,
        reason=Appointment.RecordReason.NO_SYSTEM,
        note="",
        now=AFTERWARDS,
    )


def test_the_desk_is_asked_about_the_one_that_is_too_near(cast: Cast, missed: Appointment) -> None:
    following = book_next(cast, missed, days=1)
    assert look(cast) == []
    record(cast, missed)
    [item] = look(cast)
    assert item.subject_id == following.pk
    assert item.patient_id == following.patient_id
    words = str(recalls.hindrances([following], location=cast.denver, now=AFTERWARDS)[following.pk].words)
    assert words.startswith("There are less than 72 hours to the dose on Thu")
    assert "10:00" in words
    assert words.endswith("Move this visit to a later time, and tell the patient.")


def test_taking_the_record_back_takes_the_question_back(cast: Cast, missed: Appointment) -> None:
    book_next(cast, missed, days=1)
    record(cast, missed)
    assert len(look(cast)) == 1
    attendance.undo_record_afterwards(by=cast.dana, appointment=missed, now=AFTERWARDS + timedelta(minutes=1))
    assert look(cast) == []


def test_far_enough_away_asks_nothing(cast: Cast, missed: Appointment) -> None:
    book_next(cast, missed, days=4)
    record(cast, missed)
    assert look(cast) == []


def test_what_somebody_decided_before_the_record_is_asked_again_and_after_it_is_not(
    cast: Cast, missed: Appointment
) -> None:
    following = book_next(cast, missed, days=1)
    record(cast, missed)
    [item] = look(cast)
    WorkItem.objects.filter(pk=item.pk).update(closed_at=AFTERWARDS, closed_by=cast.frida, outcome="done")
    assert look(cast) == []
    WorkItem.objects.filter(pk=item.pk).update(closed_at=AFTERWARDS - timedelta(hours=1))
    assert [again.subject_id for again in look(cast)] == [following.pk]
