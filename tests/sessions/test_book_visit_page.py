"""The page that books any kind of visit: the kinds, what a dose still needs, the openings, and what comes back."""

import re
from datetime import timedelta
from urllib.parse import unquote

import pytest
from django.urls import reverse

from assessments import flagdata
from assessments.screening import Finding, Flag, Severity
from clinic.models import Device, Role, Room
from patients.models import Contact, Patient
from sessions import visitkinds
from sessions.actions import visittypes
from sessions.forms.visits import RescheduleForm, Slot
from sessions.models import Appointment, ResourceHold, VisitType
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

from .booking import at
from .dosing import book_dose, dosing_room, may_be_dosed, monitor, publish_dosing, team

pytestmark = pytest.mark.usefixtures("now")


def page_of(patient: Patient, kind: str = "", **more: str) -> str:
    query = "&".join(f"{key}={value}" for key, value in {"kind": kind, **more}.items() if value)
    return reverse("sessions:book_visit", args=[patient.pk]) + (f"?{query}" if query else "")


def slots(html: str) -> list[str]:
    return [unquote(value) for value in re.findall(r'name="slot" value="([^"]+)"', html)]


@pytest.fixture
def room(cast: Cast) -> Room:
    return dosing_room(cast)


@pytest.fixture
def device(cast: Cast) -> Device:
    return monitor(cast)


@pytest.fixture
def pat(cast: Cast, room: Room, device: Device) -> Patient:
    publish_dosing(cast)
    return may_be_dosed(cast, cast.pat)


def test_every_kind_is_offered_and_the_intake_has_its_own_page(cast: Cast, signed_in: SignedIn) -> None:
    for row in visitkinds.FIRST_KINDS:
        if row["code"] != "intake":
            visittypes.publish(by=cast.ada, now=make.NOON, **row)
    html = signed_in(cast.frida).get(page_of(cast.quinn)).content.decode()
    for row in visitkinds.FIRST_KINDS:
        assert row["name"] in html
    assert f"{reverse('sessions:book_intake')}?patient={cast.quinn.pk}" in html
    assert "150 minutes · therapist, prescriber, monitor" in html
    # An unknown kind and the intake's lead back to the choice.
    for kind in ("nonsense", "intake"):
        assert "Follow-up by video" in signed_in(cast.frida).get(page_of(cast.quinn, kind)).content.decode()


def test_a_dosing_visit_is_booked_with_its_team(cast: Cast, signed_in: SignedIn, pat: Patient, room: Room) -> None:
    client = signed_in(cast.frida)
    html = client.get(page_of(pat, "dosing", week="2027-01-18")).content.decode()
    assert "missing before a dose" not in html
    offered = slots(html)
    assert offered
    # The slot names everybody: the day's first with Theo or Tess, Dana, and who monitors.
    assert "Dana Deng" in html
    answer = client.post(page_of(pat, "dosing"), {"slot": offered[0]})
    visit = Appointment.objects.get(patient=pat, visit_type__code="dosing")
    assert answer.headers["Location"] == reverse("sessions:appointment", args=[visit.pk])
    assert ResourceHold.objects.filter(appointment=visit, is_live=True).count() == 8
    assert visit.status == Appointment.Status.BOOKED


def test_a_visit_that_is_soon_wants_a_word_on_the_phone(cast: Cast, signed_in: SignedIn, pat: Patient) -> None:
    client = signed_in(cast.frida)
    offered = slots(client.get(page_of(pat, "dosing")).content.decode())
    refused = client.post(page_of(pat, "dosing"), {"slot": offered[0]})
    assert refused.status_code == 422
    html = refused.content.decode()
    assert "Call Pat, and tick that they said yes on the phone." in html
    # What was chosen is kept.
    assert re.search(rf'value="{re.escape(offered[0])}"[^>]* checked', html)
    client.post(page_of(pat, "dosing"), {"slot": offered[0], "told": "on"})
    assert Appointment.objects.get(patient=pat, visit_type__code="dosing").status == Appointment.Status.CONFIRMED


