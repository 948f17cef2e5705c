"""The rules of domain.md 1.4: what a medicine that is taken means for a dose, and what is asked about it on the day."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from django.utils.translation import gettext_noop as _

from assessments.facts import (
    LastTaken,
    Medication,
    Route,
    StatementKind,
)
from assessments.medicines import MedicineClass, Recognised
from assessments.screening.rules import (
    BLOCK,
    BY_ANSWER,
    INFO,
    OVERRIDE,
    Binds,
    Finding,
    Flag,
    Rule,
    Severity,
    View,
    _ids,
    _rule,
)


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
