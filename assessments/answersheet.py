"""A questionnaire as somebody fills it in: what is asked after what they answered, where they are, what is open. Pure.

What is not asked any more, because an earlier answer was changed, is neither shown nor handed in: what a person saw when
they looked over their answers is what we receive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from assessments import safety, scoring
from assessments.definitions import Wording
from assessments.instrument import Definition, Item, Kind


@dataclass(frozen=True)
class Choice:
    """One answer that may be picked."""

    value: int
    label: str
    is_chosen: bool


@dataclass(frozen=True)
class Question:
    """One item with its words and what was answered. ``said`` is the answer in words, empty while it is open."""

    id: str
    place: int
    of: int
    text: str
    choices: tuple[Choice, ...]
    is_text: bool
    said: str

    @property
    def is_open(self) -> bool:
        return not self.said

    @property
    def name(self) -> str:
        """Return what its field is called."""
        return field_name(self.id)


def field_name(item_id: str) -> str:
    """Return what the field of an item is called in a form."""
    return f"answer-{item_id}"


@dataclass(frozen=True)
class Sheet:
    """A definition, its words, and what was answered so far."""

    definition: Definition
    wording: Wording
    answers: Mapping[str, Any]

    @cached_property
    def asked(self) -> tuple[Item, ...]:
        """Return the items that are asked after the answers to those that are asked themselves."""
        items: list[Item] = []
        given: dict[str, int] = {}
        for item in self.wording.items:
            if not scoring.is_asked(item, given):
                continue
            items.append(item)
            answer = self.answers.get(item.id)
            if isinstance(answer, int):
                given[item.id] = answer
        return tuple(items)

    @cached_property
    def given(self) -> dict[str, Any]:
        """Return the answers to what is asked: what is handed in."""
        return {item.id: self.answers[item.id] for item in self.asked if self.answers.get(item.id) is not None}

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """Return what is asked, in order, with words."""
        return tuple(self._question(item, place) for place, item in enumerate(self.asked, start=1))

    @property
    def open(self) -> tuple[Question, ...]:
        """Return the questions that were left open. Words beside a yes may stay empty and do not count."""
        return tuple(question for question in self.questions if question.is_open and not question.is_text)

    @property
    def alarms(self) -> bool:
        """Return whether an answer given so far would be an alarm: then the numbers to call stand beside the questions."""
        return any(not signal.is_unknown for signal in safety.signals(self.definition, self.given))

    def has(self, item_id: str) -> bool:
        """Return whether that item is asked now."""
        return any(item.id == item_id for item in self.asked)

    def question(self, item_id: str) -> Question:
        """Return one question that is asked now. Refuses another with KeyError."""
        for question in self.questions:
            if question.id == item_id:
                return question
        raise KeyError(item_id)

    def after(self, item_id: str) -> str:
        """Return the id of the question after that one; "" after the last, and the first when it is not asked any more."""
        return self._beside(item_id, 1)

    def before(self, item_id: str) -> str:
        """Return the id of the question before that one; "" before the first."""
        return self._beside(item_id, -1)

    def _beside(self, item_id: str, step: int) -> str:
        ids = [item.id for item in self.asked]
        if item_id not in ids:
            return ids[0]
        there = ids.index(item_id) + step
        return ids[there] if 0 <= there < len(ids) else ""

    def _question(self, item: Item, place: int) -> Question:
        answer = self.answers.get(item.id)
        choices = tuple(Choice(o.value, o.label, answer == o.value and answer is not None) for o in item.options)
        is_text = item.kind is Kind.TEXT
        said = str(answer or "") if is_text else next((c.label for c in choices if c.is_chosen), "")
        return Question(item.id, place, len(self.asked), item.text, choices, is_text, said)
