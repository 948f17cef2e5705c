"""One file of ``assessments/instruments/`` as the definition it states, read key by key and checked against itself. Pure.

Whatever is missing, unknown, of the wrong kind or at odds with something else in the file is refused by its name, before
anybody is asked anything. What a definition is for is in ``definitions.py``.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum
from itertools import pairwise
from typing import Any, TypeVar

from assessments.instrument import (
    Answerer,
    AskedIf,
    Band,
    Category,
    Criterion,
    CutOff,
    Definition,
    Direction,
    Item,
    ItemNote,
    Kind,
    LicenceStatus,
    MeaningfulChange,
    MissingRule,
    Option,
    Relapse,
    ReliableChange,
    Remission,
    SafetyItem,
    Subscale,
    Tier,
    WordingSource,
)

# Plain words that belong to nobody, with their LOINC answers (domain.md 2.3).
YES_NO = (Option(0, "No", "LA32-8"), Option(1, "Yes", "LA33-6"))


class InstrumentFileError(ValueError):
    """A definition that contradicts itself or its licence. Names the file and the field."""

    def __init__(self, file: str, field: str, problem: str) -> None:
        super().__init__(f"{file}: {field}: {problem}")
        self.file = file
        self.field = field
        self.problem = problem


T = TypeVar("T")


class _Table:
    """One table of a file, read key by key, so that what is missing, of the wrong type or unknown is named."""

    def __init__(self, file: str, field: str, data: Mapping[str, Any]) -> None:
        self.file = file
        self.field = field
        self.data = data
        self.read: set[str] = set()

    def where(self, key: str) -> str:
        return f"{self.field}.{key}" if self.field else key

    def wrong(self, key: str, problem: str) -> InstrumentFileError:
        return InstrumentFileError(self.file, self.where(key), problem)

    def _value(self, key: str, kind: type[T], default: T | None, required: bool) -> T | None:
        self.read.add(key)
        if key not in self.data:
            if required:
                raise self.wrong(key, "is missing")
            return default
        value = self.data[key]
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise self.wrong(key, f"must be {kind.__name__}, not {type(value).__name__}")
        result: T = value
        return result

    def text(self, key: str, default: str | None = None) -> str:
        value = self._value(key, str, default, required=default is None)
        assert value is not None
        if default is None and not value.strip():
            raise self.wrong(key, "is empty")
        return value

    def integer(self, key: str) -> int:
        value = self._value(key, int, None, required=True)
        assert value is not None
        return value

    def maybe_integer(self, key: str) -> int | None:
        return self._value(key, int, None, required=False)

    def maybe_number(self, key: str) -> float | None:
        return self._value(key, float, None, required=False)

    def flag(self, key: str, default: bool | None = None) -> bool:
        value = self._value(key, bool, default, required=default is None)
        assert value is not None
        return value

    def choice(self, key: str, kind: type[E], default: E | None = None) -> E:
        value = self.text(key, None if default is None else str(default))
        try:
            return kind(value)
        except ValueError:
            raise self.wrong(key, f"{value!r} is none of {', '.join(kind)}") from None

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._value(key, list, [], required=False)
        assert value is not None
        if not all(type(entry) is str and entry.strip() for entry in value):
            raise self.wrong(key, "must be a list of texts")
        return tuple(value)

    def integers(self, key: str) -> tuple[int, ...]:
        value = self._value(key, list, [], required=False)
        assert value is not None
        if not all(type(entry) is int for entry in value):
            raise self.wrong(key, "must be a list of whole numbers")
        return tuple(value)

    def groups(self, key: str) -> tuple[tuple[str, ...], ...]:
        value = self._value(key, list, [], required=False)
        assert value is not None
        if not all(type(group) is list and all(type(entry) is str for entry in group) for group in value):
            raise self.wrong(key, "must be a list of lists of item ids")
        return tuple(tuple(group) for group in value)

    def table(self, key: str) -> _Table | None:
        value = self._value(key, dict, None, required=False)
        return None if value is None else _Table(self.file, self.where(key), value)

    def tables(self, key: str) -> list[_Table]:
        value = self._value(key, list, [], required=False)
        assert value is not None
        if not all(type(entry) is dict for entry in value):
            raise self.wrong(key, "must be a list of tables")
        return [_Table(self.file, f"{self.where(key)}[{number}]", entry) for number, entry in enumerate(value)]

    def done(self) -> None:
        """Refuse a key that nobody read: a slip of the pen must not pass for a rule."""
        unknown = sorted(set(self.data) - self.read)
        if unknown:
            raise self.wrong(unknown[0], "is no field of an instrument")


E = TypeVar("E", bound=StrEnum)


def parse(file: str, content: bytes) -> Definition:
    """Return the definition in a file's content, checked. Refuses with InstrumentFileError, naming file and field."""
    try:
        # A checkout on another system may end its lines differently; what was answered is the same.
        text = content.decode("utf-8").replace("\r\n", "\n")
        top = _Table(file, "", tomllib.loads(text))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InstrumentFileError(file, "toml", str(error)) from None
    definition = _read(top, hashlib.sha256(text.encode()).hexdigest())
    top.done()
    _check(file, definition)
    return definition


