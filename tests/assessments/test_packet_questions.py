"""The packet as data and as arithmetic: what is asked, what an answer means, what is missing, and two windows at once."""

from datetime import date
from typing import Any

import pytest

from assessments import merging, packetchecks, packetconditions, packetfacts, packetparts
from assessments.facts import ConditionKind, State
from assessments.merging import Stored, Window
from assessments.models import Allergy, Medication, TreatmentTrial
from assessments.packetquestions import NO, ON, UNSURE, YES, Question, Step
from assessments.views.packetlines import Sheet
from patients.models import Contact, Patient

TODAY = date(2027, 1, 13)


def every_question() -> list[tuple[str, Question]]:
    return [
        (section.code, question)
        for section in packetparts.SECTIONS
        for step in section.steps
        for question in (*step.questions, *((*step.rows.columns, step.rows.none) if step.rows else ()))
    ]


class TestQuestions:
    def test_every_condition_that_screening_knows_is_asked_once(self) -> None:
        asked = [one.kind for one in packetconditions.EVERY]
        assert sorted(asked) == sorted(ConditionKind)
        names = [question.name for _section, question in every_question()]
        assert all(names.count(kind.value) == 1 for kind in ConditionKind)

    def test_no_name_of_a_field_is_used_twice_in_a_part_or_is_kept_out_of_late_forms(self) -> None:
        from clinic import keptforms

        for section in packetparts.SECTIONS:
            names = [name for step in section.steps for name in step.names({})]
            assert len(set(names)) == len(names), section.code
            assert not [name for name in names if keptforms.is_secret(name)]

    def test_nothing_is_chosen_before_anybody_answered(self) -> None:
        sheet = Sheet({}, {}, {})
        for section in packetparts.SECTIONS:
            for step in section.steps:
                for shown in sheet.questions(step):
                    assert not any(choice["is_chosen"] for choice in shown["choices"])
                    assert not shown["value"]
                    assert not shown["is_ticked"]

    def test_what_hangs_on_an_answer_is_named_by_its_style(self) -> None:
        """The style sheet shows what hangs on yes, on no and on other; a fourth would stay hidden for ever."""
        values = {
            value
            for section in packetparts.SECTIONS
            for step in section.steps
            for question in step.questions
            if question.shown_for and question.shown_for[0] in {one.name for one in step.questions}
            for value in question.shown_for[1]
        }
        assert values <= {"yes", "no", "other"}

    def test_what_hangs_on_an_answer_hangs_on_one_that_stands_by_itself(self) -> None:
        for section in packetparts.SECTIONS:
            for step in section.steps:
                by_name = {question.name: question for question in step.questions}
                parents = [by_name.get(question.shown_for[0]) for question in step.questions if question.shown_for]
                assert all(parent is None or parent.shown_for is None for parent in parents)

    @pytest.mark.parametrize(
        ("row", "model", "column"),
        [
            ("medicine-0-name", Medication, "text"), ("medicine-0-dose", Medication, "dose"), ("allergy-0-name", Allergy, "substance"),
            ("allergy-0-reaction", Allergy, "reaction"), ("trial-0-name", TreatmentTrial, "treatment"), ("trial-0-dose", TreatmentTrial, "max_dose"),
            ("emergency_name", Contact, "name"), ("emergency_relationship", Contact, "relationship"), ("chosen_name", Patient, "chosen_name"),
            ("pronouns", Patient, "pronouns"), ("access_needs", Patient, "access_needs"), ("use_other", Medication, "text"),
            ("allergy_excipient_which", Allergy, "substance"),
        ],
    )  # fmt: skip
    def test_what_a_field_takes_its_column_holds(self, row: str, model: Any, column: str) -> None:
        fields = {
            name: question
            for section in packetparts.SECTIONS
            for step in section.steps
            for name, question in _fields(step)
        }
        assert fields[row].longest <= model._meta.get_field(column).max_length


def _fields(step: Step) -> list[tuple[str, Question]]:
    rows = step.rows
    listed = [(rows.field(0, column.name), column) for column in rows.columns] if rows else []
    return [*((question.name, question) for question in step.questions), *listed]


def facts_of(section: str, draft: dict[str, str]) -> list[tuple[str, dict[str, Any]]]:
    return [(said.table.value, dict(said.values)) for said in packetfacts.facts_from({section: draft}, TODAY)]


