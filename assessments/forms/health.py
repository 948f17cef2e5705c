"""What is asked about one health fact. Shape only; what a body can have is decided with the record (``actions/health.py``).

Nothing is filled in beforehand, also when an entry is corrected: the old value is shown beside the form, and the new one is entered
by somebody who looked.
"""

import copy
import re
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django import forms
from django.utils.text import capfirst
from django.utils.translation import gettext as gettext_now
from django.utils.translation import gettext_lazy as _

from assessments import healthwords, plausible
from assessments.facts import ConditionKind
from assessments.medicines import MedicineClass
from assessments.models import Allergy, Condition, Measurement, Medication, Source
from clinic import localtime
from clinic.forms import words
from clinic.forms.words import spoken

YES_NO = [("yes", _("Yes")), ("no", _("No")), ("unknown", _("Asked, and not known"))]
NONE = "none"
# Beside the kinds of measurement: several of them on one page.
VITALS = "vitals"
ICD10 = re.compile(r"[A-TV-Z][0-9][0-9A-Z](\.[0-9A-Z]{1,4})?")


class YesNoField(forms.TypedChoiceField):
    """A question answered with yes, no, or "asked, and not known"; cleaned to a bool or None. Never answered beforehand."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            choices=YES_NO, coerce={"yes": True, "no": False, "unknown": None}.__getitem__, empty_value=None,
            widget=forms.RadioSelect, **kwargs,
        )  # fmt: skip


def _number(label: Any, unit: str, *, is_whole: bool = False, **kwargs: Any) -> forms.DecimalField:
    attrs = {"inputmode": "numeric" if is_whole else "decimal", "class": "field-short", "autocomplete": "off"}
    widget = forms.TextInput(attrs=attrs | ({"data-unit": unit} if unit else {}))
    return forms.DecimalField(label=label, max_digits=7, decimal_places=2, widget=widget, localize=False, **kwargs)


def _day(label: Any, help_text: Any = "") -> forms.DateField:
    widget = forms.DateInput(attrs={"type": "date", "class": "field-short"}, format="%Y-%m-%d")
    return forms.DateField(label=label, required=False, help_text=help_text, widget=widget)


def _text(label: Any, longest: int, **kwargs: Any) -> forms.CharField:
    attrs = {"autocomplete": "off", **kwargs.pop("attrs", {})}
    return forms.CharField(label=label, max_length=longest, widget=forms.TextInput(attrs=attrs), **kwargs)


class CodeField(forms.CharField):
    """An ICD-10-CM code, cleaned to capitals. Whether the code exists is not looked up; what cannot be one is refused."""

    def __init__(self) -> None:
        widget = forms.TextInput(attrs={"autocomplete": "off", "class": "field-short", "autocapitalize": "characters"})
        super().__init__(label=_("ICD-10-CM code"), max_length=10, required=False, widget=widget)

    def clean(self, value: Any) -> Any:
        code = super().clean(value).upper()
        if code and not ICD10.fullmatch(code):
            raise forms.ValidationError(
                gettext_now("An ICD-10-CM code looks like F33.2 or F43.10. Check it, or leave it out.")
            )
        return code


class FactForm(words.Form):
    """What every fact is asked: who said so, when it held, a note, and for a correction why."""

    # A measurement has an hour; what was said holds for a day.
    has_hour: ClassVar[bool] = False

    source = forms.ChoiceField(label=_("Who said so?"), choices=spoken(Source.choices), widget=forms.RadioSelect)
    on = _day(_("On which day?"), _("Empty: just now."))
    clock = forms.TimeField(
        label=_("At what time?"), required=False,
        widget=forms.TimeInput(attrs={"type": "time", "class": "field-short"}, format="%H:%M"),
    )  # fmt: skip
    note = _text(_("Note"), 500, required=False)
    correction_reason = _text(
        _("Why is it corrected?"), 200, help_text=_("The old entry stays readable beside the new one.")
    )

    def __init__(self, data: Any = None, *, now: datetime, tz: ZoneInfo, corrects_at: datetime | None = None) -> None:
        super().__init__(data)
        self.now, self.tz, self.corrects_at = now, tz, corrects_at
        shared = ["source", "on", "clock", "note", "correction_reason"]
        self.order_fields([name for name in self.fields if name not in shared] + shared)
        if not self.has_hour:
            del self.fields["clock"]
        if corrects_at is None:
            del self.fields["correction_reason"]
        else:
            as_before = gettext_now("Empty: as before, %(when)s.") % {"when": localtime.moment_text(corrects_at, tz)}
            self.fields["on"].help_text = as_before

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        day, clock = data.get("on"), data.get("clock")
        if self.has_hour and bool(day) != bool(clock) and not {"on", "clock"} & set(self.errors):
            self.add_error("clock" if day else "on", gettext_now("Enter both the day and the time, or neither."))
        if day and day > localtime.day_of(self.now, self.tz):
            # Said here already: the last day of the calendar has no moment in every zone.
            self.add_error("on", gettext_now("This time is still to come. Enter when it was measured, or said."))
        return data

    @property
    def at(self) -> datetime:
        """Return when it held: as entered, or just now; for a correction as before. A day without an hour is its noon, today's is now."""
        day: date | None = self.cleaned_data.get("on")
        clock: time | None = self.cleaned_data.get("clock")
        if day is None:
            return self.corrects_at or self.now
        if clock is None:
            return self.now if day == localtime.day_of(self.now, self.tz) else localtime.at(day, time(12), self.tz)
        return localtime.at(day, clock, self.tz)

    def said(self) -> dict[str, Any]:
        """Return everything that was entered, as the actions take it."""
        data = self.cleaned_data
        carried = {"source": data["source"], "at": self.at, "note": data["note"]}
        if "correction_reason" in data:
            carried["correction_reason"] = data["correction_reason"]
        return carried | self.values()

    def values(self) -> dict[str, Any]:
        """Return the columns that say what the fact is."""
        shared = {"source", "on", "clock", "note", "correction_reason"}
        return {name: value for name, value in self.cleaned_data.items() if name not in shared}