def _read(top: _Table, checksum: str) -> Definition:
    scales = _scales(top)
    items = tuple(_item(table, scales) for table in top.tables("items"))
    by_id = {item.id: item for item in items}
    if len(by_id) < len(items):
        doubled = next(name for name, times in Counter(item.id for item in items).items() if times > 1)
        raise top.wrong("items", f"{doubled!r} is there twice")
    total = top.table("total")
    low = high = None
    factor = 1
    if total is not None:
        low, high = total.integer("low"), total.integer("high")
        factor = total.maybe_integer("factor") or 1
        total.done()
    scorer = top.table("scorer")
    licence = top.table("licence")
    missing = top.table("missing")
    for key, table in (("scorer", scorer), ("licence", licence), ("missing", missing)):
        if table is None:
            raise top.wrong(key, "is missing")
    assert scorer is not None
    assert licence is not None
    assert missing is not None
    definition = Definition(
        code=top.text("code"),
        version=top.integer("version"),
        language=top.text("language"),
        name=top.text("name"),
        title=top.text("title"),
        wording_source=top.choice("wording_source", WordingSource),
        licence_status=licence.choice("status", LicenceStatus),
        licence=licence.text("text"),
        citation=licence.text("citation"),
        validated=top.flag("validated"),
        answered_by=top.choice("answered_by", Answerer),
        recall=top.text("recall"),
        minutes=top.integer("minutes"),
        crisis_text=top.flag("crisis_text"),
        higher_is=top.choice("higher_is", Direction),
        instructions=top.text("instructions", ""),
        stem=top.text("stem", ""),
        scorer=(scorer.text("id"), scorer.integer("version")),
        items=items,
        subscales=tuple(_subscale(table, by_id) for table in top.tables("subscales")),
        low=low,
        high=high,
        factor=factor,
        bands=tuple(_band(table, rank) for rank, table in enumerate(top.tables("bands"))),
        categories=tuple(_category(table, rank) for rank, table in enumerate(top.tables("categories"))),
        cut_offs=tuple(_cut_off(table) for table in top.tables("cut_offs")),
        criteria=tuple(_criterion(table) for table in top.tables("criteria")),
        criteria_label=top.text("criteria_label", ""),
        item_notes=tuple(_item_note(table) for table in top.tables("item_notes")),
        missing=MissingRule(
            missing.integer("allowed"), missing.maybe_integer("allowed_per_subscale"),
            missing.texts("never_imputed"), missing.text("source"),
        ),
        either_or=top.groups("either_or"),
        domains=top.groups("domains"),
        safety_items=tuple(_safety_item(table) for table in top.tables("safety_items")),
        meaningful_changes=tuple(_meaningful(table) for table in top.tables("meaningful_changes")),
        reliable_change=_reliable(top.table("reliable_change")),
        deterioration=top.maybe_integer("deterioration"),
        remission=_remission(top.table("remission")),
        relapse=_relapse(top.table("relapse")),
        baseline_floor=top.maybe_integer("baseline_floor"),
        hours_after_dose=top.integers("hours_after_dose"),
        loinc_panel=top.text("loinc_panel", ""),
        loinc_total=top.text("loinc_total", ""),
        notes=top.texts("notes"),
        sources=top.texts("sources"),
        checksum=checksum,
    )  # fmt: skip
    for table in (scorer, licence, missing):
        table.done()
    return definition


