"""Every rule and vector of domain.md 2.2 and appendix B, and what must hold whatever somebody answers."""

import dataclasses
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assessments import definitions, instrumentfiles, scoring
from assessments.instrument import Definition, Item, Kind
from assessments.scoring import (
    CutOffState,
    Entered,
    InvalidAnswers,
    NoTotal,
    Score,
    prorate,
    score,
    score_paper_total,
)

ALL = definitions.all_current()
PHQ, GAD, PCL, WHO, AUDIT, CSSRS, ASQ, QIDS, MADRS, DAST, ISI, MEQ, CADSS, PTQ, RRS, DAILY, AFTER = (
    definitions.current(code)
    for code in (
        "phq-9", "gad-7", "pcl-5", "who-5", "audit-c", "c-ssrs", "asq", "qids-sr16", "madrs", "dast-10", "isi",
        "meq-30", "cadss", "ptq", "rrs-10", "daily-life", "after-dose",
    )
)  # fmt: skip
WITH_TOTAL = [d for d in ALL if d.low is not None]


def named(definition: Definition, values: "list[int | None]") -> dict[str, int | None]:
    """Return answers in the order of the form's items that are no texts; fewer values than items leave the rest out."""
    items = [item.id for item in definition.items if item.kind is not Kind.TEXT]
    return dict(zip(items, values, strict=False))


def scored(definition: Definition, *values: int | None) -> Score:
    return score(definition, named(definition, list(values)))


def band(result: Score) -> str | None:
    return None if result.band is None else result.band.id


def category(result: Score) -> str | None:
    return None if result.category is None else result.category.id


class TestVectors:
    """Appendix B."""

    @pytest.mark.parametrize(
        ("values", "total", "of_band", "prorated"),
        [
            ([3] * 9, 27, "severe", False),
            ([0] * 8 + [1], 1, "minimal", False),
            ([2, 2, 2, 2, 2, 2, None, None, 2], 18, "moderately_severe", True),
            ([1, 2, 1, None, 1, 2, 1, 1, 0], 10, "moderate", True),
        ],
    )
    def test_phq_9(self, values: list[int | None], total: int, of_band: str, prorated: bool) -> None:
        result = scored(PHQ, *values)
        assert (result.total, band(result), result.prorated) == (total, of_band, prorated)

    def test_phq_9_with_three_blanks_has_no_score(self) -> None:
        result = scored(PHQ, None, None, None, 1, 1, 1, 1, 1, 1)
        assert (result.total, result.reason, result.band) == (None, NoTotal.TOO_MANY_MISSING, None)

    def test_phq_9_item_9_is_never_imputed(self) -> None:
        result = scored(PHQ, 0, 0, 0, 0, 0, 0, 0, 0, None)
        assert (result.total, result.reason) == (None, NoTotal.NEVER_IMPUTED)
        assert (result.imputed, result.missing) == ((), ("q9",))

    def test_qids_takes_the_highest_of_each_domain(self) -> None:
        values = [1, 2, 0, 3, 2, 0, 1, 0, 2, 1, 2, 0, 2, 1, 1, 0]
        result = scored(QIDS, *values)
        assert (sum(values), result.total, band(result)) == (18, 14, "moderate")

    @pytest.mark.parametrize(
        ("values", "total", "state", "clusters", "dsm"),
        [
            (
                [2, 1, 0, 0, 0, 0, 2, 2, 2, 0, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0],
                13, CutOffState.BELOW, {"b": True, "c": True, "d": True, "e": True}, True,
            ),
            (
                [4] * 5 + [0, 0] + [4, 4, 0, 0, 0, 0, 0] + [4, 4, 0, 0, 0, 0],
                36, CutOffState.POSITIVE, {"b": True, "c": False, "d": True, "e": True}, False,
            ),
        ],
    )  # fmt: skip
    def test_pcl_5_shows_cut_off_and_clusters_beside_each_other(
        self, values: list[int], total: int, state: CutOffState, clusters: dict[str, bool], dsm: bool
    ) -> None:
        result = scored(PCL, *values)
        assert (result.total, result.cut_off("screen").state) == (total, state)
        assert {fact.id: fact.met for fact in result.facts} == {**clusters, "all": dsm}

    @pytest.mark.parametrize(("raw", "percent", "of_band"), [(12, 48, "low"), (13, 52, "not_low")])
    def test_who_5(self, raw: int, percent: int, of_band: str) -> None:
        result = scored(WHO, 5, 5, raw - 10, 0, 0)
        assert (result.raw, result.total, band(result)) == (raw, percent, of_band)

    def test_audit_c_of_a_woman_who_drinks_one_often(self) -> None:
        result = scored(AUDIT, 4, 0, 0)
        assert (result.total, result.cut_off("women").state) == (4, CutOffState.POSITIVE)
        assert result.notes == ("all_from_item_1",)

    @pytest.mark.parametrize(
        ("answers", "expected"),
        [
            ({"q1": 1, "q2": 0, "q6": 0}, "low"),
            ({"q1": 1, "q2": 1, "q3": 1, "q4": 0, "q5": 0, "q6": 0}, "moderate"),
            ({"q1": 0, "q2": 0, "q3": 0, "q4": 0, "q5": 0, "q6": 1, "q6_3months": 1}, "high"),
        ],
    )
    def test_c_ssrs(self, answers: dict[str, int], expected: str) -> None:
        result = score(CSSRS, answers)
        assert (category(result), result.missing, result.notes) == (expected, (), ())


