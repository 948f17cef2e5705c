"""What is known of a patient when somebody asks whether a dose may be given: plain values, each with its own id and time.

A fact is never edited: a correction is a new fact that names the old one (``corrects``). What nobody has asked is absent, or
present with an explicit "unknown"; neither is ever read as "no". What follows from the facts is in screening, how a line about
medicines is read in medicines.py.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext_lazy as _

from assessments.medicines import MedicineClass, Reading, recognise


class State(StrEnum):
    """How a condition stands. ``ABSENT`` is an answer; ``UNKNOWN`` is none."""

    ABSENT = "absent"
    PAST = "past"
    # Treated and stable.
    CONTROLLED = "controlled"
    # Present, and nobody said whether it is stable.
    CURRENT = "current"
    # Untreated, unstable, decompensated or acute.
    UNCONTROLLED = "uncontrolled"
    UNKNOWN = "unknown"


class ConditionKind(StrEnum):
    """The coded conditions of domain.md 1.3, and opioid use disorder of 1.2."""

    ANEURYSM = "aneurysm"
    ANGLE_CLOSURE = "angle_closure"
    ARRHYTHMIA = "arrhythmia"
    ARTERIOVENOUS_MALFORMATION = "arteriovenous_malformation"
    AV_BLOCK = "av_block"
    BIPOLAR_DISORDER = "bipolar_disorder"
    BP_RISE_HAZARD = "bp_rise_hazard"
    COPD_SEVERE = "copd_severe"
    DELUSIONAL_DISORDER = "delusional_disorder"
    DEMENTIA = "dementia"
    DISSOCIATIVE_DISORDER = "dissociative_disorder"
    GLAUCOMA = "glaucoma"
    HAEMATURIA_UNEXPLAINED = "haematuria_unexplained"
    HEAD_INJURY_SYMPTOMATIC = "head_injury_symptomatic"
    HEART_FAILURE = "heart_failure"
    HEPATIC_IMPAIRMENT_MODERATE = "hepatic_impairment_moderate"
    HEPATIC_IMPAIRMENT_SEVERE = "hepatic_impairment_severe"
    HOME_OXYGEN = "home_oxygen"
    HYDROCEPHALUS = "hydrocephalus"
    HYPERTENSION = "hypertension"
    HYPERTHYROIDISM = "hyperthyroidism"
    INTERSTITIAL_CYSTITIS = "interstitial_cystitis"
    INTRACEREBRAL_HAEMORRHAGE = "intracerebral_haemorrhage"
    INTRACRANIAL_MASS = "intracranial_mass"
    KETAMINE_CYSTITIS = "ketamine_cystitis"
    KETAMINE_MISUSE = "ketamine_misuse"
    MANIA = "mania"
    MYOCARDIAL_INFARCTION = "myocardial_infarction"
    OPEN_GLOBE_INJURY = "open_globe_injury"
    OPIOID_USE_DISORDER = "opioid_use_disorder"
    PERSONALITY_DISORDER_SEVERE = "personality_disorder_severe"
    PORPHYRIA_ACUTE = "porphyria_acute"
    PREGNANCY = "pregnancy"
    PSYCHOSIS = "psychosis"
    PSYCHOSIS_DRUG_INDUCED = "psychosis_drug_induced"
    RAISED_INTRACRANIAL_PRESSURE = "raised_intracranial_pressure"
    RESPIRATORY_INFECTION_ACUTE = "respiratory_infection_acute"
    REVASCULARISATION = "revascularisation"
    SCHIZOPHRENIA_SPECTRUM = "schizophrenia_spectrum"
    SEIZURE_DISORDER = "seizure_disorder"
    SLEEP_APNOEA_SEVERE = "sleep_apnoea_severe"
    STROKE = "stroke"
    SUBSTANCE_USE_DISORDER = "substance_use_disorder"
    SUICIDE_ATTEMPT = "suicide_attempt"
    TIA = "tia"
    UNSTABLE_ANGINA = "unstable_angina"
    VALVE_DISEASE_SEVERE = "valve_disease_severe"

    @property
    def label(self) -> Any:
        return CONDITION_LABELS[self]


CONDITION_LABELS = {
    ConditionKind.ANEURYSM: _("aneurysmal vascular disease"),
    ConditionKind.ANGLE_CLOSURE: _("angle closure"),
    ConditionKind.ARRHYTHMIA: _("significant arrhythmia"),
    ConditionKind.ARTERIOVENOUS_MALFORMATION: _("arteriovenous malformation"),
    ConditionKind.AV_BLOCK: _("advanced AV block"),
    ConditionKind.BIPOLAR_DISORDER: _("bipolar disorder"),
    ConditionKind.BP_RISE_HAZARD: _("a condition in which a rise in blood pressure is dangerous"),
    ConditionKind.COPD_SEVERE: _("severe COPD"),
    ConditionKind.DELUSIONAL_DISORDER: _("delusional disorder"),
    ConditionKind.DEMENTIA: _("dementia or major neurocognitive disorder"),
    ConditionKind.DISSOCIATIVE_DISORDER: _("primary dissociative disorder"),
    ConditionKind.GLAUCOMA: _("glaucoma"),
    ConditionKind.HAEMATURIA_UNEXPLAINED: _("unexplained blood in the urine"),
    ConditionKind.HEAD_INJURY_SYMPTOMATIC: _("recent head injury with symptoms"),
    ConditionKind.HEART_FAILURE: _("heart failure"),
    ConditionKind.HEPATIC_IMPAIRMENT_MODERATE: _("moderate hepatic impairment (Child-Pugh B)"),
    ConditionKind.HEPATIC_IMPAIRMENT_SEVERE: _("severe hepatic impairment (Child-Pugh C)"),
    ConditionKind.HOME_OXYGEN: _("oxygen at home"),
    ConditionKind.HYDROCEPHALUS: _("hydrocephalus"),
    ConditionKind.HYPERTENSION: _("hypertension"),
    ConditionKind.HYPERTHYROIDISM: _("hyperthyroidism"),
    ConditionKind.INTERSTITIAL_CYSTITIS: _("interstitial cystitis"),
    ConditionKind.INTRACEREBRAL_HAEMORRHAGE: _("intracerebral haemorrhage"),
    ConditionKind.INTRACRANIAL_MASS: _("intracranial mass"),
    ConditionKind.KETAMINE_CYSTITIS: _("ketamine cystitis"),
    ConditionKind.KETAMINE_MISUSE: _("ketamine or PCP misuse"),
    ConditionKind.MANIA: _("mania, hypomania or mixed state"),
    ConditionKind.MYOCARDIAL_INFARCTION: _("myocardial infarction"),
    ConditionKind.OPEN_GLOBE_INJURY: _("open-globe injury"),
    ConditionKind.OPIOID_USE_DISORDER: _("opioid use disorder"),
    ConditionKind.PERSONALITY_DISORDER_SEVERE: _("severe personality disorder that impairs cooperation"),
    ConditionKind.PORPHYRIA_ACUTE: _("acute porphyria"),
    ConditionKind.PREGNANCY: _("pregnancy"),
    ConditionKind.PSYCHOSIS: _("psychosis"),
    ConditionKind.PSYCHOSIS_DRUG_INDUCED: _("drug-induced psychosis"),
    ConditionKind.RAISED_INTRACRANIAL_PRESSURE: _("raised intracranial pressure"),
    ConditionKind.RESPIRATORY_INFECTION_ACUTE: _("acute respiratory infection"),
    ConditionKind.REVASCULARISATION: _("revascularisation"),
    ConditionKind.SCHIZOPHRENIA_SPECTRUM: _("schizophrenia-spectrum disorder"),
    ConditionKind.SEIZURE_DISORDER: _("seizure disorder"),
    ConditionKind.SLEEP_APNOEA_SEVERE: _("severe sleep apnoea"),
    ConditionKind.STROKE: _("stroke"),
    ConditionKind.SUBSTANCE_USE_DISORDER: _("moderate or severe substance use disorder"),
    ConditionKind.SUICIDE_ATTEMPT: _("suicide attempt"),
    ConditionKind.TIA: _("transient ischaemic attack"),
    ConditionKind.UNSTABLE_ANGINA: _("unstable angina"),
    ConditionKind.VALVE_DISEASE_SEVERE: _("severe valve disease"),
}


class StatementKind(StrEnum):
    """Questions that are answered with yes or no."""

    ALLERGIES_COMPLETE = "allergies_complete"
    BREASTFEEDING = "breastfeeding"
    CAN_CONSENT = "can_consent"
    ESCORT_POSSIBLE = "escort_possible"
    FAMILY_PSYCHOSIS = "family_psychosis"
    IN_PERSON_EVALUATION = "in_person_evaluation"
    IN_WITHDRAWAL = "in_withdrawal"
    INTOXICATED = "intoxicated"
    KETAMINE_USE = "ketamine_use"
    MEDICINES_COMPLETE = "medicines_complete"
    PREGNANCY_POSSIBLE = "pregnancy_possible"
    PRESCRIBED_REMOTELY = "prescribed_remotely"
    SEDATED = "sedated"


class AllergyAgent(StrEnum):
    KETAMINE = "ketamine"
    EXCIPIENT = "excipient"
    OTHER = "other"


class Indication(StrEnum):
    """What the treatment is for: domain.md 1.2."""

    GAD = "gad"
    OCD = "ocd"
    PTSD = "ptsd"
    RUMINATION = "rumination"
    TRD = "trd"


class Route(StrEnum):
    IM = "im"
    IN = "in"
    IV = "iv"
    ORAL = "oral"
    SL = "sl"


class SexAtBirth(StrEnum):
    FEMALE = "female"
    INTERSEX = "intersex"
    MALE = "male"


class SafetyInstrument(StrEnum):
    ASQ = "asq"
    CSSRS = "cssrs"
    PHQ9_ITEM_9 = "phq9_item_9"


class SafetyResult(StrEnum):
    """Categories of domain.md 2.2. Item 9 of the PHQ-9 gives low, moderate and high for 1, 2 and 3, as the tiers of 6.5 do."""

    NEGATIVE = "negative"
    LOW = "low"
    MODERATE = "moderate"
    HIGH = "high"
    # ASQ: any of 1 to 4, and item 5.
    POSITIVE = "positive"
    ACUTE = "acute"


class SubstanceInstrument(StrEnum):
    AUDIT_C = "audit_c"
    DAST_10 = "dast_10"


class SymptomInstrument(StrEnum):
    GAD_7 = "gad_7"
    PHQ_9 = "phq_9"


class Taking(StrEnum):
    """Whether a medicine is taken. Not asked counts as taken."""

    CURRENT = "current"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


def _in_utc(moment: datetime) -> datetime:
    """Return the moment in UTC, where an hour is an hour: between two times of one zone Python counts by the clock on the wall,
    which is wrong by an hour over a clock change. Refuses a time without a zone.
    """
    if moment.tzinfo is None:
        raise ValueError("A time names its zone.")
    return moment.astimezone(UTC)


@dataclass(frozen=True, kw_only=True)
class Fact:
    """What every fact carries. ``by_prescriber``: a prescriber recorded it, or looked at the evidence and confirmed it.

    ``at`` is when it held or was measured, ``recorded_at`` when it was written down, where that is not the same: a correction is
    younger than what it corrects even when it moves a measurement to an earlier hour.
    """

    id: str
    at: datetime
    by_prescriber: bool = False
    corrects: str | None = None
    recorded_at: datetime | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", _in_utc(self.at))
        if self.recorded_at is not None:
            object.__setattr__(self, "recorded_at", _in_utc(self.recorded_at))

    @property
    def written_at(self) -> datetime:
        return self.recorded_at or self.at

    @property
    def subject(self) -> str:
        """Return what the fact is about, as flags name what would lift them: "condition:aneurysm", "liver_test"."""
        return "fact"


@dataclass(frozen=True, kw_only=True)
class Condition(Fact):
    """``onset_on`` is the day of an event such as a stroke, and the last one when there were several."""

    kind: ConditionKind
    state: State
    onset_on: date | None = None
    resolved_on: date | None = None

    @property
    def subject(self) -> str:
        return f"condition:{self.kind}"


@dataclass(frozen=True, kw_only=True)
class Allergy(Fact):
    """``agent`` is None until somebody coded what was written."""

    substance: str
    agent: AllergyAgent | None = None

    @property
    def subject(self) -> str:
        return "allergy"


@dataclass(frozen=True, kw_only=True)
class Medication(Fact):
    """One line of the list as it was written. ``confirmed_as`` is what a person made of a line; from a prescriber it settles it."""

    text: str
    taking: Taking = Taking.CURRENT
    confirmed_as: frozenset[MedicineClass] | None = None
    # A prescriber's arithmetic, of the whole day's benzodiazepines in this line.
    lorazepam_mg_a_day: Decimal | None = None

    @property
    def subject(self) -> str:
        return "medication"

    @property
    def reading(self) -> Reading:
        return recognise(self.text)

    @property
    def is_taken(self) -> bool:
        return self.taking is not Taking.STOPPED

    @property
    def is_settled(self) -> bool:
        return self.by_prescriber and self.confirmed_as is not None

    @property
    def classes(self) -> frozenset[MedicineClass]:
        """Return the classes it counts as: what a prescriber confirmed, else everything that anybody read in it."""
        confirmed = self.confirmed_as or frozenset()
        return confirmed if self.is_settled else confirmed | self.reading.classes


@dataclass(frozen=True, kw_only=True)
class LastTaken(Fact):
    """The answer to "when did you last take it?", asked on the day. None when nobody knows."""

    medication_id: str
    taken_at: datetime | None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.taken_at is not None:
            object.__setattr__(self, "taken_at", _in_utc(self.taken_at))

    @property
    def subject(self) -> str:
        return "last_taken"


@dataclass(frozen=True, kw_only=True)
class BloodPressure(Fact):
    """In mmHg, outside a dosing session; ``at`` is when it was measured."""

    systolic: int
    diastolic: int

    @property
    def subject(self) -> str:
        return "blood_pressure"


@dataclass(frozen=True, kw_only=True)
class LiverTest(Fact):
    """ALT and AST as multiples of the laboratory's upper limit of normal; ``at`` is when the blood was taken."""

    alt_times_uln: Decimal | None
    ast_times_uln: Decimal | None

    @property
    def subject(self) -> str:
        return "liver_test"

    @property
    def highest(self) -> Decimal | None:
        """Return the higher of those that were measured, or None when neither was."""
        known = [value for value in (self.alt_times_uln, self.ast_times_uln) if value is not None]
        return max(known) if known else None

    @property
    def is_complete(self) -> bool:
        return self.alt_times_uln is not None and self.ast_times_uln is not None


