"""What is asked of somebody who signs: their own secrets, and on a shared screen who they are. Never kept, never shown again."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from clinic.actions import signatures
from clinic.actions.signatures import Proof
from clinic.forms import words
from clinic.models import User

# Longer than any password one types or a manager of passwords makes.
LONGEST_PASSWORD = 256


class OneTimeCode(forms.PasswordInput):
    """A code one can read while typing it; it is not written back into a refused form, because it may be used up."""

    input_type = "text"


class SignatureFields(words.Form):
    """The part of a form that is signed; ``templates/components/sign.html`` shows it.

    ``signer`` is who signs on their own; ``signers`` are the colleagues among whom one is chosen who signs on this
    screen. Give exactly one of the two. ``code_url`` is where a patient asks for a code, if not on their own page.
    """

    def __init__(
        self, *args: Any, signer: User | None = None, signers: Iterable[User] = (), code_url: str = "", **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.sole_signer = signer
        self.signers = {str(user.pk): user for user in signers}
        self.by_letter = signer is not None and signer.is_patient
        self.is_demo = bool(settings.DEMO_MODE)
        self.demo = signatures.DEMO_PROOF
        self.needs_app = signer is not None and signer.is_staff_member and not signatures.has_code_app(signer)
        self.code_url = (code_url or reverse("clinic:mail_signing_code")) if self.by_letter else ""
        if signer is None:
            self.fields["signer"] = forms.ChoiceField(
                label=_("Who signs"),
                choices=[("", _("Choose one")), *((pk, user.name) for pk, user in self.signers.items())],
            )
        if not self.by_letter:
            self.fields["password"] = forms.CharField(
                label=_("Password"), max_length=LONGEST_PASSWORD, strip=False,
                widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "class": "field-medium"}),
            )  # fmt: skip
        self.fields["code"] = forms.CharField(
            label=_("Code from the letter") if self.by_letter else _("Code"),
            max_length=40,
            help_text=_("Six letters. Capitals or not does not matter.")
            if self.by_letter
            else _("The one your authenticator app shows now, or a recovery code."),
            widget=OneTimeCode(
                attrs={
                    "autocomplete": "one-time-code", "class": "field-short", "autocapitalize": "off", "spellcheck": "false",
                    **({} if self.by_letter else {"inputmode": "numeric"}),
                }
            ),
        )  # fmt: skip

    def proof(self) -> Proof:
        """Return what was shown, for ``signatures.sign``."""
        return Proof(password=self.cleaned_data.get("password", ""), code=self.cleaned_data["code"])

    def chosen_signer(self) -> User:
        """Return who signs: the one this form is for, or the colleague that was chosen among those allowed."""
        return self.sole_signer or self.signers[self.cleaned_data["signer"]]
