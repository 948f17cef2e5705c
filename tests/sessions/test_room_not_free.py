"""Scenario 36: whoever is in the room stays there; the desk of the next patient is told in time, and which rooms are free."""

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.urls import reverse

from clinic.errors import Refused
from clinic.models import Role, Room, User, WorkItem
from sessions.actions import attendance, changes, roomwatch
from sessions.models import Appointment, ResourceHold
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

from .booking import at, book, queries_of

Kind = WorkItem.Kind


@pytest.fixture
def running_over(cast: Cast) -> Appointment:
    """Quinn is in Aspen since ten; the intake should be over at a quarter past eleven."""
    visit = book(cast)
    attendance.check_in(by=cast.frida, appointment=visit, now=at("09:55"))
    return attendance.start(by=cast.dana, appointment=visit, now=at("10:00"))


@pytest.fixture
def at_1140() -> Iterator[None]:
    with time_machine.travel(at("11:40"), tick=False):
        yield


def following(cast: Cast, clock: str = "11:45", room: Room | None = None) -> Appointment:
    return book(cast, cast.pat, starts_at=at(clock), room=room or cast.room)


def look(cast: Cast, clock: str) -> int:
    return roomwatch.look_after(by=cast.sam, location=cast.denver, now=at(clock))


def items() -> list[WorkItem]:
    return list(WorkItem.objects.filter(kind=Kind.ROOM_NOT_FREE).order_by("created_at"))


def test_the_desk_hears_of_it_once_and_in_time(cast: Cast, running_over: Appointment) -> None:
    visit = following(cast)
    assert running_over.ends_at == at("11:15")
    assert [look(cast, clock) for clock in ("11:29", "11:30", "11:44", "11:46")] == [0, 1, 0, 0]
    [item] = items()
    assert (item.subject_id, item.owner_role, item.due_at) == (visit.pk, "front_desk", at("11:45"))
    # The room is free again: nothing is to be done.
    attendance.finish(by=cast.dana, appointment=running_over, now=at("11:50"))
    assert (look(cast, "11:51"), items()[0].outcome) == (0, "not_needed")


def test_another_room_settles_it(cast: Cast, running_over: Appointment, signed_in: SignedIn, at_1140: None) -> None:
    visit = following(cast)
    make.make_room(cast.denver, "Cedar", is_in_use=False)
    taken = make.make_room(cast.denver, "Elm")
    other = make.make_user("Omar Olsen")
    make.make_member(other, cast.denver, Role.PRESCRIBER)
    make.make_working_hours(other, cast.denver)
    book(cast, make.make_patient(cast.denver, "Uma"), clinician=other, room=taken, starts_at=at("11:45"))
    look(cast, "11:40")
    client = signed_in(cast.frida)
    html = client.get(reverse("sessions:appointment", args=[visit.pk])).content.decode()
    assert ("The 10:00 visit is still in Aspen" in html, "Move to Elm" in html, "Move to Cedar" in html) == (
        True,
        False,
        False,
    )
    assert f"Move to {cast.second_room.name}" in html
    board = client.get(reverse("sessions:today")).content.decode()
    assert "Aspen not free" in board
    # Pat is here by now: the room alone changes, and Pat stays checked in.
    visit = attendance.check_in(by=cast.frida, appointment=visit, now=at("11:41"))
    page = reverse("sessions:confirm_move", args=[visit.pk])
    ask = client.get(page, {"at": "2027-01-14T11:45", "room": str(cast.second_room.pk)})
    slot = ask.context["slot"]
    done = client.post(
        reverse("sessions:reschedule", args=[visit.pk]), {"slot": slot, "version": visit.version, "why": "clinic:place"}
    )
    visit.refresh_from_db()
    assert done.status_code == 302, getattr(done.context["form"], "errors", None) if done.context else ""
    assert (done.status_code, visit.room, visit.status) == (302, cast.second_room, "checked_in")
    assert visit.checked_in_at == at("11:41")
    rooms = ResourceHold.objects.filter(appointment=visit, is_live=True, kind="room")
    assert [one.resource_id for one in rooms] == [cast.second_room.pk]
    assert (look(cast, "11:42"), items()[0].outcome) == (0, "not_needed")


def move(cast: Cast, visit: Appointment, now: str, *, starts: str = "11:45", who: User | None = None) -> Appointment:
    return changes.reschedule(
        by=cast.frida, appointment=visit, clinician=who or cast.dana, room=cast.second_room, starts_at=at(starts),
        seen_version=visit.version, now=at(now),
    )  # fmt: skip


def test_whoever_is_here_gets_another_room_and_nothing_else(cast: Cast, running_over: Appointment) -> None:
    visit = attendance.check_in(by=cast.frida, appointment=following(cast), now=at("11:40"))
    others: list[dict[str, Any]] = [{"starts": "12:30"}, {"who": cast.theo}]
    for other in others:
        with pytest.raises(changes.NotPossibleNow, match="here already, so only the room can be changed"):
            move(cast, visit, "11:41", **other)
    # The time goes by while a room is looked for.
    moved = move(cast, visit, "11:50")
    assert (moved.room, moved.status, moved.schedule_version) == (cast.second_room, "checked_in", 1)


def test_not_after_the_visit_should_be_over(cast: Cast) -> None:
    visit = following(cast, "10:00")
    with pytest.raises(Refused, match="This time has passed"):
        move(cast, visit, "11:31", starts="10:00")


def test_what_somebody_decided_is_not_asked_again(cast: Cast, running_over: Appointment) -> None:
    following(cast)
    look(cast, "11:40")
    WorkItem.objects.update(closed_at=at("11:41"), closed_by=cast.frida, outcome="done")
    assert look(cast, "11:42") == 0


def test_the_page_asks_no_more_as_rooms_grow(
    cast: Cast, running_over: Appointment, signed_in: SignedIn, at_1140: None
) -> None:
    visit = following(cast)
    client, url = signed_in(cast.frida), reverse("sessions:appointment", args=[visit.pk])
    before = queries_of(client, url)
    for number in range(5):
        make.make_room(cast.denver, f"Oak {number}")
    assert (queries_of(client, url), client.get(url).content.decode().count("Move to Oak")) == (before, 5)