@dataclass(frozen=True, kw_only=True)
class PregnancyTest(Fact):
    """``positive`` is None when the strip could not be read; ``at`` is when the sample was taken."""

    positive: bool | None

    @property
    def subject(self) -> str:
        return "pregnancy_test"


@dataclass(frozen=True, kw_only=True)
class OxygenSaturation(Fact):
    """Per cent on room air; ``at`` is when it was measured."""

    percent: int

    @property
    def subject(self) -> str:
        return "oxygen_saturation"


@dataclass(frozen=True, kw_only=True)
class Weight(Fact):
    """In kilograms; ``at`` is when it was measured."""

    kilograms: Decimal

    @property
    def subject(self) -> str:
        return "weight"


@dataclass(frozen=True, kw_only=True)
class FamilyHistory(Fact):
    """Psychosis in a relative. A degree nobody asked about counts as the first."""

    psychosis: bool | None
    first_degree: bool | None = None

    @property
    def subject(self) -> str:
        return "family:psychosis"


@dataclass(frozen=True, kw_only=True)
class TreatmentTrial(Fact):
    """One antidepressant trial. Only what is known to be adequate, failed and of this episode counts."""

    adequate: bool | None
    failed: bool | None
    current_episode: bool | None

    @property
    def subject(self) -> str:
        return "treatment_trial"

    @property
    def counts(self) -> bool:
        return bool(self.adequate and self.failed and self.current_episode)


