"""The rules as a whole: nothing without a reason, corrections, limits, and until when a decision holds. Source: domain.md 1.2 to 1.6."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assessments import screening
from assessments.eligibility import add_months, age_on, clearance_expiry, override_expiry
from assessments.facts import (
    Facts,
    PregnancyTest,
)
from assessments.medicines import MedicineClass
from assessments.screening import Finding, ScreeningLimits, screen
from tests.assessments.policy import CLEARANCE, LIMITS, VALUES
from tests.assessments.screened import (
    BLOCK,
    CLEAN,
    DOSING_AT,
    NOW,
    K,
    Q,
    S,
    condition,
    new,
    outcome,
    said,
    with_facts,
)


class TestTheClean:
    def test_nobody_is_stopped_without_a_reason(self) -> None:
        assert screen(CLEAN, LIMITS, NOW) == ()

    def test_nor_on_the_day(self) -> None:
        assert screen(with_facts(dosing=True), LIMITS, NOW) == ()

    def test_of_nobody_is_anything_assumed(self) -> None:
        """With no facts at all, every rule that asks for a fact asks for it."""
        raised = screen(Facts(), LIMITS, NOW)
        assert {flag.finding for flag in raised} == {Finding.MISSING}
        silent = {rule.code for rule in screening.RULES} - {flag.code for flag in raised}
        # These speak of medicines, of the day of a dose, or ask their question under another code.
        assert {code for code in silent if not code.startswith("MED-")} == {"REP-UNK", "RISK-DAY", "SUB-INTOX"}
        assert any(flag.code == "MED-LIST" for flag in raised)

    def test_on_the_day_of_a_dose_the_day_is_asked_too(self) -> None:
        raised = screen(Facts(dosing_at=DOSING_AT), LIMITS, NOW)
        assert {"REP-UNK", "RISK-DAY", "SUB-INTOX"} <= {flag.code for flag in raised if flag.severity is BLOCK}

    def test_every_rule_of_the_domain_is_here(self) -> None:
        of_1_3 = {
            "CV-ANEUR", "NEURO-ICH", "ALL-KET", "CV-BPHAZ", "CV-HTN-UNC", "CV-HTN-CTL", "CV-EVENT", "CV-HF", "CV-ARR", "NEURO-ICP", "NEURO-SZ", "NEURO-COG",
            "PSY-PSYCH", "PSY-PSYHX", "PSY-MANIA", "PSY-BP1", "PSY-DISS", "PSY-SUI", "SUB-INTOX", "SUB-KET", "SUB-SUD", "REP-PREG", "REP-UNK", "REP-LACT",
            "HEP-SEV", "HEP-MOD", "REN/BLAD", "END-THY", "RESP", "EYE-IOP", "MET-PORPH", "AGE-65", "SOC-ESC", "PSY-BPD",
        }  # fmt: skip
        codes = [rule.code for rule in screening.RULES]
        assert of_1_3 <= set(codes)
        assert len(codes) == len(set(codes))
        assert all(rule.version >= 1 and rule.source.startswith("domain.md") for rule in screening.RULES)
        assert {row.medicine_class for row in screening.MEDICINE_ROWS} | screening.WITHOUT_RULE == set(MedicineClass)


class TestCorrections:
    """A BLOCK goes only by a prescriber's correction; anybody else's is kept in sight."""

    def test_a_prescribers_correction_lifts(self) -> None:
        wrong = condition(K.ANEURYSM, S.CURRENT)
        right = condition(K.ANEURYSM, S.ABSENT, at=NOW, corrects=wrong.id, by_prescriber=True)
        assert screen(with_facts(wrong, right), LIMITS, NOW) == ()

    def test_anybody_elses_waits_for_a_prescriber(self) -> None:
        wrong = condition(K.ANEURYSM, S.CURRENT)
        right = condition(K.ANEURYSM, S.ABSENT, at=NOW, corrects=wrong.id)
        (flag,) = screen(with_facts(wrong, right), LIMITS, NOW)
        assert (flag.code, flag.severity, flag.awaits_prescriber, flag.suspends_clearance) == (
            "CV-ANEUR",
            BLOCK,
            True,
            True,
        )
        confirmed = condition(K.ANEURYSM, S.ABSENT, at=NOW + timedelta(hours=1), corrects=right.id, by_prescriber=True)
        assert screen(with_facts(wrong, right, confirmed), LIMITS, NOW) == ()

    def test_an_escort_is_found_by_the_desk(self) -> None:
        none = said(Q.ESCORT_POSSIBLE, False)
        found = said(Q.ESCORT_POSSIBLE, True, NOW, corrects=none.id)
        assert outcome(with_facts(none), "SOC-ESC") == "block"
        assert outcome(with_facts(none, found), "SOC-ESC") == ""

    def test_a_correction_to_an_earlier_hour_still_corrects(self) -> None:
        """What was written later corrects, though it says that the test was taken earlier."""
        wrong = new(PregnancyTest, at=NOW, positive=True, by_prescriber=True)
        right = new(
            PregnancyTest, at=NOW - timedelta(hours=3), recorded_at=NOW + timedelta(minutes=5), positive=False,
            corrects=wrong.id, by_prescriber=True,
        )  # fmt: skip
        assert "REP-PREG" not in {flag.code for flag in screen(with_facts(wrong, right), LIMITS, NOW)}

    def test_a_circle_of_corrections_hides_nothing(self) -> None:
        one = condition(K.ANEURYSM, S.CURRENT, id="one", corrects="two", by_prescriber=True)
        two = condition(K.ANEURYSM, S.CURRENT, id="two", corrects="one", by_prescriber=True)
        itself = condition(K.PORPHYRIA_ACUTE, S.CURRENT, id="itself", corrects="itself", by_prescriber=True)
        raised = screen(with_facts(one, two, itself), LIMITS, NOW)
        assert [flag.code for flag in raised if flag.severity is BLOCK] == ["CV-ANEUR", "MET-PORPH"]

    def test_a_fact_corrects_only_what_is_older(self) -> None:
        wrong = condition(K.ANEURYSM, S.CURRENT, at=NOW)
        before = condition(K.ANEURYSM, S.ABSENT, at=NOW - timedelta(days=1), corrects=wrong.id, by_prescriber=True)
        assert outcome(with_facts(wrong, before), "CV-ANEUR") == "block"

    def test_two_facts_of_one_id_and_times_without_a_zone_are_refused(self) -> None:
        fact = condition(K.ANEURYSM, S.CURRENT)
        with pytest.raises(ValueError, match="id of its own"):
            Facts(known=(fact, fact))
        naive = datetime(2026, 11, 23, 9)  # noqa: DTZ001  the refusal is the point
        for refused in (
            lambda: condition(K.ANEURYSM, S.CURRENT, at=naive),
            lambda: Facts(dosing_at=naive),
            lambda: screen(CLEAN, LIMITS, naive),
        ):
            with pytest.raises(ValueError, match="zone"):
                refused()


class TestLimits:
    def test_a_policy_without_a_limit_is_refused(self) -> None:
        def without(values: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
            head, *rest = path
            left = {key: value for key, value in values.items() if rest or key != head}
            return left | {head: without(values[head], tuple(rest))} if rest else left

        paths = [("screening", key) for key in VALUES["screening"]] + [("vitals", "spo2_min"), ("weight_max_age_days",)]
        for path in paths:
            with pytest.raises(KeyError):
                ScreeningLimits.from_policy(without(VALUES, path))

    def test_every_number_is_the_policys(self) -> None:
        """A rule with a number of its own would not move with the policy."""
        stricter = replace(
            LIMITS,
            bp_high_systolic=120,
            adult_years=40,
            audit_c_override=2,
            liver_block_times_uln=Decimal("0.5"),
            spo2_min=99,
        )
        assert {flag.code for flag in screen(CLEAN, stricter, NOW)} == {
            "CV-HTN-UNC",
            "ELIG-AGE",
            "SUB-SUD",
            "HEP-SEV",
            "RESP",
        }


class TestExpiry:
    @pytest.mark.parametrize(
        ("dosed_after", "expected"),
        [(None, 90), (0, 90), (59, 90), (60, 90), (61, 91), (149, 179), (150, 180), (151, 180), (400, 180), (-30, 90)],
    )
    def test_clearance(self, dosed_after: int | None, expected: int) -> None:
        """90 days, or 30 after the last session if later, and 180 at most."""
        decided = date(2026, 11, 23)
        dosed = None if dosed_after is None else decided + timedelta(days=dosed_after)
        assert clearance_expiry(decided, dosed, CLEARANCE) == decided + timedelta(days=expected)

    @given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.none() | st.dates(date(2000, 1, 1), date(2100, 1, 1)))
    def test_a_session_never_shortens_a_clearance_nor_stretches_it_beyond_its_cap(
        self, decided: date, dosed: date | None
    ) -> None:
        expiry = clearance_expiry(decided, dosed, CLEARANCE)
        assert decided + timedelta(days=90) <= expiry <= decided + timedelta(days=180)

    def test_override(self) -> None:
        assert override_expiry(date(2026, 11, 23), LIMITS.override_days) == date(2027, 2, 21)

    @pytest.mark.parametrize(
        ("day", "months", "expected"),
        [(date(2026, 8, 31), 6, date(2027, 2, 28)), (date(2027, 8, 31), 6, date(2028, 2, 29)), (date(2026, 12, 31), 1, date(2027, 1, 31)), (date(2026, 1, 31), -2, date(2025, 11, 30))],
    )  # fmt: skip
    def test_months(self, day: date, months: int, expected: date) -> None:
        assert add_months(day, months) == expected

    def test_born_on_a_leap_day(self) -> None:
        assert age_on(date(2008, 2, 29), date(2026, 2, 28)) == 17
        assert age_on(date(2008, 2, 29), date(2026, 3, 1)) == 18
