"""Which of two records stands for both, what is true of the person, and how that is known."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from clinic.forms import words
from patients.actions.patients import Identity, identity_of
from patients.models import Patient
from sessions import merging


class MergeForm(words.Form):
    """The two records are given; what they contradict each other in is chosen field by field, and nothing is chosen beforehand."""

    survivor = forms.ChoiceField(label=_("Which record stands for both from now on?"), widget=forms.RadioSelect)
    reason = forms.CharField(
        label=_("How do you know that this is one person?"), max_length=500, widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Such as: shown a passport, asked by phone on a number known before."),
    )  # fmt: skip
    is_sure = forms.BooleanField(label=_("I compared name, birth date and record number, and asked where they differ."))
    versions = forms.CharField(max_length=40, widget=forms.HiddenInput)

    def __init__(
        self, *args: Any, one: Patient, other: Patient, shown: Mapping[str, tuple[str, str, str]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.people = {str(one.pk): one, str(other.pk): other}
        self.differing = tuple(shown)
        self.fields["survivor"].choices = [(key, f"{who.mrn} · {who.full_name}") for key, who in self.people.items()]  # type: ignore[attr-defined]  # a ChoiceField
        for name, (label, first, second) in shown.items():
            self.fields[name] = forms.ChoiceField(
                label=label, widget=forms.RadioSelect,
                choices=[(str(one.pk), f"{first} ({one.mrn})"), (str(other.pk), f"{second} ({other.mrn})")],
            )  # fmt: skip
        self.fields["versions"].initial = f"{one.version}:{other.version}"
        self.order_fields(["survivor", *shown, "reason", "is_sure", "versions"])

    def clean_versions(self) -> dict[Any, int]:
        given = self.cleaned_data["versions"].split(":")
        if len(given) != 2 or not all(one.isascii() and one.isdigit() for one in given):
            raise forms.ValidationError(_("This page is not complete. Reload it and try again."))
        return {who.pk: int(version) for who, version in zip(self.people.values(), given, strict=True)}

    def chosen(self) -> tuple[Patient, Patient]:
        """Return the record that stays, and the other."""
        survivor = self.people[self.cleaned_data["survivor"]]
        return survivor, next(who for who in self.people.values() if who.pk != survivor.pk)

    def identity(self) -> Identity:
        """Return the survivor's identity with what was chosen of the other's, and with what the other alone says."""
        survivor, loser = (identity_of(patient=who) for who in self.chosen())
        values = asdict(survivor)
        for name, value in asdict(loser).items():
            if values[name] != value and merging.only_one_says(survivor, loser, name) == 1:
                values[name] = value
        for name in self.differing:
            values[name] = getattr(identity_of(patient=self.people[self.cleaned_data[name]]), name)
        return Identity(**values)


class UnmergeForm(words.Form):
    reason = forms.CharField(
        label=_("How do you know that these are two people?"), max_length=500, widget=forms.Textarea(attrs={"rows": 3})
    )
