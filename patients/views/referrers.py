"""The clinician who sent a patient, at the desk."""

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _

from clinic.access import GET_POST, POST, Permission, staff_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go
from patients.access import get_patient_or_404
from patients.actions import referrers as actions
from patients.forms.referrers import SetReferringClinicianForm
from patients.models import ReferringClinician

from .history import referrers_of


@staff_view(Permission.PATIENT_WRITE, methods=GET_POST)
def set_referring_clinician(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Write down who sent the patient, or correct it; what stood there before is shown."""
    patient = get_patient_or_404(request, patient_id, Permission.PATIENT_WRITE)
    found = ReferringClinician.objects.current().filter(patient=patient).first()
    names = actions.Referrer.__dataclass_fields__
    initial = {name: getattr(found, name) for name in names} if found else {}
    initial["seen"] = actions.mark_of(found)
    form = SetReferringClinicianForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            actions.write(
                by=request.user,
                patient=patient,
                referrer=form.referrer(),
                seen=form.cleaned_data["seen"],
                now=request.now,
            )
        except Refused as refusal:
            form.add_error(None, str(refusal))
            found = ReferringClinician.objects.current().filter(patient=patient).first()
            # What is typed stays; whoever saves once more has seen what stands there now.
            form.data = {key: form.data[key] for key in form.data} | {"seen": actions.mark_of(found)}
        else:
            messages.success(request, _("Sent by %(name)s: saved.") % {"name": form.cleaned_data["name"]})
            return go(request, "patients:patient", patient.pk)
    context = {
        "form": form,
        "found": found,
        "seen": actions.mark_of(found),
        "patient": patient,
        "story": referrers_of(patient),
    }
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, "patients/set_referring_clinician.html", context, status=status)


@staff_view(Permission.PATIENT_WRITE, methods=POST)
def end_referring_clinician(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Take off who sent the patient; the entry stays in the history."""
    patient = get_patient_or_404(request, patient_id, Permission.PATIENT_WRITE)
    try:
        ended = actions.end(by=request.user, patient=patient, seen=request.POST.get("seen", ""), now=request.now)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("%(name)s is taken off; the history keeps the entry.") % {"name": ended.name})
    return go(request, "patients:patient", patient.pk)
