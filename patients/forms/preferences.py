"""What a patient agrees to be written about, asked at the desk and on the portal."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from clinic.forms import words
from clinic.forms.words import spoken
from clinic.models import Category, Channel
from patients.actions.preferences import Answer
from patients.models import ASKED_CATEGORIES, ContactPreference

QUESTIONS = [(category, channel) for category in ASKED_CATEGORIES for channel in Channel]


def _name(category: Category, channel: Channel) -> str:
    return f"{category}_{channel}"


class PreferencesForm(words.Form):
    """One yes, no or not asked for each kind of letter and channel, and how we know."""

    def __init__(self, *args: Any, current: Iterable[ContactPreference], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.current = {(row.category, row.channel): row.is_allowed for row in current}
        for category, channel in QUESTIONS:
            known = self.current.get((category, channel))
            answers = [("yes", _("Yes")), ("no", _("No"))]
            if known is None:
                answers = [("", _("Not asked")), *answers]
            self.fields[_name(category, channel)] = forms.ChoiceField(
                label=f"{category.label}, {channel.label}",
                choices=answers,
                required=False,
                initial="" if known is None else "yes" if known else "no",
            )
        evidence = ContactPreference.Evidence
        self.fields["evidence"] = forms.ChoiceField(
            label=_("How do we know?"),
            choices=spoken((e.value, e.label) for e in (evidence.ASKED_BY_PHONE, evidence.ASKED_AT_DESK)),
            widget=forms.RadioSelect,
            error_messages={"required": _("Say how we know, so that the answer can be shown to be theirs.")},
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return the questions as a table: one row a kind of letter, one field a channel."""
        return [
            {
                "label": category.label,
                "answers": [(channel.label, self[_name(category, channel)]) for channel in Channel],
            }
            for category in ASKED_CATEGORIES
        ]

    def answers(self) -> list[Answer]:
        """Return the answers that differ from what is recorded."""
        found = []
        for category, channel in QUESTIONS:
            given = self.cleaned_data[_name(category, channel)]
            if given and self.current.get((category, channel)) != (given == "yes"):
                found.append(Answer(category=category, channel=channel, is_allowed=given == "yes"))
        return found


class PortalPreferencesForm(words.Form):
    """A box for each kind of letter and channel. An empty box is a no only where a yes was given before."""

    def __init__(self, *args: Any, current: Iterable[ContactPreference], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.current = {(row.category, row.channel): row.is_allowed for row in current}
        for category, channel in QUESTIONS:
            self.fields[_name(category, channel)] = forms.BooleanField(
                label=channel.label.capitalize(), required=False, initial=bool(self.current.get((category, channel)))
            )

    def rows(self) -> list[dict[str, Any]]:
        """Return the questions grouped by kind of letter."""
        return [
            {"label": category.label, "fields": [self[_name(category, channel)] for channel in Channel]}
            for category in ASKED_CATEGORIES
        ]

    def answers(self) -> list[Answer]:
        """Return the answers that differ from what is recorded."""
        found = []
        for category, channel in QUESTIONS:
            ticked = self.cleaned_data[_name(category, channel)]
            known = self.current.get((category, channel))
            if ticked != bool(known):
                found.append(Answer(category=category, channel=channel, is_allowed=ticked))
        return found
