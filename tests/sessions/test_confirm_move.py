"""Before a move: the page says what moves, who is told and what is in the way, and changes nothing."""

from typing import Any

import pytest
from django.urls import reverse

from clinic.models import AuditEvent
from patients.models import ContactPreference
from sessions.actions import changes, holds, placing, reminders
from sessions.forms.visits import Slot
from sessions.models import Appointment, ChangeRequest, Reminder, ResourceHold
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

from .booking import TEN, at, book
from .dosing import book_dose, dosing_room, may_be_dosed, monitor, publish_dosing, team

FRIDAY = at("14:00", 15)
WHY = "patient:suits_better"


@pytest.fixture
def visit(cast: Cast) -> Appointment:
    return book(cast)


def url(visit: Appointment, **asked: str) -> str:
    return reverse("sessions:confirm_move", args=[visit.pk], query={"at": "2027-01-15T14:00", **asked})


def words(response: Any) -> str:
    return " ".join(response.content.decode().split())


def test_it_says_from_to_and_who_is_told_and_does_nothing(
    cast: Cast, visit: Appointment, now: Any, signed_in: SignedIn
) -> None:
    before = list(ResourceHold.objects.values_list("pk", "during", "is_live"))
    text = words(signed_in(cast.frida).get(url(visit, room=str(cast.second_room.pk), version="1", back="schedule")))
    assert "<s>Thu 14 Jan 2027 10:00 MST until 11:15</s>" in text
    assert "Fri 15 Jan 2027 14:00 MST</strong> until 15:15" in text
    assert "Dana Deng · Birch" in text
    assert "Quinn, by e-mail, now:" in text
    assert "Letters about the old time that have not gone are withdrawn." in text
    assert 'name="version" value="1"' in text
    assert 'name="back" value="schedule"' in text
    visit.refresh_from_db()
    assert (visit.starts_at, visit.version) == (TEN, 1)
    assert list(ResourceHold.objects.values_list("pk", "during", "is_live")) == before
    assert not AuditEvent.objects.filter(verb="appointment.moved").exists()


def test_what_it_says_of_letters_is_what_the_move_brings(cast: Cast, visit: Appointment, now: Any) -> None:
    foreseen = reminders.foresee_move(visit=visit, starts_at=FRIDAY, now=make.NOON)
    moved = changes.reschedule(
        by=cast.frida, appointment=visit, clinician=cast.dana, room=cast.room, starts_at=FRIDAY, seen_version=1,
        now=make.NOON,
    )  # fmt: skip
    rows = Reminder.objects.filter(appointment=moved, schedule_version=2).exclude(status=Reminder.Status.SKIPPED)
    assert sorted((one.kind, one.channel) for one in foreseen if not one.reason) == sorted(
        rows.values_list("kind", "channel")
    )


def test_what_refuses_the_move_is_foreseen_by_its_own_name(cast: Cast, visit: Appointment, now: Any) -> None:
    team = holds.team_of(visit)
    for starts_at, kind in (
        (at("20:00", 15), placing.OutsideHours), (at("14:05", 15), placing.OffTheGrid),
        (at("10:00", 11), placing.InThePast), (TEN, changes.NothingChanged),
    ):  # fmt: skip
        found = changes.foresee(
            by=cast.frida, appointment=visit, team=team, room=cast.room, starts_at=starts_at, now=make.NOON
        )
        assert type(found) is kind
        with pytest.raises(kind):
            changes.move(
                by=cast.frida, appointment=visit, team=team, room=cast.room, starts_at=starts_at, seen_version=1,
                now=make.NOON,
            )  # fmt: skip


def test_nobody_writes_and_so_somebody_phones(cast: Cast, visit: Appointment, now: Any, signed_in: SignedIn) -> None:
    ContactPreference.objects.filter(patient=cast.quinn).update(is_allowed=False)
    text = words(signed_in(cast.frida).get(url(visit)))
    assert "please tell Quinn by phone" in text
    assert "by e-mail" not in text


def test_a_wish_is_answered_by_it(cast: Cast, visit: Appointment, now: Any, signed_in: SignedIn) -> None:
    ChangeRequest.objects.create(appointment=visit, wish="change", asked_by=cast.quinn_user, asked_at=make.NOON)
    assert "is answered by this" in words(signed_in(cast.frida).get(url(visit)))


def test_what_is_in_the_way_with_alternatives(cast: Cast, visit: Appointment, now: Any, signed_in: SignedIn) -> None:
    book(cast, cast.pat, starts_at=FRIDAY)
    page = signed_in(cast.frida).get(url(visit))
    text = words(page)
    assert page.status_code == 200
    assert "Dana Deng is taken at that time." in text
    assert text.count('name="slot"') == 3
    assert "Move the visit" not in text


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"at": "2027-01-15T20:00"}, "is not open for the whole of that time"),
        ({"at": "2027-01-15T14:05"}, "start every 15 minutes"),
        ({"at": "2027-01-14T10:00"}, "at that time already"),
        ({"at": "2027-01-11T10:00"}, "This time has passed"),
        ({"at": "x"}, "Choose a time from the list."),
        ({"at": "", "slot": "x"}, "Choose a time from the list."),
        ({"room": "00000000-0000-0000-0000-000000000000"}, "Choose a time from the list."),
    ],
)
def test_refusals(
    cast: Cast, visit: Appointment, now: Any, signed_in: SignedIn, asked: dict[str, str], said: str
) -> None:
    text = words(signed_in(cast.frida).get(url(visit, **asked)))
    assert said in text
    assert "Move the visit" not in text
    assert ('name="slot"' in text) == (said not in {"Choose a time from the list.", "at that time already"})
    assert "Find another time" in text


