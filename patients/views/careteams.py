"""Care teams, emergency openings of a chart, and their review."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from clinic import keyset, localtime
from clinic.access import CLINICIANS, GET, GET_POST, POST, Permission, holds, staff_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go, go_to
from clinic.models import Membership, Role, User
from patients.access import get_break_glass_or_404, get_care_team_member_or_404, get_patient_or_404
from patients.actions import careteams as actions
from patients.forms.careteams import AddCareTeamMemberForm, BreakGlassForm, ReviewBreakGlassForm
from patients.models import BreakGlass, CareTeamMember, Patient


def _clinicians(patient: Patient) -> list[tuple[User, str]]:
    """Return the clinicians of the patient's location with their roles in words."""
    rows = (
        Membership.objects.live()
        .filter(location_id=patient.home_location_id, role__in=CLINICIANS, user__is_active=True)
        .select_related("user")
        .order_by("user__name", "role")
    )
    found: dict[uuid.UUID, tuple[User, list[str]]] = {}
    for row in rows:
        found.setdefault(row.user_id, (row.user, []))[1].append(str(Role(row.role).label))
    return [(user, ", ".join(roles)) for user, roles in found.values()]


@staff_view(Permission.PATIENT_READ, methods=GET)
def care_team(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Show who looks after a patient and, to those who may, the ways to change it."""
    patient = get_patient_or_404(request, patient_id)
    return answer(request, "patients/care_team.html", _team_context(request, patient))


def _team_context(request: StaffRequest, patient: Patient, form: AddCareTeamMemberForm | None = None) -> dict[str, Any]:
    clinicians = _clinicians(patient)
    roles = {user.pk: words for user, words in clinicians}
    members = CareTeamMember.objects.live().filter(patient=patient).select_related("user").order_by("-is_lead", "since")
    team = [
        {
            "id": member.pk,
            "name": member.user.name,
            "roles": roles.get(member.user_id, _("no longer works here")),
            "is_lead": member.is_lead,
            "since": localtime.day_text(localtime.day_of(member.since, patient.home_location.tz)),
            "user_id": member.user_id,
        }
        for member in members
    ]
    on_team = {row["user_id"] for row in team}
    free = [(user, words) for user, words in clinicians if user.pk not in on_team]
    return {
        "patient": patient,
        "team": team,
        "form": form or AddCareTeamMemberForm(clinicians=free),
        "may_manage": holds(request.user, Permission.CARE_TEAM_MANAGE, patient.home_location_id),
        "may_break_glass": request.user.pk not in on_team
        and holds(request.user, Permission.BREAK_GLASS, patient.home_location_id),
    }


@staff_view(Permission.CARE_TEAM_MANAGE, methods=POST)
def add_care_team_member(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Add a clinician to a care team."""
    patient = get_patient_or_404(request, patient_id, Permission.CARE_TEAM_MANAGE)
    form = AddCareTeamMemberForm(request.POST, clinicians=_clinicians(patient))
    if form.is_valid():
        try:
            member = actions.add(by=request.user, patient=patient, user=form.cleaned_data["user"], now=request.now)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("%(name)s is on the care team.") % {"name": member.user.name})
            return go(request, "patients:care_team", patient.pk)
    context = _team_context(request, patient, form)
    return answer(request, "patients/care_team.html", context, status=UNPROCESSABLE)


@staff_view(Permission.CARE_TEAM_MANAGE, methods=POST)
def remove_care_team_member(request: StaffRequest, member_id: uuid.UUID) -> HttpResponse:
    """End somebody's time on a care team."""
    member = get_care_team_member_or_404(request, member_id, Permission.CARE_TEAM_MANAGE)
    try:
        actions.remove(by=request.user, member=member, now=request.now)
    except Refused as refusal:
        return _team_refused(request, member.patient, refusal)
    messages.success(request, _("%(name)s is no longer on the care team.") % {"name": member.user.name})
    return go(request, "patients:care_team", member.patient_id)


