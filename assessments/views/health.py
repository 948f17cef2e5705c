"""Health facts on the chart: what is known, what nobody asked, and the pages that record, correct, confirm and take back."""

import uuid
from typing import Any

from django.contrib import messages
from django.core.exceptions import ObjectDoesNotExist
from django.http import Http404, HttpResponse, QueryDict
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from assessments import healthchart, healthwords
from assessments.access import get_health_fact_or_404
from assessments.actions import health
from assessments.forms import health as asked
from assessments.models import HealthFact, Measurement, Medication
from clinic.access import GET_POST, POST, Permission, holds, staff_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go, go_to
from patients.access import get_patient_or_404
from patients.models import Patient

FORMS: dict[str, type[asked.FactForm]] = {
    "condition": asked.RecordConditionForm,
    "diagnosis": asked.RecordDiagnosisForm,
    "allergy": asked.RecordAllergyForm,
    "medication": asked.RecordMedicationForm,
    "measurement": asked.RecordMeasurementForm,
    "treatmenttrial": asked.RecordTrialForm,
    "familyhistory": asked.RecordFamilyHistoryForm,
    "healthstatement": asked.RecordStatementForm,
}

VITAL_SIGNS = _("vital signs together")


@staff_view(Permission.HEALTH_READ)
def chart_health(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Show everything that is known of a patient's health, and what nobody asked; a panel of the chart.

    ``?after=<table>:<id>`` names the entry that was made just now; the page then says what it changed.
    """
    patient = get_patient_or_404(request, patient_id, Permission.HEALTH_READ)
    context = {
        "patient": patient,
        "may_write": holds(request.user, Permission.HEALTH_WRITE, patient.home_location_id),
        "may_review": holds(request.user, Permission.CLEARANCE_READ, patient.home_location_id),
        "after": _after(request, patient),
        **healthchart.panel(patient),
    }
    return answer(request, "assessments/chart_health.html", context, part="health")


def _after(request: StaffRequest, patient: Patient) -> dict[str, Any] | None:
    """Return what the entry named in the address changed; None for none, for another patient's and for what cannot be read."""
    table, _colon, key = request.GET.get("after", "").partition(":")
    try:
        fact = healthchart.TABLES[table]._default_manager.get(pk=uuid.UUID(key), patient=patient)
    except (KeyError, ValueError, ObjectDoesNotExist):
        return None
    says = [healthwords.says(fact)]
    if isinstance(fact, Measurement):
        # What was entered on one page is said in one breath.
        others = Measurement.objects.filter(
            patient=patient, recorded_at=fact.recorded_at, recorded_by=fact.recorded_by_id
        )
        says += [
            f"{healthwords.title_of(one)}: {healthwords.says(one)}" for one in others.exclude(pk=fact.pk).order_by("id")
        ]
    return {"title": healthwords.title_of(fact), "says": "; ".join(says), "is_over": fact.is_retraction,
            "no_rule": healthwords.no_rule(fact),
            **healthchart.changes(patient, fact.recorded_at)}  # fmt: skip


@staff_view(Permission.HEALTH_WRITE, methods=GET_POST)
def record_condition(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Record a condition of the list that screening knows."""
    return _record(request, patient_id, "condition")


@staff_view(Permission.HEALTH_WRITE, methods=GET_POST)
def record_diagnosis(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Record a diagnosis in words, and whether the patient is treated for it here."""
    return _record(request, patient_id, "diagnosis")


@staff_view(Permission.HEALTH_WRITE, methods=GET_POST)
def record_allergy(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Record an allergy."""
    return _record(request, patient_id, "allergy")


@staff_view(Permission.HEALTH_WRITE, methods=GET_POST)
def record_medication(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Record one line of the list of medicines, as it is written or said."""
    return _record(request, patient_id, "medication")


@staff_view(Permission.HEALTH_WRITE, methods=GET_POST)
def record_trial(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Record a treatment that was tried."""
    return _record(request, patient_id, "treatmenttrial")


@staff_view(Permission.HEALTH_WRITE, methods=GET_POST)
def record_family_history(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Record whether there was psychosis in the family."""
    return _record(request, patient_id, "familyhistory")


@staff_view(Permission.HEALTH_WRITE, methods=GET_POST)
def record_measurement(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Record a measurement of the kind in ``?kind=``, or the vital signs together; without one, choose the kind first."""
    if request.GET.get("kind") == asked.VITALS:
        return _record_vitals(request, patient_id)
    return _record(request, patient_id, "measurement", kind=request.GET.get("kind", ""))


@staff_view(Permission.HEALTH_WRITE, methods=GET_POST)
def record_statement(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Record the answer to the question in ``?kind=``; without one, choose the question first."""
    return _record(request, patient_id, "healthstatement", kind=request.GET.get("kind", ""))


def _kinds(table: str) -> dict[str, Any]:
    """Return the kinds among which one is chosen before its form is shown, with their names; empty for a table of one form."""
    if table == "measurement":
        return {kind.value: kind.label for kind in Measurement.Kind}
    return {str(kind): healthwords.QUESTIONS[kind] for kind in healthwords.ASKED} if table == "healthstatement" else {}


def _posted(request: StaffRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None


def _form(request: StaffRequest, patient: Patient, table: str, kind: str, old: HealthFact | None) -> asked.FactForm:
    """Return the form of a table, bound when something was posted. A correction keeps the kind of what it corrects."""
    more: dict[str, Any] = {"now": request.now, "tz": patient.home_location.tz, "corrects_at": old.at if old else None}
    if table == "measurement":
        more["kind"] = kind
    elif table == "healthstatement":
        more["question"] = healthwords.QUESTIONS[kind]
    form = FORMS[table](_posted(request), **more)
    if old is not None and table == "condition":
        del form.fields["kind"]
    return form


def _record(request: StaffRequest, patient_id: uuid.UUID, table: str, kind: str = "") -> HttpResponse:
    patient = get_patient_or_404(request, patient_id, Permission.HEALTH_WRITE)
    model = healthchart.TABLES[table]
    kinds = _kinds(table)
    context: dict[str, Any] = {
        "patient": patient,
        "kind": kind,
        "kind_name": kinds.get(kind, ""),
        "back": _panel(patient),
    }
    if kinds and kind not in kinds:
        together = {asked.VITALS: VITAL_SIGNS} if table == "measurement" else {}
        choices = [{"url": f"{request.path}?kind={value}", "name": name} for value, name in (together | kinds).items()]
        return answer(request, f"assessments/{_page_of(table)}.html", {**context, "choices": choices})
    form = _form(request, patient, table, kind, None)
    if request.method == "POST" and form.is_valid():
        said = form.said() | ({"kind": kind} if table == "healthstatement" else {})
        try:
            fact = health.record(by=request.user, patient=patient, model=model, now=request.now, **said)
        except health.FarFromLast as refusal:
            assert isinstance(form, asked.RecordMeasurementForm)
            form.ask_again(str(refusal))
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            return go_to(request, _panel(patient, fact))
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, f"assessments/{_page_of(table)}.html", {**context, "form": form}, status=status)


def _record_vitals(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    patient = get_patient_or_404(request, patient_id, Permission.HEALTH_WRITE)
    form = asked.RecordVitalsForm(_posted(request), now=request.now, tz=patient.home_location.tz)
    if request.method == "POST" and form.is_valid():
        said = form.said()
        entries = [
            health.Entry(model=Measurement, values=values, source=said["source"], at=said["at"], note=said["note"])
            for values in form.entries()
        ]
        try:
            facts = health.record_together(
                by=request.user, patient=patient, entries=entries, looked_again=said["looked_again"], now=request.now
            )
        except health.FarFromLast as refusal:
            form.ask_again(str(refusal))
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            return go_to(request, _panel(patient, facts[0]))
    context = {
        "form": form,
        "patient": patient,
        "kind": asked.VITALS,
        "kind_name": VITAL_SIGNS,
        "back": _panel(patient),
    }
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, "assessments/record_measurement.html", context, status=status)


def _page_of(table: str) -> str:
    names = {"treatmenttrial": "trial", "familyhistory": "family_history", "healthstatement": "statement"}
    return f"record_{names.get(table, table)}"


def _panel(patient: Patient, fact: HealthFact | None = None) -> str:
    """Return the panel's address; with an entry, so that it says what the entry changed."""
    url = reverse("assessments:chart_health", kwargs={"patient_id": patient.pk})
    return f"{url}?after={healthchart.table_of(fact)}:{fact.pk}" if fact else url


@staff_view(Permission.HEALTH_READ)
def health_fact(request: StaffRequest, table: str, fact_id: uuid.UUID) -> HttpResponse:
    """Show one fact with everything it was before and became after, and what can be done with the newest."""
    fact = get_health_fact_or_404(request, table, fact_id, Permission.HEALTH_READ)
    patient = fact.patient
    chain = healthchart.history(fact, patient.home_location.tz)
    newest = chain[0]["fact"]
    may_write = holds(request.user, Permission.HEALTH_WRITE, patient.home_location_id)
    prescribes = may_write and health.may_confirm(request.user, patient)
    context = {
        "patient": patient, "table": table, "chain": chain, "newest": newest, "heading": healthchart.heading(table),
        "may_write": may_write,
        "may_correct": may_write and not newest.is_retraction,
        "may_confirm": prescribes and not newest.by_prescriber,
        "may_class": prescribes and isinstance(newest, Medication) and not newest.is_retraction,
        "reading": healthwords.reading_of(newest) if isinstance(newest, Medication) else None,
    }  # fmt: skip
    return answer(request, "assessments/health_fact.html", context)


@staff_view(Permission.HEALTH_WRITE, methods=GET_POST)
def correct_fact(request: StaffRequest, table: str, fact_id: uuid.UUID) -> HttpResponse:
    """Correct an entry by a new one. The old value is shown; nothing of it is filled in."""
    old = get_health_fact_or_404(request, table, fact_id, Permission.HEALTH_WRITE)
    patient, kind = old.patient, getattr(old, "kind", "")
    if (kinds := _kinds(table)) and kind not in kinds:
        # A question that is asked on the dosing day only: it is answered anew there.
        raise Http404
    form = _form(request, patient, table, kind, old)
    if request.method == "POST" and form.is_valid():
        said = form.said() | ({"kind": kind} if kind else {})
        try:
            fact = health.record(
                by=request.user, patient=patient, model=type(old), corrects=old, now=request.now, **said
            )
        except health.FarFromLast as refusal:
            assert isinstance(form, asked.RecordMeasurementForm)
            form.ask_again(str(refusal))
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            return go_to(request, _panel(patient, fact))
    context = {
        "form": form,
        "patient": patient,
        "table": table,
        "fact": old,
        "old": healthchart.line(old, patient.home_location.tz),
    }
    return answer(
        request, "assessments/correct_fact.html", context, status=UNPROCESSABLE if request.method == "POST" else 200
    )


@staff_view(Permission.HEALTH_WRITE, methods=GET_POST)
def take_back_fact(request: StaffRequest, table: str, fact_id: uuid.UUID) -> HttpResponse:
    """Take an entry back that should never have been made here."""
    old = get_health_fact_or_404(request, table, fact_id, Permission.HEALTH_WRITE)
    form = asked.TakeBackFactForm(_posted(request))
    if request.method == "POST" and form.is_valid():
        try:
            fact = health.retract(by=request.user, fact=old, reason=form.cleaned_data["reason"], now=request.now)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            return go_to(request, _panel(old.patient, fact))
    context = {
        "form": form,
        "patient": old.patient,
        "table": table,
        "fact": old,
        "old": healthchart.line(old, old.patient.home_location.tz),
    }
    return answer(
        request, "assessments/take_back_fact.html", context, status=UNPROCESSABLE if request.method == "POST" else 200
    )


@staff_view(Permission.HEALTH_WRITE, methods=POST)
def confirm_fact(request: StaffRequest, table: str, fact_id: uuid.UUID) -> HttpResponse:
    """Confirm, as a prescriber, what somebody recorded, corrected or took back."""
    old = get_health_fact_or_404(request, table, fact_id, Permission.HEALTH_WRITE)
    try:
        fact = health.confirm(by=request.user, fact=old, now=request.now)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return go(request, "assessments:health_fact", table=table, fact_id=old.pk)
    return go_to(request, _panel(old.patient, fact))


@staff_view(Permission.HEALTH_WRITE, methods=GET_POST)
def confirm_medicine(request: StaffRequest, fact_id: uuid.UUID) -> HttpResponse:
    """Say, as a prescriber, what a line about medicines is."""
    line = get_health_fact_or_404(request, "medication", fact_id, Permission.HEALTH_WRITE)
    assert isinstance(line, Medication)
    form = asked.ConfirmMedicineForm(_posted(request))
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            fact = health.confirm_medication(
                by=request.user, fact=line, classes=data["classes"], lorazepam_mg_a_day=data["lorazepam_mg_a_day"], now=request.now
            )  # fmt: skip
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            return go_to(request, _panel(line.patient, fact))
    context = {
        "form": form, "patient": line.patient, "fact": line, "old": healthchart.line(line, line.patient.home_location.tz),
        "reading": healthwords.reading_of(line),
    }  # fmt: skip
    return answer(
        request, "assessments/confirm_medicine.html", context, status=UNPROCESSABLE if request.method == "POST" else 200
    )
