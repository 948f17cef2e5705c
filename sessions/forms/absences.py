"""What is asked when somebody is away. Shape only; whether it may be is the actions' to say."""

import uuid
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from clinic.forms import words
from sessions.forms.visits import Slot

MOST_LINES = 40
CALL = "call"
Decided = tuple[uuid.UUID, int, Slot | None]


class LinesField(forms.Field):
    """For each visit its version and its place, or that it is called about."""

    widget = forms.MultipleHiddenInput
    default_error_messages = {"invalid": _("This proposal cannot be read. Look at the new one below.")}  # fmt: skip

    def clean(self, value: Any) -> list[Decided]:
        texts = [str(one) for one in super().clean(value) or []]
        try:
            if len(texts) > MOST_LINES:
                raise ValueError(len(texts))
            return [self._read(text) for text in texts]
        except ValueError as error:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from error

    @staticmethod
    def _read(text: str) -> Decided:
        pk, version, slot = text.split(":", 2)
        if not 0 < int(version) < 2**31:
            raise ValueError(text)
        return uuid.UUID(pk), int(version), None if slot == CALL else Slot.parse(slot)


class ReplanForm(words.Form):
    """The proposal as it was shown, and which of its lines are taken."""

    line = LinesField(required=False)
    take = forms.Field(required=False, widget=forms.MultipleHiddenInput)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        ticked = {str(one) for one in values.get("take") or []}
        values["lines"] = [one for one in values.get("line") or [] if str(one[0]) in ticked]
        return values


class CalledForm(words.Form):
    """What came of a call."""

    DONE, NOT_REACHED = "done", "not_reached"

    came_of_it = forms.ChoiceField(
        label=_("What came of it"), choices=[(DONE, _("Reached them")), (NOT_REACHED, _("Could not reach them"))]
    )
