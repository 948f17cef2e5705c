"""Licences and registrations: what is on record, and who may prescribe or practise at a location on a day."""

from collections.abc import Set
from datetime import date, datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from clinic import audit
from clinic.actions import people
from clinic.errors import Refused
from clinic.localtime import day_text
from clinic.models import LICENSED, Licence, Location, Membership, Role, User


class NotLicensed(Refused):
    """This takes a licensed clinician of the location."""

    def __init__(self, user: User, location: Location) -> None:
        super().__init__(
            _("%(name)s does not work at %(location)s in a licensed role. Ask a colleague there who does.")
            % {"name": user.name, "location": location.name}
        )


class LicenceExpired(NotLicensed):
    """The licence or registration for the location's state is not on record, or has run out."""

    def __init__(self, user: User, kind: Licence.Kind, state: str, ended_on: date | None) -> None:
        values = {"name": user.name, "licence": kind.label, "state": state}
        if ended_on is None:
            said = _(
                "There is no %(licence)s of %(name)s for %(state)s on record. A manager enters it under Office, People; until then a colleague has to do this."
            )
        else:
            values["day"] = day_text(ended_on)
            said = _(
                "The %(licence)s of %(name)s for %(state)s ended on %(day)s. A manager enters the renewed one under Office, People; until then a colleague has to do this."
            )
        Refused.__init__(self, said % values)


@transaction.atomic
def record_licence(
    *, by: User, person: User, kind: Licence.Kind, number: str, state: str, expires_on: date, now: datetime
) -> Licence:
    """Return the licence: one of a kind and state a person, so a renewed one replaces it, with history."""
    person = people.lock_active(person)
    licence, made = Licence.objects.select_for_update(no_key=True).get_or_create(
        user=person, kind=kind, state=state.upper(), defaults={"number": number, "expires_on": expires_on}
    )
    if not made:
        licence.number, licence.expires_on = number, expires_on
        licence.save(update_fields=["number", "expires_on"])
    audit.record(by, audit.Verb.LICENCE_CHANGED, licence, now=now, details={"kind": kind, "state": state.upper()})
    return licence


def may_prescribe(user: User, location: Location, on: date) -> None:
    """Refuse whoever may not prescribe a controlled substance at a location on its calendar day ``on``.

    It takes the prescriber's role there, and a professional licence and a DEA registration for its state that hold on
    that day; their last day still counts. Source: domain.md scenario 50, 21 CFR 1301.12 (a registration is a state's).
    """
    _guard_licensed(user, location, on, {Role.PRESCRIBER}, (Licence.Kind.PROFESSIONAL, Licence.Kind.DEA))


def may_practise(user: User, location: Location, on: date) -> None:
    """Refuse whoever is no licensed clinician (nurse, therapist, prescriber; no trainee) of a location on its day ``on``."""
    _guard_licensed(user, location, on, LICENSED, (Licence.Kind.PROFESSIONAL,))


def _guard_licensed(
    user: User, location: Location, on: date, roles: Set[Role], kinds: tuple[Licence.Kind, ...]
) -> None:
    held = Membership.objects.live().filter(
        user=user, user__is_active=True, location=location, role__in=roles, is_trainee=False
    )
    if not held.exists():
        raise NotLicensed(user, location)
    ends = dict(Licence.objects.filter(user=user, state=location.state).values_list("kind", "expires_on"))
    for kind in kinds:
        if kind not in ends or ends[kind] < on:
            raise LicenceExpired(user, kind, location.state, ends.get(kind))
