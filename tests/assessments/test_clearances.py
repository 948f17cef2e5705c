"""Clearances: opened, moved with the packet, suspended, run out, withdrawn, decided. And never otherwise."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from assessments.actions import clearances
from assessments.models import Clearance, ClearanceMove
from clinic.models import AuditEvent, Role, WorkItem
from patients.models import LifeState
from tests import factories as make
from tests.cast import Cast

Status = Clearance.Status


def _open_items(clearance: Clearance) -> list[WorkItem]:
    return list(WorkItem.objects.open().filter(kind=WorkItem.Kind.CLEARANCE_REVIEW, subject_id=clearance.pk))


def test_a_question_is_opened_once_and_moves_with_its_packet(cast: Cast, now: datetime) -> None:
    first = clearances.open_clearance(by=cast.frida, patient=cast.pat, now=now)
    again = clearances.open_clearance(by=cast.frida, patient=cast.pat, now=now)
    assert first == again
    assert first.status == Status.INVITED
    assert first.version == 1

    begun = clearances.packet_moved(by=cast.pat_user, patient=cast.pat, status=Status.PACKET_IN_PROGRESS, now=now)
    assert begun == first
    assert begun.status == Status.PACKET_IN_PROGRESS
    assert _open_items(first) == []
    clearances.packet_moved(by=cast.pat_user, patient=cast.pat, status=Status.PACKET_IN_PROGRESS, now=now)

    done = clearances.packet_moved(by=cast.pat_user, patient=cast.pat, status=Status.PACKET_SUBMITTED, now=now)
    assert done.status == Status.PACKET_SUBMITTED
    assert done.version == 3
    (item,) = _open_items(first)
    assert item.owner_role == Role.PRESCRIBER
    assert item.patient_id == cast.pat.pk
    assert item.location == cast.denver
    moves = ClearanceMove.objects.filter(clearance=first).order_by("at", "id")
    assert [(move.from_status, move.to_status, move.cause) for move in moves] == [
        ("", "invited", "person"),
        ("invited", "packet_in_progress", "packet"),
        ("packet_in_progress", "packet_submitted", "packet"),
    ]
    assert AuditEvent.objects.filter(verb="clearance.moved", patient_id=cast.pat.pk).count() == 3


@pytest.mark.parametrize("status", ["clinician_review", "medical_clearance_pending", "deferred"])
def test_what_is_handed_in_late_is_shown_to_prescribers_and_takes_nothing_back(
    cast: Cast, now: datetime, status: str
) -> None:
    clearance = make.make_clearance(cast.pat, status)
    clearances.packet_moved(by=cast.pat_user, patient=cast.pat, status=Status.PACKET_SUBMITTED, now=now)
    clearance.refresh_from_db()
    assert clearance.status == status
    assert len(_open_items(clearance)) == 1


def test_a_review_may_begin_without_a_packet_and_only_once(cast: Cast, now: datetime) -> None:
    clearance = clearances.begin_review(by=cast.dana, patient=cast.pat, now=now)
    assert clearance.status == Status.CLINICIAN_REVIEW
    assert len(_open_items(clearance)) == 1
    with pytest.raises(clearances.ReviewIsOpen, match="A review is open for this patient already"):
        clearances.begin_review(by=cast.dana, patient=cast.pat, now=now)


@pytest.mark.parametrize("state", [LifeState.DISCHARGED, LifeState.DECEASED])
def test_nobody_is_asked_about_who_left_care(cast: Cast, now: datetime, state: LifeState) -> None:
    patient = make.make_patient(cast.denver, life_state=state)
    with pytest.raises(clearances.NotInCare, match=f"this patient is {state.label}"):
        clearances.open_clearance(by=cast.dana, patient=patient, now=now)


def test_a_new_block_suspends_every_cleared_route_and_nothing_else(cast: Cast, now: datetime) -> None:
    tongue = make.make_clearance(cast.pat, "cleared", by=cast.dana)
    muscle = make.make_clearance(cast.pat, "cleared_with_conditions", by=cast.dana, route="im")
    asked = make.make_clearance(cast.pat, "packet_submitted")
    other = make.make_clearance(cast.quinn, "cleared", by=cast.dana)
    flag = make.make_flag(cast.pat, "CV-ANEUR", "block", trigger="condition:1")

    suspended = clearances.suspend(by=cast.nina, patient=cast.pat, flag=flag, now=now)

    assert {one.pk for one in suspended} == {tongue.pk, muscle.pk}
    for one in suspended:
        assert one.status == Status.SUSPENDED
        assert one.version == 2
        move = ClearanceMove.objects.get(clearance=one)
        assert (move.cause, move.flag, move.by) == ("new_block", flag, cast.nina)
        (item,) = _open_items(one)
        assert item.due_at == now + clearances.SUSPENDED_WITHIN
    asked.refresh_from_db()
    other.refresh_from_db()
    assert (asked.status, other.status) == (Status.PACKET_SUBMITTED, Status.CLEARED)
    assert clearances.suspend(by=cast.nina, patient=cast.pat, flag=flag, now=now) == []


def test_a_clearance_runs_out_after_its_last_day_in_the_clinics_zone(cast: Cast, now: datetime) -> None:
    """Denver is at 09:00 on the 13th; at 06:59 UTC on the 14th it is still the 13th there."""
    today = now.date()
    cleared = make.make_clearance(cast.pat, "cleared", by=cast.dana, expires_on=today)
    suspended = make.make_clearance(cast.quinn, "suspended", by=cast.dana, expires_on=today - timedelta(days=1))
    later = make.make_clearance(cast.sol, "cleared", by=cast.omar, expires_on=today + timedelta(days=1))
    midnight = datetime(2027, 1, 14, 7, tzinfo=now.tzinfo)

    assert clearances.expire_due(now=midnight - timedelta(minutes=1)) == 1
    cleared.refresh_from_db()
    suspended.refresh_from_db()
    assert (cleared.status, suspended.status) == (Status.CLEARED, Status.EXPIRED)
    assert clearances.expire_due(now=midnight) == 1
    assert clearances.expire_due(now=midnight) == 0
    cleared.refresh_from_db()
    later.refresh_from_db()
    assert (cleared.status, later.status) == (Status.EXPIRED, Status.CLEARED)
    assert ClearanceMove.objects.get(clearance=cleared).cause == "ran_out"


def test_one_that_cannot_be_ended_holds_up_no_other(cast: Cast, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = make.make_clearance(cast.pat, "cleared", by=cast.dana, expires_on=now.date() - timedelta(days=9))
    put_off = make.make_clearance(cast.quinn, "deferred", expires_on=now.date())
    real = clearances.move

    def fails_for_pat(*, clearance: Clearance, **more: Any) -> Clearance:
        if clearance.pk == broken.pk:
            raise ValueError("unreadable")
        return real(clearance=clearance, **more)

    monkeypatch.setattr(clearances, "move", fails_for_pat)
    assert clearances.expire_due(now=now) == 1
    put_off.refresh_from_db()
    assert put_off.status == Status.CLINICIAN_REVIEW


def test_what_was_put_off_comes_back_on_its_day(cast: Cast, now: datetime) -> None:
    clearance = make.make_clearance(cast.pat, "deferred", expires_on=now.date())
    tomorrow = make.make_clearance(cast.quinn, "deferred", expires_on=now.date() + timedelta(days=1))
    assert clearances.expire_due(now=now) == 1
    clearance.refresh_from_db()
    tomorrow.refresh_from_db()
    assert (clearance.status, tomorrow.status) == (Status.CLINICIAN_REVIEW, Status.DEFERRED)
    assert len(_open_items(clearance)) == 1


def test_the_patient_may_stop_at_any_time_and_once(cast: Cast, now: datetime) -> None:
    clearance = clearances.begin_review(by=cast.dana, patient=cast.pat, now=now)
    gone = clearances.withdraw(by=cast.theo, clearance=clearance, reason="By phone.", now=now)
    assert gone.status == Status.WITHDRAWN_BY_PATIENT
    assert _open_items(clearance) == []
    with pytest.raises(clearances.HasEnded, match="This has ended already"):
        clearances.withdraw(by=cast.theo, clearance=clearance, reason="Again.", now=now)


def test_the_database_lets_a_clearance_go_where_the_table_says_and_nowhere_else(cast: Cast) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = 'refuse_clearance_move'")
        (source,) = cursor.fetchone()
    there = set(re.findall(r"\('(\w+)', '(\w+)'\)", source))
    assert there == {(was, to) for was, ways in Clearance.MOVES.items() for to in ways}
    live = {status for status, ways in Clearance.MOVES.items() if ways}
    assert live == set(Clearance.LIVE)
    assert all(Status.WITHDRAWN_BY_PATIENT in Clearance.MOVES[status] for status in live)

    clearance = make.make_clearance(cast.pat, "declined")
    with pytest.raises(IntegrityError, match="does not go from declined to clinician_review"), transaction.atomic():
        Clearance.objects.filter(pk=clearance.pk).update(status=Status.CLINICIAN_REVIEW)
    with pytest.raises(ValueError, match="does not go from declined"):
        clearances.move(
            by=cast.dana, clearance=clearance, to=Status.CLINICIAN_REVIEW, cause="person", now=make.NOON
        )  # fmt: skip


def test_the_database_keeps_what_was_signed_until_another_signature(cast: Cast) -> None:
    clearance = make.make_clearance(cast.pat, "cleared", by=cast.dana)
    row = Clearance.objects.filter(pk=clearance.pk)
    for change in (
        {"max_mg": 400},
        {"max_sessions": 12},
        {"route": "im"},
        {"decided_by": cast.theo},
        {"expires_on": None},
    ):
        with pytest.raises(IntegrityError, match="changes only with another signature"), transaction.atomic():
            row.update(**change)
    for kept in (clearance, make.make_flag(cast.pat), make.make_alert(cast.pat)):
        with pytest.raises(IntegrityError, match=r"DELETE on .* is refused"), transaction.atomic():
            kept.delete()
    other = make.make_signature(cast.dana, cast.denver, purpose="clearance", subject_id=clearance.pk)
    assert row.update(max_mg=100, signature=other) == 1


def test_one_question_or_answer_a_route(cast: Cast) -> None:
    make.make_clearance(cast.pat, "suspended", by=cast.dana)
    make.make_clearance(cast.pat, "cleared", by=cast.dana, route="im")
    make.make_clearance(cast.pat, "expired")
    make.make_clearance(cast.pat, "clinician_review")
    for status, fields in (("cleared", {"by": cast.dana}), ("invited", {}), ("more_info_requested", {"route": "im"})):
        with pytest.raises(IntegrityError, match="clearance_one_a_route"), transaction.atomic():
            make.make_clearance(cast.pat, status, **fields)