@dataclass(frozen=True, kw_only=True)
class Indicated(Fact):
    """What the treatment is for, as a clinician recorded it."""

    indication: Indication

    @property
    def subject(self) -> str:
        return "indication"


@dataclass(frozen=True, kw_only=True)
class SymptomScore(Fact):
    """A total; None when it could not be scored. ``at`` is when it was answered."""

    instrument: SymptomInstrument
    total: int | None

    @property
    def subject(self) -> str:
        return f"symptom_score:{self.instrument}"


@dataclass(frozen=True, kw_only=True)
class SubstanceScore(Fact):
    """A total; None when it could not be scored. ``at`` is when it was answered."""

    instrument: SubstanceInstrument
    total: int | None

    @property
    def subject(self) -> str:
        return f"substance_score:{self.instrument}"


@dataclass(frozen=True, kw_only=True)
class SafetyAnswer(Fact):
    """``result`` is None when the question was skipped."""

    instrument: SafetyInstrument
    result: SafetyResult | None

    @property
    def subject(self) -> str:
        return f"safety:{self.instrument}"


@dataclass(frozen=True, kw_only=True)
class Disposition(Fact):
    """A licensed clinician looked at a safety answer and recorded what follows from it (6.5)."""

    answer_id: str

    @property
    def subject(self) -> str:
        return "disposition"


