"""Why a day or an hour has no opening, in plain words. Whose hours, absence and visits may be said to whoever books them."""

import uuid
from collections.abc import Sequence

from django.utils.translation import gettext as _

from clinic.models import Device, Location, Role, Room
from patients.models import Patient
from sessions.availability import Obstacle
from sessions.models import VisitType
from sessions.timetable import Choices
from sessions.whynot import Reason

# Of a seat with many people the first are named, and how many more there are.
MOST_NAMED = 3


def sentences(
    found: Sequence[Reason], *, choices: Choices, kind: VisitType, location: Location, patient: Patient, near: str = ""
) -> list[str]:
    """Return each reason as a sentence, those of the people of one seat as one. ``near`` tells the dose that is too near."""
    told: list[str] = []
    for one in found:
        if one.person is None:
            told.append(_plain(one, kind=kind, location=location, patient=patient, near=near))
        else:
            told.append(_of_seat([other for other in found if other.person and other.seat == one.seat], choices, kind))
    # Each once, in its order.
    return list(dict.fromkeys(told))


def _plain(one: Reason, *, kind: VisitType, location: Location, patient: Patient, near: str) -> str:
    facts = {
        "place": location.name, "name": patient.called, "minutes": kind.closing_margin_minutes, "n": kind.grid_minutes,
        "room": Room.Kind(kind.room_kind).label if kind.room_kind else "",
        "devices": ", ".join(str(Device.Kind(one.kind).label) for one in kind.shape.equipment),
        "role": Role(kind.shape.seats[one.seat].roles[0]).label,
    }  # fmt: skip
    words = {
        Obstacle.PAST: _("This time has passed."),
        Obstacle.OFF_GRID: _("Visits of this kind start every %(n)d minutes."),
        Obstacle.SHUT: _("%(place)s is not open."),
        Obstacle.CLOSURE: _("%(place)s is shut for a holiday or closure."),
        Obstacle.TOO_LATE_TO_CLOSE: _("It must be over %(minutes)d minutes before %(place)s closes."),
        Obstacle.NOT_WORKING: _("Nobody works here as a %(role)s."),
        Obstacle.ROOM_TAKEN: _("No %(room)s is free."),
        Obstacle.DEVICE_TAKEN: _("Not free: %(devices)s."),
        Obstacle.PATIENT_TAKEN: _("%(name)s has another visit."),
        Obstacle.NOBODY_LEFT: _("Nobody is left who is not needed twice."),
        Obstacle.DOSE_TOO_NEAR: near or _("It is too near to another dose."),
    }[one.obstacle]
    return words % facts


def _of_seat(found: Sequence[Reason], choices: Choices, kind: VisitType) -> str:
    if len(found) == 1:
        return _clause(found[0], choices.everybody[_who(found[0])].name) + "."
    # Whoever could have come, had they been free, says more than whoever is not there that day at all.
    weighed = sorted(found, key=lambda one: one.obstacle == Obstacle.NOT_WORKING)
    names = [_clause(one, choices.everybody[_who(one)].short_name) for one in weighed[:MOST_NAMED]]
    if len(found) > MOST_NAMED:
        names.append(_("and %(n)d more") % {"n": len(found) - MOST_NAMED})
    seat = kind.shape.seats[found[0].seat]
    role = str(Role(seat.roles[0]).label)
    if all(one.obstacle == Obstacle.NOT_WORKING for one in found):
        return _("No %(role)s is at work.") % {"role": role}
    return _("No %(role)s is free: %(names)s.") % {"role": role, "names": ", ".join(names)}


def _who(one: Reason) -> uuid.UUID:
    if one.person is None:
        raise ValueError(one)
    return one.person


def _clause(one: Reason, who: str) -> str:
    name = {"name": who}
    if one.is_ratio:
        return _("%(name)s already has as many as they may watch") % name
    words = {
        Obstacle.NOT_WORKING: _("%(name)s is not at work"),
        Obstacle.AWAY: _("%(name)s is away"),
        Obstacle.CLINICIAN_TAKEN: _("%(name)s is taken"),
    }[one.obstacle]
    return words % name