class RecordConditionForm(FactForm):
    kind = forms.ChoiceField(
        label=_("Condition"),
        choices=lambda: [("", _("Choose one")), *sorted(((kind.value, capfirst(str(kind.label))) for kind in ConditionKind), key=lambda one: one[1])],
    )  # fmt: skip
    state = forms.ChoiceField(
        label=_("How does it stand?"), choices=spoken(Condition.State.choices), widget=forms.RadioSelect
    )
    onset_on = _day(_("Since, or day of the event"), _("Of several events, the last one."))
    resolved_on = _day(_("Over since"))
    icd10 = CodeField()


class RecordDiagnosisForm(FactForm):
    text = _text(_("Diagnosis"), 200)
    icd10 = CodeField()
    indication = forms.ChoiceField(
        label=_("Is the patient treated for it here?"), widget=forms.RadioSelect,
        choices=[*spoken(healthwords.INDICATIONS.items()), (NONE, _("No, it is something else"))],
    )  # fmt: skip

    def values(self) -> dict[str, Any]:
        values = super().values()
        return values | {"indication": "" if values["indication"] == NONE else values["indication"]}


class RecordAllergyForm(FactForm):
    substance = _text(_("Allergic to"), 120)
    agent = forms.ChoiceField(
        label=_("What is that?"), widget=forms.RadioSelect,
        choices=[*spoken(Allergy.Agent.choices), (NONE, _("Not sure: somebody has to check"))],
    )  # fmt: skip
    reaction = _text(_("What happens?"), 200, required=False)

    def values(self) -> dict[str, Any]:
        values = super().values()
        return values | {"agent": "" if values["agent"] == NONE else values["agent"]}


class RecordMedicationForm(FactForm):
    text = _text(
        _("Medicine"),
        200,
        help_text=_("As it stands on the bottle or as the patient says it; one medicine to an entry."),
    )
    dose = _text(_("How much and how often"), 120, required=False)
    taking = forms.ChoiceField(
        label=_("Is it taken now?"), choices=spoken(Medication.Taking.choices), widget=forms.RadioSelect
    )


class RecordTrialForm(FactForm):
    treatment = _text(_("Treatment"), 120, help_text=_("A medicine, a therapy, TMS, ECT."))
    max_dose = _text(_("Highest dose"), 60, required=False)
    weeks = forms.IntegerField(
        label=_("For how many weeks?"), required=False, min_value=0, max_value=2600,
        widget=forms.TextInput(attrs={"data-unit": "weeks", "inputmode": "numeric", "class": "field-short", "autocomplete": "off"}),
    )  # fmt: skip
    is_adequate = YesNoField(label=_("Was it enough, and for long enough?"))
    has_failed = YesNoField(label=_("Did it fail to help enough?"))
    in_current_episode = YesNoField(label=_("Was it in the present episode?"))
    outcome = _text(_("What came of it?"), 200, required=False)


