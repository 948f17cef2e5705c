"""What a manager is asked about hours, time off and closures: shape only; the rest is clinic/actions/hours.py's to say."""

from collections.abc import Iterable, Mapping
from datetime import date, time
from typing import Any

from django import forms
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic.actions.hours import Stretch
from clinic.forms import words
from clinic.models import TimeOff, User, Weekday


class ClockInput(forms.TimeInput):
    """A time of day, to the minute, as the browser's own control."""

    input_type = "time"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(format="%H:%M", attrs={"class": "form-control field-short", **(attrs or {})})


class DayInput(forms.DateInput):
    """A day, as the browser's own control."""

    input_type = "date"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(format="%Y-%m-%d", attrs={"class": "form-control field-medium", **(attrs or {})})


def _clock(label: str) -> forms.TimeField:
    return forms.TimeField(
        label=label, required=False, input_formats=["%H:%M"], widget=ClockInput(),
        error_messages={"invalid": gettext_lazy("Write a time like 09:30.")},
    )  # fmt: skip


class DayField(forms.DateField):
    """A day somebody can mean: arithmetic on it stays within what a calendar holds."""

    EARLIEST, LATEST = date(1900, 1, 1), date(2199, 12, 31)
    default_error_messages = {"invalid": gettext_lazy("Write a day like 2027-01-31.")}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(input_formats=["%Y-%m-%d"], widget=DayInput(), **kwargs)

    def to_python(self, value: Any) -> date | None:
        day = super().to_python(value)
        if day is not None and not self.EARLIEST <= day <= self.LATEST:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return day


def _day(label: Any, *, required: bool = True, help_text: Any = "") -> DayField:
    return DayField(label=label, required=required, help_text=help_text)


