"""Safety plans: read and printed by whoever acts for a patient, written by a clinician, and read by the patient."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _

from assessments.access import get_patient_at_risk_or_404
from assessments.actions import safetyplans as actions
from assessments.forms.alerts import WriteSafetyPlanForm, with_field
from assessments.models import SafetyPlan
from clinic import localtime
from clinic.access import GET_POST, Permission, holds, portal_view, staff_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, PortalRequest, StaffRequest, answer, go
from patients.access import my_patient
from patients.models import Patient

# A plan is gone through at most visits; older ones stay on record.
VERSIONS = 20


def _shown(patient: Patient, plan: SafetyPlan | None) -> dict[str, Any]:
    return {
        "patient": patient,
        "plan": plan,
        "written": localtime.moment_text(plan.written_at, patient.home_location.tz) if plan else "",
    }


@staff_view(Permission.CHART_READ)
def safety_plan(request: StaffRequest, patient_id: UUID) -> HttpResponse:
    """Return a patient's plan, the newest or the version that is asked for, ready to be printed."""
    patient = get_patient_at_risk_or_404(request, patient_id, Permission.CHART_READ)
    plans = list(SafetyPlan.objects.filter(patient=patient).select_related("written_by").order_by("-number")[:VERSIONS])
    asked = request.GET.get("number", "")
    plan = next((each for each in plans if str(each.number) == asked), None) if asked else next(iter(plans), None)
    if asked and plan is None:
        raise Http404
    context = {
        **_shown(patient, plan),
        "versions": [
            {"number": each.number, "by": each.written_by.name, "is_shown": each == plan,
             "when": localtime.moment_text(each.written_at, patient.home_location.tz)}
            for each in plans
        ],
        "is_newest": bool(plans) and plan == plans[0],
        "may_write": holds(request.user, Permission.ALERT_ANSWER, patient.home_location_id),
    }  # fmt: skip
    return answer(request, "assessments/safety_plan.html", context)


@staff_view(Permission.ALERT_ANSWER, methods=GET_POST)
def write_safety_plan(request: StaffRequest, patient_id: UUID) -> HttpResponse:
    """Write a new version of the plan, beginning with the words of the last."""
    patient = get_patient_at_risk_or_404(request, patient_id, Permission.ALERT_ANSWER)
    last = SafetyPlan.objects.filter(patient=patient).select_related("written_by").order_by("-number").first()
    old = {name: getattr(last, name) for name in SafetyPlan.HEADINGS} if last else {}
    form = WriteSafetyPlanForm(
        request.POST if request.method == "POST" else None, initial={**old, "seen_number": last.number if last else 0}
    )
    if form.is_valid():
        try:
            plan = actions.write(
                by=request.user, patient=patient, parts=form.parts(), with_patient=form.cleaned_data["with_patient"],
                seen_number=form.cleaned_data["seen_number"], now=request.now,
            )  # fmt: skip
        except Refused as refusal:
            form.add_error(None, str(refusal))
            if isinstance(refusal, actions.WrittenMeanwhile):
                # The newer one is on this page now, to be read and taken over.
                with_field(form, "seen_number", str(last.number if last else 0))
        else:
            messages.success(
                request, _("Saved as version %(n)d. The patient reads it on the portal.") % {"n": plan.number}
            )
            return go(request, "assessments:safety_plan", patient_id=patient.pk)
    context = {"form": form, **_shown(patient, last)}
    return answer(
        request, "assessments/write_safety_plan.html", context, status=UNPROCESSABLE if form.is_bound else 200
    )


@portal_view()
def my_safety_plan(request: PortalRequest) -> HttpResponse:
    """Show a patient their newest plan, with the numbers to call."""
    patient = my_patient(request)
    plan = SafetyPlan.objects.filter(patient=patient).select_related("written_by").order_by("-number").first()
    return answer(request, "assessments/my_safety_plan.html", _shown(patient, plan))
