"""The wording of consents as text: our own first drafts in files, and the one exact form of a wording that is signed.

Pure: it reads files once and asks nobody. Rows of wordings are ``patients.models.ConsentText``; what changed between two
is ``patients.wordchanges``.
"""

import functools
import hashlib
import json
import tomllib
import unicodedata
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from django.utils.translation import gettext as _

FOLDER = Path(__file__).parent / "consent_texts"
# The values of patients.models.ConsentKind and Route, which this module may not ask; a test holds them together.
KINDS = ("privacy_notice", "treatment", "ketamine", "telehealth", "communications", "release")
ROUTES = ("sl", "oral", "im", "iv", "in")
ROUTED = "ketamine"
TITLE_LENGTH, HEADING_LENGTH, PIECE_LENGTH = 120, 120, 2000
MOST_SECTIONS, MOST_PIECES = 60, 40
_KEYS = {"kind", "route", "language", "version", "title", "sections"}
_SECTION_KEYS = {"heading", "paragraphs", "points"}


class BrokenText(ValueError):
    """A file that is not a wording, with what is wrong: found when the process reads it, and by a test."""


@dataclass(frozen=True)
class Section:
    """One part of a wording: a heading, paragraphs, and points of a list, each shown as it is and never as mark-up."""

    heading: str
    paragraphs: tuple[str, ...] = ()
    points: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wording:
    """One version of one consent's words."""

    kind: str
    route: str
    language: str
    version: int
    title: str
    sections: tuple[Section, ...]


@functools.cache
def bundled() -> tuple[Wording, ...]:
    """Return the wordings that come with the product, in the order of kinds and routes. Refuses a file that is none."""
    found = [_read(path) for path in sorted(FOLDER.glob("*.toml"))]
    places = ("", *ROUTES)
    return tuple(sorted(found, key=lambda w: (KINDS.index(w.kind), places.index(w.route), w.language, w.version)))


def _read(path: Path) -> Wording:
    try:
        data = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise BrokenText(f"{path.name}: {error}") from error
    if set(data) != _KEYS or any(set(section) != _SECTION_KEYS for section in data["sections"]):
        raise BrokenText(f"{path.name}: these and no other keys: {sorted(_KEYS)}, {sorted(_SECTION_KEYS)}")
    kind, route = data["kind"], data["route"]
    if kind not in KINDS or (route not in ROUTES if kind == ROUTED else route != ""):
        raise BrokenText(f"{path.name}: no such kind and route")
    stem = f"{kind}-{route}" if route else kind
    if path.name != f"{stem}.{data['version']}.{data['language']}.toml":
        raise BrokenText(f"{path.name}: does not say what its name says")
    sections = sections_of(data["sections"])
    problems = wrong_with(data["title"], sections)
    if problems:
        raise BrokenText(f"{path.name}: {' '.join(problems)}")
    return Wording(kind, route, data["language"], data["version"], data["title"], sections)


def sections_of(rows: Iterable[Mapping[str, Any]]) -> tuple[Section, ...]:
    """Return the sections of a stored or written wording."""
    return tuple(Section(row["heading"], tuple(row["paragraphs"]), tuple(row["points"])) for row in rows)


def rows_of(sections: Iterable[Section]) -> list[dict[str, Any]]:
    """Return sections as they are stored."""
    return [{"heading": s.heading, "paragraphs": list(s.paragraphs), "points": list(s.points)} for s in sections]


def wrong_with(title: str, sections: tuple[Section, ...]) -> list[str]:
    """Return in sentences what keeps this from being a wording somebody can read and sign; empty when nothing does."""
    said = []
    if not title.strip():
        said.append(_("Give the text a title."))
    if len(title) > TITLE_LENGTH:
        said.append(_("The title has more than %(most)d letters.") % {"most": TITLE_LENGTH})
    if not sections:
        said.append(_("Write at least one section."))
    if len(sections) > MOST_SECTIONS:
        said.append(_("There are more than %(most)d sections.") % {"most": MOST_SECTIONS})
    for number, section in enumerate(sections, start=1):
        said += _wrong_with_section(number, section)
    return said


def _wrong_with_section(number: int, section: Section) -> list[str]:
    said = []
    pieces = (*section.paragraphs, *section.points)
    if not section.heading.strip():
        said.append(_("Section %(number)d has no heading.") % {"number": number})
    if len(section.heading) > HEADING_LENGTH:
        said.append(
            _("The heading of section %(number)d has more than %(most)d letters.")
            % {"number": number, "most": HEADING_LENGTH}
        )
    if not any(piece.strip() for piece in pieces):
        said.append(_("Section %(number)d has a heading and no words under it.") % {"number": number})
    if len(pieces) > MOST_PIECES or any(len(piece) > PIECE_LENGTH for piece in pieces):
        said.append(_("Section %(number)d is too long. Make two of it.") % {"number": number})
    return said


class Stored(Protocol):
    """A row that keeps a wording."""

    kind: str
    route: str
    language: str
    version: int
    title: str
    sections: Any


def wording_of(row: Stored) -> Wording:
    """Return the wording that a row keeps."""
    return Wording(row.kind, row.route, row.language, row.version, row.title, sections_of(row.sections))


def canonical(title: str, sections: Iterable[Section]) -> str:
    """Return the one exact form of a wording: every letter of it, and where one piece ends and the next begins."""
    written = json.dumps({"title": title, "sections": rows_of(sections)}, ensure_ascii=False, sort_keys=True)
    return unicodedata.normalize("NFC", written)


def hash_of(title: str, sections: Iterable[Section]) -> str:
    """Return the SHA-256 of a wording."""
    return hashlib.sha256(canonical(title, sections).encode()).hexdigest()


def to_be_signed(wording: Wording, patient_id: uuid.UUID) -> str:
    """Return what a patient's signature is under: these words, in this version, by this person."""
    return json.dumps(
        {
            "kind": wording.kind, "route": wording.route, "language": wording.language, "version": wording.version,
            "text": canonical(wording.title, wording.sections), "patient": str(patient_id),
        },
        ensure_ascii=False, sort_keys=True,
    )  # fmt: skip
