"""What speaks against a dose: facts and limits in, flags out. Pure, deterministic, and every rule under its own name.

Here are the rules of domain.md 1.2 (who may be treated), 1.3 (contraindications and cautions) and 1.4 (medicines), as rows where a row
says it all and as small functions where it does not. Not here: the facts (facts.py), how a medicine's name is read (medicines.py),
how long a decision holds (eligibility.py), and the decisions themselves, which are a prescriber's.

Four habits of every rule:

- What nobody asked is a flag of its own, never a pass.
- Of two facts that contradict each other the more severe one counts, and the flag names the other.
- A BLOCK goes only by what its flag says lifts it: a correction that a prescriber made or confirmed, unless the rule says that
  anybody may (an escort is found, a test is done). A correction by anybody else is kept in sight until a prescriber looks at it.
- No number is written in a rule: all come from the policy in force, through ``ScreeningLimits``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import partial
from typing import Any, TypeVar

from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from assessments.eligibility import add_months, age_on
from assessments.facts import (
    Allergy,
    AllergyAgent,
    BloodPressure,
    Condition,
    ConditionKind,
    Disposition,
    Fact,
    Facts,
    FamilyHistory,
    Indicated,
    Indication,
    LastTaken,
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
    TreatmentTrial,
    Weight,
)
from assessments.medicines import MedicineClass, Recognised, recognise

# Raised with any change of any rule; each rule has its own version beside its code.
RULE_SET_VERSION = "2"


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
EVER = (State.PAST, State.CONTROLLED, State.CURRENT, State.UNCONTROLLED)
ACTIVE = (State.CONTROLLED, State.CURRENT, State.UNCONTROLLED)
UNTREATED = (State.CURRENT, State.UNCONTROLLED)


@dataclass(frozen=True)
class ConditionRow:
    """A rule that a coded condition and its state decide alone."""

    code: str
    actions: Mapping[ConditionKind, Mapping[State, Severity]]
    says: str
    override_needs: str = ""
    lifts: str = BY_CORRECTION
    source: str = "domain.md 1.3"


def _at(severity: Severity, states: Iterable[State]) -> dict[State, Severity]:
    return dict.fromkeys(states, severity)


K = ConditionKind
STABLE_OR_NOT = _at(BLOCK, UNTREATED) | _at(OVERRIDE, (State.CONTROLLED, State.PAST))
CONDITION_ROWS = (
    ConditionRow(
        "CV-ANEUR",
        {K.ANEURYSM: _at(BLOCK, EVER), K.ARTERIOVENOUS_MALFORMATION: _at(BLOCK, EVER)},
        _("On record: %(condition)s. A rise in blood pressure could rupture it; no dose may be given."),
    ),
    ConditionRow(
        "NEURO-ICH",
        {K.INTRACEREBRAL_HAEMORRHAGE: _at(BLOCK, EVER)},
        _("On record: %(condition)s, which bars a dose however long ago it was."),
    ),
    ConditionRow(
        "CV-BPHAZ",
        {K.BP_RISE_HAZARD: _at(BLOCK, ACTIVE)},
        _("On record: %(condition)s. No dose may be given."),
    ),
    ConditionRow(
        "CV-HTN-CTL",
        {K.HYPERTENSION: _at(OVERRIDE, (State.CONTROLLED, State.CURRENT, State.PAST))},
        _("On record: %(condition)s. Blood pressure may surge under a dose even when it is controlled."),
        override_needs=_("How blood pressure is watched, and what is done when it surges."),
    ),
    ConditionRow(
        "CV-HF",
        {K.HEART_FAILURE: STABLE_OR_NOT, K.VALVE_DISEASE_SEVERE: STABLE_OR_NOT},
        _("On record: %(condition)s. It bars a dose unless it is known to be stable."),
        override_needs=_("A medical clearance and an ECG."),
    ),
    ConditionRow(
        "CV-ARR",
        {K.ARRHYTHMIA: STABLE_OR_NOT, K.AV_BLOCK: STABLE_OR_NOT},
        _("On record: %(condition)s. It bars a dose unless it is known to be stable."),
        override_needs=_("A medical clearance and an ECG."),
    ),
    ConditionRow(
        "NEURO-ICP",
        {
            K.RAISED_INTRACRANIAL_PRESSURE: _at(BLOCK, ACTIVE),
            K.INTRACRANIAL_MASS: _at(BLOCK, ACTIVE),
            K.HYDROCEPHALUS: _at(BLOCK, ACTIVE),
        },
        _("On record: %(condition)s. A dose may raise the pressure in the head; none may be given."),
    ),
    ConditionRow(
        "NEURO-SZ",
        {K.SEIZURE_DISORDER: _at(OVERRIDE, EVER), K.HEAD_INJURY_SYMPTOMATIC: _at(OVERRIDE, ACTIVE)},
        _("On record: %(condition)s."),
        override_needs=_("How seizures are prevented and treated."),
    ),
    ConditionRow(
        "NEURO-COG", {K.DEMENTIA: _at(BLOCK, EVER)}, _("On record: %(condition)s. No dose may be given.")
    ),
    ConditionRow(
        "PSY-PSYCH",
        {
            K.PSYCHOSIS: _at(BLOCK, ACTIVE),
            K.PSYCHOSIS_DRUG_INDUCED: _at(BLOCK, ACTIVE),
            K.SCHIZOPHRENIA_SPECTRUM: _at(BLOCK, EVER),
            K.DELUSIONAL_DISORDER: _at(BLOCK, EVER),
        },
        _("On record: %(condition)s. A dose may worsen it; none may be given."),
    ),
    ConditionRow(
        "PSY-MANIA",
        {K.MANIA: _at(BLOCK, ACTIVE)},
        _("On record: %(condition)s. No dose may be given until it is over."),
    ),
    ConditionRow(
        "PSY-BP1",
        {
            K.BIPOLAR_DISORDER: _at(OVERRIDE, (State.PAST, State.CONTROLLED, State.CURRENT)) | _at(BLOCK, (State.UNCONTROLLED,)),
            K.MANIA: _at(OVERRIDE, (State.PAST,)),
        },
        _("On record: %(condition)s. A dose may bring on mania; the mood has to be stable."),
        override_needs=_("A mood stabiliser, and a mania scale at each visit."),
    ),
    ConditionRow(
        "REN/BLAD",
        {
            K.KETAMINE_CYSTITIS: _at(BLOCK, EVER),
            K.INTERSTITIAL_CYSTITIS: _at(OVERRIDE, ACTIVE),
            K.HAEMATURIA_UNEXPLAINED: _at(OVERRIDE, ACTIVE),
        },
        _("On record: %(condition)s. Ketamine harms the bladder."),
        override_needs=_("What the urine tests show, and how the bladder is watched."),
    ),
    ConditionRow(
        "END-THY",
        {K.HYPERTHYROIDISM: _at(BLOCK, UNTREATED)},
        _("On record: %(condition)s that is not controlled. No dose may be given until it is treated."),
        lifts=_("A prescriber records it as treated and controlled."),
    ),
    ConditionRow(
        "EYE-IOP",
        {
            K.ANGLE_CLOSURE: _at(BLOCK, UNTREATED) | _at(INFO, (State.CONTROLLED, State.PAST)),
            K.OPEN_GLOBE_INJURY: _at(BLOCK, ACTIVE),
            K.GLAUCOMA: _at(INFO, (State.CONTROLLED, State.PAST)) | _at(OVERRIDE, UNTREATED),
        },
        _("On record: %(condition)s. A dose may raise the pressure in the eye."),
        override_needs=_("What the eye doctor says of a rise in pressure."),
    ),
    ConditionRow(
        "MET-PORPH", {K.PORPHYRIA_ACUTE: _at(BLOCK, EVER)}, _("On record: %(condition)s. No dose may be given.")
    ),
    ConditionRow(
        "PSY-BPD",
        {K.PERSONALITY_DISORDER_SEVERE: _at(OVERRIDE, ACTIVE)},
        _("On record: %(condition)s."),
        override_needs=_("How cooperation during a dose is secured."),
    ),
    ConditionRow(
        "ELIG-OUD",
        {K.OPIOID_USE_DISORDER: _at(OVERRIDE, EVER)},
        _("On record: %(condition)s, now or ever. The largest cohort seen left such patients out."),
        override_needs=_("How relapse is prevented and watched for."),
        source="domain.md 1.2",
    ),
)  # fmt: skip


def _conditions(
    rule: Rule, view: View, row: ConditionRow, actions: Mapping[ConditionKind, Mapping[State, Severity]] | None = None
) -> Iterator[Flag]:
    """Yield what the conditions of a row say: the most severe fact of each kind, and one question for what nobody asked."""
    actions = actions or row.actions
    unasked = []
    for kind, by_state in actions.items():
        facts = view.conditions(kind)
        hits = [fact for fact in facts if fact.state in by_state]
        if not hits:
            if not facts or any(fact.state is State.UNKNOWN for fact in facts):
                unasked.append(kind)
            continue
        worst = min((by_state[fact.state] for fact in hits), key=lambda severity: severity.rank)
        counted = [fact for fact in hits if by_state[fact.state] is worst]
        for fact in counted:
            yield rule.found(
                worst, fact, row.says, row.lifts, details={"condition": kind}, override_needs=row.override_needs if worst is OVERRIDE else "",
                contradicted_by=_ids(other for other in facts if other not in counted),
            )  # fmt: skip
    if unasked:
        worst = min((severity for kind in unasked for severity in actions[kind].values()), key=lambda one: one.rank)
        yield rule.missing(
            worst,
            _("Nobody has asked about: %(conditions)s."),
            BY_ANSWER,
            details={"conditions": tuple(unasked)},
            lifted_by=frozenset(f"condition:{kind}" for kind in unasked),
        )


def _row_rule(row: ConditionRow) -> Rule:
    return Rule(row.code, 1, row.source, partial(_conditions, row=row))


@_rule("ELIG-AGE", "domain.md 1.2")
def adult(rule: Rule, view: View) -> Iterator[Flag]:
    """BLOCK under the age of 18, to the day."""
    details = {"years": view.limits.adult_years}
    if view.facts.birth_date is None:
        yield rule.missing(BLOCK, _("The birth date is not known."), BY_ANSWER, details=details)
    elif age_on(view.facts.birth_date, view.today) < view.limits.adult_years:
        yield rule.found(
            BLOCK, None, _("Younger than %(years)s years."), _("The patient turns %(years)s, or the birth date is corrected."), details=details
        )  # fmt: skip


@_rule("AGE-65", "domain.md 1.3")
def older(rule: Rule, view: View) -> Iterator[Flag]:
    """INFO from 65 years on, to the day."""
    details = {"years": view.limits.older_years}
    if view.facts.birth_date is None:
        yield rule.missing(INFO, _("The birth date is not known."), BY_ANSWER, details=details)
    elif age_on(view.facts.birth_date, view.today) >= view.limits.older_years:
        yield rule.found(
            INFO, None, _("%(years)s years or older: a lower first dose, and blood pressure more often."), BY_CORRECTION, details=details
        )  # fmt: skip


@_rule("ELIG-INDICATION", "domain.md 1.2", anyone_lifts=True)
def indication(rule: Rule, view: View) -> Iterator[Flag]:
    """OVERRIDE unless the treatment is for something the clinic treats; depression needs two adequate trials that failed."""
    indicated = view.of(Indicated)
    trials = view.of(TreatmentTrial)
    details = {"trials": view.limits.adequate_trials}
    if not indicated:
        yield rule.missing(OVERRIDE, _("Nobody has recorded what the treatment is for."), BY_ANSWER, details=details)
        return
    accepted = [fact for fact in indicated if fact.indication in view.limits.indications]
    if any(fact.indication is not Indication.TRD for fact in accepted):
        return
    if accepted and sum(trial.counts for trial in trials) >= view.limits.adequate_trials:
        return
    open_trials = [trial for trial in trials if None in (trial.adequate, trial.failed, trial.current_episode)]
    if (accepted and not trials) or (accepted and open_trials):
        yield rule.missing(
            OVERRIDE, _("It is not known whether %(trials)s adequate trials failed in this episode."), BY_ANSWER, details=details,
            evidence=_ids(open_trials), lifted_by=frozenset({"treatment_trial", "indication"}),
        )  # fmt: skip
        return
    yield rule.found(
        OVERRIDE, indicated[-1], _("Fewer than %(trials)s adequate trials failed in this episode, and no other indication is recorded."),
        _("Another trial or another indication is recorded."), details=details, evidence=_ids(trials),
        lifted_by=frozenset({"treatment_trial", "indication"}), override_needs=_("Why the treatment is tried all the same."),
    )  # fmt: skip


@_rule("ELIG-FLOOR", "domain.md 1.2", anyone_lifts=True)
def symptom_floor(rule: Rule, view: View) -> Iterator[Flag]:
    """OVERRIDE when PHQ-9 and GAD-7 before the first dose are both below the floor. What came after a dose does not count."""
    first = view.facts.first_dosed_at
    floors = {
        SymptomInstrument.PHQ_9: view.limits.symptom_floor_phq9,
        SymptomInstrument.GAD_7: view.limits.symptom_floor_gad7,
    }
    baseline = {
        fact.instrument: fact
        for fact in view.of(SymptomScore)
        if fact.total is not None and (first is None or fact.at < first)
    }
    if any(fact.total is not None and fact.total >= floors[fact.instrument] for fact in baseline.values()):
        return
    details = {"phq9": floors[SymptomInstrument.PHQ_9], "gad7": floors[SymptomInstrument.GAD_7]}
    lifted_by = frozenset(f"symptom_score:{one}" for one in SymptomInstrument)
    if len(baseline) < len(floors):
        yield rule.missing(
            OVERRIDE, _("PHQ-9 or GAD-7 before the first dose is not known."), BY_ANSWER, details=details, lifted_by=lifted_by
        )  # fmt: skip
        return
    yield rule.found(
        OVERRIDE, baseline[SymptomInstrument.PHQ_9], _("PHQ-9 below %(phq9)s and GAD-7 below %(gad7)s before the first dose."),
        _("A later score before the first dose reaches the floor."), details=details, evidence=_ids([baseline[SymptomInstrument.GAD_7]]),
        lifted_by=lifted_by, override_needs=_("Why the treatment is tried all the same."),
    )  # fmt: skip


@_rule("ELIG-CAPACITY", "domain.md 1.2")
def capacity(rule: Rule, view: View) -> Iterator[Flag]:
    """BLOCK for who cannot give written informed consent."""
    answer = view.answer(StatementKind.CAN_CONSENT, worse=False)
    if answer.value is None:
        yield rule.missing(BLOCK, _("Nobody has recorded whether the patient can consent."), BY_ANSWER)
    for fact in answer.said_so if answer.value is False else ():
        yield rule.found(
            BLOCK, fact, _("The patient cannot give informed consent."), BY_CORRECTION, contradicted_by=_ids(answer.said_otherwise)
        )  # fmt: skip


@_rule("ELIG-REMOTE", "domain.md 1.2 (S66)")
def seen_in_person(rule: Rule, view: View) -> Iterator[Flag]:
    """BLOCK for a controlled drug prescribed from afar without one evaluation in person, once the federal flexibility has ended.
    Until its last day, INFO.
    """
    remote = view.answer(StatementKind.PRESCRIBED_REMOTELY, worse=True)
    seen = view.answer(StatementKind.IN_PERSON_EVALUATION, worse=False)
    until = view.limits.telemedicine_until
    details = {"until": until}
    if remote.value is None:
        yield rule.missing(
            BLOCK, _("Nobody has recorded whether the drug is prescribed from afar."), BY_ANSWER, details=details
        )
        return
    if remote.value is False or seen.value is True:
        return
    lifted_by = frozenset({f"statement:{StatementKind.IN_PERSON_EVALUATION}"})
    if view.today <= until:
        yield rule.found(
            INFO, remote.said_so[0], _("Prescribed from afar: from the day after %(until)s an evaluation in person must come first."),
            _("An evaluation in person is recorded."), details=details, lifted_by=lifted_by, expires_on=until,
        )  # fmt: skip
    elif seen.value is None:
        yield rule.missing(
            BLOCK, _("Prescribed from afar, and no evaluation in person is recorded."), BY_ANSWER, details=details, lifted_by=lifted_by
        )  # fmt: skip
    else:
        yield rule.found(
            BLOCK, seen.said_so[0], _("Prescribed from afar without an evaluation in person; the flexibility ended on %(until)s."),
            _("A prescriber records an evaluation in person."), details=details, evidence=_ids(remote.said_so),
            contradicted_by=_ids(seen.said_otherwise),
        )  # fmt: skip


@_rule("SOC-ESC", "domain.md 1.2 and 1.3", anyone_lifts=True)
def escort(rule: Rule, view: View) -> Iterator[Flag]:
    """BLOCK for doses, not for psychotherapy, when nobody can take the patient home."""
    answer = view.answer(StatementKind.ESCORT_POSSIBLE, worse=False)
    if answer.value is None:
        yield rule.missing(
            BLOCK, _("Nobody has recorded who can take the patient home."), BY_ANSWER, binds=Binds.DOSING
        )
    for fact in answer.said_so if answer.value is False else ():
        yield rule.found(
            BLOCK, fact, _("Nobody can take the patient home. Psychotherapy stays open."), _("An escort is named: the fact is corrected."),
            binds=Binds.DOSING, contradicted_by=_ids(answer.said_otherwise),
        )  # fmt: skip


@_rule("ALL-KET", "domain.md 1.3")
def allergy(rule: Rule, view: View) -> Iterator[Flag]:
    """BLOCK for hypersensitivity to ketamine, esketamine or what the product holds. An excipient counts until the product is known."""
    complete = view.answer(StatementKind.ALLERGIES_COMPLETE, worse=False)
    if complete.value is not True:
        yield rule.missing(BLOCK, _("The list of allergies is not complete."), BY_ANSWER)
    excipients = view.facts.product_excipients
    for fact in view.of(Allergy):
        reading = recognise(fact.substance)
        generics = {one.generic for one in getattr(reading, "named", ())}
        substance = " ".join(fact.substance.casefold().split())
        details = {"substance": fact.substance}
        if fact.agent is AllergyAgent.KETAMINE or generics & {"ketamine", "esketamine"}:
            yield rule.found(BLOCK, fact, _("Allergic to %(substance)s."), BY_CORRECTION, details=details)
        elif fact.agent is AllergyAgent.EXCIPIENT and (
            excipients is None
            or not substance
            or any(substance in one.casefold() or one.casefold() in substance for one in excipients)
        ):
            yield rule.found(
                BLOCK, fact, _("Allergic to %(substance)s, which the product holds or may hold."),
                _("A product without it is chosen, or a prescriber corrects the fact."), details=details,
            )  # fmt: skip
        elif fact.agent is None:
            yield replace(
                rule.missing(BLOCK, _("Nobody has coded this allergy: %(substance)s."), BY_ANSWER, details=details),
                trigger=fact.id,
            )


@_rule("CV-HTN-UNC", "domain.md 1.3")
def uncontrolled_hypertension(rule: Rule, view: View) -> Iterator[Flag]:
    """BLOCK when two of three successive readings are high and the three are of two days. Once raised it stays until three
    readings of two days hold at most one that is high; readings of a single day settle nothing either way.
    """
    limits = view.limits
    details = {"systolic": limits.bp_high_systolic, "diastolic": limits.bp_high_diastolic}
    for fact in view.conditions(ConditionKind.HYPERTENSION):
        if fact.state is State.UNCONTROLLED:
            yield rule.found(
                BLOCK, fact, _("Hypertension is recorded as not controlled."), BY_CORRECTION, details=details,
                contradicted_by=_ids(o for o in view.conditions(ConditionKind.HYPERTENSION) if o.state is not State.UNCONTROLLED),
            )  # fmt: skip
    readings = view.of(BloodPressure)
    settled = False
    high: list[BloodPressure] = []
    for last in range(len(readings)):
        window = readings[max(0, last + 1 - limits.bp_readings) : last + 1]
        above = [r for r in window if r.systolic >= limits.bp_high_systolic or r.diastolic >= limits.bp_high_diastolic]
        if len({view.day(reading.at) for reading in window}) < limits.bp_days:
            continue
        if len(above) >= limits.bp_high_readings:
            high, settled = above, True
        elif len(window) == limits.bp_readings:
            high, settled = [], True
    lifted_by = frozenset({"blood_pressure"})
    if high:
        yield rule.found(
            BLOCK, high[-1], _("Blood pressure at or above %(systolic)s systolic or %(diastolic)s diastolic on two of three readings."),
            _("Three readings of two days, of which at most one is high."), details=details, evidence=_ids(high[:-1]), lifted_by=lifted_by,
        )  # fmt: skip
    elif not settled:
        yield rule.missing(
            BLOCK, _("Three blood pressure readings of two days are not there yet."), _("The readings are taken."), details=details,
            evidence=_ids(readings), lifted_by=lifted_by,
        )  # fmt: skip


EVENTS = (K.MYOCARDIAL_INFARCTION, K.STROKE, K.TIA, K.UNSTABLE_ANGINA, K.REVASCULARISATION)


def _last_day(fact: Condition) -> date | None:
    days = [day for day in (fact.onset_on, fact.resolved_on) if day is not None]
    return max(days) if days else None


@_rule("CV-EVENT", "domain.md 1.3")
def cardiovascular_event(rule: Rule, view: View) -> Iterator[Flag]:
    """BLOCK up to and including the day six weeks after the event; OVERRIDE with a cardiology letter up to and including the day
    six months after it. An event without a date counts as recent, and so does angina that is still unstable.
    """
    unasked = []
    for kind in EVENTS:
        facts = view.conditions(kind)
        events = [fact for fact in facts if fact.state in EVER]
        if not events and (not facts or any(fact.state is State.UNKNOWN for fact in facts)):
            unasked.append(kind)
        denied = _ids(fact for fact in facts if fact not in events)
        for fact in events:
            day = _last_day(fact)
            going_on = kind is K.UNSTABLE_ANGINA and fact.state in UNTREATED
            details: dict[str, Any] = {"condition": kind, "weeks": view.limits.event_block_weeks, "months": view.limits.event_override_months}  # fmt: skip
            if day is None or going_on:
                yield rule.found(
                    BLOCK, fact, _("On record: %(condition)s, now or on a day that nobody recorded, so it counts as recent."),
                    _("A prescriber records when it was."), details=details, contradicted_by=denied,
                )  # fmt: skip
                continue
            details["day"] = day
            blocked_until = day + timedelta(weeks=view.limits.event_block_weeks)
            decided_until = add_months(day, view.limits.event_override_months)
            if view.today <= blocked_until:
                yield rule.found(
                    BLOCK, fact, _("On record: %(condition)s on %(day)s, within %(weeks)s weeks."), _("%(weeks)s weeks have passed, or a prescriber corrects the day."),
                    details=details, contradicted_by=denied, expires_on=blocked_until,
                )  # fmt: skip
            elif view.today <= decided_until:
                yield rule.found(
                    OVERRIDE, fact, _("On record: %(condition)s on %(day)s, within %(months)s months."), _("%(months)s months have passed, or the day is corrected."),
                    details=details, contradicted_by=denied, expires_on=decided_until, override_needs=_("A letter from cardiology."),
                )  # fmt: skip
    if unasked:
        yield rule.missing(
            BLOCK, _("Nobody has asked about: %(conditions)s."), BY_ANSWER, details={"conditions": tuple(unasked)},
            lifted_by=frozenset(f"condition:{kind}" for kind in unasked),
        )  # fmt: skip


PSYCHOSIS_HISTORY = ConditionRow(
    "PSY-PSYHX",
    {K.PSYCHOSIS: _at(OVERRIDE, (State.PAST,))},
    _("On record: %(condition)s in the past."),
    override_needs=_("How early signs are noticed, and who is called."),
)


@_rule("PSY-PSYHX", "domain.md 1.3")
def psychosis_history(rule: Rule, view: View) -> Iterator[Flag]:
    """OVERRIDE for past psychosis that no drug brought on, or psychosis in a first-degree relative; a degree not asked is the first."""
    yield from _conditions(rule, view, PSYCHOSIS_HISTORY)
    family = view.of(FamilyHistory)
    near = [fact for fact in family if fact.psychosis and fact.first_degree is not False]
    for fact in near:
        yield rule.found(
            OVERRIDE, fact, _("Psychosis in a first-degree relative."), BY_CORRECTION, override_needs=PSYCHOSIS_HISTORY.override_needs,
            contradicted_by=_ids(other for other in family if other.psychosis is False),
        )  # fmt: skip
    if not near and (not family or any(fact.psychosis is None for fact in family)):
        yield rule.missing(
            OVERRIDE, _("Nobody has asked about psychosis in the family."), BY_ANSWER, lifted_by=frozenset({"family:psychosis"})
        )  # fmt: skip


@_rule("PSY-DISS", "domain.md 1.3")
def dissociative(rule: Rule, view: View) -> Iterator[Flag]:
    """OVERRIDE for a primary dissociative disorder, or BLOCK where the clinic's policy says so."""
    row = ConditionRow(
        "PSY-DISS",
        {K.DISSOCIATIVE_DISORDER: _at(view.limits.dissociative, EVER)},
        _("On record: %(condition)s."),
        override_needs=_("How dissociation is held during and after a dose."),
    )
    yield from _conditions(rule, view, row)


