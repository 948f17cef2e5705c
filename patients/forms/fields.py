"""Fields that several forms of this floor ask for in the same way."""

import re
from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from phonenumber_field.formfields import PhoneNumberField

from patients.search import birth_date_in


def _no_date(text: str) -> str:
    """Return the sentence for what is not a date: a year of two digits, a way of writing we do not read, a day that never was."""
    if re.search(r"\d{4}", text):
        # With another day and year in its place: what can be read then was written as it should be.
        if birth_date_in(re.sub(r"\b\d{1,2}\b", "1", re.sub(r"\d{4}", "1984", text))) is not None:
            return gettext("There is no such day. The month comes first: 5/17/1984 is 17 May 1984.")
        return gettext("This way of writing a date is not understood. Write 5/17/1984, the month first, or 1984-05-17.")
    return gettext("Write the birth date with the year in four digits, for example 5/17/1984.")


class BirthDateField(forms.CharField):
    """A birth date as people write it, with the year in four digits. The month comes first in 5/17/1984."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("label", _("Birth date"))
        kwargs.setdefault("help_text", _("For example 5/17/1984 or 1984-05-17."))
        kwargs.setdefault("max_length", 30)
        kwargs.setdefault("error_messages", {"required": _("Enter the birth date.")})
        kwargs.setdefault(
            "widget",
            forms.TextInput(attrs={"class": "field-short", "autocomplete": "off"}),
        )
        super().__init__(**kwargs)

    def prepare_value(self, value: Any) -> Any:
        return f"{value.month}/{value.day}/{value.year}" if isinstance(value, date) else value

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        born = birth_date_in(text)
        if born is None:
            raise ValidationError(_no_date(text), code="invalid")
        return born


class PhoneField(PhoneNumberField):  # type: ignore[misc]  # phonenumber_field ships no types
    """A phone as people write it in the United States; cleaned to E.164, like "+13035550188"."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("region", "US")
        kwargs.setdefault("label", _("Phone"))
        kwargs.setdefault(
            "error_messages", {"invalid": _("Enter a phone with its area code, for example (303) 555-0188.")}
        )
        super().__init__(**kwargs)
        self.widget.attrs |= {"autocomplete": "tel", "inputmode": "tel", "class": "field-medium"}

    def clean(self, value: Any) -> str:
        number = super().clean(value)
        if number and number.extension:
            # E.164 has no place for it, and half a number reaches nobody.
            raise ValidationError(
                _("Enter the number without its extension; there is no place for one."), code="extension"
            )
        return str(number.as_e164) if number else ""


class AskedField(forms.TypedChoiceField):
    """A question with three answers: yes, no, and that nobody asked yet, which is the first. Cleaned to a bool or None."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs["choices"] = [("", _("Not asked")), ("yes", _("Yes")), ("no", _("No"))]
        super().__init__(coerce=lambda answer: answer == "yes", empty_value=None, required=False, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return {True: "yes", False: "no", None: ""}.get(value, value)


class LongText(forms.CharField):
    """Several lines of words."""

    def __init__(self, *, rows: int = 4, **kwargs: Any) -> None:
        kwargs["widget"] = forms.Textarea(attrs={"rows": rows})
        super().__init__(**kwargs)