def _scales(top: _Table) -> dict[str, tuple[Option, ...]]:
    scales: dict[str, tuple[Option, ...]] = {}
    for table in top.tables("scales"):
        name = table.text("id")
        if name in scales:
            raise table.wrong("id", f"{name!r} is defined twice")
        options = []
        for row in table.tables("options"):
            options.append(Option(row.integer("value"), row.text("label", ""), row.text("loinc", "")))
            row.done()
        if len(options) < 2:
            raise table.wrong("options", "must hold at least two")
        doubled = [v for v, times in Counter(option.value for option in options).items() if times > 1]
        if doubled:
            raise table.wrong("options", f"two options share the value {doubled[0]}")
        if [o.value for o in options] != sorted(o.value for o in options):
            raise table.wrong("options", "must rise in value")
        labels = [option.label for option in options if option.label]
        if labels and (len(labels) != len(options) or len(set(labels)) != len(labels)):
            raise table.wrong("options", "labels must be given to all of them and differ, or to none")
        table.done()
        scales[name] = tuple(options)
    return scales


def _item(table: _Table, scales: Mapping[str, tuple[Option, ...]]) -> Item:
    kind = table.choice("kind", Kind, Kind.CHOICE)
    options: tuple[Option, ...] = ()
    if kind is Kind.CHOICE:
        scale = table.text("scale")
        if scale not in scales:
            raise table.wrong("scale", f"{scale!r} is no scale of this file")
        options = scales[scale]
    elif kind is Kind.YES_NO:
        options = YES_NO
    condition = table.table("asked_if")
    asked_if = None
    if condition is not None:
        asked_if = AskedIf(condition.texts("any_of"), condition.integer("value"))
        condition.done()
    item = Item(
        table.text("id"), table.text("number"), table.text("text", ""), kind, options,
        table.flag("scored", kind is not Kind.TEXT), table.flag("reversed", False), asked_if, table.text("loinc", ""),
    )  # fmt: skip
    table.done()
    return item


def _subscale(table: _Table, items: Mapping[str, Item]) -> Subscale:
    ids = table.texts("items")
    unknown = [item_id for item_id in ids if item_id not in items]
    if unknown:
        raise table.wrong("items", f"{unknown[0]!r} is no item of this file")
    if len(set(ids)) != len(ids):
        raise table.wrong("items", "names an item twice")
    low, high = table.integer("low"), table.integer("high")
    if ids and (low, high) != (sum(items[i].low for i in ids), sum(items[i].high for i in ids)):
        raise table.wrong("high", "the range is not the sum of its items' ranges")
    if low >= high:
        raise table.wrong("high", "must be above low")
    subscale = Subscale(table.text("id"), table.text("label"), ids, low, high)
    table.done()
    return subscale


def _band(table: _Table, rank: int) -> Band:
    band = Band(table.text("id"), table.text("label"), table.integer("low"), table.integer("high"), rank)
    table.done()
    return band


def _category(table: _Table, rank: int) -> Category:
    category = Category(table.text("id"), table.text("label"), rank, table.text("loinc", ""))
    table.done()
    return category


def _cut_off(table: _Table) -> CutOff:
    cut = CutOff(
        table.text("id"), table.text("label"), table.integer("at_least"), table.text("source"),
        table.maybe_integer("grey_from"), table.text("applies_to", "everyone"), table.text("flag", ""),
    )  # fmt: skip
    if cut.grey_from is not None and cut.grey_from >= cut.at_least:
        raise table.wrong("grey_from", "must be below at_least")
    table.done()
    return cut


def _criterion(table: _Table) -> Criterion:
    criterion = Criterion(
        table.text("id"), table.text("label"), table.text("subscale"), table.maybe_integer("item_at_least"),
        table.maybe_integer("items_needed"), table.maybe_integer("percent_at_least"),
    )  # fmt: skip
    by_items = criterion.item_at_least is not None and criterion.items_needed is not None
    if by_items == (criterion.percent_at_least is not None):
        raise table.wrong("percent_at_least", "give either item_at_least with items_needed, or percent_at_least")
    table.done()
    return criterion


def _item_note(table: _Table) -> ItemNote:
    note = ItemNote(table.text("item"), table.integers("values"), table.text("code"))
    table.done()
    return note


def _safety_item(table: _Table) -> SafetyItem:
    tiers: list[tuple[int, Tier]] = []
    said = table.table("tiers")
    if said is None or not said.data:
        raise table.wrong("tiers", "is missing")
    for key in said.data:
        if not key.isdigit():
            raise said.wrong(key, "must be the value of an answer")
        tiers.append((int(key), said.choice(key, Tier)))
    said.done()
    blank = table.choice("blank", Tier) if "blank" in table.data else None
    safety = SafetyItem(table.text("item"), table.text("trigger"), tuple(tiers), blank)
    table.done()
    return safety


