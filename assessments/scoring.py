"""What a set of answers adds up to, or why it does not. Pure: a definition and answers in, a frozen score out.

A score is computed on the server when a questionnaire is handed in, and stored with the version of its instrument, the
checksum of its file and the version of its scorer. A scorer is never changed once it has scored somebody: a new rule is
a new version beside the old one, so that every stored score can be computed again. What cannot be scored is refused
with ``InvalidAnswers`` (never a guess) or has no total and a reason. The rules are those of domain.md 2.2; alarms are
made from the answers themselves, in ``safety.py``, and never depend on a score.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from assessments.instrument import Band, Category, CutOff, Definition, Item, Kind, Subscale

Answers = Mapping[str, object]
# An answer in the patient's own words: long enough for a few sentences, short enough for a page.
LONGEST_TEXT = 2000


class InvalidAnswers(ValueError):
    """Answers that the instrument does not have. Nothing is scored; ``item`` says where to look."""

    def __init__(self, instrument: str, item: str, problem: str) -> None:
        super().__init__(f"{instrument}, {item}: {problem}")
        self.instrument = instrument
        self.item = item
        self.problem = problem


class UnknownScorer(LookupError):
    """The definition asks for a scorer that nobody wrote."""


class Entered(StrEnum):
    """How the numbers reached us."""

    ANSWERS = "answers"
    PAPER_ITEMS = "paper_items"
    PAPER_TOTAL = "paper_total"


class NoTotal(StrEnum):
    """Why there is no total."""

    INCOMPLETE = "incomplete"
    TOO_MANY_MISSING = "too_many_missing"
    TOO_MANY_MISSING_IN_ONE_PART = "too_many_missing_in_one_part"
    NEVER_IMPUTED = "never_imputed"
    NOT_A_SUM = "not_a_sum"
    ONLY_PARTS_GIVEN = "only_parts_given"


class CutOffState(StrEnum):
    """Where a total stands at a cut-off. GREY: the sources give a range, and the total is inside it."""

    BELOW = "below"
    GREY = "grey"
    POSITIVE = "positive"


@dataclass(frozen=True)
class Part:
    """The sum of one subscale, or None when an item of it is blank or we do not know its items."""

    id: str
    label: str
    total: int | None
    low: int
    high: int


@dataclass(frozen=True)
class CutOffResult:
    """One cut-off and where the total stands. ``applies_to`` is "men", "women" or "everyone": nobody is guessed."""

    id: str
    label: str
    at_least: int
    applies_to: str
    state: CutOffState
    flag: str


@dataclass(frozen=True)
class Fact:
    """A rule beside the total. ``met`` is None when a blank leaves it open."""

    id: str
    label: str
    met: bool | None


@dataclass(frozen=True)
class Score:
    """The result of one questionnaire.

    ``total`` is in the instrument's own points (WHO-5: a percentage; ``raw`` is its sum). ``imputed`` names the items
    that prorating filled in, ``missing`` every blank item that was asked. ``band``, ``cut_offs``, ``facts`` and
    ``category`` are separate statements, none of which overrules another. ``notes`` are codes for the reader.
    """

    code: str
    version: int
    language: str
    checksum: str
    scorer_id: str
    scorer_version: int
    entered: Entered
    total: int | None
    reason: NoTotal | None
    raw: int | None = None
    imputed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    band: Band | None = None
    category: Category | None = None
    parts: tuple[Part, ...] = ()
    cut_offs: tuple[CutOffResult, ...] = ()
    facts: tuple[Fact, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def prorated(self) -> bool:
        return bool(self.imputed)

    @property
    def is_complete(self) -> bool:
        """Return whether there is a total that nothing was filled in for."""
        return self.total is not None and not self.imputed

    def part(self, part_id: str) -> Part:
        """Return one subscale. Refuses an unknown one with KeyError."""
        for part in self.parts:
            if part.id == part_id:
                return part
        raise KeyError(part_id)

    def fact(self, fact_id: str) -> Fact:
        """Return one rule's outcome. Refuses an unknown one with KeyError."""
        for fact in self.facts:
            if fact.id == fact_id:
                return fact
        raise KeyError(fact_id)

    def cut_off(self, cut_off_id: str) -> CutOffResult:
        """Return one cut-off's outcome. Refuses an unknown one with KeyError, as when there is no total."""
        for cut in self.cut_offs:
            if cut.id == cut_off_id:
                return cut
        raise KeyError(cut_off_id)

    def as_data(self) -> dict[str, Any]:
        """Return the score as plain data for storing: texts, whole numbers, booleans, None, lists and dicts."""
        return {
            "code": self.code,
            "version": self.version,
            "language": self.language,
            "checksum": self.checksum,
            "scorer": [self.scorer_id, self.scorer_version],
            "entered": str(self.entered),
            "total": self.total,
            "reason": None if self.reason is None else str(self.reason),
            "raw": self.raw,
            "prorated": self.prorated,
            "imputed": list(self.imputed),
            "missing": list(self.missing),
            "band": None if self.band is None else self.band.id,
            "category": None if self.category is None else self.category.id,
            "parts": {part.id: part.total for part in self.parts},
            "cut_offs": {cut.id: str(cut.state) for cut in self.cut_offs},
            "facts": {fact.id: fact.met for fact in self.facts},
            "notes": list(self.notes),
        }


