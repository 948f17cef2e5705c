"""The questions about visits. They check shape; whether it may be is asked by the action."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from clinic.forms import words
from clinic.forms.words import spoken
from sessions.models import Appointment


@dataclass(frozen=True)
class Slot:
    """One time with the person and the room, as a form carries it: ``2027-01-14T17:00Z~<clinician>~<room>``."""

    starts_at: datetime
    clinician_id: uuid.UUID
    room_id: uuid.UUID | None

    def __str__(self) -> str:
        return f"{self.starts_at.astimezone(UTC):%Y-%m-%dT%H:%MZ}~{self.clinician_id}~{self.room_id or ''}"

    @classmethod
    def parse(cls, text: str) -> "Slot":
        """Return the slot that a text names. Refuses, with ValueError, a text that names none."""
        moment, clinician, room = text.split("~")
        starts_at = datetime.strptime(moment, "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC)
        if not 1900 <= starts_at.year < 2200:
            # At the ends of the calendar no other zone has such a moment.
            raise ValueError(text)
        return cls(starts_at, uuid.UUID(clinician), uuid.UUID(room) if room else None)


class SlotField(forms.CharField):
    """A slot, chosen from the list of openings."""

    default_error_messages = {
        "required": _("Choose a time from the list."),
        "invalid": _("Choose a time from the list."),
    }

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        try:
            return Slot.parse(text)
        except ValueError as error:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from error


class ChooseSlotForm(words.Form):
    """A slot, by a radio button of the list or by the one-tap button of an alternative, which wins."""

    slot = SlotField(label=_("Time"), max_length=120, required=False)
    alternative = SlotField(max_length=120, required=False)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        values["slot"] = values.get("alternative") or values.get("slot")
        if values["slot"] is None and not self.errors:
            self.add_error("slot", SlotField.default_error_messages["required"])
        return values


class BookIntakeForm(ChooseSlotForm):
    """Which opening to book, and whether it is meant for somebody who has an intake to come."""

    second = forms.BooleanField(required=False)


class RescheduleForm(ChooseSlotForm):
    """Where to move a visit. ``version`` is the visit's when the page was made."""

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=1)


class SeenVersionForm(words.Form):
    """Which version of a visit was on the screen when a button was pressed."""

    version = forms.IntegerField(min_value=1, max_value=2_000_000_000)


class FindSlotForm(words.Form):
    """Which week, person and room to look for. Nonsense is as good as nothing: the page then shows the default."""

    week = forms.DateField(label=_("Week of"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    clinician = forms.UUIDField(label=_("With"), required=False)
    room = forms.UUIDField(label=_("Room"), required=False)


class CancelAppointmentForm(words.Form):
    """Who cancels, and why. Neither is guessed."""

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=1)
    cancelled_by = forms.ChoiceField(
        label=_("Who cancels?"), choices=spoken(Appointment.CancelledBy.choices), widget=forms.RadioSelect
    )
    reason = forms.ChoiceField(
        label=_("Why?"), choices=spoken(Appointment.CancelReason.choices), widget=forms.RadioSelect
    )
    note = forms.CharField(
        label=_("Note"),
        required=False,
        max_length=300,
        help_text=_("For the desk only. The patient does not see it."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class UndoNoShowForm(words.Form):
    """Why “did not come” is taken back."""

    because = forms.CharField(
        label=_("Why is it taken back?"),
        max_length=300,
        help_text=_("For example: arrived 20 minutes late and is seen after all."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class RecordAfterwardsForm(words.Form):
    """When a visit began that nobody was checked in for, and why it is written down late. Neither is guessed."""

    began_at = forms.TimeField(
        label=_("When did it begin?"),
        help_text=_("As well as you know, on the clinic's clock."),
        error_messages=dict.fromkeys(("required", "invalid"), _("Give the time at which the visit began, like 10:05.")),
        widget=forms.TimeInput(attrs={"type": "time", "class": "field-short"}),
    )
    reason = forms.ChoiceField(
        label=_("Why was nobody checked in?"),
        choices=spoken(Appointment.RecordReason.choices),
        error_messages=dict.fromkeys(("required", "invalid_choice"), _("Say why nobody was checked in.")),
        widget=forms.RadioSelect,
    )
    note = forms.CharField(
        label=_("What happened"),
        required=False,
        max_length=300,
        help_text=_("In a few words, nothing clinical. Needed for “Other”."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("reason") == Appointment.RecordReason.OTHER and not values.get("note"):
            self.add_error("note", _("Say in a few words what happened."))
        return values


class AskChangeForm(words.Form):
    """A patient's wish for another time."""

    message = forms.CharField(
        label=_("What would suit you?"),
        required=False,
        max_length=500,
        help_text=_("Days or times that work for you. Please leave out anything about your health."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class CancelMyVisitForm(words.Form):
    """Why a patient cancels, and which time of the visit was on the screen. Nothing is guessed."""

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=2_000_000_000)
    reason = forms.ChoiceField(
        label=_("What came up?"),
        choices=[
            (Appointment.CancelReason.ILLNESS, _("I am not well")),
            (Appointment.CancelReason.WORK, _("Work or family")),
            (Appointment.CancelReason.TRANSPORT, _("I have no way to get there or home")),
            (Appointment.CancelReason.CHANGED_MIND, _("I no longer wish to come")),
            (Appointment.CancelReason.OTHER, _("Something else")),
        ],
        error_messages={"required": _("Choose what fits best. “Something else” is fine.")},
        widget=forms.RadioSelect,
    )


class AnswerChangeRequestForm(words.Form):
    """The desk's answer when a wish cannot be met."""

    answer = forms.CharField(
        label=_("Answer to the patient"),
        max_length=500,
        help_text=_(
            "They read it on the portal, beside the visit. An e-mail tells them that there is an answer, not what it says."
        ),
        widget=forms.Textarea(attrs={"rows": 3}),
    )
