"""A patient asks for a visit on the portal: on the desk's list by the next working day, and answered once."""

import threading
from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from clinic.models import AuditEvent, OutboundMessage, Role, WorkItem
from sessions import visitkinds
from sessions.actions import visitrequests, visits, visittypes
from sessions.actions.holds import Team
from sessions.actions.visitrequests import Wanted
from sessions.models import Appointment, VisitRequest, VisitType
from tests import factories as make
from tests.cast import Cast, make_cast
from tests.conftest import SignedIn

from .booking import at, book, in_thread, queries_of

PAGE = "/portal/ask-for-a-visit/"
Status = VisitRequest.Status


def publish(cast: Cast, *codes: str) -> list[VisitType]:
    rows = {row["code"]: row for row in visitkinds.FIRST_KINDS}
    return [visittypes.publish(by=cast.ada, now=make.NOON, **rows[code]) for code in codes]


@pytest.fixture
def kind(cast: Cast) -> VisitType:
    return publish(cast, "follow_up")[0]


def ask(cast: Cast, kind: VisitType, **differently: Any) -> VisitRequest:
    wanted = {name: differently.pop(name) for name in ("clinician", "message", "weekdays") if name in differently}
    values: dict[str, Any] = {"by": cast.quinn_user, "patient": cast.quinn, "now": make.NOON}
    return visitrequests.ask(wanted=Wanted(kind, **wanted), **{**values, **differently})


def book_it(cast: Cast, kind: VisitType, **differently: Any) -> Appointment:
    values: dict[str, Any] = {
        "by": cast.frida, "patient": cast.quinn, "team": Team((cast.dana,)), "room": cast.room, "starts_at": at("10:00", 20),
        "location": cast.denver, "visit_type": kind, "now": make.NOON,
    }  # fmt: skip
    return visits.book_visit(**{**values, **differently})


class TestAsking:
    def test_puts_it_before_the_desk_with_a_clock(self, cast: Cast, kind: VisitType) -> None:
        request = ask(cast, kind, message="After four, please", weekdays=(4, 0))
        assert (request.status, request.weekdays, request.asked_by) == ("open", [0, 4], cast.quinn_user)
        item = WorkItem.objects.get()
        assert (item.kind, item.subject_type, item.subject_id, item.owner_role, item.patient_id) == (
            "visit_request", "visitrequest", request.pk, Role.FRONT_DESK, cast.quinn.pk,
        )  # fmt: skip
        # Wednesday 09:00; due on Thursday when the place shuts.
        assert item.due_at == at("18:00", 14)
        event = AuditEvent.objects.get(verb="visit_request.asked")
        assert (event.details, event.acting_role) == ({"visit_type": "follow_up"}, "patient")

    def test_once_for_a_kind_and_three_at_most(self, cast: Cast, kind: VisitType) -> None:
        ask(cast, kind)
        with pytest.raises(visitrequests.AskedAlready, match="there is nothing more to do"):
            ask(cast, kind)
        others = publish(cast, "screening_call", "preparation", "integration")
        for one in others[:2]:
            ask(cast, one)
        with pytest.raises(visitrequests.AskedAlready, match=r"For more please phone us: \(303\) 555-0100"):
            ask(cast, others[2])
        assert WorkItem.objects.open().count() == 3

    def test_what_is_not_asked_for_here(self, cast: Cast, kind: VisitType) -> None:
        dosing, spray = publish(cast, "dosing", "esketamine")
        assert {one.code for one in visitrequests.kinds()} == {"follow_up"}
        for one in (dosing, spray, cast.intake):
            with pytest.raises(visitrequests.NotAskedFor, match="arranged by phone"):
                ask(cast, one)
        with pytest.raises(visitrequests.NotAskedFor, match="is not who this kind"):
            ask(cast, kind, clinician=cast.frida)
        cast.quinn.life_state = "discharged"
        cast.quinn.save()
        with pytest.raises(visitrequests.NotAskedFor, match="Please phone us to arrange a visit"):
            ask(cast, kind)
        assert not VisitRequest.objects.exists()

    def test_words_that_may_mean_danger_are_read_by_somebody_at_once(self, cast: Cast, kind: VisitType) -> None:
        ask(cast, kind, message="I want to kill myself")
        assert WorkItem.objects.open().filter(kind=WorkItem.Kind.CRISIS_WORDS, patient_id=cast.quinn.pk).exists()


