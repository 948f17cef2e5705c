"""What is asked about an alert and in a safety plan: shape only. Nothing clinical is ever filled in beforehand."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from assessments.actions.alerts import Decision
from assessments.models import ContactAttempt, Disposition, SafetyPlan
from clinic import localtime
from clinic.forms import words
from clinic.forms.hours import ClockInput, DayField


def with_field(form: forms.Form, name: str, value: str) -> None:
    """Give a refused form another value in a hidden field, so that sent again it means something else."""
    data = form.data.copy() if isinstance(form.data, QueryDict) else dict(form.data)
    data[name] = value
    form.data = data


class RecordContactForm(words.Form):
    whom = forms.ChoiceField(label=_("Whom"), choices=ContactAttempt.Whom.choices, widget=forms.RadioSelect)
    result = forms.ChoiceField(
        label=_("What came of it"), choices=ContactAttempt.Result.choices, widget=forms.RadioSelect
    )
    day = DayField(label=_("Day"))
    clock_time = forms.TimeField(label=_("Time"), input_formats=["%H:%M"], widget=ClockInput())
    note = forms.CharField(
        label=_("In your words"), max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 3})
    )

    def clean_whom(self) -> ContactAttempt.Whom:
        return ContactAttempt.Whom(self.cleaned_data["whom"])

    def clean_result(self) -> ContactAttempt.Result:
        return ContactAttempt.Result(self.cleaned_data["result"])

    def at(self, tz: ZoneInfo, since: datetime) -> datetime:
        """Return the moment on the clock of the clinic. Of the hour that comes twice in autumn the one after ``since``."""
        typed = self.cleaned_data
        return localtime.at_since(typed["day"], typed["clock_time"], tz, since.replace(second=0, microsecond=0))


def _text(label: Any, most: int, *, required: bool, rows: int = 3, help_text: Any = "") -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=most,
        required=required,
        widget=forms.Textarea(attrs={"rows": rows}),
        help_text=help_text,
    )


class DisposeAlertForm(words.Form):
    """Every part for a RED alert; the level, what happens and why for the others."""

    level = forms.ChoiceField(
        label=_("Level of risk, as you judge it"), choices=Disposition.Level.choices, widget=forms.RadioSelect
    )
    outcome = forms.ChoiceField(
        label=_("What happens now"), choices=Disposition.Outcome.choices, widget=forms.RadioSelect
    )
    is_addition = forms.BooleanField(required=False, widget=forms.HiddenInput())

    def __init__(self, *args: Any, is_full: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["rationale"] = _text(
            _("Why"), 4000, required=True,
            help_text=_("What was said; what speaks for danger and what against it."),
        )  # fmt: skip
        self.fields["means"] = _text(
            _("Access to means"),
            2000,
            required=is_full,
            help_text=_("What is within reach, and what was done about it."),
        )
        self.fields["consulted"] = _text(
            _("Who was asked"),
            1000,
            required=is_full,
            rows=2,
            help_text=_("Colleagues, family, others; or that nobody was."),
        )
        self.fields["plan"] = _text(
            _("Plan"),
            4000,
            required=is_full,
            help_text=_("Who does what by when; the safety plan is written on its own page."),
        )

    def decision(self) -> Decision:
        """Return what was decided."""
        data = self.cleaned_data
        return Decision(
            level=Disposition.Level(data["level"]), outcome=Disposition.Outcome(data["outcome"]),
            rationale=data["rationale"], means=data["means"], consulted=data["consulted"], plan=data["plan"],
        )  # fmt: skip


class WriteSafetyPlanForm(words.Form):
    """The six headings, filled with the last plan's words, which are gone through together."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in SafetyPlan.HEADINGS:
            label = SafetyPlan._meta.get_field(name).verbose_name  # type: ignore[union-attr]  # none of them is a relation
            self.fields[name] = _text(label, 2000, required=False)
        self.fields["with_patient"] = forms.TypedChoiceField(
            label=_("Was it written together with the patient?"), widget=forms.RadioSelect,
            choices=[("yes", _("Yes, together")), ("no", _("No, without them"))], coerce=lambda value: value == "yes",
        )  # fmt: skip
        self.fields["seen_number"] = forms.IntegerField(min_value=0, max_value=100_000, widget=forms.HiddenInput())

    def parts(self) -> dict[str, str]:
        return {name: self.cleaned_data[name] for name in SafetyPlan.HEADINGS}
