"""Moves: each time that a visit was moved, from what to what, by whom, on whose wish and why."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from clinic.models import Record, Room, User

from .visits import Appointment


class VisitMove(Record):
    """One move of a visit, written when it happens and never changed."""

    class Reason(models.TextChoices):
        ILLNESS = "illness", _("illness")
        WORK = "work", _("work or family")
        TRANSPORT = "transport", _("no transport or escort")
        SUITS_BETTER = "suits_better", _("another time suits better")
        CLINICIAN_AWAY = "clinician_away", _("clinician away")
        CLINIC_CLOSED = "clinic_closed", _("clinic closed")
        PLACE = "place", _("room or device needed elsewhere")
        OTHER = "other", _("other")

    is_append_only = True

    appointment = models.ForeignKey(Appointment, on_delete=models.PROTECT, related_name="+")
    # The visit's version once it was moved, so that a second editor is shown what happened since theirs.
    version = models.PositiveIntegerField()
    starts_from = models.DateTimeField()
    starts_to = models.DateTimeField()
    room_from = models.ForeignKey(Room, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    room_to = models.ForeignKey(Room, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    # In the order of the seats of its kind, the clinician first.
    people_from = ArrayField(models.UUIDField())
    people_to = ArrayField(models.UUIDField())
    # Both empty where the move was made without anybody saying so: by a plan or a list.
    asked_by = models.CharField(_("who asked"), max_length=8, choices=Appointment.CancelledBy, blank=True)
    reason = models.CharField(_("reason"), max_length=16, choices=Reason, blank=True)
    note = models.CharField(_("note"), max_length=300, blank=True)
    moved_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    moved_at = models.DateTimeField()

    class Meta:
        # Its index serves the moves of one visit, in order.
        constraints = [models.UniqueConstraint("appointment", "version", name="visit_move_once_a_version")]
        # Serves the calls of an absence: what was moved away from a stretch of time.
        indexes = [models.Index(fields=["starts_from"], name="visit_move_by_old_start")]

    def __str__(self) -> str:
        return f"{self.starts_from} to {self.starts_to}"

    @property
    def why(self) -> str:
        """Return who asked for the move and why in one line; "" where nobody said."""
        words = [self.get_asked_by_display(), self.get_reason_display(), self.note]
        return str(capfirst(", ".join(str(word) for word in words if word)))