class TestFacts:
    def test_an_empty_packet_says_nothing(self) -> None:
        assert packetfacts.facts_from({section.code: {} for section in packetparts.SECTIONS}, TODAY) == []
        assert packetfacts.people_from({}) == []

    @pytest.mark.parametrize("asked", packetconditions.EVERY, ids=lambda asked: asked.name)
    def test_no_is_absent_and_not_sure_is_unknown_for_every_condition(self, asked: packetconditions.Asked) -> None:
        name = asked.name
        assert packetfacts.condition(asked, {name: NO}, TODAY) == {"kind": name, "state": "absent"}
        assert packetfacts.condition(asked, {name: UNSURE}, TODAY) == {"kind": name, "state": "unknown"}
        for nothing in ({}, {name: ""}, {name: "maybe"}, {f"{name}-state": "past", f"{name}-when": "2020"}):
            assert packetfacts.condition(asked, nothing, TODAY) is None
        bare = packetfacts.condition(asked, {name: YES}, TODAY)
        assert bare == {"kind": name, "state": "past" if asked.is_event else "current"}

    @pytest.mark.parametrize(
        ("draft", "values"),
        [
            ({"hypertension-state": "controlled"}, {"state": "controlled"}),
            ({"hypertension-state": "uncontrolled"}, {"state": "uncontrolled"}),
            (
                {"hypertension-state": "current", "hypertension-when": "2019"},
                {"state": "current", "onset_on": date(2019, 12, 31)},
            ),
            (
                {"hypertension-state": "past", "hypertension-when": "3/2021"},
                {"state": "past", "resolved_on": date(2021, 3, 31)},
            ),
            ({"hypertension-state": "absent"}, {"state": "current"}),
        ],
    )
    def test_how_a_condition_stands(self, draft: dict[str, str], values: dict[str, Any]) -> None:
        asked = next(one for one in packetconditions.EVERY if one.kind is ConditionKind.HYPERTENSION)
        found = packetfacts.condition(asked, {"hypertension": YES, **draft}, TODAY)
        assert found is not None
        assert {name: value for name, value in found.items() if name not in {"kind", "note"}} == values

    def test_an_event_whose_day_nobody_can_read_keeps_its_words_and_has_no_day(self) -> None:
        stroke = next(one for one in packetconditions.EVERY if one.kind is ConditionKind.STROKE)
        found = packetfacts.condition(stroke, {"stroke": YES, "stroke-when": "1999 and again last week"}, TODAY)
        assert found == {
            "kind": "stroke", "state": State.PAST.value, "note": "When, in the patient’s words: 1999 and again last week",
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("section", "draft", "facts"),
        [
            ("about_you", {"height_feet": "5", "height_inches": "7"}, [("measurement", {"kind": "height", "first": 170})]),
            ("about_you", {"height_cm": "181"}, [("measurement", {"kind": "height", "first": 181})]),
            ("about_you", {"pregnancy_possible": UNSURE}, [("statement", {"kind": "pregnancy_possible", "value": None})]),
            ("about_you", {"breastfeeding": NO}, [("statement", {"kind": "breastfeeding", "value": False})]),
            ("about_you", {"breastfeeding": "perhaps"}, []),
            ("contacts", {"escort_possible": UNSURE}, [("statement", {"kind": "escort_possible", "value": None})]),
            ("family", {"family_psychosis": YES}, [("family_history", {"psychosis": True, "is_first_degree": None})]),
            ("family", {"family_psychosis": YES, "family_near": NO}, [("family_history", {"psychosis": True, "is_first_degree": False})]),
            ("family", {"family_psychosis": NO, "family_near": YES}, [("family_history", {"psychosis": False, "is_first_degree": None})]),
            ("family", {"family_psychosis": UNSURE}, [("family_history", {"psychosis": None, "is_first_degree": None})]),
            ("medicines", {"no_medicines": ON}, [("statement", {"kind": "medicines_complete", "value": True})]),
            ("medicines", {"medicine-0-name": "sertraline", "medicine-0-dose": "50 mg", "medicines_all": UNSURE}, [
                ("medication", {"text": "sertraline", "dose": "50 mg", "taking": "current"}),
                ("statement", {"kind": "medicines_complete", "value": None}),
            ]),
            ("medicines", {"medicine-3-dose": "300 mg"}, [
                ("medication", {"text": "(no name) 300 mg", "dose": "300 mg", "taking": "current"}),
            ]),
            # Contradictory: the list counts, and says nothing about being complete.
            ("medicines", {"medicine-0-name": "lithium", "no_medicines": ON, "medicines_all": YES}, [
                ("medication", {"text": "lithium", "dose": "", "taking": "current"}),
            ]),
            ("medicines", {"allergy_ketamine": NO, "allergy_excipient": NO, "no_allergies": ON}, [
                ("statement", {"kind": "allergies_complete", "value": True}),
            ]),
            ("medicines", {"allergy_ketamine": UNSURE, "allergy_excipient": NO, "no_allergies": ON}, [
                ("statement", {"kind": "allergies_complete", "value": None}),
            ]),
            ("medicines", {"allergy_ketamine": NO, "no_allergies": ON}, []),
            ("medicines", {"allergy_ketamine": YES, "allergy_excipient": YES, "allergy_excipient_which": "sorbitol", "allergy-0-name": "penicillin"}, [
                ("allergy", {"substance": "ketamine or esketamine", "agent": "ketamine"}),
                ("allergy", {"substance": "sorbitol", "agent": "excipient"}),
                ("allergy", {"substance": "penicillin", "reaction": ""}),
                ("statement", {"kind": "allergies_complete", "value": True}),
            ]),
            ("substances", {"ketamine_use": UNSURE}, [("statement", {"kind": "ketamine_use", "value": None})]),
            ("substances", {"use_cannabis": "never"}, []),
            ("substances", {"use_cannabis": UNSURE}, [
                ("medication", {"text": "Cannabis", "dose": "Not sure", "taking": "unknown", "note": "Said about substances."}),
            ]),
            ("substances", {"use_cannabis": "weekly"}, [
                ("medication", {"text": "Cannabis", "dose": "Every week", "taking": "current", "note": "Said about substances."}),
            ]),
            ("treatments", {"no_trials": ON}, []),
            ("treatments", {"trial-0-name": "Zoloft", "trial-0-dose": "200 mg", "trial-0-weeks": "12", "trial-0-helped": "not", "trial-0-now": YES}, [
                ("trial", {"treatment": "Zoloft", "max_dose": "200 mg", "weeks": 12, "is_adequate": None, "has_failed": True,
                           "in_current_episode": True, "outcome": "No, it did not help"}),
            ]),
            ("treatments", {"trial-0-name": "CBT", "trial-0-weeks": "a few", "trial-0-helped": "some", "trial-0-now": UNSURE}, [
                ("trial", {"treatment": "CBT", "max_dose": "", "weeks": None, "is_adequate": None, "has_failed": None,
                           "in_current_episode": None, "outcome": "A little"}),
            ]),
            ("goals", {"reason": "I think in circles"}, []),
        ],
    )  # fmt: skip
    def test_what_answers_say(
        self, section: str, draft: dict[str, str], facts: list[tuple[str, dict[str, Any]]]
    ) -> None:
        assert facts_of(section, draft) == facts

    @pytest.mark.parametrize(
        ("draft", "people"),
        [
            ({"has_emergency": NO, "emergency_name": "Ann", "emergency_phone": "303 555 0144"}, []),
            ({"has_emergency": YES, "emergency_name": "Ann"}, []),
            ({"has_emergency": YES, "emergency_name": "Ann", "emergency_phone": "(303) 555-0144"}, [("emergency", "Ann")]),
            ({"has_emergency": YES, "emergency_name": "Ann", "emergency_phone": "(303) 555-0144", "escort_possible": YES, "escort_same": ON}, [("both", "Ann")]),
            ({"has_emergency": YES, "emergency_name": "Ann", "emergency_phone": "(303) 555-0144", "escort_possible": YES,
              "escort_name": "ann", "escort_phone": "303-555-0144"}, [("both", "Ann")]),
            ({"has_emergency": YES, "emergency_name": "Ann", "emergency_phone": "(303) 555-0144", "escort_possible": YES,
              "escort_name": "Bo", "escort_phone": "303-555-0145"}, [("emergency", "Ann"), ("escort", "Bo")]),
            ({"escort_possible": UNSURE, "escort_name": "Bo", "escort_phone": "303-555-0145"}, []),
        ],
    )  # fmt: skip
    def test_people(self, draft: dict[str, str], people: list[tuple[str, str]]) -> None:
        assert [(one.kind, one.name) for one in packetfacts.people_from({"contacts": draft})] == people


