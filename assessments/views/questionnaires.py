"""Questionnaires on the chart: what is asked, what was answered and what it came to; and the list of all open requests."""

import uuid
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.db.models import Exists, OuterRef
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from assessments import answered, definitions, wordings
from assessments.access import get_request_or_404, get_response_or_404
from assessments.actions import asking, reminding, requests
from assessments.forms.entries import AskQuestionnairesForm, CancelQuestionnaireForm
from assessments.instrument import Definition
from assessments.models import AssessmentRequest, AssessmentResponse, RiskAlert, Score
from clinic import audit, keyset, localtime
from clinic.access import GET_POST, Permission, holds, locations_where, staff_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go
from patients.access import get_patient_or_404
from patients.models import Patient

Mode = AssessmentResponse.Mode


def _name(code: str) -> str:
    return definitions.current(code).name


def state_of(asked: AssessmentRequest, now: datetime) -> tuple[str, str]:
    """Return the look and the word of an open request: begun, late, due, or opening later."""
    if now >= asked.due_at:
        return "late", _("late")
    if asked.status == AssessmentRequest.Status.IN_PROGRESS:
        return "arriving", _("begun")
    if now < asked.opens_at:
        return "planned", _("later")
    return "due", _("due")


def when_text(response: AssessmentResponse, tz: ZoneInfo) -> str:
    """Return when it was answered: of a sheet only the day is known."""
    if response.mode == Mode.PAPER:
        return localtime.day_text(localtime.day_of(response.answered_at, tz))
    return localtime.moment_text(response.answered_at, tz)


def _open_line(asked: AssessmentRequest, tz: ZoneInfo, now: datetime) -> dict[str, Any]:
    look, word = state_of(asked, now)
    return {
        "id": asked.pk,
        "name": _name(asked.code),
        "look": look,
        "word": word,
        "due": localtime.until_text(asked.due_at, tz),
        "opens": localtime.moment_text(asked.opens_at, tz) if now < asked.opens_at else "",
        "ends": localtime.moment_text(asked.expires_at, tz),
        "why": _why_asked(asked),
    }


def _why_asked(asked: AssessmentRequest) -> str:
    if asked.packet_id is not None:
        return _("part of the intake packet")
    if asked.event is not None:
        return str(asked.event.get_kind_display())
    return _("asked by %(name)s") % {"name": asked.asked_by.name} if asked.asked_by else ""


