"""Everything that is on record about one patient, as the plain facts that screening reads: two floors of rows, one query.

Nothing is decided here and nothing is filled in. What nobody asked has no row and becomes no fact; what was taken back becomes
a bare fact that corrects and says nothing. Superseded rows come along, because a correction by somebody other than a
prescriber does not lift a BLOCK and screening decides what stands (docs/decisions/0021, 0026).
"""

import json
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from math import ceil
from typing import Any, cast

from django.db import models
from django.db.models import Exists, F, OuterRef, Q, Subquery, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, JSONObject

from assessments import facts
from assessments.medicines import MedicineClass
from assessments.models import (
    Allergy,
    AssessmentResponse,
    CareEvent,
    CareEventKind,
    Condition,
    Diagnosis,
    Disposition,
    FamilyHistory,
    HealthFact,
    HealthStatement,
    Measurement,
    Medication,
    Score,
    Source,
    TreatmentTrial,
)
from clinic.models import Membership, Role
from clinic.written import WHEN, WHERE, WHO, Written
from patients.models import Patient

PHQ9 = "phq-9"
SYMPTOM_SCORES = {PHQ9: facts.SymptomInstrument.PHQ_9, "gad-7": facts.SymptomInstrument.GAD_7}
SUBSTANCE_SCORES = {"audit-c": facts.SubstanceInstrument.AUDIT_C, "dast-10": facts.SubstanceInstrument.DAST_10}
SAFETY_SCREENS = {"asq": facts.SafetyInstrument.ASQ, "c-ssrs": facts.SafetyInstrument.CSSRS}
INSTRUMENTS = (*SYMPTOM_SCORES, *SUBSTANCE_SCORES, *SAFETY_SCREENS)

R = facts.SafetyResult
# Item 9 of the PHQ-9: 1, 2 and 3 are the tiers of domain.md 6.5.
ITEM_9 = {0: R.NEGATIVE, 1: R.LOW, 2: R.MODERATE, 3: R.HIGH}
# The categories of the scorers. A screen that stayed open ("positive_unknown", or none at all) is no result: it is asked about.
CATEGORIES = {
    "asq": {"negative": R.NEGATIVE, "positive": R.POSITIVE, "acute": R.ACUTE},
    "c-ssrs": {"none": R.NEGATIVE, "low": R.LOW, "moderate": R.MODERATE, "high": R.HIGH},
}

Row = dict[str, Any]


def facts_of(patient: Patient, *, now: datetime, planned_route: facts.Route | None = None) -> facts.Facts:
    """Return everything on record about a patient at ``now``, in one query.

    Birth date and sex are read off ``patient`` as it was given. A fact's id is "<table>:<id>". Doses are known from the care
    events; without any, nobody was dosed.
    """
    known: list[facts.Fact] = []
    first_dosed_at: datetime | None = None
    for row in _rows(patient, now):
        if row["table"] == "careevent":
            first_dosed_at = row["at"] if first_dosed_at is None else min(first_dosed_at, row["at"])
        else:
            known.extend(_facts(row))
    unknown = patient.sex_at_birth == Patient.Sex.UNKNOWN
    return facts.Facts(
        known=tuple(known),
        birth_date=patient.birth_date,
        sex_at_birth=None if unknown else facts.SexAtBirth(patient.sex_at_birth),
        planned_route=planned_route,
        first_dosed_at=first_dosed_at,
    )


def line_of(text: str, dose: str) -> str:
    """Return a medicine's line as it is read: with what stands beside it, because people write a second medicine there."""
    return f"{text}, {dose}" if dose else text


def _rows(patient: Patient, now: datetime) -> list[Row]:
    rows = [
        dict(zip(NAMES, row, strict=True))
        for row in EVERYTHING.rows(who=patient.pk, where=patient.home_location_id, when=now)
    ]
    return [{**row, "body": json.loads(row["body"])} for row in rows]


NAMES = ("table", "pk", "at", "written", "prescriber", "corrected", "taken_back", "body")


def _everything() -> models.QuerySet[Any, Any]:
    """Return the query with its marks, which is written once: the ORM takes five times as long over it as the database."""
    patient = Patient(pk=WHO, home_location_id=WHERE)
    kinds: list[tuple[type[HealthFact], tuple[str, ...]]] = [
        (Condition, ("kind", "state", "onset_on", "resolved_on")),
        (Diagnosis, ("indication",)),
        (Allergy, ("substance", "agent")),
        (Medication, ("text", "dose", "taking", "confirmed_as", "lorazepam_mg_a_day")),
        (Measurement, ("kind", "first", "second", "result", "source")),
        (TreatmentTrial, ("is_adequate", "has_failed", "in_current_episode")),
        (FamilyHistory, ("psychosis", "is_first_degree")),
        (HealthStatement, ("kind", "value")),
    ]
    parts = [_health_rows(model, patient, fields) for model, fields in kinds]
    parts += [_response_rows(patient), _disposition_rows(patient), _dose_rows(patient, WHEN)]
    return parts[0].union(*parts[1:], all=True)


