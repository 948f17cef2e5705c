"""Health facts: what is known of a patient's body, history and medicines, and who said so.

A fact is never edited. A correction is a new row that names the old one in ``corrects``; ``is_retraction`` takes the old one
back and puts nothing in its place. What the facts mean for a dose is in ``assessments/screening``, which reads them as the
plain values of ``assessments/facts.py``.
"""

import uuid
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from assessments import facts
from clinic.models import Record, User
from patients.models import Patient


def _choices(kinds: type[facts.ConditionKind] | type[facts.StatementKind]) -> list[tuple[str, str]]:
    return [(kind.value, kind.value) for kind in kinds]


class HealthFactQuerySet(models.QuerySet["HealthFact"]):
    def standing(self) -> "HealthFactQuerySet":
        """Return the facts that no later row corrects and that take nothing back."""
        later = self.model._default_manager.filter(corrects=OuterRef("pk"))
        return self.filter(is_retraction=False).filter(~Exists(later))

    def for_patient(self, patient: Patient) -> "HealthFactQuerySet":
        return self.filter(patient=patient)


class Source(models.TextChoices):
    """Who said so."""

    PATIENT = "patient", _("the patient")
    CLINICIAN = "clinician", _("a clinician here")
    DOCUMENT = "document", _("a document")
    LABORATORY = "laboratory", _("a laboratory")
    OTHER = "other", _("somebody else")


class HealthFact(Record):
    """What every fact has. Abstract: fields only."""

    # Rows are added and never changed: clinic/grants.py and a trigger.
    is_append_only = True

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    # When it held, was measured or was said; ``recorded_at`` is when we wrote it down.
    at = models.DateTimeField(_("when"))
    recorded_at = models.DateTimeField()
    recorded_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    source = models.CharField(_("who said so"), max_length=12, choices=Source)
    # A prescriber recorded it, or looked at the evidence and confirmed it.
    by_prescriber = models.BooleanField(default=False)
    note = models.CharField(_("note"), max_length=500, blank=True)
    corrects = models.OneToOneField("self", on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    corrects_id: uuid.UUID | None
    correction_reason = models.CharField(_("why it was corrected"), max_length=200, blank=True)
    is_retraction = models.BooleanField(default=False)

    objects = HealthFactQuerySet.as_manager()

    class Meta:
        abstract = True
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=Q(corrects=None, correction_reason="", is_retraction=False)
                | (Q(corrects__isnull=False) & ~Q(correction_reason="")),
                name="%(class)s_correction_has_reason",
            ),
            models.CheckConstraint(
                condition=Q(at__lte=models.F("recorded_at")), name="%(class)s_not_from_the_future"
            ),
        ]  # fmt: skip
        # Serves the chart and screening: one patient's facts of a kind, in order.
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["patient", "-at"], name="%(class)s_by_patient")]


class Condition(HealthFact):
    """A diagnosis or event of the list that screening knows, with how it stands now."""

    class State(models.TextChoices):
        CURRENT = "current", _("present")
        CONTROLLED = "controlled", _("treated and stable")
        UNCONTROLLED = "uncontrolled", _("untreated or unstable")
        PAST = "past", _("past")
        ABSENT = "absent", _("not present")
        UNKNOWN = "unknown", _("not known")

    kind = models.CharField(_("condition"), max_length=40, choices=_choices(facts.ConditionKind))
    state = models.CharField(_("how it stands"), max_length=12, choices=State)
    onset_on = models.DateField(_("since, or day of the event"), null=True, blank=True)
    resolved_on = models.DateField(_("over since"), null=True, blank=True)
    # ICD-10-CM, where somebody coded it.
    icd10 = models.CharField(_("ICD-10-CM"), max_length=10, blank=True)

    class Meta(HealthFact.Meta):
        pass

    def __str__(self) -> str:
        return f"{self.kind} {self.state}"


class Diagnosis(HealthFact):
    """A diagnosis in a clinician's own words with its code: what the patient is treated for, and what else they have."""

    text = models.CharField(_("diagnosis"), max_length=200)
    icd10 = models.CharField(_("ICD-10-CM"), max_length=10, blank=True)
    # What the therapy is for, where it is for this: facts.Indication.
    indication = models.CharField(
        _("treated for it here"),
        max_length=12,
        choices=[(one.value, one.value) for one in facts.Indication],
        blank=True,
    )

    class Meta(HealthFact.Meta):
        pass

    def __str__(self) -> str:
        return self.text


class Allergy(HealthFact):
    class Agent(models.TextChoices):
        KETAMINE = "ketamine", _("ketamine or esketamine")
        EXCIPIENT = "excipient", _("a flavour, sweetener or dye")
        OTHER = "other", _("something else")

    substance = models.CharField(_("allergic to"), max_length=120)
    # "" until somebody coded what was written.
    agent = models.CharField(_("kind"), max_length=10, choices=Agent, blank=True)
    reaction = models.CharField(_("what happens"), max_length=200, blank=True)

    class Meta(HealthFact.Meta):
        pass

    def __str__(self) -> str:
        return self.substance


class Medication(HealthFact):
    """One line of the list of medicines, as it was written."""

    class Taking(models.TextChoices):
        CURRENT = "current", _("taken")
        STOPPED = "stopped", _("stopped")
        UNKNOWN = "unknown", _("not known")

    text = models.CharField(_("medicine"), max_length=200)
    dose = models.CharField(_("how much and how often"), max_length=120, blank=True)
    taking = models.CharField(_("taken now"), max_length=8, choices=Taking)
    # What a person made of the line, class codes of assessments/medicines; None: nobody looked, []: none of the classes.
    confirmed_as = ArrayField(models.CharField(max_length=40), null=True, blank=True)
    lorazepam_mg_a_day = models.DecimalField(
        _("as lorazepam, mg a day"), max_digits=6, decimal_places=2, null=True, blank=True
    )

    class Meta(HealthFact.Meta):
        pass

    def __str__(self) -> str:
        return self.text


