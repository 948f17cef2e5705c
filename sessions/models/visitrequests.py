"""What patients ask for on the portal: a visit they do not have yet. A person answers."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from clinic.access import Permission, locations_where
from clinic.models import Location, Record, User
from patients.models import Patient

from .visits import Appointment
from .waitlist import WaitlistEntry


class VisitRequestQuerySet(models.QuerySet["VisitRequest"]):
    def visible_to(self, user: User, permission: Permission) -> "VisitRequestQuerySet":
        return self.filter(location_id__in=locations_where(user, permission))

    def open(self) -> "VisitRequestQuerySet":
        return self.filter(status=VisitRequest.Status.OPEN)


class VisitRequest(Record):
    """A patient asks for one kind of visit, on days and at times that suit them. Booking such a visit answers it."""

    class Status(models.TextChoices):
        OPEN = "open", _("waiting for an answer")
        MET = "met", _("booked")
        DECLINED = "declined", _("not possible")
        WITHDRAWN = "withdrawn", _("taken back")

    LOOKS: ClassVar[dict[str, str]] = {
        Status.OPEN: "due", Status.MET: "done", Status.DECLINED: "cancelled", Status.WITHDRAWN: "cancelled"
    }  # fmt: skip

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+", db_index=False)
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    # A kind by its code: whoever asks, asks for the version of the day.
    visit_type_code = models.CharField(_("kind of visit"), max_length=20)
    clinician = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    # Monday is 0. Empty is any day, and any time.
    weekdays = ArrayField(models.PositiveSmallIntegerField(), default=list, blank=True)
    day_parts = ArrayField(
        models.CharField(max_length=12, choices=WaitlistEntry.DayPart), default=list, blank=True
    )  # fmt: skip
    message = models.TextField(_("what would suit you"), max_length=500, blank=True)
    status = models.CharField(max_length=9, choices=Status, default=Status.OPEN)
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    answered_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    answer = models.TextField(_("answer to the patient"), max_length=500, blank=True)
    # The visit that met it.
    appointment = models.ForeignKey(Appointment, on_delete=models.PROTECT, related_name="+", null=True, blank=True)

    objects = VisitRequestQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "patient", "visit_type_code", condition=Q(status="open"), name="visit_request_open_once_for_a_kind"
            ),
            models.CheckConstraint(
                condition=Q(status="open", answered_at=None) | (~Q(status="open") & Q(answered_at__isnull=False)),
                name="visit_request_answered_has_time",
            ),
            models.CheckConstraint(
                condition=Q(status="met", appointment__isnull=False) | (~Q(status="met") & Q(appointment=None)),
                name="visit_request_met_has_visit",
            ),
        ]
        # Serves what a patient asked for, the latest first, and the look at booking.
        indexes = [models.Index(fields=["patient", "-asked_at"], name="visit_request_by_patient")]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def is_open(self) -> bool:
        return self.status == self.Status.OPEN

    @property
    def is_declined(self) -> bool:
        return self.status == self.Status.DECLINED

    @property
    def look(self) -> str:
        return self.LOOKS[self.status]
