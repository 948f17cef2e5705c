"""Who takes a patient home, on the page of a visit in which a dose is given."""

from typing import Any

from clinic import localtime
from clinic.access import Permission, holds
from clinic.http import StaffRequest
from patients.models import Contact
from patients.views.lines import phone_text
from sessions.models import Appointment, EscortAnswer
from sessions.models.escorts import ASKED_WHILE, LOOKS


def panel(request: StaffRequest, visit: Appointment) -> dict[str, Any] | None:
    """Return who is named, what was said since the check-in and by whom, and what may be said now; None without a dose."""
    if not visit.visit_type.is_dosing:
        return None
    tz = visit.location.tz
    said = [
        {
            "look": LOOKS[row.answer], "words": row.get_answer_display(), "by": row.said_by.name,
            "at": localtime.moment_text(row.said_at, tz), "value": row.answer,
        }
        for row in EscortAnswer.objects.standing().filter(appointment=visit).select_related("said_by")
    ]  # fmt: skip
    named = []
    if holds(request.user, Permission.PATIENT_READ, visit.patient.home_location_id):
        rows = Contact.objects.filter(patient=visit.patient, ended_at=None, kind__in=Contact.ESCORTS).order_by(
            "name", "id"
        )
        named = [{"name": row.name, "relationship": row.relationship, "phone": phone_text(row.phone)} for row in rows]
    may_say = visit.status in ASKED_WHILE and holds(request.user, Permission.APPOINTMENT_CHECK_IN, visit.location_id)
    stands = said[0]["value"] if said else ""
    return {
        "said": said,
        "stands": stands,
        "named": named,
        "is_here": visit.status in ASKED_WHILE,
        "answers": [(one.value, one.label) for one in EscortAnswer.Answer if one.value != stands] if may_say else [],
    }
