"""Answers handed in, and their scores. Neither is ever edited: a correction is a new response that names the old one."""

from datetime import datetime

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from clinic.access import Permission
from clinic.models import EnrolledDevice, Record, User
from patients.models import Patient

from .requests import AssessmentRequest


class AssessmentResponseQuerySet(models.QuerySet["AssessmentResponse"]):
    def standing(self) -> "AssessmentResponseQuerySet":
        """Return the responses that no later one corrects and that were not entered in error."""
        later = AssessmentResponse.objects.filter(corrects=OuterRef("pk"))
        return self.filter(is_retraction=False).filter(~Exists(later))

    def for_patient(self, patient: Patient) -> "AssessmentResponseQuerySet":
        return self.filter(patient=patient)

    def visible_to(self, user: User, permission: Permission, now: datetime) -> "AssessmentResponseQuerySet":
        return self.filter(patient__in=Patient.objects.visible_to(user, permission, now))


class AssessmentResponse(Record):
    """One instrument answered once: the raw answers, which version was on the screen, and how they reached us."""

    # Rows are added and never changed: clinic/grants.py and a trigger.
    is_append_only = True

    class Mode(models.TextChoices):
        PORTAL = "portal", _("on the portal")
        LINK = "link", _("by a link")
        KIOSK = "kiosk", _("at the clinic's kiosk")
        ON_BEHALF = "on_behalf", _("read out by a clinician")
        CLINICIAN = "clinician", _("rated by a clinician")
        PAPER = "paper", _("from paper")

    class Entered(models.TextChoices):
        ANSWERS = "answers", _("answers")
        PAPER_ITEMS = "paper_items", _("items of a paper form")
        PAPER_TOTAL = "paper_total", _("total of a paper form")

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    request = models.ForeignKey(AssessmentRequest, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    code = models.CharField(_("instrument"), max_length=24)
    version = models.PositiveIntegerField()
    language = models.CharField(max_length=8)
    # SHA-256 of the instrument's file, so that a row names exactly what was asked.
    checksum = models.CharField(max_length=64)
    mode = models.CharField(_("how"), max_length=12, choices=Mode)
    entered = models.CharField(max_length=12, choices=Entered, default=Entered.ANSWERS)
    # {item id: value} as given; what was left out is not in it. A total from paper: {"total": n, "parts": {...}}.
    answers = models.JSONField()
    # Free text the patient added, if the instrument has a place for it.
    words = models.TextField(blank=True)
    # The key of the form, so that handing it in twice is handing it in once.
    submission_key = models.UUIDField(unique=True)
    # When it was answered, and when it reached us; for paper the first is what stands on the sheet.
    answered_at = models.DateTimeField(_("answered"))
    received_at = models.DateTimeField(_("received"))
    begun_at = models.DateTimeField(null=True, blank=True)
    entered_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    # Who rated, where a clinician does: two raters drift (domain.md 2.2).
    rater = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    device = models.ForeignKey(EnrolledDevice, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    corrects = models.OneToOneField("self", on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    correction_reason = models.CharField(_("why it was corrected"), max_length=200, blank=True)
    # A correction that takes the old response back and puts nothing in its place.
    is_retraction = models.BooleanField(default=False)

    objects = AssessmentResponseQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(corrects=None, correction_reason="", is_retraction=False)
                | (Q(corrects__isnull=False) & ~Q(correction_reason="")),
                name="response_correction_has_reason",
            ),
            models.UniqueConstraint(
                "request", condition=Q(request__isnull=False, corrects=None), name="response_once_a_request"
            ),
            models.CheckConstraint(condition=Q(answered_at__lte=models.F("received_at")), name="response_not_from_the_future"),
        ]  # fmt: skip
        indexes = [
            # Serves the chart's list and series: one patient's responses of one instrument, newest first.
            models.Index(fields=["patient", "code", "-answered_at"], name="response_by_patient_and_code"),
            models.Index(fields=["patient", "-answered_at", "-id"], name="response_by_patient"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.answered_at:%Y-%m-%d}"


class ScoreQuerySet(models.QuerySet["Score"]):
    def standing_of(self, patient: Patient) -> "ScoreQuerySet":
        """Return the scores of a patient's standing responses, with what is told of them, and no more of either: a course is long."""
        later = AssessmentResponse.objects.filter(corrects=OuterRef("response_id"))
        return (
            self.filter(response__patient=patient, response__is_retraction=False)
            .filter(~Exists(later))
            .select_related("response")
            .only(
                "total", "reason", "band", "category", "is_complete", "is_prorated", "failure", "data",
                *(f"response__{name}" for name in TOLD),
            )
        )  # fmt: skip


# The columns of a response that lists and courses read.
TOLD = ("code", "version", "language", "mode", "entered", "answers", "answered_at", "is_retraction")


class Score(Record):
    """What a response came to, stored when it was handed in. ``data`` is everything; the columns are what lists ask for."""

    # Rows are added and never changed: clinic/grants.py and a trigger.
    is_append_only = True

    response = models.OneToOneField(AssessmentResponse, on_delete=models.PROTECT, related_name="+")
    scorer_id = models.CharField(max_length=40)
    scorer_version = models.PositiveIntegerField()
    # None when there is no total; ``reason`` then says why. Points of the instrument (WHO-5: per cent).
    total = models.IntegerField(null=True, blank=True)
    reason = models.CharField(max_length=40, blank=True)
    band = models.CharField(max_length=40, blank=True)
    category = models.CharField(max_length=40, blank=True)
    is_complete = models.BooleanField()
    is_prorated = models.BooleanField()
    # The kind of error when scoring failed; then there is no total and an alarm was raised.
    failure = models.CharField(max_length=80, blank=True)
    data = models.JSONField()
    scored_at = models.DateTimeField()

    objects = ScoreQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(total__isnull=False) | ~Q(reason="") | ~Q(failure="") | ~Q(category=""),
                name="score_says_why_not",
            )
        ]

    def __str__(self) -> str:
        return "—" if self.total is None else str(self.total)
