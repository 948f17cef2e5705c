"""What a manager is asked about a duty on call: shape only; the rest is clinic/actions/rota.py's to say."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic.forms.hours import StretchForm
from clinic.models import OnCall, User


class EnterDutyForm(StretchForm):
    user = forms.ChoiceField(
        label=gettext_lazy("Who"),
        help_text=gettext_lazy("Nurses, therapists and prescribers of this location who are not in training."),
    )
    tier = forms.ChoiceField(label=gettext_lazy("As"), choices=OnCall.Tier.choices, widget=forms.RadioSelect)

    field_order = ["user", "tier", "first", "starts", "last", "ends"]

    def __init__(self, *args: Any, people: Iterable[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.people = {str(user.pk): user for user in people}
        self.offer("user", [("", _("Choose a person")), *((key, user.name) for key, user in self.people.items())])
        # A duty usually changes hands at the same hour of the day.
        self.fields["starts"].help_text = _("Leave empty for midnight.")
        self.fields["ends"].help_text = _("Leave empty for the end of that day.")

    def clean_user(self) -> User:
        return self.people[self.cleaned_data["user"]]

    def clean_tier(self) -> OnCall.Tier:
        return OnCall.Tier(self.cleaned_data["tier"])
