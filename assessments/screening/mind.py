"""The rules of domain.md 1.3 and 6.5 about the mind: psychosis, danger to oneself, and what is taken for its effect on it."""

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext_noop as _

from assessments.eligibility import add_months
from assessments.facts import (
    Disposition,
    FamilyHistory,
    SafetyAnswer,
    SafetyInstrument,
    SafetyResult,
    State,
    Statement,
    StatementKind,
    SubstanceInstrument,
    SubstanceScore,
)
from assessments.screening.conditions import ACTIVE, EVER, ConditionRow, K, _at, _conditions, _last_day
from assessments.screening.rules import (
    BLOCK,
    BY_ANSWER,
    BY_CORRECTION,
    INFO,
    OVERRIDE,
    Binds,
    Flag,
    Rule,
    View,
    _ids,
    _rule,
)

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