class TestBands:
    @pytest.mark.parametrize("definition", [d for d in ALL if d.bands], ids=lambda d: d.code)
    def test_both_ends_of_every_band(self, definition: Definition) -> None:
        for of_band in definition.bands:
            for total in (of_band.low, of_band.high):
                assert definition.band_of(total) is of_band
        assert definition.band_of(definition.bands[-1].high + 1) is None
        assert definition.band_of(definition.bands[0].low - 1) is None

    @pytest.mark.parametrize(
        ("definition", "cut", "total", "state"),
        [
            (PHQ, "screen", 9, CutOffState.BELOW), (PHQ, "screen", 10, CutOffState.POSITIVE),
            (GAD, "screen", 9, CutOffState.BELOW), (GAD, "screen", 10, CutOffState.POSITIVE),
            (PCL, "screen", 30, CutOffState.BELOW), (PCL, "screen", 31, CutOffState.GREY),
            (PCL, "screen", 32, CutOffState.GREY), (PCL, "screen", 33, CutOffState.POSITIVE),
            (AUDIT, "men", 3, CutOffState.BELOW), (AUDIT, "men", 4, CutOffState.POSITIVE),
            (AUDIT, "women", 2, CutOffState.BELOW), (AUDIT, "women", 3, CutOffState.POSITIVE),
            (AUDIT, "high", 7, CutOffState.BELOW), (AUDIT, "high", 8, CutOffState.POSITIVE),
            (DAST, "high", 5, CutOffState.BELOW), (DAST, "high", 6, CutOffState.POSITIVE),
            (CADSS, "dissociation", 4, CutOffState.BELOW), (CADSS, "dissociation", 5, CutOffState.POSITIVE),
        ],
    )  # fmt: skip
    def test_both_sides_of_every_cut_off(
        self, definition: Definition, cut: str, total: int, state: CutOffState
    ) -> None:
        assert score_paper_total(definition, total).cut_off(cut).state is state

    def test_a_withheld_total_stands_at_no_cut_off(self) -> None:
        result = scored(AUDIT, 4, 4, None)
        assert (result.total, result.cut_offs, result.band) == (None, (), None)
        with pytest.raises(KeyError):
            result.cut_off("men")


