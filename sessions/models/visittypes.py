"""Kinds of visit as data with versions. A booked visit keeps the version it was booked with."""

from datetime import timedelta
from functools import cached_property

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from clinic.models import Record, Role, Room
from sessions import shape
from sessions.shape import Shape

# The code of the kind that begins somebody's care, however its versions and its name change.
INTAKE = "intake"
# The two kinds of which a course is made.
DOSING, INTEGRATION = "dosing", "integration"
# Every kind of talk after a dose.
TALKS = (INTEGRATION, "integration_remote")
# Every kind of visit that comes before the dose it prepares for.
PREPARATIONS = ("preparation", "preparation_remote")


class VisitTypeQuerySet(models.QuerySet["VisitType"]):
    def current(self) -> "VisitTypeQuerySet":
        return self.filter(is_current=True)


class VisitType(Record):
    """How long a visit lasts, who and what it needs, and what may be done about it when."""

    class Bookers(models.TextChoices):
        """Who may book it, among those who book visits at all. Source: domain.md 8.2."""

        ANYBODY = "anybody", _("whoever books visits")
        CLINICIANS = "clinicians", _("clinicians")

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
    # The visit ends at least so long before the location shuts, so that nobody under effect is hurried out.
    closing_margin_minutes = models.PositiveSmallIntegerField(_("ends before closing"), default=0)
    # What the visit is made of, as sessions/shape.py reads it; empty for one part with one person.
    parts = models.JSONField(_("parts"), default=list, blank=True)
    seats = models.JSONField(_("people"), default=list, blank=True)
    devices = models.JSONField(_("devices"), default=list, blank=True)
    bookers = models.CharField(_("booked by"), max_length=12, choices=Bookers, default=Bookers.ANYBODY)
    # A drug is given: booked only for somebody who may have it then (sessions/actions/dosegate.py).
    is_dosing = models.BooleanField(_("a dose is given"), default=False)
    # By video or phone: no room, but where the patient is and a number to call back.
    is_remote = models.BooleanField(_("from afar"), default=False)
    # Booked for sooner than this, the patient has said on the phone that they are coming; 0 for never asked.
    phone_within_hours = models.PositiveSmallIntegerField(_("confirmed by phone within"), default=0)
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
                condition=Q(is_remote=False) | Q(room_kind=""), name="visit_type_remote_has_no_room"
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

    @cached_property
    def shape(self) -> Shape:
        """Return the parts, people and devices of this version, which never change."""
        return shape.read(
            minutes=self.minutes, overrun=self.overrun_minutes, role=self.role, parts=self.parts, seats=self.seats,
            devices=self.devices,
        )  # fmt: skip

    @property
    def room_tail(self) -> timedelta:
        """Return how long the room stays held after the visit: overrun and turnover belong to the room."""
        return timedelta(minutes=self.overrun_minutes + self.turnover_minutes)
