"""The words of domain.md 6.3 over a course of scores, at their limits; a gap stays a gap."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assessments import definitions, outcomes, safety, scoring
from assessments.instrument import Definition
from assessments.outcomes import (
    Baseline,
    Because,
    Event,
    Mark,
    NoBaseline,
    NoResponseStep,
    Reading,
    Reliable,
    Response,
    baseline,
    compare,
    in_remission,
    no_response_step,
    relapse,
    reliable,
    reliable_points,
    series,
    worsened,
)

PHQ, GAD, PCL, WHO, MADRS, QIDS, ISI, PTQ, RRS, AUDIT, CSSRS, ASQ, CADSS = (
    definitions.current(code)
    for code in (
        "phq-9", "gad-7", "pcl-5", "who-5", "madrs", "qids-sr16", "isi", "ptq", "rrs-10", "audit-c", "c-ssrs", "asq",
        "cadss",
    )
)  # fmt: skip
DOSE_1 = datetime(2026, 3, 1, 15, 0, tzinfo=UTC)


def day(number: float) -> datetime:
    """Return the moment so many days after dose 1."""
    return DOSE_1 + timedelta(days=number)


def at(number: float, total: int | None, **more: Any) -> Reading:
    return Reading(day(number), total, **more)


def start(total: int, definition: Definition = PHQ) -> Baseline:
    return baseline(definition, [at(-1, total)], DOSE_1)


def outcome(definition: Definition, before: int, now: int) -> outcomes.Outcome:
    found = compare(definition, start(before, definition), at(7, now))
    assert found is not None
    return found


class TestBaseline:
    def test_the_last_complete_one_before_dose_1(self) -> None:
        readings = [at(-30, 18), at(-2, 20), at(-1, 19, complete=False), at(-0.5, None), at(0.1, 12)]
        found = baseline(PHQ, readings, DOSE_1)
        assert found.reading == readings[1]
        assert baseline(PHQ, reversed(readings), DOSE_1) == found

    def test_a_score_at_the_dose_is_not_before_it(self) -> None:
        assert baseline(PHQ, [at(0, 20)], DOSE_1).reason is NoBaseline.NOTHING_COMPLETE
        assert baseline(PHQ, [at(-0.0001, 20)], DOSE_1).reading is not None

    def test_why_there_is_none(self) -> None:
        assert baseline(PHQ, [at(-1, 20)], None).reason is NoBaseline.NO_DOSE_YET
        assert baseline(PHQ, [], DOSE_1).reason is NoBaseline.NOTHING_COMPLETE
        assert baseline(PHQ, [at(-1, 20, complete=False)], DOSE_1).reason is NoBaseline.NOTHING_COMPLETE

    @pytest.mark.parametrize(
        ("definition", "total", "low"), [(PHQ, 9, True), (PHQ, 10, False), (GAD, 9, True), (GAD, 10, False), (PCL, 0, False)]
    )  # fmt: skip
    def test_a_low_one_is_noted(self, definition: Definition, total: int, low: bool) -> None:
        assert start(total, definition).is_low is low


class TestResponse:
    @pytest.mark.parametrize(
        ("before", "now", "response", "improvement", "remission", "low"),
        [
            (20, 10, Response.RESPONSE, 50, False, False),
            (20, 11, Response.PARTIAL, 45, False, False),
            (8, 4, Response.RESPONSE, 50, True, True),
        ],
    )
    def test_vectors(
        self, before: int, now: int, response: Response, improvement: int, remission: bool, low: bool
    ) -> None:
        found = outcome(PHQ, before, now)
        assert (found.response, found.improvement, found.remission) == (response, improvement, remission)
        assert found.baseline_is_low is low

    @pytest.mark.parametrize(
        ("before", "now", "response"),
        [
            (20, 0, Response.RESPONSE), (21, 10, Response.RESPONSE), (21, 11, Response.PARTIAL),
            (20, 15, Response.PARTIAL), (20, 16, Response.NONE), (27, 20, Response.PARTIAL), (27, 21, Response.NONE),
            (20, 20, Response.NONE), (20, 27, Response.NONE), (4, 3, Response.PARTIAL), (2, 1, Response.RESPONSE),
        ],
    )  # fmt: skip
    def test_limits(self, before: int, now: int, response: Response) -> None:
        assert outcome(PHQ, before, now).response is response

    def test_from_nothing_there_is_no_percentage(self) -> None:
        found = outcome(PHQ, 0, 3)
        assert (found.response, found.improvement, found.change) == (None, None, 3)

    def test_it_is_not_defined_where_more_is_better_or_neither(self) -> None:
        assert outcome(WHO, 20, 80).response is None
        assert outcome(CADSS, 40, 0).response is None

    def test_nothing_is_compared_with_a_gap(self) -> None:
        assert compare(PHQ, start(20), at(7, None)) is None
        assert compare(PHQ, Baseline(None, NoBaseline.NO_DOSE_YET), at(7, 10)) is None


class TestRemission:
    @pytest.mark.parametrize(
        ("definition", "inside", "outside"),
        [(PHQ, 4, 5), (GAD, 4, 5), (PCL, 28, 29), (QIDS, 5, 6), (MADRS, 10, 11), (ISI, 7, 8), (WHO, 52, 48)],
    )
    def test_both_sides(self, definition: Definition, inside: int, outside: int) -> None:
        assert in_remission(definition, inside) is True
        assert in_remission(definition, outside) is False

    @pytest.mark.parametrize("definition", [PTQ, RRS, AUDIT, CADSS])
    def test_undefined(self, definition: Definition) -> None:
        assert in_remission(definition, 0) is None


class TestDeterioration:
    @pytest.mark.parametrize(("definition", "points"), [(PHQ, 6), (GAD, 4), (PCL, 15)])
    def test_both_sides(self, definition: Definition, points: int) -> None:
        assert outcome(definition, 10, 10 + points).deteriorated
        assert not outcome(definition, 10, 10 + points - 1).deteriorated
        assert not outcome(definition, 20, 5).deteriorated

    def test_a_new_alarming_answer_is_one_at_any_total(self) -> None:
        before = baseline(PHQ, [at(-1, 20)], DOSE_1)
        found = compare(PHQ, before, at(7, 5, alarms=frozenset({"q9"})))
        assert found is not None
        assert (found.deteriorated, found.new_alarms) == (True, frozenset({"q9"}))

    def test_an_alarming_answer_that_was_there_before_is_not_new(self) -> None:
        before = baseline(PHQ, [at(-1, 20, alarms=frozenset({"q9"}))], DOSE_1)
        found = compare(PHQ, before, at(7, 18, alarms=frozenset({"q9"})))
        assert found is not None
        assert not found.deteriorated


class TestReliable:
    @pytest.mark.parametrize(
        ("definition", "change", "expected"),
        [
            (PHQ, 5, Reliable.NO), (PHQ, 6, Reliable.YES), (PHQ, -5, Reliable.NO), (PHQ, -6, Reliable.YES),
            (GAD, 3, Reliable.NO), (GAD, 4, Reliable.YES),
            (PCL, -14, Reliable.NO), (PCL, -15, Reliable.POSSIBLY), (PCL, -17, Reliable.POSSIBLY), (PCL, -18, Reliable.YES),
            (PTQ, -19, Reliable.NO), (PTQ, -20, Reliable.YES),
            (RRS, -20, None), (MADRS, -30, None), (WHO, 40, None),
        ],
    )  # fmt: skip
    def test_both_sides(self, definition: Definition, change: int, expected: Reliable | None) -> None:
        assert reliable(definition, change) is expected

    def test_the_formula(self) -> None:
        points = reliable_points(PTQ)
        assert points is not None
        assert round(points[0], 1) == round(points[1], 1) == 19.3

    def test_an_illustration_is_said_to_be_one(self) -> None:
        assert outcome(PTQ, 50, 20).reliable_is_illustration
        assert not outcome(PHQ, 20, 10).reliable_is_illustration

    @pytest.mark.parametrize(
        ("definition", "before", "now", "met"),
        [
            (PHQ, 20, 15, [True, True]), (PHQ, 20, 16, [False, True]), (PHQ, 20, 17, [False, False]),
            (PHQ, 0, 5, [True, None]), (PHQ, 10, 8, [False, True]), (GAD, 10, 6, [True]), (GAD, 10, 7, [False]),
            (PCL, 50, 41, [True, False]), (PCL, 50, 42, [False, False]), (PCL, 50, 38, [True, True]),
            (WHO, 40, 52, [True]), (WHO, 40, 48, [False]), (AUDIT, 5, 4, [True]), (AUDIT, 5, 5, [False]),
            (ISI, 20, 12, [True, False]), (ISI, 20, 11, [True, True]), (ISI, 20, 15, [False, False]),
            (QIDS, 10, 7, [True, False]), (QIDS, 10, 6, [True, True]),
        ],
    )  # fmt: skip
    def test_what_people_notice(self, definition: Definition, before: int, now: int, met: list[bool | None]) -> None:
        assert [noticed.met for noticed in outcome(definition, before, now).noticed] == met


class TestNoResponse:
    @pytest.mark.parametrize(
        ("now", "sessions", "step"),
        [
            (16, 2, None), (16, 3, NoResponseStep.REVIEW), (16, 4, NoResponseStep.STOP_RULE),
            (16, 9, NoResponseStep.STOP_RULE), (15, 4, None), (10, 4, None),
        ],
    )  # fmt: skip
    def test_after_three_and_four_sessions(self, now: int, sessions: int, step: NoResponseStep | None) -> None:
        assert no_response_step(outcome(PHQ, 20, now), sessions) is step

    def test_a_gap_prompts_nothing(self) -> None:
        assert no_response_step(None, 9) is None


class TestRelapse:
    """PHQ-9: 10 or more and 5 above the best, on two occasions 7 days apart."""

    @pytest.mark.parametrize(
        ("course", "on"),
        [
            ([(7, 5), (30, 10), (37, 10)], 37),
            ([(7, 5), (30, 10), (36.9, 10)], None),
            ([(7, 5), (30, 10), (36, 10), (38, 12)], 38),
            ([(7, 5), (30, 10)], None),
            ([(7, 5), (30, 9), (37, 9)], None),
            ([(7, 6), (30, 10), (37, 10)], None),
            ([(7, 6), (30, 11), (37, 11)], 37),
            ([(7, 5), (30, 10), (33, 6), (37, 10)], None),
            ([(7, 5), (30, 10), (33, 6), (37, 10), (44, 10)], 44),
            ([(7, 5), (30, 10), (33, None), (37, 10)], 37),
            ([(7, 11), (30, 20), (37, 20)], None),
            ([(7, 10), (30, 15), (37, 15)], 37),
        ],
    )
    def test_limits(self, course: list[tuple[float, int | None]], on: float | None) -> None:
        found = relapse(PHQ, start(20), [at(-1, 20), *(at(d, total) for d, total in course)])
        assert (None if found is None else found.at) == (None if on is None else day(on))
        assert found is None or found.because is Because.SCORES

    @pytest.mark.parametrize(("total", "ill"), [(21, False), (22, True)])
    def test_madrs(self, total: int, ill: bool) -> None:
        found = relapse(MADRS, start(40, MADRS), [at(7, 12), at(30, total)])
        assert (found is not None) is ill

    def test_a_response_that_is_still_high_is_not_a_relapse_by_itself(self) -> None:
        assert relapse(MADRS, start(56, MADRS), [at(7, 28), at(14, 28)]) is None
        assert relapse(MADRS, start(56, MADRS), [at(7, 28), at(14, 29)]) is not None

    def test_without_a_response_there_is_nothing_to_relapse_from(self) -> None:
        assert relapse(PHQ, start(20), [at(7, 14), at(30, 22), at(40, 22)], [Event(day(50), Because.ATTEMPT)]) is None
        assert relapse(PHQ, Baseline(None, NoBaseline.NO_DOSE_YET), [at(7, 3)]) is None

    @pytest.mark.parametrize("because", [Because.HOSPITAL, Because.ATTEMPT])
    def test_an_admission_or_an_attempt_is_one(self, because: Because) -> None:
        found = relapse(PHQ, start(20), [at(7, 5)], [Event(day(3), because), Event(day(20), because)])
        assert found is not None
        assert (found.at, found.because) == (day(20), because)

    def test_what_came_first_is_told(self) -> None:
        course = [at(7, 5), at(30, 15), at(40, 15)]
        found = relapse(PHQ, start(20), course, [Event(day(35), Because.HOSPITAL)])
        assert found is not None
        assert (found.at, found.because) == (day(35), Because.HOSPITAL)
        found = relapse(PHQ, start(20), course, [Event(day(41), Because.HOSPITAL)])
        assert found is not None
        assert (found.at, found.because) == (day(40), Because.SCORES)

    def test_gad_7_has_no_rule_and_knows_only_events(self) -> None:
        assert relapse(GAD, start(20, GAD), [at(7, 5), at(30, 20), at(40, 20)]) is None

    @pytest.mark.parametrize(("until", "recurrence"), [(63, True), (62.9, False)])
    def test_after_eight_weeks_of_remission_it_is_a_recurrence(self, until: float, recurrence: bool) -> None:
        course = [at(7, 4), at(35, 3), at(until, 4), at(80, 12), at(90, 12)]
        found = relapse(PHQ, start(20), course)
        assert found is not None
        assert found.is_recurrence is recurrence

    def test_a_score_out_of_remission_breaks_the_stretch(self) -> None:
        course = [at(7, 4), at(35, 6), at(63, 4), at(80, 12), at(90, 12)]
        found = relapse(PHQ, start(20), course)
        assert found is not None
        assert not found.is_recurrence


class TestCategories:
    def test_a_graver_category_is_worse(self) -> None:
        low, high = at(0, None, category="low"), at(7, None, category="high")
        assert worsened(CSSRS, low, high) is True
        assert worsened(CSSRS, high, low) is False
        assert worsened(CSSRS, low, low) is False

    def test_a_new_yes_is_worse_at_the_same_category(self) -> None:
        before = at(0, None, category="positive", alarms=frozenset({"q1"}))
        assert worsened(ASQ, before, at(7, None, category="positive", alarms=frozenset({"q1", "q3"}))) is True
        assert worsened(ASQ, before, at(7, None, category="positive", alarms=frozenset({"q1"}))) is False

    def test_the_unknown_is_not_called_better(self) -> None:
        assert worsened(CSSRS, at(0, None, category="low"), at(7, None)) is None
        assert worsened(CSSRS, at(0, None), at(7, None, alarms=frozenset({"q4"}))) is True


class TestReading:
    def test_of_a_score(self) -> None:
        answers = {**{f"q{n}": 2 for n in range(1, 10)}, "q4": None}
        found = Reading.of(day(1), scoring.score(PHQ, answers), safety.signals(PHQ, answers))
        assert found == Reading(day(1), 18, complete=False, alarms=frozenset({"q9"}))

    def test_of_a_withheld_one(self) -> None:
        answers = {f"q{n}": 0 for n in range(1, 9)}
        found = Reading.of(day(1), scoring.score(PHQ, answers), safety.signals(PHQ, answers))
        assert (found.total, found.gap, found.alarms) == (None, "never_imputed", frozenset())

    def test_of_a_category(self) -> None:
        answers = {"q1": 1, "q2": 0, "q6": 0}
        found = Reading.of(day(1), scoring.score(CSSRS, answers), safety.signals(CSSRS, answers))
        assert (found.category, found.alarms) == ("low", frozenset({"q1"}))


class TestSeries:
    READINGS = (
        at(21, 9, complete=False), at(-1, 20), at(7, 12), at(14, None, gap="not answered"), at(28, 4),
        at(35, None, gap="never_imputed"),
    )  # fmt: skip

    def test_in_order_with_gaps_as_gaps(self) -> None:
        found = series(PHQ, self.READINGS, DOSE_1)
        assert found is not None
        assert [point.value for point in found.points] == [20, 12, None, 9, 4, None]
        assert [point.gap for point in found.points] == ["", "", "not answered", "", "", "never_imputed"]
        assert [[point.value for point in run] for run in found.stretches] == [[20, 12], [9, 4]]
        assert [point.prorated for point in found.points] == [False, False, False, True, False, False]
        assert [point.band.id if point.band else None for point in found.points] == [
            "severe", "moderate", None, "mild", "minimal", None,
        ]  # fmt: skip

    def test_each_point_after_the_baseline_says_what_it_means(self) -> None:
        found = series(PHQ, self.READINGS, DOSE_1)
        assert found is not None
        assert [p.outcome.response if p.outcome else None for p in found.points] == [
            None, Response.PARTIAL, None, Response.RESPONSE, Response.RESPONSE, None,
        ]  # fmt: skip

    def test_lines(self) -> None:
        found = series(PHQ, self.READINGS, DOSE_1)
        assert found is not None
        assert {line.mark: line.level for line in found.lines} == {
            Mark.REMISSION: 5, Mark.BASELINE: 20, Mark.RESPONSE: 10, Mark.RELIABLE_IMPROVEMENT: 14, Mark.DETERIORATION: 26,
        }  # fmt: skip
        assert (found.low, found.high, found.bands) == (0, 27, PHQ.bands)

    def test_without_a_baseline_only_what_is_the_instruments_own(self) -> None:
        found = series(PHQ, self.READINGS)
        assert found is not None
        assert [line.mark for line in found.lines] == [Mark.REMISSION]
        assert found.baseline.reason is NoBaseline.NO_DOSE_YET

    def test_a_line_off_the_scale_is_not_drawn(self) -> None:
        found = series(PHQ, [at(-1, 23)], DOSE_1)
        assert found is not None
        assert Mark.DETERIORATION not in {line.mark for line in found.lines}

    def test_pcl_5_draws_the_figure_that_every_source_agrees_on(self) -> None:
        found = series(PCL, [at(-1, 50)], DOSE_1)
        assert found is not None
        assert {line.mark: line.level for line in found.lines}[Mark.RELIABLE_IMPROVEMENT] == 32

    def test_an_unapproved_figure_is_marked(self) -> None:
        found = series(PTQ, [at(-1, 50)], DOSE_1)
        assert found is not None
        assert [(line.mark, line.illustration) for line in found.lines] == [
            (Mark.BASELINE, False), (Mark.RESPONSE, False), (Mark.RELIABLE_IMPROVEMENT, True),
        ]  # fmt: skip

    def test_what_is_no_measure_of_success_has_no_lines(self) -> None:
        found = series(CADSS, [at(-1, 50), at(1, 4)], DOSE_1)
        assert found is not None
        assert found.lines == ()
        assert found.points[1].outcome is not None
        assert found.points[1].outcome.reliable is None

    def test_no_total_no_chart(self) -> None:
        assert series(CSSRS, [at(1, None, category="low")]) is None

    def test_an_empty_course(self) -> None:
        found = series(PHQ, [], DOSE_1)
        assert found is not None
        assert (found.points, found.stretches) == ((), ())


courses = st.lists(st.tuples(st.integers(-30, 300), st.one_of(st.none(), st.integers(0, 27))), max_size=15)


class TestWhateverTheCourse:
    @settings(max_examples=200, deadline=None)
    @given(courses)
    def test_the_order_of_rows_changes_nothing_and_no_gap_is_bridged(
        self, course: list[tuple[int, int | None]]
    ) -> None:
        readings = [at(d, total) for d, total in dict(course).items()]
        found = series(PHQ, readings, DOSE_1)
        assert found == series(PHQ, list(reversed(readings)), DOSE_1)
        assert found is not None
        assert [p for run in found.stretches for p in run] == [p for p in found.points if p.value is not None]
        for run in found.stretches:
            places = [found.points.index(point) for point in run]
            assert places == list(range(places[0], places[0] + len(places)))

    @settings(max_examples=200, deadline=None)
    @given(st.integers(1, 27), st.integers(0, 27))
    def test_a_fall_is_what_the_words_say(self, before: int, now: int) -> None:
        found = outcome(PHQ, before, now)
        fall = (before - now) / before
        expected = Response.RESPONSE if fall >= 0.5 else Response.PARTIAL if fall >= 0.25 else Response.NONE
        assert found.response is expected
        assert found.remission == (now < 5)
        assert found.deteriorated == (now - before >= 6)
