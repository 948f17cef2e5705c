"""The instruments as files: each agrees with domain.md and with its licence, and a file that does not is refused."""

import dataclasses
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from assessments import definitions
from assessments.definitions import Permission, WordingNotAllowed, can_render, wording
from assessments.instrument import Answerer, Definition, Kind, LicenceStatus, WordingSource
from assessments.instrumentfiles import InstrumentFileError, parse
from assessments.scoring import SCORERS

ALL = definitions.all_current()
BY_CODE = {definition.code: definition for definition in ALL}
BUNDLED = ("after-dose", "asq", "audit-c", "daily-life", "gad-7", "pcl-5", "phq-9")
WITHOUT_WORDING = ("c-ssrs", "cadss", "dast-10", "isi", "madrs", "meq-30", "ptq", "qids-sr16", "rrs-10", "who-5")
ids = [definition.code for definition in ALL]


def answers_of(definition: Definition) -> set[tuple[int, ...]]:
    return {item.values for item in definition.items if item.scored}


# domain.md 2.2: items, values of an item, range of the total, bands.
TABLE: dict[str, tuple[int, tuple[int, ...], tuple[int, int] | None, tuple[tuple[int, int], ...]]] = {
    "phq-9": (9, (0, 1, 2, 3), (0, 27), ((0, 4), (5, 9), (10, 14), (15, 19), (20, 27))),
    "gad-7": (7, (0, 1, 2, 3), (0, 21), ((0, 4), (5, 9), (10, 14), (15, 21))),
    "pcl-5": (20, (0, 1, 2, 3, 4), (0, 80), ()),
    "who-5": (5, (0, 1, 2, 3, 4, 5), (0, 100), ((0, 28), (29, 50), (51, 100))),
    "audit-c": (3, (0, 1, 2, 3, 4), (0, 12), ()),
    "asq": (5, (0, 1), None, ()),
    "c-ssrs": (7, (0, 1), None, ()),
    "ptq": (15, (0, 1, 2, 3, 4), (0, 60), ()),
    "rrs-10": (10, (1, 2, 3, 4), (10, 40), ()),
    "qids-sr16": (16, (0, 1, 2, 3), (0, 27), ((0, 5), (6, 10), (11, 15), (16, 20), (21, 27))),
    "madrs": (10, (0, 1, 2, 3, 4, 5, 6), (0, 60), ((0, 6), (7, 19), (20, 34), (35, 60))),
    "dast-10": (10, (0, 1), (0, 10), ((0, 0), (1, 2), (3, 5), (6, 8), (9, 10))),
    "isi": (7, (0, 1, 2, 3, 4), (0, 28), ((0, 7), (8, 14), (15, 21), (22, 28))),
    "meq-30": (30, (0, 1, 2, 3, 4, 5), (0, 150), ()),
    "cadss": (23, (0, 1, 2, 3, 4), (0, 92), ()),
    "daily-life": (6, (0, 1, 2, 3, 4), (0, 24), ()),
}


def test_every_instrument_of_the_issue_is_here() -> None:
    assert {*TABLE, "after-dose"} == set(BY_CODE) == {*BUNDLED, *WITHOUT_WORDING}


@pytest.mark.parametrize("code", TABLE)
def test_items_values_range_and_bands_are_domains(code: str) -> None:
    count, values, reach, bands = TABLE[code]
    definition = BY_CODE[code]
    assert len(definition.scored_items) == count
    assert answers_of(definition) == {values}
    assert (definition.low, definition.high) == (reach or (None, None))
    assert tuple((band.low, band.high) for band in definition.bands) == bands


