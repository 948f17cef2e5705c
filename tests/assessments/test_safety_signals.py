"""Every trigger of domain.md 6.5, both sides of each, and that nothing that somebody answers goes by unheard."""

import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assessments import definitions, safety, scoring
from assessments.instrument import Definition, Kind, Tier
from assessments.safety import assess, clock, in_morning_list, paper_total_signals, signals
from clinic import policy

ALL = definitions.all_current()
PHQ, ASQ, CSSRS, MADRS, QIDS = (definitions.current(code) for code in ("phq-9", "asq", "c-ssrs", "madrs", "qids-sr16"))
GUARDED = {"phq-9", "asq", "c-ssrs", "madrs", "qids-sr16"}
RISK = policy.FIRST_LIMITS["risk"]


def told(definition: Definition, answers: dict[str, Any]) -> list[tuple[str, str, int | None]]:
    return [(str(signal.tier), signal.trigger, signal.value) for signal in signals(definition, answers)]


def full(definition: Definition, **answers: int | None) -> dict[str, int | None]:
    """Return every item at its least, but for these."""
    return {**{item.id: item.low for item in definition.items if item.kind is not Kind.TEXT}, **answers}


class TestTriggers:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (0, []),
            (1, [("yellow", "phq9_item9", 1)]),
            (2, [("orange", "phq9_item9", 2)]),
            (3, [("red", "phq9_item9", 3)]),
            (None, [("yellow", "phq9_item9_unknown", None)]),
        ],
    )
    def test_phq_9_item_9(self, value: int | None, expected: list[tuple[str, str, int | None]]) -> None:
        assert told(PHQ, full(PHQ, q9=value)) == expected

    def test_the_total_has_no_say(self) -> None:
        assert told(PHQ, {**{f"q{n}": 3 for n in range(1, 9)}, "q9": 0}) == []
        assert told(PHQ, {"q9": 3}) == [("red", "phq9_item9", 3)]
        assert told(PHQ, {}) == [("yellow", "phq9_item9_unknown", None)]

    @pytest.mark.parametrize(
        ("value", "tier"),
        [(0, None), (1, None), (2, "yellow"), (3, "yellow"), (4, "red"), (5, "red"), (6, "red")],
    )
    def test_madrs_item_10(self, value: int, tier: str | None) -> None:
        assert told(MADRS, full(MADRS, q10=value)) == ([(tier, "madrs_item10", value)] if tier else [])

    @pytest.mark.parametrize(("value", "tier"), [(0, None), (1, "yellow"), (2, "orange"), (3, "orange")])
    def test_qids_item_12(self, value: int, tier: str | None) -> None:
        assert told(QIDS, full(QIDS, q12=value)) == ([(tier, "qids_item12", value)] if tier else [])

    @pytest.mark.parametrize("definition", [MADRS, QIDS], ids=["madrs", "qids"])
    def test_their_safety_item_left_blank_is_unknown(self, definition: Definition) -> None:
        (item,) = definition.safety_items
        assert told(definition, full(definition, **{item.item: None})) == [("yellow", f"{item.trigger}_unknown", None)]

    @pytest.mark.parametrize(
        ("answers", "expected"),
        [
            ({"q1": 0, "q2": 0, "q3": 0, "q4": 0}, []),
            ({"q1": 1, "q2": 0, "q3": 0, "q4": 0, "q5": 0}, [("yellow", "asq_item1", 1)]),
            ({"q1": 0, "q2": 1, "q3": 0, "q4": 0, "q5": 0}, [("yellow", "asq_item2", 1)]),
            ({"q1": 0, "q2": 0, "q3": 1, "q4": 0, "q5": 0}, [("yellow", "asq_item3", 1)]),
            ({"q1": 0, "q2": 0, "q3": 0, "q4": 1, "q5": 0}, [("yellow", "asq_item4", 1)]),
            ({"q1": 0, "q2": 0, "q3": 0, "q4": 1, "q5": 1}, [("red", "asq_item5", 1), ("yellow", "asq_item4", 1)]),
            ({"q1": 0, "q2": 0, "q3": 0, "q4": 1}, [("orange", "asq_item5_unknown", None), ("yellow", "asq_item4", 1)]),
            ({"q1": 0, "q2": 0, "q3": None, "q4": 0}, [("yellow", "asq_item3_unknown", None)]),
            ({"q1": 0, "q2": 0, "q3": 0, "q4": 0, "q5": 1}, [("red", "asq_item5", 1)]),
        ],
    )
    def test_asq(self, answers: dict[str, int | None], expected: list[tuple[str, str, int | None]]) -> None:
        assert told(ASQ, answers) == expected

    @pytest.mark.parametrize(
        ("answers", "tiers"),
        [
            ({"q1": 0, "q2": 0, "q6": 0}, []),
            ({"q1": 1, "q2": 0, "q6": 0}, ["yellow"]),
            ({"q1": 0, "q2": 1, "q3": 0, "q4": 0, "q5": 0, "q6": 0}, ["yellow"]),
            ({"q1": 0, "q2": 1, "q3": 1, "q4": 0, "q5": 0, "q6": 0}, ["orange", "yellow"]),
            ({"q1": 0, "q2": 1, "q3": 0, "q4": 1, "q5": 0, "q6": 0}, ["red", "yellow"]),
            ({"q1": 0, "q2": 1, "q3": 0, "q4": 0, "q5": 1, "q6": 0}, ["red", "yellow"]),
            ({"q1": 0, "q2": 0, "q6": 1, "q6_3months": 0}, ["orange"]),
            ({"q1": 0, "q2": 0, "q6": 1, "q6_3months": 1}, ["red", "orange"]),
            ({"q1": 0, "q2": 0, "q6": 1}, ["orange", "yellow"]),
            ({"q1": 0, "q2": 0}, ["yellow"]),
            ({"q1": 0, "q2": 0, "q4": 1, "q6": 0}, ["red"]),
        ],
    )
    def test_c_ssrs(self, answers: dict[str, int], tiers: list[str]) -> None:
        assert [str(signal.tier) for signal in signals(CSSRS, answers)] == tiers

    def test_what_was_not_asked_is_not_unknown(self) -> None:
        assert not [s for s in signals(CSSRS, {"q1": 0, "q2": 0, "q6": 0}) if s.is_unknown]

    def test_the_others_have_no_safety_item(self) -> None:
        assert {definition.code for definition in ALL if definition.safety_items} == GUARDED
        for definition in ALL:
            if definition.code not in GUARDED:
                worst_case = {i.id: i.high for i in definition.items if i.kind is not Kind.TEXT}
                assert signals(definition, worst_case) == ()


