"""The clinician's page of a patient: for those who treat them. Its panels come with their own apps."""

import uuid

from django.http import HttpResponse
from django.utils import formats

from clinic import localtime
from clinic.access import Permission, holds, staff_view
from clinic.http import StaffRequest, answer
from patients.access import get_patient_or_404
from sessions.views.visits import visit_rows


@staff_view(Permission.CHART_READ)
def chart(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Who the patient is, and their visits. 404 for whoever is not on the care team and has no emergency grant."""
    patient = get_patient_or_404(request, patient_id, Permission.CHART_READ)
    today = localtime.day_of(request.now, patient.home_location.tz)
    context = {
        "patient": patient,
        "age": patient.age_on(today),
        "born": formats.date_format(patient.birth_date, "j M Y"),
        "may_book": holds(request.user, Permission.APPOINTMENT_BOOK, patient.home_location_id),
        **visit_rows(request, patient),
    }
    return answer(request, "sessions/chart.html", context)
