"""Calendar feeds: a secret address under which somebody's own calendar program reads when their visits are."""

from django.db import models
from django.db.models import Q

from clinic.models import Record, User


class CalendarFeedQuerySet(models.QuerySet["CalendarFeed"]):
    def live(self) -> "CalendarFeedQuerySet":
        return self.filter(revoked_at=None)


class CalendarFeed(Record):
    """One key of one person's. A new one revokes the old; rows stay, so that the audit can name them."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    # The key itself is shown once and kept nowhere.
    key_hash = models.CharField(max_length=64, unique=True)
    # The owner's ``session_epoch`` when it was made: whatever ends all their sessions ends the feed for good.
    epoch = models.PositiveIntegerField()
    made_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = CalendarFeedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint("user", condition=Q(revoked_at=None), name="calendar_feed_live_once_a_person")
        ]

    def __str__(self) -> str:
        return str(self.pk)
