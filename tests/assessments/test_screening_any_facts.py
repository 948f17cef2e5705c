"""What must hold of the rules for any facts at all."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from assessments import screening
from assessments.facts import (
    Allergy,
    AllergyAgent,
    BloodPressure,
    Condition,
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
    Statement,
    SubstanceInstrument,
    SubstanceScore,
    SymptomInstrument,
    SymptomScore,
    Taking,
    TreatmentTrial,
    Weight,
)
from assessments.screening import Binds, Finding, Flag, screen
from tests.assessments.policy import LIMITS
from tests.assessments.screened import (
    BLOCK,
    CLEAN,
    DOSING_AT,
    INFO,
    MORNING,
    NOW,
    OVERRIDE,
    K,
    M,
    Q,
    S,
    with_facts,
)

MOMENTS = st.builds(lambda hours: NOW + timedelta(hours=hours), st.integers(-24 * 500, 48))
DAYS = st.none() | st.dates(date(2024, 1, 1), date(2027, 6, 1))
MAYBE = st.none() | st.booleans()
SMALL = st.none() | st.decimals(0, 12, places=1)
TEXTS = st.sampled_from(
    [
        "ativan",
        "ambien 10",
        "oxycodone",
        "metformin",
        "blorptex",
        "wine",
        "flonase",
        "nardil",
        "ketamine",
        "",
        "klonapin",
    ]
)
KINDS: list[st.SearchStrategy[dict[str, Any]]] = [
    st.fixed_dictionaries({"type": st.just(Condition), "kind": st.sampled_from(K), "state": st.sampled_from(S), "onset_on": DAYS, "resolved_on": DAYS}),
    st.fixed_dictionaries({"type": st.just(Allergy), "substance": TEXTS, "agent": st.none() | st.sampled_from(AllergyAgent)}),
    st.fixed_dictionaries({
        "type": st.just(Medication), "text": TEXTS, "taking": st.sampled_from(Taking), "lorazepam_mg_a_day": SMALL,
        "confirmed_as": st.none() | st.frozensets(st.sampled_from(M), max_size=2),
    }),
    st.fixed_dictionaries({"type": st.just(LastTaken), "medication_id": st.sampled_from(["f0", "f1", "f2"]), "taken_at": st.none() | MOMENTS}),
    st.fixed_dictionaries({"type": st.just(BloodPressure), "systolic": st.integers(90, 200), "diastolic": st.integers(50, 120)}),
    st.fixed_dictionaries({"type": st.just(LiverTest), "alt_times_uln": SMALL, "ast_times_uln": SMALL}),
    st.fixed_dictionaries({"type": st.just(PregnancyTest), "positive": MAYBE}),
    st.fixed_dictionaries({"type": st.just(OxygenSaturation), "percent": st.integers(80, 100)}),
    st.fixed_dictionaries({"type": st.just(Weight), "kilograms": st.just(Decimal(70))}),
    st.fixed_dictionaries({"type": st.just(FamilyHistory), "psychosis": MAYBE, "first_degree": MAYBE}),
    st.fixed_dictionaries({"type": st.just(TreatmentTrial), "adequate": MAYBE, "failed": MAYBE, "current_episode": MAYBE}),
    st.fixed_dictionaries({"type": st.just(Indicated), "indication": st.sampled_from(Indication)}),
    st.fixed_dictionaries({"type": st.just(SymptomScore), "instrument": st.sampled_from(SymptomInstrument), "total": st.none() | st.integers(0, 27)}),
    st.fixed_dictionaries({"type": st.just(SubstanceScore), "instrument": st.sampled_from(SubstanceInstrument), "total": st.none() | st.integers(0, 12)}),
    st.fixed_dictionaries({"type": st.just(SafetyAnswer), "instrument": st.sampled_from(SafetyInstrument), "result": st.none() | st.sampled_from(SafetyResult)}),
    st.fixed_dictionaries({"type": st.just(Disposition), "answer_id": st.sampled_from(["f0", "f1", "f2"])}),
    st.fixed_dictionaries({"type": st.just(Statement), "kind": st.sampled_from(Q), "value": MAYBE}),
]  # fmt: skip
RAW = st.one_of(KINDS)
CORRECTS = st.none() | st.sampled_from([f"f{n}" for n in range(8)])


def built(number: int, at: datetime, raw: dict[str, Any], **more: Any) -> Fact:
    values = dict(raw)
    kind = values.pop("type")
    fact: Fact = kind(id=f"f{number}", at=at, **values, **more)
    return fact


@st.composite
def some_facts(draw: st.DrawFn) -> Facts:
    """Any facts, many contradictory, on top of nothing or of a clean record."""
    drawn = [
        built(n, draw(MOMENTS), draw(RAW), by_prescriber=draw(st.booleans()), corrects=draw(CORRECTS))
        for n in range(draw(st.integers(0, 8)))
    ]
    clean = draw(st.booleans())
    return Facts(
        known=(*drawn, *(CLEAN.known if clean else ())),
        birth_date=draw(DAYS | st.just(date(1990, 1, 1))),
        sex_at_birth=draw(st.none() | st.sampled_from(SexAtBirth)),
        planned_route=draw(st.none() | st.sampled_from(Route)),
        product_excipients=draw(st.none() | st.just(frozenset({"sorbitol"}))),
        first_dosed_at=draw(st.none() | MOMENTS),
        dosing_at=draw(st.none() | st.just(DOSING_AT)),
    )


def blocks(raised: Iterable[Flag]) -> set[tuple[str, str | None]]:
    return {(flag.code, flag.trigger) for flag in raised if flag.severity is BLOCK and not flag.is_question}


EASY = settings(max_examples=150, deadline=None)


@EASY
@given(some_facts())
def test_any_facts_are_screened_in_one_order(facts: Facts) -> None:
    raised = screen(facts, LIMITS, NOW)
    assert raised == screen(facts, LIMITS, NOW)
    assert raised == screen(replace(facts, known=tuple(reversed(facts.known))), LIMITS, NOW)
    assert [(flag.severity.rank, flag.code) for flag in raised] == sorted(
        (flag.severity.rank, flag.code) for flag in raised
    )
    assert len({flag.key for flag in raised}) == len(raised)
    known = {fact.id for fact in facts.known}
    for flag in raised:
        assert flag.sentence
        assert "%(" not in flag.sentence + flag.what_lifts
        assert {flag.trigger or "", *flag.evidence, *flag.contradicted_by} <= known | {""}


@EASY
@given(some_facts(), RAW, MOMENTS)
def test_a_new_fact_never_takes_a_block_away_unless_it_is_what_lifts_it(
    facts: Facts, raw: dict[str, Any], at: datetime
) -> None:
    """Corrections aside, which are tried below: facts are added, in any order of time, by anybody and by prescribers."""
    before = screen(facts, LIMITS, NOW)
    for by_prescriber in (False, True):
        added = built(90, at, raw, by_prescriber=by_prescriber)
        after = screen(replace(facts, known=(*facts.known, added)), LIMITS, NOW)
        for flag in before:
            if flag.severity is BLOCK and not flag.is_question and (flag.code, flag.trigger) not in blocks(after):
                # The newest high reading may become another one; the flag of the rule is still there.
                moved = flag.code == "CV-HTN-UNC" and any(code == flag.code for code, _trigger in blocks(after))
                assert moved or added.subject in flag.lifted_by, (flag, added)


@EASY
@given(some_facts(), st.data())
def test_a_correction_by_anybody_but_a_prescriber_takes_no_block_away(facts: Facts, data: st.DataObject) -> None:
    before = [
        flag for flag in screen(facts, LIMITS, NOW) if flag.severity is BLOCK and not flag.is_question and flag.trigger
    ]
    for flag in before:
        rule = next(rule for rule in screening.RULES if rule.code == flag.code)
        raw = data.draw(RAW.filter(lambda raw: raw["type"] not in {Disposition}))
        added = built(91, NOW + timedelta(days=1), raw, corrects=flag.trigger)
        after = screen(replace(facts, known=(*facts.known, added)), LIMITS, NOW)
        moved = flag.code == "CV-HTN-UNC" and any(code == flag.code for code, _trigger in blocks(after))
        assert (
            rule.anyone_lifts or moved or (flag.code, flag.trigger) in blocks(after) or added.subject in flag.lifted_by
        ), (flag, added)


@EASY
@given(st.sampled_from(sorted(CLEAN.known + MORNING, key=lambda fact: fact.id)))
def test_taking_an_answer_away_never_passes(gone: Fact) -> None:
    """Each answer of a clean record is needed: without it something is raised, unless another fact says the same."""
    facts = with_facts(dosing=True)
    left = replace(facts, known=tuple(fact for fact in facts.known if fact.id != gone.id))
    same_said_twice = {
        "test", "cssrs", "no-pregnancy", "spo2", "awake", "gad7", "phq9", "said-pregnancy_possible",
    }  # fmt: skip
    assert screen(left, LIMITS, NOW) or gone.id in same_said_twice


@EASY
@given(
    some_facts(),
    st.sampled_from(["blorptex", "qwzzx 5 mg", "the blue one", "лекарство", "metformin and something for sleep"]),
)
def test_an_unknown_medicine_always_yields_a_question(facts: Facts, text: str) -> None:
    unknown = Medication(id="unknown", at=NOW, text=text)
    raised = screen(replace(facts, known=(*facts.known, unknown)), LIMITS, NOW)
    assert [flag.finding for flag in raised if flag.trigger == "unknown" and flag.code == "MED-UNREAD"] == [
        Finding.UNREAD
    ]


@EASY
@given(some_facts())
def test_a_question_is_never_a_decision_and_a_day_never_suspends(facts: Facts) -> None:
    for flag in screen(facts, LIMITS, NOW):
        assert not (flag.is_question and (flag.may_be_overridden or flag.suspends_clearance))
        assert not (flag.binds is Binds.DAY and flag.suspends_clearance)
        assert flag.holds_dose == (flag.severity is not INFO)
        assert flag.override_needs == "" or flag.severity is OVERRIDE
