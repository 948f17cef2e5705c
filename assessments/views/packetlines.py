"""The packet as its pages show it: plain values made of the questions and the draft."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assessments.packetquestions import ON, Kind, Question, Section, Step

_INPUT_MODE = {Kind.NUMBER: "numeric", Kind.PHONE: "tel"}


@dataclass(frozen=True)
class Sheet:
    """What a screen is drawn from: the draft, what stands beside it, and the sentences by field."""

    draft: Mapping[str, str]
    others: Mapping[str, list[str]]
    problems: Mapping[str, Any]

    def question(
        self, question: Question, name: str = "", follows: list[dict[str, Any]] | None = None
    ) -> dict[str, Any]:
        """Return one question with its answer, its fault and what another window said."""
        name = name or question.name
        value = self.draft.get(name, "")
        return {
            "name": name,
            "id": f"id_{name}",
            "text": question.text,
            "help": question.help,
            "value": value,
            "error": self.problems.get(name, ""),
            "is_choice": question.kind is Kind.CHOICE,
            "is_words": question.kind is Kind.WORDS,
            "is_tick": question.kind is Kind.TICK,
            "is_ticked": value == ON,
            "is_optional": not question.is_needed and question.kind is not Kind.TICK,
            "is_short": question.kind in {Kind.NUMBER, Kind.PHONE, Kind.WHEN},
            "unit": question.unit,
            "input_mode": _INPUT_MODE.get(question.kind, ""),
            "choices": [
                {"value": code, "label": label, "id": f"id_{name}_{number}", "is_chosen": code == value}
                for number, (code, label) in enumerate(question.choices)
            ]
            if question.kind is Kind.CHOICE
            else [],
            "is_row": question.kind is Kind.CHOICE and len(question.choices) <= 3,
            "others": [
                {"text": question.label_of(text), "take": f"take:{name}:{place}"}
                for place, text in enumerate(self.others.get(name, []))
            ],
            "stay": f"stay:{name}",
            "shown_for": " ".join(sorted(question.shown_for[1])) if question.shown_for else "",
            "follows": follows or [],
        }

    def questions(self, step: Step) -> list[dict[str, Any]]:
        """Return the questions of a screen; what hangs on an answer stands inside the question it hangs on."""
        hanging: dict[str, list[Question]] = {}
        names = {question.name for question in step.questions}
        for question in step.questions:
            if question.shown_for and question.shown_for[0] in names:
                hanging.setdefault(question.shown_for[0], []).append(question)
        inside = {question.name for group in hanging.values() for question in group}
        return [
            self.question(question, follows=[self.question(one) for one in hanging.get(question.name, [])])
            for question in step.questions
            if question.name not in inside
        ]

    def rows(self, step: Step) -> dict[str, Any] | None:
        """Return the list of a screen: its lines, each with its columns, and the tick for "nothing"."""
        rows = step.rows
        if rows is None:
            return None
        return {
            "title": rows.title,
            "add_label": rows.add_label,
            "lines": [
                {
                    "number": index + 1,
                    "columns": [self.question(column, rows.field(index, column.name)) for column in rows.columns],
                }
                for index in range(rows.count(self.draft))
            ],
            "none": self.question(rows.none),
        }

    def faults(self, step: Step) -> list[dict[str, Any]]:
        """Return what the summary above the form links to, in the order of the page."""
        labels = {question.name: question.text for question in step.questions}
        if step.rows is not None:
            labels[step.rows.none.name] = step.rows.none.text
            for index in range(rows_count := step.rows.count(self.draft)):
                for column in step.rows.columns:
                    label = f"{step.rows.title} {index + 1}: {column.text}" if rows_count > 1 else column.text
                    labels[step.rows.field(index, column.name)] = label
        return [
            {"id": f"id_{name}", "label": labels.get(name, ""), "text": text} for name, text in self.problems.items()
        ]


def answers(section: Section, draft: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return a whole part as it was answered, screen by screen, for reading. What should have an answer and has none is ""."""
    screens = []
    for step in section.steps:
        said: list[dict[str, Any]] = []
        for question in step.questions:
            if question.is_shown(draft) and question.kind is not Kind.TICK:
                value = draft.get(question.name, "").strip()
                # What nobody had to answer is not told to be missing.
                if value or question.is_needed:
                    answer = question.label_of(value) if value else ""
                    said.append({"text": question.text, "answer": answer, "unit": question.unit})
            elif question.kind is Kind.TICK and draft.get(question.name) == ON and question.is_shown(draft):
                said.append({"text": question.text, "answer": _yes(question), "unit": ""})
        lines = []
        if step.rows is not None:
            for _index, line in step.rows.filled(draft):
                lines.append([
                    {"text": column.text, "answer": column.label_of(line[column.name].strip()), "unit": column.unit}
                    for column in step.rows.columns
                    if line[column.name].strip()
                ])  # fmt: skip
            if draft.get(step.rows.none.name) == ON:
                said.append({"text": step.rows.none.text, "answer": _yes(step.rows.none), "unit": ""})
        screens.append(
            {
                "name": step.name,
                "title": step.title,
                "said": said,
                "lines": lines,
                "is_left": draft.get(step.left_open) == ON,
                "is_empty": not lines and not any(one["answer"] for one in said),
            }
        )
    return screens


def _yes(question: Question) -> str:
    return str(dict(question.choices)["yes"])
