"""Enrolled devices: a credential shown once, a hash kept, and gone at once when revoked."""

import pytest

from clinic.actions import devices, places
from clinic.models import AuditEvent, EnrolledDevice, Room
from tests import factories as make
from tests.cast import Cast

pytestmark = pytest.mark.django_db

Kind = EnrolledDevice.Kind


def enroll(cast: Cast, name: str = "Hall", kind: Kind = Kind.WALL_BOARD, room: Room | None = None) -> devices.Enrolment:
    return devices.enroll(by=cast.ada, location=cast.denver, kind=kind, name=name, room=room, now=make.NOON)


class TestActions:
    def test_the_credential_is_given_once_and_kept_as_a_hash(self, cast: Cast) -> None:
        made = enroll(cast, kind=Kind.ROOM_TABLET, room=cast.room)
        assert len(made.credential) >= 43
        kept = EnrolledDevice.objects.get()
        assert kept.credential_hash == devices.hash_of(made.credential)
        assert made.credential not in str(EnrolledDevice.objects.values()) + str(AuditEvent.objects.values())
        assert AuditEvent.objects.get(verb="device.enrolled").details == {"kind": "room_tablet"}

    def test_two_screens_have_two_credentials(self, cast: Cast) -> None:
        assert enroll(cast, "Hall").credential != enroll(cast, "Desk").credential

    def test_a_name_is_used_once_while_its_screen_is_in_use(self, cast: Cast) -> None:
        first = enroll(cast).device
        with pytest.raises(devices.DeviceNameTaken):
            enroll(cast)
        devices.revoke(by=cast.ada, device=first, now=make.NOON)
        assert enroll(cast).device.pk != first.pk

    def test_a_room_tablet_has_a_room_in_use_here_and_others_have_none(self, cast: Cast) -> None:
        with pytest.raises(devices.RoomNeeded):
            enroll(cast, kind=Kind.ROOM_TABLET)
        with pytest.raises(devices.RoomNeeded):
            enroll(cast, kind=Kind.ROOM_TABLET, room=cast.phoenix_room)
        shut = places.edit_room(
            by=cast.ada, room=cast.room, name="Aspen", kind=Room.Kind.CONSULTING, is_in_use=False, now=make.NOON
        )
        with pytest.raises(devices.RoomNeeded):
            enroll(cast, kind=Kind.ROOM_TABLET, room=shut)
        with pytest.raises(devices.NoRoomForThis):
            enroll(cast, kind=Kind.KIOSK, room=cast.second_room)
        assert not EnrolledDevice.objects.exists()

    def test_revoked_at_once_and_once(self, cast: Cast) -> None:
        device = devices.revoke(by=cast.ada, device=enroll(cast).device, now=make.NOON)
        assert (device.revoked_at, device.revoked_by) == (make.NOON, cast.ada)
        with pytest.raises(devices.AlreadyRevoked):
            devices.revoke(by=cast.ada, device=device, now=make.NOON)
        assert AuditEvent.objects.filter(verb="device.revoked").count() == 1
