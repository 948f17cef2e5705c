"""A wish that cannot be met: the patient is told by a letter that there is an answer, and reads it on the portal."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.urls import reverse

from clinic.actions import outbox
from clinic.letters import Rendered
from clinic.models import Category, Channel, OutboundMessage, WorkItem
from patients.models import LifeState
from sessions.actions import changes, wishes
from sessions.models import Appointment, ChangeRequest
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

from .booking import at, book

ANSWER = "Dana is away on Fridays."


@pytest.fixture
def visit(cast: Cast) -> Appointment:
    return book(cast, starts_at=at("10:00", 20))


def refuse(cast: Cast, visit: Appointment, answer: str = ANSWER) -> ChangeRequest:
    wish = wishes.ask_change(
        by=cast.quinn_user, appointment=visit, wish=ChangeRequest.Wish.CHANGE, message="Fridays", now=make.NOON
    )
    return wishes.answer_change_request(by=cast.frida, change_request=wish, answer=answer, now=make.NOON)


def letters() -> Any:
    return OutboundMessage.objects.filter(kind="wish_answered")


def deliver(cast: Cast, now: Any = make.NOON) -> dict[str, Rendered]:
    """Send all that is due and return what left, by kind."""
    sent: dict[str, Rendered] = {}

    def send(letter: Rendered) -> str:
        sent[OutboundMessage.objects.get(pk=letter.message_id).kind] = letter
        return "id"

    while outbox.deliver_next(by=cast.sam, now=now, send=send):
        pass
    return sent


@pytest.mark.django_db(transaction=True)
class TestLetter:
    @pytest.fixture
    def cast(self, transactional_db: None) -> Cast:
        from tests.cast import make_cast

        return make_cast()

    def test_says_that_there_is_an_answer_and_nothing_of_it(self, cast: Cast, visit: Appointment) -> None:
        refuse(cast, visit)
        letter = deliver(cast)["wish_answered"]
        assert letter.subject == "A message from Juniper Street"
        assert letter.address == cast.quinn.email
        assert "You asked us about your visit, and we have answered." in letter.text
        assert "Wednesday, 20 January 2027" in letter.text
        assert "http://localhost:8000/portal/" in letter.text
        for word in ("Dana", "Fridays", "Abbott", cast.quinn.mrn):
            assert word not in letter.text + letter.html

    def test_after_a_move_it_no_longer_goes(self, cast: Cast, visit: Appointment) -> None:
        refuse(cast, visit)
        changes.reschedule(
            by=cast.frida, appointment=visit, clinician=cast.dana, room=cast.room, starts_at=at("14:00", 21),
            seen_version=1, now=make.NOON,
        )  # fmt: skip
        assert "wish_answered" not in deliver(cast)
        assert (letters().get().status, letters().get().reason) == ("skipped", "visit_moved")

    @pytest.mark.parametrize("why", ["suppressed", "no_address"])
    def test_held_back_it_is_a_call(self, cast: Cast, visit: Appointment, why: str) -> None:
        refuse(cast, visit)
        if why == "suppressed":
            outbox.suppress(
                by=cast.sam, channel=Channel.EMAIL, address=cast.quinn.email, category=Category.REPLY, reason="stop",
                now=make.NOON,
            )  # fmt: skip
        else:
            cast.quinn.email = ""
            cast.quinn.save(update_fields=["email"])
        assert "wish_answered" not in deliver(cast)
        assert letters().get().reason == why
        item = WorkItem.objects.open().get(kind="call_patient")
        assert (item.subject_id, item.due_at) == (visit.pk, make.NOON + timedelta(hours=2))

    def test_it_follows_the_address(self, cast: Cast, visit: Appointment) -> None:
        refuse(cast, visit)
        cast.quinn.email = "quinn.new@post.example"
        cast.quinn.save(update_fields=["email"])
        assert deliver(cast)["wish_answered"].address == "quinn.new@post.example"


class TestAction:
    def test_one_letter_a_wish(self, cast: Cast, visit: Appointment) -> None:
        wish = refuse(cast, visit)
        with pytest.raises(wishes.AlreadyAnswered):
            wishes.answer_change_request(by=cast.felix, change_request=wish, answer="No.", now=make.NOON)
        letter = letters().get()
        assert (letter.subject_type, letter.subject_id, letter.category) == ("changerequest", wish.pk, "reply")
        assert (letter.recipient_id, letter.useful_until) == (cast.quinn.pk, visit.starts_at)
        refuse(cast, visit, "Still not.")
        assert letters().count() == 2

    def test_without_an_address_somebody_phones(self, cast: Cast, visit: Appointment) -> None:
        cast.quinn.email = ""
        cast.quinn.save(update_fields=["email"])
        refuse(cast, visit)
        assert not letters().exists()
        item = WorkItem.objects.open().get(kind="call_patient")
        assert (item.subject_id, item.due_at) == (visit.pk, make.NOON + timedelta(hours=2))

    def test_nobody_writes_to_the_discharged(self, cast: Cast, visit: Appointment) -> None:
        cast.quinn.life_state = LifeState.DISCHARGED
        cast.quinn.save(update_fields=["life_state"])
        refuse(cast, visit)
        assert not letters().exists()
        assert not WorkItem.objects.open().filter(kind="call_patient").exists()

    def test_a_wish_that_was_met_is_told_by_the_letter_about_the_move(self, cast: Cast, visit: Appointment) -> None:
        wishes.ask_change(
            by=cast.quinn_user, appointment=visit, wish=ChangeRequest.Wish.CHANGE, message="", now=make.NOON
        )
        changes.reschedule(
            by=cast.frida, appointment=visit, clinician=cast.dana, room=cast.room, starts_at=at("14:00", 21),
            seen_version=1, now=make.NOON,
        )  # fmt: skip
        assert not letters().exists()
        assert OutboundMessage.objects.filter(kind="visit_moved").count() == 1


def test_the_desk_reads_that_it_goes(cast: Cast, visit: Appointment, now: Any, signed_in: SignedIn) -> None:
    wish = wishes.ask_change(
        by=cast.quinn_user, appointment=visit, wish=ChangeRequest.Wish.CHANGE, message="", now=make.NOON
    )
    frida = signed_in(cast.frida)
    said = frida.post(
        reverse("sessions:answer_change_request", args=[wish.pk]), {"answer": ANSWER}, follow=True
    ).content.decode()
    assert "Quinn reads it on the portal and is told by e-mail; the visit stays as it is." in said
    panel = frida.get(reverse("sessions:visit_letters", args=[visit.pk])).content.decode()
    assert "Your wish is answered" in panel


def _answered(cast: Cast, visit: Appointment, signed_in: SignedIn) -> str:
    wish = wishes.ask_change(
        by=cast.quinn_user, appointment=visit, wish=ChangeRequest.Wish.CHANGE, message="", now=make.NOON
    )
    url = reverse("sessions:answer_change_request", args=[wish.pk])
    return signed_in(cast.frida).post(url, {"answer": ANSWER}, follow=True).content.decode()


def test_the_desk_reads_that_it_has_to_call(cast: Cast, visit: Appointment, now: Any, signed_in: SignedIn) -> None:
    cast.quinn.email = ""
    cast.quinn.save(update_fields=["email"])
    assert "Quinn has no e-mail address: a call to them is on the worklist." in _answered(cast, visit, signed_in)


def test_the_desk_reads_that_nobody_is_told(cast: Cast, visit: Appointment, signed_in: SignedIn) -> None:
    with time_machine.travel(at("10:30", 20), tick=False):
        said = _answered(cast, visit, signed_in)
    assert "Quinn reads it on the portal; the visit stays as it is." in said
    assert not letters().exists()