SCREENS = (SafetyInstrument.CSSRS, SafetyInstrument.ASQ)
GRAVE = (SafetyResult.HIGH, SafetyResult.ACUTE)


@_rule("PSY-SUI", "domain.md 1.3 and 6.5", version=2)
def suicidal_intent(rule: Rule, view: View) -> Iterator[Flag]:
    """BLOCK for high C-SSRS or acute ASQ until a prescriber's later screen is neither, and up to and including the day three
    months after an attempt. A positive or skipped item 9 asks for a screen, and so does a screen that stayed open until a
    complete one of the same moment or later.
    """
    answers = view.of(SafetyAnswer)
    screens = [fact for fact in answers if fact.instrument in SCREENS and fact.result is not None]
    lifted_by = frozenset(f"safety:{one}" for one in SCREENS)
    for fact in screens:
        if fact.result in GRAVE and not any(
            later.by_prescriber and later.at > fact.at and later.result not in GRAVE for later in screens
        ):
            yield rule.found(
                BLOCK, fact, _("The safety screen shows a plan or intent, or acute risk. Section 6.5 applies; a psychiatrist decides."),
                _("A prescriber's later screen shows neither."), lifted_by=lifted_by,
                contradicted_by=_ids(other for other in screens if other.result not in GRAVE and other.at >= fact.at),
            )  # fmt: skip
    attempts = view.conditions(K.SUICIDE_ATTEMPT)
    for attempt in attempts:
        if attempt.state not in EVER:
            continue
        day = _last_day(attempt)
        details: dict[str, Any] = {"months": view.limits.attempt_months}
        until = None if day is None else add_months(day, view.limits.attempt_months)
        if until is None or view.today <= until:
            yield rule.found(
                BLOCK, attempt, _("A suicide attempt within %(months)s months, or on a day that nobody recorded. Section 6.5 applies."),
                _("%(months)s months have passed, or a prescriber records when it was."), details=details, expires_on=until,
                contradicted_by=_ids(other for other in attempts if other.state is State.ABSENT),
            )  # fmt: skip
    item9 = [fact for fact in answers if fact.instrument is SafetyInstrument.PHQ9_ITEM_9]
    open_screens = [fact for fact in answers if fact.instrument in SCREENS and fact.result is None]
    doubtful = [
        fact for fact in (*item9, *open_screens)
        if fact.result is not SafetyResult.NEGATIVE and not any(screen.at >= fact.at for screen in screens)
    ]  # fmt: skip
    unasked = not attempts or (
        any(fact.state is State.UNKNOWN for fact in attempts) and not any(fact.state in EVER for fact in attempts)
    )
    if not screens or doubtful or unasked:
        yield rule.missing(
            BLOCK, _("Plan, intent or earlier attempts are not known: a safety screen or the history is missing."), BY_ANSWER,
            evidence=_ids(doubtful), lifted_by=lifted_by | {f"condition:{K.SUICIDE_ATTEMPT}"},
        )  # fmt: skip


