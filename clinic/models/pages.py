"""Pages: somebody is called, and called again and higher up, until somebody answers.

One engine for every alarm of every floor (risk alerts, later the rooms). What the alarm is about belongs to the floor that
raised it; here is only who is called, when next, and who answered.
"""

import uuid
from datetime import datetime

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from .outbox import OutboundMessage
from .people import User
from .places import Location
from .record import Record


class PageQuerySet(models.QuerySet["Page"]):
    def live(self) -> "PageQuerySet":
        """Return the pages about something that is still open, acknowledged or not."""
        return self.filter(closed_at=None)

    def ringing(self) -> "PageQuerySet":
        return self.filter(acknowledged_at=None, closed_at=None)

    def due(self, now: datetime) -> "PageQuerySet":
        """Return what has to be called about now, longest overdue first."""
        return self.ringing().filter(next_at__lte=now).order_by("next_at", "pk")

    def reaching_nobody(self) -> "PageQuerySet":
        """Return the pages about which somebody was called, and no letter is out or on its way."""
        calls = PageCall.objects.filter(page_id=OuterRef("pk"))
        status = OutboundMessage.Status
        letters = OutboundMessage.objects.filter(
            subject_type="pagecall", status__in=[status.QUEUED, status.SENDING, status.SENT],
            subject_id__in=PageCall.objects.filter(page_id=OuterRef(OuterRef("pk"))).values("pk"),
        )  # fmt: skip
        return self.filter(Exists(calls)).filter(~Exists(letters))

    def about(self, subject_type: str, subject_id: uuid.UUID) -> "PageQuerySet":
        return self.filter(subject_type=subject_type, subject_id=subject_id)


class Page(Record):
    """One alarm being carried to people. It never closes by itself."""

    class Urgency(models.TextChoices):
        RED = "red", _("at once")
        ORANGE = "orange", _("soon")
        YELLOW = "yellow", _("today")

    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    urgency = models.CharField(_("urgency"), max_length=8, choices=Urgency)
    subject_type = models.CharField(max_length=40)
    subject_id = models.UUIDField()
    patient_id = models.UUIDField(null=True, blank=True)
    opened_at = models.DateTimeField()
    # Which rung of the ladder was called last, from 0; -1 before anybody was.
    rung = models.SmallIntegerField(default=-1)
    # How often the whole ladder has been called again since its end.
    round = models.SmallIntegerField(default=0)
    next_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)

    objects = PageQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(acknowledged_at=None, acknowledged_by=None)
                | Q(acknowledged_at__isnull=False, acknowledged_by__isnull=False),
                name="page_acknowledged_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(closed_at=None, closed_by=None) | Q(closed_at__isnull=False, closed_by__isnull=False),
                name="page_closed_by_somebody",
            ),
            models.UniqueConstraint(
                "subject_type", "subject_id", condition=Q(closed_at=None), name="page_open_once_a_subject"
            ),
        ]
        indexes = [
            # Serves the beat that calls: the ringing pages, whatever the size of the history.
            models.Index(
                fields=["next_at"], condition=Q(acknowledged_at=None, closed_at=None), name="page_ringing_by_next_call"
            ),
            # Serves the banner: the live pages of a location.
            models.Index(fields=["location", "opened_at"], condition=Q(closed_at=None), name="page_live_by_location"),
        ]

    def __str__(self) -> str:
        return f"{self.urgency} {self.subject_type}"

    @property
    def is_ringing(self) -> bool:
        """Return whether nobody has answered and it is still open."""
        return self.acknowledged_at is None and self.closed_at is None

    @property
    def is_called(self) -> bool:
        """Return whether anybody has been called yet."""
        return self.rung >= 0

    @property
    def tone(self) -> str:
        return {"red": "red", "orange": "amber"}.get(self.urgency, "blue")


class PageCall(Record):
    """One call to one person: which rung, and by which letters. Append-only; whether a letter left is the outbox's to say."""

    # Rows are added and never changed: clinic/grants.py and a trigger.
    is_append_only = True

    page = models.ForeignKey(Page, on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    rung = models.SmallIntegerField()
    # How often the ladder had been climbed to its end before.
    round = models.SmallIntegerField(default=0)
    called_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint("page", "user", "rung", "round", name="page_call_once_a_rung")]

    def __str__(self) -> str:
        return f"{self.page_id} {self.rung}"