@pytest.mark.parametrize(
    ("code", "subscales"),
    [
        ("phq-9", {"phq-2": (2, 0, 6)}),
        ("pcl-5", {"b": (5, 0, 20), "c": (2, 0, 8), "d": (7, 0, 28), "e": (6, 0, 24)}),
        ("meq-30", {"mystical": (15, 0, 75), "positive_mood": (6, 0, 30), "time_space": (6, 0, 30), "ineffability": (3, 0, 15)}),
        ("cadss", {"cadss-6": (6, 0, 24)}),
        ("ptq", {"core": (0, 0, 36), "unproductiveness": (0, 0, 12), "capacity": (0, 0, 12)}),
        ("rrs-10", {"brooding": (5, 5, 20), "reflection": (5, 5, 20)}),
        ("daily-life", {"thoughts": (2, 0, 8), "daily_life": (4, 0, 16)}),
    ],
)  # fmt: skip
def test_subscales(code: str, subscales: dict[str, tuple[int, int, int]]) -> None:
    assert {s.id: (len(s.items), s.low, s.high) for s in BY_CODE[code].subscales} == subscales


def test_the_six_items_of_the_short_cadss() -> None:
    assert BY_CODE["cadss"].subscale("cadss-6").items == ("q1", "q2", "q6", "q7", "q15", "q22")


def test_only_item_3_of_the_dast_is_reversed() -> None:
    assert [item.id for definition in ALL for item in definition.items if item.reversed] == ["q3"]


@pytest.mark.parametrize(
    ("code", "remission", "deterioration", "floor", "reliable"),
    [
        ("phq-9", ("<", 5), 6, 10, (6, None)),
        ("gad-7", ("<", 5), 4, 10, (4, None)),
        ("pcl-5", ("<=", 28), 15, None, (15, 18)),
        ("who-5", (">", 50), None, None, None),
        ("qids-sr16", ("<=", 5), None, None, None),
        ("madrs", ("<=", 10), None, None, None),
        ("isi", ("<", 8), None, None, None),
        ("ptq", None, None, None, (None, None)),
        ("audit-c", None, None, None, None),
    ],
)
def test_figures_for_change(
    code: str,
    remission: tuple[str, int] | None,
    deterioration: int | None,
    floor: int | None,
    reliable: tuple[int | None, int | None] | None,
) -> None:
    d = BY_CODE[code]
    assert (None if d.remission is None else (d.remission.comparison, d.remission.value)) == remission
    assert (d.deterioration, d.baseline_floor) == (deterioration, floor)
    assert (
        None if d.reliable_change is None else (d.reliable_change.points, d.reliable_change.points_high)
    ) == reliable


def test_the_figures_of_the_ptq_are_marked_as_an_illustration() -> None:
    figure = BY_CODE["ptq"].reliable_change
    assert figure is not None
    assert (figure.sd, figure.r, figure.illustration) == (12.5, 0.69, True)
    assert not any(d.reliable_change.illustration for d in ALL if d.reliable_change and d.code != "ptq")


@pytest.mark.parametrize(
    ("code", "cut_offs"),
    [
        ("phq-9", [(10, None, "everyone", "")]),
        ("gad-7", [(10, None, "everyone", "")]),
        ("pcl-5", [(33, 31, "everyone", "")]),
        ("audit-c", [(4, None, "men", ""), (3, None, "women", ""), (8, None, "everyone", "SUB-SUD")]),
        ("dast-10", [(6, None, "everyone", "SUB-SUD")]),
        ("cadss", [(5, None, "everyone", "")]),
    ],
)
def test_cut_offs(code: str, cut_offs: list[tuple[int, int | None, str, str]]) -> None:
    assert [(c.at_least, c.grey_from, c.applies_to, c.flag) for c in BY_CODE[code].cut_offs] == cut_offs


@pytest.mark.parametrize(
    ("code", "allowed", "in_a_part", "never"),
    [("phq-9", 2, None, ("q9",)), ("gad-7", 1, None, ()), ("pcl-5", 2, 1, ())]
    + [(code, 0, None, ()) for code in sorted(BY_CODE) if code not in {"phq-9", "gad-7", "pcl-5"}],
)
def test_missing_rules(code: str, allowed: int, in_a_part: int | None, never: tuple[str, ...]) -> None:
    rule = BY_CODE[code].missing
    assert (rule.allowed, rule.allowed_per_subscale, rule.never_imputed) == (allowed, in_a_part, never)


