"""A patient moves a visit of their own on the portal, to a time that is free."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from clinic.models import AuditEvent, WorkItem
from sessions import dosegate, visitkinds
from sessions.actions import changes, mymoves, visits, visittypes, wishes
from sessions.actions.holds import Team
from sessions.models import Appointment, ChangeRequest, VisitMove, VisitType
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

from .booking import at, book, queries_of

WED, THU = 20, 21


@pytest.fixture
def visit(cast: Cast) -> Appointment:
    return book(cast, starts_at=at("10:00", WED))


@pytest.fixture
def quinn(cast: Cast, now: datetime, signed_in: SignedIn) -> Client:
    return signed_in(cast.quinn_user)


def page(visit: Appointment, query: str = "") -> str:
    return reverse("sessions:choose_my_time", args=[visit.pk]) + query


def sent(visit: Appointment, moment: datetime) -> dict[str, Any]:
    return {"version": visit.schedule_version, "slot": moment.isoformat()}


def pick(cast: Cast, visit: Appointment, moment: datetime, **differently: Any) -> Appointment:
    values: dict[str, Any] = {
        "by": cast.quinn_user, "appointment": visit, "starts_at": moment, "anybody": False,
        "seen_schedule_version": visit.schedule_version, "now": make.NOON,
    }  # fmt: skip
    return mymoves.move_my_visit(**{**values, **differently})


def kind(cast: Cast, code: str, **differently: Any) -> VisitType:
    row = next(row for row in visitkinds.FIRST_KINDS if row["code"] == code)
    return visittypes.publish(by=cast.ada, now=make.NOON, **{**row, **differently})


class TestPage:
    def test_the_times_are_those_of_the_same_person(self, cast: Cast, visit: Appointment, quinn: Client) -> None:
        once = queries_of(quinn, page(visit, "?anybody=on"))
        for patient, clock in ((cast.pat, "13:00"), (cast.sol, "15:00")):
            book(cast, patient, starts_at=at(clock, THU))
        assert queries_of(quinn, page(visit, "?anybody=on")) == once
        html = quinn.get(page(visit)).content.decode()
        assert f"Times with {cast.dana.name}." in html
        assert at("11:15", THU).isoformat() in html
        assert at("13:00", THU).isoformat() not in html
        assert f'value="{visit.starts_at.isoformat()}"' not in html
        assert cast.pat.called not in html
        assert "Show times with others too" in html

    def test_it_moves_at_once_with_letters_and_wishes(self, cast: Cast, visit: Appointment, quinn: Client) -> None:
        wishes.ask_change(
            by=cast.quinn_user, appointment=visit, wish=ChangeRequest.Wish.CHANGE, message="Thursday", now=make.NOON
        )
        assert "Choose another time" in quinn.get(reverse("sessions:portal_visit", args=[visit.pk])).content.decode()
        for _press in range(2):
            answer = quinn.post(page(visit), sent(visit, at("10:00", THU)), follow=True)
        assert "Your visit is now on Thu 21 Jan 2027 10:00 MST." in answer.content.decode()
        visit.refresh_from_db()
        assert (visit.starts_at, visit.clinician, visit.status) == (at("10:00", THU), cast.dana, "booked")
        move = VisitMove.objects.get(appointment=visit)
        assert (move.asked_by, move.moved_by) == ("patient", cast.quinn_user)
        assert AuditEvent.objects.get(verb="appointment.moved").actor_id == cast.quinn_user.pk
        assert ChangeRequest.objects.get().status == "done"
        assert not WorkItem.objects.filter(kind=WorkItem.Kind.CHANGE_REQUEST, closed_at=None).exists()

    def test_a_time_taken_meanwhile_keeps_the_old_one(self, cast: Cast, visit: Appointment, quinn: Client) -> None:
        book(cast, cast.pat, starts_at=at("10:00", THU))
        answer = quinn.post(page(visit), sent(visit, at("10:00", THU)))
        assert answer.status_code == 422
        assert "This time is not free any more." in answer.content.decode()
        visit.refresh_from_db()
        assert visit.starts_at == at("10:00", WED)

    def test_a_visit_that_was_moved_meanwhile_is_looked_at_again(
        self, cast: Cast, visit: Appointment, quinn: Client
    ) -> None:
        seen = sent(visit, at("10:00", THU))
        changes.reschedule(
            by=cast.frida, appointment=visit, clinician=cast.dana, room=cast.room, starts_at=at("14:00", WED),
            seen_version=visit.version, now=make.NOON,
        )  # fmt: skip
        answer = quinn.post(page(visit), seen)
        assert answer.status_code == 422
        assert "We moved this visit while you were looking at it." in answer.content.decode()

    @pytest.mark.parametrize("slot", ["", "x", "2027-01-21", "2027-01-21T10:00:00", "0001-01-01T00:00:00+00:00"])
    def test_nonsense_is_refused_with_a_sentence(self, visit: Appointment, quinn: Client, slot: str) -> None:
        answer = quinn.post(page(visit, "?begin=x&anybody=y"), {"version": 1, "slot": slot})
        assert answer.status_code == 422
        assert "Choose a time from the list." in answer.content.decode()

    def test_nobody_else_s(self, cast: Cast, visit: Appointment, now: datetime, signed_in: SignedIn) -> None:
        for who, status in ((cast.pat_user, 404), (cast.frida, 403)):
            client = signed_in(who)
            assert client.get(page(visit)).status_code == status
            assert client.post(page(visit), sent(visit, at("10:00", THU))).status_code == status
        visit.refresh_from_db()
        assert visit.starts_at == at("10:00", WED)


class TestWhatTheDeskMoves:
    def test_within_its_notice_they_phone(self, cast: Cast, quinn: Client) -> None:
        soon = book(cast)
        VisitType.objects.filter(pk=soon.visit_type_id).update(notice_hours=48)
        html = quinn.get(page(soon)).content.decode()
        assert "less than 48 hours" in html
        assert "tel:(303) 555-0100" in html
        with pytest.raises(wishes.TooLate):
            pick(cast, soon, at("10:00", THU))

    def test_nor_to_a_time_within_the_notice(self, cast: Cast, visit: Appointment) -> None:
        VisitType.objects.filter(pk=visit.visit_type_id).update(phone_within_hours=48)
        with pytest.raises(mymoves.NotFree):
            pick(cast, visit, at("10:00", 14))
        assert pick(cast, visit, at("10:00", 15)).starts_at == at("10:00", 15)

    @pytest.mark.parametrize("code", ["dosing", "esketamine"])
    def test_no_dose(self, cast: Cast, code: str) -> None:
        assert not mymoves.is_picked_by_patients(kind(cast, code))
        assert mymoves.is_picked_by_patients(kind(cast, "follow_up"))

    def test_a_kind_changed_by_phone_only(self, cast: Cast, visit: Appointment) -> None:
        VisitType.objects.filter(pk=visit.visit_type_id).update(patient_may_request_change=False)
        with pytest.raises(wishes.NotChangedHere, match="Please phone us"):
            pick(cast, visit, at("10:00", THU))

    def test_after_three_moves_they_ask(self, cast: Cast, visit: Appointment, quinn: Client) -> None:
        for hour in ("11:15", "12:30", "14:00"):
            visit = pick(cast, visit, at(hour, THU))
        html = quinn.get(page(visit)).content.decode()
        assert "We look for a new time together with you." in html
        assert reverse("sessions:ask_change", args=[visit.pk]) in html
        with pytest.raises(mymoves.DeskMoves):
            pick(cast, visit, at("10:00", THU))

    def test_a_talk_stays_after_its_dose_and_others_between_the_same_doses(
        self, cast: Cast, visit: Appointment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dose = Appointment(starts_at=at("10:00", THU), ends_at=at("12:30", THU))
        monkeypatch.setattr(dosegate, "doses_of", lambda _patient: [dose])
        with pytest.raises(mymoves.NotFree):
            pick(cast, visit, at("14:00", THU))
        talk = Appointment.objects.locked().get(pk=visit.pk)
        dose.starts_at, dose.ends_at = (moment - timedelta(days=2) for moment in (dose.starts_at, dose.ends_at))
        talk.visit_type.code = "integration"
        with pytest.raises(mymoves.DeskMoves):
            mymoves.guard(talk, make.NOON)
        # And the portal offers nothing that would be refused.
        assert not mymoves.may_pick(talk, make.NOON)
        assert mymoves.may_pick(visit, make.NOON)


class TestFromAfar:
    def test_where_they_will_be_is_asked_anew(self, cast: Cast, quinn: Client) -> None:
        call = visits.book_visit(
            by=cast.frida, patient=cast.quinn, team=Team((cast.dana,)), room=None, starts_at=at("10:00", WED),
            location=cast.denver, visit_type=kind(cast, "follow_up_remote"), now=make.NOON,
            whereabouts=visits.Whereabouts("1 Pine Road", "(303) 555-0111", "https://video.example/quiet-lake"),
        )  # fmt: skip
        answer = quinn.post(page(call, "?anybody=on"), sent(call, at("10:00", THU)))
        assert answer.url == reverse("sessions:say_where_i_am", args=[call.pk])  # type: ignore[attr-defined]  # a redirect
