"""What is asked of those who sign a consent, take one back, or settle a doubt about capacity."""

import uuid
from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from clinic.forms import words
from clinic.forms.signatures import SignatureFields
from clinic.forms.words import spoken
from patients.models import ConsentWithdrawal

from .fields import LongText

PERSON = {"autocomplete": "off", "autocapitalize": "words", "spellcheck": "false"}


class SignConsentForm(SignatureFields):
    """Read, name, proof. ``seen`` is the hash of the words above it, ``entry_key`` belongs to this showing of the form."""

    has_read = forms.BooleanField(
        label=_("I have read all of this, or somebody has read it to me."),
        error_messages={"required": _("Tick this when you have read the text above.")},
    )
    typed_name = forms.CharField(
        label=_("Your whole legal name"),
        max_length=200,
        widget=forms.TextInput(attrs={**PERSON, "class": "field-medium"}),
    )
    interpreter = forms.CharField(
        label=_("Who read it to you in your language"), max_length=120, required=False,
        help_text=_("Their name. Leave this empty if you read it yourself."), widget=forms.TextInput(attrs=PERSON),
    )  # fmt: skip
    entry_key = forms.UUIDField(widget=forms.HiddenInput)
    seen = forms.CharField(max_length=64, widget=forms.HiddenInput)

    def __init__(self, *args: Any, seen: str, legal_name: str, interpreter: bool, **kwargs: Any) -> None:
        kwargs["initial"] = {"entry_key": uuid.uuid4(), "seen": seen, **kwargs.get("initial", {})}
        super().__init__(*args, **kwargs)
        self.fields["typed_name"].help_text = _("As it is in our records: %(name)s") % {"name": legal_name}
        if not interpreter:
            del self.fields["interpreter"]


class TakeConsentForm(SignConsentForm):
    """The same beside a clinician: by the patient with a code, or seen on paper by the clinician, whose proof it then asks for."""

    def __init__(self, *args: Any, on_paper: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["typed_name"].label = _("The patient’s whole legal name")
        self.fields["interpreter"].label = _("Who read it to them in their language")
        self.fields["interpreter"].help_text = _("The interpreter’s name. Leave this empty if there was none.")
        self.fields["has_read"].label = (
            _("I saw the patient read this text and sign the printed page, and I answered their questions.")
            if on_paper
            else _("The patient has read all of this, or somebody has read it to them.")
        )


class WithdrawMyConsentForm(words.Form):
    words = LongText(
        label=_("Would you like to say why?"), max_length=500, rows=3, required=False,
        help_text=_("You do not have to. Your care team reads it."),
    )  # fmt: skip


class WithdrawConsentForm(words.Form):
    """At the desk: which of this patient's standing consents, and how it was said."""

    consent = forms.ChoiceField(label=_("What do they take back?"), widget=forms.RadioSelect)
    how = forms.ChoiceField(
        label=_("How did they say it?"), widget=forms.RadioSelect,
        choices=spoken((how.value, how.label) for how in ConsentWithdrawal.How if how != ConsentWithdrawal.How.PORTAL),
    )  # fmt: skip
    words = LongText(
        label=_("In their words"), max_length=500, rows=3, required=False,
        help_text=_("Only if they gave a reason. Nobody has to."),
    )  # fmt: skip

    def __init__(self, *args: Any, standing: Iterable[tuple[Any, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.standing = {str(consent.pk): consent for consent, _name in standing}
        self.offer("consent", [(str(consent.pk), name) for consent, name in standing])

    def chosen(self) -> Any:
        """Return the consent: one of those offered, whatever was posted."""
        return self.standing[self.cleaned_data["consent"]]


class SettleCapacityConcernForm(words.Form):
    found = LongText(
        label=_("What you found"), min_length=10, max_length=500, rows=3,
        help_text=_("Whether they understand what they would agree to, and how you know. It stays on record."),
        error_messages={"min_length": _("Say in a sentence how you know.")},
    )  # fmt: skip
