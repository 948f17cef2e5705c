"""What is asked about instruments: the wording that a clinic holds a permission for. Shape only."""

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assessments.actions.instruments import Words
from assessments.instrument import Definition, Item, Kind
from clinic.forms import words

SAME, OWN = "same", "own"
LONGEST = 2000


class RecordWordingForm(words.Form):
    """The permission, and boxes for every question and answer that the instrument has, none of them filled in.

    Where every question has the same answers they are typed once: somebody says so, and nothing is copied otherwise.
    """

    holder = forms.CharField(
        label=_("Who gave the permission"), max_length=200, help_text=_("The owner of the rights, or their publisher.")
    )
    document = forms.CharField(
        label=_("Where the permission is kept"), max_length=200,
        help_text=_("The file or folder with the letter or contract, so that somebody else finds it."),
    )  # fmt: skip
    granted_on = forms.DateField(
        label=_("Given on"), widget=forms.DateInput(attrs={"type": "date", "class": "field-short"}, format="%Y-%m-%d")
    )
    ends_on = forms.DateField(
        label=_("Ends on"), required=False,
        widget=forms.DateInput(attrs={"type": "date", "class": "field-short"}, format="%Y-%m-%d"),
        help_text=_("The last day on which it may be shown. Leave it empty if it has no end."),
    )  # fmt: skip
    is_exact = forms.BooleanField(
        label=_("I copied every word from the licensed form and changed nothing"),
        error_messages={"required": _("Compare it with the form, then tick this. Changed wording is neither licensed nor valid.")},
    )  # fmt: skip

    def __init__(self, *args: Any, definition: Definition, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.definition = definition
        exact = self.fields.pop("is_exact")
        self.fields["instructions"] = _long(_("Instructions at the top"), required=False)
        self.choices = [item for item in definition.items if item.kind is Kind.CHOICE]
        # One set of answers can only be shared where every question has the same values.
        self.can_share = len(self.choices) > 1 and len({item.values for item in self.choices}) == 1
        if self.can_share:
            self.fields["answers"] = forms.ChoiceField(
                label=_("The answers"), widget=forms.RadioSelect,
                choices=[(SAME, _("All questions have the same answers")), (OWN, _("Each question has its own answers"))],
            )  # fmt: skip
            for option in self.choices[0].options:
                self.fields[f"all_{option.value}"] = _short(
                    gettext("Answer %(n)d, for all questions") % {"n": option.value}
                )
        for item in definition.items:
            self.fields[f"text_{item.id}"] = _long(gettext("Question %(number)s") % {"number": item.number})
            if item.kind is Kind.CHOICE:
                for option in item.options:
                    self.fields[f"label_{item.id}_{option.value}"] = _short(
                        gettext("Question %(number)s, answer %(n)d") % {"number": item.number, "n": option.value}
                    )
        self.fields["is_exact"] = exact

    @property
    def head(self) -> list[forms.BoundField]:
        """Return the fields about the permission."""
        return [self[name] for name in ("holder", "document", "granted_on", "ends_on", "instructions")]

    @property
    def shared(self) -> list[forms.BoundField]:
        """Return the fields of answers that all questions share."""
        return [self[f"all_{option.value}"] for option in self.choices[0].options] if self.can_share else []

    @property
    def questions(self) -> list[dict[str, Any]]:
        """Return each question's field with the fields of its answers."""
        return [
            {
                "number": item.number,
                "text": self[f"text_{item.id}"],
                "labels": [self[f"label_{item.id}_{option.value}"] for option in item.options] if item in self.choices else [],
                "is_open": any(f"label_{item.id}_{option.value}" in self.errors for option in item.options),
            }
            for item in self.definition.items
        ]  # fmt: skip

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.can_share and "answers" not in cleaned:
            return cleaned
        shares = cleaned.get("answers") == SAME
        for bound in self.shared:
            self._must(
                bound.name,
                given=shares,
                otherwise=gettext("You said that each question has its own answers. Empty this."),
            )
        for item in self.choices:
            for option in item.options:
                self._must(
                    f"label_{item.id}_{option.value}", given=not shares,
                    otherwise=gettext("You said that all questions have the same answers. Empty this."),
                )  # fmt: skip
        return cleaned

    def _must(self, name: str, *, given: bool, otherwise: str) -> None:
        if name in self.errors:
            return
        text = self.cleaned_data.get(name, "").strip()
        if given and not text:
            self.add_error(name, gettext("Please fill this in."))
        if not given and text:
            self.add_error(name, otherwise)

    def words(self) -> Words:
        """Return the wording as it was typed."""
        said = self.cleaned_data
        return Words(
            items={item.id: said[f"text_{item.id}"] for item in self.definition.items},
            labels={item.id: self._labels(item) for item in self.choices},
            instructions=said["instructions"],
        )

    def _labels(self, item: Item) -> tuple[str, ...]:
        shared = self.cleaned_data.get("answers") == SAME
        return tuple(
            self.cleaned_data[f"all_{option.value}" if shared else f"label_{item.id}_{option.value}"]
            for option in item.options
        )


def _long(label: Any, *, required: bool = True) -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=LONGEST,
        required=required,
        widget=forms.Textarea(attrs={"rows": 2, "class": "form-control"}),
        strip=True,
    )


def _short(label: Any) -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"class": "form-control field-medium"}),
    )
