"""What comes in with the forms of the packet: one screen of it, the sending, and the last word before it is handed in."""

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from assessments import merging
from assessments.actions.packets import Choice
from assessments.packetquestions import ON, Step
from clinic.forms import words

# How many characters the bookkeeping of a window can have at most; a form of ours needs a tenth of it.
MOST_SEEN = 400_000


class InvitePacketForm(words.Form):
    """Whether questions about trauma belong to the packet. Nobody presumes it."""

    asks_about_trauma = forms.ChoiceField(
        label=_("Ask about trauma as well?"),
        choices=[("yes", _("Yes, with the questionnaire about trauma (PCL-5)")), ("no", _("No"))],
        widget=forms.RadioSelect,
        help_text=_("Yes if the referral or the patient speaks of it. If you do not know, ask the clinician."),
    )

    def clean_asks_about_trauma(self) -> bool:
        return bool(self.cleaned_data["asks_about_trauma"] == "yes")


class SubmitPacketForm(words.Form):
    """The tick of those who would rather not answer the questionnaires that are left."""

    leaves_questionnaires = forms.BooleanField(required=False)


class PacketSectionForm(words.Form):
    """One screen as it was typed. Everything is taken as it comes; what is wrong with it is said beside the questions."""

    version = forms.CharField(required=False, max_length=MOST_SEEN, strip=False)
    entry_key = forms.CharField(required=False, max_length=60)
    go = forms.CharField(required=False, max_length=80)

    def __init__(self, *args: Any, step: Step, draft: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.step, self.draft = step, draft
        # Lines that the list has grown by since it was shown come in by their names.
        known = {name: "x" for name in self.data if step.rows and name.startswith(f"{step.rows.name}-")}
        self.names = step.names({**draft, **known})

    def typed(self) -> dict[str, str]:
        """Return what stands in every field of the screen; an empty one says so. Line ends are one character."""
        return {name: self.data.get(name, "").replace("\r\n", "\n") for name in self.names}

    def seen(self) -> dict[str, str]:
        """Return what the window showed when it began."""
        return merging.read_seen(self.cleaned_data["version"])

    def window(self) -> merging.Window:
        return merging.Window.read(self.cleaned_data["entry_key"])

    def marks(self) -> dict[str, str]:
        """Return what the pressed button says: one more line, or that the open questions are left for a talk."""
        go = self.cleaned_data["go"]
        if go == "leave":
            return {self.step.left_open: ON}
        if go == "next":
            return {self.step.left_open: ""}
        if go == "add" and self.step.rows is not None:
            return {f"{self.step.rows.name}-rows": str(self.step.rows.count({**self.draft, **self.typed()}) + 1)}
        return {}

    def choice(self) -> Choice | None:
        """Return which of two windows' texts was chosen: "take:<field>:<place>" or "stay:<field>"; None for other buttons."""
        verb, _colon, rest = self.cleaned_data["go"].partition(":")
        name, _colon, place = rest.partition(":")
        if verb == "stay" and name in self.names:
            return Choice(name, None)
        if verb == "take" and name in self.names and re.fullmatch(r"[0-9]{1,3}", place):
            return Choice(name, int(place))
        return None
