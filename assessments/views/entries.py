"""What staff enter for a patient: read out, rated, or copied from paper; corrected, and taken back."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from assessments import definitions, wordings
from assessments.access import get_response_or_404
from assessments.actions import entries
from assessments.actions.entries import Way
from assessments.forms.entries import (
    CorrectResponseForm,
    EnterQuestionnaireForm,
    EntryForm,
    TakeBackResponseForm,
    as_typed,
    new_key,
)
from assessments.instrument import Definition, Item
from assessments.models import AssessmentResponse
from clinic import localtime
from clinic.access import GET_POST, Permission, staff_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go
from clinic.models import User
from patients.access import get_patient_or_404
from patients.models import Patient

WAYS = {
    Way.READ_OUT: gettext_lazy("Read it out"),
    Way.RATED: gettext_lazy("Enter the ratings"),
    Way.RATED_TOTAL: gettext_lazy("Enter the total"),
    Way.PAPER: gettext_lazy("From paper, each question"),
    Way.PAPER_TOTAL: gettext_lazy("From paper, the total"),
}


def _raters(patient: Patient) -> list[User]:
    return list(User.objects.working_at(patient.home_location_id, *entries.RATERS).order_by("name"))


def _items(definition: Definition, held: Any, today: Any) -> tuple[Item, ...]:
    """Return the questions, with their words only where those may be shown."""
    if definitions.can_render(definition, held, on=today):
        return definitions.wording(definition, held, on=today).items
    return definition.items


@staff_view(Permission.QUESTIONNAIRE_ENTER, methods=GET_POST)
def enter_questionnaire(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Choose an instrument and a way, then enter it for a patient."""
    patient = get_patient_or_404(request, patient_id, Permission.QUESTIONNAIRE_ENTER)
    today = localtime.day_of(request.now, patient.home_location.tz)
    held = wordings.permissions()
    chosen = _chosen(request, held, today)
    if chosen is None:
        return _choose(request, patient, held, today)
    definition, way = chosen
    form = EnterQuestionnaireForm(
        request.POST if request.method == "POST" else None, definition=definition, way=way, today=today,
        items=_items(definition, held, today), raters=_raters(patient) if way.is_rated else (),
        initial={"submission_key": new_key()},
    )  # fmt: skip
    if request.method == "POST" and form.is_valid():
        try:
            response = entries.enter(
                by=request.user, patient=patient, definition=definition, way=way, given=form.given(), held=held,
                submission_key=form.cleaned_data["submission_key"], rater=form.rater, now=request.now,
                answered_at=entries.moment_on(form.day, form.clock, patient, request.now) if form.day else request.now,
            )  # fmt: skip
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("%(name)s is on record.") % {"name": definition.name})
            return go(request, "assessments:response", response.pk)
    context = {"patient": patient, "way": way, "title": WAYS[way], **_form_context(definition, form, held, today)}
    return answer(
        request, "assessments/enter_questionnaire.html", context, status=UNPROCESSABLE if form.is_bound else 200
    )


def _form_context(definition: Definition, form: EntryForm, held: Any, today: Any) -> dict[str, Any]:
    shown = definitions.can_render(definition, held, on=today) and not form.way.is_total
    words = definitions.wording(definition, held, on=today) if shown else None
    return {"d": definition, "form": form, "words": words, "shown": shown}


def _chosen(request: StaffRequest, held: Any, today: Any) -> tuple[Definition, Way] | None:
    """Return the instrument and the way that the address names; None for anything that is not offered."""
    try:
        definition, way = definitions.current(request.GET.get("instrument", "")), Way(request.GET.get("how", ""))
    except (definitions.UnknownInstrument, ValueError):
        return None
    return (definition, way) if way in entries.ways(definition, held, today) else None


