"""What is asked about care teams and emergency openings."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from clinic.forms import words
from clinic.forms.words import spoken
from clinic.models import User
from patients.models import BreakGlass

from .fields import LongText


class AddCareTeamMemberForm(words.Form):
    user = forms.ChoiceField(label=_("Clinician"))

    def __init__(self, *args: Any, clinicians: Iterable[tuple[User, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.people = {str(user.pk): user for user, _roles in clinicians}
        choices = [("", _("Choose somebody")), *((str(u.pk), f"{u.name} · {roles}") for u, roles in clinicians)]
        self.offer("user", choices)

    def clean_user(self) -> User:
        return self.people[self.cleaned_data["user"]]


class BreakGlassForm(words.Form):
    reason = forms.ChoiceField(label=_("Why do you need this chart now?"), widget=forms.RadioSelect)
    reason_text = LongText(
        label=_("What happened"), min_length=10, max_length=500, rows=3,
        help_text=_("One or two sentences. The care team's lead and a privacy officer will read them."),
        error_messages={"min_length": _("Say what happened in a sentence, so that somebody else can judge it.")},
    )  # fmt: skip

    def __init__(self, *args: Any, reasons: Iterable[BreakGlass.Reason], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer("reason", spoken((r.value, r.label) for r in reasons))


class ReviewBreakGlassForm(words.Form):
    finding = forms.ChoiceField(
        label=_("Finding"), choices=spoken(BreakGlass.Finding.choices), widget=forms.RadioSelect
    )
    note = LongText(
        label=_("What you found"), min_length=10, max_length=500, rows=3,
        error_messages={"min_length": _("Say in a sentence what the finding rests on.")},
    )  # fmt: skip
