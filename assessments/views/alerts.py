"""Alerts: what is open and most urgent, one alert with everything needed to act on it, and the two acts it asks for."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from assessments import alertlines, morning
from assessments.access import get_alert_or_404, get_patient_at_risk_or_404
from assessments.actions import alerts as actions
from assessments.alertsteps import Attempt, Step, next_step
from assessments.forms.alerts import DisposeAlertForm, RecordContactForm, with_field
from assessments.models import AssessmentResponse, ContactAttempt, Disposition, RiskAlert, SafetyPlan
from clinic import audit, calltrail, localtime, oncall, policy
from clinic.access import GET_POST, Permission, staff_view
from clinic.errors import Refused
from clinic.forms.signatures import SignatureFields
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go
from clinic.models import Page
from patients.models import Contact

PAGE = 30
_EPOCH = datetime.fromtimestamp(0, tz=UTC)


def _pages(found: list[RiskAlert]) -> dict[UUID, Page]:
    """Return the last page about each alert, in one query."""
    about = Page.objects.filter(subject_type=actions.SUBJECT, subject_id__in=[alert.pk for alert in found])
    return {page.subject_id: page for page in about.select_related("acknowledged_by").order_by("opened_at", "pk")}


def _row(alert: RiskAlert, page: Page | None, now: datetime) -> dict[str, Any]:
    tz = alert.location.tz
    return {
        "id": alert.pk,
        "name": alert.patient.full_name,
        "mrn": alert.patient.mrn,
        "tier": alert.get_tier_display(),
        "tone": alert.tone,
        "raised": localtime.moment_text(alert.raised_at, tz),
        "clock": alertlines.clock(alert.contact_by, now, tz) if alert.contacted_at is None and alert.is_open else None,
        "state": alertlines.state(page, alert, tz),
        "is_ringing": page is not None and page.is_ringing and page.is_called,
        "where": alert.location.name,
    }


def _after(cursor: str) -> Q:
    """Return the condition for what follows the last row of a page; everything for a cursor nobody gave out."""
    try:
        rank, moment, key = cursor.split(",")
        due, pk = datetime.fromtimestamp(int(moment) / 1_000_000, tz=UTC), UUID(key)
        place = {"0": 0, "1": 1, "2": 2}[rank]
    except (KeyError, ValueError, OverflowError, OSError):
        return Q()
    return Q(rank__gt=place) | Q(rank=place, contact_by__gt=due) | Q(rank=place, contact_by=due, pk__gt=pk)


def _cursor(alert: RiskAlert) -> str:
    whole = alert.contact_by - _EPOCH
    micros = (whole.days * 86400 + whole.seconds) * 1_000_000 + whole.microseconds
    return f"{list(RiskAlert.Tier).index(RiskAlert.Tier(alert.tier))},{micros},{alert.pk}"


@staff_view(Permission.ALERT_READ)
def alerts(request: StaffRequest) -> HttpResponse:
    """Return the open alerts that are this person's to answer, most urgent first, and what is to be read this morning."""
    rows = RiskAlert.objects.visible_to(request.user, Permission.ALERT_READ, request.now).open().most_urgent_first()
    rows = rows.filter(_after(request.GET.get("after", ""))).select_related("patient", "location")
    found = list(rows[: PAGE + 1])
    shown, pages = found[:PAGE], _pages(found[:PAGE])
    audit.listed(request, "alerts", sorted({alert.patient_id for alert in shown}), now=request.now)
    context = {
        "rows": [_row(alert, pages.get(alert.pk), request.now) for alert in shown],
        "more_url": "?" + urlencode({"after": _cursor(shown[-1])}) if len(found) > PAGE else "",
        "first_url": reverse("assessments:alerts") if request.GET.get("after") else "",
        "morning": morning.to_read(request.user, request.now),
        "many_locations": len({alert.location_id for alert in shown}) > 1,
    }
    return answer(request, "assessments/alerts.html", context)


