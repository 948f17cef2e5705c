"""Facts written into the tables, as people and instruments would have left them. For tests that ask what the tables say."""

import uuid
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from assessments import facts, factsheet
from assessments.models import (
    Allergy,
    AssessmentResponse,
    Condition,
    Diagnosis,
    FamilyHistory,
    HealthFact,
    HealthStatement,
    Measurement,
    Medication,
    Score,
    TreatmentTrial,
)
from clinic.models import User
from patients.models import Patient
from tests import factories as make

CODES = {
    instrument: code
    for known in (factsheet.SYMPTOM_SCORES, factsheet.SUBSTANCE_SCORES, factsheet.SAFETY_SCREENS)
    for code, instrument in known.items()
}
CATEGORIES = {
    facts.SafetyInstrument.ASQ: {result: name for name, result in factsheet.CATEGORIES["asq"].items()},
    facts.SafetyInstrument.CSSRS: {result: name for name, result in factsheet.CATEGORIES["c-ssrs"].items()},
}
PREGNANCY = {True: "positive", False: "negative", None: "unreadable"}


def answered(
    patient: Patient,
    code: str,
    by: User,
    at: datetime,
    *,
    answers: dict[str, Any] | None = None,
    total: int | None = None,
    category: str = "",
    **fields: Any,
) -> AssessmentResponse:
    """Store one response with its score, the way handing in leaves them."""
    defaults: dict[str, Any] = {"mode": AssessmentResponse.Mode.PORTAL, "received_at": at}
    response = AssessmentResponse.objects.create(
        patient=patient, code=code, version=1, language="en", checksum="0" * 64, answers=answers or {},
        submission_key=uuid.uuid4(), answered_at=at, entered_by=by, **{**defaults, **fields},
    )  # fmt: skip
    if not response.is_retraction:
        reason = "" if total is not None or category else "incomplete"
        Score.objects.create(
            response=response, scorer_id="sum", scorer_version=1, total=total, category=category, reason=reason,
            is_complete=total is not None, is_prorated=False, data={}, scored_at=response.received_at,
        )  # fmt: skip
    return response


def row_of(fact: facts.Fact) -> tuple[type[HealthFact], dict[str, Any]]:
    """Return the table and the columns in which a health fact stands."""
    match fact:
        case facts.Condition():
            return Condition, {"kind": fact.kind, "state": fact.state, "onset_on": fact.onset_on, "resolved_on": fact.resolved_on}  # fmt: skip
        case facts.Indicated():
            return Diagnosis, {"text": "in words", "indication": fact.indication}
        case facts.Allergy():
            return Allergy, {"substance": fact.substance, "agent": fact.agent or ""}
        case facts.Medication():
            confirmed = None if fact.confirmed_as is None else sorted(fact.confirmed_as)
            return Medication, {
                "text": fact.text, "taking": fact.taking, "confirmed_as": confirmed, "lorazepam_mg_a_day": fact.lorazepam_mg_a_day,
            }  # fmt: skip
        case facts.BloodPressure():
            return Measurement, {"kind": "blood_pressure", "first": fact.systolic, "second": fact.diastolic}
        case facts.OxygenSaturation():
            return Measurement, {"kind": "oxygen_saturation", "first": fact.percent}
        case facts.Weight():
            return Measurement, {"kind": "weight", "first": fact.kilograms}
        case facts.LiverTest():
            return Measurement, {"kind": "liver_test", "first": fact.alt_times_uln, "second": fact.ast_times_uln}
        case facts.PregnancyTest():
            return Measurement, {"kind": "pregnancy_test", "result": PREGNANCY[fact.positive]}
        case facts.TreatmentTrial():
            return TreatmentTrial, {
                "treatment": "a trial", "is_adequate": fact.adequate, "has_failed": fact.failed, "in_current_episode": fact.current_episode,
            }  # fmt: skip
        case facts.FamilyHistory():
            return FamilyHistory, {"psychosis": fact.psychosis, "is_first_degree": fact.first_degree}
        case facts.Statement():
            return HealthStatement, {"kind": fact.kind, "value": fact.value}
    raise TypeError(type(fact).__name__)


