"""Locations, rooms and equipment: added, described anew, and taken out of use.

Visits live upstairs. A room or a monitor that is taken out of use keeps the visits that were booked in it, and the
schedule shows them; only new visits are not offered there any more.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import available_timezones

from django.db import IntegrityError, models, transaction
from django.utils.translation import gettext_lazy as _

from clinic import audit, neutralnames
from clinic.errors import Refused, violated
from clinic.models import Closure, Device, Location, Membership, OpeningHours, Role, Room, User, WorkingHours


class RevealingName(Refused):
    """The neutral name tells what is treated here."""

    def __init__(self, word: str) -> None:
        super().__init__(
            _("“%(word)s” would tell a stranger who sees a letter or a lock screen what is treated here. "
              "Choose a neutral name, such as one after the street.") % {"word": word}
        )  # fmt: skip


class LocationNameTaken(Refused):
    """Another site is called that."""

    def __init__(self) -> None:
        super().__init__(_("Another location has this name. Choose one that tells them apart."))


class RoomNameTaken(Refused):
    """Another room here is called that."""

    def __init__(self) -> None:
        super().__init__(_("There is a room with this name here, perhaps one out of use. Choose another name."))


class EquipmentNameTaken(Refused):
    """Another piece of equipment here is called that."""

    def __init__(self) -> None:
        super().__init__(_("There is equipment with this name here, perhaps out of use. Choose another name."))


class NoSuchZone(Refused):
    """A zone nobody knows."""

    def __init__(self) -> None:
        super().__init__(_("There is no such time zone. Choose one from the list."))


class ZoneInUse(Refused):
    """Hours were set on the location's wall clock."""

    def __init__(self) -> None:
        super().__init__(
            _("The time zone and the state stay as they are once hours were set here: visits, days off and licences "
              "depend on them. Close this location and add another if it moves that far.")
        )  # fmt: skip


def _guard_neutral(alias: str) -> None:
    word = neutralnames.revealing_word(alias)
    if word:
        raise RevealingName(word)


def _change(row: models.Model, values: Mapping[str, Any]) -> list[str]:
    """Set what differs on a locked row and save it. Return the names of the fields that changed."""
    changed = [field for field, value in values.items() if getattr(row, field) != value]
    for field in changed:
        setattr(row, field, values[field])
    if changed:
        row.save(update_fields=changed)
    return changed


@transaction.atomic
def add_location(
    *,
    by: User,
    name: str,
    alias: str,
    time_zone: str,
    state: str,
    street: str,
    city: str,
    postcode: str,
    phone: str,
    directions: str = "",
    now: datetime,
) -> Location:
    """Return the new location, with ``by`` as its manager: somebody must answer for it from the first minute.

    It has no hours yet and so is closed. Refuses a neutral name that reveals, a zone nobody knows and a name in use.
    """
    _guard_neutral(alias)
    if time_zone not in available_timezones():
        raise NoSuchZone
    try:
        with transaction.atomic():
            location = Location.objects.create(
                name=name, alias=alias, time_zone=time_zone, state=state, street=street, city=city, postcode=postcode,
                phone=phone, directions=directions,
            )  # fmt: skip
    except IntegrityError as error:
        # The name is the only unique thing that is not made here.
        raise LocationNameTaken from error
    membership = Membership.objects.create(user=by, location=location, role=Role.MANAGER, started_at=now)
    audit.record(by, audit.Verb.LOCATION_CHANGED, location, now=now, location_id=location.pk, details={"added": True})
    audit.record(by, audit.Verb.MEMBERSHIP_STARTED, membership, now=now, details={"role": Role.MANAGER})
    return location