@staff_view(Permission.QUESTIONNAIRE_READ)
def chart_questionnaires(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Show what a patient is asked and what they answered, newest first."""
    patient = get_patient_or_404(request, patient_id, Permission.QUESTIONNAIRE_READ)
    tz = patient.home_location.tz
    asked = AssessmentRequest.objects.open().for_patient(patient).select_related("event", "asked_by")
    later = AssessmentResponse.objects.filter(corrects=OuterRef("pk"))
    rows = AssessmentResponse.objects.for_patient(patient).filter(is_retraction=False).annotate(is_over=Exists(later))
    page = keyset.cut(rows.select_related("entered_by", "rater"), "answered_at", request.GET)
    path = reverse("assessments:chart_questionnaires", args=[patient.pk])
    context = {
        "patient": patient,
        "asked": [_open_line(row, tz, request.now) for row in asked.order_by("due_at", "pk")[: keyset.PER_PAGE]],
        "answered": _answered_lines(page.rows, tz),
        "page": page.links(path),
        "is_first": page.before is None,
        "may_ask": holds(request.user, Permission.QUESTIONNAIRE_ASK, patient.home_location_id),
        "may_enter": holds(request.user, Permission.QUESTIONNAIRE_ENTER, patient.home_location_id),
    }
    return answer(request, "assessments/chart_questionnaires.html", context, part="questionnaires")


def _answered_lines(rows: Sequence[AssessmentResponse], tz: ZoneInfo) -> list[dict[str, Any]]:
    """Return the lines of a page: three questions however many rows."""
    ids = [row.pk for row in rows]
    scores = {score.response_id: score for score in Score.objects.filter(response_id__in=ids)}
    successors = {row.corrects_id: row for row in AssessmentResponse.objects.filter(corrects_id__in=ids)}
    return [_answered_line(row, scores.get(row.pk), successors.get(row.pk), tz) for row in rows]


def _definition(response: AssessmentResponse) -> Definition:
    return definitions.get(response.code, response.version, response.language)


def _answered_line(
    row: AssessmentResponse, score: Score | None, successor: AssessmentResponse | None, tz: ZoneInfo
) -> dict[str, Any]:
    definition = _definition(row)
    return {
        "url": reverse("assessments:response", args=[row.pk]),
        "name": definition.name,
        "when": when_text(row, tz),
        "how": row.get_mode_display(),
        "by": row.rater.name if row.rater else "",
        "result": answered.result(definition, row, score),
        "is_over": successor is not None,
        "was_taken_back": successor is not None and successor.is_retraction,
        "successor_url": reverse("assessments:response", args=[successor.pk]) if successor else "",
        "is_correction": row.corrects_id is not None,
    }


@staff_view(Permission.QUESTIONNAIRE_READ)
def response(request: StaffRequest, response_id: uuid.UUID) -> HttpResponse:
    """Show one set of answers: every question, the score with its statements, how it came, and what was corrected."""
    row = get_response_or_404(request, response_id)
    patient, definition = row.patient, _definition(row)
    tz = patient.home_location.tz
    held, today = wordings.permissions(), localtime.day_of(request.now, tz)
    shown = definitions.can_render(definition, held, on=today)
    words = definitions.wording(definition, held, on=today) if shown else None
    score = Score.objects.filter(response=row).first()
    chain = _chain(row)
    may_change = not row.is_retraction and chain[-1].pk == row.pk
    context = {
        "patient": patient,
        "row": row,
        "d": definition,
        "stem": words.stem if words else "",
        "result": answered.result(definition, row, score),
        "lines": answered.item_lines(definition, words.items if words else definition.items, row, score, shown=shown),
        "statements": answered.statements(definition, score),
        "is_total": row.entered == AssessmentResponse.Entered.PAPER_TOTAL,
        "shown": shown,
        "facts": _facts(row, score, tz),
        "chain": _chain_lines(chain, row, tz),
        "is_over": chain[-1].pk != row.pk,
        "newest_url": reverse("assessments:response", args=[chain[-1].pk]),
        "was_taken_back": chain[-1].is_retraction,
        "alert": _alert(request, row),
        "may_change": may_change and holds(request.user, Permission.QUESTIONNAIRE_ENTER, patient.home_location_id),
    }
    return answer(request, "assessments/response.html", context)


def _alert(request: StaffRequest, row: AssessmentResponse) -> dict[str, Any] | None:
    """Return the alert that these answers raised, for whoever may read it."""
    alert = RiskAlert.objects.filter(response=row).first()
    if alert is None or not holds(request.user, Permission.ALERT_READ, alert.location_id):
        return None
    return {
        "tier": alert.get_tier_display(),
        "is_open": alert.closed_at is None,
        "by": localtime.moment_text(alert.contact_by, row.patient.home_location.tz),
        "url": reverse("assessments:alert", args=[alert.pk]),
    }


def _facts(row: AssessmentResponse, score: Score | None, tz: ZoneInfo) -> list[tuple[str, str]]:
    facts = [
        (_("Answered"), when_text(row, tz)),
        (_("Received"), localtime.moment_text(row.received_at, tz)),
        (_("How"), f"{row.get_mode_display()} · {row.get_entered_display()}"),
        (_("Entered by"), row.entered_by.name),
    ]
    if row.rater is not None:
        facts.append((_("Rated by"), row.rater.name))
    if row.begun_at is not None:
        minutes = max(1, int((row.answered_at - row.begun_at).total_seconds() // 60))
        facts.append((_("Took"), ngettext("%(n)d minute", "%(n)d minutes", minutes) % {"n": minutes}))
    facts.append((_("Version"), f"{row.version} ({row.language}) · {row.checksum[:12]}"))
    if score is not None:
        scorer = _("%(name)s, version %(n)d") % {"name": score.scorer_id, "n": score.scorer_version}
        facts.append((_("Scored by"), f"{scorer} · {localtime.moment_text(score.scored_at, tz)}"))
    return facts


def _chain(row: AssessmentResponse) -> list[AssessmentResponse]:
    """Return the first answers and all that corrected them, in order: one question, whatever the length.

    All responses of this patient to this instrument are looked through, which are a few dozen in years.
    """
    mine = AssessmentResponse.objects.for_patient(row.patient).filter(code=row.code)
    known = {each.pk: each for each in mine.select_related("entered_by")}
    after = {each.corrects_id: each for each in known.values() if each.corrects_id}
    first = known[row.pk]
    while first.corrects_id:
        first = known[first.corrects_id]
    chain = [first]
    while chain[-1].pk in after:
        chain.append(after[chain[-1].pk])
    return chain


def _chain_lines(chain: Sequence[AssessmentResponse], row: AssessmentResponse, tz: ZoneInfo) -> list[dict[str, Any]]:
    if len(chain) == 1:
        return []
    return [
        {
            "url": reverse("assessments:response", args=[each.pk]),
            "is_here": each.pk == row.pk,
            "what": _("taken back") if each.is_retraction else (_("correction") if each.corrects_id else _("first answers")),
            "at": localtime.moment_text(each.received_at, tz),
            "by": each.entered_by.name,
            "reason": each.correction_reason,
            "stands": each is chain[-1] and not each.is_retraction,
        }
        for each in chain
    ]  # fmt: skip


@staff_view(Permission.QUESTIONNAIRE_ASK, methods=GET_POST)
def ask_questionnaires(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Ask a patient for questionnaires by a day."""
    patient = get_patient_or_404(request, patient_id, Permission.QUESTIONNAIRE_ASK)
    today = localtime.day_of(request.now, patient.home_location.tz)
    waiting = set(AssessmentRequest.objects.open().for_patient(patient).values_list("code", flat=True))
    sendable = wordings.sendable(wordings.permissions(), today)
    form = AskQuestionnairesForm(
        request.POST if request.method == "POST" else None, today=today,
        sendable=[each for each in sendable if each.code not in waiting],
    )  # fmt: skip
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        try:
            made = asking.ask_by_hand(
                by=request.user, patient=patient, codes=said["codes"], due_on=said["due_on"], now=request.now
            )
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            names = ", ".join(_name(row.code) for row in made)
            messages.success(request, _asked_text(names, said["due_on"], patient, request.now))
            return go(request, "assessments:chart_questionnaires", patient.pk)
    context = {"patient": patient, "form": form, "waiting": sorted(_name(code) for code in waiting)}
    return answer(
        request, "assessments/ask_questionnaires.html", context, status=UNPROCESSABLE if form.is_bound else 200
    )


def _asked_text(names: str, due_on: date, patient: Patient, now: datetime) -> str:
    """Return what was asked, and whether a letter says so to the patient: where none goes, what there is to do instead."""
    told = reminding.told_at(patient, now)
    words = {"names": names, "day": localtime.day_text(due_on), "name": patient.called}
    if told is None:
        said = _("%(names)s: asked, due %(day)s. No letter goes to %(name)s: we have no agreement to letters about questionnaires, or no address to write to. The front desk gets a call on its list. Hand it over on the kiosk, or tell %(name)s yourself.")  # fmt: skip
    elif told > now:
        said = _("%(names)s: asked, due %(day)s. %(name)s is told from %(when)s on: it is too late for letters now.")
        words["when"] = localtime.moment_text(told, patient.home_location.tz)
    else:
        said = _("%(names)s: asked, due %(day)s. %(name)s is told in the next minutes.")
    return said % words


@staff_view(Permission.QUESTIONNAIRE_ASK, methods=GET_POST)
def cancel_questionnaire(request: StaffRequest, request_id: uuid.UUID) -> HttpResponse:
    """Take back what a patient is asked, with the reason."""
    asked = get_request_or_404(request, request_id, Permission.QUESTIONNAIRE_ASK)
    form = CancelQuestionnaireForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            requests.cancel(by=request.user, request=asked, reason=form.cleaned_data["reason"], now=request.now)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("%(name)s is no longer asked.") % {"name": _name(asked.code)})
            return go(request, "assessments:chart_questionnaires", asked.patient_id)
    context = {
        "patient": asked.patient,
        "form": form,
        "asked": asked,
        "line": _open_line(asked, asked.patient.home_location.tz, request.now),
    }
    return answer(
        request, "assessments/cancel_questionnaire.html", context, status=UNPROCESSABLE if form.is_bound else 200
    )