@_rule("RISK-DAY", "domain.md 6.5")
def risk_today(rule: Rule, view: View) -> Iterator[Flag]:
    """BLOCK of the day for any positive safety answer of the dosing day until a clinician recorded a disposition."""
    day = view.dosing_on
    if day is None:
        return
    answers = [fact for fact in view.of(SafetyAnswer) if view.day(fact.at) == day]
    settled = {fact.answer_id for fact in view.of(Disposition)}
    for fact in answers:
        if fact.result is not None and fact.result is not SafetyResult.NEGATIVE and fact.id not in settled:
            yield rule.found(
                BLOCK, fact, _("A safety answer of today is positive and no clinician has recorded a disposition."),
                _("A licensed clinician records the disposition."), binds=Binds.DAY, expires_on=day,
                lifted_by=frozenset({"disposition"}),
            )  # fmt: skip
    asked = [fact for fact in answers if fact.instrument in SCREENS and fact.result is not None]
    skipped = [fact for fact in answers if fact.result is None and fact.id not in settled]
    if not asked or skipped:
        yield rule.missing(
            BLOCK, _("No complete safety screen of today."), BY_ANSWER, binds=Binds.DAY, expires_on=day, evidence=_ids(skipped),
            lifted_by=frozenset(f"safety:{one}" for one in SafetyInstrument),
        )  # fmt: skip