class TestAnswering:
    def test_booking_such_a_visit_answers_it(self, cast: Cast, kind: VisitType) -> None:
        request = ask(cast, kind)
        visit = book_it(cast, kind)
        request.refresh_from_db()
        assert (request.status, request.appointment, request.answered_by) == ("met", visit, cast.frida)
        assert not WorkItem.objects.open().filter(kind="visit_request").exists()

    def test_one_from_afar_answers_it_and_another_kind_does_not(self, cast: Cast, kind: VisitType) -> None:
        request = ask(cast, kind)
        (remote,) = publish(cast, "follow_up_remote")
        book(cast)
        request.refresh_from_db()
        assert request.is_open
        where = visits.Whereabouts("1 Pine Road", "(303) 555-0111")
        book_it(cast, remote, room=None, whereabouts=where)
        request.refresh_from_db()
        assert request.status == "met"

    def test_declined_it_is_told_and_read_on_the_portal(
        self, cast: Cast, kind: VisitType, now: datetime, signed_in: SignedIn
    ) -> None:
        request = ask(cast, kind, message="After four")
        address = reverse("sessions:answer_visit_request", args=[request.pk])
        desk = signed_in(cast.frida)
        page = desk.get(address).content.decode()
        assert "After four" in page
        assert f"kind={kind.code}" in page
        assert desk.post(address, {}).status_code == 422
        answer = desk.post(address, {"answer": "Dana is away until March."}, follow=True)
        assert "Answered. Quinn reads it on the portal." in answer.content.decode()
        letter = OutboundMessage.objects.get(kind="request_answered")
        assert (letter.subject_id, letter.address) == (request.pk, cast.quinn.email)
        quinn = signed_in(cast.quinn_user)
        for where in (PAGE, "/portal/"):
            assert "Dana is away until March." in quinn.get(where).content.decode()
        late = desk.post(address, {"answer": "No"})
        assert late.status_code == 422
        assert "This is no longer open: it is not possible." in late.content.decode()

    def test_without_an_address_somebody_calls(self, cast: Cast, kind: VisitType) -> None:
        cast.quinn.email = ""
        cast.quinn.save()
        visitrequests.decline(by=cast.frida, request=ask(cast, kind), answer="Not now", now=make.NOON)
        item = WorkItem.objects.open().get()
        assert (item.kind, item.patient_id) == ("call_patient", cast.quinn.pk)
        assert not OutboundMessage.objects.filter(kind="request_answered").exists()

    def test_taken_back(self, cast: Cast, kind: VisitType, now: datetime, signed_in: SignedIn) -> None:
        request = ask(cast, kind)
        quinn = signed_in(cast.quinn_user)
        address = reverse("sessions:withdraw_visit_request", args=[request.pk])
        for _press in range(2):
            assert quinn.post(address).status_code == 302
        request.refresh_from_db()
        assert request.status == "withdrawn"
        assert not WorkItem.objects.open().exists()
        with pytest.raises(visitrequests.AlreadyAnswered, match="it is taken back"):
            visitrequests.decline(by=cast.frida, request=request, answer="No", now=make.NOON)
        met = ask(cast, kind)
        book_it(cast, kind)
        answer = quinn.post(reverse("sessions:withdraw_visit_request", args=[met.pk]))
        assert answer.status_code == 422
        assert "We answered this before you took it back." in answer.content.decode()


@pytest.mark.django_db(transaction=True)
def test_declined_booked_and_taken_back_at_once_one_of_them_is_true() -> None:
    cast = make_cast()
    kind = publish(cast, "follow_up")[0]
    request = ask(cast, kind)
    gate, said = threading.Barrier(3), []

    def tried(act: Any) -> Any:
        def run() -> None:
            gate.wait(30)
            try:
                act()
            except visitrequests.AlreadyAnswered:
                said.append("refused")
            else:
                said.append("done")

        return in_thread(run)

    acts = [
        lambda: visitrequests.decline(by=cast.frida, request=request, answer="No", now=make.NOON),
        lambda: visitrequests.withdraw(by=cast.quinn_user, request=request, now=make.NOON),
        lambda: book_it(cast, kind),
    ]
    threads = [threading.Thread(target=tried(act)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    request.refresh_from_db()
    # The booking always takes place; of what the request says there is one truth.
    assert Appointment.objects.filter(patient=cast.quinn).count() == 1
    assert len(said) == 3
    assert said.count("done") == (1 if request.status == "met" else 2)
    assert AuditEvent.objects.filter(verb="visit_request.settled").count() == 1
    assert not WorkItem.objects.open().filter(kind="visit_request").exists()


class TestPages:
    def test_a_phone_at_night(self, cast: Cast, kind: VisitType, now: datetime, signed_in: SignedIn) -> None:
        quinn = signed_in(cast.quinn_user)
        assert PAGE in quinn.get("/portal/appointments/").content.decode()
        sent = {"kind": "follow_up", "weekdays": ["0", "4"], "day_parts": ["evening"], "message": "After work"}
        wrong = quinn.post(PAGE, {**sent, "kind": "dosing"})
        assert wrong.status_code == 422
        assert "After work" in wrong.content.decode()
        page = quinn.post(PAGE, sent, follow=True).content.decode()
        for words in (
            "We have your wish and will answer",
            "Monday, Friday",
            "evenings",
            "After work",
            "Take this back",
        ):
            assert words in page, words

    def test_nobody_else_s(self, cast: Cast, kind: VisitType, now: datetime, signed_in: SignedIn) -> None:
        request = ask(cast, kind)
        withdraw = reverse("sessions:withdraw_visit_request", args=[request.pk])
        answer = reverse("sessions:answer_visit_request", args=[request.pk])
        assert signed_in(cast.pat_user).post(withdraw).status_code == 404
        assert signed_in(cast.frida).post(withdraw).status_code == 403
        assert signed_in(cast.frida).get(PAGE).status_code == 403
        assert signed_in(cast.quinn_user).get(answer).status_code == 403
        assert signed_in(cast.olga).post(answer, {"answer": "No"}).status_code == 404
        assert Client().post(PAGE).status_code == 302
        request.refresh_from_db()
        assert request.status == Status.OPEN

    def test_the_queries_do_not_grow(self, cast: Cast, kind: VisitType, now: datetime, signed_in: SignedIn) -> None:
        quinn = signed_in(cast.quinn_user)
        ask(cast, kind)
        few = queries_of(quinn, PAGE)
        for n in range(12):
            make.make_visit_request(
                cast.quinn, cast.quinn_user, status=Status.DECLINED, answer="No", answered_by=cast.frida,
                answered_at=make.NOON, message=str(n),
            )  # fmt: skip
        assert queries_of(quinn, PAGE) == few