EVERYTHING = Written(_everything)


def _shaped(rows: models.QuerySet[Any], table: str, **columns: Any) -> models.QuerySet[Any, tuple[Any, ...]]:
    """Return the rows in the one shape that all branches of the union have."""
    named = {f"r_{name}": column for name, column in columns.items()}
    order = ("r_pk", "r_at", "r_written", "r_prescriber", "r_corrected", "r_taken_back", "r_body")
    shaped: models.QuerySet[Any, tuple[Any, ...]]
    shaped = rows.order_by().annotate(r_table=Value(table), **named).values_list("r_table", *order)
    return shaped


def _health_rows(model: type[HealthFact], patient: Patient, fields: tuple[str, ...]) -> models.QuerySet[Any, Any]:
    decimals = {
        field.name for field in model._meta.get_fields() if isinstance(field, models.DecimalField)
    }  # as text: a JSON number would come back as a float
    body: dict[str, Combinable] = {
        name: Cast(name, models.TextField()) if name in decimals else F(name) for name in fields
    }
    rows = model._default_manager.filter(patient=patient)
    return _shaped(
        rows, str(model._meta.model_name), pk=F("id"), at=F("at"), written=F("recorded_at"), prescriber=F("by_prescriber"),
        corrected=F("corrects_id"), taken_back=F("is_retraction"), body=JSONObject(**body),
    )  # fmt: skip


def _response_rows(patient: Patient) -> models.QuerySet[Any, Any]:
    """Return the responses that screening reads, with their scores.

    ``prescriber``: a prescriber at the patient's location, when it reached us, entered what they rated or asked, or entered the
    correction. Whom a form names as the rater did not enter it, and what a patient filled in alone is never a prescriber's.
    """
    modes = AssessmentResponse.Mode
    prescriber = Exists(
        Membership.objects.filter(
            Q(ended_at=None) | Q(ended_at__gt=OuterRef("received_at")),
            user=OuterRef("entered_by"), role=Role.PRESCRIBER, is_trainee=False,
            location_id=patient.home_location_id, started_at__lte=OuterRef("received_at"),
        )
    )  # fmt: skip
    asked_alone = Q(rater=None, mode__in=[modes.CLINICIAN, modes.ON_BEHALF])
    asked = asked_alone | Q(rater__isnull=False, rater=F("entered_by")) | Q(corrects__isnull=False)
    score = Score.objects.filter(response=OuterRef("pk")).values(x=JSONObject(total="total", category="category"))
    rows = AssessmentResponse.objects.filter(patient=patient, code__in=INSTRUMENTS)
    return _shaped(
        rows, "assessmentresponse", pk=F("id"), at=F("answered_at"), written=F("received_at"),
        prescriber=models.ExpressionWrapper(asked & Q(prescriber), models.BooleanField()), corrected=F("corrects_id"),
        taken_back=F("is_retraction"),
        body=JSONObject(code=F("code"), item_9=F("answers__q9"), score=Subquery(score)),
    )  # fmt: skip


def _disposition_rows(patient: Patient) -> models.QuerySet[Any, Any]:
    rows = Disposition.objects.filter(alert__patient=patient, alert__response__isnull=False)
    return _shaped(
        rows, "disposition", pk=F("id"), at=F("at"), written=F("at"), prescriber=Value(False), corrected=_no_id(),
        taken_back=Value(False), body=JSONObject(response=F("alert__response_id"), code=F("alert__response__code")),
    )  # fmt: skip


def _dose_rows(patient: Patient, now: datetime) -> models.QuerySet[Any, Any]:
    rows = CareEvent.objects.filter(patient=patient, kind=CareEventKind.DOSE_GIVEN, cancelled_at=None, at__lte=now)
    return _shaped(
        rows, "careevent", pk=F("id"), at=F("at"), written=F("recorded_at"), prescriber=Value(False), corrected=_no_id(),
        taken_back=Value(False), body=JSONObject(kind=F("kind")),
    )  # fmt: skip


def _no_id() -> Combinable:
    return Value(None, output_field=models.UUIDField())


def _facts(row: Row) -> Iterator[facts.Fact]:
    """Yield what one row says: one fact, or two for a PHQ-9, whose item 9 is a safety answer of its own."""
    table, body = row["table"], row["body"]
    carried = {
        "id": f"{table}:{row['pk']}",
        "at": row["at"],
        "recorded_at": row["written"],
        "by_prescriber": row["prescriber"],
        "corrects": f"{table}:{row['corrected']}" if row["corrected"] else None,
    }
    item_9 = carried | {"id": _item_9_id(row["pk"]), "corrects": _item_9_id(row["corrected"])}
    is_phq9 = table == "assessmentresponse" and body["code"] == PHQ9
    if row["taken_back"]:
        yield facts.Fact(**carried)
        if is_phq9:
            yield facts.Fact(**item_9)
        return
    yield READERS[table](body, carried)
    if is_phq9:
        yield facts.SafetyAnswer(
            **item_9, instrument=facts.SafetyInstrument.PHQ9_ITEM_9, result=_item_9_result(body["item_9"])
        )