def test_the_second_editor_sees_what_changed(cast: Cast, visit: Appointment, now: Any, signed_in: SignedIn) -> None:
    changes.reschedule(
        by=cast.felix, appointment=visit, clinician=cast.dana, room=cast.room, starts_at=at("11:30"), seen_version=1,
        now=make.NOON,
    )  # fmt: skip
    client = signed_in(cast.frida)
    text = words(client.get(url(visit, version="1")))
    assert "Somebody changed this visit while you were looking at it. It is now: Thu 14 Jan 2027 11:30 MST" in text
    assert 'name="version" value="2"' in text
    # Between this page and the press a third one is as fast.
    slot = str(Slot(FRIDAY, cast.dana.pk, cast.room.pk))
    answer = client.post(reverse("sessions:reschedule", args=[visit.pk]), {"slot": slot, "version": "1", "why": WHY})
    assert answer.status_code == 422
    assert "Somebody changed this visit" in answer.content.decode()


def test_from_the_schedule_and_back(cast: Cast, visit: Appointment, now: Any, signed_in: SignedIn) -> None:
    answer = signed_in(cast.frida).post(
        reverse("sessions:reschedule", args=[visit.pk]),
        {"slot": str(Slot(FRIDAY, cast.dana.pk, cast.room.pk)), "version": "1", "back": "schedule", "why": WHY},
    )
    assert answer.headers["Location"] == "/schedule/2027-01-15/"


def test_the_list_leads_here_without_scripts(cast: Cast, visit: Appointment, now: Any, signed_in: SignedIn) -> None:
    client, path = signed_in(cast.frida), reverse("sessions:reschedule", args=[visit.pk])
    assert 'name="look" value="on"' in client.get(path).content.decode()
    slot = str(Slot(FRIDAY, cast.dana.pk, cast.room.pk))
    typed = {"slot": slot, "version": "1", "look": "on", "why": WHY, "note": "Called at noon."}
    text = words(client.post(path, typed))
    assert "Fri 15 Jan 2027 14:00 MST" in text
    assert f'name="slot" value="{slot}"' in text
    assert 'value="Called at noon."' in text
    assert f'<option value="{WHY}" selected>' in text
    assert 'name="look"' not in text
    visit.refresh_from_db()
    assert visit.starts_at == TEN
    # What the move would refuse is refused on the list, and what was typed stays.
    book(cast, cast.pat, starts_at=FRIDAY)
    refused = client.post(path, typed)
    assert refused.status_code == 422
    assert "Dana Deng is taken at that time." in words(refused)
    assert "Called at noon." in words(refused)


def test_a_dosing_visit_moves_with_all_its_parts(cast: Cast, now: Any, signed_in: SignedIn) -> None:
    publish_dosing(cast)
    pat = may_be_dosed(cast, cast.pat)
    visit = book_dose(cast, pat, team(cast, monitor(cast)), dosing_room(cast))
    text = words(signed_in(cast.frida).get(url(visit, at="2027-01-18T13:00")))
    for part in ("Preparation</strong> 13:00–13:30", "Dosing</strong> 13:30–14:45", "Integration</strong> 14:45–15:30"):
        assert part in text
    # Milo watches the first hour alone and goes on beside others: two duties, one person.
    dosing = text.split("Dosing</strong>")[1].split("</li>")[0]
    assert "Theo Thorne (therapist), Dana Deng (prescriber), Milo Marsh (monitor" in dosing
    assert dosing.count("Milo Marsh") == 1
    assert "Monitor 1" in text
    assert "Dogwood is kept until 16:15" in text
    assert "Pat confirmed the old time" in text
    # Too late to be over an hour before closing.
    assert "minutes before Denver closes" in words(signed_in(cast.frida).get(url(visit, at="2027-01-18T15:00")))


def test_on_the_clinic_s_wall(cast: Cast, visit: Appointment, now: Any, signed_in: SignedIn) -> None:
    """Ten on the day after the clocks changed is ten, and says which zone."""
    text = words(signed_in(cast.frida).get(url(visit, at="2027-03-15T10:00")))
    assert "Mon 15 Mar 2027 10:00 MDT" in text


def test_doors(cast: Cast, visit: Appointment, now: Any, signed_in: SignedIn) -> None:
    for who, expected in (("olga", 404), ("milo", 403), ("petra", 403), ("theo", 200)):
        assert signed_in(getattr(cast, who)).get(url(visit)).status_code == expected, who
    # Rooms and people of another place do not exist here.
    client = signed_in(cast.frida)
    for asked in ({"room": str(cast.phoenix_room.pk)}, {"clinician": str(cast.omar.pk)}):
        assert "Choose a time from the list." in words(client.get(url(visit, **asked)))
