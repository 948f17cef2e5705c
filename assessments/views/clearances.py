"""The review of a patient for clearance: what a prescriber looks at and decides, and the list of what waits for one."""

import uuid
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.contrib.postgres.aggregates import StringAgg
from django.db.models import Exists, OuterRef, Value
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from assessments import chartstrip, factlines, gate, reviewpage, standing
from assessments.access import get_clearance_or_404
from assessments.actions import clearances as actions
from assessments.actions import flags, reviews
from assessments.forms.clearances import AcknowledgeFlagsForm, ReviewForm, SeenForm, WithdrawClearanceForm
from assessments.models import Clearance, ClearanceMove, Packet, Screening, ScreeningFlag
from clinic import audit, keyset, localtime, policy
from clinic.access import GET_POST, POST, Permission, holds, locations_where, staff_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go
from clinic.models import Membership, Role
from patients import consentneeds
from patients.access import get_patient_or_404
from patients.models import CareTeamMember, Patient, Referral, ReferringClinician
from patients.models.consents import Route

PAGE = "assessments/review_clearance.html"


@staff_view(Permission.CLEARANCE_READ)
def review_clearance(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Show everything a clearance is decided on. A prescriber of the care team also decides here; others read."""
    patient = get_patient_or_404(request, patient_id, Permission.CLEARANCE_READ)
    return answer(request, PAGE, _page(request, patient))


@staff_view(Permission.CLEARANCE_DECIDE, methods=POST)
def decide_clearance(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Sign what was decided: flags, the clearance, or both. Refused: the page again, with everything that was typed but the proof."""
    patient = get_patient_or_404(request, patient_id, Permission.CLEARANCE_DECIDE)
    asked = _named(patient, request.POST.get("clearance", ""))
    form = _form(request, patient, asked, request.POST)
    seen = SeenForm(request.POST)
    unmet: tuple[gate.Unmet, ...] = ()
    if form.is_valid() and seen.is_valid():
        try:
            return _decide(request, patient, asked, form, seen)
        except Refused as refused:
            unmet = refused.unmet if isinstance(refused, reviews.StandsInTheWay) else ()
            form.add_error(None, str(refused))
    return answer(request, PAGE, _page(request, patient, asked, form, unmet), status=UNPROCESSABLE)


def _decide(
    request: StaffRequest, patient: Patient, asked: Clearance | None, form: ReviewForm, seen: SeenForm
) -> HttpResponse:
    overrides = form.overrides()
    if asked is not None and form.has_outcome():
        decided = reviews.decide(
            by=request.user, clearance=asked, seen_version=seen.version(), proof=form.proof(), overrides=overrides, now=request.now,
            **form.decision(),
        )  # fmt: skip
        said = _("Signed: %(name)s is “%(state)s”.") % {
            "name": patient.full_name,
            "state": decided.get_status_display(),
        }
    else:
        rows = reviews.decide_flags(
            by=request.user, patient=patient, overrides=overrides, proof=form.proof(), now=request.now
        )
        said = ngettext("Signed: one flag is decided.", "Signed: %(count)s flags are decided.", len(rows)) % {
            "count": len(rows)
        }
    messages.success(request, said)
    return go(request, "assessments:review_clearance", patient_id=patient.pk)


@staff_view(Permission.CLEARANCE_DECIDE, methods=POST)
def begin_review(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Open the question without waiting for a packet: another route, a renewal, a history taken in person."""
    patient = get_patient_or_404(request, patient_id, Permission.CLEARANCE_DECIDE)
    try:
        actions.begin_review(by=request.user, patient=patient, now=request.now)
    except Refused as refused:
        messages.warning(request, str(refused))
    return go(request, "assessments:review_clearance", patient_id=patient.pk)


@staff_view(Permission.CLEARANCE_DECIDE, methods=POST)
def acknowledge_flags(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Mark what is to know as seen, one or several at once."""
    patient = get_patient_or_404(request, patient_id, Permission.CLEARANCE_DECIDE)
    form = AcknowledgeFlagsForm(request.POST, flags=ScreeningFlag.objects.live().filter(patient=patient))
    if not form.is_valid():
        messages.warning(request, _("This has changed since you opened it. Look at what stands now."))
        return go(request, "assessments:review_clearance", patient_id=patient.pk)
    try:
        for row in form.chosen():
            flags.acknowledge(by=request.user, flag=row, now=request.now)
    except Refused as refused:
        messages.warning(request, str(refused))
    return go(request, "assessments:review_clearance", patient_id=patient.pk)


@staff_view(Permission.CLEARANCE_READ, methods=GET_POST)
def withdraw_clearance(request: StaffRequest, clearance_id: uuid.UUID) -> HttpResponse:
    """Record that the patient does not want to go on. Any clinician of the team to whom they say so."""
    clearance = get_clearance_or_404(request, clearance_id, Permission.CLEARANCE_READ)
    form = WithdrawClearanceForm(request.POST or None)
    if form.is_bound and form.is_valid():
        try:
            actions.withdraw(by=request.user, clearance=clearance, reason=form.cleaned_data["reason"], now=request.now)
        except Refused as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, _("Recorded: %(name)s does not go on.") % {"name": clearance.patient.full_name})
            return go(request, "assessments:review_clearance", patient_id=clearance.patient_id)
    context = {"form": form, "clearance": clearance, "patient": clearance.patient}
    return answer(request, "assessments/withdraw_clearance.html", context, status=UNPROCESSABLE if form.errors else 200)


@staff_view(Permission.CLEARANCE_READ)
def chart_flags(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Show the flags and the clearance: a panel of the chart."""
    patient = get_patient_or_404(request, patient_id, Permission.CLEARANCE_READ)
    tz = patient.home_location.tz
    rows = ScreeningFlag.objects.live().filter(patient=patient).select_related("decided_by")
    in_order = gate.in_order(rows)
    context = {
        "patient": patient,
        "flags": reviewpage.flag_lines(
            in_order,
            tz,
            shown=frozenset(),
            health_url=_health_url(request, patient),
            writes_for=_writes_for(request, patient),
            prescribes=_prescribes(request, patient),
        ),
        "has_flags": bool(in_order),
        "is_screened": Screening.objects.filter(patient=patient).exists(),
        "clearances": [reviewpage.clearance_line(one, tz) for one in _clearances(patient)],
        "review_url": reverse("assessments:review_clearance", args=[patient.pk]),
    }
    return answer(request, "assessments/chart_flags.html", context, part="flags")


@staff_view(Permission.CLEARANCE_DECIDE)
def clearances(request: StaffRequest) -> HttpResponse:
    """List what waits for a prescriber at the chosen location: what is suspended first, then the longest waiting."""
    here = locations_where(request.user, Permission.CLEARANCE_DECIDE)
    at = {request.location.pk} & here if request.location else here
    team = CareTeamMember.objects.live().filter(patient=OuterRef("patient"))
    prescribers = Membership.objects.live().filter(
        role=Role.PRESCRIBER, user=OuterRef("user"), location=OuterRef("patient__home_location")
    )
    names = team.filter(Exists(prescribers)).order_by().values("patient")
    rows = (
        Clearance.objects.to_decide()
        .filter(patient__home_location_id__in=at)
        .annotate(is_mine=Exists(team.filter(user=request.user)))
        .annotate(team_names=names.annotate(x=StringAgg("user__name", Value(", "))).values("x"))
        .select_related("patient__home_location")
    )
    # A new fact suspended them, and they are due within hours.
    parts = [rows.filter(status=Clearance.Status.SUSPENDED), rows.exclude(status=Clearance.Status.SUSPENDED)]
    page = keyset.cut_in_turn(parts, "since", request.GET, oldest_first=True)
    audit.listed(request, "clearances", [row.patient_id for row in page.rows], now=request.now)
    context = {
        "rows": [_row(request, row) for row in page.rows],
        "links": page.links(request.path),
        "location": request.location,
    }
    return answer(request, "assessments/clearances.html", context)


def _row(request: StaffRequest, row: Any) -> dict[str, Any]:
    patient = row.patient
    url_name = "assessments:review_clearance" if row.is_mine else "patients:care_team"
    return {
        "name": patient.full_name,
        "mrn": patient.mrn,
        "state": row.get_status_display(),
        "is_suspended": row.is_suspended,
        "route": str(Route(row.route).label) if row.route else "",
        "waits": localtime.age_text(row.since, request.now),
        "since": localtime.moment_text(row.since, patient.home_location.tz),
        "is_mine": row.is_mine,
        "team": row.team_names or "",
        "url": reverse(url_name, args=[patient.pk]),
    }


def _clearances(patient: Patient) -> list[Clearance]:
    """Return the patient's clearances, those that have not ended first, then the newest."""
    rows = Clearance.objects.filter(patient=patient).order_by("-opened_at", "-id")[:20]
    return sorted(rows, key=lambda one: not one.is_live)


def _asked(patient: Patient, wanted: str, found: list[Clearance]) -> Clearance | None:
    """Return the clearance to decide about: the one asked for, else the suspended, else the open question; None when none is."""
    rows = [one for one in found if one.may_be_decided]
    named = next((one for one in rows if str(one.pk) == wanted), None)
    asked = named or next((one for one in rows if one.is_suspended), None) or next(iter(rows), None)
    if asked is not None:
        asked.patient = patient
    return asked


def _named(patient: Patient, wanted: str) -> Clearance | None:
    """Return the clearance that a form was about, also when it is no longer to be decided: never another in its place.

    None for a form that was about none; 404 for what is not this patient's.
    """
    if not wanted:
        return None
    found = next((one for one in _clearances(patient) if str(one.pk) == wanted), None)
    if found is None:
        raise Http404
    found.patient = patient
    return found


def _form(
    request: StaffRequest, patient: Patient, asked: Clearance | None, data: Any = None, rows: Any = None
) -> ReviewForm:
    found = ScreeningFlag.objects.open().filter(patient=patient) if rows is None else rows
    open_ones = [row for row in found if row.status == ScreeningFlag.Status.OPEN and row.flag.may_be_overridden]
    return ReviewForm(data, signer=request.user, flags=open_ones, asked=asked)


def _health_url(request: StaffRequest, patient: Patient) -> str:
    """Return where the health facts are read; "" for whoever may not."""
    if not holds(request.user, Permission.HEALTH_READ, patient.home_location_id):
        return ""
    return reverse("assessments:chart_health", args=[patient.pk])


def _writes_for(request: StaffRequest, patient: Patient) -> Patient | None:
    """Return the patient if this person may record facts about them."""
    return patient if holds(request.user, Permission.HEALTH_WRITE, patient.home_location_id) else None


def _prescribes(request: StaffRequest, patient: Patient) -> bool:
    return holds(request.user, Permission.CLEARANCE_DECIDE, patient.home_location_id)


def _page(
    request: StaffRequest,
    patient: Patient,
    asked: Clearance | None = None,
    form: ReviewForm | None = None,
    unmet: tuple[gate.Unmet, ...] = (),
) -> dict[str, Any]:
    tz = patient.home_location.tz
    limits = policy.in_force(request.now)
    stands = standing.of(patient, limits.version.values, request.now)
    found = _clearances(patient)
    if form is None:
        asked = _asked(patient, request.GET.get("clearance", ""), found)
    may_decide, why_not = _may_decide(request, patient)
    if may_decide and form is None:
        form = _form(request, patient, asked, rows=stands.flags)
    facts = factlines.of(patient, stands.facts.known, tz)
    scores, answers = reviewpage.scores(patient, tz)
    vitals, measured = reviewpage.vitals(stands.measured, tz)
    shown = facts.keys | answers | measured
    today = localtime.day_of(request.now, tz)
    writes_for = _writes_for(request, patient)
    # What was filled in and refused for another reason stands in nobody's way.
    words = form.data.get("workup_words", "") if form is not None else ""
    decided = form.filled_in() if form is not None else set()
    stands_in_the_way = unmet or gate.for_clearance(
        is_screened=stands.is_screened, flags=stands.flags, lines=stands.lines, on=today, decided=decided, workup_words=words,
    )  # fmt: skip
    history = ClearanceMove.objects.filter(clearance__in=[one.pk for one in found]).select_related("by", "flag")
    workup_lines = reviewpage.workup_lines(stands.lines, writes_for=writes_for)
    by_flag = reviewpage.flag_lines(
        stands.flags,
        tz,
        shown=shown,
        health_url=_health_url(request, patient),
        form=form if may_decide else None,
        writes_for=writes_for,
        prescribes=_prescribes(request, patient),
    )
    return {
        "patient": patient,
        # Whom to ask about what was tried before.
        "referrer": ReferringClinician.objects.current().filter(patient=patient).first(),
        "age": patient.age_on(today),
        "born": reviewpage.birth_date_text(patient),
        "strip": chartstrip.facts(request.user, patient, request.now),
        "form": form if may_decide else None,
        "why_not": why_not,
        "asked": asked,
        "asked_line": reviewpage.clearance_line(asked, tz) if asked else None,
        "would_end": [reviewpage.clearance_line(one, tz)["limits"] for one in asked.would_end(found)] if asked else [],
        "may_stop": asked if asked and asked.is_live else next((one for one in found if one.is_live), None),
        "clearances": [reviewpage.clearance_line(one, tz) for one in found],
        "others": [
            reviewpage.clearance_line(one, tz) | {"may_be_chosen": one.may_be_decided} for one in found if one != asked
        ],
        "may_begin": may_decide and not any(one.may_be_decided and not one.route for one in found),
        "flags": by_flag,
        "unseen": any(line.is_open for line in by_flag["infos"]),
        "unmet": stands_in_the_way,
        "is_screened": stands.is_screened,
        "facts": facts,
        "scores": scores,
        "vitals": vitals,
        "workup": workup_lines,
        "gone_without": [line for line in workup_lines if line["needs_words"]],
        "moves": reviewpage.moves(history.order_by("-at", "-id")[:30], tz),
        "consents": _consents(patient, request),
        "packet": _packet(request, patient, tz),
        "referral": _referral(request, patient, tz),
        "limits_number": limits.number,
        "largest": _largest(stands, limits.version.values, tz, request.now),
        "most_sessions": limits.version.values.get("clearance", {}).get("max_sessions"),
    }


def _may_decide(request: StaffRequest, patient: Patient) -> tuple[bool, str]:
    """Return whether this person may decide about this patient now, and else why not."""
    if not holds(request.user, Permission.CLEARANCE_DECIDE, patient.home_location_id):
        return False, _("You read this page; a prescriber of the care team decides.")
    try:
        reviews.guard_prescriber(by=request.user, patient=patient, now=request.now)
    except Refused as refused:
        return False, str(refused)
    return True, ""


def _consents(patient: Patient, request: StaffRequest) -> list[str]:
    """Return the consents that stand now, by name: one query. Which of them a dose asks for depends on its route."""
    return [consentneeds.name_of(kind, route) for kind, route in consentneeds.signed_needs(patient, request.now)]


def _packet(request: StaffRequest, patient: Patient, tz: Any) -> dict[str, str] | None:
    packet = Packet.objects.filter(patient=patient).order_by("-invited_at").first()
    if packet is None:
        return None
    since = packet.settled_at or packet.begun_at or packet.invited_at
    may_read = holds(request.user, Permission.HEALTH_READ, patient.home_location_id)
    url = reverse("assessments:packet", args=[packet.pk]) if may_read else ""
    return {"state": packet.get_status_display(), "when": localtime.moment_text(since, tz), "url": url}


def _referral(request: StaffRequest, patient: Patient, tz: Any) -> dict[str, str] | None:
    rows = Referral.objects.visible_to(request.user, Permission.REFERRAL_READ).filter(patient=patient)
    found = rows.order_by("-received_at").first()
    if found is None:
        return None
    return {
        "source": found.get_source_display(), "when": localtime.moment_text(found.received_at, tz), "message": found.message,
        "url": reverse("patients:referral", args=[found.pk]),
    }  # fmt: skip


def _largest(stands: standing.Standing, values: Any, tz: ZoneInfo, now: datetime) -> list[dict[str, Any]]:
    """Return the largest dose of each route that the policy has one for; "mg" is None until somebody is weighed."""
    doses = reviews.largest_doses(stands, values, tz, now)
    return [{"route": Route(one.route).label, "mg": one.mg} for one in doses if one.is_set]
