"""What a patient is asked on the way into the portal and on their own page."""

from django import forms
from django.utils.translation import gettext_lazy as _

from clinic.forms import words

from .fields import BirthDateField, PhoneField


class JoinPortalForm(words.Form):
    birth_date = BirthDateField(
        label=_("Your birth date"),
        widget=forms.TextInput(
            attrs={
                "class": "field-medium", "autocomplete": "bday", "autofocus": True,
            }
        ),
    )  # fmt: skip


class AskAddressChangeForm(words.Form):
    email = forms.EmailField(
        label=_("New e-mail"), max_length=254, required=False, widget=forms.EmailInput(attrs={"autocomplete": "email"})
    )
    phone = PhoneField(label=_("New phone"), required=False)