class TestFailure:
    @pytest.mark.parametrize("bad", [9, -1, True, 2.0, math.nan, "3", [3]])
    def test_an_answer_that_is_none_is_orange(self, bad: object) -> None:
        result = assess(PHQ, {**full(PHQ), "q9": bad})
        assert (result.score, result.failure) == (None, "InvalidAnswers: q9")
        assert [(s.tier, s.trigger) for s in result.signals] == [
            (Tier.ORANGE, safety.SCORING_FAILED), (Tier.YELLOW, "phq9_item9_unknown"),
        ]  # fmt: skip

    def test_the_signals_alone_say_so_too(self) -> None:
        assert [s.trigger for s in signals(PHQ, {**full(PHQ), "q1": 9})] == [safety.SCORING_FAILED]
        assert [s.trigger for s in signals(definitions.current("gad-7"), {"q1": "x"})] == [safety.SCORING_FAILED]

    def test_a_red_answer_stands_beside_rubbish(self) -> None:
        result = assess(PHQ, {"q1": "often", "no such item": 1, "q9": 3})
        assert result.score is None
        assert [(s.tier, s.trigger) for s in result.signals] == [
            (Tier.RED, "phq9_item9"), (Tier.ORANGE, safety.SCORING_FAILED),
        ]  # fmt: skip

    def test_a_scorer_that_breaks_is_orange_and_hides_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_args: object) -> scoring.Score:
            raise ZeroDivisionError("3 / 0")

        monkeypatch.setattr(scoring, "SCORERS", {("sum", 1): broken})
        result = assess(PHQ, full(PHQ, q9=1))
        assert (result.score, result.failure) == (None, "ZeroDivisionError")
        assert [(s.tier, s.trigger) for s in result.signals] == [
            (Tier.ORANGE, safety.SCORING_FAILED), (Tier.YELLOW, "phq9_item9"),
        ]  # fmt: skip

    def test_the_failure_repeats_nothing_that_was_answered(self) -> None:
        assert "want to die" not in assess(ASQ, {"q1": "I want to die"}).failure

    def test_no_score_by_rule_is_no_failure(self) -> None:
        result = assess(PHQ, {"q9": 0})
        assert result.score is not None
        assert (result.score.total, result.failure, result.signals) == (None, "", ())

    @settings(max_examples=300, deadline=None)
    @given(
        st.sampled_from(ALL),
        st.dictionaries(
            st.one_of(st.text(max_size=3), st.sampled_from([f"q{n}" for n in range(1, 13)])),
            st.one_of(st.none(), st.booleans(), st.integers(-2, 7), st.floats(), st.text(max_size=3)),
            max_size=8,
        ),
    )
    def test_whatever_comes_in_is_scored_or_orange(self, definition: Definition, answers: dict[str, Any]) -> None:
        result = assess(definition, answers)
        failed = any(signal.trigger == safety.SCORING_FAILED for signal in result.signals)
        assert (result.score is None) == bool(result.failure) == failed
        urgencies = [signal.tier.urgency for signal in result.signals]
        assert urgencies == sorted(urgencies, reverse=True)

    @settings(max_examples=200, deadline=None)
    @given(st.sampled_from([d for d in ALL if d.safety_items]), st.data())
    def test_more_answers_never_silence_an_alarm(self, definition: Definition, data: st.DataObject) -> None:
        some = {
            i.id: data.draw(st.sampled_from(i.values))
            for i in definition.items
            if i.kind is not Kind.TEXT and data.draw(st.booleans())
        }
        alarms = {s for s in signals(definition, some) if not s.is_unknown}
        rest = {i.id: i.low for i in definition.items if i.kind is not Kind.TEXT and i.id not in some}
        assert alarms <= set(signals(definition, {**some, **rest}))


