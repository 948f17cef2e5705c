"""The first day: a clinic comes into being with its sites, its first people and limits somebody answers for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import available_timezones

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from clinic import audit, policy
from clinic.actions import system
from clinic.errors import Refused
from clinic.models import Location, Membership, OpeningHours, PolicyVersion, Role, User

UNUSABLE_PASSWORD = "!unusable"


class AlreadyFounded(Refused):
    """There is a clinic in this database."""

    def __init__(self) -> None:
        super().__init__(_("There is a clinic here already. Its managers add sites and people under Office."))


class NobodyToAnswer(Refused):
    """A clinic needs a manager at each site and a medical director."""

    def __init__(self) -> None:
        super().__init__(_("Name a manager for every site and one medical director: somebody must answer for each."))


class NoSuchZone(Refused):
    """A zone nobody knows."""

    def __init__(self, name: str) -> None:
        super().__init__(_("There is no time zone called %(name)s. Use a name like America/Denver.") % {"name": name})


@dataclass(frozen=True)
class Site:
    """A location as it is founded. ``opens`` and ``closes`` hold on ``weekdays``, Monday being 0."""

    name: str
    alias: str
    time_zone: str
    state: str
    street: str
    city: str
    postcode: str
    phone: str
    opens: time = time(8)
    closes: time = time(18)
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class Founder:
    """One of the first people: roles by site, each with its flags. ``supervisor`` is another founder's e-mail."""

    name: str
    email: str
    roles: Sequence[tuple[str, Role, dict[str, bool]]]
    phone: str = ""
    supervisor: str = ""


@transaction.atomic
def found(*, sites: Sequence[Site], founders: Sequence[Founder], now: datetime) -> list[Location]:
    """Return the sites of the new clinic, open, staffed, and with the first limits in force.

    The limits are domain.md appendix A, approved by the medical director who is named among the founders. Nobody has a
    password yet. Refuses a second founding, a site without a manager, no director, and a zone nobody knows.
    """
    if Location.objects.exists():
        raise AlreadyFounded
    for site in sites:
        if site.time_zone not in available_timezones():
            raise NoSuchZone(site.time_zone)
    managed = {place for who in founders for place, role, _flags in who.roles if role == Role.MANAGER}
    directors = [who for who in founders if any(flags.get("is_medical_director") for _p, _r, flags in who.roles)]
    if not sites or {site.name for site in sites} - managed or not directors:
        raise NobodyToAnswer
    by = system.sam(now=now)
    places = {site.name: _open(site, by=by, now=now) for site in sites}
    people = {who.email: _welcome(who, now=now) for who in founders}
    for who in founders:
        for place, role, flags in who.roles:
            membership = Membership.objects.create(
                user=people[who.email], location=places[place], role=role, started_at=now,
                supervisor=people[who.supervisor] if flags.get("is_trainee") else None, **flags,
            )  # fmt: skip
            audit.record(by, audit.Verb.MEMBERSHIP_STARTED, membership, now=now, details={"role": role})
    director = people[directors[0].email]
    version = PolicyVersion.objects.create(
        number=1, values=policy.FIRST_LIMITS, note=str(_("The limits the clinic opens with.")), drafted_by=by,
        drafted_at=now, approved_by=director, approved_at=now, effective_at=now,
    )  # fmt: skip
    audit.record(director, audit.Verb.POLICY_APPROVED, version, now=now, details={"number": 1})
    return list(places.values())


def _open(site: Site, *, by: User, now: datetime) -> Location:
    place = Location.objects.create(
        name=site.name, alias=site.alias, time_zone=site.time_zone, state=site.state, street=site.street, city=site.city,
        postcode=site.postcode, phone=site.phone,
    )  # fmt: skip
    OpeningHours.objects.bulk_create(
        OpeningHours(location=place, weekday=day, opens=site.opens, closes=site.closes) for day in site.weekdays
    )
    audit.record(by, audit.Verb.LOCATION_CHANGED, place, now=now, location_id=place.pk)
    return place


def _welcome(who: Founder, *, now: datetime) -> User:
    return User.objects.create(
        kind=User.Kind.STAFF, email=who.email.lower(), name=who.name, phone=who.phone, password=UNUSABLE_PASSWORD,
        created_at=now,
    )  # fmt: skip
