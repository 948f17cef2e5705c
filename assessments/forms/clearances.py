"""What a prescriber fills in at a review: one form for the flags and the decision, signed once. Shape only; nothing has a default."""

import uuid
from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from assessments.actions.flags import Override
from assessments.models import Clearance, ScreeningFlag
from clinic.forms import words
from clinic.forms.signatures import SignatureFields
from patients.models.consents import Route

FORM_ID = "review"
# Beside the label, where the shell would say "(optional)": what is left open is not decided.
NEEDED_WHEN = {"reason": _("(needed for a no and a not yet)"), "workup_words": ""}


class ReviewForm(SignatureFields):
    """``flags`` are the open ones that a prescriber may decide; a flag of which nothing is filled in is not decided.

    The fields lie in two places of the page and belong to one form, which they name.
    """

    def __init__(self, *args: Any, flags: Iterable[ScreeningFlag], asked: Clearance | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.flags = list(flags)
        proof = {name: self.fields.pop(name) for name in list(self.fields)}
        for row in self.flags:
            self.fields.update(self._about(row))
        if asked is not None:
            self.fields.update(self._decision(asked))
        self.fields.update(proof)
        for name, field in self.fields.items():
            # Only what lies outside the form names it: Chromium unchecks a radio button that is checked, inside, and names it.
            if name.partition("-")[2]:
                field.widget.attrs["form"] = FORM_ID
            field.needed_when = NEEDED_WHEN.get(name, "\u00a0")  # type: ignore[attr-defined]  # read by the field's template

    def _about(self, row: ScreeningFlag) -> dict[str, forms.Field]:
        plan_help = row.flag.what_override_needs
        return {
            f"reason-{row.pk}": forms.ChoiceField(
                label=_("Why it may go ahead"), required=False, choices=[("", _("Not decided")), *ScreeningFlag.Reason.choices]
            ),
            f"text-{row.pk}": forms.CharField(
                label=_("In your words"), required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 2})
            ),
            f"plan-{row.pk}": forms.CharField(
                label=_("Plan"), required=False, max_length=2000,
                help_text=plan_help, widget=forms.Textarea(attrs={"rows": 2}),
            ),
        }  # fmt: skip

    def _decision(self, asked: Clearance) -> dict[str, forms.Field]:
        outcomes = [(one.value, str(one.label).capitalize()) for one in Clearance.OUTCOMES]
        # A clearance keeps its route.
        routes = [one for one in Route.choices if asked.route in ("", one[0])]
        return {
            "outcome": forms.ChoiceField(label=_("Decision"), required=False, choices=outcomes, widget=forms.RadioSelect),
            "route": forms.ChoiceField(label=_("Route"), required=False, choices=[("", _("Choose one")), *routes]),
            "max_mg": forms.IntegerField(label=_("At most, mg a dose"), required=False, min_value=1, max_value=9999),
            "max_sessions": forms.IntegerField(label=_("At most, sessions"), required=False, min_value=1, max_value=999),
            "conditions": forms.CharField(
                label=_("Conditions"), required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 2})
            ),
            "workup_words": forms.CharField(
                label=_("Why it may go ahead all the same"), required=False, max_length=1000,
                widget=forms.Textarea(attrs={"rows": 2}),
            ),
            "until": forms.DateField(
                label=_("Looked at again on"), required=False, widget=forms.DateInput(attrs={"type": "date"})
            ),
            "reason": forms.CharField(
                label=_("Reason"), required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 3})
            ),
        }  # fmt: skip

    def about(self, row: ScreeningFlag) -> list[forms.BoundField]:
        """Return the three fields of one flag."""
        return [self[f"{name}-{row.pk}"] for name in ("reason", "text", "plan")]

    def overrides(self) -> list[Override]:
        """Return what was said about the flags of which anything was filled in; half of it is refused where it is decided."""
        said = [
            Override(row.pk, *(self.cleaned_data.get(f"{name}-{row.pk}", "") for name in ("reason", "text", "plan")))
            for row in self.flags
        ]
        return [one for one in said if one.reason_code or one.reason_text or one.plan_text]

    def filled_in(self) -> set[uuid.UUID]:
        """Return the flags about which everything was said, also on a form that was refused."""
        said = {
            row: tuple(bool(self.data.get(f"{name}-{row.pk}", "").strip()) for name in ("reason", "text", "plan"))
            for row in self.flags
        }
        return {row.pk for row, (reason, text, plan) in said.items() if reason and text and (plan or row.flag.is_soft)}

    def decision(self) -> dict[str, Any]:
        """Return the arguments of the decision, as ``reviews.decide`` takes them; what the outcome has no place for is left out."""
        data = self.cleaned_data
        clears = data["outcome"] in Clearance.CLEARED
        return {
            "outcome": data["outcome"],
            "reason": data["reason"],
            "route": data["route"] if clears else "",
            "max_mg": data["max_mg"] if clears else None,
            "max_sessions": data["max_sessions"] if clears else None,
            "conditions": data["conditions"] if clears else "",
            "workup_words": data["workup_words"] if clears else "",
            "until": data["until"] if data["outcome"] == Clearance.Status.DEFERRED else None,
        }

    def has_outcome(self) -> bool:
        """Return whether something is decided about the clearance; without it only the flags are."""
        return bool(self.cleaned_data.get("outcome"))


class SeenForm(words.Form):
    """Which version of the clearance the sender saw."""

    seen_version = forms.IntegerField(required=False, min_value=0, max_value=2**31 - 1)

    def version(self) -> int:
        """Return the version; 0, which none has, when the page named none."""
        return int(self.cleaned_data["seen_version"] or 0)


class WithdrawClearanceForm(words.Form):
    """What the patient said, if they said why."""

    reason = forms.CharField(
        label=_("What they said"), required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Nobody has to give a reason. Write down how they told you: on the phone, at a visit."),
    )  # fmt: skip


class AcknowledgeFlagsForm(words.Form):
    """Which flags were seen."""

    flags = forms.TypedMultipleChoiceField(coerce=uuid.UUID, choices=())

    def __init__(self, *args: Any, flags: Iterable[ScreeningFlag], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rows = {row.pk: row for row in flags}
        self.offer("flags", [(str(pk), str(pk)) for pk in self.rows])

    def chosen(self) -> list[ScreeningFlag]:
        return [self.rows[pk] for pk in self.cleaned_data["flags"]]
