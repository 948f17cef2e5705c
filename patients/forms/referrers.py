"""What is asked about the clinician who sent a patient."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from clinic.forms import words
from patients.actions.referrers import Referrer

from .fields import PhoneField


def is_npi(text: str) -> bool:
    """Return whether a text is a National Provider Identifier: ten digits, checked by the Luhn formula with the prefix 80840.

    Source: 45 CFR 162.406.
    """
    if len(text) != 10 or not (text.isascii() and text.isdigit()):
        return False
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(f"80840{text}"))]
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


def _text(label: Any, most: int, **kwargs: Any) -> forms.CharField:
    return forms.CharField(
        label=label, max_length=most, required=False, widget=forms.TextInput(attrs={"autocomplete": "off"}), **kwargs
    )


class SetReferringClinicianForm(words.Form):
    name = forms.CharField(label=_("Name"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    practice = _text(_("Practice"), 120)
    phone = PhoneField(required=False)
    fax = PhoneField(required=False, label=_("Fax"))
    email = forms.EmailField(
        label=_("E-mail"), max_length=254, required=False, widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )
    npi = _text(_("NPI"), 20, help_text=_("Ten digits, where they have one."))
    licence = _text(_("Licence"), 40, help_text=_("With its state, such as CO DR-0012345."))
    # What stood there when the form was drawn (actions.referrers.mark_of).
    seen = forms.CharField(widget=forms.HiddenInput, required=False, max_length=16)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("phone", "fax"):
            self.fields[name].widget.attrs["autocomplete"] = "off"

    def clean_npi(self) -> str:
        text = "".join(str(self.cleaned_data["npi"]).split())
        if text and not is_npi(text):
            raise ValidationError(_("This is no NPI: one digit is wrong or missing. Read it again, or leave it empty."))
        return text

    def referrer(self) -> Referrer:
        """Return what was written, as the actions take it."""
        data = self.cleaned_data
        return Referrer(
            **{**{name: data[name] for name in Referrer.__dataclass_fields__}, "email": data["email"].lower()}
        )