Given = dict[str, int]
Scorer = Callable[[Definition, Given, Score], Score]


def check(definition: Definition, answers: Answers) -> Given:
    """Return the answered choices by item id; blanks (None, or not there) are left out, texts are only looked at.

    Refuses with InvalidAnswers an item that the instrument does not have, a value that the item does not have, and
    anything that is not a whole number: a boolean, a fraction, NaN and "2" are mistakes and no answers.
    """
    items = {item.id: item for item in definition.items}
    given: Given = {}
    for item_id, answer in answers.items():
        item = items.get(item_id)
        if item is None:
            raise InvalidAnswers(definition.name, str(item_id), "is no item of this instrument")
        if answer is None:
            continue
        if item.kind is Kind.TEXT:
            if not isinstance(answer, str) or len(answer) > LONGEST_TEXT:
                raise InvalidAnswers(definition.name, item_id, f"must be a text of at most {LONGEST_TEXT} characters")
            continue
        if type(answer) is not int:
            raise InvalidAnswers(definition.name, item_id, f"must be a whole number, not {type(answer).__name__}")
        if answer not in item.values:
            raise InvalidAnswers(definition.name, item_id, f"has no answer {answer}")
        given[item_id] = answer
    return {item.id: given[item.id] for item in definition.items if item.id in given}


def is_asked(item: Item, given: Mapping[str, int]) -> bool:
    """Return whether an item is asked after these answers: always, or when one of those before it was answered so."""
    return item.asked_if is None or any(given.get(other) == item.asked_if.value for other in item.asked_if.any_of)


def blank_items(definition: Definition, given: Mapping[str, int]) -> tuple[str, ...]:
    """Return the scored items that were asked and left blank, in the order of the form."""
    return tuple(i.id for i in definition.scored_items if i.id not in given and is_asked(i, given))


def score(definition: Definition, answers: Answers, *, entered: Entered = Entered.ANSWERS) -> Score:
    """Return the score of answers by item id, whole numbers as the options give them. Source: domain.md 2.2.

    Refuses with InvalidAnswers what is no answer of this instrument, with UnknownScorer a definition without a scorer.
    Too many blanks are no error: the score then has no total and says why.
    """
    scorer = scorer_of(definition)
    given = check(definition, answers)
    return scorer(definition, given, replace(_empty(definition, entered), missing=blank_items(definition, given)))


def score_paper_total(definition: Definition, total: object = None, parts: Mapping[str, object] | None = None) -> Score:
    """Return the score of totals that a clinician copied from a scored paper form, marked as such.

    Nothing is known of the single answers, so rules over items stay open. Refuses with InvalidAnswers a total out of
    range, one that cannot come about, parts that do not add up to it, and an instrument that has no total.
    """
    scorer_of(definition)
    if definition.low is None or definition.high is None:
        raise InvalidAnswers(definition.name, "total", "this instrument has no total; enter its items")
    empty = _empty(definition, Entered.PAPER_TOTAL)
    given = {}
    for part_id, value in (parts or {}).items():
        if part_id not in {subscale.id for subscale in definition.subscales}:
            raise InvalidAnswers(definition.name, str(part_id), "is no part of this instrument")
        if value is not None:
            subscale = definition.subscale(part_id)
            given[part_id] = _whole(definition, part_id, value, subscale.low, subscale.high)
    covered = _covers_all(definition)
    whole = sum(given.values()) if covered and len(given) == len(definition.subscales) else None
    if total is None and whole is None:
        if not given:
            raise InvalidAnswers(definition.name, "total", "is missing")
        found, reason = None, NoTotal.ONLY_PARTS_GIVEN
    else:
        found, reason = (
            _whole(definition, "total", whole if total is None else total, definition.low, definition.high),
            None,
        )
        if found % definition.factor:
            raise InvalidAnswers(definition.name, "total", f"must be a multiple of {definition.factor}")
        if whole is not None and whole != found:
            raise InvalidAnswers(definition.name, "total", f"the parts add up to {whole}")
        for part_id, value in given.items():
            rest = definition.low - definition.subscale(part_id).low
            if not value + rest <= found <= definition.high - definition.subscale(part_id).high + value:
                raise InvalidAnswers(definition.name, part_id, f"does not fit a total of {found}")
    filled = replace(
        empty, total=found, reason=reason, raw=None if found is None else found // definition.factor,
        parts=tuple(_part(subscale, given.get(subscale.id)) for subscale in definition.subscales),
    )  # fmt: skip
    return _with_facts(definition, {}, _with_total(definition, filled))