class TestMissing:
    @pytest.mark.parametrize(
        ("total", "answered", "items", "expected"),
        [(4, 8, 9, 5), (12, 8, 9, 14), (9, 8, 9, 10), (14, 7, 9, 18), (0, 8, 9, 0), (24, 8, 9, 27), (3, 6, 7, 4)],
    )
    def test_prorating_rounds_halves_up(self, total: int, answered: int, items: int, expected: int) -> None:
        assert prorate(total, answered, items) == expected

    @pytest.mark.parametrize(
        ("definition", "blanks", "reason"),
        [
            (PHQ, 0, None), (PHQ, 1, None), (PHQ, 2, None), (PHQ, 3, NoTotal.TOO_MANY_MISSING), (PHQ, 8, NoTotal.TOO_MANY_MISSING),
            (GAD, 0, None), (GAD, 1, None), (GAD, 2, NoTotal.TOO_MANY_MISSING), (GAD, 7, NoTotal.TOO_MANY_MISSING),
            (WHO, 1, NoTotal.INCOMPLETE), (AUDIT, 1, NoTotal.INCOMPLETE), (PTQ, 1, NoTotal.INCOMPLETE),
            (RRS, 1, NoTotal.INCOMPLETE), (MADRS, 1, NoTotal.INCOMPLETE), (DAST, 1, NoTotal.INCOMPLETE),
            (ISI, 1, NoTotal.INCOMPLETE), (MEQ, 1, NoTotal.INCOMPLETE), (CADSS, 1, NoTotal.INCOMPLETE),
            (QIDS, 1, NoTotal.INCOMPLETE), (DAILY, 1, NoTotal.INCOMPLETE),
        ],
    )  # fmt: skip
    def test_how_many_blanks_each_allows(self, definition: Definition, blanks: int, reason: NoTotal | None) -> None:
        answers = {item.id: item.low for item in definition.scored_items[blanks:]}
        result = score(definition, answers)
        assert result.reason is reason
        assert (result.total is None) == (reason is not None)
        assert len(result.missing) == blanks
        assert result.imputed == (result.missing if reason is None else ())

    @pytest.mark.parametrize(
        ("blank", "reason"),
        [
            (["q1"], None), (["q1", "q6"], None), (["q8", "q20"], None), (["q6"], None),
            (["q1", "q2"], NoTotal.TOO_MANY_MISSING_IN_ONE_PART), (["q6", "q7"], NoTotal.TOO_MANY_MISSING_IN_ONE_PART),
            (["q1", "q6", "q8"], NoTotal.TOO_MANY_MISSING),
        ],
    )  # fmt: skip
    def test_pcl_5_allows_two_in_all_and_one_in_a_cluster(self, blank: list[str], reason: NoTotal | None) -> None:
        answers = {item.id: 2 for item in PCL.items if item.id not in blank}
        result = score(PCL, answers)
        assert result.reason is reason
        assert result.total == (None if reason else 40)

    def test_a_part_with_a_blank_has_no_sum(self) -> None:
        result = score(PCL, {item.id: 2 for item in PCL.items if item.id != "q1"})
        assert {part.id: part.total for part in result.parts} == {"b": None, "c": 4, "d": 14, "e": 12}

    def test_the_difficulty_question_is_neither_scored_nor_missed(self) -> None:
        without = scored(PHQ, *[1] * 9)
        with_it = scored(PHQ, *[1] * 9, 3)
        assert (without.total, with_it.total, without.missing) == (9, 9, ())

    def test_a_blank_may_be_said_or_left_out(self) -> None:
        assert scored(PHQ, *[1] * 7, None, 0) == score(PHQ, {**{f"q{n}": 1 for n in range(1, 8)}, "q9": 0})

    @pytest.mark.parametrize(
        ("left_out", "total"),
        [(["q7"], 14), (["q6"], 14), (["q7", "q9"], 12), (["q6", "q7"], None), (["q8", "q9"], None), (["q1"], None)],
    )
    def test_qids_needs_one_of_each_either_or(self, left_out: list[str], total: int | None) -> None:
        values = named(QIDS, [1, 2, 0, 3, 2, 0, 0, 0, 2, 1, 2, 0, 2, 1, 1, 0])
        result = score(QIDS, {k: v for k, v in values.items() if k not in left_out})
        assert result.total == total
        assert not result.prorated

    def test_nothing_answered_is_said_so(self) -> None:
        for definition in WITH_TOTAL:
            result = score(definition, {})
            assert result.total is None
            assert result.reason in {NoTotal.INCOMPLETE, NoTotal.TOO_MANY_MISSING, NoTotal.NEVER_IMPUTED, NoTotal.NOT_A_SUM}  # fmt: skip