@_rule("SUB-INTOX", "domain.md 1.3")
def intoxicated(rule: Rule, view: View) -> Iterator[Flag]:
    """BLOCK of the day for intoxication or withdrawal."""
    day = view.dosing_on
    if day is None:
        return
    questions = {
        StatementKind.INTOXICATED: (_("Intoxicated today."), _("Nobody has recorded today whether the patient is intoxicated.")),
        StatementKind.IN_WITHDRAWAL: (_("In withdrawal today."), _("Nobody has recorded today whether the patient is in withdrawal.")),
    }  # fmt: skip
    for kind, (says, asks) in questions.items():
        answer = view.answer(kind, worse=True, on=day)
        if answer.value is None:
            yield rule.missing(
                BLOCK, asks, BY_ANSWER,
                binds=Binds.DAY, expires_on=day, lifted_by=frozenset({f"statement:{kind}"}),
            )  # fmt: skip
        for fact in answer.said_so if answer.value else ():
            yield rule.found(
                BLOCK, fact, says, _("Another day, or a prescriber corrects the fact."),
                binds=Binds.DAY, expires_on=day, contradicted_by=_ids(answer.said_otherwise),
            )  # fmt: skip


@_rule("SUB-KET", "domain.md 1.3")
def ketamine_misuse(rule: Rule, view: View) -> Iterator[Flag]:
    """BLOCK for misuse of ketamine or PCP, or more than rare use, now or within a year; INFO for misuse longer ago. An answer about
    "the past year" is itself good for a year.
    """
    months = view.limits.ketamine_use_months
    details = {"months": months}
    misuse = view.conditions(K.KETAMINE_MISUSE)
    for fact in misuse:
        if fact.state not in EVER:
            continue
        denied = _ids(other for other in misuse if other.state is State.ABSENT)
        until = add_months(fact.resolved_on, months) if fact.state is State.PAST and fact.resolved_on else None
        if until is None or view.today <= until:
            yield rule.found(
                BLOCK, fact, _("Misuse of ketamine or PCP, now or within %(months)s months."), BY_CORRECTION, details=details,
                expires_on=until, contradicted_by=denied,
            )  # fmt: skip
        else:
            yield rule.found(
                INFO, fact, _("Misuse of ketamine or PCP in the past, longer than %(months)s months ago."), BY_CORRECTION, details=details,
                contradicted_by=denied,
            )  # fmt: skip
    said = [fact for fact in view.of(Statement) if fact.kind is StatementKind.KETAMINE_USE]
    fresh = [fact for fact in said if view.today <= add_months(view.day(fact.at), months)]
    used = [fact for fact in fresh if fact.value is True]
    for use in used:
        yield rule.found(
            BLOCK, use, _("More than rare recreational use of ketamine or PCP in the past %(months)s months."), BY_CORRECTION, details=details,
            expires_on=add_months(view.day(use.at), months), contradicted_by=_ids(other for other in fresh if other.value is False),
        )  # fmt: skip
    no_answer = not used and (not fresh or any(fact.value is None for fact in fresh))
    if no_answer or not any(fact.state is not State.UNKNOWN for fact in misuse):
        yield rule.missing(
            BLOCK, _("Use of ketamine or PCP is not known for the past %(months)s months."), BY_ANSWER, details=details,
            lifted_by=frozenset({f"condition:{K.KETAMINE_MISUSE}", f"statement:{StatementKind.KETAMINE_USE}"}),
        )  # fmt: skip