def _meaningful(table: _Table) -> MeaningfulChange:
    change = MeaningfulChange(
        table.text("label"), table.maybe_number("points"), table.maybe_integer("percent"), table.text("source")
    )
    if (change.points is None) == (change.percent is None):
        raise table.wrong("points", "give either points or percent")
    table.done()
    return change


def _reliable(table: _Table | None) -> ReliableChange | None:
    if table is None:
        return None
    change = ReliableChange(
        table.text("source"), table.maybe_integer("points"), table.maybe_integer("points_high"),
        table.maybe_number("sd"), table.maybe_number("r"), table.flag("illustration", False),
    )  # fmt: skip
    if change.points is None and (change.sd is None or change.r is None):
        raise table.wrong("points", "give either points, or sd and r")
    if change.points is not None and (change.sd is not None or change.r is not None):
        raise table.wrong("sd", "a published figure needs no formula")
    if change.r is not None and not 0 <= change.r < 1:
        raise table.wrong("r", "must be from 0 to below 1")
    if change.points_high is not None and (change.points is None or change.points_high <= change.points):
        raise table.wrong("points_high", "must be above points")
    table.done()
    return change


def _remission(table: _Table | None) -> Remission | None:
    if table is None:
        return None
    remission = Remission(table.text("comparison"), table.integer("value"), table.text("source"))
    if remission.comparison not in {"<", "<=", ">", ">="}:
        raise table.wrong("comparison", "must be <, <=, > or >=")
    table.done()
    return remission


def _relapse(table: _Table | None) -> Relapse | None:
    if table is None:
        return None
    relapse = Relapse(
        table.integer("at_least"), table.integer("above_best"), table.integer("occasions"),
        table.integer("days_apart"), table.text("source"),
    )  # fmt: skip
    table.done()
    return relapse


def _check(file: str, d: Definition) -> None:
    """Refuse a definition whose parts contradict each other or its licence."""

    def wrong(field: str, problem: str) -> InstrumentFileError:
        return InstrumentFileError(file, field, problem)

    expected = f"{d.code}.{d.version}.{d.language}.toml"
    if file != expected:
        raise wrong("code", f"a file with this code, version and language is called {expected}")
    if d.version < 1:
        raise wrong("version", "counts from 1")
    if d.minutes < 1:
        raise wrong("minutes", "must be at least 1")
    if not d.items:
        raise wrong("items", "there are none")
    if not d.sources:
        raise wrong("sources", "say where the numbers come from")
    _check_names(wrong, d)
    _check_licence(wrong, d)
    _check_ranges(wrong, d)
    _check_references(wrong, d)


_Wrong = Callable[[str, str], InstrumentFileError]


def _check_names(wrong: _Wrong, d: Definition) -> None:
    named: tuple[tuple[str, list[str]], ...] = (
        ("subscales", [s.id for s in d.subscales]),
        ("bands", [band.id for band in d.bands]),
        ("categories", [category.id for category in d.categories]),
        ("cut_offs", [cut.id for cut in d.cut_offs]),
        ("criteria", [criterion.id for criterion in d.criteria]),
        ("safety_items", [safety.item for safety in d.safety_items]),
    )
    for field, ids in named:
        doubled = [name for name, times in Counter(ids).items() if times > 1]
        if doubled:
            raise wrong(field, f"{doubled[0]!r} is there twice")
    numbers = Counter(item.number for item in d.items)
    doubled = [number for number, times in numbers.items() if times > 1]
    if doubled:
        raise wrong("items", f"two items have the number {doubled[0]}")


def _check_licence(wrong: _Wrong, d: Definition) -> None:
    """Wording only where it is free to bundle, and then all of it (domain.md 2.1)."""
    bundled = d.wording_source is WordingSource.BUNDLED
    if bundled and d.licence_status is not LicenceStatus.FREE:
        raise wrong("wording_source", f"wording that is {d.licence_status} may not be bundled")
    if d.wording_source is WordingSource.CLINIC_SUPPLIED and d.licence_status is LicenceStatus.FREE:
        raise wrong("wording_source", "wording that is free needs no clinic to supply it")
    for item in d.items:
        field = f"items.{item.id}.text"
        labelled = item.kind is Kind.CHOICE and any(option.label for option in item.options)
        if bundled and not item.text.strip():
            raise wrong(field, "is missing, and this wording is bundled")
        if bundled and item.kind is Kind.CHOICE and not labelled:
            raise wrong(f"items.{item.id}.scale", "has no labels, and this wording is bundled")
        if not bundled and (item.text.strip() or labelled):
            raise wrong(field, "is wording that the licence keeps from us")
    if not bundled and (d.instructions.strip() or d.stem.strip()):
        raise wrong("instructions", "is wording that the licence keeps from us")


