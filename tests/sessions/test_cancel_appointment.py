"""Cancelling: nothing held, letters withdrawn and one sent, the enquiry open again, late counted by notice."""

from typing import Any

import pytest
from django.urls import reverse

from clinic.models import AuditEvent, OutboundMessage, WorkItem
from patients.models import Referral
from sessions.actions import attendance, changes, wishes
from sessions.models import Appointment, ChangeRequest, Reminder, ResourceHold
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

from .booking import TEN, at, book

BY, WHY = Appointment.CancelledBy, Appointment.CancelReason


@pytest.fixture
def visit(cast: Cast) -> Appointment:
    return book(cast)


def cancel(cast: Cast, visit: Appointment, **differently: Any) -> Appointment:
    values: dict[str, Any] = {
        "by": cast.felix, "appointment": visit, "cancelled_by": BY.PATIENT, "reason": WHY.WORK, "note": "New job",
        "seen_version": visit.version, "now": make.NOON,
    }  # fmt: skip
    return changes.cancel(**{**values, **differently})


class TestAction:
    def test_lets_go_of_everything(self, cast: Cast, visit: Appointment) -> None:
        done = cancel(cast, visit)
        assert (done.status, done.cancelled_by, done.cancel_reason, done.cancel_note) == (
            "cancelled", "patient", "work", "New job",
        )  # fmt: skip
        assert not ResourceHold.objects.filter(is_live=True).exists()
        assert not Reminder.objects.filter(appointment=visit, status="planned").exists()
        assert OutboundMessage.objects.filter(kind="visit_cancelled", status="queued").count() == 1
        assert OutboundMessage.objects.get(kind="visit_confirmation").status == "void"
        event = AuditEvent.objects.get(verb="appointment.cancelled")
        assert event.details == {"by": "patient", "reason": "work", "late": False}
        assert book(cast, cast.pat).starts_at == TEN

    @pytest.mark.parametrize(
        ("by", "now", "late"),
        [
            (BY.PATIENT, at("10:00", 13), False),
            (BY.PATIENT, at("10:01", 13), True),
            (BY.CLINIC, at("09:00", 14), False),
        ],
    )
    def test_late_is_within_notice_and_the_patient_s(
        self, cast: Cast, visit: Appointment, by: Appointment.CancelledBy, now: Any, late: bool
    ) -> None:
        assert cancel(cast, visit, cancelled_by=by, now=now).cancel_is_late is late

    def test_the_enquiry_may_be_booked_again(self, cast: Cast) -> None:
        cast.rosa.patient, cast.rosa.status, cast.rosa.accepted_at = cast.quinn, Referral.Status.ACCEPTED, make.NOON
        cast.rosa.save()
        cancel(cast, book(cast, referral=cast.rosa))
        cast.rosa.refresh_from_db()
        assert cast.rosa.status == Referral.Status.ACCEPTED
        assert book(cast, referral=cast.rosa, starts_at=at("14:00")).referral == cast.rosa

    def test_of_the_past_tells_nobody(self, cast: Cast, visit: Appointment) -> None:
        cancel(cast, visit, cancelled_by=BY.CLINIC, now=at("12:00"))
        assert not OutboundMessage.objects.filter(kind="visit_cancelled").exists()

    def test_settles_the_patient_s_wish(self, cast: Cast, visit: Appointment) -> None:
        wish = wishes.ask_change(
            by=cast.quinn_user, appointment=visit, wish=ChangeRequest.Wish.CANCEL, message="", now=at("08:00", 12)
        )
        cancel(cast, visit)
        wish.refresh_from_db()
        assert wish.status == "done"
        assert not WorkItem.objects.open().filter(kind="change_request").exists()

    def test_twice_is_once(self, cast: Cast, visit: Appointment) -> None:
        cancelled = cancel(cast, visit)
        with pytest.raises(changes.NotPossibleNow, match="cancelled already"):
            cancel(cast, cancelled)
        assert OutboundMessage.objects.filter(kind="visit_cancelled").count() == 1

    def test_somebody_who_is_here(self, cast: Cast, visit: Appointment) -> None:
        here = attendance.check_in(by=cast.frida, appointment=visit, now=TEN)
        with pytest.raises(changes.NotPossibleNow, match="its state is “Here”"):
            cancel(cast, here)

    def test_a_visit_that_changed_meanwhile(self, cast: Cast, visit: Appointment) -> None:
        attendance.confirm(by=cast.frida, appointment=visit, seen_version=1, now=make.NOON)
        with pytest.raises(changes.ChangedMeanwhile, match="Confirmed"):
            cancel(cast, visit, seen_version=1)


class TestPage:
    def test_nothing_is_guessed_and_all_is_kept(
        self, cast: Cast, visit: Appointment, now: Any, signed_in: SignedIn
    ) -> None:
        client, url = signed_in(cast.frida), reverse("sessions:cancel_appointment", args=[visit.pk])
        assert "checked" not in client.get(url).content.decode().split('<form class="form"')[1].split("</form>")[0]
        answer = client.post(url, {"version": 1, "note": "Phoned at nine"})
        assert answer.status_code == 422
        assert "Phoned at nine" in answer.content.decode()
        answer = client.post(url, {"version": 1, "cancelled_by": "patient", "reason": "illness"}, follow=True)
        assert "is cancelled. Quinn is told by e-mail." in answer.content.decode()

    def test_a_stranger(self, cast: Cast, visit: Appointment, now: Any, signed_in: SignedIn) -> None:
        url = reverse("sessions:cancel_appointment", args=[visit.pk])
        data = {"version": 1, "cancelled_by": "patient", "reason": "illness"}
        assert signed_in(cast.olga).post(url, data).status_code == 404
        assert signed_in(cast.milo).post(url, data).status_code == 403
        visit.refresh_from_db()
        assert visit.status == "booked"
