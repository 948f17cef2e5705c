"""Who takes a patient home after a dose: asked when they come, written down with who heard it, never assumed."""

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse

from clinic.errors import Refused
from clinic.models import AuditEvent, WorkItem
from sessions.actions import attendance, escorts
from sessions.models import Appointment, EscortAnswer, VisitType
from sessions.models.escorts import answer_of
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

from .booking import at, in_thread
from .dosing import publish_dosing

S = Appointment.Status
NINE = at("09:00", 13)


@pytest.fixture
def dosing(cast: Cast, now: Any) -> VisitType:
    return publish_dosing(cast)


def dose_of(cast: Cast, dosing: VisitType, **fields: Any) -> Appointment:
    """A dosing visit of Pat's at 09:00, Pat being here since 08:50 unless told otherwise."""
    fields = {"status": S.CHECKED_IN, "checked_in_at": NINE - timedelta(minutes=10), **fields}
    return make.make_appointment(cast.pat, dosing, cast.theo, NINE, **fields)


def say(cast: Cast, visit: Appointment, answer: str, seen: str = "", minutes: int = 0) -> EscortAnswer:
    return escorts.say(
        by=cast.felix, appointment=visit, answer=answer, seen=seen, now=NINE + timedelta(minutes=minutes)
    )


def test_each_answer_is_kept_with_who_and_when(cast: Cast, dosing: VisitType) -> None:
    visit = dose_of(cast, dosing)
    assert answer_of(visit) is None
    say(cast, visit, "nobody")
    say(cast, visit, "later", "nobody", 5)
    last = say(cast, visit, "here", "later", 60)
    # Pressed twice: the second changes nothing and is no error.
    assert say(cast, visit, "here", "later", 61) == last
    assert (last.said_by, last.said_at) == (cast.felix, NINE + timedelta(minutes=60))
    assert [row.answer for row in EscortAnswer.objects.standing()] == ["here", "later", "nobody"]
    asked = AuditEvent.objects.filter(verb="appointment.escort_asked", subject_id=visit.pk).order_by("at")
    assert [row.details for row in asked] == [
        {"answer": "nobody", "was": ""}, {"answer": "later", "was": "nobody"}, {"answer": "here", "was": "later"},
    ]  # fmt: skip
    for change in (lambda: EscortAnswer.objects.update(answer="here"), lambda: EscortAnswer.objects.all().delete()):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


def test_whoever_comes_without_an_escort_is_somebodys_work(cast: Cast, dosing: VisitType) -> None:
    """Scenario 4: whom the dose is with hears of it at once; it ends when an escort comes, or with the visit."""

    def items() -> list[tuple[str, object, bool]]:
        rows = WorkItem.objects.filter(kind=WorkItem.Kind.NO_ESCORT).order_by("created_at")
        return [(row.outcome, row.owner, row.closed_at is None) for row in rows]

    visit = dose_of(cast, dosing)
    say(cast, visit, "later")
    assert items() == []
    say(cast, visit, "nobody", "later", 1)
    say(cast, visit, "nobody", "nobody", 2)
    assert items() == [("", cast.theo, True)]
    say(cast, visit, "here", "nobody", 3)
    assert items() == [("not_needed", cast.theo, False)]
    say(cast, visit, "nobody", "here", 4)
    attendance.mark_left(by=cast.felix, appointment=visit, now=NINE + timedelta(minutes=20))
    assert items() == [("not_needed", cast.theo, False)] * 2


def test_an_undone_check_in_takes_its_answer_with_it(cast: Cast, dosing: VisitType) -> None:
    """It may have been said about somebody else."""
    visit = dose_of(cast, dosing)
    say(cast, visit, "here")
    attendance.undo_check_in(by=cast.felix, appointment=visit, now=NINE)
    assert answer_of(visit) is None
    attendance.check_in(by=cast.felix, appointment=visit, now=NINE + timedelta(minutes=2))
    assert answer_of(visit) is None
    with pytest.raises(escorts.SaidMeanwhile, match="taken back meanwhile"):
        say(cast, visit, "later", "here", 3)
    assert say(cast, visit, "later", "", 3).answer == "later"