class RecordFamilyHistoryForm(FactForm):
    psychosis = YesNoField(label=_("Has anybody in the family had psychosis?"))
    is_first_degree = YesNoField(label=_("If so: a parent, brother, sister or child?"), required=False)

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if data.get("psychosis") is True and not self.data.get("is_first_degree"):
            self.add_error("is_first_degree", gettext_now("Say whether it was a parent, brother, sister or child."))
        return data

    def values(self) -> dict[str, Any]:
        values = super().values()
        return values if values["psychosis"] else values | {"is_first_degree": None}


class RecordStatementForm(FactForm):
    """One question of screening; which one is in the address and on the page."""

    value = YesNoField(label=_("Answer"))

    def __init__(self, data: Any = None, *, question: Any = "", **more: Any) -> None:
        super().__init__(data, **more)
        self.fields["value"].label = question


class RecordMeasurementForm(FactForm):
    """One measurement; its fields are those of its kind, each with its unit."""

    has_hour = True
    FIELDS: ClassVar[dict[str, tuple[str, ...]]] = {
        "blood_pressure": ("systolic", "diastolic"),
        "heart_rate": ("heart_rate",),
        "oxygen_saturation": ("saturation",),
        "weight": ("weight", "weight_unit"),
        "vitals": ("systolic", "diastolic", "heart_rate", "saturation", "weight", "weight_unit"),
        "height": ("height", "height_unit"),
        "liver_test": ("alt", "alt_limit", "ast", "ast_limit"),
        "pregnancy_test": ("result",),
        "urine_drug_screen": ("result",),
        "ecg": ("result",),
        "urinalysis": ("result",),
        "tsh": ("result",),
    }
    RESULTS: ClassVar[dict[str, tuple[str, ...]]] = {
        kind: (("positive", "negative", "unreadable") if kind in {"pregnancy_test", "urine_drug_screen"} else ("normal", "abnormal"))
        for kind, fields in FIELDS.items()
        if fields == ("result",)
    }  # fmt: skip

    systolic = _number(_("Systolic (the upper number)"), "mmHg", is_whole=True)
    diastolic = _number(_("Diastolic (the lower number)"), "mmHg", is_whole=True)
    heart_rate = _number(_("Heart rate"), "/min", is_whole=True)
    saturation = _number(_("Oxygen saturation on room air"), "%", is_whole=True)
    weight = _number(_("Weight"), "", help_text=_("Kept in kg to a hundredth; both are shown."))
    weight_unit = forms.ChoiceField(label=_("In"), choices=[("lb", _("Pounds (lb)")), ("kg", _("Kilograms (kg)"))], widget=forms.RadioSelect)  # fmt: skip
    # Asked only when the weight is far from the one before.
    looked_again = forms.BooleanField(label=_("I looked again: the number and the unit are right"), required=False)
    height = _number(_("Height"), "")
    height_unit = forms.ChoiceField(label=_("In"), choices=[("in", _("Inches (in)")), ("cm", _("Centimeters (cm)"))], widget=forms.RadioSelect)  # fmt: skip
    alt = _number(_("ALT"), "U/L", required=False)
    alt_limit = _number(_("The laboratory’s upper limit for ALT"), "U/L", required=False)
    ast = _number(_("AST"), "U/L", required=False)
    ast_limit = _number(_("The laboratory’s upper limit for AST"), "U/L", required=False)
    result = forms.ChoiceField(label=_("Result"), choices=spoken(Measurement.Result.choices), widget=forms.RadioSelect)

    def __init__(self, data: Any = None, *, kind: str, **more: Any) -> None:
        super().__init__(data, **more)
        self.kind = kind
        own = (*self.FIELDS[kind], *(["looked_again"] if "looked_again" in self.data else []))
        for name in {name for names in self.FIELDS.values() for name in names}.union({"looked_again"}).difference(own):
            del self.fields[name]
        self.fields["source"].label = _("Who measured it?")
        if kind in self.RESULTS:
            choices = [one for one in spoken(Measurement.Result.choices) if one[0] in self.RESULTS[kind]]
            self.offer("result", choices)

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if self.kind == "liver_test":
            self._check_liver(data)
        return data

    def _check_liver(self, data: dict[str, Any]) -> None:
        if not self.errors and data.get("alt") is None and data.get("ast") is None:
            self.add_error("alt", gettext_now("Enter ALT, AST or both, each with the laboratory’s upper limit."))
        for name in ("alt", "ast"):
            value, limit = data.get(name), data.get(f"{name}_limit")
            if limit is not None and limit <= 0:
                self.add_error(f"{name}_limit", gettext_now("The upper limit is more than 0."))
            elif (value is None) != (limit is None) and not {name, f"{name}_limit"} & set(self.errors):
                self.add_error(
                    f"{name}_limit" if limit is None else name, gettext_now("Enter the result and its upper limit.")
                )

    def ask_again(self, why: str) -> None:
        """Ask whether the writer looked again, and say why."""
        self.fields["looked_again"] = copy.deepcopy(self.base_fields["looked_again"])
        self.order_fields([*self.FIELDS[self.kind], "looked_again"])
        self.add_error("looked_again", why)

    def values(self) -> dict[str, Any]:
        data = self.cleaned_data
        first: Decimal | None = None
        second: Decimal | None = None
        match self.kind:
            case "blood_pressure":
                first, second = data["systolic"], data["diastolic"]
            case "heart_rate":
                first = data["heart_rate"]
            case "oxygen_saturation":
                first = data["saturation"]
            case "weight":
                first = plausible.kilograms(data["weight"]) if data["weight_unit"] == "lb" else data["weight"]
            case "height":
                first = plausible.centimetres(data["height"]) if data["height_unit"] == "in" else data["height"]
            case "liver_test":
                first, second = self._times("alt"), self._times("ast")
        return {"kind": self.kind, "first": first, "second": second, "result": data.get("result", "")}

    def said(self) -> dict[str, Any]:
        """Return the entry; the numbers of the laboratory's sheet stay readable in the note."""
        said = super().said() | {"looked_again": bool(self.cleaned_data.get("looked_again"))}
        sheet = [
            f"{name.upper()} {self.cleaned_data[name]} U/L (≤ {self.cleaned_data[f'{name}_limit']})"
            for name in ("alt", "ast")
            if self.kind == "liver_test" and self.cleaned_data[name] is not None
        ]
        return said | {"note": ". ".join(part for part in (", ".join(sheet), said["note"]) if part)[:500]}

    def _times(self, name: str) -> Decimal | None:
        value = self.cleaned_data[name]
        return None if value is None else plausible.times_uln(value, self.cleaned_data[f"{name}_limit"])