def test_what_a_dose_needs_is_named_with_where_it_is_met(cast: Cast, signed_in: SignedIn, pat: Patient) -> None:
    Contact.objects.filter(patient=pat).update(ended_at=make.NOON)
    client = signed_in(cast.frida)
    page = client.get(page_of(pat, "dosing", week="2027-01-18"))
    html = page.content.decode()
    assert "One thing is missing before a dose" in html
    assert reverse("patients:add_contact", args=[pat.pk]) in html
    refused = client.post(page_of(pat, "dosing"), {"slot": slots(html)[0]})
    assert refused.status_code == 422
    assert "This dosing visit cannot be booked yet. Nobody is named who takes Pat home." in refused.content.decode()
    assert not Appointment.objects.filter(patient=pat).exists()


def test_days_too_near_to_another_dose_are_not_offered(cast: Cast, signed_in: SignedIn, pat: Patient) -> None:
    make.make_appointment(pat, VisitType.objects.get(code="dosing"), cast.theo, at("10:00", 19))
    html = signed_in(cast.frida).get(page_of(pat, "dosing", week="2027-01-18")).content.decode()
    offered = {value[:17] for value in slots(html)}
    # Friday the 22nd at 10:00 is three days after Tuesday at 10:00; everything before it is nearer.
    assert min(offered) == "2027-01-22T17:00Z"


def test_the_desk_does_not_learn_why_a_prescriber_is_needed(cast: Cast, signed_in: SignedIn, pat: Patient) -> None:
    flag = Flag(
        code="MED-BENZO", rule_version=1, severity=Severity.OVERRIDE, finding=Finding.FOUND, trigger="medication:1",
        says="Takes a benzodiazepine.", lifts="A decision.",
    )  # fmt: skip
    make.make_flag(pat, "MED-BENZO", "override", trigger="medication:1", data=flagdata.as_data(flag))
    # A prescriber books as well, and reads why.
    read = {
        who: signed_in(getattr(cast, who)).get(page_of(pat, "dosing")).content.decode() for who in ("frida", "dana")
    }
    assert "A prescriber of the care team has to clear this visit first. Ask them." in read["frida"]
    assert "benzodiazepine" not in read["frida"]
    assert "Not decided: Takes a benzodiazepine." in read["dana"]


def test_two_clerks_collide_and_the_second_is_offered_others(
    cast: Cast, signed_in: SignedIn, pat: Patient, room: Room, device: Device
) -> None:
    first, second = signed_in(cast.frida), signed_in(cast.felix)
    offered = slots(first.get(page_of(pat, "dosing", week="2027-01-18")).content.decode())
    make.make_appointment(cast.quinn, VisitType.objects.get(code="dosing"), cast.tess, at("08:00", 18), room=room)
    refused = second.post(page_of(pat, "dosing"), {"slot": offered[0]})
    assert refused.status_code == 422
    html = refused.content.decode()
    assert "The nearest times that are free" in html
    others = re.findall(r'name="alternative" value="([^"]+)"', html)
    assert len(others) == 3
    second.post(page_of(pat, "dosing"), {"alternative": others[0], "slot": offered[0]})
    assert Appointment.objects.filter(patient=pat, visit_type__code="dosing").count() == 1


@pytest.mark.parametrize(
    "slot",
    ["", "x", "2027-01-18T16:00Z~x~y", "2027-01-18T16:00Z~{theo}~{room}", "2027-01-18T16:00Z~{theo}~{room}~{theo},{theo}~",
     "2027-01-18T16:00Z~{theo}~{room}~" + ",".join(["{theo}"] * 40) + "~{device}", "~~~~", "2027-01-18T16:00Z~{theo}~{room}~~~"],
)  # fmt: skip
def test_what_is_no_slot_is_refused_and_nothing_is_booked(
    cast: Cast, signed_in: SignedIn, pat: Patient, room: Room, device: Device, slot: str
) -> None:
    named = (
        slot.replace("{theo}", str(cast.theo.pk)).replace("{room}", str(room.pk)).replace("{device}", str(device.pk))
    )
    refused = signed_in(cast.frida).post(page_of(pat, "dosing"), {"slot": named})
    assert refused.status_code == 422
    assert not Appointment.objects.filter(patient=pat).exists()


