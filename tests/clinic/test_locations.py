"""Locations: added with somebody to answer for them, and with a neutral name that gives nothing away."""

from datetime import datetime
from typing import Any

import pytest
from django.urls import reverse

from clinic import neutralnames
from clinic.access import Permission, holds
from clinic.actions import places
from clinic.models import AuditEvent, Location, OpeningHours, User
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

pytestmark = pytest.mark.django_db

BOULDER = {
    "name": "Boulder", "alias": "Pearl Street", "time_zone": "America/Denver", "state": "CO", "street": "1 Pearl Street",
    "city": "Boulder", "postcode": "80302", "phone": "(303) 555-0150", "directions": "",
}  # fmt: skip


def described(location: Location, **changes: Any) -> dict[str, Any]:
    return {**{field: getattr(location, field) for field in BOULDER}, **changes}


class TestAdd:
    def test_whoever_adds_it_is_its_manager(self, cast: Cast) -> None:
        location = places.add_location(by=cast.ada, **BOULDER, now=make.NOON)
        assert holds(User.objects.get(pk=cast.ada.pk), Permission.PLACES_MANAGE, location.pk)
        assert not OpeningHours.objects.filter(location=location).exists()
        assert AuditEvent.objects.filter(location_id=location.pk).count() == 2

    def test_two_locations_have_two_names(self, cast: Cast) -> None:
        with pytest.raises(places.LocationNameTaken):
            places.add_location(by=cast.ada, **{**BOULDER, "name": "Phoenix"}, now=make.NOON)

    def test_a_zone_nobody_knows(self, cast: Cast) -> None:
        with pytest.raises(places.NoSuchZone):
            places.add_location(by=cast.ada, **{**BOULDER, "time_zone": "America/Boulder"}, now=make.NOON)
        assert not Location.objects.filter(name="Boulder").exists()


class TestNeutralNames:
    @pytest.mark.parametrize(
        ("alias", "word"),
        [
            ("Denver Ketamine Center", "Ketamine"), ("KAP Studio", "KAP"), ("Juniper Psychiatry", "Psychiatry"),
            ("Mental-health House", "Mental"), ("Front Range THERAPY", "THERAPY"), ("The Pain Clinic", "Pain"),
            ("Infusions_West", "Infusions"), ("Low Dose Rooms", "Dose"), ("House of Psychedelics", "Psychedelics"),
        ],
    )  # fmt: skip
    def test_what_tells_is_refused_and_named(self, cast: Cast, alias: str, word: str) -> None:
        with pytest.raises(places.RevealingName, match=word):
            places.add_location(by=cast.ada, **{**BOULDER, "alias": alias}, now=make.NOON)
        with pytest.raises(places.RevealingName, match=word):
            places.edit_location(
                by=cast.ada, location=cast.denver, **described(cast.denver, alias=alias), now=make.NOON
            )

    @pytest.mark.parametrize(
        "alias", ["Juniper Street", "Painter Street Clinic", "Moody Building", "Kapa House", "Österreich"]
    )
    def test_what_does_not_tell_is_allowed(self, alias: str) -> None:
        assert neutralnames.revealing_word(alias) == ""


class TestEdit:
    def test_described_anew(self, cast: Cast) -> None:
        after = places.edit_location(
            by=cast.ada, location=cast.denver, **described(cast.denver, phone="(303) 555-0199", directions="Ring twice."),
            now=make.NOON,
        )  # fmt: skip
        assert (after.phone, after.directions) == ("(303) 555-0199", "Ring twice.")
        assert AuditEvent.objects.get(verb="location.changed").details == {"fields": ["phone", "directions"]}

    def test_the_same_again_leaves_no_trace(self, cast: Cast) -> None:
        places.edit_location(by=cast.ada, location=cast.denver, **described(cast.denver), now=make.NOON)
        assert not AuditEvent.objects.filter(verb="location.changed").exists()

    def test_not_by_another_ones_name(self, cast: Cast) -> None:
        with pytest.raises(places.LocationNameTaken):
            places.edit_location(
                by=cast.ada, location=cast.denver, **described(cast.denver, name="Phoenix"), now=make.NOON
            )

    @pytest.mark.parametrize("change", [{"time_zone": "America/Phoenix"}, {"state": "AZ"}])
    def test_the_zone_stays_once_hours_were_set(self, cast: Cast, change: dict[str, str]) -> None:
        with pytest.raises(places.ZoneInUse):
            places.edit_location(by=cast.ada, location=cast.denver, **described(cast.denver, **change), now=make.NOON)

    def test_a_slip_in_the_zone_is_corrected_before_that(self, cast: Cast) -> None:
        location = places.add_location(by=cast.ada, **BOULDER, now=make.NOON)
        after = places.edit_location(
            by=cast.ada, location=location, **described(location, time_zone="America/Boise"), now=make.NOON
        )
        assert after.time_zone == "America/Boise"
        with pytest.raises(places.NoSuchZone):
            places.edit_location(by=cast.ada, location=location, **described(location, time_zone="Mars"), now=make.NOON)


class TestPages:
    def test_add_one_and_work_there(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        client = signed_in(cast.ada)
        answer = client.post(reverse("clinic:add_location"), BOULDER, follow=True)
        page = answer.content.decode()
        assert "Boulder is added, and you are its manager." in page
        assert "There is no room yet" in page
        assert Location.objects.get(name="Boulder").phone == "(303) 555-0150"

    def test_refused_by_the_field(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        client = signed_in(cast.ada)
        for changes, field in (
            ({"alias": "Ketamine Care"}, "alias"), ({"name": "Phoenix"}, "name"), ({"postcode": "8030"}, "postcode"),
            ({"phone": "12"}, "phone"), ({"time_zone": "Mars/Olympus"}, "time_zone"), ({"state": "XX"}, "state"),
            ({"name": ""}, "name"),
        ):  # fmt: skip
            answer = client.post(reverse("clinic:add_location"), {**BOULDER, **changes})
            assert (answer.status_code, list(answer.context["form"].errors)) == (422, [field])
        assert not Location.objects.filter(city="Boulder").exists()

    def test_edit(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        client, path = signed_in(cast.ada), reverse("clinic:edit_location", args=[cast.denver.pk])
        assert client.post(path, described(cast.denver, directions="Ring twice.")).status_code == 302
        cast.denver.refresh_from_db()
        assert cast.denver.directions == "Ring twice."
        answer = client.post(path, described(cast.denver, time_zone="America/Phoenix"))
        assert (answer.status_code, list(answer.context["form"].errors)) == (422, ["time_zone"])

    def test_strangers(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        path = reverse("clinic:edit_location", args=[cast.phoenix.pk])
        assert signed_in(cast.ada).post(path, described(cast.phoenix, city="Mesa")).status_code == 404
        assert signed_in(cast.frida).get(reverse("clinic:add_location")).status_code == 403
