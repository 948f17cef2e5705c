"""The work-up before a clearance: which examinations this patient needs, and which of them are on record. Pure: domain.md 1.5.

What screening asks about itself (blood pressure, liver tests, the safety screen, the list of medicines) is listed here for the eye;
it is screening's open question that holds the clearance. What no rule asks about (ECG, urinalysis, TSH, drug screen) may be gone
without, but only in words that are signed with the decision, and so may a finding in one of them, which no rule reads either:
docs/decisions/0027.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from assessments.eligibility import add_months, age_on
from assessments.facts import (
    Condition,
    ConditionKind,
    Fact,
    Facts,
    Medication,
    SafetyAnswer,
    SafetyInstrument,
    SexAtBirth,
    State,
    Statement,
    StatementKind,
    SubstanceInstrument,
    SubstanceScore,
    that_stand,
)
from assessments.medicines import MedicineClass, Recognised
from assessments.screening import ScreeningLimits


class Item(StrEnum):
    BLOOD_PRESSURE = "blood_pressure"
    HEART_RATE = "heart_rate"
    OXYGEN_SATURATION = "oxygen_saturation"
    WEIGHT = "weight"
    PREGNANCY_TEST = "pregnancy_test"
    MEDICINES = "medicines"
    SAFETY_SCREEN = "safety_screen"
    LIVER_TEST = "liver_test"
    URINALYSIS = "urinalysis"
    ECG = "ecg"
    TSH = "tsh"
    URINE_DRUG_SCREEN = "urine_drug_screen"

    @property
    def label(self) -> Any:
        return LABELS[self]


LABELS = {
    Item.BLOOD_PRESSURE: _("Blood pressure"),
    Item.HEART_RATE: _("Heart rate"),
    Item.OXYGEN_SATURATION: _("Oxygen saturation"),
    Item.WEIGHT: _("Weight"),
    Item.PREGNANCY_TEST: _("Pregnancy test"),
    Item.MEDICINES: _("List of medicines complete"),
    Item.SAFETY_SCREEN: _("Safety screen (C-SSRS or ASQ)"),
    Item.LIVER_TEST: _("Liver tests (ALT, AST)"),
    Item.URINALYSIS: _("Urinalysis"),
    Item.ECG: _("ECG"),
    Item.TSH: _("TSH"),
    Item.URINE_DRUG_SCREEN: _("Urine drug screen"),
}
FOR_EVERYBODY = (
    Item.BLOOD_PRESSURE, Item.HEART_RATE, Item.OXYGEN_SATURATION, Item.WEIGHT, Item.MEDICINES, Item.SAFETY_SCREEN,
    Item.LIVER_TEST, Item.URINALYSIS,
)  # fmt: skip
# What no rule of screening asks about. Heart rate and oxygen saturation are taken with every blood pressure.
NEEDS_WORDS = frozenset(
    {Item.HEART_RATE, Item.OXYGEN_SATURATION, Item.WEIGHT, Item.SAFETY_SCREEN, Item.URINALYSIS, Item.ECG, Item.TSH, Item.URINE_DRUG_SCREEN}
)  # fmt: skip
CARDIAC = frozenset(
    {
        ConditionKind.ARRHYTHMIA, ConditionKind.AV_BLOCK, ConditionKind.HEART_FAILURE, ConditionKind.MYOCARDIAL_INFARCTION,
        ConditionKind.REVASCULARISATION, ConditionKind.UNSTABLE_ANGINA, ConditionKind.VALVE_DISEASE_SEVERE,
    }
)  # fmt: skip
USE_DISORDERS = frozenset(
    {ConditionKind.SUBSTANCE_USE_DISORDER, ConditionKind.OPIOID_USE_DISORDER, ConditionKind.KETAMINE_MISUSE}
)
# Generics of medicines/*.toml that lengthen the QT interval [K]; a pharmacist confirms the list (docs/decisions/0027). One that no
# list holds is an unread line, and asked about anyway.
QT_GENERICS = frozenset(
    {
        "amiodarone", "azithromycin", "chlorpromazine", "citalopram", "clarithromycin", "donepezil", "erythromycin",
        "escitalopram", "fluconazole", "haloperidol", "hydroxychloroquine", "levofloxacin", "methadone",
        "ondansetron", "quetiapine", "thioridazine", "ziprasidone",
    }
)  # fmt: skip
HAD = frozenset({State.PAST, State.CONTROLLED, State.CURRENT, State.UNCONTROLLED})


class Standing(StrEnum):
    THERE = "there"
    # On record, and not as it should be. No rule reads it: somebody has to.
    FOUND = "found"
    OLD = "old"
    ABSENT = "absent"
    # Not part of the decision: looked at on the day of a dose.
    ON_THE_DAY = "on_the_day"


@dataclass(frozen=True)
class Line:
    """One examination: when it was last done, whether that is enough, and why it is asked for. ``on`` is a day of the clinic."""

    item: Item
    standing: Standing
    on: date | None = None
    because: Any = ""

    @property
    def label(self) -> Any:
        return self.item.label

    @property
    def is_there(self) -> bool:
        return self.standing is Standing.THERE

    @property
    def is_due(self) -> bool:
        return self.standing in (Standing.FOUND, Standing.OLD, Standing.ABSENT)

    @property
    def has_finding(self) -> bool:
        return self.standing is Standing.FOUND

    @property
    def words(self) -> Any:
        return STANDINGS[self.standing]

    @property
    def needs_words(self) -> bool:
        """Return whether a prescriber who clears without it, or in spite of what it found, says why."""
        return self.is_due and self.item in NEEDS_WORDS


STANDINGS = {
    Standing.THERE: _("on record"),
    Standing.FOUND: _("not normal"),
    Standing.OLD: _("too old"),
    Standing.ABSENT: _("not on record"),
    Standing.ON_THE_DAY: _("on the day of a dose"),
}


@dataclass(frozen=True)
class Done:
    """Something that was done: an examination, the day of the clinic on which it was last done, and whether it found something."""

    item: Item
    on: date
    has_finding: bool = False


def lines(
    facts: Facts, done: Iterable[Done], limits: ScreeningLimits, now: datetime, *, ecg_from_years: int
) -> tuple[Line, ...]:
    """Return what the work-up of this patient consists of and how each of it stands, in the order of domain.md 1.5.

    ``done`` are the standing measurements; safety screens and the list of medicines are read off ``facts``. A day that no limit
    speaks of is shown and never called too old. ``now`` carries the clinic's zone, whose days count. ``ecg_from_years`` is the policy's
    ``workup.ecg_from_years``: outside of screening's limits, because a policy that lacks it holds decisions and no recording of facts.
    """
    standing = that_stand(facts.known)
    today = now.date()
    last: dict[Item, Done] = {}
    for one in (*done, *_from_facts(standing, now)):
        held = last.setdefault(one.item, one)
        # Of two of one day the one that found something counts.
        if (one.on, one.has_finding) > (held.on, held.has_finding):
            last[one.item] = one
    found = [_line(item, last, limits, today) for item in FOR_EVERYBODY]
    if _pregnancy_possible(facts, standing):
        test = last.get(Item.PREGNANCY_TEST)
        because = _("pregnancy is possible, or nobody asked")
        found.insert(4, Line(Item.PREGNANCY_TEST, Standing.ON_THE_DAY, test.on if test else None, because))
    asked = dict(_by_risk(facts, standing, limits, today, ecg_from_years))
    # What nobody had to do and found something all the same is not left out.
    asked |= {item: "" for item, one in last.items() if one.has_finding and item not in (*FOR_EVERYBODY, *asked)}
    found += [_line(item, last, limits, today, because) for item, because in asked.items()]
    return tuple(found)


def _from_facts(standing: list[Fact], now: datetime) -> Iterable[Done]:
    for fact in standing:
        on = fact.at.astimezone(now.tzinfo).date()
        if isinstance(fact, SafetyAnswer) and fact.instrument is not SafetyInstrument.PHQ9_ITEM_9 and fact.result:
            yield Done(Item.SAFETY_SCREEN, on)
        if isinstance(fact, Statement) and fact.kind is StatementKind.MEDICINES_COMPLETE and fact.value:
            yield Done(Item.MEDICINES, on)


def _line(item: Item, last: dict[Item, Done], limits: ScreeningLimits, today: date, because: Any = "") -> Line:
    done = last.get(item)
    if done is None:
        return Line(item, Standing.ABSENT, None, because)
    if done.has_finding:
        return Line(item, Standing.FOUND, done.on, because)
    on = done.on
    is_old = {
        Item.WEIGHT: (today - on).days > limits.weight_max_age_days,
        Item.LIVER_TEST: add_months(on, limits.liver_test_months) < today,
        Item.URINALYSIS: add_months(on, limits.liver_test_months) < today,
    }.get(item, False)
    return Line(item, Standing.OLD if is_old else Standing.THERE, on, because)


def _pregnancy_possible(facts: Facts, standing: list[Fact]) -> bool:
    said = [
        fact.value for fact in standing if isinstance(fact, Statement) and fact.kind is StatementKind.PREGNANCY_POSSIBLE
    ]
    if not said:
        return facts.sex_at_birth is not SexAtBirth.MALE
    return any(value is not False for value in said)


def _by_risk(
    facts: Facts, standing: list[Fact], limits: ScreeningLimits, today: date, ecg_from_years: int
) -> Iterable[tuple[Item, Any]]:
    had = {fact.kind for fact in standing if isinstance(fact, Condition) and fact.state in HAD}
    taken = [fact for fact in standing if isinstance(fact, Medication) and fact.is_taken]
    if had & CARDIAC:
        yield Item.ECG, _("a history of the heart")
    elif any(_lengthens_qt(fact) for fact in taken):
        yield Item.ECG, _("a medicine that lengthens the QT interval")
    elif facts.birth_date is None or age_on(facts.birth_date, today) >= ecg_from_years:
        yield Item.ECG, format_lazy(_("{years} years or older"), years=ecg_from_years)
    if ConditionKind.HYPERTHYROIDISM in had:
        yield Item.TSH, _("hyperthyroidism on record")
    elif any(MedicineClass.THYROID in fact.classes for fact in taken):
        yield Item.TSH, _("takes thyroid hormone")
    if had & USE_DISORDERS or any(_is_high(fact, limits) for fact in standing if isinstance(fact, SubstanceScore)):
        yield Item.URINE_DRUG_SCREEN, _("a history of substance use")


def _lengthens_qt(fact: Medication) -> bool:
    reading = fact.reading
    return isinstance(reading, Recognised) and any(one.generic in QT_GENERICS for one in reading.named)


def _is_high(score: SubstanceScore, limits: ScreeningLimits) -> bool:
    of = {
        SubstanceInstrument.DAST_10: limits.dast10_override,
        SubstanceInstrument.AUDIT_C: limits.audit_c_override,
    }
    return score.total is not None and score.total >= of[score.instrument]
