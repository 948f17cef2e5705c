"""Health facts in words: what each is called, what it says, who said so and when. The words only; the rows are fetched elsewhere."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.formats import number_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from assessments import plausible
from assessments.facts import ConditionKind, Indication, StatementKind
from assessments.factsheet import line_of
from assessments.medicines import MedicineClass, NotRecognised, recognise
from assessments.models import (
    Allergy,
    Condition,
    Diagnosis,
    FamilyHistory,
    HealthFact,
    HealthStatement,
    Measurement,
    Medication,
    TreatmentTrial,
)
from clinic import localtime

INDICATIONS: dict[str, Any] = {
    Indication.TRD: gettext_lazy("depression that other treatment did not help"),
    Indication.GAD: gettext_lazy("generalized anxiety disorder"),
    Indication.PTSD: gettext_lazy("post-traumatic stress disorder"),
    Indication.OCD: gettext_lazy("obsessive-compulsive disorder"),
    Indication.RUMINATION: gettext_lazy("chronic rumination"),
}
# As a clinician asks them. Those of the dosing day are asked on the day.
QUESTIONS: dict[str, Any] = {
    StatementKind.CAN_CONSENT: gettext_lazy("Can the patient give informed consent?"),
    StatementKind.ALLERGIES_COMPLETE: gettext_lazy("Is the list of allergies complete? (Yes with an empty list: no known allergies.)"),
    StatementKind.MEDICINES_COMPLETE: gettext_lazy("Is the list of medicines complete? (Yes with an empty list: takes none.)"),
    StatementKind.ESCORT_POSSIBLE: gettext_lazy("Can somebody take the patient home after a dose?"),
    StatementKind.PREGNANCY_POSSIBLE: gettext_lazy("Is pregnancy possible?"),
    StatementKind.BREASTFEEDING: gettext_lazy("Is the patient breastfeeding?"),
    StatementKind.FAMILY_PSYCHOSIS: gettext_lazy("Has anybody in the family had psychosis?"),
    StatementKind.KETAMINE_USE: gettext_lazy("More than rare recreational use of ketamine or PCP in the past year?"),
    StatementKind.PRESCRIBED_REMOTELY: gettext_lazy("Is the drug prescribed from afar?"),
    StatementKind.IN_PERSON_EVALUATION: gettext_lazy("Was the patient examined in person by a prescriber?"),
}  # fmt: skip
# FamilyHistory asks it with the degree; the statement of that name is read by no rule.
ASKED = tuple(kind for kind in QUESTIONS if kind != StatementKind.FAMILY_PSYCHOSIS)
UNITS = {"heart_rate": gettext_lazy("beats a minute"), "oxygen_saturation": "%", "height": "cm"}
# What an entry is called in a sentence about it.
NAMES: dict[type[HealthFact], Any] = {
    Condition: gettext_lazy("condition"),
    Diagnosis: gettext_lazy("diagnosis"),
    Allergy: gettext_lazy("allergy"),
    Medication: gettext_lazy("medicine"),
    Measurement: gettext_lazy("measurement"),
    TreatmentTrial: gettext_lazy("treatment tried"),
    FamilyHistory: gettext_lazy("family history"),
    HealthStatement: gettext_lazy("answer"),
}


def yes_no(value: bool | None) -> str:
    return _("asked, not known") if value is None else (_("yes") if value else _("no"))


def number(value: Decimal | None) -> str:
    """Return a number without idle noughts: 70.50 is 70.5, 120.00 is 120."""
    if value is None:
        return ""
    return number_format(value.normalize() if value % 1 else value.to_integral_value(), use_l10n=True)


def title_of(fact: HealthFact) -> str:
    """Return what the fact is about."""
    match fact:
        case Condition():
            known = fact.kind in set(ConditionKind)
            return capfirst(str(ConditionKind(fact.kind).label)) if known else fact.kind
        case Diagnosis() | Medication():
            return fact.text
        case Allergy():
            return fact.substance
        case Measurement():
            return fact.get_kind_display() if fact.kind in {"ecg", "tsh"} else capfirst(fact.get_kind_display())
        case TreatmentTrial():
            return fact.treatment
        case FamilyHistory():
            return _("Psychosis in the family")
        case HealthStatement():
            return str(QUESTIONS.get(fact.kind, fact.kind))
    raise TypeError(type(fact).__name__)


def says(fact: HealthFact) -> str:
    """Return what the fact says about it, with units."""
    return "; ".join(part for part in SAYS[type(fact)](fact) if part)


def _condition(fact: Condition) -> list[str]:
    return [
        fact.get_state_display(),
        _("since or on %(day)s") % {"day": localtime.day_text(fact.onset_on)} if fact.onset_on else "",
        _("over since %(day)s") % {"day": localtime.day_text(fact.resolved_on)} if fact.resolved_on else "",
        f"ICD-10-CM {fact.icd10}" if fact.icd10 else "",
    ]


def _diagnosis(fact: Diagnosis) -> list[str]:
    treated = INDICATIONS.get(fact.indication, fact.indication)
    return [
        f"ICD-10-CM {fact.icd10}" if fact.icd10 else "",
        _("treated here as: %(what)s") % {"what": treated} if fact.indication else _("not treated here"),
    ]


def _allergy(fact: Allergy) -> list[str]:
    return [fact.get_agent_display() if fact.agent else _("not coded yet"), fact.reaction]


def _medication(fact: Medication) -> list[str]:
    amount = fact.lorazepam_mg_a_day
    return [
        fact.dose,
        fact.get_taking_display(),
        _("as much as %(mg)s mg of lorazepam a day") % {"mg": number(amount)} if amount is not None else "",
    ]


def _measurement(fact: Measurement) -> list[str]:
    first, second = number(fact.first), number(fact.second)
    match fact.kind:
        case "blood_pressure":
            return [f"{first}/{second} mmHg"]
        case "weight" if fact.first is not None:
            return [_("%(kg)s kg (%(lb)s lb)") % {"kg": first, "lb": number(plausible.pounds(fact.first))}]
        case "liver_test":
            measured = _("%(name)s %(times)s times the upper limit of normal")
            named = (("ALT", first), ("AST", second))
            return [
                measured % {"name": name, "times": value} if value else _("%(name)s not measured") % {"name": name}
                for name, value in named
            ]
    return [f"{first} {UNITS.get(fact.kind, '')}".strip() if first else fact.get_result_display()]


def _trial(fact: TreatmentTrial) -> list[str]:
    return [
        fact.max_dose,
        _("%(count)s weeks") % {"count": fact.weeks} if fact.weeks is not None else "",
        _("enough, and for long enough: %(answer)s") % {"answer": yes_no(fact.is_adequate)},
        _("did not help enough: %(answer)s") % {"answer": yes_no(fact.has_failed)},
        _("in the present episode: %(answer)s") % {"answer": yes_no(fact.in_current_episode)},
        fact.outcome,
    ]


def _family(fact: FamilyHistory) -> list[str]:
    near = _("a parent, brother, sister or child: %(answer)s") % {"answer": yes_no(fact.is_first_degree)}
    return [yes_no(fact.psychosis), near if fact.psychosis else ""]


def _statement(fact: HealthStatement) -> list[str]:
    return [yes_no(fact.value)]


SAYS: dict[type[HealthFact], Callable[[Any], list[str]]] = {
    Condition: _condition,
    Diagnosis: _diagnosis,
    Allergy: _allergy,
    Medication: _medication,
    Measurement: _measurement,
    TreatmentTrial: _trial,
    FamilyHistory: _family,
    HealthStatement: _statement,
}


def no_rule(fact: HealthFact) -> str:
    """Return what follows from an entry that no rule of screening reads, and that matters for a dose all the same; "" for others."""
    if not isinstance(fact, Measurement) or fact.is_retraction:
        return ""
    if fact.kind == Measurement.Kind.WEIGHT:
        if fact.counts:
            return _("Doses by weight are reckoned from it.")
        return _("The patient said it, and nobody weighed them: no dose is reckoned from it.")
    if fact.has_finding:
        return _("No rule reads this result. Before the patient is cleared a prescriber says why it may go ahead. If it shows a condition of the list, record that too.")  # fmt: skip
    return ""


def who_and_when(fact: HealthFact, tz: ZoneInfo) -> str:
    """Return who said it, when it held, and who wrote it down: "the patient, Wed 13 Jan 2027 09:00 MST; recorded by Nina Novak"."""
    return _("%(source)s, %(when)s; recorded by %(who)s") % {
        "source": fact.get_source_display(),
        "when": localtime.moment_text(fact.at, tz),
        "who": fact.recorded_by.name,
    }


def reading_of(line: Medication) -> tuple[str, str]:
    """Return (tone, words) of how a line about medicines was read."""
    return how_read(line_of(line.text, line.dose), line.confirmed_as if line.by_prescriber else None)


def how_read(text: str, confirmed: Iterable[str] | None) -> tuple[str, str]:
    """Return (tone, words) of how the text of a line was read, or what a prescriber made of it (``confirmed``, its classes).

    What was not recognised is "check" and never safe, and it never hides what was.
    """
    if confirmed is not None:
        names = ", ".join(_class(code) for code in sorted(confirmed)) or _("none of the classes that matter here")
        return "green", _("A prescriber says: %(classes)s") % {"classes": names}
    reading = recognise(text)
    if isinstance(reading, NotRecognised):
        return "amber", _("Not recognised: check")
    words = []
    for one in reading.named:
        classes = ", ".join(str(kind.label) for kind in sorted(one.classes)) or _("no rule names it")
        doubt = one.is_doubtful or one in reading.by_spelling
        text = _("read as %(name)s: check") if doubt else "%(name)s"
        words.append(f"{text % {'name': one.generic}} ({classes})")
    words += [_("“%(part)s” not recognised: check") % {"part": part.written} for part in reading.unread]
    if any(one.must_ask for one in reading.named):
        words.append(_("always asked about: check"))
    calm = not reading.classes and not reading.needs_a_person and not reading.by_spelling
    return ("neutral" if calm else "amber"), capfirst("; ".join(words))


def _class(code: str) -> str:
    return str(MedicineClass(code).label) if code in set(MedicineClass) else code
