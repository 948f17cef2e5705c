"""What a patient agreed to be written about, at the desk."""

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _

from clinic import localtime
from clinic.access import GET_POST, Permission, staff_view
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go
from patients.access import get_patient_or_404
from patients.actions import preferences as actions
from patients.forms.preferences import PreferencesForm
from patients.models import ContactPreference


@staff_view(Permission.PATIENT_WRITE, methods=GET_POST)
def preferences(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Show every answer with its evidence, and take new ones. What was said before stays on record."""
    patient = get_patient_or_404(request, patient_id, Permission.PATIENT_WRITE)
    rows = ContactPreference.objects.filter(patient=patient).select_related("recorded_by").order_by("-since", "-id")
    current = ContactPreference.objects.current().filter(patient=patient)
    form = PreferencesForm(request.POST or None, current=current)
    if request.method == "POST" and form.is_valid():
        answers = form.answers()
        if answers:
            evidence = ContactPreference.Evidence(form.cleaned_data["evidence"])
            actions.answer(by=request.user, patient=patient, answers=answers, evidence=evidence, now=request.now)
        messages.success(request, _("The answers are saved.") if answers else _("Nothing was changed."))
        return go(request, "patients:patient", patient.pk)
    tz = patient.home_location.tz
    said = [
        {
            "text": f"{row.get_category_display()}, {row.get_channel_display()}: {_('yes') if row.is_allowed else _('no')}",
            "evidence": row.get_evidence_display(),
            "by": row.recorded_by.name,
            "since": localtime.moment_text(row.since, tz),
            "until": localtime.moment_text(row.ended_at, tz) if row.ended_at else "",
        }
        for row in rows[:50]
    ]
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, "patients/preferences.html", {"form": form, "patient": patient, "said": said}, status=status)
