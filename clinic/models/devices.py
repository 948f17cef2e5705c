"""Enrolled devices: the long-lived, narrow credentials of a room tablet, a wall board or a desk kiosk."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from .people import User
from .places import Location, Room
from .record import Record


class EnrolledDevice(Record):
    """A screen that a manager enrolled and can revoke. Only the hash of its credential is kept."""

    class Kind(models.TextChoices):
        ROOM_TABLET = "room_tablet", _("room tablet")
        WALL_BOARD = "wall_board", _("wall board")
        KIOSK = "kiosk", _("kiosk")

    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+", verbose_name=_("location"))
    room = models.ForeignKey(Room, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind)
    name = models.CharField(_("name"), max_length=40)
    credential_hash = models.CharField(max_length=64, unique=True)
    enrolled_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    enrolled_at = models.DateTimeField()
    last_seen_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(revoked_at=None, revoked_by=None)
                | models.Q(revoked_at__isnull=False, revoked_by__isnull=False),
                name="device_revoked_by_somebody",
            ),
            models.UniqueConstraint(
                "location", "name", condition=models.Q(revoked_at=None), name="enrolled_device_name_once_a_location"
            ),
        ]

    def __str__(self) -> str:
        return self.name
