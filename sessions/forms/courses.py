"""The questions about a course. They check shape; whether it may be is asked by the action."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from clinic.forms import words
from clinic.models import User
from sessions.forms.visits import Slot
from sessions.models import DOSING, INTEGRATION

# More doses than a clearance may allow are no course.
MOST_DOSES = 12
EVERY = (("3", _("twice a week")), ("7", _("once a week")), ("14", _("every two weeks")), ("28", _("every four weeks")))
PARTS_OF_DAY = (("", _("any time")), ("morning", _("morning")), ("afternoon", _("afternoon")))


class PlanCourseForm(words.Form):
    """How many doses, how often, from when, with whom and at what time of day."""

    doses = forms.IntegerField(label=_("Doses"), min_value=1, max_value=MOST_DOSES, initial=6)
    every_days = forms.TypedChoiceField(label=_("How often, at most"), choices=EVERY, coerce=int, initial="3")
    first = forms.DateField(label=_("Not before"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    clinician = forms.TypedChoiceField(label=_("With"), required=False, coerce=uuid.UUID, empty_value=None)
    part_of_day = forms.ChoiceField(label=_("Doses in the"), required=False, choices=PARTS_OF_DAY)

    def __init__(self, *args: Any, people: Mapping[uuid.UUID, User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("", str(_("whoever is free"))), *((str(pk), who.name) for pk, who in people.items())]
        field = self.fields["clinician"]
        assert isinstance(field, forms.TypedChoiceField)
        field.choices = choices


class SlotsField(forms.Field):
    """Several slots, each as ``Slot`` writes it."""

    widget = forms.MultipleHiddenInput
    default_error_messages = {"required": _("There is no plan to book. Plan the course first."), "invalid": _("This plan cannot be read. Plan the course again.")}  # fmt: skip

    def clean(self, value: Any) -> list[Slot]:
        texts = [str(one) for one in super().clean(value) or []]
        if len(texts) > MOST_DOSES:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        try:
            return [Slot.parse(text) for text in texts]
        except ValueError as error:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from error


class BookCourseForm(words.Form):
    """The plan as it was shown, and a word on the phone for what is soon."""

    dose = SlotsField(label=_("Plan"))
    talk = SlotsField(label=_("Plan"), required=False)
    told = forms.BooleanField(label=_("They said yes on the phone"), required=False)


class PartsField(forms.Field):
    """Several values, each of parts with colons between; ``read`` makes something of the parts of one."""

    widget = forms.MultipleHiddenInput
    default_error_messages = {"invalid": _("This plan cannot be read. Plan the rest again.")}  # fmt: skip

    def __init__(self, *, parts: int, read: Callable[[list[str]], Any]) -> None:
        super().__init__(required=False)
        self.parts, self.read = parts, read

    def clean(self, value: Any) -> list[Any]:
        texts = [str(one) for one in super().clean(value) or []]
        try:
            if len(texts) > 2 * MOST_DOSES:
                raise ValueError(len(texts))
            return [self.read(text.split(":", self.parts - 1)) for text in texts]
        except (ValueError, KeyError) as error:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from error


def _version(text: str) -> int:
    if not 0 < (version := int(text)) < 2**31:
        raise ValueError(text)
    return version


def _move(parts: list[str]) -> tuple[uuid.UUID, int, Slot]:
    pk, version, slot = parts
    return uuid.UUID(pk), _version(version), Slot.parse(slot)


def _add(parts: list[str]) -> tuple[str, Slot]:
    code, slot = parts
    return {DOSING: DOSING, INTEGRATION: INTEGRATION}[code], Slot.parse(slot)


def _drop(parts: list[str]) -> tuple[uuid.UUID, int]:
    pk, version = parts
    return uuid.UUID(pk), _version(version)


class PlanRestForm(words.Form):
    """The plan as it was shown: what moves where, what is booked again, and what has no place and is cancelled."""

    move = PartsField(parts=3, read=_move)
    add = PartsField(parts=2, read=_add)
    drop = PartsField(parts=2, read=_drop)
    agreed = forms.BooleanField(label=_("Cancel what has no place"), required=False)
    told = forms.BooleanField(label=_("They said yes on the phone"), required=False)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("drop") and not values.get("agreed"):
            self.add_error("agreed", _("Tick this, or find these visits another place first."))
        return values