class TestParts:
    def test_phq_2(self) -> None:
        assert scored(PHQ, 2, 3, *[0] * 7).part("phq-2").total == 5
        assert scored(PHQ, 2, None, *[0] * 7).part("phq-2").total is None

    def test_short_cadss(self) -> None:
        answers = {f"q{n}": 0 for n in range(1, 24)} | {f"q{n}": 4 for n in (1, 2, 6, 7, 15, 22)}
        result = score(CADSS, answers)
        assert (result.total, result.part("cadss-6").total) == (24, 24)
        assert score(CADSS, {f"q{n}": 4 for n in range(1, 24)} | {"q1": 0}).part("cadss-6").total == 20

    def test_dast_item_3_counts_the_other_way(self) -> None:
        assert scored(DAST, 0, 0, 1, *[0] * 7).total == 0
        assert scored(DAST, 0, 0, 0, *[0] * 7).total == 1
        assert scored(DAST, 1, 1, 0, *[1] * 7).total == 10

    def test_parts_whose_items_nobody_told_us_stay_open(self) -> None:
        result = scored(PTQ, *[2] * 15)
        assert (result.total, {part.total for part in result.parts}) == (30, {None})

    def test_brooding_and_reflection(self) -> None:
        result = scored(RRS, 4, 1, 4, 1, 1, 4, 4, 4, 1, 1)
        assert (result.total, result.part("brooding").total, result.part("reflection").total) == (25, 20, 5)

    @pytest.mark.parametrize(
        ("points", "met"),
        [
            ({"mystical": 45, "positive_mood": 18, "time_space": 18, "ineffability": 9}, True),
            ({"mystical": 44, "positive_mood": 18, "time_space": 18, "ineffability": 9}, False),
            ({"mystical": 45, "positive_mood": 17, "time_space": 18, "ineffability": 9}, False),
            ({"mystical": 45, "positive_mood": 18, "time_space": 17, "ineffability": 9}, False),
            ({"mystical": 45, "positive_mood": 18, "time_space": 18, "ineffability": 8}, False),
            ({"mystical": 75, "positive_mood": 30, "time_space": 30, "ineffability": 15}, True),
        ],
    )
    def test_meq_30_is_complete_at_60_per_cent_of_each(self, points: dict[str, int], met: bool) -> None:
        result = score_paper_total(MEQ, None, points)
        assert (result.total, result.fact("all").met) == (sum(points.values()), met)
        answers: dict[str, int] = {}
        for part, total in points.items():
            for item_id in MEQ.subscale(part).items:
                answers[item_id] = min(5, total)
                total -= answers[item_id]
        by_items = score(MEQ, answers)
        assert (by_items.total, by_items.fact("all").met) == (sum(points.values()), met)


