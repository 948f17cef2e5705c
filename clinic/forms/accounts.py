"""What is asked of people who come in: the code form that only patients get anything by, and an invitation's answer."""

from typing import Any

from allauth.account.forms import RequestLoginCodeForm as AllauthRequestLoginCodeForm
from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from clinic.models import User


class RequestLoginCodeForm(AllauthRequestLoginCodeForm):  # type: ignore[misc]  # allauth ships no types
    """The same answer to everybody; a code only to patients who may sign in, at the address on their account."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].label = _("Your e-mail address")
        self.fields["email"].widget.attrs.pop("placeholder", None)

    def clean_email(self) -> str:
        """Return the address. Refuses only too many requests; who the address belongs to is nobody's business."""
        email: str = super().clean_email()
        patients = User.objects.filter(kind=User.Kind.PATIENT, is_active=True)
        self._user = patients.filter(email=email.lower()).first()
        return email


class JoinForm(forms.Form):
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
