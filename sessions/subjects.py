"""How this floor's subjects of work are called: visits and requests, by whose they are and when."""

import uuid
from collections.abc import Mapping
from datetime import datetime

from django.urls import reverse

from clinic import localtime, subjects
from clinic.access import Permission, locations_where
from clinic.models import User
from clinic.subjects import Label
from sessions.models import Appointment, VisitRequest


def _visits(user: User, ids: set[uuid.UUID], _now: datetime) -> Mapping[uuid.UUID, Label]:
    """Return whose visits they are, with the patient's page where that is open to the reader too."""
    found = (
        Appointment.objects.visible_to(user, Permission.APPOINTMENT_READ)
        .filter(pk__in=ids)
        .select_related("patient", "location")
    )
    here = locations_where(user, Permission.PATIENT_READ)
    return {
        visit.pk: Label(
            name=visit.patient.full_name,
            code=visit.patient.mrn,
            about=localtime.moment_text(visit.starts_at, visit.location.tz),
            url=reverse("sessions:appointment", kwargs={"appointment_id": visit.pk}),
            person_url=reverse("patients:patient", kwargs={"patient_id": visit.patient_id})
            if visit.patient.home_location_id in here
            else "",
            patient_id=visit.patient_id,
            phone=visit.patient.phone if visit.patient.home_location_id in here else "",
        )
        for visit in found
    }


def _requests(user: User, ids: set[uuid.UUID], _now: datetime) -> Mapping[uuid.UUID, Label]:
    """Return who asks for a visit, with the page on which it is answered."""
    found = (
        VisitRequest.objects.visible_to(user, Permission.APPOINTMENT_BOOK)
        .filter(pk__in=ids)
        .select_related("patient", "location")
    )
    here = locations_where(user, Permission.PATIENT_READ)
    return {
        one.pk: Label(
            name=one.patient.full_name,
            code=one.patient.mrn,
            about=localtime.moment_text(one.asked_at, one.location.tz),
            url=reverse("sessions:answer_visit_request", kwargs={"visit_request_id": one.pk}),
            person_url=reverse("patients:patient", kwargs={"patient_id": one.patient_id})
            if one.patient.home_location_id in here
            else "",
            patient_id=one.patient_id,
            phone=one.patient.phone if one.patient.home_location_id in here else "",
        )
        for one in found
    }


def register_own() -> None:
    """Declare this app's subjects of work in clinic.subjects."""
    subjects.register("appointment", _visits)
    subjects.register("visitrequest", _requests)
