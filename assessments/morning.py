"""High totals beside a "not at all": nobody is alarmed, and a clinician reads them in the morning (domain.md 6.5)."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from assessments import definitions
from assessments.models import AssessmentResponse, Score
from clinic import localtime
from clinic.access import Permission
from clinic.models import User
from patients.models import Patient

# A weekend and its Monday.
SINCE = timedelta(days=3)
SHOWN = 30


def _high_with_a_no() -> Q:
    """Return the condition that ``safety.in_morning_list`` states, for every version of every instrument on file."""
    found = Q(pk__in=[])
    for definition in definitions.registry().by_key.values():
        if definition.bands and definition.safety_items:
            noes = {f"response__answers__{each.item}": 0 for each in definition.safety_items}
            found |= Q(
                response__code=definition.code, response__version=definition.version,
                response__language=definition.language, band=definition.bands[-1].id, **noes,
            )  # fmt: skip
    return found


def to_read(user: User, now: datetime) -> list[dict[str, Any]]:
    """Return the high totals of the last three days of patients whose answers ``user`` reads, newest first; one query."""
    mine = Patient.objects.visible_to(user, Permission.QUESTIONNAIRE_READ, now)
    rows = Score.objects.filter(_high_with_a_no(), response__patient__in=mine, response__received_at__gt=now - SINCE)
    # What was corrected or taken back since says nothing any more, least of all "not at all".
    rows = rows.filter(
        response__in=AssessmentResponse.objects.standing(), response__received_at__lte=now
    ).select_related("response__patient__home_location")
    lines = []
    for row in rows.order_by("-response__received_at", "-pk")[:SHOWN]:
        response = row.response
        definition = definitions.get(response.code, response.version, response.language)
        lines.append(
            {
                "patient_id": response.patient_id,
                "name": response.patient.full_name,
                "mrn": response.patient.mrn,
                "what": f"{definition.name} {row.total}",
                "band": definition.bands[-1].label,
                "when": localtime.moment_text(response.answered_at, response.patient.home_location.tz),
            }
        )
    return lines
