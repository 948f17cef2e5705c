"""What a questionnaire consists of: the frozen shapes that a file in ``assessments/instruments`` is read into. Pure.

Reading and checking them is in ``instrumentfiles.py``, finding them in ``definitions.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class WordingSource(StrEnum):
    BUNDLED = "bundled"
    CLINIC_SUPPLIED = "clinic_supplied"
    NONE = "none"


class LicenceStatus(StrEnum):
    FREE = "free"
    FREE_NONCOMMERCIAL = "free_noncommercial"
    PERMISSION_ON_FILE = "permission_on_file"
    PERMISSION_REQUIRED = "permission_required"


class Answerer(StrEnum):
    PATIENT = "patient"
    CLINICIAN = "clinician"


class Kind(StrEnum):
    """How an item is answered. Yes is 1 and no is 0, in the instrument's own sense, before any reversal."""

    CHOICE = "choice"
    YES_NO = "yes_no"
    TEXT = "text"


class Direction(StrEnum):
    """What more points mean."""

    WORSE = "worse"
    BETTER = "better"
    NEITHER = "neither"


class Tier(StrEnum):
    """How urgent an alarming answer is (domain.md 6.5)."""

    RED = "red"
    ORANGE = "orange"
    YELLOW = "yellow"

    @property
    def urgency(self) -> int:
        """Return 3 for red, 2 for orange, 1 for yellow."""
        return {Tier.RED: 3, Tier.ORANGE: 2, Tier.YELLOW: 1}[self]


@dataclass(frozen=True)
class Option:
    """One answer that may be given. The label is empty where the licence keeps it from us."""

    value: int
    label: str = ""
    loinc: str = ""


@dataclass(frozen=True)
class AskedIf:
    """An item that is asked only when one of others was answered so."""

    any_of: tuple[str, ...]
    value: int


@dataclass(frozen=True)
class Item:
    """One question. ``number`` is the one printed on the form; ``text`` is empty where the licence keeps it from us."""

    id: str
    number: str
    text: str
    kind: Kind
    options: tuple[Option, ...]
    scored: bool = True
    reversed: bool = False
    asked_if: AskedIf | None = None
    loinc: str = ""

    @property
    def values(self) -> tuple[int, ...]:
        return tuple(option.value for option in self.options)

    @property
    def low(self) -> int:
        return min(self.values)

    @property
    def high(self) -> int:
        return max(self.values)

    def points(self, answer: int) -> int:
        """Return what an answer counts: itself, or its mirror image in a reversed item."""
        return self.low + self.high - answer if self.reversed else answer


@dataclass(frozen=True)
class Subscale:
    """A part of an instrument with a sum of its own.

    ``items`` is empty when we know how many there are but not which: then only its total from paper can be recorded.
    """

    id: str
    label: str
    items: tuple[str, ...]
    low: int
    high: int


@dataclass(frozen=True)
class Band:
    """A severity range of the total, both ends included. ``rank`` counts up in the order of the file."""

    id: str
    label: str
    low: int
    high: int
    rank: int


@dataclass(frozen=True)
class Category:
    """A result that is no number. A higher rank is graver."""

    id: str
    label: str
    rank: int
    loinc: str = ""


@dataclass(frozen=True)
class CutOff:
    """Positive from ``at_least``. From ``grey_from`` on it is neither: the sources do not agree on one number."""

    id: str
    label: str
    at_least: int
    source: str
    grey_from: int | None = None
    applies_to: str = "everyone"
    flag: str = ""


@dataclass(frozen=True)
class Criterion:
    """A rule over one subscale beside the total: enough items at a value, or enough per cent of what it can reach."""

    id: str
    label: str
    subscale: str
    item_at_least: int | None
    items_needed: int | None
    percent_at_least: int | None


@dataclass(frozen=True)
class ItemNote:
    """A fact worth telling about one answer, without being an alarm."""

    item: str
    values: tuple[int, ...]
    code: str


