"""What a rule and a flag are: the limits, the flag, the facts that still stand, and how a rule enters the set.

The rules themselves are in ``eligible.py``, ``conditions.py``, ``mind.py`` and ``medicines.py``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from assessments.facts import (
    Condition,
    ConditionKind,
    Fact,
    Facts,
    Indication,
    SexAtBirth,
    Statement,
    StatementKind,
)


class Severity(StrEnum):
    """domain.md 1.3: cannot be dosed; a prescriber may proceed with a reason and a plan; shown and acknowledged once."""

    BLOCK = "block"
    OVERRIDE = "override"
    INFO = "info"

    @property
    def rank(self) -> int:
        return {"block": 0, "override": 1, "info": 2}[self]


class Finding(StrEnum):
    """Whether the rule found its fact, or could not answer."""

    FOUND = "found"
    # Nobody asked, or the answer is too old.
    MISSING = "missing"
    # Something was written that nobody could read.
    UNREAD = "unread"


class Binds(StrEnum):
    """What a flag holds: the clearance and every dose, doses alone, or the dose of one day."""

    CLEARANCE = "clearance"
    DOSING = "dosing"
    DAY = "day"


@dataclass(frozen=True, kw_only=True)
class ScreeningLimits:
    """Every number of the rules, from the policy in force. Units are in the names."""

    adult_years: int
    older_years: int
    adequate_trials: int
    indications: frozenset[Indication]
    symptom_floor_phq9: int
    symptom_floor_gad7: int
    telemedicine_until: date
    bp_high_systolic: int
    bp_high_diastolic: int
    bp_high_readings: int
    bp_readings: int
    bp_days: int
    event_block_weeks: int
    event_override_months: int
    attempt_months: int
    ketamine_use_months: int
    dast10_override: int
    audit_c_override: int
    substance_screen_months: int
    pregnancy_test_hours: int
    liver_block_times_uln: Decimal
    liver_override_times_uln: Decimal
    liver_test_months: int
    breastfeeding: Severity
    dissociative: Severity
    spo2_min: int
    weight_max_age_days: int
    override_days: int
    benzodiazepine_review_lorazepam_mg: Decimal
    benzodiazepine_hold_hours: int
    benzodiazepine_hold_ideal_hours: int
    sedative_hours: int
    opioid_sedated_hours: int
    alcohol_thc_hours: int
    maoi_bp_every_min: int
    nasal_spray_min: int

    @classmethod
    def from_policy(cls, values: Mapping[str, Any]) -> "ScreeningLimits":
        """Return the limits of a policy's values. Refuses (KeyError) a policy that leaves one out: none is assumed."""
        own = values["screening"]
        bp = own["bp"]
        hours = own["hours_since_taken"]
        return cls(
            adult_years=int(own["adult_years"]),
            older_years=int(own["older_years"]),
            adequate_trials=int(own["adequate_trials"]),
            indications=frozenset(Indication(one) for one in own["indications"]),
            symptom_floor_phq9=int(own["symptom_floor"]["phq9"]),
            symptom_floor_gad7=int(own["symptom_floor"]["gad7"]),
            telemedicine_until=date.fromisoformat(own["telemedicine_until"]),
            bp_high_systolic=int(bp["high"][0]),
            bp_high_diastolic=int(bp["high"][1]),
            bp_high_readings=int(bp["high_readings"]),
            bp_readings=int(bp["readings"]),
            bp_days=int(bp["days"]),
            event_block_weeks=int(own["event"]["block_weeks"]),
            event_override_months=int(own["event"]["override_months"]),
            attempt_months=int(own["attempt_months"]),
            ketamine_use_months=int(own["ketamine_use_months"]),
            dast10_override=int(own["dast10_override"]),
            audit_c_override=int(own["audit_c_override"]),
            substance_screen_months=int(own["substance_screen_months"]),
            pregnancy_test_hours=int(own["pregnancy_test_hours"]),
            liver_block_times_uln=Decimal(str(own["liver"]["block_times_uln"])),
            liver_override_times_uln=Decimal(str(own["liver"]["override_times_uln"])),
            liver_test_months=int(own["liver"]["max_age_months"]),
            breastfeeding=Severity(own["breastfeeding"]),
            dissociative=Severity(own["dissociative"]),
            spo2_min=int(values["vitals"]["spo2_min"]),
            weight_max_age_days=int(values["weight_max_age_days"]),
            override_days=int(own["override_days"]),
            benzodiazepine_review_lorazepam_mg=Decimal(str(own["benzodiazepine_review_lorazepam_mg"])),
            benzodiazepine_hold_hours=int(hours["benzodiazepine"]),
            benzodiazepine_hold_ideal_hours=int(hours["benzodiazepine_ideal"]),
            sedative_hours=int(hours["sedative_hypnotic"]),
            opioid_sedated_hours=int(hours["opioid_sedated"]),
            alcohol_thc_hours=int(hours["alcohol_thc"]),
            maoi_bp_every_min=int(own["maoi_bp_every_min"]),
            nasal_spray_min=int(own["nasal_spray_min"]),
        )