@staff_view(Permission.QUESTIONNAIRE_STATUS)
def open_requests(request: StaffRequest) -> HttpResponse:
    """Show everything that is asked and not answered: at one's locations to the desk, of one's patients to clinicians.

    Late first, which is the order of the due times. What the questionnaires are is shown to whoever treats the patient;
    the others read that something is open, in one row for each patient: what is due first.
    """
    here = locations_where(request.user, Permission.QUESTIONNAIRE_STATUS)
    mine = Patient.objects.visible_to(request.user, Permission.QUESTIONNAIRE_READ, request.now)
    is_clinician = bool(locations_where(request.user, Permission.QUESTIONNAIRE_READ))
    rows = AssessmentRequest.objects.open().filter(opens_at__lte=request.now)
    rows = (
        rows.filter(patient__in=mine)
        if is_clinician
        else rows.first_of_each_patient().filter(patient__home_location_id__in=here)
    )
    rows = rows.select_related("patient__home_location", "event", "asked_by")
    page = keyset.cut(rows, "due_at", request.GET, oldest_first=True)
    audit.listed(request, "open_requests", [row.patient_id for row in page.rows], now=request.now)
    context = {
        "rows": [_list_line(row, request.now, is_clinician=is_clinician) for row in page.rows],
        "is_clinician": is_clinician,
        "page": page.links(reverse("assessments:open_requests")),
    }
    return answer(request, "assessments/open_requests.html", context)


def _list_line(asked: AssessmentRequest, now: datetime, *, is_clinician: bool) -> dict[str, Any]:
    patient = asked.patient
    look, word = state_of(asked, now)
    page = "assessments:chart_questionnaires" if is_clinician else "patients:patient"
    return {
        "who": patient.full_name,
        "mrn": patient.mrn,
        "url": reverse(page, args=[patient.pk]),
        "what": _name(asked.code) if is_clinician else "",
        "why": _why_asked(asked) if is_clinician else "",
        "look": look,
        "word": word,
        "due": localtime.until_text(asked.due_at, patient.home_location.tz),
        "age": localtime.age_text(asked.due_at, now) if now >= asked.due_at else "",
        "place": patient.home_location.name,
    }
