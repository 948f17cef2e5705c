"""A patient cancels on the portal: within the notice and the kind's policy; else a sentence with the phone number."""

import re
import threading
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from clinic.models import AuditEvent, OutboundMessage, Role, WorkItem
from sessions.actions import attendance, changes, wishes
from sessions.models import Appointment, ChangeRequest, ResourceHold
from tests import factories as make
from tests.cast import Cast, make_cast
from tests.conftest import SignedIn

from .booking import at, book, in_thread

WHY = Appointment.CancelReason


@pytest.fixture
def visit(cast: Cast) -> Appointment:
    return book(cast, starts_at=at("10:00", 20))


def cancel(cast: Cast, visit: Appointment, **differently: Any) -> Appointment:
    values: dict[str, Any] = {
        "by": cast.quinn_user, "appointment": visit, "reason": WHY.WORK,
        "seen_schedule_version": visit.schedule_version, "now": make.NOON,
    }  # fmt: skip
    return changes.cancel_my_visit(**{**values, **differently})


class TestAction:
    def test_cancels_and_has_somebody_call(self, cast: Cast, visit: Appointment) -> None:
        done = cancel(cast, visit)
        assert (done.status, done.cancelled_by, done.cancel_reason, done.cancel_is_late) == (
            "cancelled", "patient", "work", False,
        )  # fmt: skip
        assert not ResourceHold.objects.filter(is_live=True).exists()
        assert OutboundMessage.objects.filter(kind="visit_cancelled").count() == 1
        item = WorkItem.objects.open().get()
        assert (item.kind, item.owner_role, item.subject_id, item.patient_id) == (
            "call_patient", Role.FRONT_DESK, visit.pk, cast.quinn.pk,
        )  # fmt: skip
        # Wednesday 09:00; by Thursday when the place shuts.
        assert item.due_at == at("18:00", 14)
        event = AuditEvent.objects.get(verb="appointment.cancelled")
        assert (event.actor_id, event.details) == (
            cast.quinn_user.pk, {"by": "patient", "reason": "work", "late": False},
        )  # fmt: skip

    def test_settles_their_wish(self, cast: Cast, visit: Appointment) -> None:
        wish = wishes.ask_change(
            by=cast.quinn_user, appointment=visit, wish=ChangeRequest.Wish.CHANGE, message="", now=make.NOON
        )
        cancel(cast, visit)
        wish.refresh_from_db()
        assert wish.status == "done"
        assert [item.kind for item in WorkItem.objects.open()] == ["call_patient"]

    def test_twice_is_once(self, cast: Cast, visit: Appointment) -> None:
        cancel(cast, visit)
        with pytest.raises(changes.NotPossibleNow, match="This visit is cancelled already"):
            cancel(cast, visit)
        assert WorkItem.objects.count() == 1
        assert OutboundMessage.objects.filter(kind="visit_cancelled").count() == 1

    @pytest.mark.parametrize(("now", "late"), [(at("10:00", 19), False), (at("10:01", 19), True)])
    def test_within_the_notice_they_phone(self, cast: Cast, visit: Appointment, now: Any, late: bool) -> None:
        if not late:
            assert cancel(cast, visit, now=now).is_cancelled
            return
        with pytest.raises(wishes.TooLate, match=r"in less than 24 hours, so please phone us: \(303\) 555-0100"):
            cancel(cast, visit, now=now)

    def test_kinds_of_visit_that_are_changed_by_phone(self, cast: Cast, visit: Appointment) -> None:
        cast.intake.patient_may_request_change = False
        cast.intake.save()
        with pytest.raises(wishes.NotChangedHere, match=r"Please phone us about this visit: \(303\) 555-0100"):
            cancel(cast, visit)

    def test_one_that_has_begun(self, cast: Cast, visit: Appointment) -> None:
        attendance.check_in(by=cast.frida, appointment=visit, now=at("09:50", 20))
        with pytest.raises(wishes.NotChangedHere, match="can no longer be changed here"):
            cancel(cast, visit, now=at("09:55", 20))

    def test_one_that_was_moved_meanwhile(self, cast: Cast, visit: Appointment) -> None:
        moved = changes.reschedule(
            by=cast.frida, appointment=visit, clinician=cast.dana, room=cast.room, starts_at=at("14:00", 21),
            seen_version=1, now=make.NOON,
        )  # fmt: skip
        with pytest.raises(changes.MovedMeanwhile, match=r"It is now on Thu 21 Jan 2027 14:00 MST\. Look again"):
            cancel(cast, visit)
        assert cancel(cast, moved).is_cancelled

    def test_a_confirmation_meanwhile_is_no_reason_to_refuse(self, cast: Cast, visit: Appointment) -> None:
        attendance.confirm(by=cast.frida, appointment=visit, seen_version=1, now=make.NOON)
        assert cancel(cast, visit).is_cancelled

    @pytest.mark.django_db(transaction=True)
    def test_at_once(self) -> None:
        cast = make_cast()
        visit = book(cast, starts_at=at("10:00", 20))
        gate, results = threading.Barrier(5), list[object]()

        def run() -> None:
            gate.wait()
            try:
                results.append(cancel(cast, visit))
            except Exception as refusal:
                results.append(type(refusal))

        threads = [threading.Thread(target=in_thread(run)) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert results.count(changes.NotPossibleNow) == 4
        assert WorkItem.objects.count() == 1
        assert OutboundMessage.objects.filter(kind="visit_cancelled").count() == 1


class TestPage:
    @pytest.fixture
    def quinn(self, cast: Cast, now: Any, signed_in: SignedIn) -> Client:
        return signed_in(cast.quinn_user)

    def test_nothing_is_guessed(self, quinn: Client, visit: Appointment) -> None:
        address = reverse("sessions:cancel_my_visit", args=[visit.pk])
        assert address in quinn.get(reverse("sessions:portal_visit", args=[visit.pk])).content.decode()
        assert "checked" not in quinn.get(address).content.decode().split('<form class="form"')[1]
        answer = quinn.post(address, {"version": 1})
        assert answer.status_code == 422
        assert "Choose what fits best." in answer.content.decode()
        for junk in ({"version": 1, "reason": "clinic_closed"}, {"version": "x", "reason": "work"}, {"reason": "work"}):
            assert quinn.post(address, junk).status_code == 422
        visit.refresh_from_db()
        assert visit.status == "booked"

    def test_cancels(self, quinn: Client, visit: Appointment) -> None:
        address = reverse("sessions:cancel_my_visit", args=[visit.pk])
        text = quinn.post(address, {"version": 1, "reason": "other"}, follow=True).content.decode()
        assert "Your visit is cancelled. We will call you about another time." in text
        again = quinn.post(address, {"version": 1, "reason": "other"})
        assert again.status_code == 422
        said = "This visit is cancelled already. For another time please phone us: (303) 555-0100."
        assert said in again.content.decode(), "a second press of the button never reads as if the first had failed"

    def test_while_a_wish_waits_it_is_offered_too(self, cast: Cast, quinn: Client, visit: Appointment) -> None:
        wishes.ask_change(
            by=cast.quinn_user, appointment=visit, wish=ChangeRequest.Wish.CHANGE, message="", now=make.NOON
        )
        page = quinn.get(reverse("sessions:portal_visit", args=[visit.pk])).content.decode()
        assert "Cancel the visit instead" in page
        assert reverse("sessions:cancel_my_visit", args=[visit.pk]) in page

    def test_too_late_there_is_no_form_but_a_number(self, cast: Cast, quinn: Client) -> None:
        soon = book(cast, starts_at=at("08:00", 14))
        address = reverse("sessions:cancel_my_visit", args=[soon.pk])
        for answer in (quinn.get(address), quinn.post(address, {"version": 1, "reason": "work"})):
            text = answer.content.decode()
            assert "Your visit is in less than 24 hours, so please phone us: (303) 555-0100." in text
            assert 'name="reason"' not in text
        assert address not in quinn.get(reverse("sessions:portal_visit", args=[soon.pk])).content.decode()
        soon.refresh_from_db()
        assert soon.status == "booked"

    def test_moved_meanwhile_it_shows_the_new_time_and_asks_again(
        self, cast: Cast, quinn: Client, visit: Appointment
    ) -> None:
        changes.reschedule(
            by=cast.frida, appointment=visit, clinician=cast.dana, room=cast.room, starts_at=at("14:00", 21),
            seen_version=1, now=make.NOON,
        )  # fmt: skip
        address = reverse("sessions:cancel_my_visit", args=[visit.pk])
        answer = quinn.post(address, {"version": 1, "reason": "work"})
        assert answer.status_code == 422
        text = answer.content.decode()
        assert "We moved this visit while you were looking at it." in text
        assert 'name="version" value="2"' in text
        # What was chosen stays chosen.
        assert re.search(r'value="work"[^>]*checked', text) or re.search(r'checked[^>]*value="work"', text)
        assert quinn.post(address, {"version": 2, "reason": "work"}).status_code == 302

    def test_staff_have_their_own_page(self, cast: Cast, now: Any, signed_in: SignedIn, visit: Appointment) -> None:
        address = reverse("sessions:cancel_my_visit", args=[visit.pk])
        assert signed_in(cast.frida).get(address).status_code == 403
        assert Client().post(address).status_code == 302
