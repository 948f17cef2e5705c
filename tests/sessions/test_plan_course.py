"""A course: proposed whole, booked whole or not at all, and what stands in its way."""

import itertools
import re
from datetime import timedelta

import pytest
from django.urls import reverse

from clinic.models import Room
from patients.models import Contact, Patient
from sessions import visitkinds
from sessions.actions import courses, visittypes
from sessions.actions.courses import Planned
from sessions.actions.holds import Team
from sessions.models import Appointment, Course, ResourceHold, VisitType
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

from .booking import at
from .dosing import dosing_room, may_be_dosed, monitor, publish_dosing, team

pytestmark = pytest.mark.usefixtures("now")


@pytest.fixture
def room(cast: Cast) -> Room:
    return dosing_room(cast)


@pytest.fixture
def pat(cast: Cast, room: Room) -> Patient:
    publish_dosing(cast)
    row = next(row for row in visitkinds.FIRST_KINDS if row["code"] == "integration")
    visittypes.publish(by=cast.ada, now=make.NOON, **row)
    monitor(cast)
    return may_be_dosed(cast, cast.pat)


def page_of(patient: Patient, **asked: str) -> str:
    query = "&".join(f"{key}={value}" for key, value in asked.items())
    return reverse("sessions:plan_course", args=[patient.pk]) + (f"?{query}" if query else "")


def plan_in(html: str) -> dict[str, list[str]]:
    return {name: re.findall(rf'name="{name}" value="([^"]+)"', html) for name in ("dose", "talk")}


def test_six_doses_are_proposed_and_booked_with_their_talks(cast: Cast, signed_in: SignedIn, pat: Patient) -> None:
    client = signed_in(cast.frida)
    page = page_of(pat, doses="6", every_days="3", first="2027-01-18")
    html = client.get(page).content.decode()
    assert "The plan: 6 doses" in html
    plan = plan_in(html)
    answer = client.post(page, plan)
    assert answer.headers["Location"] == reverse("sessions:patient_visits", args=[pat.pk])
    course = Course.objects.get(patient=pat)
    doses, talks = (list(Appointment.objects.filter(course=course, visit_type__code=code).order_by("starts_at")) for code in ("dosing", "integration"))  # fmt: skip
    assert (course.doses, len(doses), len(talks)) == (6, 6, 6)
    gaps = [later.starts_at - one.starts_at for one, later in itertools.pairwise(doses)]
    assert min(gaps) >= timedelta(hours=72)
    for dose, talk in zip(doses, talks, strict=True):
        assert timedelta(hours=24) <= talk.starts_at - dose.ends_at <= timedelta(hours=72)
    # Two a week from Monday: Monday, Thursday and so on, as early as the hours of the house allow.
    assert doses[0].starts_at == at("08:00", 18)
    # Tess is as free as Theo, and Theo is of the care team.
    assert {visit.clinician_id for visit in (*doses, *talks)} == {cast.theo.pk}


def test_a_visit_that_is_taken_meanwhile_leaves_nothing_booked(
    cast: Cast, signed_in: SignedIn, pat: Patient, room: Room
) -> None:
    client = signed_in(cast.frida)
    page = page_of(pat, doses="3", every_days="7", first="2027-01-18")
    plan = plan_in(client.get(page).content.decode())
    third = VisitType.objects.get(code="dosing")
    # Somebody else takes the room of the last dose.
    make.make_appointment(cast.quinn, third, cast.tess, at("08:00", 18) + timedelta(days=14), room=room)
    before = ResourceHold.objects.count()
    refused = client.post(page, plan)
    assert refused.status_code == 422
    html = refused.content.decode()
    assert "Nothing was booked, because of the visit on Mon 1 Feb 2027" in html
    assert (Course.objects.count(), Appointment.objects.filter(patient=pat).count()) == (0, 0)
    assert ResourceHold.objects.count() == before
    # A new plan stands below, and can be booked.
    again = plan_in(html)
    assert len(again["dose"]) == 3
    assert again["dose"][2] != plan["dose"][2]
    client.post(page, again)
    assert Course.objects.get().doses == 3


def test_what_a_dose_needs_is_named_and_a_course_past_the_clearance_refused(
    cast: Cast, signed_in: SignedIn, pat: Patient
) -> None:
    client = signed_in(cast.frida)
    page = page_of(pat, doses="7", every_days="7", first="2027-01-18")
    # Pat is cleared for six sessions.
    refused = client.post(page, plan_in(client.get(page).content.decode()))
    assert refused.status_code == 422
    assert "A prescriber of the care team has to clear this visit first." in refused.content.decode()
    assert not Appointment.objects.filter(patient=pat).exists()
    Contact.objects.filter(patient=pat).update(ended_at=make.NOON)
    html = client.get(page_of(pat)).content.decode()
    assert "One thing is missing before a dose" in html
    assert reverse("patients:add_contact", args=[pat.pk]) in html


def test_what_does_not_fit_is_said(cast: Cast, signed_in: SignedIn, pat: Patient, room: Room) -> None:
    Room.objects.filter(pk=room.pk).update(is_in_use=False)
    html = signed_in(cast.frida).get(page_of(pat, doses="2", every_days="3")).content.decode()
    assert "2 doses do not fit before" in html
    assert 'name="dose"' not in html


@pytest.mark.parametrize(
    "plan",
    [{}, {"dose": "x"}, {"dose": ["x"] * 13}, {"talk": "2027-01-18T16:00Z~x~"}, {"dose": "2027-01-18T16:00Z~{theo}~{room}"}],
)  # fmt: skip
def test_what_is_no_plan_is_refused(
    cast: Cast, signed_in: SignedIn, pat: Patient, room: Room, plan: dict[str, str | list[str]]
) -> None:
    named = {key: value.format(theo=cast.theo.pk, room=room.pk) if isinstance(value, str) else value for key, value in plan.items()}  # fmt: skip
    refused = signed_in(cast.frida).post(page_of(pat), named)
    assert refused.status_code == 422
    assert not Appointment.objects.filter(patient=pat).exists()


def test_a_course_of_nothing_or_of_talks_alone_is_refused(cast: Cast, pat: Patient) -> None:
    talk = Planned(VisitType.objects.get(code="integration"), Team((cast.theo,)), cast.room, at("10:00", 18))
    for planned in ([], [talk]):
        with pytest.raises(courses.EmptyCourse, match="no dose in this course"):
            courses.book_course(
                by=cast.frida, patient=pat, location=cast.denver, planned=planned, told_by_phone=False, now=make.NOON
            )
    assert not Appointment.objects.filter(patient=pat).exists()


def test_two_doses_of_one_course_keep_their_distance(cast: Cast, pat: Patient, room: Room) -> None:
    kind = VisitType.objects.get(code="dosing")
    device = monitor(cast, "Monitor 2")
    planned = [Planned(kind, team(cast, device), room, at("10:00", day)) for day in (18, 20)]
    with pytest.raises(
        courses.NotAllOfIt, match=r"Wed 20 Jan 2027.*less than 72 hours to the dosing visit on Mon 18 Jan"
    ):
        courses.book_course(
            by=cast.frida, patient=pat, location=cast.denver, planned=planned, told_by_phone=False, now=make.NOON
        )
    assert not Course.objects.exists()