def _check_ranges(wrong: _Wrong, d: Definition) -> None:
    if (d.low is None) != (d.high is None) or (d.low is not None and d.high is not None and d.low >= d.high):
        raise wrong("total", "needs a low below its high")
    if d.low is not None and not d.domains:
        reach = (sum(i.low for i in d.scored_items) * d.factor, sum(i.high for i in d.scored_items) * d.factor)
        if reach != (d.low, d.high):
            raise wrong("total", f"its scored items reach {reach[0]} to {reach[1]}")
    if d.bands:
        if d.low is None or d.high is None:
            raise wrong("bands", "there is no total to divide")
        for band in d.bands:
            if band.low > band.high:
                raise wrong(f"bands.{band.id}", "low is above high")
        for before, after in pairwise(d.bands):
            if after.low <= before.high:
                raise wrong(f"bands.{after.id}", f"overlaps {before.id}")
            if after.low != before.high + 1:
                raise wrong(f"bands.{after.id}", f"leaves a gap after {before.id}")
        if (d.bands[0].low, d.bands[-1].high) != (d.low, d.high):
            raise wrong("bands", f"do not cover {d.low} to {d.high}")
    for field, value in [
        *((f"cut_offs.{cut.id}", cut.at_least) for cut in d.cut_offs),
        *((("remission", d.remission.value),) if d.remission else ()),
        *((("relapse", d.relapse.at_least),) if d.relapse else ()),
        *((("baseline_floor", d.baseline_floor),) if d.baseline_floor is not None else ()),
    ]:
        if d.low is None or d.high is None or not d.low <= value <= d.high:
            raise wrong(field, "is outside the range of the total")


def _check_references(wrong: _Wrong, d: Definition) -> None:
    by_id = {item.id: item for item in d.items}
    subscales = {s.id for s in d.subscales}
    for position, item in enumerate(d.items):
        earlier = {other.id for other in d.items[:position]}
        if item.asked_if and not (item.asked_if.any_of and set(item.asked_if.any_of) <= earlier):
            raise wrong(f"items.{item.id}.asked_if", "must name items that come before it")
        if item.kind is Kind.TEXT and item.scored:
            raise wrong(f"items.{item.id}.scored", "a text has no points")
    for field, groups in (("either_or", d.either_or), ("domains", d.domains)):
        for group in groups:
            if len(set(group)) != len(group) or not set(group) <= set(by_id):
                raise wrong(field, f"{', '.join(group)} are not items of this file, each once")
    if d.domains and sorted(i for group in d.domains for i in group) != sorted(i.id for i in d.scored_items):
        raise wrong("domains", "must hold every scored item once")
    for safety in d.safety_items:
        item_of = by_id.get(safety.item)
        if item_of is None:
            raise wrong("safety_items", f"{safety.item!r} is no item of this file")
        if not {value for value, _tier in safety.tiers} <= set(item_of.values):
            raise wrong(f"safety_items.{safety.item}", "names a value that the item does not have")
    for note in d.item_notes:
        if note.item not in by_id or not (note.values and set(note.values) <= set(by_id[note.item].values)):
            raise wrong("item_notes", f"{note.item!r} has no such value")
    for item_id in d.missing.never_imputed:
        if item_id not in by_id:
            raise wrong("missing.never_imputed", f"{item_id!r} is no item of this file")
    if d.missing.allowed < 0 or d.missing.allowed >= len(d.items):
        raise wrong("missing.allowed", "must leave at least one answer")
    if d.missing.allowed:
        never = set(d.missing.never_imputed)
        for safety in d.safety_items:
            if by_id[safety.item].scored and safety.item not in never:
                raise wrong("missing.never_imputed", f"{safety.item!r} is a safety item and is never imputed")
    for criterion in d.criteria:
        if criterion.subscale not in subscales:
            raise wrong(f"criteria.{criterion.id}", f"{criterion.subscale!r} is no subscale of this file")
