"""When people and places are there: working hours, time off, opening hours, closures."""

from datetime import datetime

import pghistory
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from .people import User
from .places import Location
from .record import Record


class Weekday(models.IntegerChoices):
    MONDAY = 0, _("Monday")
    TUESDAY = 1, _("Tuesday")
    WEDNESDAY = 2, _("Wednesday")
    THURSDAY = 3, _("Thursday")
    FRIDAY = 4, _("Friday")
    SATURDAY = 5, _("Saturday")
    SUNDAY = 6, _("Sunday")


@pghistory.track()
class OpeningHours(Record):
    """When a location is open on a weekday, on its own wall clock. No row means closed."""

    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    weekday = models.SmallIntegerField(_("weekday"), choices=Weekday)
    opens = models.TimeField(_("opens"))
    closes = models.TimeField(_("closes"))

    class Meta:
        constraints = [
            models.UniqueConstraint("location", "weekday", name="opening_hours_once_a_weekday"),
            models.CheckConstraint(condition=Q(opens__lt=F("closes")), name="opening_hours_end_after_start"),
        ]

    def __str__(self) -> str:
        return f"{self.get_weekday_display()} {self.opens:%H:%M}-{self.closes:%H:%M}"


@pghistory.track()
class WorkingHours(Record):
    """When somebody works at a location on a weekday, on its wall clock. Two rows a day make a lunch break."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", verbose_name=_("person"))
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    weekday = models.SmallIntegerField(_("weekday"), choices=Weekday)
    starts = models.TimeField(_("from"))
    ends = models.TimeField(_("to"))
    valid_from = models.DateField(_("from day"))
    valid_until = models.DateField(_("last day"), null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(starts__lt=F("ends")), name="working_hours_end_after_start"),
            models.CheckConstraint(
                condition=Q(valid_until=None) | Q(valid_until__gte=F("valid_from")),
                name="working_hours_valid_until_after_from",
            ),
        ]
        # Serves availability: everybody's hours at one location.
        indexes = [models.Index(fields=["location", "weekday"], name="hours_by_location")]

    def __str__(self) -> str:
        return f"{self.get_weekday_display()} {self.starts:%H:%M}-{self.ends:%H:%M}"


def _moment(end: datetime | None) -> datetime:
    """Return one end of a stretch. Both are always given: nobody is away, and nothing is shut, for ever."""
    if end is None:
        raise ValueError("A stretch without an end.")
    return end


class TimeOff(Record):
    """A stretch in which somebody is away. Taken back by ``cancelled_at``, never deleted."""

    class Reason(models.TextChoices):
        HOLIDAY = "holiday", _("holiday")
        ILLNESS = "illness", _("ill")
        TRAINING = "training", _("training")
        OTHER = "other", _("other")

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", verbose_name=_("person"))
    during = DateTimeRangeField(_("when"))
    reason = models.CharField(_("reason"), max_length=10, choices=Reason)
    entered_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    entered_at = models.DateTimeField()
    cancelled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="time_off_once_at_a_time",
                expressions=[("user", RangeOperators.EQUAL), ("during", RangeOperators.OVERLAPS)],
                condition=Q(cancelled_at=None),
            )
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.reason}"

    @property
    def starts_at(self) -> datetime:
        return _moment(self.during.lower)

    @property
    def ends_at(self) -> datetime:
        return _moment(self.during.upper)


class Closure(Record):
    """A stretch in which a whole location is shut, such as a public holiday."""

    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(_("name"), max_length=60)
    during = DateTimeRangeField(_("when"))
    entered_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    entered_at = models.DateTimeField()
    cancelled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="closure_once_at_a_time",
                expressions=[("location", RangeOperators.EQUAL), ("during", RangeOperators.OVERLAPS)],
                condition=Q(cancelled_at=None),
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def starts_at(self) -> datetime:
        return _moment(self.during.lower)

    @property
    def ends_at(self) -> datetime:
        return _moment(self.during.upper)