class TestChecks:
    @pytest.mark.parametrize(
        ("text", "day"),
        [
            ("2019", date(2019, 12, 31)), ("about 2019", date(2019, 12, 31)), ("summer of 2019", date(2019, 12, 31)),
            ("3/2021", date(2021, 3, 31)), ("2021-03", date(2021, 3, 31)), ("March 2021", date(2021, 3, 31)),
            ("in march, 2021", date(2021, 3, 31)), ("Mar 14, 2021", date(2021, 3, 14)), ("3/14/2021", date(2021, 3, 14)),
            ("2021-03-14", date(2021, 3, 14)), ("2/2024", date(2024, 2, 29)),
            # This year and this month reach until today.
            ("2027", TODAY), ("1/2027", TODAY),
            ("2028", None), ("2/2027", None), ("14/2021", None), ("2/30/2021", None), ("1999 and last week", None),
            ("2019-2021", None), ("last week", None), ("", None), ("0000", None), ("²⁰¹⁹", None), ("1850", None),
        ],
    )  # fmt: skip
    def test_days(self, text: str, day: date | None) -> None:
        assert packetchecks.day_in(text, TODAY) == day

    @pytest.mark.parametrize(
        ("part", "step", "draft", "unanswered", "wrong"),
        [
            ("family", "relatives", {}, {"family_psychosis"}, set()),
            ("family", "relatives", {"family_psychosis": YES}, {"family_near"}, set()),
            ("family", "relatives", {"family_psychosis": UNSURE}, set(), set()),
            ("family", "relatives", {"family_psychosis": "maybe"}, set(), {"family_psychosis"}),
            ("family", "relatives", {"leave-relatives": ON}, set(), set()),
            ("family", "relatives", {"leave-relatives": ON, "family_psychosis": "maybe"}, set(), {"family_psychosis"}),
            ("about_you", "body_basics", {"sex_at_birth": "unsaid"}, set(), set()),
            ("about_you", "body_basics", {"sex_at_birth": "female", "height_feet": "5'7"}, set(), {"height_feet"}),
            ("about_you", "body_basics", {"sex_at_birth": "female", "height_feet": "17"}, set(), {"height_feet"}),
            ("about_you", "body_basics", {"sex_at_birth": "female", "height_inches": "7"}, set(), {"height_feet"}),
            ("about_you", "body_basics", {"sex_at_birth": "female", "height_feet": "5", "height_inches": "7", "height_cm": "170"}, set(), set()),
            ("about_you", "body_basics", {"sex_at_birth": "female", "height_feet": "5", "height_inches": "7", "height_cm": "190"}, set(), {"height_cm"}),
            ("medicines", "medicines", {}, {"no_medicines", "medicines_all"}, set()),
            ("medicines", "medicines", {"no_medicines": ON}, set(), set()),
            ("medicines", "medicines", {"no_medicines": ON, "medicine-0-name": "x"}, set(), {"no_medicines"}),
            ("medicines", "medicines", {"medicine-1-dose": "5 mg", "medicines_all": YES}, {"medicine-1-name"}, set()),
            ("contacts", "escort", {"escort_possible": NO}, set(), set()),
            ("contacts", "escort", {"escort_possible": YES, "transport": "taxi"}, {"escort_name", "escort_relationship", "escort_phone"}, set()),
            ("contacts", "escort", {"escort_possible": YES, "transport": "taxi", "escort_same": ON}, set(), {"escort_same"}),
            ("contacts", "escort", {"escort_possible": YES, "transport": "taxi", "escort_same": ON, "has_emergency": YES, "emergency_phone": "303 555 0144"}, set(), set()),
            ("contacts", "emergency", {"has_emergency": YES, "emergency_name": "A", "emergency_relationship": "b", "emergency_phone": "12"}, set(), {"emergency_phone"}),
            ("goals", "reason", {"reason": "x" * 4001}, set(), {"reason"}),
            ("goals", "hopes", {}, set(), set()),
            ("treatments", "trials", {"trial-0-name": "CBT", "trial-0-helped": "some", "trial-0-weeks": "many"}, set(), {"trial-0-weeks"}),
            ("history", "eyes", {"glaucoma": YES, "glaucoma-state": "past", "glaucoma-when": "2031", "angle_closure": NO, "open_globe_injury": NO}, set(), {"glaucoma-when"}),
        ],
    )  # fmt: skip
    def test_what_is_open_and_what_cannot_be_right(
        self, part: str, step: str, draft: dict[str, str], unanswered: set[str], wrong: set[str]
    ) -> None:
        found = packetparts.BY_CODE[part].step(step)
        assert found is not None
        problems = packetchecks.of_step(found, draft, TODAY)
        assert (set(problems.unanswered), set(problems.wrong)) == (unanswered, wrong)
        assert all(str(sentence).endswith((".", "?")) for sentence in problems.every.values())

    def test_a_list_grows_by_what_is_in_it_and_no_further_than_the_most(self) -> None:
        rows = packetparts.MEDICINES.steps[0].rows
        assert rows is not None
        for draft, count in (
            ({}, 1), ({"medicine-rows": "4"}, 4), ({"medicine-6-name": "x"}, 7), ({"medicine-999-name": "x"}, 60),
            ({"medicine-²-name": "x", "medicine-rows": "²"}, 1), ({"allergy-6-name": "x"}, 1), ({"medicine-rows": "-5"}, 1),
            ({"medicine-9999-name": "x"}, 1),
        ):  # fmt: skip
            assert rows.count(draft) == count, draft


