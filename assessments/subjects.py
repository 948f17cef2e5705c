"""How this floor's subjects of work are called: alerts, answers, clearances, packets and what is new to decide, to those who may open them, and to nobody else."""

import uuid
from collections.abc import Mapping
from datetime import datetime

from django.urls import reverse

from assessments.models import AssessmentResponse, Clearance, Packet, RiskAlert
from clinic import localtime, subjects
from clinic.access import Permission
from clinic.models import User
from clinic.subjects import Label
from patients.models import Patient


def _alerts(user: User, ids: set[uuid.UUID], now: datetime) -> Mapping[uuid.UUID, Label]:
    """Return whom alerts are about. What was answered stands on the alert's own page."""
    found = RiskAlert.objects.visible_to(user, Permission.ALERT_READ, now).filter(pk__in=ids)
    return {
        alert.pk: Label(
            name=alert.patient.full_name,
            code=alert.patient.mrn,
            about=localtime.moment_text(alert.raised_at, alert.location.tz),
            url=reverse("assessments:alert", kwargs={"alert_id": alert.pk}),
            patient_id=alert.patient_id,
            phone=alert.patient.phone,
        )
        for alert in found.select_related("patient", "location")
    }


def _responses(user: User, ids: set[uuid.UUID], now: datetime) -> Mapping[uuid.UUID, Label]:
    """Return whose answers they are: for whoever may read them the answers, for the others of the place the patient's page."""
    known = Patient.objects.visible_to(user, Permission.PATIENT_READ, now)
    readable = AssessmentResponse.objects.visible_to(user, Permission.QUESTIONNAIRE_READ, now).filter(pk__in=ids)
    mine = set(readable.values_list("pk", flat=True))
    labels = {}
    for row in AssessmentResponse.objects.filter(pk__in=ids, patient__in=known).select_related("patient"):
        page = reverse("patients:patient", args=[row.patient_id])
        labels[row.pk] = Label(
            name=row.patient.full_name,
            code=row.patient.mrn,
            url=reverse("assessments:response", args=[row.pk]) if row.pk in mine else page,
            person_url=page if row.pk in mine else "",
            patient_id=row.patient_id,
            phone=row.patient.phone,
        )
    return labels


def _clearances(user: User, ids: set[uuid.UUID], now: datetime) -> Mapping[uuid.UUID, Label]:
    """Return whom reviews are about. Their page is the care team's; a prescriber who is not on it is led to the team first."""
    here = Patient.objects.visible_to(user, Permission.CLEARANCE_STATUS, now)
    found = list(Clearance.objects.filter(pk__in=ids, patient__in=here).select_related("patient"))
    mine = Patient.objects.visible_to(user, Permission.CLEARANCE_READ, now).filter(
        pk__in=[one.patient_id for one in found]
    )
    open_to_me = set(mine.values_list("pk", flat=True))
    return {
        one.pk: Label(
            name=one.patient.full_name,
            code=one.patient.mrn,
            url=reverse(
                "assessments:review_clearance" if one.patient_id in open_to_me else "patients:care_team",
                args=[one.patient_id],
            ),
            patient_id=one.patient_id,
        )
        for one in found
    }


def _packets(user: User, ids: set[uuid.UUID], now: datetime) -> Mapping[uuid.UUID, Label]:
    """Return whose packet it is: for whoever may read it the packet, for the desk the patient's page."""
    known = Patient.objects.visible_to(user, Permission.PATIENT_READ, now)
    readable = Packet.objects.visible_to(user, Permission.HEALTH_READ, now).filter(pk__in=ids)
    mine = set(readable.values_list("pk", flat=True))
    labels = {}
    for packet in Packet.objects.filter(pk__in=ids, patient__in=known).select_related("patient"):
        page = reverse("patients:patient", args=[packet.patient_id])
        labels[packet.pk] = Label(
            name=packet.patient.full_name,
            code=packet.patient.mrn,
            url=reverse("assessments:packet", args=[packet.pk]) if packet.pk in mine else page,
            person_url=page if packet.pk in mine else "",
            patient_id=packet.patient_id,
            phone=packet.patient.phone,
        )
    return labels


def _screenings(user: User, ids: set[uuid.UUID], now: datetime) -> Mapping[uuid.UUID, Label]:
    """Return about whom there is something new to decide. What it is stands on the chart; who is not on the team is led there first."""
    here = Patient.objects.visible_to(user, Permission.CLEARANCE_STATUS, now)
    open_to_me = Patient.objects.visible_to(user, Permission.CLEARANCE_READ, now)
    mine = set(open_to_me.filter(pk__in=ids).values_list("pk", flat=True))
    return {
        patient.pk: Label(
            name=patient.full_name,
            code=patient.mrn,
            url=reverse("assessments:chart_flags" if patient.pk in mine else "patients:care_team", args=[patient.pk]),
            patient_id=patient.pk,
        )
        for patient in here.filter(pk__in=ids)
    }


def register_own() -> None:
    """Declare this app's subjects of work in clinic.subjects."""
    subjects.register("assessmentresponse", _responses)
    subjects.register("clearance", _clearances)
    subjects.register("packet", _packets)
    subjects.register("riskalert", _alerts)
    subjects.register("screening", _screenings)
