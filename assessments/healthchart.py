"""The health panel of the chart: every standing fact in its section, what nobody asked, and what the last entry changed.

Ten queries, however many facts there are. The words are in ``healthwords.py``.
"""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from assessments import healthwords
from assessments.facts import ConditionKind, State, StatementKind
from assessments.models import (
    Allergy,
    ClearanceMove,
    Condition,
    Diagnosis,
    FamilyHistory,
    HealthFact,
    HealthStatement,
    Measurement,
    Medication,
    ScreeningFlag,
    TreatmentTrial,
)
from clinic import localtime
from patients.models import Patient

TABLES: dict[str, type[HealthFact]] = {
    str(model._meta.model_name): model
    for model in (Condition, Diagnosis, Allergy, Medication, Measurement, TreatmentTrial, FamilyHistory, HealthStatement)
}  # fmt: skip
# So many of a kind are shown before the rest is folded away.
SHOWN = 3


def table_of(fact: HealthFact) -> str:
    return str(fact._meta.model_name)


def url_of(fact: HealthFact) -> str:
    return reverse("assessments:health_fact", kwargs={"table": table_of(fact), "fact_id": fact.pk})


def line(fact: HealthFact, tz: ZoneInfo) -> dict[str, Any]:
    """Return one fact as a row shows it."""
    return {
        "title": healthwords.title_of(fact),
        "says": healthwords.says(fact),
        "meta": healthwords.who_and_when(fact, tz),
        "note": fact.note,
        "by_prescriber": fact.by_prescriber,
        "url": url_of(fact),
    }


def _standing(model: type[HealthFact], patient: Patient) -> list[Any]:
    rows = model._default_manager.all().standing().filter(patient=patient)
    return list(rows.select_related("recorded_by").order_by("-at", "-id"))


def panel(patient: Patient) -> dict[str, Any]:
    """Return everything the panel shows. What nobody asked is named, and never left out as if it were a no."""
    tz = patient.home_location.tz
    answers = _standing(HealthStatement, patient)
    return {
        "conditions": _conditions(_standing(Condition, patient), tz),
        "diagnoses": [line(one, tz) for one in _standing(Diagnosis, patient)],
        "allergies": [line(one, tz) for one in _standing(Allergy, patient)],
        "allergies_complete": _question(StatementKind.ALLERGIES_COMPLETE, answers, patient, tz),
        "medicines": [_medicine(one, tz) for one in _standing(Medication, patient)],
        "medicines_complete": _question(StatementKind.MEDICINES_COMPLETE, answers, patient, tz),
        "measurements": _measurements(_standing(Measurement, patient), patient, tz),
        "trials": [line(one, tz) for one in _standing(TreatmentTrial, patient)],
        "family": [line(one, tz) for one in _standing(FamilyHistory, patient)],
        "questions": [
            _question(kind, answers, patient, tz)
            for kind in healthwords.ASKED
            if kind not in {StatementKind.ALLERGIES_COMPLETE, StatementKind.MEDICINES_COMPLETE}
        ],
        "awaiting": _awaiting(patient),
    }


def _conditions(rows: Sequence[Condition], tz: ZoneInfo) -> dict[str, Any]:
    by_state: dict[str, list[dict[str, Any]]] = {"present": [], "past": [], "unknown": [], "absent": []}
    homes = {State.ABSENT: "absent", State.UNKNOWN: "unknown", State.PAST: "past"}
    for row in rows:
        by_state[homes.get(State(row.state), "present")].append(line(row, tz))
    asked = {row.kind for row in rows}
    not_asked = sorted(str(kind.label) for kind in ConditionKind if kind not in asked)
    return {
        **by_state,
        "shown": [*by_state["present"], *by_state["past"], *by_state["unknown"]],
        "not_asked": not_asked,
    }


def _medicine(row: Medication, tz: ZoneInfo) -> dict[str, Any]:
    tone, words = healthwords.reading_of(row)
    return {**line(row, tz), "reading": words, "tone": tone, "is_stopped": row.taking == Medication.Taking.STOPPED}


