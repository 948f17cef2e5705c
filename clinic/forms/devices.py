"""What a manager is asked to enroll a screen: shape only."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from clinic.forms import words
from clinic.models import EnrolledDevice, Room


class EnrollDeviceForm(words.Form):
    name = forms.CharField(
        label=_("Name"), max_length=40, help_text=_("Where it hangs or lies, such as Aspen, left wall.")
    )
    kind = forms.ChoiceField(label=_("Kind"), choices=EnrolledDevice.Kind.choices, widget=forms.RadioSelect)
    room = forms.ChoiceField(
        label=_("Room"),
        required=False,
        help_text=_("For a room tablet. Boards and kiosks belong to the whole location."),
    )

    def __init__(self, *args: Any, rooms: Iterable[Room], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rooms = {str(room.pk): room for room in rooms}
        self.offer("room", [("", _("No room")), *((key, room.name) for key, room in self.rooms.items())])

    def clean_room(self) -> Room | None:
        return self.rooms.get(self.cleaned_data["room"])


class SetUpDeviceForm(words.Form):
    credential = forms.CharField(
        label=_("Credential of this screen"),
        max_length=100,
        help_text=_("The long word that was shown once when the screen was enrolled."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )
