"""What the intake packet asks, as data: parts, screens, questions, in words of the sixth grade.

One question is one field of the draft. Nothing is chosen beforehand, "not sure" is an answer of its own, and what nobody
answered stays open. What the answers mean for the record is in ``assessments/packetfacts.py``; the questions about conditions
are in ``assessments/packetconditions.py``; what is wrong with an answer is in ``assessments/packetchecks.py``.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext_lazy as _

YES, NO, UNSURE = "yes", "no", "unsure"
YES_NO_UNSURE: tuple[tuple[str, Any], ...] = ((YES, _("Yes")), (NO, _("No")), (UNSURE, _("Not sure")))
YES_NO: tuple[tuple[str, Any], ...] = ((YES, _("Yes")), (NO, _("No")))
ON = "on"

LINE, WORDS = 200, 4000
# Rows of one list; more medicines than this belong on paper beside the packet.
MOST_ROWS = 60


class Kind(StrEnum):
    CHOICE = "choice"
    LINE = "line"
    WORDS = "words"
    WHEN = "when"
    NUMBER = "number"
    PHONE = "phone"
    TICK = "tick"


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question. ``shown_for`` names a question above and the answers to it for which this one is asked."""

    name: str
    text: Any
    kind: Kind = Kind.CHOICE
    help: Any = ""
    choices: tuple[tuple[str, Any], ...] = YES_NO_UNSURE
    # Whether the part asks for an answer before it counts as done.
    is_needed: bool = True
    longest: int = LINE
    least: int = 0
    most: int = 0
    unit: Any = ""
    shown_for: tuple[str, frozenset[str]] | None = None

    def is_shown(self, draft: Mapping[str, str]) -> bool:
        """Return whether the question is asked at all, by the answer to the one it hangs on."""
        return self.shown_for is None or draft.get(self.shown_for[0], "") in self.shown_for[1]

    @property
    def is_words(self) -> bool:
        """Return whether a person writes freely here, so that it is read for words of danger."""
        return self.kind in {Kind.LINE, Kind.WORDS, Kind.WHEN}

    def label_of(self, value: str) -> str:
        """Return an answer as the page says it."""
        return str(dict(self.choices).get(value, value)) if self.kind is Kind.CHOICE else value


@dataclass(frozen=True)
class Rows:
    """A list of as many lines as somebody needs: columns, and the tick that says there is nothing to list."""

    name: str
    title: Any
    columns: tuple[Question, ...]
    add_label: Any
    none: Question

    def field(self, index: int, column: str) -> str:
        return f"{self.name}-{index}-{column}"

    def count(self, draft: Mapping[str, str]) -> int:
        """Return how many lines the page shows: one at least, all that were filled, and those that were asked for."""
        parts = [name.split("-") for name in draft]
        filled = [_count(part[1]) + 1 for part in parts if len(part) == 3 and part[0] == self.name]
        return min(MOST_ROWS, max(1, _count(draft.get(f"{self.name}-rows", "")), *filled))

    def filled(self, draft: Mapping[str, str]) -> list[tuple[int, dict[str, str]]]:
        """Return the lines in which something stands, with their numbers."""
        lines = [
            (index, {column.name: draft.get(self.field(index, column.name), "") for column in self.columns})
            for index in range(self.count(draft))
        ]
        return [(index, line) for index, line in lines if any(value.strip() for value in line.values())]


def _count(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,3}", text) else 0


@dataclass(frozen=True)
class Step:
    """One screen: one idea."""

    name: str
    title: Any
    questions: tuple[Question, ...] = ()
    rows: Rows | None = None
    intro: Any = ""
    # Whether the list stands above the questions.
    rows_first: bool = False

    @property
    def left_open(self) -> str:
        """Return the field that says the patient would rather talk about what is open here."""
        return f"leave-{self.name}"

    def names(self, draft: Mapping[str, str]) -> list[str]:
        """Return every field of the screen, with those of as many lines as it shows."""
        names = [question.name for question in self.questions]
        if self.rows is not None:
            rows = self.rows
            names += [rows.field(i, column.name) for i in range(rows.count(draft)) for column in rows.columns]
            names.append(rows.none.name)
        return names

    def asked(self, draft: Mapping[str, str]) -> Iterator[tuple[str, Question]]:
        """Yield the fields that are asked of somebody who answered so far, with their questions."""
        for question in self.questions:
            if question.is_shown(draft):
                yield question.name, question
        if self.rows is not None:
            for index, _line in self.rows.filled(draft):
                for column in self.rows.columns:
                    yield self.rows.field(index, column.name), column
            yield self.rows.none.name, self.rows.none


@dataclass(frozen=True)
class Section:
    """One part of the packet. ``minutes`` is what a patient reads as the time it takes."""

    code: str
    title: Any
    minutes: int
    steps: tuple[Step, ...] = field(default=())
    intro: Any = ""

    def step(self, name: str) -> Step | None:
        return next((step for step in self.steps if step.name == name), None)

    def after(self, step: Step) -> Step | None:
        """Return the screen that follows, or None after the last."""
        place = self.steps.index(step)
        return self.steps[place + 1] if place + 1 < len(self.steps) else None

    def before(self, step: Step) -> Step | None:
        place = self.steps.index(step)
        return self.steps[place - 1] if place else None


def choice(name: str, text: Any, **more: Any) -> Question:
    """Return a question with answers to choose from: yes, no and not sure unless others are given."""
    return Question(name=name, text=text, **more)


def line(name: str, text: Any, **more: Any) -> Question:
    """Return a question that is answered in one line."""
    return Question(name=name, text=text, kind=Kind.LINE, **more)


def words(name: str, text: Any, **more: Any) -> Question:
    """Return a question that is answered in one's own words; none of them has to be."""
    return Question(name=name, text=text, kind=Kind.WORDS, **{"is_needed": False, "longest": WORDS, **more})


def tick(name: str, text: Any, **more: Any) -> Question:
    """Return a box to tick; leaving it empty says nothing."""
    return Question(name=name, text=text, kind=Kind.TICK, is_needed=False, **more)


def for_yes(name: str) -> tuple[str, frozenset[str]]:
    """Return the condition of a question that is asked of those who said yes to another."""
    return (name, frozenset({YES}))
