"""What is asked about the people around a patient."""

from django import forms
from django.utils.translation import gettext_lazy as _

from clinic.forms import words
from clinic.forms.words import spoken
from patients.actions.contacts import Details
from patients.models import Contact

from .fields import PhoneField


class ContactForm(words.Form):
    """One person to call, or to take the patient home."""

    kind = forms.ChoiceField(
        label=_("What are they to us?"), choices=spoken(Contact.Kind.choices), widget=forms.RadioSelect
    )
    name = forms.CharField(label=_("Name"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    relationship = forms.CharField(
        label=_("What are they to the patient?"), max_length=40, help_text=_("For example sister, friend, neighbour."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "class": "field-medium"}),
    )  # fmt: skip
    phone = PhoneField()
    email = forms.EmailField(
        label=_("E-mail"), max_length=254, required=False, widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )

    def details(self) -> Details:
        """Return what was written, as the actions take it."""
        data = self.cleaned_data
        return Details(
            kind=data["kind"],
            name=data["name"],
            relationship=data["relationship"],
            phone=data["phone"],
            email=data["email"].lower(),
        )
