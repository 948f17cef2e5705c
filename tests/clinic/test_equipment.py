"""Equipment: what a visit may need and what is in one place only."""

from datetime import datetime

import pytest
from django.urls import reverse

from clinic.actions import places
from clinic.models import AuditEvent, Device
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

pytestmark = pytest.mark.django_db

Kind = Device.Kind


@pytest.fixture
def monitor(cast: Cast) -> Device:
    return places.add_equipment(
        by=cast.ada, location=cast.denver, name="Monitor 1", kind=Kind.VITALS_MONITOR, serial_number="A1", now=make.NOON
    )


def test_added_in_use(cast: Cast, monitor: Device) -> None:
    assert (monitor.location, monitor.serial_number, monitor.is_in_use) == (cast.denver, "A1", True)
    assert AuditEvent.objects.get(verb="equipment.changed").details == {"added": True}


def test_a_name_once_a_location(cast: Cast, monitor: Device) -> None:
    with pytest.raises(places.EquipmentNameTaken):
        places.add_equipment(
            by=cast.ada, location=cast.denver, name="Monitor 1", kind=Kind.VITALS_MONITOR, now=make.NOON
        )
    other = places.add_equipment(
        by=cast.ada, location=cast.denver, name="Monitor 2", kind=Kind.VITALS_MONITOR, now=make.NOON
    )
    with pytest.raises(places.EquipmentNameTaken):
        places.edit_equipment(
            by=cast.ada, equipment=other, name="Monitor 1", kind=Kind.VITALS_MONITOR, serial_number="", is_in_use=True,
            now=make.NOON,
        )  # fmt: skip


def test_out_of_use(cast: Cast, monitor: Device) -> None:
    after = places.edit_equipment(
        by=cast.ada, equipment=monitor, name="Monitor 1", kind=Kind.VITALS_MONITOR, serial_number="A1", is_in_use=False,
        now=make.NOON,
    )  # fmt: skip
    assert after.is_in_use is False
    assert AuditEvent.objects.latest("id").details == {"fields": ["is_in_use"]}


def test_pages(cast: Cast, signed_in: SignedIn, now: datetime) -> None:
    client = signed_in(cast.ada)
    add = reverse("clinic:add_equipment", args=[cast.denver.pk])
    assert client.post(add, {"name": "Monitor 1"}).status_code == 422
    assert client.post(add, {"name": "Monitor 1", "kind": "vitals_monitor"}).status_code == 302
    answer = client.post(add, {"name": "Monitor 1", "kind": "vitals_monitor"})
    assert (answer.status_code, list(answer.context["form"].errors)) == (422, ["name"])
    edit = reverse("clinic:edit_equipment", args=[Device.objects.get().pk])
    assert client.post(edit, {"name": "Monitor 1", "kind": "vitals_monitor"}).status_code == 302
    assert Device.objects.get().is_in_use is False


def test_strangers(cast: Cast, signed_in: SignedIn, now: datetime) -> None:
    theirs = places.add_equipment(
        by=cast.olga, location=cast.phoenix, name="M", kind=Kind.VITALS_MONITOR, now=make.NOON
    )
    values = {"name": "Mine", "kind": "vitals_monitor"}
    client = signed_in(cast.ada)
    assert client.post(reverse("clinic:edit_equipment", args=[theirs.pk]), values).status_code == 404
    assert client.post(reverse("clinic:add_equipment", args=[cast.phoenix.pk]), values).status_code == 404
    assert [device.name for device in Device.objects.all()] == ["M"]