@staff_view(Permission.CARE_TEAM_MANAGE, methods=POST)
def lead_care_team(request: StaffRequest, member_id: uuid.UUID) -> HttpResponse:
    """Make a member the lead."""
    member = get_care_team_member_or_404(request, member_id, Permission.CARE_TEAM_MANAGE)
    try:
        actions.set_lead(by=request.user, member=member, now=request.now)
    except Refused as refusal:
        return _team_refused(request, member.patient, refusal)
    messages.success(request, _("%(name)s leads the care team.") % {"name": member.user.name})
    return go(request, "patients:care_team", member.patient_id)


def _team_refused(request: StaffRequest, patient: Patient, refusal: Refused) -> HttpResponse:
    context = {**_team_context(request, patient), "refusal": str(refusal)}
    return answer(request, "patients/care_team.html", context, status=UNPROCESSABLE)


@staff_view(Permission.BREAK_GLASS, methods=GET_POST)
def break_glass(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Open one chart for two hours without being on its care team, with a reason that others will read."""
    patient = get_patient_or_404(request, patient_id, Permission.BREAK_GLASS)
    reasons = actions.reasons_for(user=request.user, patient=patient)
    form = BreakGlassForm(request.POST or None, reasons=reasons)
    if request.method == "POST" and form.is_valid():
        try:
            grant = actions.break_glass(by=request.user, patient=patient, now=request.now, **form.cleaned_data)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            until = localtime.moment_text(grant.expires_at, patient.home_location.tz)
            messages.warning(
                request,
                _("The chart is open to you until %(until)s. A privacy officer reviews why.") % {"until": until},
            )
            return go(request, "sessions:chart", patient.pk)
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, "patients/break_glass.html", {"form": form, "patient": patient}, status=status)


@staff_view(Permission.BREAK_GLASS_REVIEW, methods=GET)
def break_glass_reviews(request: StaffRequest) -> HttpResponse:
    """Show the emergency openings that wait for a review, or those reviewed."""
    mine = BreakGlass.objects.visible_to(request.user, Permission.BREAK_GLASS_REVIEW)
    mine = mine.select_related("patient__home_location", "user", "reviewed_by")
    is_done = request.GET.get("state") == "reviewed"
    rows = mine.filter(reviewed_at__isnull=False) if is_done else mine.to_review()
    page = keyset.cut(rows, "started_at", request.GET, oldest_first=not is_done)
    path = reverse("patients:break_glass_reviews")
    context = {
        "rows": [_grant_line(request, grant) for grant in page.rows],
        "is_done": is_done,
        "tabs": [
            {"label": _("To review"), "url": path, "is_current": not is_done},
            {"label": _("Reviewed"), "url": f"{path}?state=reviewed", "is_current": is_done},
        ],
        "page": page.links(path, **({"state": "reviewed"} if is_done else {})),
    }
    return answer(request, "patients/break_glass_reviews.html", context)


def _grant_line(request: StaffRequest, grant: BreakGlass) -> dict[str, Any]:
    tz = grant.patient.home_location.tz
    return {
        "grant": grant,
        "who": grant.user.name,
        "patient": grant.patient.full_name,
        "patient_url": reverse("patients:patient", args=[grant.patient_id]),
        "reason": grant.get_reason_display(),
        "text": grant.reason_text,
        "started": localtime.moment_text(grant.started_at, tz),
        "age": localtime.age_text(grant.started_at, request.now),
        "is_own": grant.user_id == request.user.pk,
        "finding": grant.get_finding_display(),
        "finding_note": grant.finding_note,
        "reviewed": localtime.moment_text(grant.reviewed_at, tz) if grant.reviewed_at else "",
        "reviewed_by": grant.reviewed_by.name if grant.reviewed_by else "",
    }


@staff_view(Permission.BREAK_GLASS_REVIEW, methods=GET_POST)
def review_break_glass(request: StaffRequest, grant_id: uuid.UUID) -> HttpResponse:
    """Say whether an emergency opening was justified."""
    grant = get_break_glass_or_404(request, grant_id)
    form = ReviewBreakGlassForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            actions.review_break_glass(by=request.user, grant=grant, now=request.now, **form.cleaned_data)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("The review is saved."))
            return go_to(request, reverse("patients:break_glass_reviews"))
    status = UNPROCESSABLE if request.method == "POST" else 200
    context = {"form": form, "line": _grant_line(request, grant)}
    return answer(request, "patients/review_break_glass.html", context, status=status)
