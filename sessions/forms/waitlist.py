"""The question what somebody waits for. It checks shape; whether it may be is asked by the action."""

import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django import forms
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext_lazy as _

from clinic.forms import words
from clinic.models import User
from sessions.actions.waitlist import Wish
from sessions.models import VisitType, WaitlistEntry

# How long somebody waits when nothing else is said.
USUAL_WAIT = timedelta(days=60)


class WaitForm(words.Form):
    """Which kind of visit, on which days and at which times, with whom, and until when. What is left empty is any."""

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
    first_day = forms.DateField(label=_("From"), widget=forms.DateInput(attrs={"type": "date"}))
    last_day = forms.DateField(label=_("Until"), widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(
        self, *args: Any, kinds: Iterable[VisitType], people: Iterable[User], for_patient: bool, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._kinds = {one.code: one for one in kinds}
        self._people = {one.pk: one for one in people}
        named = [(code, one.patient_name if for_patient else one.name) for code, one in self._kinds.items()]
        self.offer("kind", [("", _("Choose")), *named])
        self.offer("clinician", [("", _("Anybody")), *((pk, one.name) for pk, one in self._people.items())])
        self.offer("weekdays", [(day, WEEKDAYS[day]) for day in range(7)])

    def wish(self) -> Wish:
        values = self.cleaned_data
        return Wish(
            visit_type=self._kinds[values["kind"]], clinician=self._people.get(values["clinician"]),
            weekdays=tuple(values["weekdays"]), day_parts=tuple(values["day_parts"]),
            first_day=values["first_day"], last_day=values["last_day"],
        )  # fmt: skip
