"""What is asked of somebody who closes a work item, and how the list is narrowed."""

from django import forms
from django.utils.translation import gettext_lazy as _

from clinic.forms import words
from clinic.forms.words import spoken
from clinic.models import WorkItem


class CloseWorkItemForm(words.Form):
    outcome = forms.ChoiceField(
        label=_("What came of it?"), choices=spoken(WorkItem.Outcome.choices), widget=forms.RadioSelect
    )
    note = forms.CharField(
        label=_("What was done"),
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("A sentence for whoever asks next month. Nothing clinical: that belongs in the chart."),
    )

    def clean_outcome(self) -> WorkItem.Outcome:
        return WorkItem.Outcome(self.cleaned_data["outcome"])
