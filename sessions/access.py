"""The doors of this floor. Whoever may not open a record is told that there is nothing here."""

import uuid

from django.shortcuts import get_object_or_404

from clinic import audit
from clinic.access import Permission
from clinic.homelocation import PatientBehind, remember_patient_behind
from clinic.http import PortalRequest, StaffRequest
from patients.models import Patient
from sessions.models import Appointment, ChangeRequest, Merge, WaitlistEntry, WaitlistOffer

_WITH = ("location", "patient", "patient__home_location", "visit_type", "clinician", "room", "booked_by", "recorded_by")


def get_appointment_or_404(
    request: StaffRequest, appointment_id: uuid.UUID, permission: Permission = Permission.APPOINTMENT_READ
) -> Appointment:
    """Return the visit if this person holds ``permission`` at its location; else 404."""
    visits = Appointment.objects.visible_to(request.user, permission).select_related(*_WITH)
    appointment = get_object_or_404(visits, pk=appointment_id)
    audit.looked_at(request, appointment, now=request.now)
    return appointment


def get_my_appointment_or_404(request: PortalRequest, appointment_id: uuid.UUID) -> Appointment:
    """Return the visit if it is this patient's own; else 404."""
    visits = Appointment.objects.filter(patient__portal_user=request.user).select_related(*_WITH)
    appointment = get_object_or_404(visits, pk=appointment_id)
    patient = appointment.patient
    remember_patient_behind(request.user, PatientBehind(patient.pk, patient.home_location))
    return appointment


def get_my_change_request_or_404(request: PortalRequest, change_request_id: uuid.UUID) -> ChangeRequest:
    """Return the wish if it is about this patient's own visit; else 404."""
    wishes = ChangeRequest.objects.filter(appointment__patient__portal_user=request.user)
    return get_object_or_404(wishes.select_related(*(f"appointment__{name}" for name in _WITH)), pk=change_request_id)


def get_change_request_or_404(
    request: StaffRequest, change_request_id: uuid.UUID, permission: Permission
) -> ChangeRequest:
    """Return the patient's wish if this person holds ``permission`` at its visit's location; else 404."""
    visits = Appointment.objects.visible_to(request.user, permission)
    wishes = ChangeRequest.objects.filter(appointment__in=visits)
    wish = get_object_or_404(wishes.select_related(*(f"appointment__{name}" for name in _WITH)), pk=change_request_id)
    audit.looked_at(request, wish.appointment, now=request.now)
    return wish


_ENTRY_WITH = ("location", "patient", "patient__home_location", "clinician")


def get_entry_or_404(request: StaffRequest, waitlist_entry_id: uuid.UUID) -> WaitlistEntry:
    """Return the wish on the waitlist if this person books visits at its location; else 404."""
    entries = WaitlistEntry.objects.visible_to(request.user, Permission.APPOINTMENT_BOOK).select_related(*_ENTRY_WITH)
    entry = get_object_or_404(entries, pk=waitlist_entry_id)
    audit.looked_at(request, entry.patient, now=request.now)
    return entry


def get_offer_or_404(request: StaffRequest, waitlist_offer_id: uuid.UUID) -> WaitlistOffer:
    """Return the offered time if this person books visits at its location; else 404."""
    entries = WaitlistEntry.objects.visible_to(request.user, Permission.APPOINTMENT_BOOK)
    offers = WaitlistOffer.objects.filter(entry__in=entries).select_related("entry__patient")
    offer = get_object_or_404(offers, pk=waitlist_offer_id)
    audit.looked_at(request, offer.entry.patient, now=request.now)
    return offer


def get_my_entry_or_404(request: PortalRequest, waitlist_entry_id: uuid.UUID) -> WaitlistEntry:
    """Return the wish on the waitlist if it is this patient's own; else 404."""
    entries = WaitlistEntry.objects.filter(patient__portal_user=request.user).select_related(*_ENTRY_WITH)
    return get_object_or_404(entries, pk=waitlist_entry_id)


def get_my_offer_or_404(request: PortalRequest, waitlist_offer_id: uuid.UUID) -> WaitlistOffer:
    """Return the offered time if it was offered to this patient; else 404."""
    offers = WaitlistOffer.objects.filter(entry__patient__portal_user=request.user)
    return get_object_or_404(offers, pk=waitlist_offer_id)


def get_merge_or_404(request: StaffRequest, merge_id: uuid.UUID) -> Merge:
    """Return the merge, with both patients, if this person may merge both; else 404."""
    mine = Patient.objects.visible_to(request.user, Permission.PATIENT_MERGE, request.now, with_merged=True)
    rows = Merge.objects.filter(survivor__in=mine, loser__in=mine)
    merge = get_object_or_404(rows.select_related("survivor__home_location", "loser__home_location"), pk=merge_id)
    audit.looked_at(request, merge.survivor, now=request.now)
    return merge
