"""The rules of domain.md 1.3 over coded conditions, and over the body: allergy, blood pressure, pregnancy, liver, breathing, weight."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from typing import Any

from django.utils.translation import gettext_noop as _

from assessments.eligibility import add_months
from assessments.facts import (
    Allergy,
    AllergyAgent,
    BloodPressure,
    Condition,
    ConditionKind,
    LiverTest,
    OxygenSaturation,
    PregnancyTest,
    SexAtBirth,
    State,
    Statement,
    StatementKind,
    Weight,
)
from assessments.medicines import recognise
from assessments.screening.rules import (
    BLOCK,
    BY_ANSWER,
    BY_CORRECTION,
    INFO,
    OVERRIDE,
    Binds,
    Flag,
    Rule,
    Severity,
    View,
    _ids,
    _rule,
)

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


@_rule("HEP-MOD", "domain.md 1.3", version=2)
def moderate_liver_disease(rule: Rule, view: View) -> Iterator[Flag]:
    """OVERRIDE for Child-Pugh B, and for a newest ALT or a newest AST above the upper limit of normal and not above three times; a
    later test of one of the two says nothing of the other. Whether there is a test at all is HEP-SEV's question.
    """
    yield from _conditions(rule, view, MODERATE_LIVER)
    counted, _fresh = _liver(view)
    limits = view.limits
    alt = [(test, test.alt_times_uln) for test in counted if test.alt_times_uln is not None]
    ast = [(test, test.ast_times_uln) for test in counted if test.ast_times_uln is not None]
    values = [*alt[-1:], *ast[-1:]]
    if any(value > limits.liver_block_times_uln for _test, value in values):
        return
    raised = [test for test, value in values if value > limits.liver_override_times_uln]
    for test in counted:
        if test in raised:
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


@_rule("RESP", "domain.md 1.3; the limit of SpO2 is 3.3's", version=2)
def breathing(rule: Rule, view: View) -> Iterator[Flag]:
    """OVERRIDE for untreated severe sleep apnoea, severe COPD, oxygen at home or a newest SpO2 below the limit; BLOCK for an acute infection."""
    yield from _conditions(rule, view, BREATHING)
    measured = view.of(OxygenSaturation)
    # Of two values of one moment the lower counts.
    newest = sorted((fact for fact in measured if fact.at == measured[-1].at), key=lambda fact: fact.percent)
    for fact in newest[:1]:
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