@dataclass(frozen=True, kw_only=True)
class Flag:
    """One thing a prescriber has to know. The sentence is made when it is read, in the reader's language."""

    code: str
    rule_version: int
    severity: Severity
    finding: Finding
    # The fact that raised it; None when it is a fact's absence that did.
    trigger: str | None
    says: str
    lifts: str
    details: tuple[tuple[str, Any], ...] = ()
    # Other facts that count towards it.
    evidence: tuple[str, ...] = ()
    # Facts that say otherwise and are less severe.
    contradicted_by: tuple[str, ...] = ()
    # Subjects of the facts that may lift it, besides a correction of the trigger.
    lifted_by: frozenset[str] = frozenset()
    binds: Binds = Binds.CLEARANCE
    # The last day on which these facts alone raise it.
    expires_on: date | None = None
    override_needs: str = ""
    # A lighter decision: a reason is enough, and no plan is asked for.
    is_soft: bool = False
    ask_before_dose: str = ""
    # Somebody corrected the fact, and no prescriber has looked yet.
    awaits_prescriber: bool = False

    @property
    def key(self) -> str:
        """Return what tells this flag from the others of one patient, and stays the same while its facts do."""
        return f"{self.code} {self.finding} {self.trigger or ' '.join(sorted(self.lifted_by))}".strip()

    @property
    def sentence(self) -> str:
        return gettext(self.says) % {name: _worded(value) for name, value in self.details}

    @property
    def what_lifts(self) -> str:
        return gettext(self.lifts) % {name: _worded(value) for name, value in self.details}

    @property
    def what_override_needs(self) -> str:
        """Return what a decision to go ahead has to speak of; "" where the rule asks for nothing in particular."""
        return self._told(self.override_needs)

    @property
    def what_to_ask(self) -> str:
        """Return what is asked before each dose; "" for nothing."""
        return self._told(self.ask_before_dose)

    def _told(self, text: str) -> str:
        return gettext(text) % {name: _worded(value) for name, value in self.details} if text else ""

    @property
    def is_question(self) -> bool:
        """Return whether it asks for a fact rather than reports one."""
        return self.finding is not Finding.FOUND

    @property
    def suspends_clearance(self) -> bool:
        """Return whether a clearance cannot stand beside it: a BLOCK that was found and is not of the day. Source: domain.md 1.6."""
        return self.severity is Severity.BLOCK and not self.is_question and self.binds is Binds.CLEARANCE

    @property
    def holds_dose(self) -> bool:
        """Return whether no dose is given while it is open. An OVERRIDE holds until decided; INFO never does."""
        return self.severity is not Severity.INFO

    @property
    def may_be_overridden(self) -> bool:
        """Return whether a prescriber may decide to proceed. A question is answered, not decided."""
        return self.severity is Severity.OVERRIDE and not self.is_question


