"""Facts for the rules to look at: those of somebody whom nothing stands in the way of, and words to change them."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from assessments.facts import (
    BloodPressure,
    Condition,
    ConditionKind,
    Fact,
    Facts,
    FamilyHistory,
    Indicated,
    Indication,
    LiverTest,
    Medication,
    OxygenSaturation,
    PregnancyTest,
    Route,
    SafetyAnswer,
    SafetyInstrument,
    SafetyResult,
    SexAtBirth,
    State,
    Statement,
    StatementKind,
    SubstanceInstrument,
    SubstanceScore,
    SymptomInstrument,
    SymptomScore,
    Weight,
)
from assessments.medicines import MedicineClass
from assessments.screening import Finding, Flag, ScreeningLimits, Severity, screen
from tests.assessments.policy import LIMITS

DENVER = ZoneInfo("America/Denver")
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=DENVER)
TODAY = NOW.date()
DOSING_AT = NOW + timedelta(hours=1)
EARLIER = NOW - timedelta(days=30)
K, S, Q, M = ConditionKind, State, StatementKind, MedicineClass
BLOCK, OVERRIDE, INFO = Severity.BLOCK, Severity.OVERRIDE, Severity.INFO
_numbers = count()

F = TypeVar("F", bound=Fact)


def new(fact: type[F], at: datetime = EARLIER, **values: Any) -> F:
    """Return a fact with an id of its own."""
    values.setdefault("id", f"{fact.__name__.lower()}-{next(_numbers)}")
    return fact(at=at, **values)


def condition(kind: ConditionKind, state: State, **values: Any) -> Condition:
    return new(Condition, kind=kind, state=state, **values)


def said(kind: StatementKind, value: bool | None, at: datetime = EARLIER, **values: Any) -> Statement:
    return new(Statement, at=at, kind=kind, value=value, **values)


def takes(text: str, **values: Any) -> Medication:
    return new(Medication, text=text, **values)


def reading(systolic: int, diastolic: int, days_ago: int, hour: int = 9) -> BloodPressure:
    at = (NOW - timedelta(days=days_ago)).replace(hour=hour)
    return new(BloodPressure, at=at, systolic=systolic, diastolic=diastolic)


ABSENT = {kind: condition(kind, S.ABSENT, id=f"no-{kind}") for kind in ConditionKind}
GOOD_ANSWERS = {
    Q.ALLERGIES_COMPLETE: True, Q.BREASTFEEDING: False, Q.CAN_CONSENT: True, Q.ESCORT_POSSIBLE: True, Q.KETAMINE_USE: False,
    Q.MEDICINES_COMPLETE: True, Q.PREGNANCY_POSSIBLE: True, Q.PRESCRIBED_REMOTELY: False,
}  # fmt: skip
OTHERS: tuple[Fact, ...] = (
    *(said(kind, value, id=f"said-{kind}") for kind, value in GOOD_ANSWERS.items()),
    new(FamilyHistory, id="family", psychosis=False),
    new(Indicated, id="for", indication=Indication.PTSD),
    new(SymptomScore, id="phq9", instrument=SymptomInstrument.PHQ_9, total=17),
    new(SymptomScore, id="gad7", instrument=SymptomInstrument.GAD_7, total=4),
    new(SubstanceScore, id="audit", instrument=SubstanceInstrument.AUDIT_C, total=2),
    new(SubstanceScore, id="dast", instrument=SubstanceInstrument.DAST_10, total=0),
    new(SafetyAnswer, id="cssrs", instrument=SafetyInstrument.CSSRS, result=SafetyResult.NEGATIVE),
    new(LiverTest, id="liver", alt_times_uln=Decimal("0.8"), ast_times_uln=Decimal("0.7")),
    new(PregnancyTest, id="test", positive=False),
    new(OxygenSaturation, id="spo2", percent=98),
    new(Weight, id="weight", kilograms=Decimal(70)),
    BloodPressure(id="bp-1", at=NOW - timedelta(days=9), systolic=122, diastolic=78),
    BloodPressure(id="bp-2", at=NOW - timedelta(days=8), systolic=118, diastolic=76),
    BloodPressure(id="bp-3", at=NOW - timedelta(days=7), systolic=125, diastolic=80),
)  # fmt: skip
CLEAN = Facts(
    known=(*ABSENT.values(), *OTHERS),
    birth_date=date(1990, 5, 17),
    sex_at_birth=SexAtBirth.FEMALE,
    planned_route=Route.SL,
    product_excipients=frozenset({"sorbitol"}),
)
# What the staff find on the morning of a dose.
MORNING: tuple[Fact, ...] = (
    said(Q.INTOXICATED, False, NOW, id="sober"),
    said(Q.IN_WITHDRAWAL, False, NOW, id="no-withdrawal"),
    said(Q.SEDATED, False, NOW, id="awake"),
    new(PregnancyTest, id="test-today", at=NOW, positive=False),
    new(SafetyAnswer, id="cssrs-today", at=NOW, instrument=SafetyInstrument.CSSRS, result=SafetyResult.NEGATIVE),
)


def with_facts(*facts: Fact, without: Iterable[str] = (), dosing: bool = False, **values: Any) -> Facts:
    """Return the clean facts with some added and some left out; a condition takes the place of its "no"."""
    known = {fact.id: fact for fact in (*CLEAN.known, *(MORNING if dosing else ()))}
    for fact in facts:
        if isinstance(fact, Condition):
            known.pop(f"no-{fact.kind}", None)
    for one in without:
        del known[one]
    if dosing:
        values.setdefault("dosing_at", DOSING_AT)
    return replace(CLEAN, known=(*known.values(), *facts), **values)


def flags(facts: Facts, code: str, limits: ScreeningLimits = LIMITS, now: datetime = NOW) -> list[Flag]:
    return [flag for flag in screen(facts, limits, now) if flag.code == code]


def outcome(facts: Facts, code: str, limits: ScreeningLimits = LIMITS, now: datetime = NOW) -> str:
    """Return "block", "override", "info", "missing:<severity>", "unread", or "" when the rule is silent; the worst of several."""
    found = flags(facts, code, limits, now)
    if not found:
        return ""
    worst = min(found, key=lambda flag: (flag.is_question, flag.severity.rank))
    if worst.finding is Finding.UNREAD:
        return "unread"
    return f"missing:{worst.severity}" if worst.finding is Finding.MISSING else str(worst.severity)