def _choose(request: StaffRequest, patient: Patient, held: Any, today: Any) -> HttpResponse:
    path = reverse("assessments:enter_questionnaire", args=[patient.pk])
    rows = [
        {
            "name": each.name,
            "title": each.title,
            "ways": [
                {"label": WAYS[way], "url": f"{path}?instrument={each.code}&how={way}"}
                for way in entries.ways(each, held, today)
            ],
        }
        for each in sorted(definitions.all_current(), key=lambda each: each.name.casefold())
    ]
    context = {"patient": patient, "rows": rows}
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, "assessments/_choose_questionnaire.html", context, status=status)


@staff_view(Permission.QUESTIONNAIRE_ENTER, methods=GET_POST)
def correct_response(request: StaffRequest, response_id: uuid.UUID) -> HttpResponse:
    """Correct answers on record: a new response stands from now on, the old one stays visible behind it."""
    old = get_response_or_404(request, response_id, Permission.QUESTIONNAIRE_ENTER)
    definition, patient = _standing_or_404(old), old.patient
    tz = patient.home_location.tz
    today, held = localtime.day_of(request.now, tz), wordings.permissions()
    way = entries.way_of(old, definition, held, today)
    raters = _raters(patient) if way.is_rated else []
    if way.is_rated and old.rater is not None and old.rater not in raters:
        raters.append(old.rater)
    form = CorrectResponseForm(
        request.POST if request.method == "POST" else None, definition=definition, way=way, today=today,
        items=_items(definition, held, today), raters=raters,
        initial={"submission_key": new_key(), **as_typed(old, definition, way, old.answered_at.astimezone(tz))},
    )  # fmt: skip
    if request.method == "POST" and form.is_valid():
        try:
            new = entries.correct(
                by=request.user, response=old, given=form.given(), reason=form.cleaned_data["reason"], held=held,
                submission_key=form.cleaned_data["submission_key"], rater=form.rater, now=request.now,
                answered_at=_corrected_moment(form, old, request),
            )  # fmt: skip
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("The correction of %(name)s is on record.") % {"name": definition.name})
            return go(request, "assessments:response", new.pk)
    context = {"patient": patient, "old": old, **_form_context(definition, form, held, today)}
    return answer(request, "assessments/correct_response.html", context, status=UNPROCESSABLE if form.is_bound else 200)


def _corrected_moment(form: EntryForm, old: AssessmentResponse, request: StaffRequest) -> Any:
    """Return when it was answered: as it was, unless the form asked for the day and another one was typed."""
    local = old.answered_at.astimezone(old.patient.home_location.tz)
    if form.day is None or (
        form.day == local.date() and form.clock in {None, local.time().replace(second=0, microsecond=0)}
    ):
        return old.answered_at
    return entries.moment_on(form.day, form.clock, old.patient, request.now)


def _standing_or_404(response: AssessmentResponse) -> Definition:
    """Return what was answered. What takes a response back can itself not be corrected: there is nothing in it."""
    if response.is_retraction:
        raise Http404
    return definitions.get(response.code, response.version, response.language)


@staff_view(Permission.QUESTIONNAIRE_ENTER, methods=GET_POST)
def take_back_response(request: StaffRequest, response_id: uuid.UUID) -> HttpResponse:
    """Take answers back that were entered in error, such as for the wrong patient."""
    old = get_response_or_404(request, response_id, Permission.QUESTIONNAIRE_ENTER)
    definition = _standing_or_404(old)
    form = TakeBackResponseForm(
        request.POST if request.method == "POST" else None, initial={"submission_key": new_key()}
    )
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        try:
            entries.take_back(
                by=request.user, response=old, reason=said["reason"], submission_key=said["submission_key"],
                held=wordings.permissions(), now=request.now,
            )  # fmt: skip
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(
                request, _("%(name)s was taken back. It stays visible, struck through.") % {"name": definition.name}
            )
            return go(request, "assessments:response", old.pk)
    context = {"patient": old.patient, "old": old, "d": definition, "form": form}
    return answer(
        request, "assessments/take_back_response.html", context, status=UNPROCESSABLE if form.is_bound else 200
    )
