"""Which examinations a patient needs, by risk, and how each of them stands: domain.md 1.5."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from assessments import facts, workup
from assessments.medicines import lists
from assessments.workup import Done, Item, Standing
from tests.assessments.policy import LIMITS

NOW = datetime(2027, 1, 13, 16, tzinfo=UTC)
TODAY = NOW.date()
BORN = date(1990, 1, 1)
MAN = facts.Facts(birth_date=BORN, sex_at_birth=facts.SexAtBirth.MALE)


def having(*known: facts.Fact, **fields: Any) -> facts.Facts:
    return replace(MAN, known=known, **fields)


def condition(kind: facts.ConditionKind, state: facts.State = facts.State.PAST) -> facts.Condition:
    return facts.Condition(id=f"condition:{kind}", at=NOW, kind=kind, state=state)


def medicine(text: str, taking: facts.Taking = facts.Taking.CURRENT) -> facts.Medication:
    return facts.Medication(id=f"medication:{text}", at=NOW, text=text, taking=taking)


def score(instrument: facts.SubstanceInstrument, total: int | None) -> facts.SubstanceScore:
    return facts.SubstanceScore(id="s", at=NOW, instrument=instrument, total=total)


K, S = facts.ConditionKind, facts.SubstanceInstrument
BY_RISK = [
    (having(), set()),
    (having(birth_date=date(1977, 1, 13)), {Item.ECG}),
    (having(birth_date=date(1977, 1, 14)), set()),
    (having(birth_date=None), {Item.ECG}),
    (having(condition(K.HEART_FAILURE)), {Item.ECG}),
    (having(condition(K.ARRHYTHMIA, facts.State.ABSENT)), set()),
    (having(condition(K.ARRHYTHMIA, facts.State.UNKNOWN)), set()),
    (having(medicine("citalopram 20 mg")), {Item.ECG}),
    (having(medicine("citalopram 20 mg", facts.Taking.STOPPED)), set()),
    (having(medicine("sertraline 50 mg")), set()),
    (having(medicine("levothyroxine 50 mcg")), {Item.TSH}),
    (having(condition(K.HYPERTHYROIDISM, facts.State.CONTROLLED)), {Item.TSH}),
    (having(condition(K.OPIOID_USE_DISORDER)), {Item.URINE_DRUG_SCREEN}),
    (having(score(S.DAST_10, LIMITS.dast10_override)), {Item.URINE_DRUG_SCREEN}),
    (having(score(S.DAST_10, LIMITS.dast10_override - 1)), set()),
    (having(score(S.AUDIT_C, LIMITS.audit_c_override)), {Item.URINE_DRUG_SCREEN}),
    (having(score(S.AUDIT_C, None)), set()),
    (having(sex_at_birth=None), {Item.PREGNANCY_TEST}),
    (having(sex_at_birth=facts.SexAtBirth.FEMALE), {Item.PREGNANCY_TEST}),
]


def lines_of(known: facts.Facts, done: list[Done], ecg_from_years: int = 50) -> tuple[workup.Line, ...]:
    return workup.lines(known, done, LIMITS, NOW, ecg_from_years=ecg_from_years)


@pytest.mark.parametrize(("known", "wanted"), BY_RISK)
def test_what_is_needed_by_risk(known: facts.Facts, wanted: set[Item]) -> None:
    lines = lines_of(known, [])
    assert {line.item for line in lines} - set(workup.FOR_EVERYBODY) == wanted
    assert set(workup.FOR_EVERYBODY) <= {line.item for line in lines}


@pytest.mark.parametrize(
    ("item", "age", "standing"),
    [
        (Item.WEIGHT, 30, Standing.THERE),
        (Item.WEIGHT, 31, Standing.OLD),
        (Item.LIVER_TEST, 180, Standing.THERE),
        (Item.LIVER_TEST, 190, Standing.OLD),
        (Item.URINALYSIS, 190, Standing.OLD),
        # No limit speaks of these: the day is shown and never called too old.
        (Item.BLOOD_PRESSURE, 4000, Standing.THERE),
        (Item.HEART_RATE, 4000, Standing.THERE),
    ],
)
def test_how_old_is_too_old(item: Item, age: int, standing: Standing) -> None:
    done = [Done(item, TODAY - timedelta(days=age)), Done(item, TODAY - timedelta(days=age + 9))]
    (line,) = [line for line in lines_of(MAN, done) if line.item is item]
    assert (line.standing, line.on) == (standing, TODAY - timedelta(days=age))


def test_a_finding_is_due_until_a_later_examination_has_none() -> None:
    """An ECG that is not normal is no green tick: no rule reads it, so a prescriber says why it may go ahead."""
    found = Done(Item.ECG, TODAY - timedelta(days=2), has_finding=True)
    (line,) = [line for line in lines_of(MAN, [found, Done(Item.ECG, found.on)]) if line.item is Item.ECG]
    assert (line.standing, line.on, line.is_there, line.needs_words) == (Standing.FOUND, found.on, False, True)
    later = Done(Item.ECG, TODAY - timedelta(days=1))
    assert Item.ECG not in {line.item for line in lines_of(MAN, [found, later])}


def test_what_was_corrected_counts_no_more() -> None:
    had = condition(K.HEART_FAILURE, facts.State.CURRENT)
    gone = facts.Condition(id="condition:new", at=NOW, kind=K.HEART_FAILURE, state=facts.State.ABSENT, corrects=had.id)
    assert Item.ECG not in {line.item for line in lines_of(having(had, gone), [])}
    asked = facts.Statement(id="s1", at=NOW, kind=facts.StatementKind.MEDICINES_COMPLETE, value=True)
    (line,) = [line for line in lines_of(having(asked), []) if line.item is Item.MEDICINES]
    assert line.is_there


def test_a_pregnancy_test_belongs_to_the_day_and_holds_no_clearance() -> None:
    lines = lines_of(having(sex_at_birth=facts.SexAtBirth.FEMALE), [])
    (line,) = [line for line in lines if line.item is Item.PREGNANCY_TEST]
    assert (line.is_due, line.needs_words) == (False, False)
    said = facts.Statement(id="s1", at=NOW, kind=facts.StatementKind.PREGNANCY_POSSIBLE, value=False)
    known = having(said, sex_at_birth=facts.SexAtBirth.FEMALE)
    assert Item.PREGNANCY_TEST not in {line.item for line in lines_of(known, [])}


def test_every_name_of_the_qt_list_is_one_that_a_line_can_be_read_as() -> None:
    known = {generic for entry in lists().by_words.values() for generic in entry.generics}
    assert known >= workup.QT_GENERICS


def test_the_age_of_an_ecg_is_the_policys() -> None:
    (line,) = [line for line in lines_of(MAN, [], ecg_from_years=37) if line.item is Item.ECG]
    assert str(line.because) == "37 years or older"
    assert Item.ECG not in {line.item for line in lines_of(MAN, [], ecg_from_years=38)}
