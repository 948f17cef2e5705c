"""How this floor's subjects of work are called: patients, enquiries, and emergency openings of a chart."""

import uuid
from collections.abc import Mapping
from datetime import datetime

from django.urls import reverse

from clinic import subjects
from clinic.access import Permission, locations_where
from clinic.models import User
from clinic.subjects import Label
from patients.models import BreakGlass, Patient, Referral


def _page_of(patient_id: uuid.UUID) -> str:
    return reverse("patients:patient", kwargs={"patient_id": patient_id})


def _patients(user: User, ids: set[uuid.UUID], now: datetime) -> Mapping[uuid.UUID, Label]:
    found = Patient.objects.visible_to(user, Permission.PATIENT_READ, now, with_merged=True).filter(pk__in=ids)
    return {
        patient.pk: Label(
            patient.full_name, _page_of(patient.pk), code=patient.mrn, patient_id=patient.pk, phone=patient.phone
        )
        for patient in found
    }


def _referrals(user: User, ids: set[uuid.UUID], _now: datetime) -> Mapping[uuid.UUID, Label]:
    """Return who asked; once they are registered, as the patient they are where that record is open to the reader."""
    found = Referral.objects.visible_to(user, Permission.REFERRAL_READ).filter(pk__in=ids).select_related("patient")
    here = locations_where(user, Permission.PATIENT_READ)
    labels = {}
    for referral in found:
        url = reverse("patients:referral", kwargs={"referral_id": referral.pk})
        patient = referral.patient if referral.patient and referral.patient.home_location_id in here else None
        labels[referral.pk] = (
            Label(referral.full_name, url, phone=referral.phone)
            if patient is None
            else Label(
                patient.full_name,
                url,
                code=patient.mrn,
                person_url=_page_of(patient.pk),
                patient_id=patient.pk,
                phone=patient.phone,
            )
        )
    return labels


def _openings(user: User, ids: set[uuid.UUID], now: datetime) -> Mapping[uuid.UUID, Label]:
    """Return whose chart was opened, and by whom. Whoever reviews goes to the reviews, the care team to the patient."""
    mine = Patient.objects.visible_to(user, Permission.PATIENT_READ, now, with_merged=True)
    found = BreakGlass.objects.filter(pk__in=ids, patient__in=mine).select_related("patient", "user")
    reviewed_here = locations_where(user, Permission.BREAK_GLASS_REVIEW)
    labels = {}
    for grant in found:
        patient, page = grant.patient, _page_of(grant.patient_id)
        reviews = patient.home_location_id in reviewed_here
        labels[grant.pk] = Label(
            name=patient.full_name,
            code=patient.mrn,
            about=grant.user.name,
            url=reverse("patients:break_glass_reviews") if reviews else page,
            person_url=page if reviews else "",
            patient_id=patient.pk,
        )
    return labels


def register_own() -> None:
    """Declare this app's subjects of work in clinic.subjects."""
    subjects.register("breakglass", _openings)
    subjects.register("patient", _patients)
    subjects.register("referral", _referrals)
