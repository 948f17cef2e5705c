"""Who may prescribe and practise where, on which day: domain.md scenario 50."""

from datetime import date, timedelta

import pytest

from clinic.actions import licences
from clinic.models import Membership, Role
from tests import factories as make
from tests.cast import Cast

pytestmark = pytest.mark.django_db

DAY = date(2027, 1, 13)


def test_with_licence_registration_and_role(cast: Cast) -> None:
    make.make_licences(cast.dana, expires_on=DAY)
    licences.may_prescribe(cast.dana, cast.denver, DAY)
    licences.may_practise(cast.dana, cast.denver, DAY)
    # Both end on that very day: it is the last that she may.
    for asked in (licences.may_prescribe, licences.may_practise):
        with pytest.raises(licences.LicenceExpired):
            asked(cast.dana, cast.denver, DAY + timedelta(days=1))


@pytest.mark.parametrize(
    ("kinds", "ends", "said"),
    [
        (("professional",), DAY, "no DEA registration of Dana Deng for CO"),
        (("dea",), DAY, "no professional licence of Dana Deng for CO"),
        ((), DAY, "no professional licence"),
        (("professional", "dea"), DAY - timedelta(days=1), "professional licence of Dana Deng for CO ended on Tue 12 Jan 2027"),
    ],
)  # fmt: skip
def test_without_one_nobody_prescribes(cast: Cast, kinds: tuple[str, ...], ends: date, said: str) -> None:
    make.make_licences(cast.dana, kinds=kinds, expires_on=ends)
    # Another state's is no help.
    make.make_licences(cast.dana, state="AZ")
    with pytest.raises(licences.LicenceExpired, match=said):
        licences.may_prescribe(cast.dana, cast.denver, DAY)


def test_a_registration_that_ended_is_named(cast: Cast) -> None:
    make.make_licences(cast.dana, kinds=("professional",))
    make.make_licences(cast.dana, kinds=("dea",), expires_on=DAY - timedelta(days=1))
    with pytest.raises(licences.LicenceExpired, match=r"DEA registration .* ended on Tue 12 Jan 2027"):
        licences.may_prescribe(cast.dana, cast.denver, DAY)
    licences.may_practise(cast.dana, cast.denver, DAY)


@pytest.mark.parametrize(("who", "place"), [("omar", "denver"), ("nina", "denver"), ("ada", "denver"), ("dana", "phoenix"), ("pat_user", "denver")])  # fmt: skip
def test_a_licence_is_no_role(cast: Cast, who: str, place: str) -> None:
    user = getattr(cast, who)
    make.make_licences(user)
    make.make_licences(user, state="AZ")
    with pytest.raises(licences.NotLicensed, match="licensed role"):
        licences.may_prescribe(user, getattr(cast, place), DAY)


@pytest.mark.parametrize(
    ("who", "may"),
    [("dana", True), ("nina", True), ("theo", True), ("tara", False), ("milo", False), ("frida", False), ("ada", False)],
)  # fmt: skip
def test_who_practises(cast: Cast, who: str, may: bool) -> None:
    user = getattr(cast, who)
    make.make_licences(user, kinds=("professional",))
    if may:
        licences.may_practise(user, cast.denver, DAY)
    else:
        with pytest.raises(licences.NotLicensed):
            licences.may_practise(user, cast.denver, DAY)


def test_whose_role_ended_does_neither(cast: Cast) -> None:
    make.make_licences(cast.dana)
    Membership.objects.filter(user=cast.dana, role=Role.PRESCRIBER).update(ended_at=make.NOON)
    for ask in (licences.may_prescribe, licences.may_practise):
        with pytest.raises(licences.NotLicensed):
            ask(cast.dana, cast.denver, DAY)
