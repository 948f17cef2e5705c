"""The limits as fields: each of its own type, with its unit around it. Nobody types JSON, and a number keeps its type."""

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from typing import Any

from django import forms
from django.forms import BoundField
from django.utils.translation import gettext_lazy as _

from clinic import policy_shape
from clinic.forms import words
from clinic.forms.signatures import SignatureFields
from clinic.forms.words import spoken
from clinic.policy_shape import Clock, Clocks, Day, Fixed, Number, OneOf, Pair, Shape, SomeOf, Whole, Wholes
from clinic.policy_words import BY_PATH, SECTIONS, Path, Words, leaves, shown


@dataclass(frozen=True)
class Row:
    """One limit of the form: ``parts`` are texts and fields in the order they are read, ``now`` what is approved."""

    label: str
    source: str
    name: str
    parts: list[tuple[str, BoundField | None]]
    now: str
    is_new: bool
    is_changed: bool
    # What is wrong, each with the id that its field is described by.
    errors: list[tuple[str, str]]


class DraftPolicyForm(words.Form):
    """Every limit that has a shape, a reason, and which draft was seen; ``values`` is what the fields begin with."""

    version = forms.CharField(widget=forms.HiddenInput, max_length=40)
    note = forms.CharField(
        label=_("What changes and why"), max_length=1000, widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Whoever approves it reads this first, and it stays in the history."),
    )  # fmt: skip

    def __init__(self, *args: Any, values: dict[str, Any], approved: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.values, self.approved = values, dict(leaves(approved))
        self.given = dict(leaves(values))
        for path, shape in policy_shape.SHAPES.items():
            if path in self.given:
                for name, field in _fields(path, shape, self.given[path]):
                    self.fields[name] = field

    def limits(self) -> dict[str, Any]:
        """Return the whole set of limits as the fields have it; what has no field stays as it was."""
        values = copy.deepcopy(self.values)
        for path, value in self._read():
            policy_shape.put(values, path, value)
        return values

    def clean(self) -> dict[str, Any]:
        """Check each limit's range and how limits stand to one another, and say it at the limit itself."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not any(name.startswith("limit__") for name in self.errors):
            for path, said in policy_shape.problems(self.limits()):
                names = list(_names(path, policy_shape.SHAPES[path]))
                self.add_error(names[0] if names[0] in self.fields else None, said)
        return cleaned

    def _read(self) -> Iterator[tuple[Path, Any]]:
        for path, shape in policy_shape.SHAPES.items():
            if path in self.given and not isinstance(shape, Fixed):
                yield path, _value(shape, [self.cleaned_data[name] for name in _names(path, shape)], self.given[path])

    def sections(self) -> list[tuple[str, list[Row]]]:
        """Return the limits as the page of the policy orders them, each with its fields."""
        rows = [(str(section.title), [self._row(words) for words in section.limits]) for section in SECTIONS]
        return [(title, [row for row in found if row is not None]) for title, found in rows]

    def _row(self, said: Words) -> Row | None:
        path, shape = said.path, policy_shape.SHAPES.get(said.path)
        if shape is None or path not in self.given:
            return None
        fields = [self[name] for name in _names(path, shape) if name in self.fields]
        return Row(
            label=str(said.label),
            source=str(said.source),
            name="-".join(path),
            parts=_parts(said, fields) if fields else [(shown(path, self.given[path]), None)],
            now=shown(path, self.approved[path]) if path in self.approved else "",
            is_new=path not in self.approved,
            is_changed=path in self.approved and self.approved[path] != self.given[path],
            errors=[
                (f"{field.auto_id}_error", " ".join(str(error) for error in field.errors))
                for field in fields
                if field.errors
            ],
        )


def _parts(said: Words, fields: list[BoundField]) -> list[tuple[str, BoundField | None]]:
    """Return the words of a limit with its fields where the numbers stand."""
    texts = re.split(r"\{\d\}", str(said.shows))
    between = len(texts) - 1 == len(fields)
    if not between:
        return [(texts[0], None), *(("", field) for field in fields), (texts[-1], None)]
    found: list[tuple[str, BoundField | None]] = [(texts[0], None)]
    for text, field in zip(texts[1:], fields, strict=True):
        found += [("", field), (text, None)]
    return found


def _names(path: Path, shape: Shape) -> Iterator[str]:
    stem = "limit__" + "__".join(path)
    if isinstance(shape, Pair | Clocks):
        yield from (f"{stem}__0", f"{stem}__1")
    else:
        yield stem


def _fields(path: Path, shape: Shape, value: Any) -> Iterator[tuple[str, forms.Field]]:
    label = str(BY_PATH[path].label)
    names = list(_names(path, shape))
    match shape:
        case Fixed():
            return
        case Pair():
            for name, part, one, which in zip(
                names, (shape.first, shape.second), value, (_("first"), _("second")), strict=True
            ):
                yield name, _whole(part, one, f"{label}: {which}")
        case Clocks():
            for name, one, which in zip(names, value, (_("from"), _("until")), strict=True):
                yield name, _clock(one, f"{label}: {which}")
        case Whole():
            yield names[0], _whole(shape, value, label)
        case Number():
            yield names[0], forms.DecimalField(
                label=label, initial=value, min_value=Decimal(str(shape.low)), max_value=Decimal(str(shape.high)),
                max_digits=6, decimal_places=2, widget=forms.NumberInput(attrs={"class": "form-control field-short", "step": "any"}),
            )  # fmt: skip
        case Wholes():
            yield names[0], forms.RegexField(
                r"^\s*\d{1,4}(\s*,\s*\d{1,4})*\s*$", label=label, initial=", ".join(map(str, value)), max_length=60,
                error_messages={"invalid": _("Write whole numbers with commas between them, like 72, 24.")},
                widget=forms.TextInput(attrs={"class": "form-control field-medium", "inputmode": "numeric"}),
            )  # fmt: skip
        case Clock():
            yield names[0], _clock(value, label)
        case Day():
            yield names[0], forms.DateField(
                label=label, initial=date.fromisoformat(value), widget=forms.DateInput(attrs={"type": "date", "class": "form-control field-medium"}, format="%Y-%m-%d")
            )  # fmt: skip
        case OneOf():
            yield names[0], forms.ChoiceField(
                label=label, initial=value, choices=spoken(BY_PATH[path].names.items()), widget=forms.Select(attrs={"class": "form-select field-medium"})
            )  # fmt: skip
        case SomeOf():
            yield (
                names[0],
                forms.MultipleChoiceField(
                    label=label,
                    initial=value,
                    choices=spoken(BY_PATH[path].names.items()),
                    widget=forms.CheckboxSelectMultiple,
                ),
            )


def _whole(shape: Whole, value: int, label: str) -> forms.IntegerField:
    widget = forms.NumberInput(attrs={"class": "form-control field-short", "inputmode": "numeric"})
    return forms.IntegerField(label=label, initial=value, min_value=shape.low, max_value=shape.high, widget=widget)


def _clock(value: str, label: str) -> forms.TimeField:
    widget = forms.TimeInput(attrs={"type": "time", "class": "form-control field-short"}, format="%H:%M")
    return forms.TimeField(label=label, initial=time.fromisoformat(value), widget=widget)


def _value(shape: Shape, cleaned: list[Any], before: Any) -> Any:
    """Return what is kept in the policy: the type of the limit as it was, whatever the browser sent."""
    match shape:
        case Pair():
            return cleaned
        case Clocks():
            return [f"{one:%H:%M}" for one in cleaned]
        case Clock():
            return f"{cleaned[0]:%H:%M}"
        case Day():
            return cleaned[0].isoformat()
        case Number():
            is_whole = cleaned[0] == cleaned[0].to_integral_value()
            return int(cleaned[0]) if is_whole and isinstance(before, int) else float(cleaned[0])
        case Wholes():
            return [int(one) for one in cleaned[0].split(",")]
        case _:
            return cleaned[0]


class ApprovePolicyForm(SignatureFields):
    """From which day, and the director's signature. ``earliest`` and ``zone`` are said beside the day."""

    version = forms.CharField(widget=forms.HiddenInput, max_length=40)
    effective_on = forms.DateField(
        label=_("In force from"),
        widget=forms.DateInput(attrs={"type": "date", "class": "form-control field-medium"}, format="%Y-%m-%d"),
    )

    def __init__(self, *args: Any, earliest: str, zone: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["effective_on"].help_text = _(
            "%(earliest)s at the earliest. Today means at once; a later day begins at 00:00 %(zone)s. An approved version can only be followed by another one."
        ) % {"earliest": earliest, "zone": zone}