# domain.md 2.3.
LOINC = {
    "phq-9": ("44249-1", "44261-6", ["44250-9", "44255-8", "44259-0", "44254-1", "44251-7", "44258-2", "44252-5", "44253-3", "44260-8", "69722-7"]),
    "gad-7": ("69737-5", "70274-6", ["69725-0", "68509-9", "69733-4", "69734-2", "69735-9", "69689-8", "69736-7"]),
    "c-ssrs": ("93373-9", "93374-7", ["93246-7", "93247-5", "93248-3", "93249-1", "93250-9", "93267-3", "93269-9"]),
    "audit-c": ("72109-2", "75626-2", ["68518-0", "68519-8", "68520-6"]),
    "dast-10": ("82666-9", "82667-7", [""] * 10),
}  # fmt: skip


def test_loinc_codes_are_domains_and_no_others_are_made_up() -> None:
    for definition in ALL:
        panel, total, codes = LOINC.get(definition.code, ("", "", [""] * len(definition.items)))
        assert (definition.loinc_panel, definition.loinc_total) == (panel, total), definition.code
        assert [item.loinc for item in definition.items] == codes, definition.code


def test_loinc_answers() -> None:
    assert [o.loinc for o in BY_CODE["phq-9"].item("q1").options] == ["LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9"]
    assert [(o.label, o.loinc) for o in BY_CODE["asq"].item("q1").options] == [("No", "LA32-8"), ("Yes", "LA33-6")]
    assert BY_CODE["c-ssrs"].category("low").loinc == "LA9194-7"


# The published words. A change of one letter is a change of the instrument.
WORDS = {
    "phq-9": """Little interest or pleasure in doing things
Feeling down, depressed, or hopeless
Trouble falling or staying asleep, or sleeping too much
Feeling tired or having little energy
Poor appetite or overeating
Feeling bad about yourself — or that you are a failure or have let yourself or your family down
Trouble concentrating on things, such as reading the newspaper or watching television
Moving or speaking so slowly that other people could have noticed? Or the opposite — being so fidgety or restless that you have been moving around a lot more than usual
Thoughts that you would be better off dead or of hurting yourself in some way
If you checked off any problems, how difficult have these problems made it for you to do your work, take care of things at home, or get along with other people?""",
    "gad-7": """Feeling nervous, anxious or on edge
Not being able to stop or control worrying
Worrying too much about different things
Trouble relaxing
Being so restless that it is hard to sit still
Becoming easily annoyed or irritable
Feeling afraid as if something awful might happen""",
    "pcl-5": """Repeated, disturbing, and unwanted memories of the stressful experience?
Repeated, disturbing dreams of the stressful experience?
Suddenly feeling or acting as if the stressful experience were actually happening again (as if you were actually back there reliving it)?
Feeling very upset when something reminded you of the stressful experience?
Having strong physical reactions when something reminded you of the stressful experience (for example, heart pounding, trouble breathing, sweating)?
Avoiding memories, thoughts, or feelings related to the stressful experience?
Avoiding external reminders of the stressful experience (for example, people, places, conversations, activities, objects, or situations)?
Trouble remembering important parts of the stressful experience?
Having strong negative beliefs about yourself, other people, or the world (for example, having thoughts such as: I am bad, there is something seriously wrong with me, no one can be trusted, the world is completely dangerous)?
Blaming yourself or someone else for the stressful experience or what happened after it?
Having strong negative feelings such as fear, horror, anger, guilt, or shame?
Loss of interest in activities that you used to enjoy?
Feeling distant or cut off from other people?
Trouble experiencing positive feelings (for example, being unable to feel happiness or have loving feelings for people close to you)?
Irritable behavior, angry outbursts, or acting aggressively?
Taking too many risks or doing things that could cause you harm?
Being “superalert” or watchful or on guard?
Feeling jumpy or easily startled?
Having difficulty concentrating?
Trouble falling or staying asleep?""",
    "asq": """In the past few weeks, have you wished you were dead?
In the past few weeks, have you felt that you or your family would be better off if you were dead?
In the past week, have you been having thoughts about killing yourself?
Have you ever tried to kill yourself?
If yes, how?
When?
Are you having thoughts of killing yourself right now?
If yes, please describe:""",
    "audit-c": """How often do you have a drink containing alcohol?
How many drinks containing alcohol do you have on a typical day when you are drinking?
How often do you have six or more drinks on one occasion?""",
}
FREQUENCY = ["Not at all", "Several days", "More than half the days", "Nearly every day"]
LABELS = {
    "phq-9": [FREQUENCY] * 9
    + [["Not difficult at all", "Somewhat difficult", "Very difficult", "Extremely difficult"]],
    "gad-7": [FREQUENCY] * 7,
    "pcl-5": [["Not at all", "A little bit", "Moderately", "Quite a bit", "Extremely"]] * 20,
    "asq": [["No", "Yes"]] * 4 + [[], []] + [["No", "Yes"], []],
    "audit-c": [
        ["Never", "Monthly or less", "2 to 4 times a month", "2 to 3 times a week", "4 or more times a week"],
        ["1 or 2", "3 or 4", "5 or 6", "7, 8, or 9", "10 or more"],
        ["Never", "Less than monthly", "Monthly", "Weekly", "Daily or almost daily"],
    ],
}