class TestPaper:
    def test_a_bare_total_says_nothing_of_its_safety_item(self) -> None:
        assert [(s.tier, s.trigger, s.is_unknown) for s in paper_total_signals(PHQ)] == [
            (Tier.YELLOW, "phq9_item9_unknown", True)
        ]
        assert paper_total_signals(definitions.current("gad-7")) == ()

    def test_items_from_paper_alarm_like_any_others(self) -> None:
        result = assess(PHQ, full(PHQ, q9=3), entered=scoring.Entered.PAPER_ITEMS)
        assert result.score is not None
        assert result.score.entered is scoring.Entered.PAPER_ITEMS
        assert result.signals[0].tier is Tier.RED


class TestMorningList:
    @pytest.mark.parametrize(
        ("total_of_eight", "item_9", "listed"), [(20, 0, True), (19, 0, False), (20, 1, False), (24, 0, True)]
    )
    def test_a_high_total_with_item_9_at_not_at_all(self, total_of_eight: int, item_9: int, listed: bool) -> None:
        answers: dict[str, int] = {}
        left = total_of_eight
        for n in range(1, 9):
            answers[f"q{n}"] = min(3, left)
            left -= answers[f"q{n}"]
        answers["q9"] = item_9
        assert in_morning_list(PHQ, scoring.score(PHQ, answers), answers) is listed

    def test_an_instrument_without_a_safety_item_is_never_in_it(self) -> None:
        gad = definitions.current("gad-7")
        answers = {f"q{n}": 3 for n in range(1, 8)}
        assert not in_morning_list(gad, scoring.score(gad, answers), answers)


class TestClock:
    def test_red(self) -> None:
        found = clock(Tier.RED, RISK)
        assert found.acknowledge_within == timedelta(minutes=10)
        assert found.contact_open == found.contact_after_hours == timedelta(minutes=30)

    def test_orange(self) -> None:
        found = clock(Tier.ORANGE, RISK)
        assert found.acknowledge_within is None
        assert (found.contact_open, found.contact_after_hours) == (timedelta(hours=4), timedelta(hours=1))

    def test_yellow(self) -> None:
        found = clock(Tier.YELLOW, RISK)
        assert found.same_business_day
        assert found.contact_open is None

    def test_the_minutes_are_the_policys(self) -> None:
        found = clock(Tier.RED, {**RISK, "red_ack_min": 7, "red_contact_min": 21})
        assert found.acknowledge_within == timedelta(minutes=7)
        assert found.contact_open == timedelta(minutes=21)

    @pytest.mark.parametrize(("tier", "key"), [(Tier.RED, "red_ack_min"), (Tier.ORANGE, "orange_hours")])
    def test_no_minute_is_guessed(self, tier: Tier, key: str) -> None:
        with pytest.raises(KeyError, match=key):
            clock(tier, {name: value for name, value in RISK.items() if name != key})
