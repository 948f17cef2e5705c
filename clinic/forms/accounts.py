"""What is asked of people who come in: the code form that only patients get anything by, and an invitation's answer."""

import contextlib
from collections.abc import Iterator
from typing import Any

from allauth.account.forms import ConfirmLoginCodeForm as AllauthConfirmLoginCodeForm
from allauth.account.forms import LoginForm
from allauth.account.forms import RequestLoginCodeForm as AllauthRequestLoginCodeForm
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from cryptography.exceptions import InvalidSignature
from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput
from django.utils.translation import gettext_lazy as _

from clinic import tokens
from clinic.forms import words
from clinic.models import User


class SignInForm(LoginForm):
    """E-mail and password of staff."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = _("Work e-mail address")
        self.fields["password"].help_text = ""


class RequestLoginCodeForm(AllauthRequestLoginCodeForm):
    """The same answer to everybody; a code only to patients who may sign in, at the address on their account."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].label = _("Your e-mail address")

    def clean_email(self) -> str:
        """Return the address. Refuses only too many requests; who the address belongs to is nobody's business."""
        email: str = super().clean_email()
        patients = User.objects.filter(kind=User.Kind.PATIENT, is_active=True)
        self._user = patients.filter(email=email.lower()).first()
        return email


class ConfirmLoginCodeForm(AllauthConfirmLoginCodeForm):
    """The code of the letter. The session knows only its keyed hash (clinic.accounts.SealedCode)."""

    def clean_code(self) -> str:
        """Return the hash of the code. Refuses any other than the one that was sent."""
        self.cleaned_data["code"] = tokens.hash_of_code(self.cleaned_data["code"])
        code: str = super().clean_code()
        return code


@contextlib.contextmanager
def _malformed_is_refused() -> Iterator[None]:
    """Turn what a made-up credential breaks inside the libraries into the sentence for a wrong one."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, InvalidSignature) as error:
        raise ValidationError(_("This passkey does not fit. Try again, or use another way.")) from error


class _CredentialField(forms.JSONField):
    """What a passkey answers. A number of thousands of digits, or brackets without end, is no answer."""

    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value)
        except (ValueError, RecursionError) as error:
            raise ValidationError(_("This passkey does not fit. Try again, or use another way.")) from error

    def bound_data(self, data: Any, initial: Any) -> Any:
        try:
            return super().bound_data(data, initial)
        except (ValueError, RecursionError):
            return InvalidJSONInput(data)


class _CarefulPasskeyForm(AuthenticateWebAuthnForm):
    credential = _CredentialField(required=True, widget=forms.HiddenInput)

    def clean_credential(self) -> Any:
        with _malformed_is_refused():
            return super().clean_credential()


class ShowPasskeyForm(_CarefulPasskeyForm):
    """A passkey as the second factor of somebody who is signing in."""


class LoginPasskeyForm(_CarefulPasskeyForm, LoginWebAuthnForm):
    """A passkey as the way in."""


class ReauthenticatePasskeyForm(_CarefulPasskeyForm, ReauthenticateWebAuthnForm):
    """A passkey shown again before a change."""


class AddPasskeyForm(AddWebAuthnForm):
    credential = _CredentialField(required=True, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].label = _("Name")
        self.fields["passwordless"].initial = True
        self.fields["passwordless"].label = _("Let it sign me in without anything else")
        self.fields["passwordless"].help_text = _("It then asks for your fingerprint, face or PIN each time.")

    def clean(self) -> dict[str, Any]:
        """Refuse a credential that no device made."""
        with _malformed_is_refused():
            cleaned: dict[str, Any] = super().clean()
        return cleaned


class JoinForm(words.Form):
    """The answer to a staff invitation. Role, location and address are the invitation's and are not asked."""

    name = forms.CharField(label=_("Your name"), max_length=120, help_text=_("As colleagues and patients know you."))
    password = forms.CharField(
        label=_("Choose a password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("At least twelve characters. Four words that do not belong together are easy to remember."),
    )
    password_again = forms.CharField(
        label=_("The same password again"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email

    def clean_name(self) -> str:
        return " ".join(str(self.cleaned_data["name"]).split())

    def clean(self) -> dict[str, Any]:
        """Refuse a password that is weak or that was mistyped the second time."""
        cleaned: dict[str, Any] = super().clean() or {}
        password, again = cleaned.get("password"), cleaned.get("password_again")
        if password:
            try:
                validate_password(password, User(email=self.email, name=cleaned.get("name", "")))
            except ValidationError as error:
                self.add_error("password", error)
        if password and again and password != again:
            self.add_error("password_again", _("The two passwords are not the same."))
        return cleaned
