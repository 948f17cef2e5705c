"""What is asked of staff who enter a questionnaire: every question, or a total. Nothing is filled in for them.

A blank on the sheet is a choice of its own, so that a question nobody got to cannot pass for one that was left out.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assessments import definitions, scoring
from assessments.actions import entries
from assessments.actions.entries import Given, Way
from assessments.instrument import Definition, Item, Kind
from assessments.models import AssessmentResponse
from clinic.forms import words
from clinic.forms.words import spoken
from clinic.models import User
from patients.forms.fields import LongText

BLANK = "blank"


@dataclass(frozen=True)
class Question:
    """One question as the page shows it."""

    number: str
    text: str
    field: forms.BoundField
    is_text: bool
    is_safety: bool
    # When it is asked at all; "" for always.
    when: str


class EntryForm(words.Form):
    """One instrument in one way. ``items`` carry words only where the licence lets them be shown."""

    submission_key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(
        self,
        *args: Any,
        definition: Definition,
        way: Way,
        items: Iterable[Item],
        raters: Iterable[User],
        today: date,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.definition, self.way, self.items, self.today = definition, way, tuple(items), today
        self.people = {str(user.pk): user for user in raters}
        if way is not Way.READ_OUT:
            self.fields["day"] = forms.DateField(
                label=_("The date on the sheet") if way.is_paper else _("Rated on"),
                widget=forms.DateInput(attrs={"type": "date", "class": "field-short", "max": today.isoformat()}, format="%Y-%m-%d"),
            )  # fmt: skip
        if way.is_rated:
            self.fields["clock"] = forms.TimeField(
                label=_("At"), widget=forms.TimeInput(attrs={"type": "time", "class": "field-short"}, format="%H:%M")
            )
            self.fields["rater"] = forms.ChoiceField(
                label=_("Rated by"), help_text=_("Two people rate differently, so the name is part of the result."),
                choices=[("", _("Choose who rated")), *((key, user.name) for key, user in self.people.items())],
            )  # fmt: skip
        if way.is_total:
            for total in definitions.entry(definition).totals:
                self.fields[f"part_{total.id}"] = _points(_total_label(total), total.low, total.high, total.step)
        else:
            for item in self.items:
                self.fields[f"item_{item.id}"] = _question(definition, item, way)

    @property
    def head(self) -> list[forms.BoundField]:
        """Return the fields about when and by whom."""
        return [self[name] for name in ("day", "clock", "rater") if name in self.fields]

    @property
    def totals(self) -> list[forms.BoundField]:
        """Return the fields of totals."""
        return [self[name] for name in self.fields if name.startswith("part_")]

    @property
    def questions(self) -> list[Question]:
        """Return the questions in the order of the form."""
        if self.way.is_total:
            return []
        return [
            Question(
                item.number, item.text, self[f"item_{item.id}"], item.kind is Kind.TEXT,
                self.definition.safety_item(item.id) is not None,
                self._when(item),
            )
            for item in self.items
        ]  # fmt: skip

    def _when(self, item: Item) -> str:
        if item.asked_if is None:
            return ""
        numbers = ", ".join(self.definition.item(other).number for other in item.asked_if.any_of)
        if item.asked_if.value == 1 and self.definition.item(item.asked_if.any_of[0]).kind is Kind.YES_NO:
            return gettext("asked after a yes to %(numbers)s") % {"numbers": numbers}
        return gettext("asked after %(value)d to %(numbers)s") % {"value": item.asked_if.value, "numbers": numbers}

    def clean_day(self) -> date:
        day: date = self.cleaned_data["day"]
        if day > self.today:
            raise ValidationError(gettext("This day is still to come. Check the date."))
        return day

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.way.is_total:
            self._check_total()
        else:
            self._check_items()
        return cleaned

    def _check_items(self) -> None:
        """Refuse a question that was asked and has neither an answer nor a blank; a question that was not asked has none."""
        given = self._numbers()
        for item in self.items:
            name = f"item_{item.id}"
            if item.kind is Kind.TEXT or name in self.errors or self.cleaned_data.get(name):
                continue
            if scoring.is_asked(item, given):
                self.add_error(name, gettext("Choose an answer, or that there is none."))

    def _check_total(self) -> None:
        if any(name.startswith("part_") for name in self.errors):
            return
        if (wrong := entries.check_total(self.definition, self.given())) is not None:
            name = f"part_{wrong.item}"
            problem = gettext("This %(problem)s.") % {"problem": wrong.problem}
            if wrong.problem == "is missing":
                problem = gettext("Enter the total, or the totals of its parts.")
            self.add_error(name if name in self.fields else None, problem)

    def _numbers(self) -> dict[str, int]:
        said = {
            item.id: self.cleaned_data.get(f"item_{item.id}", "") for item in self.items if item.kind is not Kind.TEXT
        }
        return {item: int(value) for item, value in said.items() if value not in ("", BLANK)}

    def given(self) -> Given:
        """Return what was typed, blanks left out."""
        said = self.cleaned_data
        if self.way.is_total:
            parts = {name.removeprefix("part_"): value for name, value in said.items() if name.startswith("part_")}
            total = parts.pop("total", None)
            return Given(total=total, parts={name: value for name, value in parts.items() if value is not None})
        texts = {
            item.id: said[f"item_{item.id}"]
            for item in self.items
            if item.kind is Kind.TEXT and said.get(f"item_{item.id}")
        }
        return Given(items={**self._numbers(), **texts})

    @property
    def rater(self) -> User | None:
        return self.people.get(self.cleaned_data.get("rater", ""))

    @property
    def day(self) -> date | None:
        day: date | None = self.cleaned_data.get("day")
        return day

    @property
    def clock(self) -> time | None:
        clock: time | None = self.cleaned_data.get("clock")
        return clock


class EnterQuestionnaireForm(EntryForm):
    pass


class CorrectResponseForm(EntryForm):
    """The same, filled with what is on record, and why it is corrected."""

    reason = LongText(
        label=_("Why it is corrected"), max_length=200, min_length=5, rows=2,
        help_text=_("What was wrong, and how you know. The old answers stay visible beside the new ones."),
        error_messages={"min_length": _("Say in a few words what was wrong.")},
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order_fields([name for name in self.fields if name != "reason"])


class TakeBackResponseForm(words.Form):
    submission_key = forms.UUIDField(widget=forms.HiddenInput)
    reason = LongText(
        label=_("Why it is taken back"), max_length=200, min_length=5, rows=2,
        help_text=_("For example: entered for the wrong patient. It stays visible, struck through."),
        error_messages={"min_length": _("Say in a few words what was wrong.")},
    )  # fmt: skip


class AskQuestionnairesForm(words.Form):
    codes = forms.MultipleChoiceField(
        label=_("What to ask"), widget=forms.CheckboxSelectMultiple,
        help_text=_("The patient answers them on the portal, by a link, or at the clinic’s kiosk."),
    )  # fmt: skip
    due_on = forms.DateField(
        label=_("To be answered by"),
        widget=forms.DateInput(attrs={"type": "date", "class": "field-short"}, format="%Y-%m-%d"),
        help_text=_("The end of that day. It can be answered for another week; then it runs out."),
    )

    def __init__(self, *args: Any, sendable: Iterable[Definition], today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = today
        self.fields["due_on"].widget.attrs["min"] = today.isoformat()
        choices = [
            (each.code, gettext("%(name)s, about %(n)d min") % {"name": each.name, "n": each.minutes})
            for each in sendable
        ]
        self.offer("codes", choices)

    def clean_due_on(self) -> date:
        day: date = self.cleaned_data["due_on"]
        if day < self.today:
            raise ValidationError(gettext("This day is over. Choose today or a later one."))
        if (day - self.today).days > 90:
            raise ValidationError(gettext("Choose a day within the next 90 days; what is needed later is asked later."))
        return day


class CancelQuestionnaireForm(words.Form):
    reason = LongText(
        label=_("Why it is no longer asked"), max_length=200, min_length=5, rows=2,
        help_text=_("The patient reads this in the place of the questions."),
        error_messages={"min_length": _("Say in a few words why.")},
    )  # fmt: skip


def _points(label: Any, low: int, high: int, step: int) -> forms.IntegerField:
    help_text = gettext("From %(low)d to %(high)d.") % {"low": low, "high": high}
    if step > 1:
        # The plain sum stands on many sheets, and every fourth of it would pass for what is asked here.
        help_text = gettext("From %(low)d to %(high)d: the plain sum of the answers (at most %(sum)d) times %(step)d.") % {
            "low": low, "high": high, "step": step, "sum": high // step,
        }  # fmt: skip
    return forms.IntegerField(
        label=label, min_value=low, max_value=high, required=False, help_text=help_text,
        widget=forms.NumberInput(attrs={"class": "field-short", "inputmode": "numeric", "step": step}),
    )  # fmt: skip


def _total_label(total: definitions.EntryTotal) -> str:
    return gettext("Total") if total.id == "total" else gettext("Part: %(name)s") % {"name": total.label}


def _question(definition: Definition, item: Item, way: Way) -> forms.Field:
    label = gettext("Question %(number)s") % {"number": item.number}
    if item.kind is Kind.TEXT:
        field = LongText(label=label, required=False, max_length=scoring.LONGEST_TEXT, rows=2)
        field.widget.attrs["class"] = "form-control"
        return field
    # Numbers alone where the words may not be shown. Yes and no belong to nobody.
    choices = [
        (str(o.value), f"{o.value} · {o.label}" if o.label and way is not Way.READ_OUT else o.label or str(o.value))
        for o in item.options
    ]
    if item.kind is Kind.YES_NO:
        choices = [(str(o.value), o.label) for o in item.options]
    blank = gettext("Not answered") if way is not Way.PAPER else gettext("Left blank on the sheet")
    # Not required by itself: whether it was asked depends on the others, and _check_items says so in one voice.
    return forms.ChoiceField(
        label=label,
        required=False,
        choices=spoken([*choices, (BLANK, blank)]),
        widget=forms.RadioSelect(attrs={"class": "form-check-input"}),
    )


def as_typed(response: AssessmentResponse, definition: Definition, way: Way, at: datetime) -> Mapping[str, Any]:
    """Return what is on record as the fields of a correction. A blank on record is a blank, and said so."""
    typed: dict[str, Any] = {
        "day": at.date(), "clock": at.time().replace(second=0, microsecond=0), "rater": str(response.rater_id or "")
    }  # fmt: skip
    if way.is_total:
        typed["part_total"] = response.answers.get("total")
        return typed | {f"part_{part}": value for part, value in response.answers.get("parts", {}).items()}
    given = {key: value for key, value in response.answers.items() if type(value) is int}
    for item in definition.items:
        value = response.answers.get(item.id)
        if value is not None:
            typed[f"item_{item.id}"] = value if item.kind is Kind.TEXT else str(value)
        elif item.kind is not Kind.TEXT and scoring.is_asked(item, given):
            typed[f"item_{item.id}"] = BLANK
    return typed


def new_key() -> uuid.UUID:
    """Return the key of one form: sent twice, it is handed in once."""
    return uuid.uuid4()