class WeekForm(words.Form):
    """A table of weekdays with pairs of times. Both times of a pair are given, or neither."""

    # The names of each pair's two fields, which the weekday's number ends.
    PAIRS: tuple[tuple[str, str], ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for day in Weekday:
            for pair in self.PAIRS:
                for name in pair:
                    self.fields[f"{name}_{day.value}"] = _clock(self.label_of(name) % {"day": day.label})

    def label_of(self, name: str) -> str:
        """Return what a field is called, with the day's place in it."""
        raise NotImplementedError

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        for day in Weekday:
            for pair in self.PAIRS:
                names = (f"{pair[0]}_{day.value}", f"{pair[1]}_{day.value}")
                for name, other in (names, names[::-1]):
                    if values.get(name) is None and values.get(other) is not None and name not in self.errors:
                        self.add_error(name, _("Give both times, or leave both empty."))
        return values

    def stretches(self) -> list[tuple[int, time, time]]:
        """Return (weekday, from, to) of every pair that was given, in order."""
        values = self.cleaned_data
        return [
            (day.value, values[f"{first}_{day.value}"], values[f"{second}_{day.value}"])
            for day in Weekday
            for first, second in self.PAIRS
            if values[f"{first}_{day.value}"] is not None
        ]

    @property
    def days(self) -> list[dict[str, Any]]:
        """Return the weekdays with their fields, for the page to lay out."""
        return [
            {
                "name": day.label,
                "short": WEEKDAYS_ABBR[day.value],
                "pairs": [
                    (self[f"{first}_{day.value}"], self[f"{second}_{day.value}"]) for first, second in self.PAIRS
                ],
            }
            for day in Weekday
        ]


class SetOpeningHoursForm(WeekForm):
    PAIRS = (("opens", "closes"),)

    def label_of(self, name: str) -> str:
        return _("%(day)s opens") if name == "opens" else _("%(day)s closes")

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        if not self.errors and not any(values.values()):
            raise forms.ValidationError(
                _("Give at least one day its hours. To shut the location for a while, enter a closure.")
            )
        return values

    @property
    def week(self) -> dict[int, tuple[time, time]]:
        return {day: (start, end) for day, start, end in self.stretches()}

    @classmethod
    def initial_of(cls, week: Mapping[int, tuple[time, time]]) -> dict[str, time]:
        """Return what the form shows for a week that holds."""
        values: dict[str, time] = {}
        for day, (opens, closes) in week.items():
            values[f"opens_{day}"], values[f"closes_{day}"] = opens, closes
        return values


class SetWorkingHoursForm(WeekForm):
    PAIRS = (("from", "to"), ("again_from", "again_to"))

    valid_from = _day(gettext_lazy("From day"))
    valid_until = _day(
        gettext_lazy("Last day"),
        required=False,
        help_text=gettext_lazy("Leave empty to hold for good. With a last day, the hours of before go on after it."),
    )

    def label_of(self, name: str) -> str:
        return {
            "from": _("%(day)s from"),
            "to": _("%(day)s to"),
            "again_from": _("%(day)s, after the break, from"),
            "again_to": _("%(day)s, after the break, to"),
        }[name]

    @property
    def rows(self) -> list[Stretch]:
        return [Stretch(day, start, end) for day, start, end in self.stretches()]

    @classmethod
    def initial_of(cls, rows: Iterable[tuple[int, time, time]]) -> dict[str, time]:
        """Return what the form shows for rows of (weekday, from, to); a third stretch of a day has no place in it."""
        values: dict[str, time] = {}
        for day, start, end in sorted(rows):
            pair = next((pair for pair in cls.PAIRS if f"{pair[0]}_{day}" not in values), None)
            if pair is not None:
                values[f"{pair[0]}_{day}"], values[f"{pair[1]}_{day}"] = start, end
        return values


class StretchForm(words.Form):
    """Whole days, or hours of them."""

    first = _day(gettext_lazy("First day"))
    last = _day(gettext_lazy("Last day"))
    starts = forms.TimeField(
        label=gettext_lazy("From, on the first day"), required=False, input_formats=["%H:%M"],
        widget=ClockInput(),
        help_text=gettext_lazy("Leave empty for the whole day."),
        error_messages={"invalid": gettext_lazy("Write a time like 09:30.")},
    )  # fmt: skip
    ends = forms.TimeField(
        label=gettext_lazy("To, on the last day"), required=False, input_formats=["%H:%M"],
        widget=ClockInput(),
        help_text=gettext_lazy("Leave empty for the whole day."),
        error_messages={"invalid": gettext_lazy("Write a time like 17:00.")},
    )  # fmt: skip


class EnterTimeOffForm(StretchForm):
    person = forms.ChoiceField(label=gettext_lazy("Who"))
    reason = forms.ChoiceField(
        label=gettext_lazy("Reason"), choices=TimeOff.Reason.choices, widget=forms.RadioSelect,
        help_text=gettext_lazy("Only managers see it; nobody else is told why."),
    )  # fmt: skip

    field_order = ["person", "first", "last", "starts", "ends", "reason"]

    def __init__(self, *args: Any, people: Iterable[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.people = {str(user.pk): user for user in people}
        self.offer("person", [("", _("Choose a person")), *((key, user.name) for key, user in self.people.items())])

    def clean_person(self) -> User:
        return self.people[self.cleaned_data["person"]]


class EnterClosureForm(StretchForm):
    name = forms.CharField(
        label=gettext_lazy("What for"), max_length=60,
        help_text=gettext_lazy("Such as the name of the holiday. Only staff see it."),
    )  # fmt: skip

    field_order = ["name", "first", "last", "starts", "ends"]


class DespiteForm(words.Form):
    """How many booked visits the person knows of who enters something over them."""

    despite = forms.IntegerField(required=False, min_value=0, max_value=1_000_000)

    @property
    def known(self) -> int:
        """Return the number that was ticked; none when nothing was, or nonsense."""
        return (self.cleaned_data.get("despite") or 0) if self.is_valid() else 0