def _worded(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(_worded(one) for one in value)
    if isinstance(value, date):
        return date_format(value, "D j M Y")
    return str(getattr(value, "label", value))


AnyFact = TypeVar("AnyFact", bound=Fact)


@dataclass(frozen=True)
class Answer:
    """What was said to a yes-or-no question; None when nobody asked or somebody did not know."""

    value: bool | None
    said_so: tuple[Statement, ...]
    said_otherwise: tuple[Statement, ...]


class View:
    """The facts that still stand, with the limits and the moment. Days are those of the zone of ``now``."""

    def __init__(self, facts: Facts, standing: Iterable[Fact], limits: ScreeningLimits, now: datetime) -> None:
        self.facts = facts
        self.standing = tuple(sorted(standing, key=lambda fact: (fact.at, fact.id)))
        self.limits = limits
        self.now = now
        self.today = now.date()

    def day(self, moment: datetime) -> date:
        return moment.astimezone(self.now.tzinfo).date()

    def of(self, kind: type[AnyFact]) -> list[AnyFact]:
        """Return the facts of a kind, oldest first."""
        return [fact for fact in self.standing if isinstance(fact, kind)]

    def conditions(self, *kinds: ConditionKind) -> list[Condition]:
        return [fact for fact in self.of(Condition) if fact.kind in kinds]

    def answer(self, kind: StatementKind, *, worse: bool, on: date | None = None) -> Answer:
        """Return the answer that counts: ``worse`` if anybody gave it, else unknown if anybody did not know, else the other."""
        said = [fact for fact in self.of(Statement) if fact.kind is kind and (on is None or self.day(fact.at) == on)]
        bad = tuple(fact for fact in said if fact.value is worse)
        good = tuple(fact for fact in said if fact.value is (not worse))
        if bad:
            return Answer(worse, bad, good)
        if not said or len(good) < len(said):
            return Answer(None, (), good)
        return Answer(not worse, good, ())

    @property
    def dosing_on(self) -> date | None:
        return None if self.facts.dosing_at is None else self.day(self.facts.dosing_at)

    @property
    def pregnancy_possible(self) -> Answer:
        """Return whether pregnancy is possible. Male at birth is a no as long as nobody asked; everybody else is asked."""
        asked = any(fact.kind is StatementKind.PREGNANCY_POSSIBLE for fact in self.of(Statement))
        if self.facts.sex_at_birth is SexAtBirth.MALE and not asked:
            return Answer(False, (), ())
        return self.answer(StatementKind.PREGNANCY_POSSIBLE, worse=True)


@dataclass(frozen=True)
class Rule:
    """One rule: its code, its own version, where it is written, and who may lift its BLOCK."""

    code: str
    version: int
    source: str
    run: "Callable[[Rule, View], Iterator[Flag]]"
    # Most BLOCKs go only by a prescriber's correction. Escorts, tests and the like go by anybody's.
    anyone_lifts: bool = False

    def found(self, severity: Severity, trigger: Fact | None, says: str, lifts: str, **more: Any) -> Flag:
        details = tuple(more.pop("details", {}).items())
        return Flag(
            code=self.code, rule_version=self.version, severity=severity, finding=Finding.FOUND,
            trigger=trigger.id if trigger else None, says=says, lifts=lifts, details=details, **more,
        )  # fmt: skip

    def missing(self, severity: Severity, says: str, lifts: str, **more: Any) -> Flag:
        return replace(self.found(severity, None, says, lifts, **more), finding=Finding.MISSING)


_rules: list[Rule] = []
Run = Callable[[Rule, View], Iterator[Flag]]


def _rule(code: str, source: str, *, version: int = 1, anyone_lifts: bool = False) -> Callable[[Run], Run]:
    def register(run: Run) -> Run:
        _rules.append(Rule(code, version, source, run, anyone_lifts))
        return run

    return register


def _ids(facts: Iterable[Fact]) -> tuple[str, ...]:
    return tuple(fact.id for fact in facts)


BY_CORRECTION = _("A prescriber corrects or resolves the fact, on new evidence.")
BY_ANSWER = _("The question is asked and the answer recorded.")

BLOCK, OVERRIDE, INFO = Severity.BLOCK, Severity.OVERRIDE, Severity.INFO