@pytest.mark.parametrize("code", WORDS)
def test_bundled_wording_is_the_published_one(code: str) -> None:
    definition = BY_CODE[code]
    assert [item.text for item in definition.items] == WORDS[code].split("\n")
    assert [[option.label for option in item.options] for item in definition.items] == LABELS[code]


@pytest.mark.parametrize("definition", ALL, ids=ids)
def test_licence(definition: Definition) -> None:
    assert definition.licence
    assert definition.citation
    assert (definition.wording_source is WordingSource.BUNDLED) == (definition.code in BUNDLED)
    assert can_render(definition) == (definition.code in BUNDLED)
    if definition.code not in BUNDLED:
        assert definition.licence_status is not LicenceStatus.FREE


@pytest.mark.parametrize("code", WITHOUT_WORDING)
def test_no_word_of_a_licence_bound_instrument_is_here(code: str) -> None:
    definition = BY_CODE[code]
    assert not any(item.text for item in definition.items)
    assert not any(o.label for item in definition.items if item.kind is Kind.CHOICE for o in item.options)
    assert not definition.instructions
    assert not definition.stem
    file = (definitions.FOLDER / f"{code}.1.en.toml").read_text()
    assert not re.search(r"^(text|label) = .*\?", file, re.M)
    with pytest.raises(WordingNotAllowed, match="paper form"):
        wording(definition)


@pytest.mark.parametrize(
    ("code", "status"),
    [("who-5", "free_noncommercial"), ("dast-10", "free_noncommercial")]
    + [(code, "permission_required") for code in WITHOUT_WORDING if code not in {"who-5", "dast-10"}],
)
def test_licence_status_is_domains(code: str, status: str) -> None:
    assert BY_CODE[code].licence_status == status


@pytest.mark.parametrize("code", ["daily-life", "after-dose"])
def test_our_own_are_labelled_unvalidated(code: str) -> None:
    definition = BY_CODE[code]
    assert not definition.validated
    assert not definition.bands
    assert not definition.cut_offs
    assert any("not validated" in note for note in definition.notes)
    words = " ".join([definition.instructions, *(item.text for item in definition.items)]).lower()
    assert not re.search(r"ketamine|dose|trip|suicid|better off", words)


