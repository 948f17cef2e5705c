"""What is asked about an enquiry: by the public page, and by the desk."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from clinic.forms import words
from clinic.forms.words import spoken
from clinic.models import Location
from patients.models import Referral

from .fields import LongText, PhoneField


class _AskForm(words.Form):
    """The facts of an enquiry. The order is the order in which people say them."""

    MISSING = {
        "given_name": _("Enter the first name."),
        "family_name": _("Enter the last name."),
        "location": _("Choose a location."),
        "reach_by": _("Choose by e-mail or by phone."),
    }

    entry_key = forms.UUIDField(required=False, widget=forms.HiddenInput)
    location = forms.ChoiceField(label=_("Where would you like to come?"), widget=forms.RadioSelect)
    given_name = forms.CharField(
        label=_("First name"), max_length=80, widget=forms.TextInput(attrs={"autocomplete": "given-name"})
    )
    family_name = forms.CharField(
        label=_("Last name"), max_length=80, widget=forms.TextInput(attrs={"autocomplete": "family-name"})
    )
    email = forms.EmailField(
        label=_("E-mail"), max_length=254, required=False, widget=forms.EmailInput(attrs={"autocomplete": "email"})
    )
    phone = PhoneField(required=False)
    reach_by = forms.ChoiceField(
        label=_("How should we reach you?"),
        choices=[(Referral.Reach.EMAIL, _("By e-mail")), (Referral.Reach.PHONE, _("By phone: please call"))],
        widget=forms.RadioSelect,
    )
    message = LongText(label=_("Anything you would like us to know"), max_length=2000, required=False)

    def __init__(self, *args: Any, locations: Iterable[Location], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, sentence in self.MISSING.items():
            self.fields[name].error_messages["required"] = sentence
        # Neither is optional for who chose it; "(optional)" beside the field said so.
        self.fields["email"].needed_when = _("(if by e-mail)")  # type: ignore[attr-defined]  # read by the template
        self.fields["phone"].needed_when = _("(if by phone)")  # type: ignore[attr-defined]  # the same
        self.locations = {str(place.pk): place for place in locations}
        choices = [(key, f"{place.name} · {place.street}") for key, place in self.locations.items()]
        self.offer("location", choices)
        if len(choices) == 1:
            self.fields["location"].initial = choices[0][0]

    def clean_location(self) -> Location:
        return self.locations[self.cleaned_data["location"]]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        reach = data.get("reach_by")
        if reach == Referral.Reach.EMAIL and not data.get("email") and "email" not in self.errors:
            self.add_error("email", ValidationError(_("Enter an e-mail, or choose to be called instead.")))
        if reach == Referral.Reach.PHONE and not data.get("phone") and "phone" not in self.errors:
            self.add_error("phone", ValidationError(_("Enter a phone, or choose to be written to instead.")))
        return data


class EnquireForm(_AskForm):
    """The public page's form. ``website`` is for machines only; where a browser filled it in, it is shown to be emptied."""

    agrees_to_email = forms.BooleanField(
        label=_("You may write to me by e-mail about my visits"),
        help_text=_("Only dates and times, nothing about your health. You can change this at any time."),
        required=False,
    )
    website = forms.CharField(label=_("Leave this empty"), required=False, max_length=200)

    field_order = (
        "entry_key", "given_name", "family_name", "reach_by", "email", "phone", "location", "message", "agrees_to_email",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["message"].help_text = _(
            "A few words are enough. Please leave out details of your health; we will ask about them in person."
        )

    def clean_website(self) -> str:
        """Refuse what only machines fill in, in words: a browser may have filled it in for somebody who needs an answer."""
        if str(self.cleaned_data["website"]).strip():
            raise ValidationError(
                _("Your browser filled in a field that has to stay empty. Empty it, then send again, or call us.")
            )
        return ""


class EnterReferralForm(_AskForm):
    """The same facts, taken down at the desk."""

    source = forms.ChoiceField(
        label=_("How did they come to us?"),
        choices=[
            (Referral.Source.PHONE, _("They called")),
            (Referral.Source.CLINICIAN, _("Another clinician sent them")),
        ],
        widget=forms.RadioSelect,
    )
    agrees_to_email = forms.BooleanField(label=_("They agree to e-mails about visits"), required=False)

    field_order = (
        "entry_key", "source", "given_name", "family_name", "phone", "email", "reach_by", "agrees_to_email", "message",
        "location",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["location"].label = _("Location")
        self.fields["reach_by"].label = _("How should we reach them?")
        self.fields["message"].label = _("What they said")
        for name in ("given_name", "family_name", "email", "phone"):
            self.fields[name].widget.attrs["autocomplete"] = "off"


class DeclineReferralForm(words.Form):
    reason = forms.ChoiceField(
        label=_("Why can we not see this person?"),
        choices=spoken(Referral.DeclineReason.choices),
        widget=forms.RadioSelect,
    )
    note = LongText(
        label=_("Note for colleagues"), max_length=500, required=False, rows=3,
        help_text=_("What was said, and where we sent them instead."),
    )  # fmt: skip


class LinkReferralForm(words.Form):
    patient = forms.UUIDField(widget=forms.HiddenInput)


class UnlinkReferralForm(words.Form):
    reason = forms.ChoiceField(
        label=_("Why is it not this patient's?"),
        choices=spoken(Referral.UnlinkReason.choices),
        widget=forms.RadioSelect,
        error_messages=dict.fromkeys(("required", "invalid_choice"), _("Say why it is not this patient's.")),
    )
