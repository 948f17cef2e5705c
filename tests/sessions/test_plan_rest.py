"""The rest of a course planned anew around a visit that moved, fell out or was missed: all of it or none."""

import html as markup
import re
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from clinic.errors import Refused
from clinic.models import Room
from sessions import visitkinds
from sessions.actions import changes, courses, visits, visittypes
from sessions.actions.courses import Moved, Planned
from sessions.actions.holds import Team, team_of
from sessions.models import Appointment, Course, ResourceHold, VisitType
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

from .booking import at, in_thread
from .dosing import dosing_room, may_be_dosed, monitor, publish_dosing, team

Status = Appointment.Status


@pytest.fixture
def room(cast: Cast) -> Room:
    return dosing_room(cast)


@pytest.fixture
def course(cast: Cast, room: Room) -> Course:
    """Three doses of Pat's on Mondays at 10:00 from 18 January, each with a talk on Wednesday at 09:00."""
    dose = publish_dosing(cast)
    row = next(row for row in visitkinds.FIRST_KINDS if row["code"] == "integration")
    talk = visittypes.publish(by=cast.ada, now=make.NOON, **row)
    device = monitor(cast)
    may_be_dosed(cast, cast.pat)
    planned = [Planned(dose, team(cast, device), room, at("10:00", 18 + 7 * n)) for n in range(3)]
    planned += [Planned(talk, Team((cast.theo,)), cast.room, at("09:00", 20 + 7 * n)) for n in range(3)]
    return courses.book_course(
        by=cast.frida, patient=cast.pat, location=cast.denver, planned=planned, told_by_phone=False, now=make.NOON
    )


def own(course: Course, code: str = "dosing") -> list[Appointment]:
    found = Appointment.objects.live().filter(course=course, visit_type__code=code).order_by("starts_at")
    return list(found.select_related("visit_type", "patient", "location", "room", "clinician"))


def days(course: Course, code: str = "dosing") -> list[int]:
    """Return the days of January on which its visits are; the 32nd is the first of February."""
    return [(one.starts_at - at("00:00", 1)).days + 1 for one in own(course, code)]


def plan_in(html: str) -> dict[str, list[str]]:
    """Return what the page would send: the first option of each choice, and what is hidden."""
    plan = {
        name: re.findall(rf'<select[^>]* name="{name}"[^>]*><option value="([^"]+)"', html) for name in ("move", "add")
    }
    return {**plan, "drop": re.findall(r'name="drop" value="([^"]+)"', html)}


def page_of(visit: Appointment, query: str = "") -> str:
    return reverse("sessions:plan_rest", args=[visit.pk]) + query


def slot_text(visit: Appointment, starts_at: datetime) -> str:
    people = team_of(visit)
    ids = [str(who.pk) for who in people.others]
    devices = [str(one.pk) for one in people.devices]
    parts = [f"{starts_at:%Y-%m-%dT%H:%MZ}", str(people.clinician.pk), str(visit.room_id)]
    return "~".join([*parts, ",".join(ids), ",".join(devices)])


def move_to(visit: Appointment, starts_at: datetime, **changed: Any) -> Moved:
    return Moved(
        visit, visit.version, Planned(visit.visit_type, changed.get("team", team_of(visit)), visit.room, starts_at)
    )


def plan(cast: Cast, course: Course, *moved: Moved, **changed: Any) -> Course:
    return courses.plan_rest(
        by=cast.frida, course=course, moved=moved, added=changed.get("added", ()), dropped=changed.get("dropped", ()),
        told_by_phone=False, now=changed.get("now", make.NOON),
    )  # fmt: skip


@pytest.mark.usefixtures("now")
def test_a_dose_that_moved_takes_its_talk_along(cast: Cast, signed_in: SignedIn, course: Course) -> None:
    client = signed_in(cast.frida)
    first, second, _third = own(course)
    slot = slot_text(first, at("10:00", 22))
    moved = client.post(
        reverse("sessions:reschedule", args=[first.pk]), {"slot": slot, "version": first.version, "why": "clinic:other"}
    )
    # The talk on Wednesday would come before the dose on Friday.
    assert moved.headers["Location"] == page_of(first)
    html = client.get(page_of(first)).content.decode()
    found = plan_in(html)
    talk = own(course, "integration")[0]
    # Monday morning, before the next dose.
    assert (len(found["move"]), found["move"][0][:36]) == (1, str(talk.pk))
    assert "2027-01-25T15:00Z" in found["move"][0]
    assert html.count("stays") == 5
    answer = client.post(page_of(first), found)
    assert answer.headers["Location"] == reverse("sessions:patient_visits", args=[cast.pat.pk])
    assert (days(course), days(course, "integration")) == ([22, 25, 32], [25, 27, 34])
    talk.refresh_from_db()
    assert (talk.version, talk.schedule_version) == (2, 2)
    # Nothing is left to plan, and what somebody has just put somewhere stays there.
    again = client.get(page_of(second)).content.decode()
    assert "Nothing else has to change" in again
    assert plan_in(again) == {"move": [], "add": [], "drop": []}