def _covers_all(definition: Definition) -> bool:
    """Return whether the subscales divide the total between them, by their ranges."""
    return bool(definition.subscales) and (
        sum(s.low for s in definition.subscales), sum(s.high for s in definition.subscales)
    ) == (definition.low, definition.high)  # fmt: skip


def _whole(definition: Definition, name: str, value: object, low: int, high: int) -> int:
    if type(value) is not int:
        raise InvalidAnswers(definition.name, name, f"must be a whole number, not {type(value).__name__}")
    if not low <= value <= high:
        raise InvalidAnswers(definition.name, name, f"must be from {low} to {high}")
    return value


def _empty(definition: Definition, entered: Entered) -> Score:
    return Score(
        definition.code, definition.version, definition.language, definition.checksum, *definition.scorer, entered,
        total=None, reason=NoTotal.NOT_A_SUM,
    )  # fmt: skip


def _part(subscale: Subscale, total: int | None) -> Part:
    return Part(subscale.id, subscale.label, total, subscale.low, subscale.high)


def _state(cut: CutOff, total: int) -> CutOffState:
    if total >= cut.at_least:
        return CutOffState.POSITIVE
    return CutOffState.GREY if cut.grey_from is not None and total >= cut.grey_from else CutOffState.BELOW


def _with_total(definition: Definition, result: Score) -> Score:
    """Return the score with what follows from its total: band and cut-offs."""
    if result.total is None:
        return result
    return replace(
        result,
        band=definition.band_of(result.total),
        cut_offs=tuple(
            CutOffResult(cut.id, cut.label, cut.at_least, cut.applies_to, _state(cut, result.total), cut.flag)
            for cut in definition.cut_offs
        ),
    )


def prorate(total: int, answered: int, items: int) -> int:
    """Return the mean of the answered items times all of them, halves rounded up. Never above the greatest total."""
    return (2 * total * items + answered) // (2 * answered)


def _why_none(definition: Definition, missing: tuple[str, ...]) -> NoTotal | None:
    """Return why these blanks leave no total, or None when there is one (domain.md 2.2, "missing items")."""
    rule = definition.missing
    if not missing:
        return None
    if set(missing) & set(rule.never_imputed):
        return NoTotal.NEVER_IMPUTED
    if len(missing) > rule.allowed:
        return NoTotal.TOO_MANY_MISSING if rule.allowed else NoTotal.INCOMPLETE
    limit = rule.allowed_per_subscale
    if limit is not None and any(len(set(missing) & set(s.items)) > limit for s in definition.subscales):
        return NoTotal.TOO_MANY_MISSING_IN_ONE_PART
    return None


def _parts(definition: Definition, given: Given) -> tuple[Part, ...]:
    """Return the sums of the subscales whose items are all known and answered. A part is never prorated."""
    return tuple(
        _part(
            subscale,
            sum(definition.item(i).points(given[i]) for i in subscale.items)
            if subscale.items and all(i in given for i in subscale.items)
            else None,
        )
        for subscale in definition.subscales
    )


def _with_facts(definition: Definition, given: Given, result: Score) -> Score:
    """Return the score with its rules over subscales (PCL-5's clusters, MEQ-30's 60 per cent), each and together."""
    if not definition.criteria:
        return result
    facts = []
    for criterion in definition.criteria:
        met: bool | None
        if criterion.percent_at_least is not None:
            part = result.part(criterion.subscale)
            met = None if part.total is None else part.total * 100 >= part.high * criterion.percent_at_least
        else:
            assert criterion.item_at_least is not None
            assert criterion.items_needed is not None
            items = definition.subscale(criterion.subscale).items
            endorsed = sum(given.get(i, 0) >= criterion.item_at_least for i in items)
            blank = sum(i not in given for i in items)
            # A blank decides nothing: met without it, or out of reach even with it, or open.
            met = (
                True
                if endorsed >= criterion.items_needed
                else (None if endorsed + blank >= criterion.items_needed else False)
            )
        facts.append(Fact(criterion.id, criterion.label, met))
    each = [fact.met for fact in facts]
    together = False if False in each else (None if None in each else True)
    return replace(result, facts=(*facts, Fact("all", definition.criteria_label, together)))


def _item_notes(definition: Definition, given: Given) -> tuple[str, ...]:
    return tuple(note.code for note in definition.item_notes if given.get(note.item) in note.values)


