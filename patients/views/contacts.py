"""The people around a patient, at the desk."""

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _

from clinic.access import GET_POST, POST, Permission, staff_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go
from patients.access import get_contact_or_404, get_patient_or_404
from patients.actions import contacts as actions
from patients.forms.contacts import ContactForm


@staff_view(Permission.PATIENT_WRITE, methods=GET_POST)
def add_contact(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Add somebody to call, or to take the patient home."""
    patient = get_patient_or_404(request, patient_id, Permission.PATIENT_WRITE)
    form = ContactForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            contact = actions.add(by=request.user, patient=patient, details=form.details(), now=request.now)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("%(name)s is on the list.") % {"name": contact.name})
            return go(request, "patients:patient", patient.pk)
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, "patients/add_contact.html", {"form": form, "patient": patient}, status=status)


@staff_view(Permission.PATIENT_WRITE, methods=GET_POST)
def edit_contact(request: StaffRequest, contact_id: uuid.UUID) -> HttpResponse:
    """Correct an entry of the list."""
    contact = get_contact_or_404(request, contact_id, Permission.PATIENT_WRITE)
    names = ("kind", "name", "relationship", "phone", "email")
    form = ContactForm(request.POST or None, initial={name: getattr(contact, name) for name in names})
    if request.method == "POST" and form.is_valid():
        try:
            actions.edit(by=request.user, contact=contact, details=form.details(), now=request.now)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("The entry of %(name)s is saved.") % {"name": form.cleaned_data["name"]})
            return go(request, "patients:patient", contact.patient_id)
    status = UNPROCESSABLE if request.method == "POST" else 200
    context = {"form": form, "contact": contact, "patient": contact.patient}
    return answer(request, "patients/edit_contact.html", context, status=status)


@staff_view(Permission.PATIENT_WRITE, methods=POST)
def end_contact(request: StaffRequest, contact_id: uuid.UUID) -> HttpResponse:
    """Take somebody off the list; the entry stays in the history."""
    contact = get_contact_or_404(request, contact_id, Permission.PATIENT_WRITE)
    try:
        actions.end(by=request.user, contact=contact, now=request.now)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("%(name)s is off the list.") % {"name": contact.name})
    return go(request, "patients:patient", contact.patient_id)