def test_the_check_after_a_dose_is_asked_at_4_24_and_72_hours() -> None:
    assert BY_CODE["after-dose"].hours_after_dose == (4, 24, 72)
    assert not any(d.hours_after_dose for d in ALL if d.code != "after-dose")


def test_who_answers() -> None:
    by_clinician = {d.code for d in ALL if d.answered_by is Answerer.CLINICIAN}
    assert by_clinician == {"c-ssrs", "madrs", "cadss"}


def test_crisis_text_stands_beside_every_one() -> None:
    assert all(definition.crisis_text for definition in ALL)


def test_every_scorer_exists_and_every_definition_can_be_a_key() -> None:
    assert {definition.scorer for definition in ALL} <= set(SCORERS)
    assert len({hash(definition) for definition in ALL}) == len(ALL)


class TestRegistry:
    def test_get_and_current(self) -> None:
        assert definitions.get("phq-9", 1) is definitions.current("phq-9")
        with pytest.raises(definitions.UnknownInstrument, match="phq-9 version 2"):
            definitions.get("phq-9", 2)
        with pytest.raises(definitions.UnknownInstrument, match="hads"):
            definitions.current("hads")
        with pytest.raises(definitions.UnknownInstrument, match="in es"):
            definitions.current("phq-9", "es")

    def test_the_newest_version_is_current_and_the_old_one_stays(self, tmp_path: Path) -> None:
        text = (definitions.FOLDER / "gad-7.1.en.toml").read_text()
        (tmp_path / "gad-7.1.en.toml").write_text(text)
        (tmp_path / "gad-7.10.en.toml").write_text(text.replace("version = 1", "version = 10", 1))
        (tmp_path / "gad-7.9.en.toml").write_text(text.replace("version = 1", "version = 9", 1))
        registry = definitions.load(tmp_path)
        assert registry.current("gad-7").version == 10
        assert registry.get("gad-7", 1).version == 1
        assert [d.key for d in registry.all_current()] == [("gad-7", 10, "en")]

    def test_an_empty_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InstrumentFileError, match="no instrument"):
            definitions.load(tmp_path)

    def test_the_checksum_names_the_content_and_not_the_line_ends(self) -> None:
        content = (definitions.FOLDER / "isi.1.en.toml").read_bytes()
        first = parse("isi.1.en.toml", content)
        assert parse("isi.1.en.toml", content.replace(b"\n", b"\r\n")).checksum == first.checksum
        assert parse("isi.1.en.toml", content + b"\n# a remark\n").checksum != first.checksum
        assert len({d.checksum for d in ALL}) == len(ALL)

    def test_files_are_found_from_any_folder(self, tmp_path: Path) -> None:
        asked = "from assessments import definitions; print(definitions.current('phq-9').name)"
        said = subprocess.run(
            [sys.executable, "-c", asked], cwd=tmp_path, capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONPATH": str(definitions.FOLDER.parent.parent)},
        )  # fmt: skip
        assert said.stdout.strip() == "PHQ-9"

    def test_it_is_read_once(self) -> None:
        assert definitions.registry() is definitions.registry()


