"""What a patient says of their own visit: that they come, and where they are when it is held from afar."""

from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from clinic.models import AuditEvent
from sessions import visitkinds
from sessions.actions import changes, myvisits, visits, visittypes
from sessions.actions.holds import Team
from sessions.models import Appointment
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

from .booking import at, book

PLACE, PHONE = "4 Elm Street, Boulder", "(303) 555-0188"


@pytest.fixture
def visit(cast: Cast) -> Appointment:
    return book(cast, starts_at=at("10:00", 20))


@pytest.fixture
def call(cast: Cast) -> Appointment:
    """A follow-up by video, booked by the desk with what the patient said then."""
    row = next(row for row in visitkinds.FIRST_KINDS if row["code"] == "follow_up_remote")
    kind = visittypes.publish(by=cast.ada, now=make.NOON, **row)
    return visits.book_visit(
        by=cast.frida, patient=cast.quinn, team=Team((cast.dana,)), room=None, starts_at=at("10:00", 20),
        location=cast.denver, visit_type=kind, now=make.NOON,
        whereabouts=visits.Whereabouts("1 Pine Road", "(303) 555-0111", "https://video.example/quiet-lake"),
    )  # fmt: skip


@pytest.fixture
def quinn(cast: Cast, now: datetime, signed_in: SignedIn) -> Client:
    return signed_in(cast.quinn_user)


def page(visit: Appointment, name: str = "portal_visit") -> str:
    return reverse(f"sessions:{name}", args=[visit.pk])


def move(cast: Cast, visit: Appointment, **differently: Any) -> Appointment:
    values: dict[str, Any] = {
        "by": cast.frida, "appointment": visit, "clinician": cast.dana, "room": cast.room, "starts_at": at("11:00", 20),
        "seen_version": visit.version, "now": make.NOON,
    }  # fmt: skip
    return changes.reschedule(**{**values, **differently})


class TestConfirm:
    def test_is_said_once_and_stands(self, cast: Cast, visit: Appointment, quinn: Client) -> None:
        assert "I will come" in quinn.get(page(visit)).content.decode()
        for _press in range(2):
            answer = quinn.post(page(visit, "confirm_my_visit"), {"version": visit.schedule_version}, follow=True)
            assert "Thank you. We expect you." in answer.content.decode()
        visit.refresh_from_db()
        assert (visit.status, visit.confirmed_at) == ("confirmed", make.NOON)
        event = AuditEvent.objects.get(verb="appointment.confirmed")
        assert (event.actor_id, event.acting_role) == (cast.quinn_user.pk, "patient")
        html = quinn.get(page(visit)).content.decode()
        assert "You said that you come." in html
        assert "I will come" not in html

    def test_of_a_visit_that_was_moved_it_is_said_anew(self, cast: Cast, visit: Appointment, quinn: Client) -> None:
        seen = visit.schedule_version
        quinn.post(page(visit, "confirm_my_visit"), {"version": seen})
        visit.refresh_from_db()
        moved = move(cast, visit)
        assert moved.status == "booked"
        answer = quinn.post(page(visit, "confirm_my_visit"), {"version": seen})
        assert answer.status_code == 422
        assert "It is now on Wed 20 Jan 2027 11:00 MST. Look again, then decide." in answer.content.decode()
        moved.refresh_from_db()
        assert moved.status == "booked"
        quinn.post(page(visit, "confirm_my_visit"), {"version": moved.schedule_version})
        moved.refresh_from_db()
        assert moved.status == "confirmed"

    @pytest.mark.parametrize("sent", [{}, {"version": "x"}, {"version": "0"}])
    def test_nonsense_is_answered_with_the_page(self, visit: Appointment, quinn: Client, sent: dict[str, str]) -> None:
        answer = quinn.post(page(visit, "confirm_my_visit"), sent)
        assert answer.status_code == 422
        assert "This page is out of date." in answer.content.decode()

    def test_not_of_what_is_over_or_cancelled(self, cast: Cast, visit: Appointment) -> None:
        asked: dict[str, Any] = {"by": cast.quinn_user, "appointment": visit, "seen_schedule_version": 1}
        with pytest.raises(myvisits.NotSaidHere, match=r"no longer to come. Please phone us: \(303\) 555-0100"):
            myvisits.confirm_my_visit(**asked, now=visit.starts_at)
        changes.cancel_my_visit(**asked, reason=Appointment.CancelReason.WORK, now=make.NOON)
        with pytest.raises(myvisits.NotSaidHere, match="no longer to come"):
            myvisits.confirm_my_visit(**asked, now=make.NOON)

    def test_nobody_else_s(self, cast: Cast, visit: Appointment, now: datetime, signed_in: SignedIn) -> None:
        for who, status in ((cast.pat_user, 404), (cast.frida, 403)):
            for name in ("confirm_my_visit", "say_where_i_am"):
                answer = signed_in(who).post(page(visit, name), {"version": 1, "place": PLACE, "phone": PHONE})
                assert answer.status_code == status
        visit.refresh_from_db()
        assert (visit.status, visit.patient_place) == ("booked", "")


class TestFromAfar:
    def test_the_card_says_how_and_not_the_clinic_s_address(self, cast: Cast, call: Appointment, quinn: Client) -> None:
        for address in (page(call), reverse("sessions:portal_home")):
            html = quinn.get(address).content.decode()
            assert "By video, from where you are." in html
            assert "You said you will be at 1 Pine Road, and we reach you on (303) 555-0111." in html
            assert cast.denver.address not in html
        assert 'href="https://video.example/quiet-lake"' in quinn.get(page(call)).content.decode()

    def test_where_they_are_is_asked_and_never_filled_in(
        self, cast: Cast, call: Appointment, quinn: Client, signed_in: SignedIn
    ) -> None:
        form = quinn.get(page(call, "say_where_i_am")).content.decode()
        assert 'value="1 Pine Road"' not in form
        assert "So far we know: 1 Pine Road" in form
        answer = quinn.post(page(call, "say_where_i_am"), {"version": 1, "place": PLACE})
        assert answer.status_code == 422
        assert "Write a number on which we reach you during the call." in answer.content.decode()
        assert f'value="{PLACE}"' in answer.content.decode()
        quinn.post(page(call, "say_where_i_am"), {"version": 1, "place": PLACE, "phone": PHONE})
        desk = signed_in(cast.frida).get(reverse("sessions:appointment", args=[call.pk])).content.decode()
        assert PLACE in desk
        assert PHONE in desk
        event = AuditEvent.objects.get(verb="appointment.whereabouts_said")
        assert PLACE not in str(event.details)

    def test_after_a_move_they_look_first(self, cast: Cast, call: Appointment, quinn: Client) -> None:
        move(cast, call, room=None)
        sent = {"version": 1, "place": PLACE, "phone": PHONE}
        answer = quinn.post(page(call, "say_where_i_am"), sent)
        assert answer.status_code == 422
        assert "We moved this visit while you were looking at it." in answer.content.decode()
        assert f'value="{PLACE}"' in answer.content.decode()
        call.refresh_from_db()
        assert call.patient_place == "1 Pine Road"
        assert quinn.post(page(call, "say_where_i_am"), {**sent, "version": 2}).status_code == 302

    def test_not_of_a_visit_at_the_clinic(self, cast: Cast, visit: Appointment, quinn: Client) -> None:
        answer = quinn.post(page(visit, "say_where_i_am"), {"version": 1, "place": PLACE, "phone": PHONE})
        assert answer.status_code == 422
        assert "takes place at the clinic" in answer.content.decode()