@pytest.mark.usefixtures("now")
def test_a_time_too_near_the_next_dose_is_possible_with_the_rest(
    cast: Cast, signed_in: SignedIn, course: Course
) -> None:
    client = signed_in(cast.frida)
    _first, second, third = own(course)
    slot = slot_text(second, at("11:00", 29))
    refused = client.post(
        reverse("sessions:reschedule", args=[second.pk]),
        {"slot": slot, "version": second.version, "why": "clinic:other"},
    )
    assert refused.status_code == 422
    page = markup.unescape(re.findall(r'href="([^"]+plan-rest/[^"]*to=[^"]+)"', refused.content.decode())[0])
    found = plan_in(client.get(page).content.decode())
    assert [text[:36] for text in found["move"]] == [
        str(second.pk),
        str(own(course, "integration")[1].pk),
        str(third.pk),
    ]
    assert client.post(page, found).status_code == 302
    assert [one.starts_at for one in own(course)] == [at("10:00", 18), at("11:00", 29), at("11:00", 32)]
    assert days(course, "integration") == [20, 32, 34]
    # The holds follow: a room and a patient for each dose, and nobody in two places.
    assert (
        ResourceHold.objects.filter(appointment=second, is_live=True, during__startswith__gte=at("11:00", 29)).count()
        == 8
    )


@pytest.mark.usefixtures("now")
def test_what_was_missed_is_booked_again_or_not(cast: Cast, signed_in: SignedIn, course: Course) -> None:
    client = signed_in(cast.frida)
    second = own(course)[1]
    cancelled = client.post(
        reverse("sessions:cancel_appointment", args=[second.pk]),
        {"cancelled_by": "patient", "reason": "illness", "note": "", "version": second.version},
    )
    assert cancelled.headers["Location"] == page_of(second)
    html = client.get(page_of(second)).content.decode()
    found = plan_in(html)
    # A dose is booked anew as early as it fits, and the talk that lost its dose becomes that one's.
    assert (len(found["add"]), found["add"][0].startswith("dosing:2027-02-04")) == (1, True)
    assert [text[:36] for text in found["move"]] == [str(own(course, "integration")[1].pk)]
    without = plan_in(client.get(page_of(second, "?only=1")).content.decode())
    assert (without["add"], without["move"], len(without["drop"])) == ([], [], 1)
    # What has no place is cancelled only when somebody says so.
    assert client.post(page_of(second, "?only=1"), without).status_code == 422
    assert len(own(course, "integration")) == 3
    assert client.post(page_of(second), found).status_code == 302
    assert (days(course), days(course, "integration")) == ([18, 32, 35], [20, 34, 36])
    # Another dose falls out, and its talk with it.
    changes.cancel(
        by=cast.frida, appointment=own(course)[2], cancelled_by=Appointment.CancelledBy.PATIENT,
        reason=Appointment.CancelReason.WORK, note="", seen_version=1, now=make.NOON,
    )  # fmt: skip
    last = plan_in(client.get(page_of(second, "?only=1")).content.decode())
    assert client.post(page_of(second, "?only=1"), {**last, "agreed": "on"}).status_code == 302
    assert (days(course), days(course, "integration")) == ([18, 32], [20, 34])


@pytest.mark.usefixtures("now")
def test_what_somebody_changed_meanwhile_is_proposed_anew(cast: Cast, signed_in: SignedIn, course: Course) -> None:
    client = signed_in(cast.frida)
    first, _second, third = own(course)
    page = page_of(first, "?to=" + slot_text(first, at("10:00", 21)))
    found = plan_in(client.get(page).content.decode())
    talk = own(course, "integration")[0]
    changes.reschedule(
        by=cast.felix, appointment=talk, clinician=cast.tess, room=cast.room, starts_at=at("11:00", 20), seen_version=1,
        now=make.NOON,
    )  # fmt: skip
    refused = client.post(page, found)
    assert refused.status_code == 422
    html = refused.content.decode()
    assert "The plan below was made anew" in html
    assert (days(course)[0], third.version) == (18, 1)
    assert client.post(page, plan_in(html)).status_code == 302
    assert (days(course), days(course, "integration")) == ([21, 25, 32], [22, 27, 34])


