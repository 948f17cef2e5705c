"""The clinician's page of a patient: for those who treat them. Its panels come with their own apps, each at its own address."""

import uuid
from datetime import timedelta
from typing import Any

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import formats
from django.utils.translation import gettext_lazy as _

from assessments import chartstrip
from clinic import localtime
from clinic.access import Permission, holds, staff_view
from clinic.http import StaffRequest, answer
from clinic.models import User, WorkItem
from clinic.views.errors import audit_refusal
from clinic.written import BY, WHEN, WHO, Written
from patients.access import get_patient_or_404
from patients.models import BreakGlass, CareTeamMember, Patient
from sessions.views.visits import visit_rows

# Somebody whose emergency opening ran out is told so for as long as they may still be at the same work.
ENDED_WITHIN = timedelta(hours=12)
# What else a chart consists of, in order: address, title, and who may read it. The visits are this app's and shown at once.
PANELS = (
    ("assessments:chart_alerts", _("Alerts and safety plan"), Permission.ALERT_READ),
    ("assessments:chart_flags", _("Flags and clearance"), Permission.CLEARANCE_READ),
    ("assessments:chart_scores", _("Scores over time"), Permission.QUESTIONNAIRE_READ),
    ("assessments:chart_health", _("Health"), Permission.HEALTH_READ),
    ("assessments:chart_questionnaires", _("Questionnaires"), Permission.QUESTIONNAIRE_READ),
    ("patients:chart_consents", _("Consents"), Permission.CONSENT_READ),
)


@staff_view(Permission.CHART_READ)
def chart(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Who the patient is, and their visits. 404 for whoever is not on the care team and has no emergency grant.

    A clinician of the place, who knows the patient's name anyway, is told with that 404 why the chart is closed and how
    it is opened in an emergency.
    """
    try:
        patient = get_patient_or_404(request, patient_id, Permission.CHART_READ)
    except Http404:
        return _closed(request, get_patient_or_404(request, patient_id, Permission.BREAK_GLASS))
    today = localtime.day_of(request.now, patient.home_location.tz)
    context = {
        "patient": patient,
        "age": patient.age_on(today),
        "born": formats.date_format(patient.birth_date, "j M Y"),
        "strip": chartstrip.facts(request.user, patient, request.now),
        "panels": _panels(request, patient),
        "may_review": holds(request.user, Permission.CLEARANCE_READ, patient.home_location_id),
        "may_book": holds(request.user, Permission.APPOINTMENT_BOOK, patient.home_location_id),
        "emergency": _emergency(request, patient),
        **visit_rows(request, patient),
    }
    return answer(request, "sessions/chart.html", context)


def _panels(request: StaffRequest, patient: Patient) -> list[dict[str, Any]]:
    """Return the panels that this person may read; a panel asks its own door again."""
    return [
        {"name": url_name.partition(":")[2], "title": title, "url": reverse(url_name, args=[patient.pk])}
        for url_name, title, permission in PANELS
        if holds(request.user, permission, patient.home_location_id)
    ]


# Asked by every chart and hardly ever answered with one.
GRANTS = Written(
    lambda: BreakGlass.objects.opening_chart_to(User(pk=BY), Patient(pk=WHO), WHEN).order_by("pk").values_list("pk")
)


def _emergency(request: StaffRequest, patient: Patient) -> dict[str, Any] | None:
    """Return until when and why the chart is open to this person in an emergency; None when it is open anyway."""
    opened = GRANTS.rows(who=patient.pk, by=request.user.pk, when=request.now)
    if not opened:
        return None
    grant = BreakGlass.objects.get(pk=opened[0][0])
    told = WorkItem.objects.filter(kind=WorkItem.Kind.BREAK_GLASS_NOTICE, subject_id=grant.pk, owner__isnull=False)
    return {
        "until": localtime.moment_text(grant.expires_at, patient.home_location.tz),
        "reason": grant.get_reason_display(),
        "text": grant.reason_text,
        "who": request.user.name,
        "told": ", ".join(told.order_by("owner__name").values_list("owner__name", flat=True)),
    }


def _closed(request: StaffRequest, patient: Patient) -> HttpResponse:
    """Say why the chart is closed and how it is opened; 404 and audited, as every closed door is."""
    audit_refusal(request)
    ended = (
        BreakGlass.objects.filter(
            patient=patient, user=request.user, expires_at__lte=request.now, expires_at__gt=request.now - ENDED_WITHIN
        )
        .order_by("-expires_at")
        .first()
    )
    team = CareTeamMember.objects.live().filter(patient=patient).select_related("user").order_by("-is_lead", "since")
    context = {
        "patient": patient,
        "team": [{"name": member.user.name, "is_lead": member.is_lead} for member in team],
        "ended": localtime.moment_text(ended.expires_at, patient.home_location.tz) if ended else "",
        "may_manage": holds(request.user, Permission.CARE_TEAM_MANAGE, patient.home_location_id),
    }
    return answer(request, "sessions/_chart_closed.html", context, status=404)