def _item_9_id(response_id: Any) -> str | None:
    return f"assessmentresponse:{response_id}:item9" if response_id else None


def _item_9_result(value: object) -> facts.SafetyResult | None:
    """Return what item 9 says; None for a blank, and for what is no answer."""
    return ITEM_9.get(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _condition(body: Row, carried: Row) -> facts.Fact:
    return facts.Condition(
        **carried, kind=facts.ConditionKind(body["kind"]), state=facts.State(body["state"]), onset_on=_day(body["onset_on"]),
        resolved_on=_day(body["resolved_on"]),
    )  # fmt: skip


def _diagnosis(body: Row, carried: Row) -> facts.Fact:
    if not body["indication"]:
        return facts.Fact(**carried)
    return facts.Indicated(**carried, indication=facts.Indication(body["indication"]))


def _allergy(body: Row, carried: Row) -> facts.Fact:
    agent = facts.AllergyAgent(body["agent"]) if body["agent"] else None
    return facts.Allergy(**carried, substance=body["substance"], agent=agent)


def _medication(body: Row, carried: Row) -> facts.Fact:
    return facts.Medication(
        **carried, text=line_of(body["text"], body["dose"]), taking=facts.Taking(body["taking"]),
        confirmed_as=_classes(body["confirmed_as"]), lorazepam_mg_a_day=_number(body["lorazepam_mg_a_day"]),
    )  # fmt: skip


def _classes(codes: list[str] | None) -> frozenset[MedicineClass] | None:
    """Return the confirmed classes. A code that no list knows any more confirms nothing: the line is read and asked about anew."""
    if codes is None or not set(codes) <= {one.value for one in MedicineClass}:
        return None
    return frozenset(MedicineClass(code) for code in codes)


def _measurement(body: Row, carried: Row) -> facts.Fact:
    first, second = _number(body["first"]), _number(body["second"])
    kinds = Measurement.Kind
    match body["kind"]:
        case kinds.BLOOD_PRESSURE:
            # The database holds both; what was between two numbers counts as the higher.
            return facts.BloodPressure(**carried, systolic=ceil(cast(Decimal, first)), diastolic=ceil(cast(Decimal, second)))  # fmt: skip
        case kinds.OXYGEN_SATURATION:
            return facts.OxygenSaturation(**carried, percent=int(cast(Decimal, first)))
        # What a patient says they weigh is not a measured weight (domain.md 1.1): no dose is reckoned from it.
        case kinds.WEIGHT if body["source"] != Source.PATIENT:
            return facts.Weight(**carried, kilograms=cast(Decimal, first))
        case kinds.LIVER_TEST:
            return facts.LiverTest(**carried, alt_times_uln=first, ast_times_uln=second)
        case kinds.PREGNANCY_TEST:
            results = {Measurement.Result.POSITIVE: True, Measurement.Result.NEGATIVE: False}
            return facts.PregnancyTest(**carried, positive=results.get(body["result"]))
    # Heart rate, height, a weight that was only said: no rule asks for them, but they may correct and be corrected.
    return facts.Fact(**carried)


def _trial(body: Row, carried: Row) -> facts.Fact:
    return facts.TreatmentTrial(
        **carried, adequate=body["is_adequate"], failed=body["has_failed"], current_episode=body["in_current_episode"]
    )


def _family(body: Row, carried: Row) -> facts.Fact:
    return facts.FamilyHistory(**carried, psychosis=body["psychosis"], first_degree=body["is_first_degree"])


def _statement(body: Row, carried: Row) -> facts.Fact:
    return facts.Statement(**carried, kind=facts.StatementKind(body["kind"]), value=body["value"])


def _response(body: Row, carried: Row) -> facts.Fact:
    code, score = body["code"], body["score"] or {}
    if code in SYMPTOM_SCORES:
        return facts.SymptomScore(**carried, instrument=SYMPTOM_SCORES[code], total=score.get("total"))
    if code in SUBSTANCE_SCORES:
        return facts.SubstanceScore(**carried, instrument=SUBSTANCE_SCORES[code], total=score.get("total"))
    result = CATEGORIES[code].get(score.get("category") or "")
    return facts.SafetyAnswer(**carried, instrument=SAFETY_SCREENS[code], result=result)


def _disposition(body: Row, carried: Row) -> facts.Fact:
    response = body["response"]
    answer = _item_9_id(response) if body["code"] == PHQ9 else f"assessmentresponse:{response}"
    return facts.Disposition(**carried, answer_id=cast(str, answer))


READERS: dict[str, Callable[[Row, Row], facts.Fact]] = {
    "allergy": _allergy,
    "assessmentresponse": _response,
    "condition": _condition,
    "diagnosis": _diagnosis,
    "disposition": _disposition,
    "familyhistory": _family,
    "healthstatement": _statement,
    "measurement": _measurement,
    "medication": _medication,
    "treatmenttrial": _trial,
}
