"""The words of consents: our own texts, typed names, and what changed between two wordings."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patients import consenttexts, wordchanges
from patients.consenttexts import BrokenText, Section, Wording
from patients.models import ConsentKind, Route
from patients.typednames import is_the_name

BUNDLED = {(words.kind, words.route): words for words in consenttexts.bundled()}
KETAMINE = [words for words in BUNDLED.values() if words.kind == "ketamine"]


def said(words: Wording) -> str:
    """Return everything a wording says, in lower case."""
    parts = [words.title]
    for section in words.sections:
        parts += [section.heading, *section.paragraphs, *section.points]
    return " ".join(parts).lower()


class TestOurTexts:
    def test_there_is_one_of_each_kind_and_route(self) -> None:
        assert list(BUNDLED) == [
            ("privacy_notice", ""), ("treatment", ""), *(("ketamine", route) for route in Route.values),
            ("telehealth", ""), ("communications", ""), ("release", ""),
        ]  # fmt: skip
        assert tuple(ConsentKind.values) == consenttexts.KINDS
        assert tuple(Route.values) == consenttexts.ROUTES

    @pytest.mark.parametrize("words", KETAMINE, ids=lambda w: w.route)
    def test_of_the_therapy_say_all_that_the_domain_page_asks_for(self, words: Wording) -> None:
        """domain.md rule 2 and 8.3."""
        text = said(words)
        for needed in (
            "off-label", "has not approved" if words.route != "in" else "is not fda-approved at all", "your other choices",
            "dissociation", "blood pressure", "bladder", "misuse", "do not drive", "takes you home", "no photos",
            "touch", "make that less", "medical director", "911", "988", "around the clock", "take back this consent",
            "may do nothing", "nobody here can promise",
        ):  # fmt: skip
            assert needed in text, needed

    @pytest.mark.parametrize("words", BUNDLED.values(), ids=lambda w: w.title)
    def test_promise_nothing_and_claim_no_approval(self, words: Wording) -> None:
        text = said(words)
        for claim in (
            "proven", "cure", "guarantee", "breakthrough", "safe and effective", "is effective", "will help you", "we are fda",
        ):  # fmt: skip
            assert claim not in text, claim

    def test_compounded_is_said_to_be_unapproved_and_warned_about(self) -> None:
        for route in ("sl", "oral", "in"):
            text = said(BUNDLED["ketamine", route])
            assert "compounding" in text
            assert "warned the public about compounded ketamine" in text
        assert "no fda-approved ketamine lozenge at all" in said(BUNDLED["ketamine", "sl"])

    def test_the_approved_spray_is_approved_for_its_own_uses_only(self) -> None:
        text = said(BUNDLED["ketamine", "in"])
        assert "rems" in text
        assert "and for nothing else" in text
        assert all("rems" not in said(words).split() for words in KETAMINE if words.route != "in")

    def test_only_routes_that_are_meant_are_named(self) -> None:
        assert len({said(words) for words in KETAMINE}) == len(KETAMINE)
        assert len({words.title for words in BUNDLED.values()}) == len(BUNDLED)

    @pytest.mark.parametrize("words", BUNDLED.values(), ids=lambda w: w.title)
    def test_are_plain(self, words: Wording) -> None:
        """Flesch and Kincaid's grade, counted roughly: eighth at most, and no sentence that one has to read twice."""
        text = " ".join(" ".join((*s.paragraphs, *(f"{p}." for p in s.points))) for s in words.sections)
        sentences = [s for s in text.replace(":", ".").replace("?", ".").split(".") if s.strip()]
        spoken = text.split()
        syllables = sum(_syllables(word) for word in spoken)
        grade = 0.39 * len(spoken) / len(sentences) + 11.8 * syllables / len(spoken) - 15.59
        assert grade < 8, grade
        assert max(len(s.split()) for s in sentences) <= 36


def _syllables(word: str) -> int:
    letters = "".join(c for c in word.lower() if c.isalpha())
    runs = sum(1 for i, c in enumerate(letters) if c in "aeiouy" and (i == 0 or letters[i - 1] not in "aeiouy"))
    return max(1, runs - (letters.endswith("e") and not letters.endswith("le")))


class TestFiles:
    GOOD = (consenttexts.FOLDER / "treatment.1.en.toml").read_text()

    @pytest.mark.parametrize(
        ("name", "was", "becomes"),
        [
            ("treatment.2.en.toml", "", ""),
            ("treatment.1.es.toml", "", ""),
            ("treatment.1.en.toml", 'kind = "treatment"', 'kind = "surgery"'),
            ("treatment.1.en.toml", 'route = ""', 'route = "sl"'),
            ("treatment.1.en.toml", 'title = "Consent to treatment"', 'title = " "'),
            ("treatment.1.en.toml", "points = []", "point = []"),
            ("treatment.1.en.toml", "version = 1", "version = 1\nmarkup = true"),
            ("treatment.1.en.toml", "version = 1", "version = "),
            ("treatment.1.en.toml", 'heading = "Who treats you"', 'heading = ""'),
        ],
    )
    def test_one_that_is_no_wording_is_refused(self, tmp_path: Path, name: str, was: str, becomes: str) -> None:
        assert was in self.GOOD
        path = tmp_path / name
        path.write_text(self.GOOD.replace(was, becomes, 1))
        with pytest.raises(BrokenText, match=name):
            consenttexts._read(path)

    def test_every_one_is_read_as_it_stands(self) -> None:
        for path in consenttexts.FOLDER.glob("*.toml"):
            data = tomllib.loads(path.read_text())
            words = BUNDLED[data["kind"], data["route"]]
            assert consenttexts.rows_of(words.sections) == data["sections"]


