"""What changed between two wordings, word by word. Pure."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from patients.consenttexts import Section

_WORDS = re.compile(r"\s+|[^\s]+")
# Two passages that share less than this are two passages, and not one that was rewritten.
_ALIKE = 0.4


class Change(StrEnum):
    SAME = "same"
    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True)
class Piece:
    """A run of words of one fate."""

    change: Change
    text: str

    @property
    def is_added(self) -> bool:
        return self.change == Change.ADDED

    @property
    def is_removed(self) -> bool:
        return self.change == Change.REMOVED


@dataclass(frozen=True)
class Passage:
    """A heading, a paragraph or a point, with its words in order."""

    kind: str
    pieces: tuple[Piece, ...]

    @property
    def is_heading(self) -> bool:
        return self.kind in {"title", "heading"}

    @property
    def is_point(self) -> bool:
        return self.kind == "point"

    @property
    def is_changed(self) -> bool:
        return any(piece.change != Change.SAME for piece in self.pieces)


Block = tuple[str, str]


def changes(old: tuple[str, tuple[Section, ...]], new: tuple[str, tuple[Section, ...]]) -> list[Passage]:
    """Return every passage of both wordings (title, sections) in reading order, each word same, added or removed."""
    before, after = _blocks(*old), _blocks(*new)
    found: list[Passage] = []
    for op, a, b, c, d in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if op == "equal":
            found += [Passage(kind, (Piece(Change.SAME, text),)) for kind, text in after[c:d]]
        else:
            found += _rewritten(before[a:b], after[c:d])
    return found


def _blocks(title: str, sections: tuple[Section, ...]) -> list[Block]:
    blocks = [("title", title)]
    for section in sections:
        blocks.append(("heading", section.heading))
        blocks += [("paragraph", text) for text in section.paragraphs]
        blocks += [("point", text) for text in section.points]
    return blocks


def _rewritten(before: list[Block], after: list[Block]) -> Iterator[Passage]:
    """Give the passages of a changed stretch: each new one with the old one it was made of, if there is one."""
    left = list(before)
    for kind, text in after:
        match = next((i for i, old in enumerate(left) if old[0] == kind and _are_alike(old[1], text)), None)
        if match is None:
            yield Passage(kind, (Piece(Change.ADDED, text),))
            continue
        for gone_kind, gone in left[:match]:
            yield Passage(gone_kind, (Piece(Change.REMOVED, gone),))
        yield Passage(kind, tuple(_words(left[match][1], text)))
        del left[: match + 1]
    for kind, text in left:
        yield Passage(kind, (Piece(Change.REMOVED, text),))


def _are_alike(old: str, new: str) -> bool:
    return difflib.SequenceMatcher(None, old.split(), new.split(), autojunk=False).ratio() >= _ALIKE


def _words(old: str, new: str) -> Iterator[Piece]:
    before, after = _WORDS.findall(old), _WORDS.findall(new)
    for op, a, b, c, d in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if op == "equal":
            yield Piece(Change.SAME, "".join(after[c:d]))
            continue
        if b > a:
            yield Piece(Change.REMOVED, "".join(before[a:b]))
        if d > c:
            yield Piece(Change.ADDED, "".join(after[c:d]))