def _measurements(rows: Sequence[Measurement], patient: Patient, tz: ZoneInfo) -> list[dict[str, Any]]:
    """Return each kind with its newest value first, also those that nobody measured."""
    kinds = []
    for kind in Measurement.Kind:
        found = [line(row, tz) for row in rows if row.kind == kind]
        add = reverse("assessments:record_measurement", kwargs={"patient_id": patient.pk})
        label = kind.label if kind in {"ecg", "tsh"} else str(kind.label).capitalize()
        kinds.append(
            {
                "label": label, "last": found[0] if found else None, "earlier": found[1 : 1 + SHOWN],
                "more": max(0, len(found) - 1 - SHOWN), "add_url": f"{add}?kind={kind.value}",
            }
        )  # fmt: skip
    return kinds


def _question(kind: str, answers: Iterable[HealthStatement], patient: Patient, tz: ZoneInfo) -> dict[str, Any]:
    add = reverse("assessments:record_statement", kwargs={"patient_id": patient.pk})
    given = [line(one, tz) for one in answers if one.kind == kind]
    return {"question": healthwords.QUESTIONS[kind], "answers": given, "add_url": f"{add}?kind={kind}"}


def _awaiting(patient: Patient) -> list[dict[str, Any]]:
    """Return what somebody corrected and no prescriber has looked at: the flag that stands until then, and where to confirm."""
    rows = ScreeningFlag.objects.live().filter(patient=patient, data__awaits_prescriber=True).order_by("code", "id")
    found = []
    for row in rows:
        table, _colon, pk = row.trigger.partition(":")
        if table in TABLES:
            url = reverse("assessments:health_fact", kwargs={"table": table, "fact_id": uuid.UUID(pk)})
            found.append({"sentence": row.flag.sentence, "url": url})
    return found


def changes(patient: Patient, moment: datetime) -> dict[str, Any]:
    """Return what the entry of one moment changed: flags raised and lifted, new questions, and whether the clearance was suspended."""
    moved = ScreeningFlag.objects.filter(patient=patient)
    raised = list(moved.filter(raised_at=moment).order_by("severity", "code", "id"))
    again = {row.key for row in raised}
    lifted = [row for row in moved.filter(settled_at=moment).order_by("code", "id") if row.key not in again]
    missing = ScreeningFlag.Finding.MISSING
    questions = sum(row.finding == missing for row in raised)
    return {
        "raised": [
            {"word": row.get_severity_display(), "severity": row.severity, "sentence": row.flag.sentence, "lifts": row.flag.what_lifts}
            for row in raised
            if row.finding != missing
        ],
        "lifted": [row.flag.sentence for row in lifted if row.finding != missing],
        "answered": sum(row.finding == missing for row in lifted),
        "questions": ngettext("%(count)s question is open.", "%(count)s questions are open.", questions) % {"count": questions}
        if questions else "",
        "suspended": ClearanceMove.objects.filter(
            clearance__patient=patient, at=moment, cause=ClearanceMove.Cause.NEW_BLOCK
        ).exists(),
    }  # fmt: skip


def history(fact: HealthFact, tz: ZoneInfo) -> list[dict[str, Any]]:
    """Return the chain a fact belongs to, newest first: what it said, who wrote it and why it was corrected. Two queries."""
    model = type(fact)
    rows = {
        row.pk: row
        for row in model._default_manager.filter(patient_id=fact.patient_id).select_related("recorded_by").order_by("recorded_at")
    }  # fmt: skip
    after = {row.corrects_id: row for row in rows.values() if row.corrects_id}
    newest = rows[fact.pk]
    while newest.pk in after:
        newest = after[newest.pk]
    chain, one = [], newest
    while True:
        chain.append(
            {
                **line(one, tz), "is_newest": one is newest, "is_retraction": one.is_retraction, "reason": one.correction_reason,
                "recorded": localtime.moment_text(one.recorded_at, tz), "fact": one, "anchor": f"fact-{one.pk}",
            }
        )  # fmt: skip
        if one.corrects_id is None:
            return chain
        one = rows[one.corrects_id]


def heading(table: str) -> str:
    """Return what a page about a fact of a table is called."""
    return _("Health: %(what)s") % {"what": healthwords.NAMES[TABLES[table]]}
