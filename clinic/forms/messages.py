"""What a person says about a letter."""

from django import forms
from django.utils.translation import gettext_lazy as _

from clinic.actions.outbox import Settlement
from clinic.forms import words


class SettleMessageForm(words.Form):
    outcome = forms.ChoiceField(
        label=_("What became of it"),
        choices=Settlement.choices,
        error_messages={"invalid_choice": _("Say whether it arrived, did not, or was told another way.")},
    )
