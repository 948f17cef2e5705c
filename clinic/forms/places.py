"""What a manager is asked about locations, rooms and equipment: shape only; the rest is clinic/actions/places.py's to say."""

import re
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from phonenumber_field.formfields import PhoneNumberField
from phonenumber_field.phonenumber import PhoneNumber

from clinic.forms import words
from clinic.forms.people import US_STATES
from clinic.models import Device, Room

# The zones of the United States as the zone database names them.
ZONES = (
    "America/New_York", "America/Detroit", "America/Indiana/Indianapolis", "America/Kentucky/Louisville",
    "America/Chicago", "America/Menominee", "America/Denver", "America/Boise", "America/Phoenix",
    "America/Los_Angeles", "America/Anchorage", "America/Juneau", "America/Adak", "Pacific/Honolulu",
    "America/Puerto_Rico", "America/St_Thomas", "Pacific/Guam",
)  # fmt: skip
_POSTCODE = re.compile(r"\d{5}(-\d{4})?")


def _zone_choices(current: str) -> list[tuple[str, str]]:
    names = list(ZONES) if current in {"", *ZONES} else [current, *ZONES]
    return [("", str(_("Choose a time zone"))), *((name, name.replace("_", " ")) for name in names)]


class LocationForm(words.Form):
    """A location as people and letters know it."""

    name = forms.CharField(
        label=_("Name"), max_length=80, help_text=_("What the team calls it, such as the city. Only staff see it.")
    )
    alias = forms.CharField(
        label=_("Neutral name for letters"),
        max_length=40,
        help_text=_("Stands on letters, texts and lock screens. Nothing that tells what is treated here."),
    )
    street = forms.CharField(label=_("Street"), max_length=120)
    city = forms.CharField(label=_("City"), max_length=60)
    state = forms.ChoiceField(label=_("State"), choices=[("", _("Choose a state")), *((s, s) for s in US_STATES)])
    postcode = forms.CharField(
        label=_("ZIP code"),
        max_length=10,
        widget=forms.TextInput(attrs={"class": "field-short", "inputmode": "numeric"}),
    )
    phone = PhoneNumberField(label=_("Phone"), region="US", widget=forms.TextInput(attrs={"type": "tel"}))
    time_zone = forms.ChoiceField(label=_("Time zone"), help_text=_("Rules every day, hour and visit here."))
    directions = forms.CharField(
        label=_("How to find us"),
        max_length=1000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Patients read it in the portal, beside the address: the entrance, the floor, where to park."),
    )

    def __init__(self, *args: Any, current_zone: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer("time_zone", _zone_choices(current_zone))

    def clean_postcode(self) -> str:
        postcode = str(self.cleaned_data["postcode"])
        if not _POSTCODE.fullmatch(postcode):
            raise forms.ValidationError(_("A ZIP code has five digits, such as 80203, or nine, such as 80203-1234."))
        return postcode

    def clean_phone(self) -> str:
        phone = self.cleaned_data["phone"]
        return str(phone.as_national if isinstance(phone, PhoneNumber) else phone)


class AddLocationForm(LocationForm):
    pass


class EditLocationForm(LocationForm):
    pass


class AddRoomForm(words.Form):
    name = forms.CharField(
        label=_("Name"),
        max_length=40,
        help_text=_("As it stands on the door. The schedule and everybody at the desk call it so."),
    )
    kind = forms.ChoiceField(
        label=_("Kind"),
        choices=Room.Kind.choices,
        widget=forms.RadioSelect,
        help_text=_("Decides which visits fit in it."),
    )


class EditRoomForm(AddRoomForm):
    is_in_use = forms.BooleanField(
        label=_("In use"),
        required=False,
        help_text=_(
            "Out of use, no new visit is offered here. Visits that are booked stay, and the schedule shows them."
        ),
    )


class AddEquipmentForm(words.Form):
    name = forms.CharField(label=_("Name"), max_length=40, help_text=_("As it stands on its label, such as Monitor 2."))
    kind = forms.ChoiceField(label=_("Kind"), choices=Device.Kind.choices, widget=forms.RadioSelect)
    serial_number = forms.CharField(label=_("Serial number"), max_length=40, required=False)


class EditEquipmentForm(AddEquipmentForm):
    is_in_use = forms.BooleanField(
        label=_("In use"),
        required=False,
        help_text=_("Out of use, no new visit counts on it. Visits that are booked stay, and the schedule shows them."),
    )
