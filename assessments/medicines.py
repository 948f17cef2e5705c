"""What did somebody mean by "klonapin .5 prn"? Reads a line about medicines into names and classes; pure, without guessing.

The names are data: ``medicines/<class>.toml`` for each class of domain.md 1.4, ``unflagged.toml`` for common medicines that no
rule names, ``ask.toml`` for names that a person always looks at, and ``words.toml`` for what people write around a name. What a
class means for a patient is in assessments/screening.

Three outcomes are kept apart, because confusing them is how a person is hurt: a name with a rule, a name without a
rule, and a name that could not be read. Only the first two are answers. Whatever is left of a line after the names, doses and
everyday words are taken away is handed back as unread and becomes a question; and a spelling that lies between two classes is
not decided here.
"""

import hashlib
import re
import tomllib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from operator import sub
from pathlib import Path
from typing import Any

from django.utils.translation import gettext_lazy as _

FOLDER = Path(__file__).with_name("medicines")


class MedicineClass(StrEnum):
    """The classes of domain.md 1.4. The value is the name of its file."""

    ALCOHOL = "alcohol"
    ANTIDEPRESSANTS = "antidepressants"
    ANTIHYPERTENSIVES = "antihypertensives"
    ANTIPSYCHOTICS = "antipsychotics"
    BENZODIAZEPINES = "benzodiazepines"
    CANNABIS = "cannabis"
    CYP_INDUCERS = "cyp_inducers"
    CYP_INHIBITORS = "cyp_inhibitors"
    GABAPENTINOIDS = "gabapentinoids"
    GLP1 = "glp1"
    LAMOTRIGINE = "lamotrigine"
    LITHIUM = "lithium"
    MAOI = "maoi"
    MUSCLE_RELAXANTS = "muscle_relaxants"
    NALTREXONE = "naltrexone"
    NASAL_SPRAYS = "nasal_sprays"
    NMDA_ANTAGONISTS = "nmda_antagonists"
    OPIOIDS = "opioids"
    PRESSORS = "pressors"
    SEDATING_ANTIHISTAMINES = "sedating_antihistamines"
    SEDATIVE_HYPNOTICS = "sedative_hypnotics"
    STIMULANTS = "stimulants"
    THEOPHYLLINE = "theophylline"
    THYROID = "thyroid"

    @property
    def label(self) -> Any:
        return LABELS[self]


LABELS = {
    MedicineClass.ALCOHOL: _("alcohol"),
    MedicineClass.ANTIDEPRESSANTS: _("SSRI, SNRI or tricyclic"),
    MedicineClass.ANTIHYPERTENSIVES: _("antihypertensive"),
    MedicineClass.ANTIPSYCHOTICS: _("clozapine, haloperidol or risperidone"),
    MedicineClass.BENZODIAZEPINES: _("benzodiazepine"),
    MedicineClass.CANNABIS: _("cannabis"),
    MedicineClass.CYP_INDUCERS: _("inducer of CYP3A4 or CYP2B6"),
    MedicineClass.CYP_INHIBITORS: _("strong inhibitor of CYP3A4 or CYP2B6"),
    MedicineClass.GABAPENTINOIDS: _("gabapentin or pregabalin"),
    MedicineClass.GLP1: _("GLP-1 agonist"),
    MedicineClass.LAMOTRIGINE: _("lamotrigine"),
    MedicineClass.LITHIUM: _("lithium"),
    MedicineClass.MAOI: _("monoamine oxidase inhibitor"),
    MedicineClass.MUSCLE_RELAXANTS: _("muscle relaxant"),
    MedicineClass.NALTREXONE: _("naltrexone"),
    MedicineClass.NASAL_SPRAYS: _("nasal steroid or decongestant spray"),
    MedicineClass.NMDA_ANTAGONISTS: _("other NMDA antagonist"),
    MedicineClass.OPIOIDS: _("opioid"),
    MedicineClass.PRESSORS: _("decongestant, triptan or vasopressor"),
    MedicineClass.SEDATING_ANTIHISTAMINES: _("sedating antihistamine"),
    MedicineClass.SEDATIVE_HYPNOTICS: _("sedative-hypnotic"),
    MedicineClass.STIMULANTS: _("psychostimulant"),
    MedicineClass.THEOPHYLLINE: _("theophylline"),
    MedicineClass.THYROID: _("thyroid hormone"),
}


class ReadBy(StrEnum):
    """How a name was read. A person is shown a reading by spelling as such."""

    NAME = "name"
    SPELLING = "spelling"


