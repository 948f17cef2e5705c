"""Reminder plans as data, and every planned reminder as a row that says what became of it."""

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from clinic.models import Channel, OutboundMessage, Record

from .visits import Appointment


class ReminderPlan(Record):
    """What is sent about one kind of visit. A new version replaces the old; rows already planned keep theirs."""

    visit_type_code = models.CharField(_("kind of visit"), max_length=20)
    version = models.PositiveIntegerField(default=1)
    is_current = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("visit_type_code", "version", name="reminder_plan_version_once"),
            models.UniqueConstraint("visit_type_code", condition=Q(is_current=True), name="reminder_plan_current_once"),
        ]

    def __str__(self) -> str:
        return f"{self.visit_type_code} v{self.version}"


class ReminderPlanItem(Record):
    """One line of a plan: which letter, by which channel, how long before the visit, and until when it is of use."""

    class Anchor(models.TextChoices):
        BOOKING = "booking", _("when it is booked or moved")
        START = "start", _("before it starts")

    plan = models.ForeignKey(ReminderPlan, on_delete=models.PROTECT, related_name="items")
    kind = models.CharField(_("letter"), max_length=40)
    channel = models.CharField(_("by"), max_length=8, choices=Channel)
    anchor = models.CharField(max_length=8, choices=Anchor)
    # Wall-clock days and minutes before the start, so that "the day before at the same hour" survives a clock change.
    days_before = models.PositiveSmallIntegerField(default=0)
    minutes_before = models.PositiveSmallIntegerField(default=0)
    # A letter later than this many minutes before the visit helps nobody.
    useless_minutes_before = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint("plan", "kind", "channel", name="reminder_plan_item_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.channel}"


class ReminderQuerySet(models.QuerySet["Reminder"]):
    def due(self, now: datetime) -> "ReminderQuerySet":
        """Planned and due: ``<= now``, never "today", so that a missed night is caught up."""
        return self.filter(status=Reminder.Status.PLANNED, due_at__lte=now).order_by("due_at", "id")

    def telling_now(self, appointment: Appointment) -> "ReminderQuerySet":
        """E-mails that tell the patient, now, of the booking, move or cancellation that was just made."""
        return self.filter(
            appointment=appointment,
            schedule_version=appointment.schedule_version,
            kind__in=["visit_confirmation", "visit_moved"] if not appointment.is_cancelled else ["visit_cancelled"],
            channel=Channel.EMAIL,
            status=Reminder.Status.QUEUED,
        )


class Reminder(Record):
    class Status(models.TextChoices):
        PLANNED = "planned", _("planned")
        QUEUED = "queued", _("handed to the post")
        SKIPPED = "skipped", _("not sent")
        VOID = "void", _("withdrawn")

    class Reason(models.TextChoices):
        """Why a reminder did not become a letter, or its letter did not go. The label is what the desk reads."""

        NO_CONSENT = "no_consent", _("The patient has not agreed to be written to about visits this way.")
        NO_ADDRESS = "no_address", _("No address for this is on the patient's record.")
        PATIENT_STATE = "patient_state", _("The patient is discharged or has died: no letters are sent.")
        TOO_LATE = "too_late", _("Its time had passed when the visit was booked. The first letter says the same.")
        OVERTAKEN = "overtaken", _("A later letter about the same visit went instead, so that only one arrived.")
        NO_LONGER_USEFUL = "no_longer_useful", _("By the time it could have gone it would have helped nobody.")
        QUIET_HOURS = "quiet_hours", _("It would have arrived at night, and in the morning it was too late.")
        VISIT_CANCELLED = "visit_cancelled", _("The visit was cancelled.")
        VISIT_MOVED = "visit_moved", _("The visit was moved. Letters about the new time took its place.")
        VISIT_MISSED = "visit_missed", _("The patient did not come to the visit.")
        VISIT_BEGUN = "visit_begun", _("The visit had begun or was over.")

    # How each state looks (docs/components.md). A queued one looks as its letter does.
    LOOKS = {
        Status.PLANNED: "planned",
        Status.QUEUED: "planned",
        Status.SKIPPED: "not_assessed",
        Status.VOID: "cancelled",
    }

    appointment = models.ForeignKey(Appointment, on_delete=models.PROTECT, related_name="+")
    # None for the letter that says a visit is cancelled: no plan asks for that one.
    plan_item = models.ForeignKey(ReminderPlanItem, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    kind = models.CharField(max_length=40)
    channel = models.CharField(max_length=8, choices=Channel)
    schedule_version = models.PositiveIntegerField()
    due_at = models.DateTimeField()
    useful_until = models.DateTimeField()
    status = models.CharField(max_length=8, choices=Status, default=Status.PLANNED)
    reason = models.CharField(max_length=40, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    message = models.OneToOneField(OutboundMessage, on_delete=models.PROTECT, related_name="+", null=True, blank=True)

    objects = ReminderQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "appointment", "kind", "channel", "schedule_version", name="reminder_once_a_visit_kind_and_version"
            ),
            models.CheckConstraint(
                condition=Q(status="planned", settled_at=None) | (~Q(status="planned") & Q(settled_at__isnull=False)),
                name="reminder_settled_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(status="queued") | Q(message__isnull=False), name="reminder_queued_has_message"
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["skipped", "void"]) | ~Q(reason=""), name="reminder_not_sent_has_reason"
            ),
        ]
        # Serves queue_due: the due rows, whatever the size of the history.
        indexes = [models.Index(fields=["due_at", "id"], condition=Q(status="planned"), name="reminder_due")]

    def __str__(self) -> str:
        return f"{self.kind} {self.status}"

    @property
    def look(self) -> str:
        return self.message.look if self.message else self.LOOKS[self.Status(self.status)]

    @property
    def word(self) -> str:
        return str(self.message.get_status_display() if self.message else self.get_status_display())
