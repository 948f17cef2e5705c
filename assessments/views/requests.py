"""What a patient is asked to do, and answering it on the portal."""

import uuid

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from assessments import definitions, todolist
from assessments.access import get_my_request_or_404
from assessments.models import AssessmentRequest, AssessmentResponse, Clearance
from assessments.views import answering
from assessments.views.answering import Way
from clinic import localtime
from clinic.access import GET_POST, portal_view
from clinic.http import PortalRequest, answer, go
from patients.access import my_patient
from patients.models import Patient

# What was handed in lately is listed, so that nobody wonders whether it arrived.
DONE_SHOWN = 5

_MODES = (AssessmentResponse.Mode.PORTAL, AssessmentResponse.Mode.LINK, AssessmentResponse.Mode.KIOSK)


@portal_view()
def to_do(request: PortalRequest) -> HttpResponse:
    """Return what waits for the patient, each with its minutes, how their intake stands, and what they handed in last.

    Of the intake they read neutral words and never a rule or a reason (domain.md 1.6).
    """
    patient = my_patient(request)
    newest = Clearance.objects.filter(patient=patient).order_by("-opened_at", "-id").first()
    context = {
        "patient": patient, "rows": todolist.rows_of(patient, request.now), "done": _done(patient),
        "standing": newest.patient_words if newest else "",
    }  # fmt: skip
    return answer(request, "assessments/to_do.html", context, part="rows")


def _done(patient: Patient) -> list[dict[str, str]]:
    rows = AssessmentResponse.objects.for_patient(patient).filter(mode__in=_MODES, corrects=None)
    found = rows.order_by("-answered_at", "-id").values_list("code", "version", "language", "received_at")[:DONE_SHOWN]
    return [
        {
            "title": definitions.get(code, version, language).title,
            "when": localtime.moment_text(received_at, patient.tz),
        }
        for code, version, language, received_at in found
    ]


def _way(request: PortalRequest, asked: AssessmentRequest) -> Way:
    """Return the way of the portal. What belongs to a packet leads back to it."""
    in_packet = asked.packet_id is not None
    return Way(
        mode=AssessmentResponse.Mode.PORTAL,
        url=reverse("assessments:answer_questionnaire", args=[asked.pk]),
        layout="layouts/portal.html",
        home_url=reverse("assessments:my_packet" if in_packet else "assessments:to_do"),
        home_label=_("Back to your intake") if in_packet else _("To do"),
        finish_url=reverse("assessments:questionnaire_done", args=[asked.pk]),
        by=request.user,
    )


@portal_view(methods=GET_POST)
def answer_questionnaire(request: PortalRequest, request_id: uuid.UUID) -> HttpResponse:
    """Let a patient answer what they are asked, one question a page or all on one, and hand it in."""
    asked = get_my_request_or_404(request, request_id)
    if request.method == "GET" and asked.is_done:
        return go(request, "assessments:questionnaire_done", asked.pk)
    return answering.page(request, _way(request, asked), asked)


@portal_view()
def questionnaire_done(request: PortalRequest, request_id: uuid.UUID) -> HttpResponse:
    """Return what follows from answers that were handed in; back to the questions while they were not."""
    asked = get_my_request_or_404(request, request_id)
    response = AssessmentResponse.objects.filter(request=asked, mode__in=_MODES, corrects=None).first()
    if response is None:
        return (
            go(request, "assessments:answer_questionnaire", asked.pk)
            if asked.is_open
            else go(request, "assessments:to_do")
        )
    return answering.done(request, _way(request, asked), asked, response)