class WhyNot(StrEnum):
    """Why a line was not read."""

    AMBIGUOUS = "ambiguous"
    NO_NAME = "no_name"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Named:
    """One medicine read from a line."""

    generic: str
    classes: frozenset[MedicineClass]
    written: str
    read_by: ReadBy
    # A name that a person always looks at, though no class of 1.4 holds it.
    must_ask: bool = False
    # Read by a spelling that is more than slightly off: it counts as what it was read as, and is asked about.
    is_doubtful: bool = False


@dataclass(frozen=True)
class Unread:
    """A part of a line that was not read, with the names it may be when it lies near some."""

    written: str
    between: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recognised:
    """At least one name was read. ``unread`` is what stands beside it and was not."""

    text: str
    named: tuple[Named, ...]
    unread: tuple[Unread, ...] = ()

    @property
    def classes(self) -> frozenset[MedicineClass]:
        """Return every class of every name; empty means that the names are known and no rule names them."""
        return frozenset[MedicineClass]().union(*(one.classes for one in self.named))

    @property
    def needs_a_person(self) -> bool:
        """Return whether something in the line still has to be asked about."""
        return bool(self.unread) or any(one.must_ask or one.is_doubtful for one in self.named)

    @property
    def by_spelling(self) -> tuple[Named, ...]:
        """Return the names that were read though they are spelt otherwise; a person is shown them as such."""
        return tuple(one for one in self.named if one.read_by is ReadBy.SPELLING)

    @property
    def has_no_rule(self) -> bool:
        """Return whether everything was read and no rule names any of it."""
        return not self.classes and not self.needs_a_person


@dataclass(frozen=True)
class NotRecognised:
    """Nothing was read. Never safe: it is a question."""

    text: str
    why: WhyNot
    unread: tuple[Unread, ...] = ()

    @property
    def classes(self) -> frozenset[MedicineClass]:
        return frozenset()

    @property
    def needs_a_person(self) -> bool:
        return True

    @property
    def has_no_rule(self) -> bool:
        return False


Reading = Recognised | NotRecognised


@dataclass(frozen=True)
class _Entry:
    """What one written name stands for: usually one generic, several for a product of several."""

    generics: tuple[str, ...]
    classes: frozenset[MedicineClass]
    must_ask: bool
    # A look-alike that no list holds: known only as what it is not, so never read as anything.
    is_look_alike: bool = False


@dataclass(frozen=True)
class _Lists:
    by_words: dict[tuple[str, ...], _Entry]
    by_letters: dict[str, _Entry]
    # (spoken letters, how many of each kind of letter, name as listed, entry), for comparing spellings; by length.
    spoken: dict[int, tuple[tuple[str, tuple[int, ...], str, _Entry], ...]]
    everyday: frozenset[str]
    reasons: frozenset[str]
    vague: frozenset[str]
    vague_with_reason: frozenset[str]
    joiners: frozenset[str]
    ignored: frozenset[tuple[str, ...]]
    longest: int
    not_these: dict[str, tuple[str, ...]]
    version: str


@dataclass(frozen=True)
class _Spelt:
    """What a misspelling was read as."""

    entry: _Entry | None = None
    between: tuple[str, ...] = ()
    is_doubtful: bool = False


# A line longer than this is not a medicine; what follows is handed back unread.
MOST_WORDS = 80
# Costs of a difference are counted in halves of a letter, so that what sounds alike costs half.
_HALF, _WHOLE = 1, 2
_VOWELS = frozenset("aeiouy")
# Letters that may stand for each other at half a cost are of one kind.
_KINDS = ("aeiouy", "h", "ckqszx", "gj", "mn", "dt", "bp", "fvw", "l", "r")
_SOUND_ALIKE = frozenset(
    frozenset(pair) for pair in ("ck", "cs", "sz", "zx", "sx", "gj", "qk", "mn", "dt", "bp", "fv", "iy", "vw")
)
# A number after which a name's own number ("Tylenol 3") is really a count ("Tylenol 3 times a day").
_COUNTED = frozenset({"x", "times", "time", "tab", "tabs", "tablets", "pill", "pills", "per", "a", "day", "daily", "mg", "mcg", "ml", "g"})  # fmt: skip
_EVERYDAY = ("forms", "units", "frequency", "salts", "plain", "reasons", "vague", "vague_with_reason", "joiners")
_APOSTROPHES = re.compile("['’ʼ`´]")
_BREAKS = re.compile(r"[,;\n|•]+|\s-\s")
_JOINED = re.compile(r"[+&]|(?<=[a-z])/(?=[a-z])")
_WORDS = re.compile(r"[a-z]+|\d+(?:\.\d+)?|\.\d+")


