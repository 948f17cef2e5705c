"""Rooms: added, renamed, in and out of use. (Equipment and locations: test_equipment.py, test_locations.py.)"""

import pytest

from clinic.actions import places
from clinic.models import AuditEvent, Room
from tests import factories as make
from tests.cast import Cast

pytestmark = pytest.mark.django_db


class TestActions:
    def test_a_room_is_added_in_use(self, cast: Cast) -> None:
        room = places.add_room(by=cast.ada, location=cast.denver, name="Willow", kind=Room.Kind.DOSING, now=make.NOON)
        assert (room.location, room.kind, room.is_in_use) == (cast.denver, "dosing", True)
        event = AuditEvent.objects.get(verb="room.changed")
        assert (event.subject_id, event.location_id, event.details) == (room.pk, cast.denver.pk, {"added": True})

    def test_a_name_is_used_once_a_location(self, cast: Cast) -> None:
        with pytest.raises(places.RoomNameTaken, match="another name"):
            places.add_room(by=cast.ada, location=cast.denver, name="Aspen", kind=Room.Kind.DOSING, now=make.NOON)
        assert Room.objects.filter(name="Aspen").count() == 1
        elsewhere = places.add_room(
            by=cast.ada, location=cast.phoenix, name="Aspen", kind=Room.Kind.DOSING, now=make.NOON
        )
        assert elsewhere.name == "Aspen"

    def test_a_room_is_taken_out_of_use_and_back(self, cast: Cast) -> None:
        for is_in_use in (False, True):
            room = places.edit_room(
                by=cast.ada, room=cast.room, name="Aspen", kind=Room.Kind.CONSULTING, is_in_use=is_in_use, now=make.NOON
            )
            assert room.is_in_use is is_in_use
            assert Room.objects.in_use().filter(pk=room.pk).exists() is is_in_use
        assert [row.details for row in AuditEvent.objects.filter(verb="room.changed")] == [
            {"fields": ["is_in_use"]}
        ] * 2

    def test_saving_what_is_there_already_leaves_no_trace(self, cast: Cast) -> None:
        places.edit_room(
            by=cast.ada, room=cast.room, name="Aspen", kind=Room.Kind.CONSULTING, is_in_use=True, now=make.NOON
        )
        assert not AuditEvent.objects.filter(verb="room.changed").exists()

    def test_a_room_is_not_renamed_to_another(self, cast: Cast) -> None:
        with pytest.raises(places.RoomNameTaken):
            places.edit_room(
                by=cast.ada, room=cast.room, name="Birch", kind=Room.Kind.CONSULTING, is_in_use=True, now=make.NOON
            )
        cast.room.refresh_from_db()
        assert cast.room.name == "Aspen"
