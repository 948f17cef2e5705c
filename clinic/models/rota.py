"""Who is on call: first, second, and the medical director behind them."""

from datetime import datetime

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .hours import _moment
from .people import User
from .places import Location
from .record import Record


class OnCallQuerySet(models.QuerySet["OnCall"]):
    def live(self) -> "OnCallQuerySet":
        return self.filter(cancelled_at=None)

    def at(self, location: Location, moment: datetime) -> "OnCallQuerySet":
        """Return the duties of a location that hold at a moment."""
        return self.live().filter(location=location, during__contains=moment)


class OnCall(Record):
    """One person's duty at one location. Nobody can be first and second at once; a duty is cancelled, never deleted."""

    class Tier(models.TextChoices):
        FIRST = "first", _("first on call")
        SECOND = "second", _("second on call")

    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", verbose_name=_("who"))
    tier = models.CharField(_("as"), max_length=8, choices=Tier)
    during = DateTimeRangeField(_("from and until"))
    entered_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    entered_at = models.DateTimeField()
    cancelled_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)

    objects = OnCallQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(cancelled_at=None, cancelled_by=None)
                | Q(cancelled_at__isnull=False, cancelled_by__isnull=False),
                name="on_call_cancelled_by_somebody",
            ),
            ExclusionConstraint(
                name="on_call_one_a_tier",
                expressions=[
                    ("location", RangeOperators.EQUAL), ("tier", RangeOperators.EQUAL), ("during", RangeOperators.OVERLAPS),
                ],
                condition=Q(cancelled_at=None),
            ),
            ExclusionConstraint(
                name="on_call_in_one_tier",
                expressions=[
                    ("location", RangeOperators.EQUAL), ("user", RangeOperators.EQUAL), ("during", RangeOperators.OVERLAPS),
                ],
                condition=Q(cancelled_at=None),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.tier} {self.user_id}"

    @property
    def starts_at(self) -> datetime:
        return _moment(self.during.lower)

    @property
    def ends_at(self) -> datetime:
        return _moment(self.during.upper)