class TestClusters:
    """PCL-5: items of 2 or more count; one of B, one of C, two of D, two of E."""

    ENOUGH = {"q1": 2, "q6": 2, "q8": 2, "q9": 2, "q15": 2, "q16": 2}

    def answers(self, **changes: int | None) -> dict[str, int | None]:
        return {**{f"q{n}": 0 for n in range(1, 21)}, **self.ENOUGH, **changes}

    @pytest.mark.parametrize(("item", "cluster"), [("q1", "b"), ("q6", "c"), ("q8", "d"), ("q15", "e")])
    def test_one_fewer_is_not_enough(self, item: str, cluster: str) -> None:
        assert score(PCL, self.answers()).fact("all").met is True
        result = score(PCL, self.answers(**{item: 1}))
        assert (result.fact(cluster).met, result.fact("all").met) == (False, False)

    def test_a_blank_leaves_open_what_it_could_decide(self) -> None:
        result = score(PCL, self.answers(q1=None))
        assert (result.fact("b").met, result.fact("all").met) == (None, None)
        result = score(PCL, self.answers(q2=None))
        assert (result.fact("b").met, result.fact("all").met) == (True, True)
        result = score(PCL, self.answers(q1=None, q8=0, q9=0))
        assert (result.fact("b").met, result.fact("d").met, result.fact("all").met) == (None, False, False)

    def test_risk_taking_is_noted(self) -> None:
        assert score(PCL, self.answers(q16=2)).notes == ("risk_taking",)
        assert score(PCL, self.answers(q16=1)).notes == ()


class TestAuditC:
    @pytest.mark.parametrize(
        ("values", "noted"), [((4, 0, 0), True), ((1, 0, 0), True), ((4, 1, 0), False), ((0, 0, 0), False)]
    )
    def test_all_from_item_1(self, values: tuple[int, ...], noted: bool) -> None:
        assert ("all_from_item_1" in scored(AUDIT, *values).notes) is noted

    def test_nobody_is_taken_for_a_man_or_a_woman(self) -> None:
        assert {cut.applies_to: cut.state for cut in scored(AUDIT, 3, 0, 0).cut_offs} == {
            "men": CutOffState.BELOW, "women": CutOffState.POSITIVE, "everyone": CutOffState.BELOW,
        }  # fmt: skip


class TestCssrs:
    @pytest.mark.parametrize(
        ("answers", "expected"),
        [
            ({"q1": 0, "q2": 0, "q6": 0}, "none"),
            ({"q1": 0, "q2": 1, "q3": 0, "q4": 0, "q5": 0, "q6": 0}, "low"),
            ({"q1": 0, "q2": 0, "q6": 1, "q6_3months": 0}, "moderate"),
            ({"q1": 1, "q2": 1, "q3": 0, "q4": 1, "q5": 0, "q6": 0}, "high"),
            ({"q1": 1, "q2": 1, "q3": 0, "q4": 0, "q5": 1, "q6": 0}, "high"),
        ],
    )
    def test_categories(self, answers: dict[str, int], expected: str) -> None:
        assert category(score(CSSRS, answers)) == expected

    def test_what_is_not_asked_is_not_missed(self) -> None:
        assert score(CSSRS, {"q1": 0, "q2": 0, "q6": 0}).missing == ()
        assert score(CSSRS, {"q1": 0, "q2": 1, "q6": 1}).missing == ("q3", "q4", "q5", "q6_3months")

    @pytest.mark.parametrize(
        ("answers", "note"),
        [
            ({"q1": 0, "q2": 0}, "at_least_none"),
            ({"q1": 1, "q6": 0}, "at_least_low"),
            ({"q1": 1, "q2": 1, "q3": 1, "q4": 0, "q5": 0}, "at_least_moderate"),
            ({"q1": 0, "q2": 0, "q6": 1}, "at_least_moderate"),
        ],
    )
    def test_a_blank_that_could_make_it_graver_leaves_it_open(self, answers: dict[str, int], note: str) -> None:
        result = score(CSSRS, answers)
        assert (result.category, result.reason, result.notes) == (None, NoTotal.INCOMPLETE, (note,))

    def test_a_blank_that_changes_nothing_does_not(self) -> None:
        assert category(score(CSSRS, {"q2": 1, "q4": 1})) == "high"
        assert category(score(CSSRS, {"q2": 1, "q3": 1, "q4": 0, "q5": 0, "q6": 0})) == "moderate"

    def test_a_yes_out_of_order_counts(self) -> None:
        result = score(CSSRS, {"q1": 0, "q2": 0, "q4": 1, "q6": 0})
        assert (category(result), result.notes) == ("high", ("answered_out_of_order",))


