"""What is asked of somebody who closes a work item, and how the list is narrowed."""

from typing import Any

from django import forms
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from clinic.forms import words
from clinic.models import WorkItem


class CloseWorkItemForm(words.Form):
    outcome = forms.ChoiceField(label=_("What came of it?"), choices=WorkItem.Outcome.choices, widget=forms.RadioSelect)
    note = forms.CharField(
        label=_("What was done"),
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("A sentence for whoever asks next month. Nothing clinical: that belongs in the chart."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(value, capfirst(label)) for value, label in WorkItem.Outcome.choices]
        self.fields["outcome"].choices = choices  # type: ignore[attr-defined]  # it is a ChoiceField

    def clean_outcome(self) -> WorkItem.Outcome:
        return WorkItem.Outcome(self.cleaned_data["outcome"])
