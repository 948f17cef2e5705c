"""What a manager is asked about people: shape only; whether it may be done is clinic/actions/people.py's to say."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from clinic.actions.people import Checked, Why
from clinic.forms import words
from clinic.forms.words import spoken
from clinic.models import Licence, Membership, Role, User

US_STATES = [
    "AL",
    "AK",
    "AZ",
    "AR",
    "CA",
    "CO",
    "CT",
    "DE",
    "DC",
    "FL",
    "GA",
    "HI",
    "ID",
    "IL",
    "IN",
    "IA",
    "KS",
    "KY",
    "LA",
    "ME",
    "MD",
    "MA",
    "MI",
    "MN",
    "MS",
    "MO",
    "MT",
    "NE",
    "NV",
    "NH",
    "NJ",
    "NM",
    "NY",
    "NC",
    "ND",
    "OH",
    "OK",
    "OR",
    "PA",
    "PR",
    "RI",
    "SC",
    "SD",
    "TN",
    "TX",
    "UT",
    "VT",
    "VA",
    "WA",
    "WV",
    "WI",
    "WY",
]


ASK = ("", _("Choose one"))


class _WithSupervisor(words.Form):
    """A role, and for a trainee whoever supervises them; ``mentors`` are the live clinical memberships of the location."""

    role = forms.ChoiceField(label=_("Role"), choices=[ASK, *spoken(Role.choices)])
    supervisor = forms.ChoiceField(
        label=_("Supervised by"),
        required=False,
        help_text=_("For trainees only: somebody with the same role who answers for what they do."),
    )

    def __init__(self, *args: Any, mentors: Iterable[Membership], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._mentors = {str(mentor.user_id): mentor.user for mentor in mentors}
        labels = {str(mentor.user_id): f"{mentor.user.name} ({Role(mentor.role).label})" for mentor in mentors}
        self.offer("supervisor", [("", _("Not a trainee")), *labels.items()])

    def clean_supervisor(self) -> User | None:
        return self._mentors.get(self.cleaned_data["supervisor"])

    def clean_role(self) -> Role:
        return Role(self.cleaned_data["role"])


def _one_line(text: str) -> str:
    return " ".join(text.split())


class InvitePersonForm(_WithSupervisor):
    name = forms.CharField(label=_("Name"), max_length=120)
    email = forms.EmailField(
        label=_("Work e-mail address"),
        max_length=254,
        help_text=_("They sign in with it. The link we send there works once, for seven days."),
    )
    field_order = ("name", "email", "role", "supervisor")

    def clean_name(self) -> str:
        return _one_line(self.cleaned_data["name"])


class AddColleagueForm(_WithSupervisor):
    email = forms.EmailField(
        label=_("The address they sign in with"),
        max_length=254,
        help_text=_("For somebody who already works at another location of ours."),
    )
    field_order = ("email", "role", "supervisor")


class EditPersonForm(words.Form):
    name = forms.CharField(label=_("Name"), max_length=120)
    phone = forms.CharField(
        label=_("Phone for urgent pages"), max_length=20, required=False, widget=forms.TextInput(attrs={"type": "tel"})
    )

    def clean_name(self) -> str:
        return _one_line(self.cleaned_data["name"])

    def clean_phone(self) -> str:
        """Return the number as it was typed. Refuses what nobody could dial."""
        phone = _one_line(self.cleaned_data["phone"])
        digits = sum(character.isdigit() for character in phone)
        if phone and (digits < 7 or set(phone) - set("0123456789+-(). ")):
            raise forms.ValidationError(_("Write the number with its area code, such as (303) 555-0100."))
        return phone


class _Flags(words.Form):
    can_dispense = forms.BooleanField(label=_("May dispense"), required=False)
    is_pharmacy_lead = forms.BooleanField(label=_("Leads the pharmacy"), required=False)
    is_medical_director = forms.BooleanField(label=_("Is the medical director"), required=False)


class StartMembershipForm(_WithSupervisor, _Flags):
    field_order = ("role", "can_dispense", "is_pharmacy_lead", "is_medical_director", "supervisor")


class ChangeMembershipForm(_WithSupervisor, _Flags):
    field_order = ("can_dispense", "is_pharmacy_lead", "is_medical_director", "supervisor")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["role"]


class RecordLicenceForm(words.Form):
    kind = forms.ChoiceField(label=_("Kind"), choices=[ASK, *spoken(Licence.Kind.choices)])
    number = forms.CharField(label=_("Number"), max_length=30, widget=forms.TextInput(attrs={"class": "field-medium"}))
    state = forms.ChoiceField(label=_("State"), choices=[ASK, *((state, state) for state in US_STATES)])
    expires_on = forms.DateField(
        label=_("Valid until"), widget=forms.DateInput(attrs={"type": "date", "class": "field-medium"})
    )

    def clean_number(self) -> str:
        return _one_line(self.cleaned_data["number"])


class ResetSecondFactorForm(words.Form):
    why = forms.ChoiceField(label=_("What happened?"), choices=spoken(Why.choices), widget=forms.RadioSelect)
    checked = forms.ChoiceField(
        label=_("How do you know that it is really them?"),
        choices=spoken(Checked.choices),
        widget=forms.RadioSelect,
        help_text=_("An e-mail or a message is not enough: whoever has their mailbox could have written it."),
    )
