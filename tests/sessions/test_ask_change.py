"""A patient's wish to change a visit: once, in time, and on the desk's list by the next working day."""

import threading
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from clinic.models import AuditEvent, Role, WorkItem
from sessions.actions import changes, wishes
from sessions.models import Appointment, ChangeRequest
from tests import factories as make
from tests.cast import Cast, make_cast
from tests.conftest import SignedIn

from .booking import at, book, in_thread

CHANGE = ChangeRequest.Wish.CHANGE


@pytest.fixture
def visit(cast: Cast) -> Appointment:
    return book(cast, starts_at=at("10:00", 20))


def ask(cast: Cast, visit: Appointment, **changes: Any) -> ChangeRequest:
    values: dict[str, Any] = {
        "by": cast.quinn_user, "appointment": visit, "wish": CHANGE, "message": "Fridays", "now": make.NOON
    }  # fmt: skip
    return wishes.ask_change(**{**values, **changes})


class TestAction:
    def test_puts_it_before_the_desk(self, cast: Cast, visit: Appointment) -> None:
        wish = ask(cast, visit)
        assert (wish.status, wish.message, wish.asked_by) == ("open", "Fridays", cast.quinn_user)
        item = WorkItem.objects.get()
        assert (item.kind, item.subject_type, item.subject_id, item.owner_role, item.patient_id) == (
            "change_request", "appointment", visit.pk, Role.FRONT_DESK, cast.quinn.pk,
        )  # fmt: skip
        # Wednesday 09:00; due on Thursday when the place shuts.
        assert item.due_at == at("18:00", 14)
        event = AuditEvent.objects.get(verb="appointment.change_asked")
        assert (event.details, event.acting_role) == ({"wish": "change"}, "patient")

    def test_over_the_weekend_it_is_due_on_monday(self, cast: Cast, visit: Appointment) -> None:
        ask(cast, visit, now=at("16:00", 15))
        assert WorkItem.objects.get().due_at == at("18:00", 18)

    def test_nothing_changes_by_asking(self, cast: Cast, visit: Appointment) -> None:
        ask(cast, visit)
        visit.refresh_from_db()
        assert (visit.status, visit.version) == ("booked", 1)

    def test_twice_is_once(self, cast: Cast, visit: Appointment) -> None:
        ask(cast, visit)
        with pytest.raises(wishes.AlreadyAsked, match="there is nothing more to do"):
            ask(cast, visit)
        assert (ChangeRequest.objects.count(), WorkItem.objects.count()) == (1, 1)

    def test_again_after_an_answer(self, cast: Cast, visit: Appointment) -> None:
        wishes.answer_change_request(by=cast.frida, change_request=ask(cast, visit), answer="No", now=make.NOON)
        assert ask(cast, visit).is_open
        assert WorkItem.objects.open().count() == 1

    @pytest.mark.parametrize(("now", "late"), [(at("10:00", 19), False), (at("10:01", 19), True)])
    def test_within_the_notice_they_phone(self, cast: Cast, visit: Appointment, now: Any, late: bool) -> None:
        if not late:
            assert ask(cast, visit, now=now).is_open
            return
        with pytest.raises(wishes.TooLate, match=r"in less than 24 hours, so please phone us: \(303\) 555-0100"):
            ask(cast, visit, now=now)

    def test_kinds_of_visit_that_are_changed_by_phone(self, cast: Cast, visit: Appointment) -> None:
        cast.intake.patient_may_request_change = False
        cast.intake.save()
        with pytest.raises(wishes.NotChangedHere, match="Please phone us about this visit"):
            ask(cast, visit)

    def test_one_that_is_over(self, cast: Cast, visit: Appointment) -> None:
        changes.cancel(
            by=cast.frida, appointment=visit, cancelled_by=Appointment.CancelledBy.CLINIC,
            reason=Appointment.CancelReason.OTHER, note="", seen_version=1, now=make.NOON,
        )  # fmt: skip
        with pytest.raises(wishes.NotChangedHere, match="This visit is cancelled already"):
            ask(cast, visit)

    @pytest.mark.django_db(transaction=True)
    def test_at_once(self) -> None:
        """D24."""
        cast = make_cast()
        visit = book(cast, starts_at=at("10:00", 20))
        gate, results = threading.Barrier(6), list[object]()

        def run() -> None:
            gate.wait()
            try:
                results.append(ask(cast, visit))
            except Exception as refusal:
                results.append(type(refusal))

        threads = [threading.Thread(target=in_thread(run)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert results.count(wishes.AlreadyAsked) == 5
        assert (ChangeRequest.objects.count(), WorkItem.objects.count()) == (1, 1)


class TestPage:
    @pytest.fixture
    def quinn(self, cast: Cast, now: Any, signed_in: SignedIn) -> Client:
        return signed_in(cast.quinn_user)

    def test_asks(self, cast: Cast, quinn: Client, visit: Appointment) -> None:
        url = reverse("sessions:ask_change", args=[visit.pk])
        assert "checked" not in quinn.get(url).content.decode().split("<form")[1]
        answer = quinn.post(url, {"message": "Fridays"}, follow=True)
        assert "We have your wish" in answer.content.decode()
        assert ChangeRequest.objects.get().wish == "change"
        again = quinn.post(url, {"message": "or not"})
        assert again.status_code == 422
        assert "You have asked about this visit already." in again.content.decode()

    @pytest.mark.parametrize("data", [{"message": "x" * 501}, {"message": "Fri\0day"}])
    def test_bad_input_gets_a_sentence_and_keeps_what_was_typed(
        self, quinn: Client, visit: Appointment, data: dict[str, str]
    ) -> None:
        answer = quinn.post(reverse("sessions:ask_change", args=[visit.pk]), data)
        assert answer.status_code == 422
        assert data["message"] in answer.content.decode()
        assert not ChangeRequest.objects.exists()

    def test_fields_of_others_are_ignored(self, cast: Cast, quinn: Client, visit: Appointment) -> None:
        """D2, D20: nothing but the words is believed."""
        other = make.make_appointment(cast.pat, cast.intake, cast.theo, at("10:00", 21))
        quinn.post(
            reverse("sessions:ask_change", args=[visit.pk]),
            {"wish": "cancel", "appointment": str(other.pk), "status": "done", "asked_by": str(cast.frida.pk)},
        )
        wish = ChangeRequest.objects.get()
        assert (wish.appointment_id, wish.status, wish.asked_by) == (visit.pk, "open", cast.quinn_user)
        assert wish.wish == "change"
