"""What is asked about when to ask. Shape only; whether the times fit together is asking.py's to say."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from assessments.actions.asking import Line
from assessments.askingtimes import DAY
from assessments.instrument import Definition
from assessments.models import CareEventKind
from clinic.forms import words
from clinic.forms.words import spoken

# How many hours one of a unit is; less than 0 is before the event.
UNITS = {"hours_after": 1, "days_after": DAY, "hours_before": -1, "days_before": -DAY}


def _number(
    label: Any, *, most: int, unit: Any = "", help_text: Any = "", required: bool = True, least: int = 1
) -> forms.IntegerField:
    attrs = {"class": "field-short", "inputmode": "numeric", **({"data-unit": unit} if unit else {})}
    return forms.IntegerField(
        label=label, min_value=least, max_value=most, required=required, help_text=help_text,
        widget=forms.NumberInput(attrs=attrs),
    )  # fmt: skip


class AddAskingRuleForm(words.Form):
    code = forms.ChoiceField(label=_("Questionnaire"), help_text=_("Those that may be shown to patients."))
    event = forms.ChoiceField(
        label=_("Reckoned from"), choices=[("", _("Choose what happens")), *spoken(CareEventKind.choices)]
    )
    amount = _number(_("How long"), most=3 * 365 * DAY, least=0, help_text=_("0 is at once."))
    unit = forms.ChoiceField(
        label=_("Before or after"),
        choices=[
            ("", _("Choose one")), ("hours_after", _("hours after")), ("days_after", _("days after")),
            ("hours_before", _("hours before")), ("days_before", _("days before")),
        ],
        help_text=_("Days go by the calendar of the location, so that 10:00 stays 10:00 over a clock change."),
    )  # fmt: skip
    due_within_hours = _number(_("To be answered within"), most=90 * DAY, unit=_("hours"))
    open_for_hours = _number(
        _("Can be answered for"), most=90 * DAY, unit=_("hours"),
        help_text=_("Afterwards the answer would help nobody, and the question goes away."),
    )  # fmt: skip
    every_days = _number(
        _("Again every"), most=3 * 365, unit=_("days"), required=False, help_text=_("Leave it empty for once.")
    )

    def __init__(self, *args: Any, sendable: Iterable[Definition], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("", _("Choose a questionnaire")), *((each.code, each.name) for each in sendable)]
        self.offer("code", choices)

    def line(self) -> Line:
        """Return the line as the action takes it."""
        said = self.cleaned_data
        return Line(
            code=said["code"], event=CareEventKind(said["event"]), offset_hours=said["amount"] * UNITS[said["unit"]],
            due_within_hours=said["due_within_hours"], open_for_hours=said["open_for_hours"], every_days=said["every_days"],
        )  # fmt: skip
