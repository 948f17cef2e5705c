"""The first day of a clinic."""

from dataclasses import replace

import pytest

from clinic import policy
from clinic.actions import founding
from clinic.actions.founding import Founder, Site
from clinic.models import AuditEvent, Location, Membership, OpeningHours, Role, User
from tests import factories as make

SITE = Site(
    "Denver", "Juniper Street", "America/Denver", "CO", "12 Juniper Street", "Denver", "80203", "(303) 555-0100"
)
MANAGER = Founder("Ada Abara", "Ada@Juniper.example", [("Denver", Role.MANAGER, {})])
DIRECTOR = Founder("Dana Deng", "dana@juniper.example", [("Denver", Role.PRESCRIBER, {"is_medical_director": True})])

pytestmark = pytest.mark.django_db


def test_it_opens_with_people_hours_and_limits() -> None:
    (place,) = founding.found(sites=[SITE], founders=[MANAGER, DIRECTOR], now=make.NOON)
    assert OpeningHours.objects.filter(location=place).count() == 5
    assert {m.role for m in Membership.objects.live().filter(location=place)} == {Role.MANAGER, Role.PRESCRIBER}
    limits = policy.in_force(make.NOON)
    assert limits.number == 1
    assert limits.version.approved_by == User.objects.get(email="dana@juniper.example")
    assert limits.get("timeouts_min", "staff") == 15
    assert User.objects.get(email="ada@juniper.example").has_usable_password() is False
    assert AuditEvent.objects.filter(verb="policy.approved").count() == 1


def test_a_second_founding_is_refused() -> None:
    founding.found(sites=[SITE], founders=[MANAGER, DIRECTOR], now=make.NOON)
    with pytest.raises(founding.AlreadyFounded):
        founding.found(sites=[SITE], founders=[MANAGER, DIRECTOR], now=make.NOON)
    assert Location.objects.count() == 1


@pytest.mark.parametrize("founders", [[MANAGER], [DIRECTOR], []])
def test_somebody_must_answer(founders: list[Founder]) -> None:
    with pytest.raises(founding.NobodyToAnswer):
        founding.found(sites=[SITE], founders=founders, now=make.NOON)
    assert not Location.objects.exists()


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(founding.NoSuchZone, match="America/Denver"):
        founding.found(sites=[replace(SITE, time_zone="Denver")], founders=[MANAGER, DIRECTOR], now=make.NOON)


def test_a_trainee_has_a_supervisor() -> None:
    theo = Founder("Theo Thorne", "theo@juniper.example", [("Denver", Role.THERAPIST, {})])
    tara = Founder(
        "Tara Todd", "tara@juniper.example", [("Denver", Role.THERAPIST, {"is_trainee": True})], supervisor=theo.email
    )
    founding.found(sites=[SITE], founders=[MANAGER, DIRECTOR, theo, tara], now=make.NOON)
    assert Membership.objects.select_related("supervisor").get(is_trainee=True).supervisor == User.objects.get(email=theo.email)  # fmt: skip