class TestAsq:
    @pytest.mark.parametrize(
        ("values", "expected", "refused"),
        [
            ((0, 0, 0, 0), "negative", False),
            ((1, 0, 0, 0, 0), "positive", False),
            ((0, 1, 0, 0, 0), "positive", False),
            ((0, 0, 1, 0, 0), "positive", False),
            ((0, 0, 0, 1, 0), "positive", False),
            ((0, 0, 0, 1, 1), "acute", False),
            ((0, 0, 0, 1), "positive_unknown", False),
            ((0, 0, 0, None), "positive", True),
            ((None, None, None, None), "positive", True),
            ((1, None, 0, 0, 0), "positive", True),
            ((1, None, 0, 0, 1), "acute", True),
            ((0, 0, 0, 0, 1), "acute", False),
        ],
    )
    def test_outcomes(self, values: tuple[int | None, ...], expected: str, refused: bool) -> None:
        result = scored(ASQ, *values)
        assert (category(result), result.notes == ("refused",), result.total) == (expected, refused, None)

    def test_words_beside_it_change_nothing(self) -> None:
        answers: dict[str, object] = {"q1": 0, "q2": 0, "q3": 0, "q4": 1, "q4_how": "a long time ago", "q5": 0}
        assert category(score(ASQ, answers)) == "positive"


class TestAfterDose:
    def test_there_is_no_total_and_notes_are_single_answers(self) -> None:
        result = scored(AFTER, 3, 3, 2, 1, 3, 0, 1)
        assert (result.total, result.reason) == (None, NoTotal.NOT_A_SUM)
        assert result.notes == ("feels_bad", "effects_strong", "urine", "nobody_to_turn_to", "call_wanted")
        assert scored(AFTER, 0, 0, 0, 0, 0, 1, 0).notes == ()


class TestInvalid:
    @pytest.mark.parametrize("definition", ALL, ids=lambda d: d.code)
    @pytest.mark.parametrize(
        "answer", [-1, 7, 99, True, False, 1.0, math.nan, math.inf, "1", "", b"1", [1], {"value": 1}, (1,), 10**30]
    )
    def test_what_is_no_answer_never_scores(self, definition: Definition, answer: object) -> None:
        item = definition.items[0]
        with pytest.raises(InvalidAnswers) as refused:
            score(definition, {item.id: answer})
        assert refused.value.item == item.id
        assert definition.name in str(refused.value)

    @pytest.mark.parametrize("item", ["q10", "Q1", "", "__class__", "phq-2"])
    def test_unknown_items(self, item: str) -> None:
        with pytest.raises(InvalidAnswers, match="no item"):
            score(GAD, {"q1": 1, item: 1})
        with pytest.raises(InvalidAnswers, match="no item"):
            score(GAD, {"q1": 1, item: None})

    @pytest.mark.parametrize("answer", [1, True, "x" * 2001, ["x"]])
    def test_a_text_is_a_text(self, answer: object) -> None:
        with pytest.raises(InvalidAnswers):
            score(ASQ, {"q4_how": answer})

    def test_a_definition_without_a_scorer_is_refused(self) -> None:
        with pytest.raises(scoring.UnknownScorer, match="sum version 2"):
            score(dataclasses.replace(GAD, scorer=("sum", 2)), {})


