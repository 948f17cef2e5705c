"""What is taken beside ketamine: domain.md 1.4 on both sides of each edge."""

from dataclasses import replace
from decimal import Decimal

import pytest

from assessments import screening
from assessments.facts import (
    Route,
    Taking,
)
from assessments.screening import Finding, screen
from tests.assessments.policy import LIMITS
from tests.assessments.screened import INFO, NOW, OVERRIDE, M, Q, flags, outcome, said, takes, with_facts


class TestMedicines:
    @pytest.mark.parametrize("row", screening.MEDICINE_ROWS, ids=lambda row: row.code)
    def test_each_class(self, row: screening.MedicineRow) -> None:
        texts = {
            M.ALCOHOL: "wine", M.ANTIDEPRESSANTS: "zoloft 50", M.ANTIHYPERTENSIVES: "lisinopril", M.ANTIPSYCHOTICS: "haldol", M.BENZODIAZEPINES: "ativan 0.5",
            M.CANNABIS: "edibles", M.CYP_INDUCERS: "st john's wort", M.CYP_INHIBITORS: "grapefruit", M.GABAPENTINOIDS: "gabapentin", M.GLP1: "ozempic",
            M.LAMOTRIGINE: "lamictal", M.MAOI: "nardil", M.MUSCLE_RELAXANTS: "flexeril", M.NALTREXONE: "vivitrol", M.NASAL_SPRAYS: "flonase",
            M.NMDA_ANTAGONISTS: "auvelity", M.OPIOIDS: "norco", M.PRESSORS: "sudafed", M.SEDATING_ANTIHISTAMINES: "benadryl", M.SEDATIVE_HYPNOTICS: "lunesta",
            M.STIMULANTS: "adderall", M.THEOPHYLLINE: "theophylline", M.THYROID: "synthroid",
        }  # fmt: skip
        fact = takes(texts[row.medicine_class])
        (flag,) = flags(with_facts(fact, planned_route=None), row.code)
        assert (flag.severity, flag.trigger, flag.is_soft) == (row.severity, fact.id, row.is_soft)
        assert fact.text in flag.sentence
        assert "%(" not in flag.sentence
        assert bool(flag.override_needs) == (flag.severity is OVERRIDE)
        assert outcome(with_facts(replace(fact, taking=Taking.STOPPED)), row.code) == ""
        assert outcome(with_facts(replace(fact, taking=Taking.UNKNOWN), planned_route=None), row.code) == row.severity

    def test_severities_are_the_domains(self) -> None:
        overrides = {row.code for row in screening.MEDICINE_ROWS if row.severity is OVERRIDE}
        assert overrides == {"MED-BENZO", "MED-OPIOID", "MED-GABA", "MED-MAOI", "MED-STIM", "MED-PRESSOR", "MED-CYP-INH", "MED-THEO", "MED-NMDA"}  # fmt: skip
        assert {row.code for row in screening.MEDICINE_ROWS if row.is_soft} == {"MED-GABA", "MED-PRESSOR", "MED-NMDA"}
        asked = {row.code for row in screening.MEDICINE_ROWS if row.ask_before_dose}
        assert {"MED-BENZO", "MED-STIM", "MED-BP", "MED-ALCOHOL", "MED-THC", "MED-ANTIHIST", "MED-RELAX"} <= asked

    @pytest.mark.parametrize(
        ("route", "expected"), [(Route.IN, "info"), (None, "info"), (Route.SL, ""), (Route.IM, "")]
    )
    def test_a_nasal_spray_matters_by_the_nose(self, route: Route | None, expected: str) -> None:
        assert outcome(with_facts(takes("flonase"), planned_route=route), "MED-NASAL") == expected

    def test_lithium_and_known_medicines_raise_nothing(self) -> None:
        assert (
            screen(
                with_facts(takes("lithium 900"), takes("metformin 500 bid"), takes("wellbutrin xl 300")), LIMITS, NOW
            )
            == ()
        )

    def test_one_line_with_two_is_two_flags(self) -> None:
        raised = screen(with_facts(takes("ativan/ambien", lorazepam_mg_a_day=Decimal(1))), LIMITS, NOW)
        assert [flag.code for flag in raised] == ["MED-BENZO", "MED-SEDHYP"]

    @pytest.mark.parametrize(
        ("milligrams", "expected"),
        [(["3"], ""), (["3.01"], "override"), (["2", "1.5"], "override"), (["1", None], "missing:override"), (["4", None], "override"), ([None], "missing:override")],
    )  # fmt: skip
    def test_more_than_three_milligrams_of_lorazepam(self, milligrams: list[str | None], expected: str) -> None:
        facts = with_facts(*(takes("klonopin", lorazepam_mg_a_day=one and Decimal(one)) for one in milligrams))
        assert outcome(facts, "MED-BENZO-DOSE") == expected

    def test_an_unread_medicine_is_a_question_until_a_prescriber_says_what_it_is(self) -> None:
        fact = takes("blorptex 20")
        (flag,) = flags(with_facts(fact), "MED-UNREAD")
        assert (flag.finding, flag.trigger, flag.holds_dose, flag.may_be_overridden) == (
            Finding.UNREAD,
            fact.id,
            True,
            False,
        )
        assert "blorptex" in flag.sentence
        by_desk = replace(fact, confirmed_as=frozenset())
        assert outcome(with_facts(by_desk), "MED-UNREAD") == "unread"
        assert screen(with_facts(replace(by_desk, by_prescriber=True)), LIMITS, NOW) == ()
        known = replace(fact, confirmed_as=frozenset({M.MAOI}), by_prescriber=True)
        assert [flag.code for flag in screen(with_facts(known), LIMITS, NOW)] == ["MED-MAOI"]

    def test_what_somebody_else_made_of_a_line_adds_and_never_takes_away(self) -> None:
        fact = takes("oxycodone", confirmed_as=frozenset({M.THYROID}))
        assert {flag.code for flag in screen(with_facts(fact), LIMITS, NOW)} == {"MED-OPIOID", "MED-THYROID"}

    def test_a_reading_by_spelling_is_shown(self) -> None:
        (flag,) = flags(with_facts(takes("lorazzepm")), "MED-SPELLING")
        assert (flag.severity, flag.sentence) == (INFO, "lorazzepm was read as lorazepam, by its spelling.")

    def test_a_doubtful_reading_counts_and_holds_the_dose(self) -> None:
        raised = {flag.code: flag for flag in screen(with_facts(takes("plaxil 20")), LIMITS, NOW)}
        assert set(raised) == {"MED-SEROTONIN", "MED-SPELLING", "MED-UNREAD"}
        assert raised["MED-UNREAD"].sentence == "Check: plaxil 20 may be paroxetine."
        assert raised["MED-UNREAD"].holds_dose

    def test_ketamine_from_elsewhere(self) -> None:
        assert outcome(with_facts(takes("ketamine troches")), "MED-UNREAD") == "unread"

    def test_an_empty_list_says_nothing_until_somebody_says_so(self) -> None:
        assert outcome(with_facts(without=["said-medicines_complete"]), "MED-LIST") == "missing:override"
        assert outcome(with_facts(said(Q.MEDICINES_COMPLETE, False)), "MED-LIST") == "missing:override"