class Measurement(HealthFact):
    """Something measured outside a dosing session. ``at`` is when it was measured, or when the sample was taken."""

    class Kind(models.TextChoices):
        BLOOD_PRESSURE = "blood_pressure", _("blood pressure")
        HEART_RATE = "heart_rate", _("heart rate")
        OXYGEN_SATURATION = "oxygen_saturation", _("oxygen saturation")
        WEIGHT = "weight", _("weight")
        HEIGHT = "height", _("height")
        LIVER_TEST = "liver_test", _("liver test")
        PREGNANCY_TEST = "pregnancy_test", _("pregnancy test")
        # The work-up by risk (domain.md 1.5): what was found is in the result, the details in the note.
        ECG = "ecg", _("ECG")
        URINALYSIS = "urinalysis", _("urinalysis")
        TSH = "tsh", _("TSH")
        URINE_DRUG_SCREEN = "urine_drug_screen", _("urine drug screen")

    class Result(models.TextChoices):
        POSITIVE = "positive", _("positive")
        NEGATIVE = "negative", _("negative")
        UNREADABLE = "unreadable", _("could not be read")
        NORMAL = "normal", _("normal")
        ABNORMAL = "abnormal", _("not normal")

    kind = models.CharField(_("what"), max_length=20, choices=Kind)
    # mmHg systolic, beats a minute, per cent, kg, cm, ALT as multiple of the upper limit of normal.
    first = models.DecimalField(max_digits=7, decimal_places=2, null=True, blank=True)
    # mmHg diastolic, AST as multiple of the upper limit of normal.
    second = models.DecimalField(max_digits=7, decimal_places=2, null=True, blank=True)
    result = models.CharField(_("result"), max_length=10, choices=Result, blank=True)

    class Meta(HealthFact.Meta):
        constraints = [
            *HealthFact.Meta.constraints,
            models.CheckConstraint(
                condition=Q(is_retraction=True)
                | Q(kind="blood_pressure", first__isnull=False, second__isnull=False, result="")
                | (Q(kind="liver_test", result="") & (Q(first__isnull=False) | Q(second__isnull=False)))
                | Q(
                    kind__in=["pregnancy_test", "urine_drug_screen"], first=None, second=None,
                    result__in=["positive", "negative", "unreadable"],
                )
                | Q(kind__in=["ecg", "urinalysis", "tsh"], first=None, second=None, result__in=["normal", "abnormal"])
                | Q(
                    kind__in=["heart_rate", "oxygen_saturation", "weight", "height"],
                    first__isnull=False, second=None, result="",
                ),
                name="measurement_has_its_values",
            ),
        ]  # fmt: skip
        indexes = [models.Index(fields=["patient", "kind", "-at"], name="measurement_by_kind")]

    def __str__(self) -> str:
        return self.kind

    @property
    def has_finding(self) -> bool:
        """Return whether it found something that no rule of screening reads: a prescriber has to."""
        is_read_by_rule = self.kind == self.Kind.PREGNANCY_TEST
        return self.result in (self.Result.ABNORMAL, self.Result.POSITIVE) and not is_read_by_rule

    @property
    def counts(self) -> bool:
        """Return whether it may stand for an examination: a strip that could be read, a weight that somebody weighed.

        A dose by weight asks for a measured weight (domain.md 1.1), which what a patient says is not.
        """
        if self.kind == self.Kind.WEIGHT:
            return self.source != Source.PATIENT
        return self.result != self.Result.UNREADABLE


class TreatmentTrial(HealthFact):
    """One treatment that was tried: what, how much, how long, and what came of it. None is "not asked" or "not known"."""

    treatment = models.CharField(_("treatment"), max_length=120)
    max_dose = models.CharField(_("highest dose"), max_length=60, blank=True)
    weeks = models.PositiveIntegerField(_("weeks"), null=True, blank=True)
    is_adequate = models.BooleanField(_("enough, and for long enough"), null=True, blank=True)
    has_failed = models.BooleanField(_("did not help enough"), null=True, blank=True)
    in_current_episode = models.BooleanField(_("in the present episode"), null=True, blank=True)
    outcome = models.CharField(_("what came of it"), max_length=200, blank=True)

    class Meta(HealthFact.Meta):
        pass

    def __str__(self) -> str:
        return self.treatment


class FamilyHistory(HealthFact):
    """Psychosis in the family. None: asked, and not known."""

    psychosis = models.BooleanField(_("psychosis in the family"), null=True, blank=True)
    is_first_degree = models.BooleanField(_("a parent, brother, sister or child"), null=True, blank=True)

    class Meta(HealthFact.Meta):
        pass

    def __str__(self) -> str:
        return str(self.pk)


class HealthStatement(HealthFact):
    """The answer to one yes-or-no question of screening. None: asked, and not known. Nobody asked: no row."""

    kind = models.CharField(_("question"), max_length=24, choices=_choices(facts.StatementKind))
    value = models.BooleanField(_("answer"), null=True, blank=True)

    class Meta(HealthFact.Meta):
        pass

    def __str__(self) -> str:
        return self.kind