class TestPaper:
    def test_items_from_paper_are_marked(self) -> None:
        result = score(ISI, {f"q{n}": 2 for n in range(1, 8)}, entered=Entered.PAPER_ITEMS)
        assert (result.total, result.entered, band(result)) == (14, Entered.PAPER_ITEMS, "subthreshold")

    def test_a_bare_total_is_marked_and_leaves_item_rules_open(self) -> None:
        result = score_paper_total(PCL, 36)
        assert (result.total, result.entered, result.missing) == (36, Entered.PAPER_TOTAL, ())
        assert result.cut_off("screen").state is CutOffState.POSITIVE
        assert {fact.met for fact in result.facts} == {None}

    def test_parts_that_divide_the_total_make_it(self) -> None:
        result = score_paper_total(PTQ, None, {"core": 20, "unproductiveness": 6, "capacity": 4})
        assert (result.total, result.part("core").total) == (30, 20)
        assert score_paper_total(RRS, None, {"brooding": 5, "reflection": 20}).total == 25

    def test_one_part_alone_is_kept_without_a_total(self) -> None:
        result = score_paper_total(PTQ, None, {"core": 20})
        assert (result.total, result.reason, result.part("core").total) == (None, NoTotal.ONLY_PARTS_GIVEN, 20)
        assert score_paper_total(CADSS, None, {"cadss-6": 3}).total is None

    @pytest.mark.parametrize(
        ("definition", "total", "parts"),
        [
            (PHQ, 28, None), (PHQ, -1, None), (PHQ, True, None), (PHQ, 1.0, None), (PHQ, "9", None), (PHQ, None, None),
            (PHQ, math.nan, None), (WHO, 50, None), (WHO, 13, None), (RRS, 9, None), (AFTER, 1, None), (ASQ, 1, None),
            (CSSRS, 1, None), (PTQ, 30, {"core": 37}), (PTQ, 30, {"doubt": 1}), (PTQ, 30, {"core": 31}),
            (PTQ, 30, {"core": 5}), (PTQ, 31, {"core": 20, "unproductiveness": 6, "capacity": 4}),
            (CADSS, 3, {"cadss-6": 4}), (PTQ, None, {"core": None}), (PTQ, 30, {"core": True}),
        ],
    )  # fmt: skip
    def test_impossible_totals_are_refused(
        self, definition: Definition, total: object, parts: dict[str, object] | None
    ) -> None:
        with pytest.raises(InvalidAnswers):
            score_paper_total(definition, total, parts)


@pytest.mark.parametrize("definition", ALL, ids=lambda d: d.code)
def test_a_score_is_plain_data_and_names_what_was_answered(definition: Definition) -> None:
    result = score(definition, {item.id: item.high for item in definition.items if item.kind is not Kind.TEXT})
    data = json.loads(json.dumps(result.as_data()))
    assert data == result.as_data()
    assert data["checksum"] == definition.checksum
    assert (data["code"], data["version"], tuple(data["scorer"])) == (definition.code, 1, definition.scorer)
    assert data["total"] == result.total


def test_each_scorer_is_pinned_by_its_version() -> None:
    """A scorer that scored somebody never changes. Add a version; never edit this list otherwise."""
    assert sorted(scoring.SCORERS) == [
        ("asq", 1), ("audit-c", 1), ("check", 1), ("cssrs", 1), ("qids", 1), ("sum", 1),
    ]  # fmt: skip


def any_answers(definition: Definition) -> st.SearchStrategy[dict[str, Any]]:
    """Return any subset of the items, in any order, each with a value it has or said to be blank."""
    items = [item for item in definition.items if item.kind is not Kind.TEXT]

    def one(item: Item) -> st.SearchStrategy[int | None]:
        return st.one_of(st.none(), st.sampled_from(item.values))

    return st.permutations(items).flatmap(
        lambda order: st.fixed_dictionaries({}, optional={item.id: one(item) for item in order})
    )


instruments = st.sampled_from(ALL)
answered = instruments.flatmap(lambda d: st.tuples(st.just(d), any_answers(d)))


