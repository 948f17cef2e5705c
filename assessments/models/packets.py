"""The intake packet: what a patient fills in before the intake, over several sittings."""

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from clinic.access import Permission
from clinic.models import Record, User
from patients.models import Patient


class PacketQuerySet(models.QuerySet["Packet"]):
    def live(self) -> "PacketQuerySet":
        return self.filter(status__in=Packet.LIVE)

    def visible_to(self, user: User, permission: Permission, now: datetime) -> "PacketQuerySet":
        return self.filter(patient__in=Patient.objects.visible_to(user, permission, now))


class Packet(Record):
    """One invitation to fill in everything the intake needs. The desk sees its state and no more."""

    class Status(models.TextChoices):
        INVITED = "invited", _("sent")
        IN_PROGRESS = "in_progress", _("begun")
        SUBMITTED = "submitted", _("handed in")
        EXPIRED = "expired", _("ran out")
        WITHDRAWN = "withdrawn", _("taken back")

    LIVE = (Status.INVITED, Status.IN_PROGRESS)
    MOVES: dict[str, frozenset[str]] = {
        Status.INVITED: frozenset({Status.IN_PROGRESS, Status.SUBMITTED, Status.EXPIRED, Status.WITHDRAWN}),
        Status.IN_PROGRESS: frozenset({Status.SUBMITTED, Status.EXPIRED, Status.WITHDRAWN}),
        Status.SUBMITTED: frozenset(),
        Status.EXPIRED: frozenset(),
        Status.WITHDRAWN: frozenset(),
    }

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    status = models.CharField(_("state"), max_length=12, choices=Status, default=Status.INVITED)
    # Whether trauma questions are part of it (domain.md 8.3: PCL-5 if trauma).
    asks_about_trauma = models.BooleanField(default=False)
    invited_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    invited_at = models.DateTimeField()
    begun_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)
    # An earlier one that ran out or was taken back: what was typed there was carried over.
    carries_on = models.ForeignKey("self", on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    # Codes of the questionnaires that the patient said they would rather not answer when they handed it in.
    left_open = models.JSONField(default=list)

    objects = PacketQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "patient", condition=Q(status__in=["invited", "in_progress"]), name="packet_one_at_a_time"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["invited", "in_progress"], settled_at=None)
                | Q(status__in=["submitted", "expired", "withdrawn"], settled_at__isnull=False),
                name="packet_settled_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(status="in_progress") | Q(begun_at__isnull=False), name="packet_begun_has_time"
            ),
        ]
        indexes = [
            models.Index(fields=["patient", "-invited_at"], name="packet_by_patient"),
            models.Index(
                fields=["expires_at"], condition=Q(status__in=["invited", "in_progress"]), name="packet_live_by_expiry"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.status} {self.invited_at:%Y-%m-%d}"

    @property
    def is_live(self) -> bool:
        return self.status in self.LIVE


class PacketSection(Record):
    """One part of a packet as typed so far. It becomes facts when the packet is handed in, and not before."""

    class Code(models.TextChoices):
        ABOUT_YOU = "about_you", _("About you")
        CONTACTS = "contacts", _("People we may call")
        HISTORY = "history", _("Your health")
        FAMILY = "family", _("Your family")
        MEDICINES = "medicines", _("Medicines and allergies")
        SUBSTANCES = "substances", _("Alcohol and other substances")
        TREATMENTS = "treatments", _("What you have tried")
        GOALS = "goals", _("What you hope for")

    packet = models.ForeignKey(Packet, on_delete=models.PROTECT, related_name="+")
    code = models.CharField(_("part"), max_length=12, choices=Code)
    # Field name to what was typed, also when it would be refused: nothing typed is lost.
    draft = models.JSONField(default=dict)
    # Field name to what another window had saved there: kept beside the draft until the patient chose.
    others = models.JSONField(default=dict)
    # Which window wrote a field last, and how far each window has come: assessments/merging.py.
    hands = models.JSONField(default=dict)
    # Raised by each kept change.
    revision = models.PositiveIntegerField(default=0)
    # The screen the patient was at.
    step = models.CharField(max_length=24, blank=True)
    saved_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint("packet", "code", name="packet_section_once")]

    def __str__(self) -> str:
        return self.code
