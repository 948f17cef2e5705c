"""What tests of dosing visits share: the kind of visit, a team, devices, and a patient who may have a dose."""

from datetime import datetime, timedelta
from typing import Any

from assessments.actions import flags
from clinic.models import Device, Room, User
from patients.models import ConsentKind, ConsentText, Contact, Patient
from sessions import visitkinds
from sessions.actions import visits, visittypes
from sessions.actions.holds import Team
from sessions.models import Appointment, VisitType
from tests import factories as make
from tests.assessments.records import write_clean
from tests.cast import Cast

from .booking import TEN


def publish_dosing(cast: Cast) -> VisitType:
    row = next(row for row in visitkinds.FIRST_KINDS if row["code"] == "dosing")
    return visittypes.publish(by=cast.ada, now=make.NOON, **row)


def monitor(cast: Cast, name: str = "Monitor 1") -> Device:
    return Device.objects.create(location=cast.denver, name=name, kind=Device.Kind.VITALS_MONITOR)


def dosing_room(cast: Cast, name: str = "Dogwood") -> Room:
    return make.make_room(cast.denver, name, kind=Room.Kind.DOSING)


def make_another(cast: Cast, name: str) -> Patient:
    """Return a patient of Denver's with the portal, who may be dosed."""
    user = make.make_user(f"{name} Example", kind=User.Kind.PATIENT, email=f"{name.lower()}@post.example")
    return may_be_dosed(cast, make.make_patient(cast.denver, name, portal_user=user, portal_since=make.NOON))


def may_be_dosed(cast: Cast, patient: Patient, at: datetime = make.NOON, **clearance: Any) -> Patient:
    """Return the patient with everything that a dosing visit asks for: screened and clear, cleared, consented, an escort named."""
    make.make_clearance(patient, "cleared", by=cast.dana, **clearance)
    write_clean(patient, cast.dana, at)
    flags.rescreen(by=cast.nina, patient=patient, now=at)
    for kind, route in ((ConsentKind.TREATMENT, ""), (ConsentKind.KETAMINE, "sl")):
        text = ConsentText.objects.filter(kind=kind, route=route).first()
        text = text or make.make_consent_text(cast.dana, cast.denver, kind=kind, route=route)
        make.make_consent(patient, text)
    make.make_contact(patient, kind=Contact.Kind.ESCORT)
    return patient


def team(cast: Cast, device: Device, **changes: Any) -> Team:
    """Return Theo with Dana and Milo and a vitals monitor, unless told otherwise."""
    people = {"therapist": cast.theo, "prescriber": cast.dana, "monitor": cast.milo, **changes}
    watch = people.get("watch", people["monitor"])
    return Team((people["therapist"], people["prescriber"], people["monitor"], watch), (device,))


def book_dose(cast: Cast, patient: Patient, with_team: Team, room: Room, **changes: Any) -> Appointment:
    """Book a dosing visit on Thursday at 10:00, told by phone, by Frida, unless told otherwise."""
    values: dict[str, Any] = {
        "by": cast.frida, "patient": patient, "team": with_team, "room": room, "starts_at": TEN, "location": cast.denver,
        "visit_type": VisitType.objects.get(code="dosing", is_current=True), "now": make.NOON, "told_by_phone": True,
    }  # fmt: skip
    return visits.book_visit(**{**values, **changes})


def minutes(start: datetime, span: tuple[Any, Any]) -> tuple[int, int]:
    """Return a stretch in minutes from a moment."""
    begins, ends = (int((one - start) / timedelta(minutes=1)) for one in span)
    return begins, ends
