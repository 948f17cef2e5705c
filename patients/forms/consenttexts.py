"""What is asked of those who write what patients sign: title, sections, and what publishing it means."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from clinic.forms import words
from clinic.forms.signatures import SignatureFields
from patients.consenttexts import HEADING_LENGTH, MOST_SECTIONS, TITLE_LENGTH, Section

from .fields import LongText

SPARE_SECTIONS = 2
# A section as it is typed: more than any that wrong_with lets through.
LONGEST = 20_000


class EditConsentTextForm(words.Form):
    """Sections in plain fields: paragraphs parted by an empty line, points one a line. A section without words goes away.

    Two empty sections stand at the end; ``place`` moves one, since "2.5" stands between 2 and 3.
    """

    title = forms.CharField(label=_("Title"), max_length=TITLE_LENGTH)
    why = LongText(
        label=_("What changed, and why"), max_length=1000, rows=2,
        help_text=_("For colleagues. Patients do not see it."),
    )  # fmt: skip

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, title: str, why: str, sections: tuple[Section, ...]
    ) -> None:
        initial: dict[str, Any] = {"title": title, "why": why}
        super().__init__(data, initial=initial)
        self.count = min(_count_of(data) if data else len(sections) + SPARE_SECTIONS, MOST_SECTIONS + SPARE_SECTIONS)
        for number in range(self.count):
            self._add_section(number)
            section = sections[number] if number < len(sections) else Section("")
            initial[f"place_{number}"] = number + 1
            initial[f"heading_{number}"] = section.heading
            initial[f"paragraphs_{number}"] = "\n\n".join(section.paragraphs)
            initial[f"points_{number}"] = "\n".join(section.points)

    def _add_section(self, number: int) -> None:
        self.fields[f"heading_{number}"] = forms.CharField(
            label=_("Heading"), max_length=HEADING_LENGTH, required=False
        )
        self.fields[f"place_{number}"] = forms.DecimalField(
            label=_("Place"), min_value=0, max_value=999, decimal_places=1, required=False,
            widget=forms.NumberInput(attrs={"class": "field-short", "step": "0.5"}),
        )  # fmt: skip
        self.fields[f"paragraphs_{number}"] = LongText(
            label=_("Paragraphs"),
            required=False,
            rows=5,
            max_length=LONGEST,
            help_text=_("An empty line begins the next."),
        )
        self.fields[f"points_{number}"] = LongText(
            label=_("Points of a list"), required=False, rows=3, max_length=LONGEST, help_text=_("One a line.")
        )

    @property
    def parts(self) -> list[dict[str, Any]]:
        """Return the fields of each section for the template."""
        names = ("heading", "place", "paragraphs", "points")
        return [
            {"number": number + 1, **{name: self[f"{name}_{number}"] for name in names}} for number in range(self.count)
        ]

    def sections(self) -> tuple[Section, ...]:
        """Return what was written, in the order of its places, without the sections that were left empty."""
        said = self.cleaned_data
        rows = []
        for number in range(self.count):
            paragraphs = re.split(r"\n\s*\n", said[f"paragraphs_{number}"].replace("\r\n", "\n"))
            section = Section(
                " ".join(said[f"heading_{number}"].split()),
                tuple(" ".join(text.split()) for text in paragraphs if text.strip()),
                tuple(" ".join(line.split()) for line in said[f"points_{number}"].splitlines() if line.strip()),
            )
            place = said.get(f"place_{number}")
            if section != Section(""):
                rows.append((place if place is not None else number + 1, number, section))
        return tuple(section for _place, _number, section in sorted(rows, key=lambda row: row[:2]))


def _count_of(data: Mapping[str, Any]) -> int:
    """Return how many sections came back, whatever the form says of itself."""
    numbers = [
        int(m.group(1)) for name in data if (m := re.fullmatch(r"(?:heading|paragraphs|points)_(\d{1,3})", name))
    ]
    return max(numbers, default=-1) + 1


class PublishConsentTextForm(SignatureFields):
    effective_on = forms.DateField(
        label=_("In force from"), widget=forms.DateInput(attrs={"type": "date", "class": "field-medium"}),
        help_text=_("Today means at once. A later day begins at midnight here."),
    )  # fmt: skip
    needs_new_signature = forms.BooleanField(label=_("Everybody signs again"), required=False)
    seen = forms.CharField(max_length=64, widget=forms.HiddenInput)

    def __init__(self, *args: Any, today: date, seen: str, **kwargs: Any) -> None:
        super().__init__(*args, initial={"seen": seen}, **kwargs)
        self.today = today
        self.fields["effective_on"].widget.attrs["min"] = today.isoformat()

    def clean_effective_on(self) -> date:
        day: date = self.cleaned_data["effective_on"]
        if day < self.today:
            raise ValidationError(_("That day is over. Choose today or a later day."))
        if day.year > self.today.year + 2:
            raise ValidationError(_("That is more than two years ahead. Check the year."))
        return day