class TestPermission:
    @staticmethod
    def held(definition: Definition, **changes: Any) -> Permission:
        permission = Permission(
            definition.code, definition.version, definition.language, "letter of 3 May, in the office safe",
            {item.id: f"Question {item.number}" for item in definition.items},
            {item.id: tuple(f"Answer {v}" for v in item.values) for item in definition.items},
        )  # fmt: skip
        return dataclasses.replace(permission, **changes)

    def test_complete_wording_under_a_permission_is_shown(self) -> None:
        isi = BY_CODE["isi"]
        shown = wording(isi, [self.held(isi)])
        assert shown.items[0].text == "Question 1"
        assert [o.label for o in shown.items[0].options] == [f"Answer {v}" for v in range(5)]
        assert shown.items[0].values == isi.items[0].values
        assert shown.attribution == isi.citation

    def test_what_does_not_cover_it_is_no_permission(self) -> None:
        isi = BY_CODE["isi"]
        held = self.held(isi)
        short = dict(list(held.items.items())[:-1])
        blank = {**held.items, "q7": "  "}
        few = {**held.options, "q2": ("Answer 0", "Answer 1")}
        assert can_render(isi, [held])
        for other in [
            self.held(isi, code="madrs"), self.held(isi, version=2), self.held(isi, language="es"),
            self.held(isi, document=" "), self.held(isi, items=short), self.held(isi, items=blank),
            self.held(isi, options=few), self.held(isi, options={}),
        ]:  # fmt: skip
            assert not can_render(isi, [other])

    def test_it_ends_with_its_last_day(self) -> None:
        isi = BY_CODE["isi"]
        held = self.held(isi, until=date(2026, 12, 31))
        assert can_render(isi, [held], on=date(2026, 12, 31))
        assert not can_render(isi, [held], on=date(2027, 1, 1))
        assert not can_render(isi, [held])


class TestEntry:
    @pytest.mark.parametrize("definition", ALL, ids=ids)
    def test_every_item_by_number_and_no_word_of_it(self, definition: Definition) -> None:
        form = definitions.entry(definition)
        asked = [item for item in definition.items if item.kind is not Kind.TEXT]
        assert [(f.id, f.number, f.values) for f in form.fields] == [(i.id, i.number, i.values) for i in asked]
        assert bool(form.totals) == (definition.low is not None)
        said = repr(form)
        assert not any(item.text in said for item in definition.items if item.text)

    def test_a_percentage_goes_by_fours(self) -> None:
        assert [(t.low, t.high, t.step) for t in definitions.entry(BY_CODE["who-5"]).totals] == [(0, 100, 4)]


