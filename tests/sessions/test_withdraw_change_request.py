"""A patient takes a wish back: off the desk's list, the visit as it was; never after it was answered."""

import threading
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from clinic.models import AuditEvent, OutboundMessage, WorkItem
from sessions.actions import wishes
from sessions.models import Appointment, ChangeRequest
from tests import factories as make
from tests.cast import Cast, make_cast
from tests.conftest import SignedIn

from .booking import at, book, in_thread


def ask(cast: Cast, visit: Appointment, message: str = "Fridays") -> ChangeRequest:
    return wishes.ask_change(
        by=cast.quinn_user, appointment=visit, wish=ChangeRequest.Wish.CHANGE, message=message, now=make.NOON
    )


def withdraw(cast: Cast, wish: ChangeRequest) -> ChangeRequest:
    return wishes.withdraw_change_request(by=cast.quinn_user, change_request=wish, now=make.NOON)


@pytest.fixture
def wish(cast: Cast) -> ChangeRequest:
    return ask(cast, book(cast, starts_at=at("10:00", 20)))


class TestAction:
    def test_takes_it_off_the_desks_list(self, cast: Cast, wish: ChangeRequest) -> None:
        done = withdraw(cast, wish)
        assert (done.status, done.answered_by, done.answered_at) == ("withdrawn", cast.quinn_user, make.NOON)
        item = WorkItem.objects.get(kind="change_request")
        assert (item.outcome, item.closed_by) == ("not_needed", cast.quinn_user)
        event = AuditEvent.objects.get(verb="appointment.change_withdrawn")
        assert (event.details, event.acting_role) == ({"wish": "change", "status": "withdrawn"}, "patient")
        visit = wish.appointment
        visit.refresh_from_db()
        assert (visit.status, visit.version) == ("booked", 1)
        assert not OutboundMessage.objects.filter(kind="wish_answered").exists()

    def test_twice_is_once(self, cast: Cast, wish: ChangeRequest) -> None:
        withdraw(cast, wish)
        assert withdraw(cast, wish).is_withdrawn
        assert AuditEvent.objects.filter(verb="appointment.change_withdrawn").count() == 1

    def test_then_they_may_ask_again(self, cast: Cast, wish: ChangeRequest) -> None:
        withdraw(cast, wish)
        assert ask(cast, wish.appointment).is_open
        assert WorkItem.objects.open().filter(kind="change_request").count() == 1

    def test_and_not_for_ever(self, cast: Cast, wish: ChangeRequest) -> None:
        """Each wish stays with its visit: without an end the desk's page of it would grow until nobody can open it."""
        withdraw(cast, wish)
        for _time in range(wishes.MOST_TAKEN_BACK - 1):
            withdraw(cast, ask(cast, wish.appointment))
        with pytest.raises(wishes.TakenBackTooOften, match=r"taken back several wishes.*phone us.*\(303\) 555-0100"):
            ask(cast, wish.appointment)
        assert ChangeRequest.objects.filter(appointment=wish.appointment).count() == wishes.MOST_TAKEN_BACK

    def test_not_after_the_answer(self, cast: Cast, wish: ChangeRequest) -> None:
        wishes.answer_change_request(by=cast.frida, change_request=wish, answer="No", now=make.NOON)
        with pytest.raises(wishes.AnsweredFirst, match=r"answered this before you took it back.*\(303\) 555-0100"):
            withdraw(cast, wish)
        wish.refresh_from_db()
        assert wish.is_refused

    def test_the_desk_is_told_that_it_was_taken_back(self, cast: Cast, wish: ChangeRequest) -> None:
        withdraw(cast, wish)
        with pytest.raises(wishes.TakenBack, match="The patient has taken this back"):
            wishes.answer_change_request(by=cast.frida, change_request=wish, answer="No", now=make.NOON)

    def test_words_that_may_mean_danger_stay_with_who_reads_them(self, cast: Cast) -> None:
        wish = ask(cast, book(cast, starts_at=at("10:00", 20)), "I want to kill myself")
        assert WorkItem.objects.open().filter(kind="crisis_words").exists()
        before = WorkItem.objects.open().filter(kind="crisis_words").count()
        withdraw(cast, wish)
        assert WorkItem.objects.open().filter(kind="crisis_words").count() == before

    @pytest.mark.django_db(transaction=True)
    def test_against_the_desk_at_the_same_moment(self) -> None:
        """One of the two is first, the other is told so; never both."""
        cast = make_cast()
        for day in (20, 21, 22):
            wish = ask(cast, make.make_appointment(cast.quinn, cast.intake, make.make_user(), at("10:00", day)))
            gate, said = threading.Barrier(2), list[str]()

            def patient(wish: ChangeRequest = wish, gate: threading.Barrier = gate, said: list[str] = said) -> None:
                gate.wait()
                try:
                    withdraw(cast, wish)
                    said.append("withdrawn")
                except wishes.AnsweredFirst:
                    said.append("too late")

            def desk(wish: ChangeRequest = wish, gate: threading.Barrier = gate, said: list[str] = said) -> None:
                gate.wait()
                try:
                    wishes.answer_change_request(by=cast.frida, change_request=wish, answer="No", now=make.NOON)
                    said.append("refused")
                except wishes.TakenBack:
                    said.append("taken back")

            threads = [threading.Thread(target=in_thread(run)) for run in (patient, desk)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
            wish.refresh_from_db()
            letters = OutboundMessage.objects.filter(kind="wish_answered", subject_id=wish.pk).count()
            if wish.is_withdrawn:
                assert (sorted(said), letters) == (["taken back", "withdrawn"], 0)
            else:
                assert (sorted(said), letters) == (["refused", "too late"], 1)
            assert not WorkItem.objects.open().filter(kind="change_request", subject_id=wish.appointment_id).exists()


class TestPage:
    @pytest.fixture
    def quinn(self, cast: Cast, now: Any, signed_in: SignedIn) -> Client:
        return signed_in(cast.quinn_user)

    def test_by_its_button(self, quinn: Client, wish: ChangeRequest) -> None:
        page = reverse("sessions:portal_visit", args=[wish.appointment_id])
        address = reverse("sessions:withdraw_change_request", args=[wish.pk])
        assert address in quinn.get(page).content.decode()
        text = quinn.post(address, follow=True).content.decode()
        assert "Taken back. Your visit stays as it is." in text
        assert "You took this back." in text
        assert address not in text
        assert "Ask for another time" in text

    def test_too_late_it_says_so_beside_the_answer(self, cast: Cast, quinn: Client, wish: ChangeRequest) -> None:
        wishes.answer_change_request(by=cast.frida, change_request=wish, answer="Fridays are full.", now=make.NOON)
        answer = quinn.post(reverse("sessions:withdraw_change_request", args=[wish.pk]))
        assert answer.status_code == 422
        assert "We answered this before you took it back." in answer.content.decode()
        assert "Our answer: Fridays are full." in answer.content.decode()

    def test_nobody_elses(self, cast: Cast, now: Any, signed_in: SignedIn, wish: ChangeRequest) -> None:
        address = reverse("sessions:withdraw_change_request", args=[wish.pk])
        assert signed_in(cast.pat_user).post(address).status_code == 404
        assert signed_in(cast.frida).post(address).status_code == 403
        assert signed_in(cast.quinn_user).get(address).status_code == 405
        wish.refresh_from_db()
        assert wish.is_open

    def test_the_desk_sees_it(self, cast: Cast, now: Any, signed_in: SignedIn, wish: ChangeRequest) -> None:
        withdraw(cast, wish)
        frida = signed_in(cast.frida)
        page = frida.get(reverse("sessions:appointment", args=[wish.appointment_id])).content.decode()
        assert "taken back" in page
        answer = frida.post(reverse("sessions:answer_change_request", args=[wish.pk]), {"answer": "Sorry, no."})
        assert answer.status_code == 422
        assert "The patient has taken this back." in answer.content.decode()
        assert "Sorry, no." in answer.content.decode()