def _answers(alert: RiskAlert, now: datetime) -> list[alertlines.Answered]:
    named = {signal["response"] for signal in alert.signals if signal.get("response")}
    ids = {UUID(each) for each in named} | ({alert.response_id} if alert.response_id else set())
    rows = AssessmentResponse.objects.filter(Q(pk__in=ids) | Q(corrects__in=ids), patient=alert.patient_id)
    found = {row.pk: row for row in rows.select_related("entered_by")}
    newer = {row.corrects_id: _newest(row) for row in found.values() if row.corrects_id in ids}
    responses = {pk: row for pk, row in found.items() if pk in ids}
    return alertlines.answered(alert, responses, newer, localtime.day_of(now, alert.location.tz))


def _newest(row: AssessmentResponse) -> AssessmentResponse:
    """Return what stands at the end of a chain of corrections; most have one link."""
    later = AssessmentResponse.objects.filter(corrects=row).select_related("entered_by").first()
    return _newest(later) if later else row


def _also_open(alert: RiskAlert, request: StaffRequest) -> list[dict[str, Any]]:
    """Return the other open alerts of the same patient: each is answered and closed for itself."""
    mine = RiskAlert.objects.visible_to(request.user, Permission.ALERT_READ, request.now).open()
    others = mine.filter(patient=alert.patient_id).exclude(pk=alert.pk).most_urgent_first()[:PAGE]
    return [
        {"id": other.pk, "tier": other.get_tier_display(), "tone": other.tone,
         "raised": localtime.moment_text(other.raised_at, alert.location.tz)}
        for other in others
    ]  # fmt: skip


def _attempts(alert: RiskAlert) -> list[dict[str, Any]]:
    rows = ContactAttempt.objects.filter(alert=alert).select_related("by").order_by("at", "id")
    return [
        {"whom": row.get_whom_display(), "result": row.get_result_display(), "note": row.note, "by": row.by.name,
         "at": localtime.moment_text(row.at, alert.location.tz), "attempt": Attempt(row.whom, row.result)}
        for row in rows
    ]  # fmt: skip


def _dispositions(alert: RiskAlert) -> list[dict[str, Any]]:
    rows = Disposition.objects.filter(alert=alert).select_related("by", "signature").order_by("at", "id")
    return [
        {"row": row, "at": localtime.moment_text(row.at, alert.location.tz), "is_addition": place > 0,
         "is_signed": row.signature_id is not None}
        for place, row in enumerate(rows)
    ]  # fmt: skip


def _next(alert: RiskAlert, attempts: list[dict[str, Any]], now: datetime) -> dict[str, Any]:
    """Return what is done next, with its clock."""
    risk = policy.risk(now)
    found = next_step(
        [row["attempt"] for row in attempts], is_closed=not alert.is_open, raised_at=alert.raised_at,
        contact_by=alert.contact_by, red_attempts=risk["red_attempts"], welfare_check_min=risk["welfare_check_min"],
    )  # fmt: skip
    return {
        "words": alertlines.step_words(found),
        "clock": alertlines.clock(found.by, now, alert.location.tz) if found.by else None,
        "is_disposition": found.step is Step.WRITE_DISPOSITION,
        "is_contact": found.step is Step.CALL_CONTACT,
        "is_welfare": found.step is Step.DECIDE_WELFARE_CHECK,
    }


@staff_view(Permission.ALERT_READ)
def alert(request: StaffRequest, alert_id: UUID) -> HttpResponse:
    """Return one alert with what is needed to act: who, how to reach them, what was answered, the clocks, what was done."""
    alert = get_alert_or_404(request, alert_id)
    pages = list(
        Page.objects.about(actions.SUBJECT, alert.pk)
        .select_related("acknowledged_by", "location")
        .order_by("-opened_at")
    )
    attempts = _attempts(alert)
    day = localtime.day_of(request.now, alert.location.tz)
    kinds = [Contact.Kind.EMERGENCY, Contact.Kind.BOTH]
    context = {
        "alert": alert,
        "patient": alert.patient,
        "row": _row(alert, pages[0] if pages else None, request.now),
        "age": alert.patient.age_on(day),
        "contacts": list(
            Contact.objects.filter(patient=alert.patient, ended_at=None, kind__in=kinds).order_by("name", "id")
        ),
        "plan": SafetyPlan.objects.filter(patient=alert.patient).order_by("-number").first(),
        "answered": _answers(alert, request.now),
        "also_open": _also_open(alert, request),
        "attempts": attempts,
        "dispositions": _dispositions(alert),
        "next": _next(alert, attempts, request.now),
        "trail": calltrail.of_pages([page.pk for page in pages], alert.location.tz),
        "ringing": next((page for page in pages if page.is_ringing), None),
        "may_answer": oncall.is_clinician(request.user, alert.location_id),
    }
    return answer(request, "assessments/alert.html", context)