@dataclass(frozen=True)
class MissingRule:
    """How many scored items may be blank before there is no score; blanks within the limit are prorated."""

    allowed: int
    allowed_per_subscale: int | None
    never_imputed: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class SafetyItem:
    """An item whose answer may set off an alarm. ``blank`` is the tier of leaving it out when it was asked."""

    item: str
    trigger: str
    tiers: tuple[tuple[int, Tier], ...]
    blank: Tier | None

    def tier_of(self, value: int) -> Tier | None:
        """Return how urgent an answer is, or None when it alarms nobody."""
        return next((tier for answer, tier in self.tiers if answer == value), None)


@dataclass(frozen=True)
class MeaningfulChange:
    """A change that people notice: in points, or in per cent of the baseline."""

    label: str
    points: float | None
    percent: int | None
    source: str


@dataclass(frozen=True)
class ReliableChange:
    """More than the wobble of the instrument: a published figure in points, or SD and r for the formula (domain.md 2.2).

    ``points_high`` is the upper end where sources disagree. ``illustration`` marks figures that nobody approved.
    """

    source: str
    points: int | None = None
    points_high: int | None = None
    sd: float | None = None
    r: float | None = None
    illustration: bool = False


@dataclass(frozen=True)
class Remission:
    """The end state: the total compared with a value."""

    comparison: str
    value: int
    source: str

    def met(self, total: int) -> bool:
        """Return whether a total is an end state."""
        return {
            "<": total < self.value,
            "<=": total <= self.value,
            ">": total > self.value,
            ">=": total >= self.value,
        }[self.comparison]


@dataclass(frozen=True)
class Relapse:
    """Back to being ill after a response: how high, how far above the best, how often and how far apart."""

    at_least: int
    above_best: int
    occasions: int
    days_apart: int
    source: str


@dataclass(frozen=True)
class Definition:
    """One version of one instrument in one language."""

    code: str
    version: int
    language: str
    name: str
    title: str
    wording_source: WordingSource
    licence_status: LicenceStatus
    licence: str
    citation: str
    validated: bool
    answered_by: Answerer
    recall: str
    minutes: int
    crisis_text: bool
    higher_is: Direction
    instructions: str
    stem: str
    scorer: tuple[str, int]
    items: tuple[Item, ...]
    subscales: tuple[Subscale, ...]
    low: int | None
    high: int | None
    factor: int
    bands: tuple[Band, ...]
    categories: tuple[Category, ...]
    cut_offs: tuple[CutOff, ...]
    criteria: tuple[Criterion, ...]
    criteria_label: str
    item_notes: tuple[ItemNote, ...]
    missing: MissingRule
    either_or: tuple[tuple[str, ...], ...]
    domains: tuple[tuple[str, ...], ...]
    safety_items: tuple[SafetyItem, ...]
    meaningful_changes: tuple[MeaningfulChange, ...]
    reliable_change: ReliableChange | None
    deterioration: int | None
    remission: Remission | None
    relapse: Relapse | None
    baseline_floor: int | None
    hours_after_dose: tuple[int, ...]
    loinc_panel: str
    loinc_total: str
    notes: tuple[str, ...]
    sources: tuple[str, ...]
    checksum: str

    @property
    def key(self) -> tuple[str, int, str]:
        return self.code, self.version, self.language

    @property
    def scored_items(self) -> tuple[Item, ...]:
        return tuple(item for item in self.items if item.scored)

    def item(self, item_id: str) -> Item:
        """Return one item by its id. Refuses an id that is not in the instrument with KeyError."""
        for item in self.items:
            if item.id == item_id:
                return item
        raise KeyError(item_id)

    def subscale(self, subscale_id: str) -> Subscale:
        """Return one subscale by its id. Refuses an unknown one with KeyError."""
        for subscale in self.subscales:
            if subscale.id == subscale_id:
                return subscale
        raise KeyError(subscale_id)

    def safety_item(self, item_id: str) -> SafetyItem | None:
        """Return what an answer to this item may set off, or None."""
        return next((safety for safety in self.safety_items if safety.item == item_id), None)

    def band_of(self, total: int) -> Band | None:
        """Return the severity band of a total, or None where the instrument has none."""
        return next((band for band in self.bands if band.low <= total <= band.high), None)

    def category(self, category_id: str) -> Category:
        """Return one category by its id. Refuses an unknown one with KeyError."""
        for category in self.categories:
            if category.id == category_id:
                return category
        raise KeyError(category_id)