SUBSTANCE_USE = ConditionRow(
    "SUB-SUD",
    {K.SUBSTANCE_USE_DISORDER: _at(OVERRIDE, ACTIVE), K.OPIOID_USE_DISORDER: _at(OVERRIDE, ACTIVE)},
    _("On record: %(condition)s."),
    override_needs=_("An addiction plan."),
)


@_rule("SUB-SUD", "domain.md 1.3 and 2.2")
def substance_use(rule: Rule, view: View) -> Iterator[Flag]:
    """OVERRIDE for an active moderate or severe disorder, DAST-10 of 6 or more, AUDIT-C of 8 or more. The newest score counts, and
    none that is older than a year.
    """
    yield from _conditions(rule, view, SUBSTANCE_USE)
    limits = view.limits
    cuts = {
        SubstanceInstrument.DAST_10: (limits.dast10_override, "DAST-10"),
        SubstanceInstrument.AUDIT_C: (limits.audit_c_override, "AUDIT-C"),
    }
    for instrument, (cut, name) in cuts.items():
        scores = [fact for fact in view.of(SubstanceScore) if fact.instrument is instrument]
        fresh = [f for f in scores if view.today <= add_months(view.day(f.at), limits.substance_screen_months)]
        # Of two answers of one moment the higher counts; one that could not be scored counts as none.
        newest = [fact for fact in fresh if fact.at == fresh[-1].at]
        lifted_by = frozenset({f"substance_score:{instrument}"})
        worst = max((fact for fact in newest if fact.total is not None), key=lambda fact: fact.total or 0, default=None)
        if worst is None or (worst.total is not None and worst.total < cut and any(f.total is None for f in newest)):
            yield rule.missing(
                OVERRIDE, _("%(instrument)s is not there, or too old."), BY_ANSWER, lifted_by=lifted_by,
                details={"instrument": name}, evidence=_ids(scores),
            )  # fmt: skip
        elif worst.total is not None and worst.total >= cut:
            yield rule.found(
                OVERRIDE, worst, _("%(instrument)s of %(total)s, at or above %(cut)s."), _("A newer score below the cut."),
                details={"instrument": name, "total": worst.total, "cut": cut}, lifted_by=lifted_by,
                override_needs=SUBSTANCE_USE.override_needs,
            )  # fmt: skip


@_rule("REP-PREG", "domain.md 1.3")
def pregnancy(rule: Rule, view: View) -> Iterator[Flag]:
    """BLOCK for a positive test or a stated pregnancy until a prescriber corrects it. A later negative test does not by itself."""
    conditions = view.conditions(K.PREGNANCY)
    tests = view.of(PregnancyTest)
    stated = [fact for fact in conditions if fact.state in ACTIVE]
    positive = [test for test in tests if test.positive]
    said_no = _ids([*(f for f in conditions if f.state in (State.ABSENT, State.PAST)), *(t for t in tests if t.positive is False)])  # fmt: skip
    for fact in (*stated, *positive):
        yield rule.found(
            BLOCK, fact, _("Pregnant, or a pregnancy test was positive."), _("A prescriber records, in place of this fact, that there is no pregnancy."),
            contradicted_by=said_no,
        )  # fmt: skip
    if stated or positive or view.pregnancy_possible.value is False:
        return
    if view.pregnancy_possible.value is None or not said_no or any(fact.state is State.UNKNOWN for fact in conditions):
        yield rule.missing(
            BLOCK, _("Whether there is, or can be, a pregnancy is not known."), BY_ANSWER,
            lifted_by=frozenset({f"condition:{K.PREGNANCY}", "pregnancy_test", f"statement:{StatementKind.PREGNANCY_POSSIBLE}"}),
        )  # fmt: skip


@_rule("REP-UNK", "domain.md 1.3", anyone_lifts=True)
def pregnancy_test_today(rule: Rule, view: View) -> Iterator[Flag]:
    """BLOCK of the day when pregnancy is possible and no negative test was taken in the 24 hours before the dose, to the minute."""
    dosing_at, day = view.facts.dosing_at, view.dosing_on
    if dosing_at is None or day is None or view.pregnancy_possible.value is False:
        return
    since = dosing_at - timedelta(hours=view.limits.pregnancy_test_hours)
    recent = [test for test in view.of(PregnancyTest) if since <= test.at <= min(dosing_at, view.now)]
    if any(test.positive is False for test in recent) and not any(test.positive for test in recent):
        return
    yield rule.found(
        BLOCK, None, _("Pregnancy is possible and no negative test of the last %(hours)s hours is recorded."), _("A negative test is recorded."),
        details={"hours": view.limits.pregnancy_test_hours}, evidence=_ids(recent), binds=Binds.DAY, expires_on=day,
        lifted_by=frozenset({"pregnancy_test", f"statement:{StatementKind.PREGNANCY_POSSIBLE}"}),
    )  # fmt: skip


@_rule("REP-LACT", "domain.md 1.3")
def breastfeeding(rule: Rule, view: View) -> Iterator[Flag]:
    """BLOCK while breastfeeding, or OVERRIDE where the clinic's policy says so."""
    answer = view.answer(StatementKind.BREASTFEEDING, worse=True)
    severity = view.limits.breastfeeding
    asked = any(fact.kind is StatementKind.BREASTFEEDING for fact in view.of(Statement))
    if answer.value is None and (asked or view.facts.sex_at_birth is not SexAtBirth.MALE):
        yield rule.missing(
            severity, _("Nobody has asked about breastfeeding."), BY_ANSWER, lifted_by=frozenset({f"statement:{StatementKind.BREASTFEEDING}"})
        )  # fmt: skip
    for fact in answer.said_so if answer.value else ():
        yield rule.found(
            severity, fact, _("Breastfeeding."), BY_CORRECTION, contradicted_by=_ids(answer.said_otherwise),
            override_needs=_("How long milk is discarded after a dose.") if severity is OVERRIDE else "",
        )  # fmt: skip


