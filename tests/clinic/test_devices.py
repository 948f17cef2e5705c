"""Enrolled devices: a credential shown once, a hash kept, and gone at once when revoked."""

from datetime import datetime

import pytest
from django.test import Client
from django.urls import reverse

from clinic import tokens
from clinic.actions import devices, places
from clinic.models import AuditEvent, EnrolledDevice, Room
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn
from tests.query_counts import queries

pytestmark = pytest.mark.django_db

Kind = EnrolledDevice.Kind


def enroll(cast: Cast, name: str = "Hall", kind: Kind = Kind.WALL_BOARD, room: Room | None = None) -> devices.Enrolment:
    return devices.enroll(by=cast.ada, location=cast.denver, kind=kind, name=name, room=room, now=make.NOON)


class TestActions:
    def test_the_credential_is_given_once_and_kept_as_a_hash(self, cast: Cast) -> None:
        made = enroll(cast, kind=Kind.ROOM_TABLET, room=cast.room)
        assert len(made.credential) >= 43
        kept = EnrolledDevice.objects.get()
        assert kept.credential_hash == tokens.hash_of(made.credential)
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


class TestPages:
    def test_the_credential_is_in_one_answer_only(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        client = signed_in(cast.ada)
        path = reverse("clinic:enroll_device", args=[cast.denver.pk])
        answer = client.post(path, {"name": "Aspen, left wall", "kind": "room_tablet", "room": str(cast.room.pk)})
        credential = answer.context["credential"]
        assert credential in answer.content.decode()
        assert answer.headers["Cache-Control"] == "no-store"
        assert EnrolledDevice.objects.get().credential_hash == tokens.hash_of(credential)
        for later in (reverse("clinic:devices"), path):
            assert credential not in client.get(later).content.decode()
        assert credential not in str(dict(client.session))

    def test_refused_by_the_field(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        client, path = signed_in(cast.ada), reverse("clinic:enroll_device", args=[cast.denver.pk])
        answer = client.post(path, {"name": "Aspen", "kind": "room_tablet", "room": ""})
        assert (answer.status_code, "room" in answer.context["form"].errors) == (422, True)
        answer = client.post(path, {"name": "Aspen", "kind": "room_tablet", "room": str(cast.phoenix_room.pk)})
        assert (answer.status_code, "room" in answer.context["form"].errors) == (422, True)
        assert not EnrolledDevice.objects.exists()

    def test_revoke(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        client, device = signed_in(cast.ada), enroll(cast).device
        path = reverse("clinic:revoke_device", args=[device.pk])
        assert client.get(path).status_code == 405
        assert client.post(path).status_code == 302
        page = client.get(reverse("clinic:devices")).content.decode()
        assert "Revoked lately" in page
        assert "No screen is enrolled" in page

    def test_a_wrong_or_revoked_credential_is_audited_and_kept_nowhere(
        self, cast: Cast, client: Client, now: datetime
    ) -> None:
        made, path = enroll(cast), reverse("clinic:set_up_device")
        devices.revoke(by=cast.ada, device=made.device, now=make.NOON)
        for credential in (made.credential, *["made-up"] * 11):
            assert client.post(path, {"credential": credential}).status_code == 422
        rows = AuditEvent.objects.filter(verb="device.refused").order_by("id")
        assert [row.details["how"] for row in rows] == ["revoked", *["unknown"] * 9, "too_many"]
        assert [row.subject_id for row in rows][:2] == [made.device.pk, None]
        assert {(row.outcome, row.address) for row in rows} == {("refused", "127.0.0.1")}
        assert not any(shown in str(row.details) for row in rows for shown in (made.credential, "made-up"))

    def test_strangers(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        theirs = devices.enroll(
            by=cast.olga, location=cast.phoenix, kind=Kind.KIOSK, name="Desk", room=None, now=make.NOON
        ).device
        client = signed_in(cast.ada)
        assert client.post(reverse("clinic:revoke_device", args=[theirs.pk])).status_code == 404
        assert client.get(reverse("clinic:enroll_device", args=[cast.phoenix.pk])).status_code == 404
        assert signed_in(cast.frida).get(reverse("clinic:devices")).status_code == 403
        theirs.refresh_from_db()
        assert theirs.revoked_at is None

    def test_the_list_asks_as_much_for_thirty_as_for_one(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        client, path = signed_in(cast.ada), reverse("clinic:devices")
        devices.revoke(by=cast.ada, device=enroll(cast, "Old").device, now=make.NOON)
        enroll(cast)
        few = len(queries(client, path))
        for number in range(30):
            enroll(cast, f"Board {number}")
        assert len(queries(client, path)) == few