class TestWhateverIsAnswered:
    @settings(max_examples=400, deadline=None)
    @given(answered)
    def test_it_scores_by_rule_or_says_why_not(self, drawn: tuple[Definition, dict[str, Any]]) -> None:
        definition, answers = drawn
        result = score(definition, answers)
        assert (result.total is None) == (result.reason is not None)
        if result.total is not None:
            assert definition.low is not None
            assert definition.high is not None
            assert definition.low <= result.total <= definition.high
            assert result.total % definition.factor == 0
            assert bool(result.band) == bool(definition.bands)
            assert len(result.cut_offs) == len(definition.cut_offs)
            assert len(result.missing) <= definition.missing.allowed
        else:
            assert result.band is None
            assert result.imputed == ()
        for part in result.parts:
            assert part.total is None or part.low <= part.total <= part.high
        assert not set(result.imputed) & set(definition.missing.never_imputed)
        assert not set(result.imputed) & {safety.item for safety in definition.safety_items}
        assert set(result.imputed) <= {k for k in result.missing if answers.get(k) is None}

    @settings(max_examples=200, deadline=None)
    @given(answered, st.randoms(use_true_random=False))
    def test_the_order_of_answers_and_a_second_run_change_nothing(
        self, drawn: tuple[Definition, dict[str, Any]], chance: Any
    ) -> None:
        definition, answers = drawn
        shuffled = list(answers.items())
        chance.shuffle(shuffled)
        assert score(definition, dict(shuffled)) == score(definition, answers)
        again = instrumentfiles.parse(
            f"{definition.code}.1.en.toml", (definitions.FOLDER / f"{definition.code}.1.en.toml").read_bytes()
        )
        assert score(again, answers).as_data() == score(definition, answers).as_data()

    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def test_more_of_a_symptom_is_never_a_smaller_total(self, data: st.DataObject) -> None:
        definition = data.draw(st.sampled_from(WITH_TOTAL))
        answers = {i.id: data.draw(st.sampled_from(i.values)) for i in definition.scored_items}
        item = data.draw(st.sampled_from(definition.scored_items))
        more = data.draw(st.sampled_from([v for v in item.values if item.points(v) >= item.points(answers[item.id])]))
        before, after = score(definition, answers).total, score(definition, {**answers, item.id: more}).total
        assert before is not None
        assert after is not None
        assert after >= before

    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def test_prorating_stays_between_the_blanks_at_their_least_and_their_most(self, data: st.DataObject) -> None:
        definition = data.draw(st.sampled_from([PHQ, GAD, PCL]))
        answers = {i.id: data.draw(st.sampled_from(i.values)) for i in definition.scored_items}
        blanks = data.draw(st.lists(st.sampled_from(definition.scored_items), unique_by=lambda i: i.id, max_size=2))
        kept = {k: v for k, v in answers.items() if k not in {item.id for item in blanks}}
        total = score(definition, kept).total
        if total is not None:
            assert sum(kept.values()) <= total <= sum(kept.values()) + sum(item.high for item in blanks)

    @settings(max_examples=200, deadline=None)
    @given(st.dictionaries(st.sampled_from([f"q{n}" for n in range(1, 9)]), st.sampled_from([0, 1, 2, 3])))
    def test_item_9_is_never_imputed(self, answers: dict[str, int]) -> None:
        result = score(PHQ, answers)
        assert (result.total, result.reason) == (None, NoTotal.NEVER_IMPUTED)

    @settings(max_examples=300, deadline=None)
    @given(
        instruments,
        st.dictionaries(
            st.one_of(st.text(max_size=4), st.sampled_from([f"q{n}" for n in range(1, 31)])),
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
            max_size=5,
        ),
    )
    def test_rubbish_is_refused_by_name_or_scored_by_rule(
        self, definition: Definition, answers: dict[str, Any]
    ) -> None:
        items = {item.id: item for item in definition.items}

        def is_an_answer(item_id: str, answer: Any) -> bool:
            if item_id not in items:
                return False
            if items[item_id].kind is Kind.TEXT:
                return answer is None or isinstance(answer, str)
            return answer is None or (type(answer) is int and answer in items[item_id].values)

        wrong = {item_id for item_id, answer in answers.items() if not is_an_answer(item_id, answer)}
        if not wrong:
            assert isinstance(score(definition, answers), Score)
            return
        with pytest.raises(InvalidAnswers) as refused:
            score(definition, answers)
        assert refused.value.item in wrong
