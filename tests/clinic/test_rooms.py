"""Rooms: added, renamed, in and out of use. (Equipment and locations: test_equipment.py, test_locations.py.)"""

from datetime import datetime

import pytest
from django.urls import reverse

from clinic.actions import places
from clinic.models import AuditEvent, Device, Role, Room
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn
from tests.query_counts import queries

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


class TestPages:
    def test_each_room_stands_there(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        page = signed_in(cast.ada).get(reverse("clinic:rooms")).content.decode()
        assert "Aspen" in page
        assert "Birch" in page
        assert "Cedar" not in page

    def test_no_room_yet_teaches(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        boulder = make.make_location("Boulder")
        make.make_member(cast.ada, boulder, Role.MANAGER)
        client = signed_in(cast.ada)
        client.post(reverse("clinic:switch_location"), {"location_id": boulder.pk})
        page = client.get(reverse("clinic:rooms")).content.decode()
        assert "No rooms yet" in page
        assert reverse("clinic:add_room", args=[boulder.pk]) in page

    def test_the_list_asks_as_much_for_thirty_as_for_two(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        client = signed_in(cast.ada)
        few = len(queries(client, reverse("clinic:rooms")))
        for number in range(30):
            make.make_room(cast.denver)
            places.add_equipment(
                by=cast.ada, location=cast.denver, name=f"M{number}", kind=Device.Kind.VITALS_MONITOR, now=make.NOON
            )
        assert len(queries(client, reverse("clinic:rooms"))) == few

    def test_add_and_edit(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        client = signed_in(cast.ada)
        add = reverse("clinic:add_room", args=[cast.denver.pk])
        assert client.get(add).status_code == 200
        assert client.post(add, {"name": "Willow", "kind": "dosing"}).status_code == 302
        room = Room.objects.get(name="Willow")
        edit = reverse("clinic:edit_room", args=[room.pk])
        assert client.post(edit, {"name": "Willow", "kind": "group"}).status_code == 302
        room.refresh_from_db()
        assert (room.kind, room.is_in_use) == ("group", False)

    def test_a_refusal_stands_by_the_field_and_keeps_what_was_typed(
        self, cast: Cast, signed_in: SignedIn, now: datetime
    ) -> None:
        client = signed_in(cast.ada)
        answer = client.post(reverse("clinic:add_room", args=[cast.denver.pk]), {"name": "Aspen", "kind": "dosing"})
        assert answer.status_code == 422
        assert "There is a room with this name here" in answer.context["form"].errors["name"][0]
        assert 'value="Aspen"' in answer.content.decode()

    def test_nothing_is_chosen_for_anybody(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        answer = signed_in(cast.ada).post(reverse("clinic:add_room", args=[cast.denver.pk]), {})
        assert (answer.status_code, set(answer.context["form"].errors)) == (422, {"name", "kind"})

    def test_somebody_elses_rooms_are_not_there(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        """Ada manages Denver and is front desk in Phoenix: Phoenix's rooms are not hers."""
        client = signed_in(cast.ada)
        assert client.get(reverse("clinic:edit_room", args=[cast.phoenix_room.pk])).status_code == 404
        values = {"name": "Cedar", "kind": "group"}
        assert client.post(reverse("clinic:edit_room", args=[cast.phoenix_room.pk]), values).status_code == 404
        assert client.post(reverse("clinic:add_room", args=[cast.phoenix.pk]), values).status_code == 404
        cast.phoenix_room.refresh_from_db()
        assert (cast.phoenix_room.kind, cast.phoenix_room.is_in_use) == ("consulting", True)
        assert Room.objects.filter(location=cast.phoenix).count() == 1

    def test_only_managers(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        for who in (cast.frida, cast.dana, cast.petra, cast.omar):
            assert signed_in(who).get(reverse("clinic:rooms")).status_code == 403