@transaction.atomic
def edit_location(
    *,
    by: User,
    location: Location,
    name: str,
    alias: str,
    time_zone: str,
    state: str,
    street: str,
    city: str,
    postcode: str,
    phone: str,
    directions: str,
    now: datetime,
) -> Location:
    """Return the location, described anew. Letters that are not sent yet bear the new words.

    Refuses a neutral name that reveals, a name in use, and another zone or state once hours were set here.
    """
    _guard_neutral(alias)
    location = Location.objects.select_for_update(no_key=True).get(pk=location.pk)
    if (time_zone, state) != (location.time_zone, location.state):
        if _hours_were_set(location):
            raise ZoneInUse
        if time_zone not in available_timezones():
            raise NoSuchZone
    try:
        with transaction.atomic():
            changed = _change(
                location,
                {
                    "name": name, "alias": alias, "time_zone": time_zone, "state": state, "street": street,
                    "city": city, "postcode": postcode, "phone": phone, "directions": directions,
                },
            )  # fmt: skip
    except IntegrityError as error:
        raise LocationNameTaken from error
    if changed:
        audit.record(
            by, audit.Verb.LOCATION_CHANGED, location, now=now, location_id=location.pk, details={"fields": changed}
        )
    return location


def _hours_were_set(location: Location) -> bool:
    """Return whether anything was ever put on this location's wall clock."""
    return any(
        model.objects.filter(location_id=location.pk).exists() for model in (OpeningHours, WorkingHours, Closure)
    )


@transaction.atomic
def add_room(*, by: User, location: Location, name: str, kind: Room.Kind, now: datetime) -> Room:
    """Return the new room, in use. Refuses a name that another room here has."""
    try:
        with transaction.atomic():
            room = Room.objects.create(location=location, name=name, kind=kind)
    except IntegrityError as error:
        if violated(error) == "room_name_once_a_location":
            raise RoomNameTaken from error
        raise
    audit.record(by, audit.Verb.ROOM_CHANGED, room, now=now, details={"added": True})
    return room


@transaction.atomic
def edit_room(*, by: User, room: Room, name: str, kind: Room.Kind, is_in_use: bool, now: datetime) -> Room:
    """Return the room, renamed, of another kind, in or out of use. Refuses a name that another room here has.

    Visits that are booked in it stay there; booking waits for this change or is seen by it, since both lock the room.
    """
    room = Room.objects.select_for_update(no_key=True).get(pk=room.pk)
    try:
        with transaction.atomic():
            changed = _change(room, {"name": name, "kind": kind, "is_in_use": is_in_use})
    except IntegrityError as error:
        if violated(error) == "room_name_once_a_location":
            raise RoomNameTaken from error
        raise
    if changed:
        audit.record(by, audit.Verb.ROOM_CHANGED, room, now=now, details={"fields": changed})
    return room


@transaction.atomic
def add_equipment(
    *, by: User, location: Location, name: str, kind: Device.Kind, serial_number: str = "", now: datetime
) -> Device:
    """Return the new piece of equipment, in use. Refuses a name that another one here has."""
    try:
        with transaction.atomic():
            equipment = Device.objects.create(location=location, name=name, kind=kind, serial_number=serial_number)
    except IntegrityError as error:
        if violated(error) == "device_name_once_a_location":
            raise EquipmentNameTaken from error
        raise
    audit.record(by, audit.Verb.EQUIPMENT_CHANGED, equipment, now=now, details={"added": True})
    return equipment


@transaction.atomic
def edit_equipment(
    *, by: User, equipment: Device, name: str, kind: Device.Kind, serial_number: str, is_in_use: bool, now: datetime
) -> Device:
    """Return the equipment, described anew, in or out of use. Refuses a name that another one here has."""
    equipment = Device.objects.select_for_update(no_key=True).get(pk=equipment.pk)
    try:
        with transaction.atomic():
            changed = _change(
                equipment, {"name": name, "kind": kind, "serial_number": serial_number, "is_in_use": is_in_use}
            )
    except IntegrityError as error:
        if violated(error) == "device_name_once_a_location":
            raise EquipmentNameTaken from error
        raise
    if changed:
        audit.record(by, audit.Verb.EQUIPMENT_CHANGED, equipment, now=now, details={"fields": changed})
    return equipment