def test_from_afar_the_page_asks_where_the_patient_is(cast: Cast, signed_in: SignedIn) -> None:
    row = next(row for row in visitkinds.FIRST_KINDS if row["code"] == "follow_up_remote")
    visittypes.publish(by=cast.ada, now=make.NOON, **row)
    client = signed_in(cast.frida)
    url = page_of(cast.quinn, "follow_up_remote")
    offered = slots(client.get(url).content.decode())
    refused = client.post(url, {"slot": offered[0], "place": "12 Elm Street, Boulder", "link": "not a link"})
    assert refused.status_code == 422
    html = refused.content.decode()
    assert 'value="12 Elm Street, Boulder"' in html
    assert html.count("field-error") >= 2
    client.post(url, {"slot": offered[0], "place": "12 Elm Street, Boulder", "phone": "303 555 0100"})
    visit = Appointment.objects.get(patient=cast.quinn)
    assert (visit.room, visit.patient_place, visit.call_back_phone) == (None, "12 Elm Street, Boulder", "303 555 0100")
    assert visit.starts_at >= make.NOON - timedelta(0)
    shown = client.get(reverse("sessions:appointment", args=[visit.pk])).content.decode()
    assert "12 Elm Street, Boulder" in shown


def test_a_day_too_near_to_a_dose_says_which(cast: Cast, signed_in: SignedIn, pat: Patient) -> None:
    make.make_appointment(pat, VisitType.objects.get(code="dosing"), cast.theo, at("10:00", 19))
    html = signed_in(cast.frida).get(page_of(pat, "dosing", week="2027-01-18")).content.decode()
    assert "It is less than 72 hours from the dosing visit on Tue 19 Jan 2027 10:00 MST." in html


def test_the_move_page_names_the_team_and_offers_it_first(
    cast: Cast, signed_in: SignedIn, pat: Patient, room: Room, device: Device
) -> None:
    """The other therapist comes first in the alphabet and is less busy; the visit's own team is offered all the same."""
    for name in ("Anna Aster", "Zoe Zander"):
        other = make.make_user(name)
        make.make_member(other, cast.denver, Role.THERAPIST)
        make.make_working_hours(other, cast.denver)
    visit = book_dose(cast, pat, team(cast, device), room)
    make.make_appointment(cast.quinn, cast.intake, cast.theo, at("08:00", 19))
    client = signed_in(cast.frida)
    html = client.get(reverse("sessions:reschedule", args=[visit.pk]) + "?week=2027-01-18").content.decode()
    own = f"{cast.theo.name} (therapist); {cast.dana.name} (prescriber); {cast.milo.name} (monitor, monitor after the first hour)"
    assert f"Team: {own}; {device.name}." in html
    offered = [Slot.parse(value) for value in slots(html)]
    free = [one for one in offered if one.clinician_id == cast.theo.pk]
    assert {(one.clinician_id, *one.others) for one in free} == {
        (cast.theo.pk, cast.dana.pk, cast.milo.pk, cast.milo.pk)
    }
    # Only while Theo has somebody else does another therapist come in.
    assert {one.starts_at for one in offered} - {one.starts_at for one in free}
    assert max(one.starts_at for one in offered if one not in free) < at("09:30", 19)
    assert html.count("<small>same team</small>") == len(free)
    # Somebody takes the time meanwhile: the second gets times that are free, and what they chose stays.
    taken = free[-1]
    make.make_appointment(cast.quinn, cast.intake, cast.theo, taken.starts_at)
    sent = {"slot": str(taken), "version": visit.version, "why": RescheduleForm.ASKED, "told": "on"}
    refused = client.post(reverse("sessions:reschedule", args=[visit.pk]), sent)
    assert refused.status_code == 422
    others = re.findall(r'name="alternative" value="([^"]+)"', refused.content.decode())
    assert len(others) == 3
    moved = client.post(reverse("sessions:reschedule", args=[visit.pk]), {**sent, "slot": "", "alternative": others[0]})
    assert moved.status_code == 302