def write(patient: Patient, known: Iterable[facts.Fact], by: User) -> list[facts.Fact]:
    """Write facts into the tables and return what has to be read there: the same facts under the ids of their rows.

    A PHQ-9 is one row and two facts: its total comes with an item 9 of nought unless an item 9 is given for the same moment.
    """
    rows: dict[type[HealthFact], list[HealthFact]] = {}
    expected: list[facts.Fact] = []
    pending = list(known)
    item_9 = {
        fact.at: fact
        for fact in pending
        if isinstance(fact, facts.SafetyAnswer) and fact.instrument is facts.SafetyInstrument.PHQ9_ITEM_9
    }
    for fact in pending:
        if isinstance(fact, facts.SymptomScore | facts.SubstanceScore):
            nine = item_9.get(fact.at)
            number = (
                0
                if nine is None
                else {v: k for k, v in factsheet.ITEM_9.items()}.get(nine.result)
                if nine.result
                else None
            )
            is_phq9 = fact.instrument is facts.SymptomInstrument.PHQ_9
            answers = {"q9": number} if is_phq9 and number is not None else {}
            response = answered(patient, CODES[fact.instrument], by, fact.at, total=fact.total, answers=answers)
            pk = f"assessmentresponse:{response.pk}"
            expected.append(replace(fact, id=pk, recorded_at=fact.at))
            if is_phq9:
                result = facts.SafetyResult.NEGATIVE if nine is None else nine.result
                expected.append(
                    facts.SafetyAnswer(
                        id=f"{pk}:item9", at=fact.at, recorded_at=fact.at, instrument=facts.SafetyInstrument.PHQ9_ITEM_9, result=result
                    )
                )  # fmt: skip
        elif isinstance(fact, facts.SafetyAnswer):
            if fact.instrument is facts.SafetyInstrument.PHQ9_ITEM_9:
                continue
            category = CATEGORIES[fact.instrument][fact.result] if fact.result else ""
            mode = AssessmentResponse.Mode.CLINICIAN if fact.by_prescriber else AssessmentResponse.Mode.PORTAL
            response = answered(patient, CODES[fact.instrument], by, fact.at, category=category, mode=mode)
            expected.append(replace(fact, id=f"assessmentresponse:{response.pk}", recorded_at=fact.at))
        else:
            model, columns = row_of(fact)
            row = make.make_health_fact(
                model, patient, by, at=fact.at, save=False, by_prescriber=fact.by_prescriber, **columns
            )
            rows.setdefault(model, []).append(row)
            expected.append(replace(fact, id=f"{model._meta.model_name}:{row.pk}", recorded_at=fact.at))
    for model, made in rows.items():
        model._default_manager.bulk_create(made)
    return expected


def write_clean(patient: Patient, by: User, now: datetime, *, without: Iterable[str] = ()) -> None:
    """Write an answer to every question of screening, so that nothing at all stands against the patient at ``now``.

    ``without``: kinds of condition, statement or measurement that are left out.
    """
    left_out = set(without)
    at = now - timedelta(hours=2)
    said = {
        "allergies_complete": True, "breastfeeding": False, "can_consent": True, "escort_possible": True, "ketamine_use": False,
        "medicines_complete": True, "pregnancy_possible": False, "prescribed_remotely": False,
    }  # fmt: skip
    known: list[facts.Fact] = [
        facts.Condition(id=f"c-{kind}", at=at, kind=kind, state=facts.State.ABSENT, by_prescriber=True)
        for kind in facts.ConditionKind
        if kind not in left_out
    ]
    known += [
        facts.Statement(id=f"s-{kind}", at=at, kind=facts.StatementKind(kind), value=value)
        for kind, value in said.items()
        if kind not in left_out
    ]
    measured: dict[str, facts.Fact] = {
        "liver_test": facts.LiverTest(id="liver", at=at, alt_times_uln=Decimal(1), ast_times_uln=Decimal(1)),
        "oxygen_saturation": facts.OxygenSaturation(id="spo2", at=at, percent=98),
        "weight": facts.Weight(id="weight", at=at, kilograms=Decimal(70)),
    }
    known += [fact for name, fact in measured.items() if name not in left_out]
    if "blood_pressure" not in left_out:
        known += [
            facts.BloodPressure(id=f"bp-{days}", at=at - timedelta(days=days), systolic=120, diastolic=76) for days in (1, 2, 3)
        ]  # fmt: skip
    known += [
        facts.FamilyHistory(id="family", at=at, psychosis=False),
        facts.Indicated(id="for", at=at, indication=facts.Indication.PTSD),
        facts.SymptomScore(id="phq9", at=at, instrument=facts.SymptomInstrument.PHQ_9, total=17),
        facts.SymptomScore(id="gad7", at=at, instrument=facts.SymptomInstrument.GAD_7, total=12),
        facts.SubstanceScore(id="audit", at=at, instrument=facts.SubstanceInstrument.AUDIT_C, total=2),
        facts.SubstanceScore(id="dast", at=at, instrument=facts.SubstanceInstrument.DAST_10, total=0),
        facts.SafetyAnswer(id="cssrs", at=at, instrument=facts.SafetyInstrument.CSSRS, result=facts.SafetyResult.NEGATIVE),
    ]  # fmt: skip
    write(patient, known, by)
