"""Pregnancy, and what is asked on the day of a dose: domain.md 1.3 on both sides of each edge."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from assessments.facts import (
    LastTaken,
    PregnancyTest,
    Route,
    SexAtBirth,
    StatementKind,
)
from assessments.screening import Binds
from tests.assessments.screened import (
    BLOCK,
    DENVER,
    DOSING_AT,
    NOW,
    TODAY,
    Q,
    flags,
    new,
    outcome,
    said,
    takes,
    with_facts,
)


class TestPregnancy:
    @pytest.mark.parametrize(
        ("before", "expected"),
        [(timedelta(hours=24), ""), (timedelta(hours=24, minutes=1), "block"), (timedelta(hours=1), "")],
    )
    def test_a_test_is_good_for_24_hours_before_the_dose(self, before: timedelta, expected: str) -> None:
        test = new(PregnancyTest, DOSING_AT - before, positive=False)
        facts = with_facts(test, dosing=True, without=["test-today"])
        assert outcome(facts, "REP-UNK") == expected
        assert all(flag.binds is Binds.DAY and not flag.suspends_clearance for flag in flags(facts, "REP-UNK"))

    @pytest.mark.parametrize(
        ("taken", "dose", "expected"),
        [
            # Clocks go forward on 14 March 2027: half past nine the day before is 23.5 hours before ten.
            ("2027-03-13 09:30", "2027-03-14 10:00", ""), ("2027-03-13 08:59", "2027-03-14 10:00", "block"),
            # They go back on 1 November 2026: ten the day before is 25 hours before ten.
            ("2026-10-31 10:00", "2026-11-01 10:00", "block"), ("2026-10-31 11:00", "2026-11-01 10:00", ""),
        ],
    )  # fmt: skip
    def test_24_hours_are_24_hours_over_a_clock_change(self, taken: str, dose: str, expected: str) -> None:
        at, dosing_at = (datetime.fromisoformat(clock).replace(tzinfo=DENVER) for clock in (taken, dose))
        facts = with_facts(new(PregnancyTest, at, positive=False), without=["test"], dosing_at=dosing_at)
        assert outcome(facts, "REP-UNK", now=dosing_at) == expected

    def test_what_is_no_test(self) -> None:
        for test in (
            None,
            new(PregnancyTest, NOW, positive=None),
            new(PregnancyTest, DOSING_AT + timedelta(minutes=1), positive=False),
        ):
            facts = with_facts(*([test] if test else []), dosing=True, without=["test-today"])
            assert outcome(facts, "REP-UNK") == "block"

    def test_only_on_the_day(self) -> None:
        assert outcome(with_facts(without=["test"]), "REP-UNK") == ""

    @pytest.mark.parametrize(
        ("sex", "possible", "expected"),
        [
            (SexAtBirth.FEMALE, True, "block"), (SexAtBirth.FEMALE, False, ""), (SexAtBirth.FEMALE, None, "block"), (SexAtBirth.MALE, "unasked", ""),
            (SexAtBirth.MALE, True, "block"), (SexAtBirth.MALE, None, "block"), (SexAtBirth.INTERSEX, "unasked", "block"), (None, "unasked", "block"),
        ],
    )  # fmt: skip
    def test_who_is_asked(self, sex: SexAtBirth | None, possible: Any, expected: str) -> None:
        facts = with_facts(
            *([] if possible == "unasked" else [said(Q.PREGNANCY_POSSIBLE, possible)]),
            dosing=True, without=["test-today", "test", "said-pregnancy_possible", "no-pregnancy"], sex_at_birth=sex,
        )  # fmt: skip
        assert outcome(facts, "REP-UNK") == expected
        assert outcome(facts, "REP-PREG") == ("missing:block" if expected else "")

    def test_a_positive_test_stays_until_a_prescriber_corrects_it(self) -> None:
        positive = new(PregnancyTest, NOW - timedelta(days=2), positive=True)
        (flag,) = flags(with_facts(positive), "REP-PREG")
        assert flag.suspends_clearance
        assert set(flag.contradicted_by) == {"test", "no-pregnancy"}
        negative = new(PregnancyTest, NOW, positive=False)
        assert outcome(with_facts(positive, negative), "REP-PREG") == "block"
        by_nurse = replace(negative, corrects=positive.id)
        (flag,) = flags(with_facts(positive, by_nurse), "REP-PREG")
        assert flag.awaits_prescriber
        assert outcome(with_facts(positive, replace(by_nurse, by_prescriber=True)), "REP-PREG") == ""

    def test_male_and_pregnant_contradict_each_other_and_the_test_counts(self) -> None:
        facts = with_facts(
            new(PregnancyTest, NOW, positive=True), without=["said-pregnancy_possible"], sex_at_birth=SexAtBirth.MALE
        )
        assert outcome(facts, "REP-PREG") == "block"

    @pytest.mark.parametrize(
        ("sex", "value", "expected"),
        [(SexAtBirth.FEMALE, "unasked", "missing:block"), (SexAtBirth.MALE, "unasked", ""), (SexAtBirth.MALE, True, "block"), (SexAtBirth.MALE, None, "missing:block"), (None, False, "")],
    )  # fmt: skip
    def test_breastfeeding(self, sex: SexAtBirth | None, value: Any, expected: str) -> None:
        facts = with_facts(
            *([] if value == "unasked" else [said(Q.BREASTFEEDING, value)]), without=["said-breastfeeding"], sex_at_birth=sex
        )  # fmt: skip
        assert outcome(facts, "REP-LACT") == expected


class TestTheDay:
    @pytest.mark.parametrize("kind", [Q.INTOXICATED, Q.IN_WITHDRAWAL])
    def test_intoxicated_or_in_withdrawal(self, kind: StatementKind) -> None:
        facts = with_facts(said(kind, True, NOW), dosing=True)
        (flag,) = flags(facts, "SUB-INTOX")
        assert (flag.severity, flag.binds, flag.expires_on) == (BLOCK, Binds.DAY, TODAY)
        left_out = "sober" if kind is Q.INTOXICATED else "no-withdrawal"
        assert outcome(with_facts(dosing=True, without=[left_out]), "SUB-INTOX") == "missing:block"
        yesterday = said(kind, False, NOW - timedelta(days=1))
        assert outcome(with_facts(yesterday, dosing=True, without=[left_out]), "SUB-INTOX") == "missing:block"

    @pytest.mark.parametrize(
        ("text", "code", "within", "found"),
        [
            ("ambien 10", "MED-SEDHYP-DAY", timedelta(hours=12), "override"), ("weed", "MED-ALCOHOL-DAY", timedelta(hours=48), "info"),
            ("wine", "MED-ALCOHOL-DAY", timedelta(hours=48), "info"), ("flonase", "MED-NASAL-DAY", timedelta(minutes=60), "info"),
        ],
    )  # fmt: skip
    def test_last_taken(self, text: str, code: str, within: timedelta, found: str) -> None:
        fact = takes(text)
        route: dict[str, Any] = {"planned_route": Route.IN} if "NASAL" in code else {}

        def told(*moments: datetime | None) -> str:
            answers = [new(LastTaken, NOW, medication_id=fact.id, taken_at=moment) for moment in moments]
            return outcome(with_facts(fact, *answers, dosing=True, **route), code)

        assert told() == f"missing:{found}"
        assert told(None) == f"missing:{found}"
        assert told(DOSING_AT - within) == ""
        assert told(DOSING_AT - within + timedelta(minutes=1)) == found
        assert told(DOSING_AT - within, None) == f"missing:{found}"
        assert told(DOSING_AT - within, DOSING_AT - timedelta(minutes=5)) == found
        stale = new(LastTaken, NOW - timedelta(days=1), medication_id=fact.id, taken_at=DOSING_AT - timedelta(days=9))
        assert outcome(with_facts(fact, stale, dosing=True, **route), code) == f"missing:{found}"
        assert outcome(with_facts(fact, **route), code) == ""

    @pytest.mark.parametrize(
        ("hours", "sedated", "expected"),
        [
            (5.9, True, "block"), (6, True, ""), (5.9, False, ""), (5.9, None, "missing:block"), (None, True, "missing:block"), (None, False, ""), (6, None, ""),
        ],
    )  # fmt: skip
    def test_opioid_and_sedated(self, hours: float | None, sedated: bool | None, expected: str) -> None:
        fact = takes("oxycodone 5")
        taken_at = None if hours is None else DOSING_AT - timedelta(hours=hours)
        facts = with_facts(
            fact, new(LastTaken, NOW, medication_id=fact.id, taken_at=taken_at), said(Q.SEDATED, sedated, NOW), dosing=True, without=["awake"]
        )  # fmt: skip
        assert outcome(facts, "MED-OPIOID-DAY") == expected
        assert outcome(facts, "MED-OPIOID") == "override"