def _plain(text: str) -> str:
    """Return the text in small letters without accents and apostrophes."""
    decomposed = unicodedata.normalize("NFKD", _APOSTROPHES.sub("", text).casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORDS.findall(_JOINED.sub(" and ", _plain(text))))


def _spoken(letters: str) -> str:
    """Return the letters as they sound: ph as f, ck as k, doubled letters once."""
    return re.sub(r"(.)\1+", r"\1", letters.replace("ph", "f").replace("ck", "k"))


def _kinds(spoken: str) -> tuple[int, ...]:
    """Return how many letters of each kind there are. Two spellings lie at least as many halves apart as these counts differ in
    all, which is told faster than the difference itself.
    """
    return tuple(sum(map(spoken.count, kind)) for kind in _KINDS)


def _most_difference(length: int) -> int:
    """Return how many halves of a letter a spelling may differ from a name of this length. Short names leave no room."""
    if length < 4:
        return 0
    if length == 4:
        return _HALF
    if length <= 6:
        return 2
    if length <= 8:
        return 3
    if length <= 10:
        return 4
    return 5


def _swap(one: str, other: str) -> int:
    if one == other:
        return 0
    if (one in _VOWELS and other in _VOWELS) or frozenset((one, other)) in _SOUND_ALIKE:
        return _HALF
    return _WHOLE


def _gap(letter: str) -> int:
    return _HALF if letter in _VOWELS or letter == "h" else _WHOLE