class RecordVitalsForm(RecordMeasurementForm):
    """What is measured in one go at a visit, on one page. What was not measured stays empty, and nothing is recorded of it."""

    PARTS: ClassVar[dict[str, tuple[str, ...]]] = {
        kind: RecordMeasurementForm.FIELDS[kind]
        for kind in ("blood_pressure", "heart_rate", "oxygen_saturation", "weight")
    }

    def __init__(self, data: Any = None, **more: Any) -> None:
        super().__init__(data, kind=VITALS, **more)
        for names in self.PARTS.values():
            for name in names:
                self.fields[name].required = False

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if self.errors:
            return data
        if (data.get("systolic") is None) != (data.get("diastolic") is None):
            missing = "systolic" if data.get("systolic") is None else "diastolic"
            self.add_error(missing, gettext_now("Enter both numbers of the blood pressure, or neither."))
        if data.get("weight") is not None and not data.get("weight_unit"):
            self.add_error("weight_unit", gettext_now("Choose pounds or kilograms."))
        if not self._measured(data):
            self.add_error(None, gettext_now("Enter at least one value."))
        return data

    def _measured(self, data: dict[str, Any]) -> list[str]:
        return [kind for kind, names in self.PARTS.items() if data.get(names[0]) is not None]

    def entries(self) -> list[dict[str, Any]]:
        """Return what was measured, one dictionary of a measurement's columns each."""
        found, own = [], self.kind
        for kind in self._measured(self.cleaned_data):
            self.kind = kind
            found.append(self.values() | {"result": ""})
        self.kind = own
        return found


class TakeBackFactForm(words.Form):
    """Why an entry is taken back."""

    reason = _text(
        _("Why is it taken back?"),
        200,
        help_text=_("It stays readable, struck through. For example: another patient’s."),
    )


class ConfirmMedicineForm(words.Form):
    """What a prescriber says a line about medicines is."""

    classes = forms.MultipleChoiceField(
        label=_("It belongs to"), required=False, widget=forms.CheckboxSelectMultiple,
        choices=spoken((one.value, one.label) for one in MedicineClass),
        help_text=_("Choose every class it belongs to."),
    )  # fmt: skip
    none = forms.BooleanField(label=_("None of these classes"), required=False)
    lorazepam_mg_a_day = _number(
        _("A benzodiazepine: as much as how much lorazepam a day?"), "mg", required=False,
        help_text=_("The whole day’s amount of this line, converted."),
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if bool(data.get("classes")) == bool(data.get("none")):
            self.add_error("classes", gettext_now("Choose the classes it belongs to, or say that it is none of them."))
        amount = data.get("lorazepam_mg_a_day")
        if amount is not None and not 0 < amount <= 1000:
            self.add_error("lorazepam_mg_a_day", gettext_now("Enter more than 0 and at most 1000 mg."))
        return data
