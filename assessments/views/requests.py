"""What a patient is asked to do, and answering it on the portal."""

import uuid
from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from assessments import definitions
from assessments.access import get_my_request_or_404
from assessments.actions import requests
from assessments.models import AssessmentRequest, AssessmentResponse, Packet
from assessments.views import answering
from assessments.views.answering import Way
from clinic import localtime
from clinic.access import GET_POST, portal_view
from clinic.http import PortalRequest, answer, go
from patients import consentneeds
from patients.access import my_patient
from patients.models import Patient

# What was handed in lately is listed, so that nobody wonders whether it arrived.
DONE_SHOWN = 5
PACKET_MINUTES = 30
CONSENT_MINUTES = 5

_MODES = (AssessmentResponse.Mode.PORTAL, AssessmentResponse.Mode.LINK, AssessmentResponse.Mode.KIOSK)


@portal_view()
def to_do(request: PortalRequest) -> HttpResponse:
    """Return what waits for the patient, each with its minutes, and what they handed in last."""
    patient = my_patient(request)
    context = {"patient": patient, "rows": rows_of(patient, request.now), "done": _done(patient)}
    return answer(request, "assessments/to_do.html", context)


def rows_of(patient: Patient, now: datetime) -> list[dict[str, Any]]:
    """Return the rows of the to-do list: the packet, texts to sign, questionnaires. Four queries, five with licences."""
    rows = []
    packet = Packet.objects.live().filter(patient=patient, expires_at__gt=now).first()
    if packet is not None:
        rows.append(
            {
                "title": _("Your intake"), "url": reverse("assessments:my_packet"), "minutes": PACKET_MINUTES,
                "text": _("Before your first visit. You can stop and go on another day."),
                "due": _due(packet.expires_at, patient, now), "is_late": False, "is_begun": packet.begun_at is not None,
            }
        )  # fmt: skip
    for text in consentneeds.to_sign(patient, now):
        rows.append(
            {
                "title": text.title, "url": reverse("patients:sign_consent", args=[text.pk]), "minutes": CONSENT_MINUTES,
                "text": _("To read and sign."), "due": "", "is_late": False, "is_begun": False,
            }
        )  # fmt: skip
    asked_in_packet = packet.pk if packet else None
    for asked in requests.answerable(patient=patient, now=now):
        if asked.packet_id is None or asked.packet_id != asked_in_packet:
            rows.append(_row(asked, patient, now))
    return rows


def _row(asked: AssessmentRequest, patient: Patient, now: datetime) -> dict[str, Any]:
    definition = requests.definition_of(asked)
    return {
        "title": definition.title,
        "url": reverse("assessments:answer_questionnaire", args=[asked.pk]),
        "minutes": definition.minutes,
        "text": _("You have begun. Go on where you were.") if asked.is_begun else "",
        "due": _due(asked.due_at, patient, now),
        "is_late": asked.due_at < now,
        "is_begun": asked.is_begun,
    }


def _due(moment: datetime, patient: Patient, now: datetime) -> str:
    tz = patient.tz
    days = (localtime.day_of(moment, tz) - localtime.day_of(now, tz)).days
    if moment < now:
        return _("was due %(day)s") % {"day": localtime.day_text(localtime.day_of(moment, tz))}
    if days == 0:
        return _("today, until %(time)s") % {"time": localtime.clock_text(moment, tz)}
    if days == 1:
        return _("until tomorrow")
    return ngettext("%(n)d day left", "%(n)d days left", days) % {"n": days}


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
    return Way(
        mode=AssessmentResponse.Mode.PORTAL,
        url=reverse("assessments:answer_questionnaire", args=[asked.pk]),
        layout="layouts/portal.html",
        home_url=reverse("assessments:to_do"),
        home_label=_("To do"),
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