def difference(one: str, other: str, most: int) -> int:
    """Return how far two spellings lie apart in halves of a letter, or ``most + 1`` for anything farther.

    A missing, added or exchanged letter and two letters in the wrong order cost a whole; vowels for each other, a vowel or
    an h too many or too few, and consonants that sound alike cost half.
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = [0]
    for letter in other:
        row.append(row[-1] + _gap(letter))
    for i, letter in enumerate(one, start=1):
        new = [row[0] + _gap(letter)]
        for j, target in enumerate(other, start=1):
            cost = min(row[j] + _gap(letter), new[j - 1] + _gap(target), row[j - 1] + _swap(letter, target))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == target:
                cost = min(cost, before[j - 2] + _WHOLE)
            new.append(cost)
        if min(new) > most and min(row) > most:
            return most + 1
        before, row = row, new
    return min(row[-1], most + 1)


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


@cache
def lists() -> _Lists:
    """Return the lists, read once. Refuses a name that one file flags and another calls harmless."""
    merged: dict[tuple[str, ...], dict[str, tuple[set[MedicineClass], bool]]] = {}
    harmless: set[tuple[str, ...]] = set()
    flagged: set[tuple[str, ...]] = set()
    not_these: dict[str, tuple[str, ...]] = {}
    digest = hashlib.sha256()
    files = sorted(path for path in FOLDER.glob("*.toml"))
    expected = {one.value for one in MedicineClass} | {"ask", "unflagged", "words"}
    if {path.stem for path in files} != expected:
        raise ValueError(f"One file a class, and no other: {sorted({path.stem for path in files} ^ expected)}")
    for path in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        if path.stem == "words":
            continue
        data = _read(path)
        not_these[path.stem] = tuple(data["not_these"])
        classes = set() if path.stem in {"ask", "unflagged"} else {MedicineClass(path.stem)}
        for generic, others in data["medicines"].items():
            for name in (generic, *others):
                words = _words(name)
                (harmless if path.stem == "unflagged" else flagged).add(words)
                held, ask = merged.setdefault(words, {}).get(generic, (set(), False))
                merged[words][generic] = (held | classes, ask or path.stem == "ask")
    if both := harmless & flagged:
        raise ValueError(f"Flagged in one file and harmless in another: {sorted(' '.join(words) for words in both)}")
    by_words = {
        words: _Entry(
            generics=tuple(sorted(generics)),
            classes=frozenset[MedicineClass]().union(*(held for held, _ask in generics.values())),
            must_ask=any(ask for _held, ask in generics.values()),
        )
        for words, generics in merged.items()
    }
    for name in {name for names in not_these.values() for name in names}:
        by_words.setdefault(_words(name), _Entry((name,), frozenset(), must_ask=True, is_look_alike=True))
    by_letters: dict[str, _Entry] = {}
    by_length: dict[int, list[tuple[str, tuple[int, ...], str, _Entry]]] = {}
    for words, entry in sorted(by_words.items()):
        letters = "".join(words)
        if letters.isalpha():
            by_letters.setdefault(letters, entry)
            spoken = _spoken(letters)
            by_length.setdefault(len(spoken), []).append((spoken, _kinds(spoken), " ".join(words), entry))
    around = _read(FOLDER / "words.toml")
    return _Lists(
        by_words=by_words,
        by_letters=by_letters,
        spoken={length: tuple(names) for length, names in by_length.items()},
        everyday=frozenset(word for kind in _EVERYDAY for word in around[kind]),
        reasons=frozenset(around["reasons"]),
        vague=frozenset(around["vague"]),
        vague_with_reason=frozenset(around["vague_with_reason"]),
        joiners=frozenset(around["joiners"]),
        ignored=frozenset(_words(phrase) for phrase in around["ignored_phrases"]),
        longest=max(len(words) for words in by_words),
        not_these=not_these,
        version=digest.hexdigest()[:12],
    )  # fmt: skip


def version() -> str:
    """Return the version of the lists: twelve letters that change with any of their bytes. Kept with each flag."""
    return lists().version


def _sameness(entry: _Entry) -> tuple[frozenset[MedicineClass], bool]:
    return entry.classes, entry.must_ask


def _is_harmless(entry: _Entry) -> bool:
    return not entry.classes and not entry.must_ask


@lru_cache(maxsize=4096)
def _by_spelling(letters: str) -> _Spelt:
    """Return what a misspelt name stands for, or the names it lies between.

    Nothing is returned when the nearest names differ in class and lie within half a letter of each other, or within
    a whole letter when the nearest one is harmless; nor when a harmless one is more than slightly off, because that reading would let
    somebody pass. A flagged one that is more than slightly off counts and is doubtful.
    """
    known = lists()
    spoken = _spoken(letters)
    kinds = _kinds(spoken)
    near: list[tuple[int, str, _Entry]] = []
    reach = _most_difference(len(spoken)) + _HALF
    for length in range(len(spoken) - reach, len(spoken) + reach + 1):
        most = _most_difference(min(length, len(spoken)))
        if not most:
            continue
        # One half beyond what is allowed is still near enough to make another name doubtful.
        reach_here = most + _HALF
        for name_spoken, name_kinds, name, entry in known.spoken.get(length, ()):
            if sum(map(abs, map(sub, kinds, name_kinds))) > reach_here:
                continue
            apart = difference(spoken, name_spoken, reach_here)
            if apart <= reach_here:
                near.append((apart, name, entry))
    near.sort(key=lambda found: found[:2])
    allowed = [
        found for found in near if found[0] <= _most_difference(min(len(spoken), len(_spoken(found[1].replace(" ", "")))))
    ]  # fmt: skip
    if not allowed:
        return _Spelt()
    nearest, _name, entry = allowed[0]
    margin = _WHOLE if _is_harmless(entry) else _HALF
    rivals = [found for found in near if found[0] <= nearest + margin and _sameness(found[2]) != _sameness(entry)]
    is_doubtful = nearest > _most_difference(len(spoken)) // 2
    if rivals or (is_doubtful and _is_harmless(entry)):
        names = tuple(dict.fromkeys(found[1] for found in sorted([allowed[0], *rivals], key=lambda found: found[:2])))
        return _Spelt(between=names)
    return _Spelt(entry, is_doubtful=is_doubtful)


def _is_everyday(word: str) -> bool:
    """Return whether a word only stands around names: a number, a single letter, a word of words.toml."""
    return word in lists().everyday or len(word) == 1 or word[0].isdigit() or word[0] == "."


class _Line:
    """One stretch of a line between commas, read from left to right."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words
        self.at = 0
        self.named: list[Named] = []
        self.unread: list[Unread] = []
        # Words since the last name or joiner that were taken for everyday ones.
        self.idle: list[str] = []
        self.idle_has_name = False

    def read(self) -> None:
        known = lists()
        while self.at < len(self.words):
            if self.words[self.at] in known.joiners:
                self._end_of_stretch()
            before, read = self.at, len(self.named) + len(self.unread)
            self.at += self._ignored() or self._by_name() or self._everyday() or self._by_spelling() or self._give_up()
            if len(self.named) + len(self.unread) > read:
                self.idle_has_name = True
            else:
                self.idle += self.words[before : self.at]
        self._end_of_stretch()

    def _end_of_stretch(self) -> None:
        """Hand back a stretch that speaks of a medicine and names none: "... and something for sleep"."""
        known = lists()
        words = set(self.idle)
        speaks = words & known.vague or (words & known.vague_with_reason and words & known.reasons)
        if speaks and not self.idle_has_name:
            self.unread.append(Unread(" ".join(self.idle)))
        self.idle, self.idle_has_name = [], False

    def _rest(self, length: int) -> tuple[str, ...]:
        return self.words[self.at : self.at + length]

    def _ignored(self) -> int:
        known = lists()
        return next((length for length in (3, 2) if self._rest(length) in known.ignored), 0)

    def _by_name(self) -> int:
        """Return how many words a listed name takes up here; the longest name wins."""
        known = lists()
        for length in range(min(known.longest, len(self.words) - self.at), 0, -1):
            words = self._rest(length)
            entry = known.by_words.get(words)
            if entry and length > 1 and words[-1].isdigit() and self._counted(length):
                entry = None
            letters = "".join(words)
            # Two halves of a name are run together; everyday words are not: "as a" is no aspirin.
            if not entry and letters.isalpha() and (length == 1 or not any(_is_everyday(word) for word in words)):
                entry = known.by_letters.get(letters)
            if entry:
                self._take(entry, words, ReadBy.NAME)
                return length
        return 0

    def _take(self, entry: _Entry, words: tuple[str, ...], read_by: ReadBy, *, is_doubtful: bool = False) -> None:
        """Note what a name stands for. A product of several medicines is one, with the classes of all."""
        written = " ".join(words)
        if entry.is_look_alike:
            self.unread.append(Unread(written, entry.generics))
        else:
            generic = " and ".join(entry.generics)
            self.named.append(Named(generic, entry.classes, written, read_by, entry.must_ask, is_doubtful))

    def _counted(self, length: int) -> bool:
        after = self.words[self.at + length : self.at + length + 1]
        return bool(after) and after[0] in _COUNTED

    def _everyday(self) -> int:
        return 1 if _is_everyday(self.words[self.at]) else 0

    def _by_spelling(self) -> int:
        """Return how many words a misspelt name takes up here: this word, or this one and the next two run together."""
        doubt: tuple[str, ...] = ()
        for length in (1, 2, 3):
            words = self._rest(length)
            letters = "".join(words)
            if len(words) < length or not letters.isalpha():
                break
            if length > 1 and (words[-1] in lists().everyday or words[-1:] in lists().by_words):
                break
            spelt = _by_spelling(letters)
            doubt = doubt or spelt.between
            if spelt.entry:
                self._take(spelt.entry, words, ReadBy.SPELLING, is_doubtful=spelt.is_doubtful)
                return length
        if doubt:
            self.unread.append(Unread(self.words[self.at], doubt))
            return 1
        return 0

    def _give_up(self) -> int:
        self.unread.append(Unread(self.words[self.at]))
        return 1