class TestHash:
    ONE = Section("Heading", ("One. Two.",), ("A point",))

    @pytest.mark.parametrize(
        "other",
        [
            Section("Heading", ("One. Two. ",), ("A point",)),
            Section("Heading", ("One.", "Two."), ("A point",)),
            Section("Heading", ("One. Two.", "A point"), ()),
            Section("heading", ("One. Two.",), ("A point",)),
            Section("Heading", ("One. Two.",), ("A point", "")),
        ],
    )
    def test_every_letter_and_every_break_counts(self, other: Section) -> None:
        assert consenttexts.hash_of("T", [self.ONE]) != consenttexts.hash_of("T", [other])

    def test_two_ways_of_typing_one_letter_are_one(self) -> None:
        assert consenttexts.hash_of("T\u00e9", [self.ONE]) == consenttexts.hash_of("Te\u0301", [self.ONE])


@pytest.mark.parametrize(
    ("typed", "given_name", "middle", "family", "fits"),
    [
        ("Pat Moreau", "Pat", "", "Moreau", True),
        ("  pat   MOREAU ", "Pat", "", "Moreau", True),
        ("Moreau, Pat", "Pat", "", "Moreau", True),
        ("Jose Nunez", "José", "", "Núñez", True),
        ("JOSE\u0301 NU\u0301N\u0303EZ", "José", "", "Núñez", True),
        ("Soren Ostergard", "Søren", "", "Østergård", True),
        ("Siobhan OBrien", "Siobhán", "", "O’Brien", True),
        ("Maryann Vander Berg", "Mary Ann", "", "VanderBerg", True),
        ("Anna-Lena Groß", "Anna Lena", "", "Gross", True),
        ("Pat Q. Moreau", "Pat", "Quincy", "Moreau", True),
        ("Pat Quincy Moreau", "Pat", "Quincy", "Moreau", True),
        ("Pat Moreau", "Pat", "Quincy", "Moreau", True),
        ("王 小明", "小明", "", "王", True),
        ("P M", "Pat", "", "Moreau", False),
        ("P. Moreau", "Pat", "", "Moreau", False),
        ("Pat M.", "Pat", "", "Moreau", False),
        ("Pat", "Pat", "", "Moreau", False),
        ("Patricia Moreau", "Pat", "", "Moreau", False),
        ("Pat Moreau Jr", "Pat", "", "Moreau", False),
        ("Quinn Abbott", "Pat", "", "Moreau", False),
        ("", "Pat", "", "Moreau", False),
        ("...", "...", "", "…", False),
    ],
)
def test_a_typed_name(typed: str, given_name: str, middle: str, family: str, fits: bool) -> None:
    assert is_the_name(typed, given=given_name, middle=middle, family=family) is fits


# Few letters, so that passages are often alike.
_SAID = st.text("ab .\n", max_size=20)
_SECTIONS = st.lists(
    st.builds(Section, _SAID, st.lists(_SAID, max_size=3).map(tuple), st.lists(_SAID, max_size=3).map(tuple)),
    max_size=4,
).map(tuple)


class TestChanges:
    def test_words_taken_away_and_put_in_are_told_apart(self) -> None:
        old = ("T", (Section("Driving", ("Do not drive for one day after a dose.",)),))
        new = ("T", (Section("Driving", ("Do not drive for two days after a dose.",), ("Take a taxi.",)),))
        changed = [p for p in wordchanges.changes(old, new) if p.is_changed]
        assert [(piece.text.strip(), str(piece.change)) for piece in changed[0].pieces if piece.text.strip()] == [
            ("Do not drive for", "same"), ("one", "removed"), ("two", "added"), ("day", "removed"), ("days", "added"),
            ("after a dose.", "same"),
        ]  # fmt: skip
        assert [(p.is_point, p.pieces[0].is_added) for p in changed[1:]] == [(True, True)]

    def test_a_passage_that_was_written_anew_is_two(self) -> None:
        old = ("T", (Section("A", ("Cats sleep all day long.",)),))
        new = ("T", (Section("A", ("Nobody watches around the clock.",)),))
        gone = [(p.pieces[0].is_added, p.pieces[0].is_removed) for p in wordchanges.changes(old, new) if p.is_changed]
        assert sorted(gone) == [(False, True), (True, False)]

    @given(_SECTIONS, _SECTIONS)
    def test_nothing_is_lost_of_either(self, old: tuple[Section, ...], new: tuple[Section, ...]) -> None:
        passages = wordchanges.changes(("Old", old), ("New", new))
        for wording, left_out in ((("New", new), "is_removed"), (("Old", old), "is_added")):
            kept = [
                "".join(piece.text for piece in p.pieces if not getattr(piece, left_out))
                for p in passages
                if any(not getattr(piece, left_out) for piece in p.pieces)
            ]
            wanted = [text for _kind, text in wordchanges._blocks(*wording)]
            assert "".join(sorted("".join(kept))) == "".join(sorted("".join(wanted)))
