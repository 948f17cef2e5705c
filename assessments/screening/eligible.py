"""The rules of domain.md 1.2: who may be treated at all, for what, and whether anybody takes them home."""

from collections.abc import Iterator

from django.utils.translation import gettext_noop as _

from assessments.eligibility import age_on
from assessments.facts import (
    Indicated,
    Indication,
    StatementKind,
    SymptomInstrument,
    SymptomScore,
    TreatmentTrial,
)
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
