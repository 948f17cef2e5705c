"""The question which visit a patient would like. It checks shape; whether it may be is asked by the action."""

import uuid
from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext_lazy as _

from clinic.forms import words
from clinic.models import User
from sessions.actions.visitrequests import Wanted
from sessions.models import VisitType, WaitlistEntry


class AskVisitForm(words.Form):
    """Which kind of visit, with whom, on which days and at which times. What is left empty is any."""

    kind = forms.ChoiceField(label=_("What for?"), choices=())
    clinician = forms.TypedChoiceField(
        label=_("With whom?"), choices=(), required=False, coerce=uuid.UUID, empty_value=None
    )
    weekdays = forms.TypedMultipleChoiceField(
        label=_("Which days?"), choices=(), required=False, coerce=int, widget=forms.CheckboxSelectMultiple,
        help_text=_("None ticked means any day."),
    )  # fmt: skip
    day_parts = forms.MultipleChoiceField(
        label=_("What time of day?"), choices=words.spoken(WaitlistEntry.DayPart.choices), required=False,
        widget=forms.CheckboxSelectMultiple, help_text=_("None ticked means any time."),
    )  # fmt: skip
    message = forms.CharField(
        label=_("Anything else we should know?"), required=False, max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
    )  # fmt: skip

    def __init__(self, *args: Any, kinds: Iterable[VisitType], people: Iterable[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._kinds = {one.code: one for one in kinds}
        self._people = {one.pk: one for one in people}
        self.offer("kind", [("", _("Choose")), *((code, one.patient_name) for code, one in self._kinds.items())])
        self.offer("clinician", [("", _("Anybody")), *((pk, one.name) for pk, one in self._people.items())])
        self.offer("weekdays", [(day, WEEKDAYS[day]) for day in range(7)])

    def wanted(self) -> Wanted:
        values = self.cleaned_data
        return Wanted(
            visit_type=self._kinds[values["kind"]], clinician=self._people.get(values["clinician"]),
            weekdays=tuple(values["weekdays"]), day_parts=tuple(values["day_parts"]), message=values["message"],
        )  # fmt: skip