GOOD = (definitions.FOLDER / "phq-9.1.en.toml").read_text()
LOCKED = (definitions.FOLDER / "isi.1.en.toml").read_text()
Q1 = 'text = "Little interest or pleasure in doing things"'


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('code = "phq-9"\n', "", "code"),
        ('code = "phq-9"', 'code = "phq"', "code"),
        ("version = 1", "version = 0", "code"),
        ("version = 1", 'version = "1"', "version"),
        ("minutes = 3", "minutes = true", "minutes"),
        ("minutes = 3", "minutes = 0", "minutes"),
        ("minutes = 3", "minutes = 3\nminuets = 3", "minuets"),
        ('higher_is = "worse"', 'higher_is = "worst"', "higher_is"),
        ('answered_by = "patient"', 'answered_by = "escort"', "answered_by"),
        ('recall = "last 2 weeks"', 'recall = " "', "recall"),
        ("[scorer]", "[scorers]", "scorer"),
        ('status = "free"', 'status = "permission_required"', "wording_source"),
        ('status = "free"', 'status = "free_noncommercial"', "wording_source"),
        (Q1, 'text = ""', "items.q1.text"),
        ('wording_source = "bundled"', 'wording_source = "none"', "items.q1.text"),
        ('id = "q2"', 'id = "q1"', "items"),
        ('number = "2"', 'number = "1"', "items"),
        ('scale = "frequency"', 'scale = "often"', "items[0].scale"),
        ('  { value = 1, label = "Several days", loinc = "LA6569-3" },', '  { value = 0, label = "Several days" },', "scales[0].options"),
        ('  { value = 1, label = "Several days", loinc = "LA6569-3" },', '  { value = 1, label = "Not at all" },', "scales[0].options"),
        ('  { value = 1, label = "Several days", loinc = "LA6569-3" },', "  { value = 1 },", "scales[0].options"),
        ('  { value = 1, label = "Several days", loinc = "LA6569-3" },', '  { value = 9, label = "Several days" },', "scales[0].options"),
        ("low = 5\nhigh = 9", "low = 4\nhigh = 9", "bands.mild"),
        ("low = 5\nhigh = 9", "low = 6\nhigh = 9", "bands.mild"),
        ("low = 5\nhigh = 9", "low = 9\nhigh = 5", "bands.mild"),
        ("low = 20\nhigh = 27", "low = 20\nhigh = 26", "bands"),
        ("low = 0\nhigh = 27", "low = 0\nhigh = 30", "total"),
        ('item = "q9"', 'item = "q11"', "safety_items"),
        ('tiers = { 1 = "yellow"', 'tiers = { 7 = "yellow"', "safety_items.q9"),
        ('tiers = { 1 = "yellow"', 'tiers = { one = "yellow"', "safety_items[0].tiers.one"),
        ('tiers = { 1 = "yellow"', 'tiers = { 1 = "purple"', "safety_items[0].tiers.1"),
        ('never_imputed = ["q9"]\n', "", "missing.never_imputed"),
        ('never_imputed = ["q9"]', 'never_imputed = ["q99", "q9"]', "missing.never_imputed"),
        ("allowed = 2", "allowed = 10", "missing.allowed"),
        ("at_least = 10\nsource", "at_least = 28\nsource", "cut_offs.screen"),
        ('comparison = "<"', 'comparison = "="', "remission.comparison"),
        ("points = 6\n", "points = 6\nsd = 5.0\n", "reliable_change.sd"),
        ('items = ["q1", "q2"]', 'items = ["q1", "q22"]', "subscales[0].items"),
        ('items = ["q1", "q2"]', 'items = ["q1", "q1"]', "subscales[0].items"),
        ('items = ["q1", "q2"]', 'items = ["q1", "q2", "q3"]', "subscales[0].high"),
        ("points = 5\n", "points = 5\npercent = 3\n", "meaningful_changes[0].points"),
        ("scored = false", 'scored = false\nasked_if = { any_of = ["q11"], value = 1 }', "items.difficulty.asked_if"),
        ('sources = ["domain.md 2.1", "domain.md 2.2", "domain.md 2.3", "domain.md 6.3", "domain.md 6.5"]', "", "sources"),
        ("[licence]", "[licence", "toml"),
    ],
)  # fmt: skip
def test_an_inconsistent_file_is_refused_by_name(old: str, new: str, field: str) -> None:
    assert old in GOOD
    with pytest.raises(InstrumentFileError) as refused:
        parse("phq-9.1.en.toml", GOOD.replace(old, new, 1).encode())
    assert refused.value.file == "phq-9.1.en.toml"
    assert refused.value.field == field
    assert str(refused.value).startswith(f"phq-9.1.en.toml: {field}: ")


@pytest.mark.parametrize("missing", ["citation", "text", "status"])
def test_a_licence_is_told_in_full(missing: str) -> None:
    before, after = GOOD.split("[licence]\n")
    cut = re.sub(rf"^{missing} = .*\n", "", after, count=1, flags=re.M)
    with pytest.raises(InstrumentFileError, match=f"licence.{missing}"):
        parse("phq-9.1.en.toml", f"{before}[licence]\n{cut}".encode())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('number = "1"', 'number = "1"\ntext = "Trouble sleeping"'),
        ("{ value = 0 },", '{ value = 0, label = "None" },'),
        ('recall = "last 2 weeks"', 'recall = "last 2 weeks"\ninstructions = "Rate your sleep"'),
        ('recall = "last 2 weeks"', 'recall = "last 2 weeks"\nstem = "How bad was it?"'),
    ],
)
def test_wording_under_a_licence_is_refused_wherever_it_hides(old: str, new: str) -> None:
    assert old in LOCKED
    with pytest.raises(InstrumentFileError):
        parse("isi.1.en.toml", LOCKED.replace(old, new, 1).encode())


def test_the_good_files_are_good() -> None:
    for path in definitions.FOLDER.glob("*.toml"):
        assert parse(path.name, path.read_bytes()).key in definitions.registry().by_key
