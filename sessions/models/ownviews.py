"""How somebody likes their schedule to open: one row a person, the same on every device."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from clinic.models import Record, User

# More rooms or people than this are as good as all.
MOST_CHOSEN = 60


class OwnView(Record):
    """A day, a week or a month, by room or by person, and which of them; nothing about any visit."""

    class Span(models.TextChoices):
        DAY = "day", _("Day")
        WEEK = "week", _("Week")
        MONTH = "month", _("Month")

    class Grouping(models.TextChoices):
        ROOM = "room", _("By room")
        PERSON = "person", _("By person")

    user = models.OneToOneField(User, on_delete=models.PROTECT, related_name="+")
    span = models.CharField(max_length=8, choices=Span)
    grouping = models.CharField(max_length=8, choices=Grouping)
    # Ids of rooms or people, of any place of theirs; those that are gone are passed over.
    only = ArrayField(models.UUIDField(), size=MOST_CHOSEN, default=list, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(span__in=["day", "week", "month"]), name="own_view_span"),
            models.CheckConstraint(condition=models.Q(grouping__in=["room", "person"]), name="own_view_grouping"),
        ]

    def __str__(self) -> str:
        return f"{self.span} {self.grouping}"
