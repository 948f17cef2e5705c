"""What each questionnaire is: read once from ``assessments/instruments/*.toml``, and handed out frozen. Pure.

One file is one version of one instrument: its items and their values, bands, cut-offs, the figures for change, the rule
for missing items, the safety items and under what licence its wording stands. A file that has been answered is never
edited: a change is a new version, and ``checksum`` names the exact content that somebody was shown. How a score comes
about is in ``scoring.py``, what an answer sets off in ``safety.py``, what a course of scores means in ``outcomes.py``;
the shapes are in ``instrument.py``, how a file is read and checked in ``instrumentfiles.py``. Why files and not rows:
docs/decisions/0020-instruments-as-data.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from assessments.instrument import Definition, Item, Kind, LicenceStatus, WordingSource
from assessments.instrumentfiles import InstrumentFileError, parse

FOLDER = Path(__file__).resolve().parent / "instruments"


class UnknownInstrument(LookupError):
    """No file defines this code, version and language."""


class WordingNotAllowed(PermissionError):
    """The wording is not ours to show: neither free nor under a permission on file (domain.md 2.1)."""


@dataclass(frozen=True)
class Permission:
    """A clinic's licence for one version of one instrument, with the wording that it supplied.

    ``document`` says where the licence itself is kept. ``items`` is item id to text; ``options`` is item id to the
    labels of its values, in the order of the values. ``until`` is the last day of the licence, or None for no end.
    """

    code: str
    version: int
    language: str
    document: str
    items: Mapping[str, str]
    options: Mapping[str, tuple[str, ...]]
    instructions: str = ""
    until: date | None = None

    def covers(self, definition: Definition, on: date | None) -> bool:
        """Return whether this licence is for that version, still valid, and words every item and option."""
        if (self.code, self.version, self.language) != definition.key or not self.document.strip():
            return False
        if self.until is not None and (on is None or on > self.until):
            return False
        for item in definition.items:
            if not self.items.get(item.id, "").strip():
                return False
            if item.kind is Kind.CHOICE:
                labels = self.options.get(item.id, ())
                if len(labels) != len(item.options) or not all(label.strip() for label in labels):
                    return False
        return True


@dataclass(frozen=True)
class Wording:
    """What a person is shown: the definition's items with their texts and labels in place."""

    instructions: str
    stem: str
    items: tuple[Item, ...]
    attribution: str


def can_render(definition: Definition, permissions: Iterable[Permission] = (), *, on: date | None = None) -> bool:
    """Return whether the questions may be shown: wording that is free and ours to bundle, or that the clinic supplied
    under a permission on file, complete and not run out on that day (domain.md 2.1)."""
    if definition.wording_source is WordingSource.BUNDLED and definition.licence_status is LicenceStatus.FREE:
        return True
    return any(permission.covers(definition, on) for permission in permissions)


def wording(definition: Definition, permissions: Iterable[Permission] = (), *, on: date | None = None) -> Wording:
    """Return the words to show. Refuses with WordingNotAllowed: then there is score entry, and nothing else."""
    held = tuple(permissions)
    if not can_render(definition, held, on=on):
        raise WordingNotAllowed(
            f"{definition.name} may be shown only with its owner's permission on file. "
            f"Enter the scores from the paper form instead."
        )
    if definition.wording_source is WordingSource.BUNDLED:
        return Wording(definition.instructions, definition.stem, definition.items, definition.citation)
    permission = next(permission for permission in held if permission.covers(definition, on))
    items = tuple(
        _replace_words(item, permission.items[item.id], permission.options.get(item.id, ()))
        for item in definition.items
    )
    return Wording(permission.instructions, "", items, definition.citation)


def _replace_words(item: Item, text: str, labels: tuple[str, ...]) -> Item:
    options = item.options
    if item.kind is Kind.CHOICE:
        options = tuple(replace(option, label=label) for option, label in zip(item.options, labels, strict=True))
    return replace(item, text=text, options=options)


@dataclass(frozen=True)
class EntryField:
    """One box of the score-entry form: an item by its number, never by its words. Values are what may be typed."""

    id: str
    number: str
    kind: Kind
    values: tuple[int, ...]


@dataclass(frozen=True)
class EntryTotal:
    """One total that may be copied from paper. ``step`` is 4 for a percentage made of a raw sum."""

    id: str
    label: str
    low: int
    high: int
    step: int


@dataclass(frozen=True)
class Entry:
    """What a clinician may type in from a paper form: item scores, or totals where the instrument has a total."""

    fields: tuple[EntryField, ...]
    totals: tuple[EntryTotal, ...]


def entry(definition: Definition) -> Entry:
    """Return the score-entry form of an instrument, without any wording of its items."""
    fields = tuple(
        EntryField(item.id, item.number, item.kind, item.values)
        for item in definition.items
        if item.kind is not Kind.TEXT
    )
    totals: list[EntryTotal] = []
    if definition.low is not None and definition.high is not None:
        totals.append(EntryTotal("total", definition.name, definition.low, definition.high, definition.factor))
        totals += [EntryTotal(s.id, s.label, s.low, s.high, 1) for s in definition.subscales]
    return Entry(fields, tuple(totals))


@dataclass(frozen=True)
class Registry:
    """All definitions of a folder by code, version and language."""

    by_key: Mapping[tuple[str, int, str], Definition]

    def get(self, code: str, version: int, language: str = "en") -> Definition:
        """Return one version. Refuses what no file defines with UnknownInstrument."""
        try:
            return self.by_key[code, version, language]
        except KeyError:
            raise UnknownInstrument(f"No file defines {code} version {version} in {language}.") from None

    def current(self, code: str, language: str = "en") -> Definition:
        """Return the newest version. Refuses an unknown code with UnknownInstrument."""
        versions = [d for d in self.by_key.values() if d.code == code and d.language == language]
        if not versions:
            raise UnknownInstrument(f"No file defines {code} in {language}.")
        return max(versions, key=lambda definition: definition.version)

    def all_current(self, language: str = "en") -> tuple[Definition, ...]:
        """Return the newest version of every instrument, by code."""
        codes = sorted({d.code for d in self.by_key.values() if d.language == language})
        return tuple(self.current(code, language) for code in codes)


def load(folder: Path) -> Registry:
    """Return the registry of a folder. Refuses the first inconsistent file with InstrumentFileError."""
    found: dict[tuple[str, int, str], Definition] = {}
    for path in sorted(folder.glob("*.toml")):
        definition = parse(path.name, path.read_bytes())
        if definition.key in found:
            raise InstrumentFileError(path.name, "version", "another file defines the same code, version and language")
        found[definition.key] = definition
    if not found:
        raise InstrumentFileError(folder.name, "*.toml", "there is no instrument in this folder")
    return Registry(MappingProxyType(found))


@lru_cache(maxsize=1)
def registry() -> Registry:
    """Return our own registry, read from the disk once in the life of the process."""
    return load(FOLDER)


def get(code: str, version: int, language: str = "en") -> Definition:
    """Return one version of one instrument. Refuses what no file defines with UnknownInstrument."""
    return registry().get(code, version, language)


def current(code: str, language: str = "en") -> Definition:
    """Return the newest version of one instrument. Refuses an unknown code with UnknownInstrument."""
    return registry().current(code, language)


def all_current(language: str = "en") -> tuple[Definition, ...]:
    """Return the newest version of every instrument, by code."""
    return registry().all_current(language)