@pytest.mark.usefixtures("now")
@pytest.mark.parametrize("sent", [
    {"move": "x"}, {"move": "{visit}:0:{slot}"}, {"add": "intake:{slot}"}, {"drop": ["{visit}"]}, {"move": ["x"] * 25},
    {"move": "{other}:1:{slot}"}, {"move": "{visit}:1:2027-01-20T17:00Z~{visit}~{visit}"}, {},
])  # fmt: skip
def test_what_is_no_plan_is_refused(
    cast: Cast, signed_in: SignedIn, course: Course, sent: dict[str, str | list[str]]
) -> None:
    first = own(course)[0]
    other = make.make_appointment(cast.quinn, cast.intake, cast.dana, at("10:00", 19), room=cast.room)
    named = {"visit": first.pk, "slot": slot_text(first, at("10:00", 21)), "other": other.pk}
    values = {
        key: [one.format(**named) for one in ([text] if isinstance(text, str) else text)] for key, text in sent.items()
    }
    refused = signed_in(cast.frida).post(page_of(first), values)
    assert refused.status_code == 422
    assert days(course) == [18, 25, 32]


def test_what_has_begun_is_never_touched_and_nothing_is_done_by_half(cast: Cast, course: Course) -> None:
    first, second, third = own(course)
    before = set(ResourceHold.objects.filter(is_live=True).values_list("pk", flat=True))
    later = at("11:00", 18)
    with pytest.raises(courses.NotAllOfIt, match=r"Mon 18 Jan 2027.*It has begun or is over"):
        plan(cast, course, move_to(third, at("10:00", 33)), move_to(first, at("10:00", 22)), now=later)
    # Tuesday to Thursday is too near for a dose, and the move before it is undone.
    with pytest.raises(courses.NotAllOfIt, match="less than 72 hours"):
        plan(cast, course, move_to(second, at("10:00", 26)), move_to(third, at("10:00", 28)))
    # A talk has to be in its hours.
    talk = own(course, "integration")[0]
    with pytest.raises(courses.NotAllOfIt, match="not one to three days after a dose"):
        plan(cast, course, move_to(talk, at("09:00", 22)))
    with pytest.raises(courses.EmptyCourse, match="stays as it is"):
        plan(cast, course)
    assert set(ResourceHold.objects.filter(is_live=True).values_list("pk", flat=True)) == before
    # Two visits may change places: what the whole course holds is free for it.
    plan(cast, course, move_to(second, at("10:00", 32)), move_to(third, at("10:00", 25)))
    assert [one.pk for one in own(course)] == [first.pk, third.pk, second.pk]


@pytest.mark.django_db(transaction=True)
def test_a_desk_booking_of_one_of_its_times_leaves_all_or_none(cast: Cast, course: Course, room: Room) -> None:
    """The rest moves by a day while clerks book the same room, person and time in the other order: one side has all of it."""
    quinn = may_be_dosed(cast, cast.quinn)
    dose = VisitType.objects.get(code="dosing")
    gate, results = threading.Barrier(4), dict[str, str]()
    _first, second, third = own(course)
    moves = [move_to(third, at("10:00", 33)), move_to(second, at("10:00", 26))]
    crew = team_of(second)

    def settle(name: str, act: Any) -> None:
        gate.wait(20)
        try:
            act()
        except Refused as refusal:
            results[name] = type(refusal.__cause__ or refusal).__name__
        else:
            results[name] = "done"

    def desk(n: int) -> Any:
        return lambda: visits.book_visit(
            by=cast.felix, patient=quinn, team=crew, room=room, starts_at=at("10:00", (26, 33)[n % 2]),
            location=cast.denver, visit_type=dose, told_by_phone=True, now=make.NOON,
        )  # fmt: skip

    work = {"rest": lambda: plan(cast, course, *moves), **{f"desk {n}": desk(n) for n in range(3)}}
    threads = [threading.Thread(target=in_thread(lambda n=n, a=a: settle(n, a))) for n, a in work.items()]  # type: ignore[misc]  # bound now
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert set(results) == set(work)
    assert set(results.values()) <= {"done", "SlotTaken", "Busy"}
    booked = Appointment.objects.live().filter(patient=quinn).count()
    if results["rest"] == "done":
        assert (days(course), booked) == ([18, 26, 33], 0)
    else:
        assert (days(course), booked > 0) == ([18, 25, 32], True)
    live = ResourceHold.objects.filter(is_live=True, resource_id=room.pk)
    assert live.count() == 3 + booked


def test_a_visit_of_no_course_has_no_rest(cast: Cast, signed_in: SignedIn) -> None:
    visit = make.make_appointment(cast.pat, cast.intake, cast.dana, make.NOON + timedelta(days=2), room=cast.room)
    client: Client = signed_in(cast.frida)
    assert "This visit is of no course." in client.get(page_of(visit)).content.decode()
    assert client.post(page_of(visit)).status_code == 422