SEVERE_LIVER = ConditionRow(
    "HEP-SEV",
    {K.HEPATIC_IMPAIRMENT_SEVERE: _at(BLOCK, EVER)},
    _("On record: %(condition)s. No dose may be given."),
)


def _liver(view: View) -> tuple[list[LiverTest], LiverTest | None]:
    """Return (the tests that count, oldest first; the newest that is fresh and complete). A prescriber's later test replaces
    what came before it; anybody else's stands beside it.
    """
    tests = [test for test in view.of(LiverTest) if test.highest is not None]
    settled = [index for index, test in enumerate(tests) if test.by_prescriber and test.is_complete]
    counted = tests[settled[-1] :] if settled else tests
    fresh = [t for t in counted if t.is_complete and view.today <= add_months(view.day(t.at), view.limits.liver_test_months)]  # fmt: skip
    return counted, fresh[-1] if fresh else None


@_rule("HEP-SEV", "domain.md 1.3")
def severe_liver_disease(rule: Rule, view: View) -> Iterator[Flag]:
    """BLOCK for Child-Pugh C, and for ALT or AST above three times the upper limit until a later test of a prescriber's."""
    yield from _conditions(rule, view, SEVERE_LIVER)
    counted, fresh = _liver(view)
    details = {"times": view.limits.liver_block_times_uln}
    high = [test for test in counted if (test.highest or 0) > view.limits.liver_block_times_uln]
    for test in high:
        yield rule.found(
            BLOCK, test, _("ALT or AST above %(times)s times the upper limit of normal."), _("A prescriber records a later test at or below it."),
            details=details, lifted_by=frozenset({"liver_test"}), contradicted_by=_ids(t for t in counted if t not in high and t.at > test.at),
        )  # fmt: skip
    if not high and fresh is None:
        yield rule.missing(
            BLOCK, _("ALT and AST are not there, or too old."), BY_ANSWER, details=details, lifted_by=frozenset({"liver_test"})
        )  # fmt: skip


MODERATE_LIVER = ConditionRow(
    "HEP-MOD",
    {K.HEPATIC_IMPAIRMENT_MODERATE: _at(OVERRIDE, EVER)},
    _("On record: %(condition)s. The drug stays longer."),
    override_needs=_("A longer observation, and liver tests."),
)


@_rule("HEP-MOD", "domain.md 1.3")
def moderate_liver_disease(rule: Rule, view: View) -> Iterator[Flag]:
    """OVERRIDE for Child-Pugh B, and for a newest ALT or AST above the upper limit of normal and not above three times. Whether
    there is a test at all is HEP-SEV's question.
    """
    yield from _conditions(rule, view, MODERATE_LIVER)
    counted, _fresh = _liver(view)
    limits = view.limits
    for test in counted[-1:]:
        if limits.liver_override_times_uln < (test.highest or 0) <= limits.liver_block_times_uln:
            yield rule.found(
                OVERRIDE, test, _("ALT or AST above the upper limit of normal."), _("A later test within the limits."),
                lifted_by=frozenset({"liver_test"}), override_needs=MODERATE_LIVER.override_needs,
            )  # fmt: skip


BREATHING = ConditionRow(
    "RESP",
    {
        K.SLEEP_APNOEA_SEVERE: _at(OVERRIDE, UNTREATED),
        K.COPD_SEVERE: _at(OVERRIDE, EVER),
        K.HOME_OXYGEN: _at(OVERRIDE, ACTIVE),
        K.RESPIRATORY_INFECTION_ACUTE: _at(BLOCK, ACTIVE),
    },
    _("On record: %(condition)s. A dose may slow breathing."),
    override_needs=_("How breathing is watched and supported."),
)


@_rule("RESP", "domain.md 1.3; the limit of SpO2 is 3.3's")
def breathing(rule: Rule, view: View) -> Iterator[Flag]:
    """OVERRIDE for untreated severe sleep apnoea, severe COPD, oxygen at home or a newest SpO2 below the limit; BLOCK for an acute infection."""
    yield from _conditions(rule, view, BREATHING)
    measured = view.of(OxygenSaturation)
    for fact in measured[-1:]:
        if fact.percent < view.limits.spo2_min:
            yield rule.found(
                OVERRIDE, fact, _("The newest SpO2 is %(percent)s %%, below %(limit)s %%."), _("A newer measurement within the limit."),
                details={"percent": fact.percent, "limit": view.limits.spo2_min}, lifted_by=frozenset({"oxygen_saturation"}),
                override_needs=BREATHING.override_needs,
            )  # fmt: skip


@_rule("WEIGHT", "domain.md 1.1", anyone_lifts=True)
def weight(rule: Rule, view: View) -> Iterator[Flag]:
    """INFO when no weight of the last 30 days is there: milligrams per kilogram cannot be worked out."""
    limit = view.limits.weight_max_age_days
    if not any(0 <= (view.today - view.day(fact.at)).days <= limit for fact in view.of(Weight)):
        yield rule.missing(
            INFO, _("No weight of the last %(days)s days: a dose by weight cannot be worked out."), _("The patient is weighed."),
            details={"days": limit}, lifted_by=frozenset({"weight"}),
        )  # fmt: skip


@dataclass(frozen=True)
class MedicineRow:
    """A rule that the class of a medicine decides alone."""

    code: str
    medicine_class: MedicineClass
    severity: Severity
    says: str
    override_needs: str = ""
    is_soft: bool = False
    ask_before_dose: str = ""
    # Routes by which it matters; None for all. A route not chosen yet counts as one of them.
    routes: frozenset[Route] | None = None


