"""What a privacy officer asks of the audit."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic.audit_words import WORDS
from clinic.forms import words
from clinic.forms.hours import DayField

# Not one person: everybody who was not signed in.
STRANGERS = "strangers"
NO_SUCH_NUMBER = gettext_lazy(
    "Nobody at your locations has this record number. Copy it from the patient's page; it stands under their name."
)


class AuditLogForm(words.Form):
    """Every field narrows; none is needed. Values stand in the address, so none of them is a name."""

    who = forms.ChoiceField(
        label=gettext_lazy("Who"), required=False, widget=forms.Select(attrs={"class": "form-select"})
    )
    verb = forms.ChoiceField(
        label=gettext_lazy("Did what"), required=False, widget=forms.Select(attrs={"class": "form-select"})
    )
    day = DayField(label=gettext_lazy("On"), required=False)
    patient = forms.CharField(
        label=gettext_lazy("Patient's record number"), required=False, max_length=12,
        error_messages={"max_length": NO_SUCH_NUMBER, "null_characters_not_allowed": NO_SUCH_NUMBER},
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off", "spellcheck": "false"}),
    )  # fmt: skip
    before = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput)

    def __init__(self, *args: Any, people: Iterable[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        everybody = [("", _("Everybody")), *people, (STRANGERS, _("Somebody not signed in"))]
        words = sorted(((verb.value, str(text)) for verb, text in WORDS.items()), key=lambda pair: pair[1].lower())
        self.offer("who", everybody)
        self.offer("verb", [("", _("Anything")), *words])

    @property
    def asked(self) -> list[str]:
        """Return the names of the fields that narrow."""
        return [name for name in ("who", "verb", "day", "patient") if self.cleaned_data.get(name)]