def _sum_1(definition: Definition, given: Given, result: Score) -> Score:
    """The sum of the scored items, reversed where the item says so, prorated within the instrument's rule.

    PHQ-9, GAD-7, PCL-5, WHO-5 (times four), PTQ, RRS-10, MADRS, ISI, DAST-10, MEQ-30, CADSS and our daily-life.
    """
    items = definition.scored_items
    answered = [item.points(given[item.id]) for item in items if item.id in given]
    reason = _why_none(definition, result.missing)
    raw = None
    if reason is None:
        raw = prorate(sum(answered), len(answered), len(items)) if result.missing else sum(answered)
    result = replace(
        result, raw=raw, total=None if raw is None else raw * definition.factor, reason=reason,
        imputed=result.missing if raw is not None else (), parts=_parts(definition, given),
        notes=_item_notes(definition, given),
    )  # fmt: skip
    return _with_facts(definition, given, _with_total(definition, result))


def _audit_c_1(definition: Definition, given: Given, result: Score) -> Score:
    """The sum, with a note when every point comes from item 1 (domain.md 2.2: then the intake is reviewed)."""
    result = _sum_1(definition, given, result)
    first = definition.scored_items[0].id
    if result.total and result.total == given[first]:
        result = replace(result, notes=(*result.notes, "all_from_item_1"))
    return result


def _qids_1(definition: Definition, given: Given, result: Score) -> Score:
    """The highest item of each domain, added up (domain.md 2.2). A pair of the form's either/or needs one of the two."""
    spared = {i for pair in definition.either_or if any(j in given for j in pair) for i in pair}
    missing = tuple(i for i in result.missing if i not in spared)
    result = replace(result, missing=missing)
    if missing:
        return replace(result, reason=_why_none(definition, missing))
    highest = [max(given[i] for i in domain if i in given) for domain in definition.domains]
    return _with_total(definition, replace(result, raw=sum(highest), total=sum(highest), reason=None))


def _cssrs_1(definition: Definition, given: Given, result: Score) -> Score:
    """The C-SSRS screener's category (domain.md 2.2): a category and no sum.

    A yes to a question that should not have been asked counts: no order of asking makes it untrue. Blanks leave the
    category open, unless it would be the same if every one of them were a yes.
    """
    yes = frozenset(item_id for item_id, answer in given.items() if answer == 1)
    category = _cssrs_category(yes)
    notes = []
    if any(item.id in yes and not is_asked(item, given) for item in definition.items):
        notes.append("answered_out_of_order")
    feared = set(result.missing)
    for item in definition.items:
        if item.id not in given and item.asked_if and feared & set(item.asked_if.any_of):
            feared.add(item.id)
    if _cssrs_category(yes | feared) != category:
        return replace(result, reason=NoTotal.INCOMPLETE, notes=(*notes, f"at_least_{category}"))
    return replace(result, category=definition.category(category), notes=tuple(notes))


def _cssrs_category(yes: frozenset[str]) -> str:
    """High: 4 or 5, or behaviour in the past 3 months. Moderate: 3, or behaviour ever. Low: only 1 or 2."""
    if yes & {"q4", "q5", "q6_3months"}:
        return "high"
    if yes & {"q3", "q6"}:
        return "moderate"
    return "low" if yes & {"q1", "q2"} else "none"


def _asq_1(definition: Definition, given: Given, result: Score) -> Score:
    """The ASQ's outcome (domain.md 2.2): any yes or refusal among 1 to 4 is positive, a yes to 5 is acute."""
    first_four = ("q1", "q2", "q3", "q4")
    refused = [i for i in first_four if i not in given]
    if given.get("q5") == 1:
        category = "acute"
    elif any(given.get(i) == 1 for i in first_four):
        category = "positive" if "q5" in given else "positive_unknown"
    else:
        category = "positive" if refused else "negative"
    return replace(result, category=definition.category(category), notes=("refused",) if refused else ())


def _check_1(definition: Definition, given: Given, result: Score) -> Score:
    """Single answers that are not added up: notes where one of them is worth somebody's attention."""
    return replace(result, notes=_item_notes(definition, given))


# A scorer that has scored somebody stays as it is. A new rule is a new version here, and a new file that names it.
SCORERS: Mapping[tuple[str, int], Scorer] = {
    ("asq", 1): _asq_1,
    ("audit-c", 1): _audit_c_1,
    ("check", 1): _check_1,
    ("cssrs", 1): _cssrs_1,
    ("qids", 1): _qids_1,
    ("sum", 1): _sum_1,
}


def scorer_of(definition: Definition) -> Scorer:
    """Return the function that scores this version. Refuses with UnknownScorer one that nobody wrote."""
    try:
        return SCORERS[definition.scorer]
    except KeyError:
        scorer_id, version = definition.scorer
        raise UnknownScorer(f"{definition.name} asks for scorer {scorer_id} version {version}.") from None
