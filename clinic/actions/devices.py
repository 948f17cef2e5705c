"""Enrolled devices: a screen is given a credential that lasts until a manager takes it away."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from clinic import audit, throttle, tokens
from clinic.errors import Refused, violated
from clinic.models import EnrolledDevice, Location, Room, User

# "Last seen" is for whoever looks after the screens: to the minute is enough.
SEEN_EVERY = timedelta(minutes=5)
MOST_CREDENTIALS_FROM_ONE_ADDRESS = 10
IN_SECONDS = 900


class CredentialNotGood(Refused):
    """One sentence for a wrong credential and a revoked one."""

    def __init__(self) -> None:
        super().__init__(
            _("This credential opens nothing. Copy it again from where you keep it, or enroll the screen anew.")
        )


class DeviceNameTaken(Refused):
    """A screen in use here is called that."""

    def __init__(self) -> None:
        super().__init__(
            _("A screen with this name is enrolled here already. Revoke that one first, or choose another name.")
        )


class RoomNeeded(Refused):
    """A room tablet belongs to one room in use at the location; other screens belong to none."""

    def __init__(self) -> None:
        super().__init__(_("A room tablet belongs to one room in use here. Choose its room."))


class NoRoomForThis(Refused):
    """Wall boards and kiosks show the whole location."""

    def __init__(self) -> None:
        super().__init__(_("A wall board or a kiosk belongs to the whole location. Leave the room empty."))


class AlreadyRevoked(Refused):
    """Somebody revoked it first."""

    def __init__(self) -> None:
        super().__init__(_("This screen was revoked already. Its credential opens nothing."))


@dataclass(frozen=True)
class Enrolment:
    """A device and its credential, which nobody can read again: only its hash is kept."""

    device: EnrolledDevice
    credential: str


@transaction.atomic
def enroll(
    *, by: User, location: Location, kind: EnrolledDevice.Kind, name: str, room: Room | None, now: datetime
) -> Enrolment:
    """Return the new device with its credential, to be shown once.

    Refuses a name that a screen in use here has, a room tablet without a room in use here, and a room for anything else.
    """
    if kind == EnrolledDevice.Kind.ROOM_TABLET:
        if room is None or room.location_id != location.pk or not room.is_in_use:
            raise RoomNeeded
    elif room is not None:
        raise NoRoomForThis
    credential = tokens.new()
    try:
        with transaction.atomic():
            device = EnrolledDevice.objects.create(
                location=location, room=room, kind=kind, name=name, credential_hash=tokens.hash_of(credential),
                enrolled_by=by, enrolled_at=now,
            )  # fmt: skip
    except IntegrityError as error:
        if violated(error) == "enrolled_device_name_once_a_location":
            raise DeviceNameTaken from error
        raise
    audit.record(by, audit.Verb.DEVICE_ENROLLED, device, now=now, details={"kind": kind})
    return Enrolment(device, credential)


@transaction.atomic
def revoke(*, by: User, device: EnrolledDevice, now: datetime) -> EnrolledDevice:
    """Return the device, revoked: its credential opens nothing from this moment. Refuses a second time."""
    device = EnrolledDevice.objects.select_for_update(no_key=True).get(pk=device.pk)
    if device.revoked_at is not None:
        raise AlreadyRevoked
    device.revoked_at, device.revoked_by = now, by
    device.save(update_fields=["revoked_at", "revoked_by"])
    audit.record(by, audit.Verb.DEVICE_REVOKED, device, now=now, details={"kind": device.kind})
    return device


def set_up(*, credential: str, address: str, now: datetime) -> EnrolledDevice:
    """Return the screen of that credential, seen now. Refuses a wrong or revoked one, and too many from one address.

    A refusal is audited, too many once for each stretch of them. What was shown is kept nowhere.
    """
    if not throttle.allows("device", address, most=MOST_CREDENTIALS_FROM_ONE_ADDRESS, seconds=IN_SECONDS, now=now):
        if throttle.allows("device-told", address, most=1, seconds=IN_SECONDS, now=now):
            _audit_refusal(None, "too_many", now)
        raise CredentialNotGood
    device = EnrolledDevice.objects.filter(credential_hash=tokens.hash_of(credential)).first()
    if device is None or device.revoked_at is not None:
        _audit_refusal(device, "unknown" if device is None else "revoked", now)
        raise CredentialNotGood
    seen(device=device, now=now)
    return device


def _audit_refusal(device: EnrolledDevice | None, how: str, now: datetime) -> None:
    """Write that a screen was refused, when the request is over and whatever became of it."""
    audit.record_afterwards(None, audit.Verb.DEVICE_REFUSED, device, now=now, details={"how": how})


@transaction.atomic
def seen(*, device: EnrolledDevice, now: datetime) -> None:
    """Note that a screen is in use, at most every few minutes."""
    due = Q(last_seen_at=None) | Q(last_seen_at__lt=now - SEEN_EVERY)
    EnrolledDevice.objects.filter(due, pk=device.pk, revoked_at=None).update(last_seen_at=now)
