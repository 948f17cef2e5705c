"""What is asked about a patient: identity, state of care, the way into the portal."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from clinic.forms import words
from clinic.forms.words import spoken
from clinic.models import Location
from patients.actions.patients import Identity
from patients.models import LANGUAGES, ContactPreference, LifeState, Patient, PortalSuspension

from .fields import AskedField, BirthDateField, PhoneField

# The zones of the United States by the name people know; anything else keeps what is recorded.
TIME_ZONES = [
    ("", _("As at the home location")),
    ("America/New_York", _("Eastern")),
    ("America/Chicago", _("Central")),
    ("America/Denver", _("Mountain")),
    ("America/Phoenix", _("Mountain without summer time (Arizona)")),
    ("America/Los_Angeles", _("Pacific")),
    ("America/Anchorage", _("Alaska")),
    ("Pacific/Honolulu", _("Hawaii")),
]
# What has to be known to register somebody; the rest is asked when there is time.
AT_ONCE = ("given_name", "family_name", "birth_date", "phone", "email", "home_location")

# Why a portal is closed that follows from something else and is never chosen.
NOT_CHOSEN = {PortalSuspension.DECEASED, PortalSuspension.MERGED}


def _off(**attrs: Any) -> dict[str, Any]:
    """Return the attributes of a field that the desk fills in for somebody else."""
    return {"autocomplete": "off", "spellcheck": "false", **attrs}


class _IdentityForm(words.Form):
    given_name = forms.CharField(label=_("First name"), max_length=80, widget=forms.TextInput(attrs=_off()))
    family_name = forms.CharField(label=_("Last name"), max_length=80, widget=forms.TextInput(attrs=_off()))
    birth_date = BirthDateField()
    phone = PhoneField(required=False)
    email = forms.EmailField(label=_("E-mail"), max_length=254, required=False, widget=forms.EmailInput(attrs=_off()))
    chosen_name = forms.CharField(
        label=_("Chosen name"), max_length=80, required=False, help_text=_("What we call them, if not the first name."),
        widget=forms.TextInput(attrs=_off()),
    )  # fmt: skip
    middle_name = forms.CharField(
        label=_("Middle name"), max_length=80, required=False, widget=forms.TextInput(attrs=_off())
    )
    pronouns = forms.CharField(
        label=_("Pronouns"), max_length=30, required=False, widget=forms.TextInput(attrs=_off(list="pronouns-known"))
    )
    # "Not asked" stands first: what a browser sends of a list in which nobody chose.
    sex_at_birth = forms.ChoiceField(
        label=_("Sex at birth"), required=False,
        choices=spoken(sorted(Patient.Sex.choices, key=lambda choice: choice[0] != Patient.Sex.UNKNOWN)),
    )  # fmt: skip
    street = forms.CharField(label=_("Street"), max_length=120, required=False, widget=forms.TextInput(attrs=_off()))
    city = forms.CharField(label=_("City"), max_length=60, required=False, widget=forms.TextInput(attrs=_off()))
    state = forms.CharField(
        label=_("State"), max_length=2, required=False, widget=forms.TextInput(attrs=_off(**{"class": "field-short"}))
    )
    postcode = forms.CharField(
        label=_("ZIP code"), max_length=10, required=False,
        widget=forms.TextInput(attrs=_off(inputmode="numeric", **{"class": "field-short"})),
    )  # fmt: skip
    time_zone = forms.ChoiceField(label=_("Time zone"), choices=TIME_ZONES, required=False)
    language = forms.ChoiceField(label=_("Language"), choices=spoken(LANGUAGES), required=False)
    needs_interpreter = AskedField(label=_("Needs an interpreter"))
    interpreter_language = forms.CharField(
        label=_("Interpreter for which language?"), max_length=40, required=False, widget=forms.TextInput(attrs=_off()),
        help_text=_("Sign language too."),
    )  # fmt: skip
    uses_wheelchair = AskedField(label=_("Uses a wheelchair"))
    hard_of_hearing = AskedField(label=_("Hard of hearing"))
    low_vision = AskedField(label=_("Sees badly, with glasses too"))
    access_needs = forms.CharField(
        label=_("What else makes a visit possible?"), max_length=200, required=False,
        widget=forms.TextInput(attrs=_off()), help_text=_("A quiet room, large print, somebody who comes along."),
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["phone"].widget.attrs["autocomplete"] = "off"
        self.fields["given_name"].error_messages["required"] = _("Enter the first name.")
        self.fields["family_name"].error_messages["required"] = _("Enter the last name.")

    def clean_sex_at_birth(self) -> str:
        return self.cleaned_data["sex_at_birth"] or Patient.Sex.UNKNOWN

    def identity(self) -> Identity:
        """Return what was written, as the actions take it."""
        return Identity(**{name: self.cleaned_data[name] for name in Identity.__dataclass_fields__})


class RegisterPatientForm(_IdentityForm):
    """Six fields at once, the rest when there is time."""

    entry_key = forms.UUIDField(required=False, widget=forms.HiddenInput)
    referral = forms.UUIDField(required=False, widget=forms.HiddenInput)
    home_location = forms.ChoiceField(label=_("Home location"))
    email_consent = forms.ChoiceField(
        label=_("E-mails about visits"),
        choices=[
            ("", _("Not asked yet")),
            (ContactPreference.Evidence.ASKED_BY_PHONE, _("Agreed, asked by phone")),
            (ContactPreference.Evidence.ASKED_AT_DESK, _("Agreed, asked at the desk")),
        ],
        required=False,
        help_text=_("Without an agreement nothing about visits is sent by e-mail."),
    )

    def __init__(self, *args: Any, locations: Iterable[Location], agreed_on_form: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.locations = {str(place.pk): place for place in locations}
        self.offer("home_location", [(key, place.name) for key, place in self.locations.items()])
        if agreed_on_form:
            public = ContactPreference.Evidence.PUBLIC_FORM
            self.offer("email_consent", [(public, _("Agreed on the public form")), *self.offered("email_consent")])
            self.fields["email_consent"].initial = public
        # From an enquiry only the birth date is left to ask.
        first = "birth_date" if self.initial.get("given_name") and not self.initial.get("birth_date") else "given_name"
        self.fields[first].widget.attrs["autofocus"] = True

    def clean_home_location(self) -> Location:
        return self.locations[self.cleaned_data["home_location"]]

    def clean_email_consent(self) -> ContactPreference.Evidence | None:
        given = self.cleaned_data["email_consent"]
        return ContactPreference.Evidence(given) if given else None

    @property
    def rest_has_errors(self) -> bool:
        """Return whether a field of the folded part was refused, so that it is shown unfolded."""
        return any(name not in AT_ONCE and name in self.errors for name in self.fields)


class EditPatientForm(_IdentityForm):
    version = forms.IntegerField(min_value=1, max_value=2_000_000_000, widget=forms.HiddenInput)

    def __init__(self, *args: Any, patient: Patient, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, value in (("time_zone", patient.time_zone), ("language", patient.language)):
            known = self.offered(name)
            if value not in dict(known):
                self.offer(name, [*known, (value, value)])


class ChangeLifeStateForm(words.Form):
    to = forms.ChoiceField(label=_("New state of care"), widget=forms.RadioSelect)

    def __init__(self, *args: Any, states: Iterable[LifeState], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer("to", spoken((state.value, state.label) for state in states))

    def clean_to(self) -> LifeState:
        return LifeState(self.cleaned_data["to"])


class SuspendPortalForm(words.Form):
    reason = forms.ChoiceField(
        label=_("Why is the portal closed?"),
        # A death is entered as a state of care, and closes the portal with it.
        choices=spoken((r.value, r.label) for r in PortalSuspension if r not in NOT_CHOSEN),
        widget=forms.RadioSelect,
    )

    def clean_reason(self) -> PortalSuspension:
        return PortalSuspension(self.cleaned_data["reason"])


class AnswerAddressChangeForm(words.Form):
    answer = forms.ChoiceField(choices=[("apply", _("apply")), ("refuse", _("refuse"))])