@pytest.mark.parametrize(
    ("changes", "answer", "says"),
    [
        ({}, "", "Say whether"),
        ({}, "perhaps", "Say whether"),
        ({"status": S.BOOKED, "checked_in_at": None}, "here", "Check Pat in first"),
        ({"status": S.COMPLETED, "finished_at": NINE}, "here", "Check Pat in first"),
    ],
)
def test_refused(cast: Cast, dosing: VisitType, changes: dict[str, Any], answer: str, says: str) -> None:
    with pytest.raises(escorts.NotAsked, match=says):
        say(cast, dose_of(cast, dosing, **changes), answer)
    assert not EscortAnswer.objects.exists()


def test_nobody_is_asked_without_a_dose(cast: Cast, now: Any) -> None:
    visit = make.make_appointment(cast.pat, cast.intake, cast.dana, NINE, status=S.CHECKED_IN, checked_in_at=NINE)
    with pytest.raises(escorts.NotAsked, match="no dose is given"):
        say(cast, visit, "here")
    assert not EscortAnswer.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_answer_at_once_and_the_second_sees_the_first(cast: Cast, dosing: VisitType) -> None:
    visit = dose_of(cast, dosing)
    together, refusals = threading.Barrier(2), list[str]()

    def answering(answer: str) -> Callable[[], None]:
        def work() -> None:
            together.wait()
            try:
                say(cast, visit, answer)
            except Refused as refusal:
                refusals.append(str(refusal))

        return in_thread(work)

    threads = [threading.Thread(target=answering(answer)) for answer in ("here", "nobody")]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert EscortAnswer.objects.count() == 1
    stands = EscortAnswer.objects.get().get_answer_display()
    assert refusals == [f"Felix Fournier wrote down at 09:00: {stands}. Ask Pat again if that is not so."]
    connection.close()


class TestOnThePages:
    def test_asked_answered_and_shown(self, cast: Cast, dosing: VisitType, signed_in: SignedIn) -> None:
        visit = dose_of(cast, dosing, status=S.BOOKED, checked_in_at=None)
        desk = signed_in(cast.frida)
        page = desk.get("/today/").content.decode()
        assert "No escort named" in page
        assert 'name="answer"' not in page
        make.make_contact(cast.pat)
        assert "Escort named" in desk.get("/today/").content.decode()
        attendance.check_in(by=cast.frida, appointment=visit, now=NINE)
        page = desk.get("/today/").content.decode()
        assert "Escort?</span>" in page
        assert re.findall(r'name="answer" value="(\w+)"', page) == ["here", "later", "nobody"]
        url = reverse("sessions:say_escort", args=[visit.pk])
        answer = desk.post(
            f"{url}?seen=", {"answer": "later", "back": "today"}, headers={"HX-Request": "true"}
        )  # fmt: skip
        board = answer.content.decode()
        assert "Escort comes later (Frida, 09:00)" in board
        assert re.findall(r'name="answer" value="(\w+)" formaction="([^"]+)"', board) == [("here", f"{url}?seen=later")]
        assert "Pat Moreau: escort comes later." in answer.headers["HX-Trigger"]
        again = desk.post(f"{url}?seen=", {"answer": "nobody"}, follow=True).content.decode()
        assert "Frida Flores wrote down at 09:00: Escort comes later." in again
        assert "Sam Friend" in again
        assert "Frida Flores, Wed 13 Jan 2027 09:00 MST" in again

    def test_who_conducts_sees_and_does_not_answer(self, cast: Cast, dosing: VisitType, signed_in: SignedIn) -> None:
        visit = dose_of(cast, dosing)
        theo: Client = signed_in(cast.theo)
        page = theo.get("/today/").content.decode()
        assert "Escort: not asked yet" in page
        assert 'name="answer"' not in page
        assert theo.post(reverse("sessions:say_escort", args=[visit.pk]), {"answer": "here"}).status_code == 403
        assert not EscortAnswer.objects.exists()