M = MedicineClass
LAST_TAKEN = _("When was it last taken?")
HELD = _("Was it held as the prescriber wrote?")
TAKEN = _("Was it taken as usual?")
MEDICINE_ROWS = (
    MedicineRow(
        "MED-BENZO", M.BENZODIAZEPINES, OVERRIDE,
        _("%(medicine)s is a benzodiazepine: it may shorten the effect and depresses breathing. It is never stopped abruptly. Some hold it for %(hold)s hours, better %(hold_ideal)s, but not at the price of withdrawal."),
        override_needs=_("Whether a dose is held, and how withdrawal is avoided."), ask_before_dose=LAST_TAKEN,
    ),
    MedicineRow(
        "MED-SEDHYP", M.SEDATIVE_HYPNOTICS, INFO,
        _("%(medicine)s is a sedative: taken within %(sedative)s hours of a dose it needs a decision on the day."), ask_before_dose=LAST_TAKEN,
    ),
    MedicineRow(
        "MED-OPIOID", M.OPIOIDS, OVERRIDE,
        _("%(medicine)s is an opioid: it depresses breathing."),
        override_needs=_("SpO2 is measured all the time."), ask_before_dose=LAST_TAKEN,
    ),
    MedicineRow(
        "MED-GABA", M.GABAPENTINOIDS, OVERRIDE,
        _("%(medicine)s may blunt the effect and adds sedation."), override_needs=_("Whether it is continued."), is_soft=True,
    ),
    MedicineRow(
        "MED-ANTIHIST", M.SEDATING_ANTIHISTAMINES, INFO,
        _("%(medicine)s is a sedating antihistamine; it is held on the day."), ask_before_dose=HELD,
    ),
    MedicineRow(
        "MED-RELAX", M.MUSCLE_RELAXANTS, INFO, _("%(medicine)s is a muscle relaxant; it is held on the day."), ask_before_dose=HELD,
    ),
    MedicineRow(
        "MED-ALCOHOL", M.ALCOHOL, INFO,
        _("Alcohol (%(medicine)s): none for %(alcohol)s hours before a dose; intoxicated means no dose."), ask_before_dose=LAST_TAKEN,
    ),
    MedicineRow(
        "MED-THC", M.CANNABIS, INFO,
        _("Cannabis (%(medicine)s): none for %(alcohol)s hours before a dose; intoxicated means no dose."), ask_before_dose=LAST_TAKEN,
    ),
    MedicineRow("MED-LAMO", M.LAMOTRIGINE, INFO, _("%(medicine)s may weaken the effect; it is continued.")),
    MedicineRow(
        "MED-MAOI", M.MAOI, OVERRIDE,
        _("%(medicine)s inhibits monoamine oxidase: blood pressure may rise."),
        override_needs=_("Blood pressure every %(maoi)s minutes in the first hour."),
    ),
    MedicineRow(
        "MED-STIM", M.STIMULANTS, OVERRIDE,
        _("%(medicine)s is a stimulant: blood pressure may rise. It is held the day before and on the day."),
        override_needs=_("Whether it is held, and how blood pressure is watched."), ask_before_dose=HELD,
    ),
    MedicineRow(
        "MED-PRESSOR", M.PRESSORS, OVERRIDE,
        _("%(medicine)s raises blood pressure and adds to the rise under a dose."), override_needs=_("Blood pressure is measured again."), is_soft=True,
    ),
    MedicineRow(
        "MED-CYP-INH", M.CYP_INHIBITORS, OVERRIDE,
        _("%(medicine)s slows how ketamine is broken down, most of all when it is swallowed: exposure rises."),
        override_needs=_("Whether the dose is reduced."),
    ),
    MedicineRow("MED-CYP-IND", M.CYP_INDUCERS, INFO, _("%(medicine)s speeds how ketamine is broken down: exposure falls.")),
    MedicineRow("MED-NALTREX", M.NALTREXONE, INFO, _("%(medicine)s may blunt the effect; record what it is taken for.")),
    MedicineRow("MED-ANTIPSY", M.ANTIPSYCHOTICS, INFO, _("%(medicine)s: interaction signals with ketamine were seen.")),
    MedicineRow("MED-SEROTONIN", M.ANTIDEPRESSANTS, INFO, _("%(medicine)s is mostly safe to combine; peaks of blood pressure may be higher.")),
    MedicineRow(
        "MED-THEO", M.THEOPHYLLINE, OVERRIDE,
        _("%(medicine)s with ketamine lowers the seizure threshold."), override_needs=_("How seizures are prevented and treated."),
    ),
    MedicineRow("MED-THYROID", M.THYROID, INFO, _("%(medicine)s: the heart may race and blood pressure rise.")),
    MedicineRow(
        "MED-NMDA", M.NMDA_ANTAGONISTS, OVERRIDE,
        _("%(medicine)s acts on the same receptor."), override_needs=_("Whether it is continued."), is_soft=True,
    ),
    MedicineRow("MED-GLP1", M.GLP1, INFO, _("%(medicine)s slows the stomach: nausea, late absorption, a longer fast.")),
    MedicineRow("MED-BP", M.ANTIHYPERTENSIVES, INFO, _("%(medicine)s is taken as usual on the day."), ask_before_dose=TAKEN),
    MedicineRow(
        "MED-NASAL", M.NASAL_SPRAYS, INFO,
        _("%(medicine)s: at least %(nasal)s minutes before a dose into the nose."), ask_before_dose=LAST_TAKEN, routes=frozenset({Route.IN}),
    ),
)  # fmt: skip
# domain.md 1.4: no significant interaction reported.
WITHOUT_RULE = frozenset({M.LITHIUM})


def _taken(view: View, *classes: MedicineClass) -> list[Medication]:
    return [fact for fact in view.of(Medication) if fact.is_taken and fact.classes & set(classes)]


def _medicine_details(view: View, fact: Medication) -> dict[str, Any]:
    limits = view.limits
    return {
        "medicine": fact.text,
        "hold": limits.benzodiazepine_hold_hours,
        "hold_ideal": limits.benzodiazepine_hold_ideal_hours,
        "sedative": limits.sedative_hours,
        "opioid": limits.opioid_sedated_hours,
        "alcohol": limits.alcohol_thc_hours,
        "maoi": limits.maoi_bp_every_min,
        "nasal": limits.nasal_spray_min,
    }


BY_LIST = _("The list of medicines is corrected.")


def _medicines(rule: Rule, view: View, row: MedicineRow) -> Iterator[Flag]:
    """Yield a flag for each medicine of the row's class that is taken."""
    if row.routes is not None and view.facts.planned_route is not None and view.facts.planned_route not in row.routes:
        return
    for fact in _taken(view, row.medicine_class):
        yield rule.found(
            row.severity, fact, row.says, BY_LIST, details=_medicine_details(view, fact), override_needs=row.override_needs, is_soft=row.is_soft,
            ask_before_dose=row.ask_before_dose,
        )  # fmt: skip


def _medicine_rule(row: MedicineRow) -> Rule:
    return Rule(row.code, 1, "domain.md 1.4", partial(_medicines, row=row), anyone_lifts=True)


def _taken_within(view: View, fact: Medication, within: timedelta) -> bool | None:
    """Return whether a medicine was taken less than ``within`` before the dose, as asked on the day; None when nobody knows.
    Of several answers the most recent time counts, and "nobody knows" counts before a time that is long enough ago.
    """
    dosing_at = view.facts.dosing_at
    told = [one for one in view.of(LastTaken) if one.medication_id == fact.id and view.day(one.at) == view.dosing_on]
    times = [one.taken_at for one in told if one.taken_at is not None]
    if dosing_at is None or not told:
        return None
    if times and dosing_at - max(times) < within:
        return True
    return False if len(times) == len(told) else None


def _on_the_day(
    rule: Rule, view: View, classes: tuple[MedicineClass, ...], severity: Severity, within: timedelta, says: str
) -> Iterator[Flag]:
    """Yield a flag of the day for each medicine taken less than ``within`` before the dose, and a question where nobody knows."""
    day = view.dosing_on
    if day is None:
        return
    for fact in _taken(view, *classes):
        details = _medicine_details(view, fact)
        recent = _taken_within(view, fact, within)
        if recent is None:
            question = rule.missing(
                severity, _("Nobody has asked today when %(medicine)s was last taken."), BY_ANSWER, details=details, binds=Binds.DAY,
                expires_on=day, lifted_by=frozenset({"last_taken"}),
            )  # fmt: skip
            yield replace(question, trigger=fact.id)
        elif recent:
            yield rule.found(
                severity, fact, says, _("The dose is given later, or on another day."), details=details, binds=Binds.DAY, expires_on=day,
                lifted_by=frozenset({"last_taken"}), override_needs=_("How sedation is watched.") if severity is OVERRIDE else "",
            )  # fmt: skip


@_rule("MED-SEDHYP-DAY", "domain.md 1.4", anyone_lifts=True)
def sedative_on_the_day(rule: Rule, view: View) -> Iterator[Flag]:
    """OVERRIDE of the day for a Z-drug or other sedative taken less than 12 hours before the dose."""
    within = timedelta(hours=view.limits.sedative_hours)
    says = _("%(medicine)s was taken less than %(sedative)s hours before the dose.")
    yield from _on_the_day(rule, view, (M.SEDATIVE_HYPNOTICS,), OVERRIDE, within, says)


@_rule("MED-ALCOHOL-DAY", "domain.md 1.4", anyone_lifts=True)
def alcohol_or_cannabis_on_the_day(rule: Rule, view: View) -> Iterator[Flag]:
    """INFO of the day for alcohol or THC less than 48 hours before the dose. Intoxication is SUB-INTOX's."""
    within = timedelta(hours=view.limits.alcohol_thc_hours)
    says = _("%(medicine)s less than %(alcohol)s hours before the dose.")
    yield from _on_the_day(rule, view, (M.ALCOHOL, M.CANNABIS), INFO, within, says)


