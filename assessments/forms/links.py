"""The second check of a link, and the code at the kiosk: shape only."""

from django import forms
from django.utils.translation import gettext_lazy as _

from clinic.forms import words
from patients.forms.fields import BirthDateField


class OpenLinkForm(words.Form):
    birth_date = BirthDateField(
        label=_("Your birth date"),
        widget=forms.TextInput(attrs={"class": "field-medium", "autocomplete": "bday", "autofocus": True}),
    )


class KioskCodeForm(words.Form):
    digits = forms.CharField(
        label=_("Your code"),
        max_length=20,
        help_text=_("The six digits from the front desk."),
        widget=forms.TextInput(
            attrs={
                "class": "field-medium kiosk-code", "inputmode": "numeric", "autocomplete": "off", "autofocus": True,
            }
        ),
    )  # fmt: skip
