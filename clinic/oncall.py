"""Who can be reached at a location now: on call, treating, directing, or there at all.

Only licensed clinicians stand on a rota and answer an alarm: nurses, therapists and prescribers who are not in training
(domain.md 6.5). Who treats a patient is known upstairs, where care teams live; that floor fills ``register_treating``.
"""

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from clinic import businessdays
from clinic.ladder import People, Reach
from clinic.models import LICENSED, Location, Membership, OnCall, Role, TimeOff, User

TreatingOf = Callable[[uuid.UUID], Iterable[uuid.UUID]]
_ask_treating: list[TreatingOf] = []


def register_treating(ask: TreatingOf) -> None:
    """Say how to find who treats a patient, whoever leads the care team first."""
    _ask_treating[:] = [ask]


def treating(patient_id: uuid.UUID | None) -> People:
    """Return the ids of the patient's care team, its lead first; empty without a patient."""
    if patient_id is None:
        return ()
    return tuple(person for ask in _ask_treating for person in ask(patient_id))


@dataclass(frozen=True)
class Staff:
    """The active people of a location by what they may do about an alarm."""

    licensed: People
    directors: People
    managers: People


def staff_of(location_id: uuid.UUID) -> Staff:
    """Return who works at a location, in one query."""
    rows = list(
        Membership.objects.live().filter(location_id=location_id, user__is_active=True).order_by("started_at", "id")
    )
    return Staff(
        licensed=_once(row.user_id for row in rows if Role(row.role) in LICENSED and not row.is_trainee),
        directors=_once(row.user_id for row in rows if row.is_medical_director),
        managers=_once(row.user_id for row in rows if row.role == Role.MANAGER),
    )


def clinicians(location: Location) -> list[User]:
    """Return the licensed clinicians of a location by name: who may stand on its rota and answer its alarms."""
    return list(User.objects.filter(pk__in=staff_of(location.pk).licensed).order_by("name", "id"))


def is_clinician(user: User, location_id: uuid.UUID) -> bool:
    """Return whether ``user`` is a licensed clinician of the location: of a licensed role there, and not in training."""
    return user.is_active and user.pk in staff_of(location_id).licensed


def away(people: Iterable[uuid.UUID], now: datetime) -> set[uuid.UUID]:
    """Return who of these people is away now: on holiday, ill, in training."""
    off = TimeOff.objects.filter(user__in=set(people), cancelled_at=None, during__contains=now)
    return set(off.values_list("user_id", flat=True))


def reach(location: Location, patient_id: uuid.UUID | None, now: datetime) -> Reach:
    """Return who could be called about something at a location now.

    Whoever stands on the rota and no longer works there as a licensed clinician, or is away now, counts as nobody: the
    minutes of waiting for them are somebody's life.
    """
    staff = staff_of(location.pk)
    may_act = set(staff.licensed)
    on_duty: dict[str, People] = {}
    duties = list(OnCall.objects.at(location, now))
    absent = away({duty.user_id for duty in duties}, now)
    for duty in duties:
        if duty.user_id in may_act and duty.user_id not in absent:
            on_duty[duty.tier] = (duty.user_id,)
    return Reach(
        first=on_duty.get(OnCall.Tier.FIRST, ()),
        second=on_duty.get(OnCall.Tier.SECOND, ()),
        treating=tuple(person for person in treating(patient_id) if person in may_act),
        directors=staff.directors,
        everybody=_once((*staff.licensed, *staff.directors, *staff.managers)),
        is_open=businessdays.is_open(location=location, now=now),
    )


def _once(ids: Iterable[uuid.UUID]) -> People:
    return tuple(dict.fromkeys(ids))