@_rule("MED-NASAL-DAY", "domain.md 1.4", anyone_lifts=True)
def nasal_spray_on_the_day(rule: Rule, view: View) -> Iterator[Flag]:
    """INFO of the day for a nasal spray less than an hour before a dose into the nose."""
    if view.facts.planned_route in (None, Route.IN):
        within = timedelta(minutes=view.limits.nasal_spray_min)
        says = _("%(medicine)s less than %(nasal)s minutes before the dose.")
        yield from _on_the_day(rule, view, (M.NASAL_SPRAYS,), INFO, within, says)


@_rule("MED-OPIOID-DAY", "domain.md 1.4")
def opioid_and_sedated(rule: Rule, view: View) -> Iterator[Flag]:
    """BLOCK of the day for an opioid taken less than six hours before the dose in a patient who is sedated."""
    day = view.dosing_on
    if day is None:
        return
    sedated = view.answer(StatementKind.SEDATED, worse=True, on=day)
    lifted_by = frozenset({"last_taken", f"statement:{StatementKind.SEDATED}"})
    for fact in _taken(view, M.OPIOIDS):
        recent = _taken_within(view, fact, timedelta(hours=view.limits.opioid_sedated_hours))
        if recent is False or sedated.value is False:
            continue
        more: dict[str, Any] = {"details": _medicine_details(view, fact), "binds": Binds.DAY, "expires_on": day, "lifted_by": lifted_by}  # fmt: skip
        if recent and sedated.value:
            yield rule.found(
                BLOCK, fact, _("%(medicine)s was taken less than %(opioid)s hours before the dose and the patient is sedated."),
                _("Another day, or a prescriber corrects the fact."), contradicted_by=_ids(sedated.said_otherwise), **more,
            )  # fmt: skip
        else:
            question = rule.missing(
                BLOCK, _("Nobody has recorded today when %(medicine)s was last taken and whether the patient is sedated."), BY_ANSWER, **more
            )  # fmt: skip
            yield replace(question, trigger=fact.id)


@_rule("MED-BENZO-DOSE", "domain.md 1.4 (S21)", anyone_lifts=True)
def high_dose_benzodiazepine(rule: Rule, view: View) -> Iterator[Flag]:
    """OVERRIDE for more than 3 mg of lorazepam a day or as much of others, all benzodiazepines together; a question while one
    of them has not been converted. The conversion is a prescriber's.
    """
    facts = _taken(view, M.BENZODIAZEPINES)
    limit = view.limits.benzodiazepine_review_lorazepam_mg
    details = {"limit": limit}
    known = [fact for fact in facts if fact.lorazepam_mg_a_day is not None]
    total = sum((fact.lorazepam_mg_a_day or Decimal(0) for fact in known), Decimal(0))
    if total > limit:
        yield rule.found(
            OVERRIDE, known[-1], _("Benzodiazepines above %(limit)s mg of lorazepam a day: a prescriber reviews the dose."), BY_LIST, details=details,
            evidence=_ids(known[:-1]), override_needs=_("What the review found."),
        )  # fmt: skip
    elif len(known) < len(facts):
        yield rule.missing(
            OVERRIDE, _("How much lorazepam a day the benzodiazepines amount to is not known."), _("A prescriber records the amount."),
            details=details, evidence=_ids(facts), lifted_by=frozenset({"medication"}),
        )  # fmt: skip


@_rule("MED-UNREAD", "domain.md 1.4", anyone_lifts=True)
def unread_medicine(rule: Rule, view: View) -> Iterator[Flag]:
    """A question for each line that was not read, or not wholly: what is not recognised is never safe."""
    for fact in view.of(Medication):
        reading = fact.reading
        if not fact.is_taken or fact.is_settled or not reading.needs_a_person:
            continue
        details: dict[str, Any] = {"medicine": fact.text}
        says = _("Not recognised: check. The line says: %(medicine)s.")
        if isinstance(reading, Recognised) and not reading.unread:
            doubtful = tuple(one.generic for one in reading.named if one.is_doubtful)
            details |= {"read_as": doubtful} if doubtful else {}
            says = _("Check: %(medicine)s may be %(read_as)s.") if doubtful else _("Always asked about: %(medicine)s.")
        flag = rule.found(
            OVERRIDE, fact, says, _("A prescriber says what it is."), details=details, lifted_by=frozenset({"medication"})
        )  # fmt: skip
        yield replace(flag, finding=Finding.UNREAD)


@_rule("MED-SPELLING", "domain.md 1.4", anyone_lifts=True)
def misspelt_medicine(rule: Rule, view: View) -> Iterator[Flag]:
    """INFO for each name that was read though it is spelt otherwise, so that a prescriber sees what was made of it."""
    for fact in view.of(Medication):
        reading = fact.reading
        if fact.is_taken and not fact.is_settled and isinstance(reading, Recognised) and reading.by_spelling:
            details = {"medicine": fact.text, "read_as": tuple(one.generic for one in reading.by_spelling)}
            yield rule.found(
                INFO, fact, _("%(medicine)s was read as %(read_as)s, by its spelling."), BY_LIST, details=details
            )


@_rule("MED-LIST", "domain.md 1.4", anyone_lifts=True)
def medicine_list(rule: Rule, view: View) -> Iterator[Flag]:
    """A question until somebody said that the list of medicines is complete; an empty list alone says nothing."""
    if view.answer(StatementKind.MEDICINES_COMPLETE, worse=False).value is not True:
        yield rule.missing(
            OVERRIDE, _("The list of medicines is not complete."), BY_ANSWER, lifted_by=frozenset({f"statement:{StatementKind.MEDICINES_COMPLETE}"})
        )  # fmt: skip


RULES: tuple[Rule, ...] = tuple(
    sorted(
        (*(_row_rule(row) for row in CONDITION_ROWS), *(_medicine_rule(row) for row in MEDICINE_ROWS), *_rules),
        key=lambda rule: rule.code,
    )
)


def _standing(facts: tuple[Fact, ...], *, prescribers_only: bool) -> list[Fact]:
    """Return the facts that no other fact corrects, directly or through a chain of corrections. With ``prescribers_only`` a chain
    counts only from a prescriber's fact downwards. A fact corrects only what was written before it, so no circle can hide facts.
    """
    by_id = {fact.id: fact for fact in facts}
    gone: set[str] = set()
    for fact in facts:
        if prescribers_only and not fact.by_prescriber:
            continue
        above = fact
        while (below := by_id.get(above.corrects or "")) and (below.written_at, below.id) < (
            above.written_at,
            above.id,
        ):
            gone.add(below.id)
            above = below
    return [fact for fact in facts if fact.id not in gone]


def _order(flag: Flag) -> tuple[Any, ...]:
    return (flag.severity.rank, flag.code, flag.finding, flag.trigger or "", flag.says, repr(flag.details))


def screen(facts: Facts, limits: ScreeningLimits, now: datetime) -> tuple[Flag, ...]:
    """Return every flag that the facts raise at ``now``, most severe first, then by code. The order of the facts does not matter.

    ``now`` carries the clinic's zone, whose days count. The rules of the day are asked when ``facts.dosing_at`` is set. A BLOCK whose fact
    was corrected by somebody other than a prescriber stays, marked as awaiting one. Source: domain.md 1.2 to 1.4.
    """
    if now.tzinfo is None:
        raise ValueError("The moment names its zone.")
    view = View(facts, _standing(facts.known, prescribers_only=False), limits, now)
    strict = View(facts, _standing(facts.known, prescribers_only=True), limits, now)
    flags: list[Flag] = []
    for rule in RULES:
        raised = list(rule.run(rule, view))
        flags += raised
        if not rule.anyone_lifts and len(strict.standing) != len(view.standing):
            blocked = {flag.trigger for flag in raised if flag.severity is BLOCK and not flag.is_question}
            flags += (
                replace(flag, awaits_prescriber=True)
                for flag in rule.run(rule, strict)
                if flag.severity is BLOCK and not flag.is_question and flag.trigger not in blocked
            )
    return tuple(sorted(dict.fromkeys(flags), key=_order))