def _once(named: Iterable[Named]) -> tuple[Named, ...]:
    """Return each medicine once, in the order written: "lorazepam (Ativan)" is one."""
    seen: dict[str, Named] = {}
    for one in named:
        seen.setdefault(one.generic, one)
    return tuple(seen.values())


@lru_cache(maxsize=8192)
def recognise(text: str) -> Reading:
    """Return what a line about medicines names, by class; never a guess between two classes, never silence about a word.

    Doses, forms, frequencies, capitals, accents and punctuation do not matter, several medicines may stand in a line, and
    a misspelling is read when one class alone lies near it. Words about stopping or never taking are not understood: the name counts.
    Source of the classes: domain.md 1.4.
    """
    named: list[Named] = []
    unread: list[Unread] = []
    left = MOST_WORDS
    for part in _BREAKS.split(text):
        words = _words(part)
        line = _Line(words[:left])
        line.read()
        named += line.named
        unread += line.unread
        if words[left:]:
            unread.append(Unread(" ".join(words[left:])[:80]))
        left = max(0, left - len(words))
    if unlettered := "".join(letter for letter in _plain(text) if letter.isalpha() and not letter.isascii()):
        # Another alphabet is not read at all, and what is not read is asked about.
        unread.append(Unread(unlettered[:80]))
    if named:
        return Recognised(text, _once(named), tuple(unread))
    if any(one.between for one in unread):
        return NotRecognised(text, WhyNot.AMBIGUOUS, tuple(unread))
    return NotRecognised(text, WhyNot.UNKNOWN if unread else WhyNot.NO_NAME, tuple(unread))
