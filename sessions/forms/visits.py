"""The questions about visits. They check shape; whether it may be is asked by the action."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _

from clinic.forms import words
from clinic.forms.words import spoken
from patients.models import Patient
from sessions.actions.changes import Why
from sessions.actions.visits import Whereabouts
from sessions.availability import Opening
from sessions.models import Appointment, EscortAnswer, VisitMove, VisitType, WaitlistEntry

# More people or devices than any kind of visit takes are nobody's slot.
MOST_IN_A_SLOT = 10
# Where a move that began on the schedule ends.
TO_SCHEDULE = "schedule"


@dataclass(frozen=True)
class Slot:
    """One time with its people, room and devices, as a form carries it.

    ``2027-01-14T17:00Z~<clinician>~<room>``, and for a visit of several ``~<others>~<devices>``, each list with commas.
    """

    starts_at: datetime
    clinician_id: uuid.UUID
    room_id: uuid.UUID | None
    others: tuple[uuid.UUID, ...] = ()
    devices: tuple[uuid.UUID, ...] = ()

    def __str__(self) -> str:
        parts = [f"{self.starts_at.astimezone(UTC):%Y-%m-%dT%H:%MZ}", str(self.clinician_id), str(self.room_id or "")]
        if self.others or self.devices:
            parts += [",".join(map(str, self.others)), ",".join(map(str, self.devices))]
        return "~".join(parts)

    @classmethod
    def of(cls, opening: Opening) -> "Slot":
        return cls(opening.starts_at, opening.clinician_id, opening.room_id, opening.others, opening.devices)

    @classmethod
    def parse(cls, text: str) -> "Slot":
        """Return the slot that a text names. Refuses, with ValueError, a text that names none."""
        moment, clinician, room, *more = text.split("~")
        if len(more) not in {0, 2}:
            raise ValueError(text)
        starts_at = datetime.strptime(moment, "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC)
        if not 1900 <= starts_at.year < 2200:
            # At the ends of the calendar no other zone has such a moment.
            raise ValueError(text)
        others, devices = (_ids(one) for one in more or ("", ""))
        return cls(starts_at, uuid.UUID(clinician), uuid.UUID(room) if room else None, others, devices)


def _ids(text: str) -> tuple[uuid.UUID, ...]:
    found = tuple(uuid.UUID(one) for one in text.split(",") if one)
    if len(found) > MOST_IN_A_SLOT:
        raise ValueError(text)
    return found


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

    slot = SlotField(label=_("Time"), max_length=900, required=False)
    alternative = SlotField(max_length=900, required=False)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        values["slot"] = values.get("alternative") or values.get("slot")
        if values["slot"] is None and not self.errors:
            self.add_error("slot", SlotField.default_error_messages["required"])
        return values


class BookIntakeForm(ChooseSlotForm):
    """Which opening to book, and whether it is meant for somebody who has an intake to come."""

    second = forms.BooleanField(required=False)


class BookVisitForm(ChooseSlotForm):
    """Which opening to book, and what the kind of visit asks besides: a word on the phone, or where the patient will be."""

    told = forms.BooleanField(label=_("They said yes on the phone"), required=False)
    place = forms.CharField(
        label=_("Where will they be during the visit?"),
        max_length=200,
        help_text=_("An address: help must find them if the call breaks off."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    phone = forms.CharField(
        label=_("Number to call back"),
        max_length=30,
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "tel"}),
    )
    link = forms.URLField(
        label=_("Link of the call"),
        required=False,
        max_length=300,
        help_text=_("Leave it empty for a visit by phone."),
        widget=forms.URLInput(attrs={"autocomplete": "off"}),
        assume_scheme="https",
    )

    def __init__(self, *args: Any, visit_type: VisitType, patient: Patient, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not visit_type.phone_within_hours:
            del self.fields["told"]
        else:
            self.fields["told"].help_text = _("Needed for a visit within %(hours)d hours.") % {
                "hours": visit_type.phone_within_hours
            }
        if not visit_type.is_remote:
            for name in ("place", "phone", "link"):
                del self.fields[name]

    @property
    def told_by_phone(self) -> bool:
        return bool(self.cleaned_data.get("told"))

    def whereabouts(self) -> Whereabouts | None:
        """Return where the patient will be, or None for a visit that does not ask."""
        if "place" not in self.fields:
            return None
        return Whereabouts(self.cleaned_data["place"], self.cleaned_data["phone"], self.cleaned_data["link"])

    def extra(self) -> list[forms.BoundField]:
        """Return the fields that this kind asks besides the time."""
        return [self[name] for name in ("told", "place", "phone", "link") if name in self.fields]


def _reasons_of(asked_by: Appointment.CancelledBy, *reasons: VisitMove.Reason) -> list[tuple[str, Any]]:
    return spoken((f"{asked_by}:{reason}", reason.label) for reason in reasons)


# One list says both who asked and why, so that it is one choice on a busy morning.
_REASONS_TO_MOVE = [
    (
        _("The patient asks"),
        _reasons_of(
            Appointment.CancelledBy.PATIENT, VisitMove.Reason.SUITS_BETTER, VisitMove.Reason.ILLNESS,
            VisitMove.Reason.WORK, VisitMove.Reason.TRANSPORT, VisitMove.Reason.OTHER,
        ),
    ),
    (
        _("The clinic moves it"),
        _reasons_of(
            Appointment.CancelledBy.CLINIC, VisitMove.Reason.CLINICIAN_AWAY, VisitMove.Reason.CLINIC_CLOSED,
            VisitMove.Reason.PLACE, VisitMove.Reason.SUITS_BETTER, VisitMove.Reason.OTHER,
        ),
    ),
]  # fmt: skip


class RescheduleForm(ChooseSlotForm):
    """Where to move a visit, on whose wish and why. ``version`` is the visit's when the page was made."""

    # What a patient who asks for another time on the portal has said by that.
    ASKED: ClassVar = f"{Appointment.CancelledBy.PATIENT}:{VisitMove.Reason.SUITS_BETTER}"

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=1)
    # Where to go on afterwards: to the schedule, from which it was moved, else to the visit.
    back = forms.ChoiceField(widget=forms.HiddenInput, required=False, choices=[(TO_SCHEDULE, "")])
    # Say first what the move would do, and move nothing yet.
    look = forms.BooleanField(widget=forms.HiddenInput, required=False)
    why = forms.ChoiceField(
        label=_("Why is it moved?"),
        choices=[("", _("Choose…")), *_REASONS_TO_MOVE],
        error_messages=dict.fromkeys(("required", "invalid_choice"), _("Say who asked for the move, and why.")),
    )
    note = forms.CharField(
        label=_("Note"),
        required=False,
        max_length=300,
        help_text=_("For the desk only, nothing clinical. The patient does not see it."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def reason(self) -> Why:
        """Return who asked for the move and why, as codes, with the note."""
        asked_by, _colon, reason = self.cleaned_data["why"].partition(":")
        return Why(Appointment.CancelledBy(asked_by), VisitMove.Reason(reason), self.cleaned_data["note"])

    def extra(self) -> list[forms.BoundField]:
        """Return the fields beside the time."""
        return [self["why"], self["note"]]


class MoveToForm(ChooseSlotForm):
    """Where a visit is to be moved, before that is decided: a slot of the list, or a place of the calendar.

    ``at`` is on the location's wall clock. Where the calendar names no person or no room, the visit keeps its own.
    """

    at = forms.DateTimeField(required=False, input_formats=["%Y-%m-%dT%H:%M"])
    clinician = forms.UUIDField(required=False)
    room = forms.UUIDField(required=False)
    version = forms.IntegerField(required=False, min_value=1, max_value=2_000_000_000)
    back = forms.ChoiceField(required=False, choices=[(TO_SCHEDULE, "")])

    def clean_at(self) -> datetime | None:
        moment: datetime | None = self.cleaned_data.get("at")
        # At the ends of the calendar no other zone has such a moment.
        return moment if moment is not None and 1900 <= moment.year < 2200 else None


class SeenVersionForm(words.Form):
    """Which version of a visit was on the screen when a button was pressed."""

    version = forms.IntegerField(min_value=1, max_value=2_000_000_000)


class EscortForm(words.Form):
    """What the desk was told about who takes a patient home, and what stood on the screen when it was pressed."""

    answer = forms.ChoiceField(choices=EscortAnswer.Answer.choices)
    seen = forms.ChoiceField(choices=[("", ""), *EscortAnswer.Answer.choices], required=False)


class FindSlotForm(words.Form):
    """Which days, person, room and time of day to look for. Nonsense is as good as nothing: the page then shows the default."""

    week = forms.DateField(label=_("Week of"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    days = forms.TypedChoiceField(
        label=_("Days"), choices=[("7", _("A week")), ("14", _("Two weeks"))], required=False, coerce=int
    )
    clinician = forms.UUIDField(label=_("With"), required=False)
    room = forms.UUIDField(label=_("Room"), required=False)
    part = forms.ChoiceField(label=_("Time of day"), choices=spoken(WaitlistEntry.DayPart.choices), required=False)
    # An hour that was asked for: of each day on which it is not free it is said why.
    at = forms.TimeField(label=_("Asked for"), required=False, widget=forms.TimeInput(attrs={"type": "time"}))


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


class MyVisitForm(words.Form):
    """Which time of the visit was on the patient's screen when they pressed."""

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=2_000_000_000)


class MyTimesForm(words.Form):
    """Which days a patient looks at, and whether with anybody. What is wrong in an address is left out."""

    begin = forms.DateField(required=False)
    anybody = forms.BooleanField(required=False)


class ChooseMyTimeForm(MyVisitForm):
    """The moment that a patient picked from the list; who and where is found by the action."""

    slot = forms.CharField(
        label=_("Time"), max_length=40, error_messages={"required": _("Choose a time from the list.")}
    )

    def clean_slot(self) -> datetime:
        sentence = _("Choose a time from the list.")
        try:
            moment = datetime.fromisoformat(self.cleaned_data["slot"])
        except ValueError as error:
            raise forms.ValidationError(sentence) from error
        if moment.tzinfo is None or not 1900 <= moment.year < 2200:
            raise forms.ValidationError(sentence)
        return moment


class WhereIAmForm(MyVisitForm):
    """Where a patient will be for a visit from afar, and how they are reached. Never prefilled: it is asked each time."""

    place = forms.CharField(
        label=_("Where will you be?"),
        max_length=200,
        help_text=_("The full address, so that help finds you if the call breaks off."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": _("Write the address where you will be during the call.")},
    )
    phone = forms.CharField(
        label=_("A number to call you back"),
        max_length=30,
        min_length=7,
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "tel"}),
        error_messages={"required": _("Write a number on which we reach you during the call.")},
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
