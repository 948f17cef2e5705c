"""Scores over time: the clinician's panel, and the patient's own picture in plain words."""

import uuid
from typing import Any

from django.http import HttpResponse

from assessments import courses, plainwords, scorecharts
from assessments.courses import Course
from clinic.access import Permission, portal_view, staff_view
from clinic.http import PortalRequest, StaffRequest, answer
from patients.access import get_patient_or_404, my_patient


@staff_view(Permission.QUESTIONNAIRE_READ)
def chart_scores(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Show one instrument's course, with bands, the lines of response and remission, and its table; a panel of the chart.

    ``?instrument=`` names which; without it the one that was answered most often.
    """
    patient = get_patient_or_404(request, patient_id, Permission.QUESTIONNAIRE_READ)
    found = courses.of(patient)
    chosen = _choose(found, request.GET.get("instrument", ""))
    context: dict[str, Any] = {
        "patient": patient,
        "instruments": [{"code": one.code, "name": one.definition.name, "is_current": one is chosen} for one in found],
    }
    if chosen is not None and (series := chosen.series) is not None:
        context |= {
            "chosen": chosen.definition,
            "picture": scorecharts.picture(chosen.definition, series, patient.home_location.tz),
        }
    return answer(request, "assessments/chart_scores.html", context, part="scores")


def _choose(found: list[Course], code: str) -> Course | None:
    """Return the course that was asked for, else the longest, else None when there is none."""
    asked = next((course for course in found if course.code == code), None)
    return asked or max(found, key=lambda course: len(course.readings), default=None)


@portal_view()
def my_progress(request: PortalRequest) -> HttpResponse:
    """Show a patient what they answered over time, one picture for each questionnaire of theirs, in plain words."""
    patient = my_patient(request)
    tz = patient.home_location.tz
    cards = []
    for course in courses.of(patient):
        series = course.series
        if series is None or not course.is_by_patient or not plainwords.is_shown(course.code):
            continue
        picture = scorecharts.picture(course.definition, series, tz, has_verdicts=False)
        cards.append(
            {
                "code": course.code,
                "title": plainwords.title(course.code),
                "name": course.definition.name,
                "which_way": plainwords.which_way(course.definition.higher_is),
                "sentence": plainwords.progress(course.definition, series, tz, alarms=course.alarms),
                "picture": picture,
            }
        )
    return answer(request, "assessments/my_progress.html", {"patient": patient, "cards": cards})