@staff_view(Permission.ALERT_ANSWER, methods=GET_POST)
def record_contact(request: StaffRequest, alert_id: UUID) -> HttpResponse:
    """Record an attempt to reach the patient, or somebody for them."""
    alert = get_alert_or_404(request, alert_id, Permission.ALERT_ANSWER)
    day = localtime.day_of(request.now, alert.location.tz)
    form = RecordContactForm(request.POST if request.method == "POST" else None, initial={"day": day})
    if form.is_valid():
        try:
            actions.record_contact(
                by=request.user, alert=alert, whom=form.cleaned_data["whom"], result=form.cleaned_data["result"],
                note=form.cleaned_data["note"], at=form.at(alert.location.tz, alert.raised_at), now=request.now,
            )  # fmt: skip
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("Recorded. The alert stays open until a disposition closes it."))
            return go(request, "assessments:alert", alert_id=alert.pk)
    context = {"form": form, "alert": alert, "patient": alert.patient}
    return answer(request, "assessments/record_contact.html", context, status=UNPROCESSABLE if form.is_bound else 200)


@staff_view(Permission.ALERT_ANSWER, methods=GET_POST)
def dispose_alert(request: StaffRequest, alert_id: UUID) -> HttpResponse:
    """Write what follows from an alert, which closes it; after that, add to it."""
    alert = get_alert_or_404(request, alert_id, Permission.ALERT_ANSWER)
    data = request.POST if request.method == "POST" else None
    form = DisposeAlertForm(data, is_full=alert.is_red, initial={"is_addition": not alert.is_open})
    sign = SignatureFields(data, signer=request.user) if alert.is_red else None
    signed = sign is None or sign.is_valid()
    if form.is_valid() and signed:
        try:
            actions.dispose(
                by=request.user, alert=alert, decision=form.decision(), proof=sign.proof() if sign else None,
                is_addition=form.cleaned_data["is_addition"], now=request.now,
            )  # fmt: skip
        except Refused as refusal:
            form.add_error(None, str(refusal))
            if isinstance(refusal, actions.AlreadyClosed):
                # Whoever has read it may send theirs again, as an addition.
                with_field(form, "is_addition", "on")
        else:
            messages.success(request, _("Recorded for %(name)s.") % {"name": alert.patient.full_name})
            return go(request, "assessments:alert", alert_id=alert.pk)
    context = {
        "form": form,
        "sign": sign,
        "alert": alert,
        "patient": alert.patient,
        "answered": _answers(alert, request.now),
        "dispositions": _dispositions(alert),
    }
    return answer(request, "assessments/dispose_alert.html", context, status=UNPROCESSABLE if form.is_bound else 200)


@staff_view(Permission.ALERT_READ)
def chart_alerts(request: StaffRequest, patient_id: UUID) -> HttpResponse:
    """Return a patient's alerts, the open ones first, and their safety plan: a panel of the chart."""
    patient = get_patient_at_risk_or_404(request, patient_id, Permission.ALERT_READ)
    mine = RiskAlert.objects.visible_to(request.user, Permission.ALERT_READ, request.now).filter(patient=patient)
    found = list(mine.select_related("patient", "location").order_by("-raised_at", "-pk")[:PAGE])
    found.sort(key=lambda each: not each.is_open)
    pages = _pages(found)
    context = {
        "patient": patient,
        "rows": [_row(each, pages.get(each.pk), request.now) for each in found],
        "plan": SafetyPlan.objects.filter(patient=patient).order_by("-number").first(),
    }
    return answer(request, "assessments/chart_alerts.html", context, part="alerts")