class TestMerging:
    def save(self, stored: Stored, window: str, typed: str, seen: str, turn: int = 1) -> merging.Merged:
        return merging.merge(stored, typed={"reason": typed}, seen={"reason": seen}, window=Window(window, turn))

    def test_one_window_saves_and_goes_on(self) -> None:
        first = self.save(Stored(), "a", "I sleep", "")
        # The answer to the first was lost on the way: the window still believes that nothing is kept.
        second = self.save(first.stored, "a", "I sleep badly", "", turn=2)
        assert second.stored.draft == {"reason": "I sleep badly"}
        assert not second.clashed
        cleared = self.save(second.stored, "a", "", "", turn=3)
        assert cleared.stored.draft == {}

    def test_a_late_letter_of_the_same_window_is_not_read(self) -> None:
        newer = self.save(Stored(), "a", "I sleep badly", "", turn=5)
        late = self.save(newer.stored, "a", "I sl", "", turn=4)
        assert late.is_stale
        assert late.stored.draft == {"reason": "I sleep badly"}

    def test_a_window_that_touched_nothing_writes_nothing(self) -> None:
        other = self.save(Stored({"reason": "old"}), "a", "new", "old")
        idle = self.save(other.stored, "b", "old", "old")
        assert idle.stored.draft == {"reason": "new"}
        assert not idle.clashed

    def test_both_texts_are_kept_until_somebody_chose(self) -> None:
        other = self.save(Stored({"reason": "old"}), "a", "from a", "old")
        mine = self.save(other.stored, "b", "from b", "old")
        assert mine.clashed == {"reason"}
        assert (mine.stored.draft, mine.stored.others) == ({"reason": "from b"}, {"reason": ["from a"]})
        # Going on in the second window asks no second time, and loses nothing.
        more = self.save(mine.stored, "b", "from b, more", "from b", turn=2)
        assert not more.clashed
        assert more.stored.others == {"reason": ["from a"]}
        assert merging.choose(more.stored, name="reason", place=0).draft == {"reason": "from a"}
        kept = merging.choose(more.stored, name="reason", place=None)
        assert (kept.draft, kept.others) == ({"reason": "from b, more"}, {})
        assert merging.choose(more.stored, name="reason", place=7) == more.stored

    def test_a_field_that_another_window_cleared_is_a_difference_too(self) -> None:
        cleared = self.save(Stored({"reason": "old"}), "a", "", "old")
        typed = self.save(cleared.stored, "b", "old, and more", "old")
        assert typed.stored.draft == {"reason": "old, and more"}
        other = self.save(Stored({"reason": "old"}), "a", "old, and more", "old")
        emptied = self.save(other.stored, "b", "", "old")
        assert emptied.stored.others == {"reason": ["old, and more"]}

    @pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"reason": 5}', "²", '"x"'])
    def test_a_window_that_cannot_say_what_it_saw_is_asked(self, text: str) -> None:
        assert merging.read_seen(text) == {}
        kept = merging.merge(
            Stored({"reason": "kept"}), typed={"reason": "typed"}, seen=merging.read_seen(text), window=Window("b", 0)
        )
        assert kept.stored.others == {"reason": ["kept"]}

    @pytest.mark.parametrize(
        ("key", "window"), [("abc.12", Window("abc", 12)), ("abc", Window("abc", 0)), ("", Window("", 0)), ("a.²", Window("a", 0)), ("a.-1", Window("a", 0))]
    )  # fmt: skip
    def test_keys_of_windows(self, key: str, window: Window) -> None:
        assert Window.read(key) == window

    def test_what_is_shown_is_what_can_be_read_again(self) -> None:
        shown = merging.shown({"a": 'x "quoted" ü', "b": "", "c": "z"}, ["a", "b"])
        assert merging.read_seen(shown) == {"a": 'x "quoted" ü'}
