"""Where the work happens: locations, rooms and the equipment in them."""

import uuid
from zoneinfo import ZoneInfo

import pghistory
from django.db import models
from django.utils.translation import gettext_lazy as _

from clinic import localtime

from .record import Record


class LocationQuerySet(models.QuerySet["Location"]):
    def active(self) -> "LocationQuerySet":
        return self.filter(closed_on=None)


@pghistory.track()
class Location(Record):
    """A site of the clinic. Its zone rules every day, hour and visit there; its state rules licences and stock."""

    name = models.CharField(_("name"), max_length=80, unique=True)
    # What letters, envelopes and lock screens say. Never anything that tells what is treated here.
    alias = models.CharField(_("neutral name for letters"), max_length=40)
    time_zone = models.CharField(_("time zone"), max_length=40)
    state = models.CharField(_("state"), max_length=2)
    street = models.CharField(_("street"), max_length=120)
    city = models.CharField(_("city"), max_length=60)
    postcode = models.CharField(_("postcode"), max_length=10)
    phone = models.CharField(_("phone"), max_length=20)
    directions = models.TextField(_("how to find us"), blank=True, max_length=1000)
    closed_on = models.DateField(_("closed for good on"), null=True, blank=True)

    objects = LocationQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name

    @property
    def tz(self) -> ZoneInfo:
        return localtime.zone(self.time_zone)

    @property
    def address(self) -> str:
        return f"{self.street}, {self.city}, {self.state} {self.postcode}"


class RoomQuerySet(models.QuerySet["Room"]):
    def in_use(self) -> "RoomQuerySet":
        return self.filter(is_in_use=True)

    def at(self, locations: "frozenset[uuid.UUID]") -> "RoomQuerySet":
        return self.filter(location_id__in=locations)


@pghistory.track()
class Room(Record):
    class Kind(models.TextChoices):
        CONSULTING = "consulting", _("consulting room")
        DOSING = "dosing", _("dosing room")
        GROUP = "group", _("group room")

    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+", verbose_name=_("location"))
    name = models.CharField(_("name"), max_length=40)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind)
    is_in_use = models.BooleanField(_("in use"), default=True)

    objects = RoomQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("location", "name", name="room_name_once_a_location")]

    def __str__(self) -> str:
        return self.name


@pghistory.track()
class Device(Record):
    """Equipment that a visit may need and that can be in one place only, such as a vitals monitor."""

    class Kind(models.TextChoices):
        VITALS_MONITOR = "vitals_monitor", _("vitals monitor")
        INFUSION_PUMP = "infusion_pump", _("infusion pump")

    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+", verbose_name=_("location"))
    name = models.CharField(_("name"), max_length=40)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    serial_number = models.CharField(_("serial number"), max_length=40, blank=True)
    is_in_use = models.BooleanField(_("in use"), default=True)

    class Meta:
        constraints = [models.UniqueConstraint("location", "name", name="device_name_once_a_location")]

    def __str__(self) -> str:
        return self.name