@dataclass(frozen=True, kw_only=True)
class Statement(Fact):
    """A yes, a no, or None for "asked, and not known"."""

    kind: StatementKind
    value: bool | None

    @property
    def subject(self) -> str:
        return f"statement:{self.kind}"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything the rules look at. ``dosing_at`` is set on the day of a dose and asks the rules of the day.

    Refused: two facts of one id, because a correction would not know which of them it means, and times without a zone.
    """

    known: tuple[Fact, ...] = ()
    birth_date: date | None = None
    sex_at_birth: SexAtBirth | None = None
    planned_route: Route | None = None
    # Flavour, sweetener, dye: None until the product is chosen.
    product_excipients: frozenset[str] | None = None
    first_dosed_at: datetime | None = None
    dosing_at: datetime | None = None

    def __post_init__(self) -> None:
        for name in ("first_dosed_at", "dosing_at"):
            moment = getattr(self, name)
            if moment is not None:
                object.__setattr__(self, name, _in_utc(moment))
        if len({fact.id for fact in self.known}) < len(self.known):
            raise ValueError("Each fact has an id of its own.")


def that_stand(known: Iterable[Fact]) -> list[Fact]:
    """Return the facts that no other fact corrects. The rules ask besides who corrected: ``_standing`` of assessments/screening."""
    every = list(known)
    gone = {fact.corrects for fact in every}
    return [fact for fact in every if fact.id not in gone]
