"""Who may be treated at all, and what the answers about suicide come to: domain.md 1.2 and 1.3 on both sides of each edge."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from assessments.facts import (
    Disposition,
    Indicated,
    Indication,
    SafetyAnswer,
    SafetyInstrument,
    SafetyResult,
    SymptomInstrument,
    SymptomScore,
    TreatmentTrial,
)
from assessments.screening import Binds
from tests.assessments.policy import LIMITS
from tests.assessments.screened import BLOCK, CLEAN, DENVER, NOW, Q, flags, new, outcome, said, with_facts


class TestEligibility:
    @pytest.mark.parametrize(
        ("trials", "expected"),
        [
            ([(True, True, True)] * 2, ""), ([(True, True, True)], "override"), ([(True, True, True), (True, True, None)], "missing:override"),
            ([(True, True, True), (True, True, False)], "override"), ([(False, True, True)] * 3, "override"), ([], "missing:override"),
        ],
    )  # fmt: skip
    def test_depression_needs_two_adequate_trials(self, trials: list[tuple[bool | None, ...]], expected: str) -> None:
        made = [new(TreatmentTrial, adequate=a, failed=f, current_episode=c) for a, f, c in trials]
        facts = with_facts(new(Indicated, indication=Indication.TRD), *made, without=["for"])
        assert outcome(facts, "ELIG-INDICATION") == expected

    def test_what_the_clinic_does_not_treat(self) -> None:
        narrow = replace(LIMITS, indications=frozenset({Indication.TRD}))
        assert outcome(CLEAN, "ELIG-INDICATION", narrow) == "override"
        assert outcome(with_facts(without=["for"]), "ELIG-INDICATION") == "missing:override"

    @pytest.mark.parametrize(
        ("phq9", "gad7", "expected"),
        [(10, 0, ""), (9, 10, ""), (9, 9, "override"), (9, None, "missing:override"), (None, 10, ""), (None, None, "missing:override")],
    )  # fmt: skip
    def test_symptom_floor(self, phq9: int | None, gad7: int | None, expected: str) -> None:
        made = [
            new(SymptomScore, instrument=SymptomInstrument.PHQ_9, total=phq9), new(SymptomScore, instrument=SymptomInstrument.GAD_7, total=gad7)
        ]  # fmt: skip
        assert outcome(with_facts(*made, without=["phq9", "gad7"]), "ELIG-FLOOR") == expected

    def test_getting_better_closes_no_door(self) -> None:
        better = [new(SymptomScore, NOW, instrument=one, total=2) for one in SymptomInstrument]
        assert outcome(with_facts(*better), "ELIG-FLOOR") == "override"
        assert outcome(with_facts(*better, first_dosed_at=NOW - timedelta(days=9)), "ELIG-FLOOR") == ""

    @pytest.mark.parametrize(("value", "expected"), [(True, ""), (False, "block"), (None, "missing:block")])
    def test_capacity(self, value: bool | None, expected: str) -> None:
        assert (
            outcome(with_facts(said(Q.CAN_CONSENT, value), without=["said-can_consent"]), "ELIG-CAPACITY") == expected
        )

    @pytest.mark.parametrize(("value", "expected"), [(True, ""), (False, "block"), (None, "missing:block")])
    def test_escort_holds_doses_and_not_the_clearance(self, value: bool | None, expected: str) -> None:
        facts = with_facts(said(Q.ESCORT_POSSIBLE, value), without=["said-escort_possible"])
        assert outcome(facts, "SOC-ESC") == expected
        for flag in flags(facts, "SOC-ESC"):
            assert flag.binds is Binds.DOSING
            assert flag.holds_dose
            assert not flag.suspends_clearance

    @pytest.mark.parametrize(
        ("remote", "seen", "today", "expected"),
        [
            (False, None, date(2027, 1, 1), ""), (True, True, date(2027, 1, 1), ""), (True, False, date(2026, 12, 31), "info"),
            (True, None, date(2026, 12, 31), "info"), (True, False, date(2027, 1, 1), "block"), (True, None, date(2027, 1, 1), "missing:block"),
            (None, True, date(2026, 12, 31), "missing:block"),
        ],
    )  # fmt: skip
    def test_seen_in_person_before_prescribing_from_afar(
        self, remote: bool | None, seen: bool | None, today: date, expected: str
    ) -> None:
        facts = with_facts(
            said(Q.PRESCRIBED_REMOTELY, remote), said(Q.IN_PERSON_EVALUATION, seen), without=["said-prescribed_remotely"]
        )  # fmt: skip
        assert (
            outcome(facts, "ELIG-REMOTE", now=datetime(today.year, today.month, today.day, 9, tzinfo=DENVER))
            == expected
        )


CSSRS, ASQ, ITEM9 = SafetyInstrument.CSSRS, SafetyInstrument.ASQ, SafetyInstrument.PHQ9_ITEM_9
R = SafetyResult


class TestSuicideRisk:
    @pytest.mark.parametrize(
        ("instrument", "result", "expected"),
        [
            (CSSRS, R.NEGATIVE, ""), (CSSRS, R.LOW, ""), (CSSRS, R.MODERATE, ""), (CSSRS, R.HIGH, "block"), (ASQ, R.NEGATIVE, ""), (ASQ, R.POSITIVE, ""),
            (ASQ, R.ACUTE, "block"), (CSSRS, None, "missing:block"),
        ],
    )  # fmt: skip
    def test_a_screen(self, instrument: SafetyInstrument, result: SafetyResult | None, expected: str) -> None:
        facts = with_facts(new(SafetyAnswer, instrument=instrument, result=result), without=["cssrs"])
        assert outcome(facts, "PSY-SUI") == expected

    @pytest.mark.parametrize("result", [R.LOW, R.MODERATE, R.HIGH, None])
    def test_a_positive_or_skipped_item_9_asks_for_a_screen(self, result: SafetyResult | None) -> None:
        later = new(SafetyAnswer, NOW, instrument=ITEM9, result=result)
        assert outcome(with_facts(later), "PSY-SUI") == "missing:block"
        screened = new(SafetyAnswer, NOW, instrument=CSSRS, result=R.LOW)
        assert outcome(with_facts(later, screened), "PSY-SUI") == ""

    def test_only_a_prescribers_later_screen_lifts(self) -> None:
        high = new(SafetyAnswer, NOW - timedelta(days=2), instrument=CSSRS, result=R.HIGH)
        later = new(SafetyAnswer, NOW - timedelta(days=1), instrument=CSSRS, result=R.LOW)
        (flag,) = flags(with_facts(high, later), "PSY-SUI")
        assert (flag.severity, flag.trigger, later.id in flag.contradicted_by) == (BLOCK, high.id, True)
        assert outcome(with_facts(high, replace(later, by_prescriber=True)), "PSY-SUI") == ""
        before = replace(later, by_prescriber=True, at=NOW - timedelta(days=3))
        assert outcome(with_facts(high, before), "PSY-SUI") == "block"

    @pytest.mark.parametrize("result", [R.LOW, R.MODERATE, R.HIGH])
    def test_a_positive_answer_on_the_day_holds_the_dose_until_a_clinician_settled_it(
        self, result: SafetyResult
    ) -> None:
        positive = new(SafetyAnswer, NOW, instrument=ITEM9, result=result)
        (flag,) = flags(with_facts(positive, dosing=True), "RISK-DAY")
        assert (flag.severity, flag.binds, flag.trigger) == (BLOCK, Binds.DAY, positive.id)
        settled = new(Disposition, NOW, answer_id=positive.id)
        assert outcome(with_facts(positive, settled, dosing=True), "RISK-DAY") == ""
        yesterday = replace(positive, at=NOW - timedelta(days=1))
        assert outcome(with_facts(yesterday, dosing=True), "RISK-DAY") == ""
        assert outcome(with_facts(positive), "RISK-DAY") == ""

    def test_answering_again_settles_nothing(self) -> None:
        positive = new(SafetyAnswer, NOW, instrument=ITEM9, result=R.HIGH)
        again = new(SafetyAnswer, NOW + timedelta(minutes=5), instrument=ITEM9, result=R.NEGATIVE, corrects=positive.id)
        (flag,) = flags(with_facts(positive, again, dosing=True), "RISK-DAY")
        assert flag.awaits_prescriber
        assert flag.trigger == positive.id

    def test_a_skipped_or_missing_screen_on_the_day(self) -> None:
        assert outcome(with_facts(dosing=True, without=["cssrs-today"]), "RISK-DAY") == "missing:block"
        skipped = new(SafetyAnswer, NOW, instrument=ITEM9, result=None)
        assert outcome(with_facts(skipped, dosing=True), "RISK-DAY") == "missing:block"
