"""Requests for a visit: the patient's page to ask for one, and the desk's to book it or to say why not."""

import uuid
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext as _

from clinic import localtime
from clinic.access import GET_POST, POST, Permission, portal_view, staff_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, PortalRequest, StaffRequest, answer, go
from patients import crisis
from patients.access import my_patient
from patients.models import Patient
from sessions.access import get_my_visit_request_or_404, get_visit_request_or_404
from sessions.actions import visitrequests
from sessions.forms.visitrequests import AskVisitForm
from sessions.forms.visits import AnswerChangeRequestForm
from sessions.models import VisitRequest, VisitType, WaitlistEntry

PAGE = "sessions/ask_visit.html"
# Requests on the patient's page; older ones are on the desk's.
SHOWN = 5


def wanted_words(request: VisitRequest) -> list[str]:
    """Return what suits the patient, part by part: with whom, on which days, at what time."""
    parts = [request.clinician.name if request.clinician else _("with anybody")]
    parts.append(", ".join(str(WEEKDAYS[day]) for day in request.weekdays) or _("any day"))
    parts.append(", ".join(str(WaitlistEntry.DayPart(one).label) for one in request.day_parts) or _("any time"))
    return parts


def mine(patient: Patient) -> list[dict[str, Any]]:
    """Return what the patient asked for lately, the latest first, in their words. Two queries."""
    names = dict(VisitType.objects.current().values_list("code", "patient_name"))
    rows = VisitRequest.objects.filter(patient=patient).select_related("clinician", "location").order_by("-asked_at")
    return [
        {
            "name": names.get(row.visit_type_code, row.visit_type_code), "about": " · ".join(wanted_words(row)),
            "message": row.message, "is_open": row.is_open, "answer": row.answer if row.is_declined else "",
            "asked": localtime.moment_text(row.asked_at, row.location.tz), "look": row.look,
            "word": row.get_status_display(), "withdraw_url": reverse("sessions:withdraw_visit_request", args=[row.pk]),
            "visit_url": reverse("sessions:portal_visit", args=[row.appointment_id]) if row.appointment_id else "",
        }
        for row in rows[:SHOWN]
    ]  # fmt: skip


@portal_view(methods=GET_POST)
def ask_visit(request: PortalRequest) -> HttpResponse:
    """Ask for a visit; a person at the clinic answers. What was asked for before stands above."""
    patient = my_patient(request)
    form = AskVisitForm(
        request.POST or None, kinds=visitrequests.kinds(), people=visitrequests.people(patient)
    )  # fmt: skip
    if request.method == "POST" and form.is_valid():
        try:
            visitrequests.ask(by=request.user, patient=patient, wanted=form.wanted(), now=request.now)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("We have your wish and will answer by the next working day."))
            return go(request, "sessions:ask_visit")
    return _asking(request, patient, form, status=UNPROCESSABLE if request.method == "POST" else 200)


def _asking(
    request: PortalRequest, patient: Patient, form: AskVisitForm, *, status: int, refusal: str = ""
) -> HttpResponse:
    asked = mine(patient)
    context = {
        "form": form, "asked": asked, "home": patient.home_location, "refusal": refusal,
        "needs_numbers": any(
            crisis.may_mean_danger(words)
            for words in (request.POST.get("message", ""), *(one["message"] for one in asked if one["is_open"]))
        ),
    }  # fmt: skip
    return answer(request, PAGE, context, status=status)


@portal_view(methods=POST)
def withdraw_visit_request(request: PortalRequest, visit_request_id: uuid.UUID) -> HttpResponse:
    """Take back what one asked for, while nobody has answered."""
    found = get_my_visit_request_or_404(request, visit_request_id)
    try:
        visitrequests.withdraw(by=request.user, request=found, now=request.now)
    except Refused as refusal:
        patient = my_patient(request)
        form = AskVisitForm(kinds=visitrequests.kinds(), people=visitrequests.people(patient))
        return _asking(request, patient, form, status=UNPROCESSABLE, refusal=str(refusal))
    messages.success(request, _("Taken back. Your visits stay as they are."))
    return go(request, "sessions:ask_visit")


@staff_view(Permission.APPOINTMENT_BOOK, methods=GET_POST)
def answer_visit_request(request: StaffRequest, visit_request_id: uuid.UUID) -> HttpResponse:
    """Read what a patient asks for, and book it or tell them why it cannot be."""
    found = get_visit_request_or_404(request, visit_request_id)
    form = AnswerChangeRequestForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            visitrequests.decline(by=request.user, request=found, answer=form.cleaned_data["answer"], now=request.now)
        except Refused as refusal:
            form.add_error(None, str(refusal))
            found = get_visit_request_or_404(request, visit_request_id)
        else:
            messages.success(request, _("Answered. %(name)s reads it on the portal.") % {"name": found.patient.called})
            return go(request, "patients:patient", found.patient_id)
    kind = VisitType.objects.current().filter(code=found.visit_type_code).first()
    wished = {"kind": found.visit_type_code}
    if found.clinician_id:
        wished["clinician"] = str(found.clinician_id)
    if len(found.day_parts) == 1:
        wished["part"] = found.day_parts[0]
    context = {
        "form": form, "found": found, "kind": kind.name if kind else found.visit_type_code,
        "about": wanted_words(found), "asked": localtime.moment_text(found.asked_at, found.location.tz),
        "book_url": f"{reverse('sessions:book_visit', args=[found.patient_id])}?{urlencode(wished)}",
    }  # fmt: skip
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, "sessions/answer_visit_request.html", context, status=status)
