"""Kinds of visit as data with versions. A booked visit keeps the version it was booked with."""

from datetime import timedelta

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from clinic.models import Record, Role, Room

# The code of the kind that begins somebody's care, however its versions and its name change.
INTAKE = "intake"


class VisitTypeQuerySet(models.QuerySet["VisitType"]):
    def current(self) -> "VisitTypeQuerySet":
        return self.filter(is_current=True)


class VisitType(Record):
    """How long a visit lasts, who and what it needs, and what may be done about it when."""

    code = models.CharField(_("code"), max_length=20)
    version = models.PositiveIntegerField(_("version"), default=1)
    is_current = models.BooleanField(default=True)
    name = models.CharField(_("name"), max_length=60)
    # What the patient reads, on the portal and behind the sign-in only.
    patient_name = models.CharField(_("name for the patient"), max_length=60)
    minutes = models.PositiveSmallIntegerField(_("minutes"))
    role = models.CharField(_("with"), max_length=16, choices=Role)
    room_kind = models.CharField(_("room"), max_length=12, choices=Room.Kind, blank=True)
    overrun_minutes = models.PositiveSmallIntegerField(_("overrun hold"), default=0)
    turnover_minutes = models.PositiveSmallIntegerField(_("turnover"), default=0)
    grid_minutes = models.PositiveSmallIntegerField(_("starts every"), default=15)
    no_show_after_minutes = models.PositiveSmallIntegerField(_("did not come after"), default=15)
    notice_hours = models.PositiveSmallIntegerField(_("notice for changes"), default=24)
    patient_may_request_change = models.BooleanField(default=True)
    what_to_bring = models.TextField(_("what to bring"), max_length=500, blank=True)

    objects = VisitTypeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint("code", "version", name="visit_type_version_once"),
            models.UniqueConstraint("code", condition=Q(is_current=True), name="visit_type_current_once"),
            models.CheckConstraint(condition=Q(minutes__gt=0), name="visit_type_takes_time"),
            models.CheckConstraint(
                condition=Q(minutes__lte=1440 - F("overrun_minutes") - F("turnover_minutes")),
                name="visit_type_fits_a_day",
            ),
            models.CheckConstraint(
                condition=Q(grid_minutes__gte=5, grid_minutes__lte=240), name="visit_type_grid_is_sensible"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def duration(self) -> timedelta:
        return timedelta(minutes=self.minutes)

    @property
    def room_tail(self) -> timedelta:
        """Return how long the room stays held after the visit: overrun and turnover belong to the room."""
        return timedelta(minutes=self.overrun_minutes + self.turnover_minutes)
