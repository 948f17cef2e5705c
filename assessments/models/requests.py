"""Requests to answer a questionnaire, what set them off, and the ways in: a link, or a code for the clinic's kiosk."""

from datetime import datetime

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from clinic.access import Permission
from clinic.models import EnrolledDevice, Record, User
from patients.models import Patient

from .instruments import AskingRule, CareEventKind
from .packets import Packet


class CareEvent(Record):
    """Something that happened, or is planned, in a patient's care, from which questions are reckoned. Never edited."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(_("what"), max_length=16, choices=CareEventKind)
    at = models.DateTimeField(_("when"))
    # What it was, on whichever floor: a packet, a dosing session.
    subject_type = models.CharField(max_length=40)
    subject_id = models.UUIDField()
    recorded_at = models.DateTimeField()
    # When it turned out not to happen, or moved: a moved event is cancelled and entered anew.
    cancelled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "kind", "subject_type", "subject_id", condition=Q(cancelled_at=None), name="care_event_once"
            )
        ]
        indexes = [models.Index(fields=["kind", "at"], condition=Q(cancelled_at=None), name="care_event_by_time")]

    def __str__(self) -> str:
        return f"{self.kind} {self.at:%Y-%m-%d}"


class AssessmentRequestQuerySet(models.QuerySet["AssessmentRequest"]):
    def open(self) -> "AssessmentRequestQuerySet":
        return self.filter(status__in=AssessmentRequest.OPEN)

    def first_of_each_patient(self) -> "AssessmentRequestQuerySet":
        """Return of these requests the one of each patient that is due first."""
        mine = self.filter(patient=OuterRef("patient"))
        earlier = Q(due_at__lt=OuterRef("due_at")) | Q(due_at=OuterRef("due_at"), pk__lt=OuterRef("pk"))
        return self.filter(~Exists(mine.filter(earlier)))

    def for_patient(self, patient: Patient) -> "AssessmentRequestQuerySet":
        return self.filter(patient=patient)

    def visible_to(self, user: User, permission: Permission, now: datetime) -> "AssessmentRequestQuerySet":
        return self.filter(patient__in=Patient.objects.visible_to(user, permission, now))


class AssessmentRequest(Record):
    """One instrument that one patient is asked to answer once. The instrument's version is fixed when answering begins."""

    class Status(models.TextChoices):
        OPEN = "open", _("to do")
        IN_PROGRESS = "in_progress", _("begun")
        DONE = "done", _("done")
        EXPIRED = "expired", _("not answered in time")
        CANCELLED = "cancelled", _("no longer asked")

    OPEN = (Status.OPEN, Status.IN_PROGRESS)
    MOVES: dict[str, frozenset[str]] = {
        Status.OPEN: frozenset({Status.IN_PROGRESS, Status.DONE, Status.EXPIRED, Status.CANCELLED}),
        Status.IN_PROGRESS: frozenset({Status.DONE, Status.EXPIRED, Status.CANCELLED}),
        Status.DONE: frozenset(),
        Status.EXPIRED: frozenset(),
        Status.CANCELLED: frozenset(),
    }

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    code = models.CharField(_("instrument"), max_length=24)
    version = models.PositiveIntegerField(null=True, blank=True)
    language = models.CharField(max_length=8, blank=True)
    # Where it came from: a packet, a rule and its event, or a clinician.
    packet = models.ForeignKey(Packet, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    rule = models.ForeignKey(AskingRule, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    event = models.ForeignKey(CareEvent, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    # Which repetition of the rule, from 0.
    occurrence = models.PositiveIntegerField(default=0)
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    asked_at = models.DateTimeField()
    opens_at = models.DateTimeField()
    due_at = models.DateTimeField(_("due"))
    expires_at = models.DateTimeField()
    status = models.CharField(_("state"), max_length=12, choices=Status, default=Status.OPEN)
    settled_at = models.DateTimeField(null=True, blank=True)
    # Why it is no longer asked, in the words of whoever took it back.
    settled_reason = models.CharField(_("why it is no longer asked"), max_length=200, blank=True)
    # When the patient is written to next, or the team is asked to call; None: not any more, or by somebody else (a packet).
    remind_at = models.DateTimeField(null=True, blank=True)
    # How many of those steps have been taken: the first letter, the nudges, the call.
    reminders = models.PositiveSmallIntegerField(default=0)
    # What has been answered so far: {item id: value}, kept at every change, never read as an answer before it is handed in.
    draft = models.JSONField(default=dict)
    # Which windows have spoken how often, and which wrote what last (assessments.merging).
    hands = models.JSONField(default=dict)
    # The item the person was at, and a number that each kept change raises.
    position = models.CharField(max_length=24, blank=True)
    revision = models.PositiveIntegerField(default=0)
    begun_at = models.DateTimeField(null=True, blank=True)
    saved_at = models.DateTimeField(null=True, blank=True)

    objects = AssessmentRequestQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "event", "rule", "occurrence", condition=Q(event__isnull=False), name="request_once_an_occurrence"
            ),
            models.UniqueConstraint("packet", "code", condition=Q(packet__isnull=False), name="request_once_a_packet"),
            models.CheckConstraint(
                condition=Q(status__in=["open", "in_progress"], settled_at=None)
                | Q(status__in=["done", "expired", "cancelled"], settled_at__isnull=False),
                name="request_settled_has_time",
            ),
            models.CheckConstraint(
                condition=Q(opens_at__lte=models.F("due_at")) & Q(due_at__lte=models.F("expires_at")),
                name="request_times_in_order",
            ),
        ]
        indexes = [
            # Serves the portal's to-do list and the chart's: the open requests of a patient.
            models.Index(
                fields=["patient", "due_at"], condition=Q(status__in=["open", "in_progress"]), name="request_open_by_patient"
            ),
            # Serves beat: what has run out.
            models.Index(
                fields=["expires_at"], condition=Q(status__in=["open", "in_progress"]), name="request_open_by_expiry"
            ),
            # Serves beat: whom to remind.
            models.Index(
                fields=["remind_at"], condition=Q(status__in=["open", "in_progress"], remind_at__isnull=False),
                name="request_open_by_reminder",
            ),
            # Serves the list of open requests: by due time, keyset.
            models.Index(
                fields=["due_at", "id"], condition=Q(status__in=["open", "in_progress"]), name="request_open_by_due"
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.code} {self.status}"

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN

    @property
    def is_begun(self) -> bool:
        return self.status == self.Status.IN_PROGRESS

    @property
    def is_done(self) -> bool:
        return self.status == self.Status.DONE


class AnswerLink(Record):
    """A link in a letter: one request, one use, with the birth date as the second check. Only the hash of its token is kept."""

    request = models.ForeignKey(AssessmentRequest, on_delete=models.PROTECT, related_name="+")
    token_hash = models.CharField(max_length=64, unique=True)
    # Where it was sent. It opens nothing once the patient reads another mailbox.
    address = models.EmailField(max_length=254)
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    # Wrong birth dates so far; too many and the link is dead.
    failed_checks = models.PositiveSmallIntegerField(default=0)
    opened_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return str(self.pk)


class KioskPass(Record):
    """A short code the desk gives to somebody beside the kiosk: opens what one patient has to answer, once, for minutes."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    location_id = models.UUIDField()
    code_hash = models.CharField(max_length=64)
    given_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    given_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    device = models.ForeignKey(EnrolledDevice, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            # A code names one person at one place at a time.
            models.UniqueConstraint(
                "location_id", "code_hash", condition=Q(opened_at=None, closed_at=None), name="kiosk_code_once_a_place"
            ),
            models.UniqueConstraint("device", condition=Q(opened_at__isnull=False, closed_at=None), name="kiosk_open_once"),
        ]  # fmt: skip

    def __str__(self) -> str:
        return str(self.pk)
