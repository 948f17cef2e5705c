"""Our own words beside a field, in place of the library's: what to do now, said by what kind of field it is.

A field that has words of its own (``error_messages``) keeps them. Only sentences that are the library's are exchanged,
and those are known by identity: they stand on Django's classes and validators.
"""

from collections.abc import Iterable, Iterator
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

_LIBRARIES = {"django", "phonenumber_field"}

_ANY = object
# By the code of the error, the first kind of field that fits; the general sentence stands last.
_SENTENCES: dict[str, tuple[tuple[type, Any], ...]] = {
    "required": (
        (forms.BooleanField, _("Tick this to go on.")),
        (forms.MultipleChoiceField, _("Choose at least one.")),
        (forms.ChoiceField, _("Choose one.")),
        (forms.DateField, _("Enter the day.")),
        (forms.TimeField, _("Enter the time.")),
        (forms.EmailField, _("Enter the e-mail address.")),
        (_ANY, _("Please fill this in.")),
    ),
    "invalid": (
        (forms.EmailField, _("Enter an e-mail address like name@example.com.")),
        (forms.DateField, _("Write a day like 2027-01-31.")),
        (forms.TimeField, _("Write a time like 09:30.")),
        (forms.DateTimeField, _("Write a day and a time like 2027-01-31 09:30.")),
        (forms.DecimalField, _("Write a number.")),
        (forms.IntegerField, _("Write a whole number.")),
        (forms.UUIDField, _("This page is not complete. Reload it and try again.")),
        (_ANY, _("This cannot be read. Write it again.")),
    ),
    "invalid_choice": ((_ANY, _("Choose one of those offered.")),),
    "invalid_list": ((_ANY, _("Choose from those offered.")),),
    "max_length": ((_ANY, _("This is too long: it has %(show_value)d characters, and there is room for %(limit_value)d.")),),
    "min_length": ((_ANY, _("This is too short: write at least %(limit_value)d characters.")),),
    "max_value": ((_ANY, _("This can be %(limit_value)s at most.")),),
    "min_value": ((_ANY, _("This has to be %(limit_value)s at least.")),),
    "null_characters_not_allowed": ((_ANY, _("There is a character in this that cannot be kept. Write it again.")),),
}  # fmt: skip


def spoken(choices: Iterable[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Return choices whose labels begin with a capital, as answers to a question do."""
    return [(value, capfirst(label)) for value, label in choices]


def _is_the_librarys(field: forms.Field, message: object) -> bool:
    def of_library(thing: type) -> bool:
        return thing.__module__.partition(".")[0] in _LIBRARIES

    declared = [
        words
        for kind in type(field).__mro__
        if of_library(kind)
        for words in kind.__dict__.get("default_error_messages", {}).values()
    ]
    checked = [getattr(check, "message", None) for check in field.validators if of_library(type(check))]
    return any(message is words for words in (*declared, *checked))


def _errors_of(form: forms.BaseForm) -> Iterator[tuple[forms.Field, ValidationError]]:
    for name, errors in form.errors.items():
        if name in form.fields:
            for error in errors.as_data():
                yield form.fields[name], error


def reword(form: forms.BaseForm) -> None:
    """Exchange the library's sentences beside the fields of a form that was checked for ours."""
    for field, error in _errors_of(form):
        kinds = _SENTENCES.get(str(error.code), ())
        words = next((words for kind, words in kinds if isinstance(field, kind)), None)
        if words is not None and _is_the_librarys(field, error.message):
            error.message = words


class Form(forms.Form):
    """The form that every form of the house is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if isinstance(field.widget, forms.Textarea):
                # A browser cuts what is pasted at this length without a word. The server refuses it and keeps it.
                field.widget.attrs.pop("maxlength", None)

    def offered(self, name: str) -> list[tuple[Any, Any]]:
        """Return what the field called ``name`` offers now."""
        field = cast(forms.ChoiceField, self.fields[name])
        return list(cast(Iterable[tuple[Any, Any]], field.choices))

    def offer(self, name: str, choices: Iterable[tuple[Any, Any]]) -> None:
        """Have the field called ``name`` offer these: choices that depend on who asks, and about whom."""
        cast(forms.ChoiceField, self.fields[name]).choices = list(choices)

    def full_clean(self) -> None:
        """Check the form as Django does, and say what is wrong in our own words."""
        super().full_clean()
        if self.is_bound:
            reword(self)
