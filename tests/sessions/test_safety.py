"""The day's small mistakes that reach a patient: a time nobody agreed to, a call that comes too late, nobody calling."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse

from clinic.models import WorkItem
from patients.models import ContactPreference, LifeState, Referral
from sessions.actions import attendance, changes, placing, wishes
from sessions.forms.visits import RescheduleForm
from sessions.models import Appointment, ChangeRequest
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

from .booking import TEN, at, book

Kind, S = WorkItem.Kind, Appointment.Status


def move(
    cast: Cast, visit: Appointment, starts_at: datetime, now: datetime = make.NOON, **differently: Any
) -> Appointment:
    values: dict[str, Any] = {
        "by": cast.felix, "appointment": visit, "clinician": cast.dana, "room": cast.room, "starts_at": starts_at,
        "seen_version": visit.version, "now": now,
    }  # fmt: skip
    return changes.reschedule(**{**values, **differently})


class TestConfirm:
    def test_a_yes_is_to_the_time_that_was_on_the_screen(self, cast: Cast) -> None:
        visit = book(cast)
        move(cast, visit, at("14:00", 15))
        with pytest.raises(changes.ChangedMeanwhile, match="It is now: Fri 15 Jan 2027 14:00 MST"):
            attendance.confirm(by=cast.frida, appointment=visit, seen_version=1, now=make.NOON)
        visit.refresh_from_db()
        assert visit.confirmed_at is None

    def test_the_page_sends_what_it_shows(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        visit = book(cast)
        client = signed_in(cast.frida)
        url = reverse("sessions:confirm_appointment", args=[visit.pk])
        page = client.get(reverse("sessions:appointment", args=[visit.pk])).content.decode()
        assert '<input type="hidden" name="version" value="1">' in page
        move(cast, visit, at("14:00", 15))
        for sent in ({"version": "1"}, {"version": "x"}, {}):
            told = client.post(url, sent, follow=True).content.decode()
            assert "Somebody changed this visit while you were looking at it." in told
        assert client.post(url, {"version": "2"}, follow=True).status_code == 200
        visit.refresh_from_db()
        assert visit.status == S.CONFIRMED


class TestSecondTry:
    """Whoever is told that a visit changed can decide again on the same page, with what they typed still there."""

    def test_cancelling(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        visit = book(cast)
        move(cast, visit, at("14:00", 15))
        client, url = signed_in(cast.frida), reverse("sessions:cancel_appointment", args=[visit.pk])
        sent = {"version": "1", "cancelled_by": "patient", "reason": "work", "note": "Called at nine"}
        response = client.post(url, sent)
        page = response.content.decode()
        assert response.status_code == 422
        assert "Called at nine" in page
        assert page.count("Fri 15 Jan 2027 14:00 MST") >= 2, "in the sentence and above the form"
        assert page.count("Thu 14 Jan 2027 10:00") == page.count("<del>Thu 14 Jan 2027 10:00") == 1, "as what it was"
        assert response.context["form"]["version"].value() == "2"
        assert client.post(url, {**sent, "version": "2"}).status_code == 302

    def test_moving(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        visit = book(cast)
        move(cast, visit, at("14:00", 15))
        url = reverse("sessions:reschedule", args=[visit.pk])
        slot = f"{at('11:00', 15):%Y-%m-%d}T18:00Z~{cast.dana.pk}~{cast.room.pk}"
        response = signed_in(cast.frida).post(url, {"version": "1", "slot": slot, "why": RescheduleForm.ASKED})
        assert response.status_code == 422
        assert response.context["form"]["version"].value() == "2"
        assert "Fri 15 Jan 2027 14:00 MST" in response.context["now_at"]


class TestMissed:
    def test_somebody_is_asked_to_call_the_same_day(self, cast: Cast) -> None:
        visit = book(cast)
        now = TEN + timedelta(minutes=20)
        attendance.mark_no_show(by=cast.frida, appointment=visit, now=now)
        item = WorkItem.objects.open().get(kind=Kind.CALL_PATIENT, subject_id=visit.pk)
        assert (item.patient_id, item.owner_role, item.due_at) == (
            cast.quinn.pk, "front_desk", now + timedelta(hours=2),
        )  # fmt: skip

    def test_not_when_they_came_after_all(self, cast: Cast) -> None:
        visit = book(cast)
        now = TEN + timedelta(minutes=20)
        attendance.mark_no_show(by=cast.frida, appointment=visit, now=now)
        attendance.undo_no_show(by=cast.frida, appointment=visit, because="In the other room.", now=now)
        assert not WorkItem.objects.open().filter(kind=Kind.CALL_PATIENT).exists()


class TestCallInTime:
    def without_letters(self, cast: Cast) -> Appointment:
        ContactPreference.objects.filter(patient=cast.quinn).update(is_allowed=False)
        return book(cast)

    def test_a_moved_visit_is_called_about_before_the_old_time(self, cast: Cast) -> None:
        visit = self.without_letters(cast)
        move(cast, visit, at("10:00", 28))
        item = WorkItem.objects.open().get(kind=Kind.CALL_PATIENT, subject_id=visit.pk)
        assert item.due_at == make.NOON + timedelta(hours=2)

    def test_a_cancelled_visit_is_called_about_before_they_set_out(self, cast: Cast) -> None:
        visit = self.without_letters(cast)
        changes.cancel(
            by=cast.frida, appointment=visit, cancelled_by=Appointment.CancelledBy.CLINIC, seen_version=1, note="",
            reason=Appointment.CancelReason.CLINICIAN_AWAY, now=make.NOON,
        )  # fmt: skip
        item = WorkItem.objects.open().get(kind=Kind.CALL_PATIENT, subject_id=visit.pk)
        assert item.due_at == make.NOON + timedelta(hours=2)

    def test_a_wish_on_friday_about_monday_is_answered_before_monday(self, cast: Cast) -> None:
        visit = book(cast, starts_at=at("09:00", 18))
        friday = at("16:30", 15)
        wishes.ask_change(by=cast.quinn_user, appointment=visit, wish=ChangeRequest.Wish.CANCEL, message="", now=friday)
        assert WorkItem.objects.get(kind=Kind.CHANGE_REQUEST).due_at == at("05:00", 18)


class TestTheDead:
    def test_are_not_checked_in(self, cast: Cast) -> None:
        visit = book(cast)
        type(cast.quinn).objects.filter(pk=cast.quinn.pk).update(
            life_state=LifeState.DECEASED, portal_user=None, portal_since=None
        )
        with pytest.raises(placing.NotInCare, match="Make sure who is before you"):
            attendance.check_in(by=cast.frida, appointment=visit, now=TEN)

    def test_nobody_is_told_to_phone_them(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        visit = book(cast)
        type(cast.quinn).objects.filter(pk=cast.quinn.pk).update(
            life_state=LifeState.DECEASED, portal_user=None, portal_since=None
        )
        url = reverse("sessions:cancel_appointment", args=[visit.pk])
        sent = {"version": "1", "cancelled_by": "clinic", "reason": "other", "note": ""}
        page = signed_in(cast.frida).post(url, sent, follow=True).content.decode()
        assert "The patient has died: no letter goes out" in page
        assert "tell them by phone" not in page
        assert not WorkItem.objects.filter(kind=Kind.CALL_PATIENT).exists()


class TestCancelledIntake:
    def test_the_enquiry_is_somebody_s_work_again(self, cast: Cast) -> None:
        Referral.objects.filter(pk=cast.rosa.pk).update(status="accepted", accepted_at=make.NOON, patient=cast.quinn)
        cast.rosa.refresh_from_db()
        visit = book(cast, referral=cast.rosa)
        waiting = WorkItem.objects.open().filter(kind=Kind.INTAKE_TO_BOOK, subject_id=cast.rosa.pk)
        assert not waiting.exists()
        changes.cancel(
            by=cast.frida, appointment=visit, cancelled_by=Appointment.CancelledBy.CLINIC, seen_version=1, note="",
            reason=Appointment.CancelReason.CLINICIAN_AWAY, now=make.NOON,
        )  # fmt: skip
        assert waiting.count() == 1
        cast.rosa.refresh_from_db()
        book(cast, referral=cast.rosa, starts_at=at("14:00", 15))
        assert not waiting.exists()


def test_the_visit_says_the_birth_date(cast: Cast, now: datetime, signed_in: SignedIn) -> None:
    """Two identifiers: two people of one name are told apart before one of them is checked in."""
    visit = book(cast)
    page = signed_in(cast.frida).get(reverse("sessions:appointment", args=[visit.pk])).content.decode()
    assert "born 2 Nov 1991" in page
