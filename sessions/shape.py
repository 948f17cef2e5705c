"""What a kind of visit is made of: its parts, the people and the devices each takes, and for how long. Pure.

A shape is data of one version of a kind of visit (``VisitType.parts``, ``seats`` and ``devices``) and never changes; what is read here is
what ``visittypes.publish`` accepted. Minutes count from the visit's start. Source: domain.md 3.1 and 8.2.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sessions.availability import Load, Stretch

# The one part of a visit that has no others.
WHOLE = "whole"
# Who is named for nothing in particular: the person the visit is with.
CLINICIAN = "clinician"


class BadShape(ValueError):
    """No visit can be like that; the words say what is wrong, for whoever writes kinds of visit."""


@dataclass(frozen=True)
class Part:
    """One part of a visit, in minutes from its start."""

    kind: str
    starts: int
    ends: int


@dataclass(frozen=True)
class Seat:
    """One duty that somebody takes on in a visit, and the roles of those who may. The first seat's person is the visit's clinician."""

    duty: str
    roles: tuple[str, ...]
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True)
class Equipment:
    """One device of a kind that a visit takes."""

    kind: str
    stretch: Stretch


@dataclass(frozen=True)
class Shape:
    parts: tuple[Part, ...]
    seats: tuple[Seat, ...]
    equipment: tuple[Equipment, ...]

    @property
    def lead(self) -> Seat:
        return self.seats[0]

    @property
    def others(self) -> tuple[Seat, ...]:
        """Return the seats beside the clinician's."""
        return self.seats[1:]


def _minutes(value: Any, most: int, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise BadShape(f"{what} is a whole number of minutes from 0 to {most}.")
    return value


def _stretch(row: Mapping[str, Any], minutes: int, tail: int) -> Stretch:
    starts = _minutes(row.get("starts", 0), minutes, "The start of a stretch")
    ends = _minutes(row.get("ends", minutes), minutes, "The end of a stretch")
    if starts >= ends:
        raise BadShape("A stretch ends after it starts.")
    try:
        load = Load(row.get("load", Load.SOLE))
    except ValueError as error:
        raise BadShape("A stretch is sole, shared or on_site.") from error
    most = row.get("most", 1)
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= 10:
        raise BadShape("At most is a number from 1 to 10.")
    return Stretch(
        timedelta(minutes=starts), timedelta(minutes=ends), load, most,
        timedelta(minutes=tail if row.get("overruns") else 0),
    )  # fmt: skip


def _parts(rows: Sequence[Mapping[str, Any]], minutes: int) -> tuple[Part, ...]:
    if not rows:
        return (Part(WHOLE, 0, minutes),)
    found, at = [], 0
    for row in rows:
        length = _minutes(row.get("minutes"), minutes, "A part")
        if not length or not row.get("kind"):
            raise BadShape("A part has a kind and takes at least a minute.")
        found.append(Part(str(row["kind"]), at, at + length))
        at += length
    if at != minutes:
        raise BadShape(f"The parts take {at} minutes, and the visit {minutes}.")
    return tuple(found)


def _seats(rows: Sequence[Mapping[str, Any]], minutes: int, overrun: int, role: str) -> tuple[Seat, ...]:
    if not rows:
        return (Seat(CLINICIAN, (role,), (Stretch(timedelta(0), timedelta(minutes=minutes)),)),)
    found = []
    for row in rows:
        rows_of: Sequence[Mapping[str, Any]] = row.get("stretches") or ({},)
        stretches = tuple(_stretch(one, minutes, overrun) for one in rows_of)
        roles = tuple(str(one) for one in row.get("roles", ()))
        if not row.get("duty") or not roles:
            raise BadShape("A seat has a duty and the roles that may take it on.")
        found.append(Seat(str(row["duty"]), roles, stretches))
    if role not in found[0].roles:
        raise BadShape("The first seat is the clinician's, and of the role that the visit is with.")
    if len({seat.duty for seat in found}) < len(found):
        raise BadShape("Each duty stands once.")
    return tuple(found)


def read(
    *,
    minutes: int,
    overrun: int,
    role: str,
    parts: Iterable[Mapping[str, Any]] = (),
    seats: Iterable[Mapping[str, Any]] = (),
    devices: Iterable[Mapping[str, Any]] = (),
) -> Shape:
    """Return the shape of a visit of so many minutes. Without parts it is one, without seats one person's of ``role`` throughout.

    Refuses (BadShape) parts that do not add up to the minutes, stretches outside the visit, loads it does not know, and a duty twice.
    """
    equipment = []
    for row in devices:
        if not row.get("kind"):
            raise BadShape("A device has a kind.")
        equipment.append(Equipment(str(row["kind"]), _stretch(row, minutes, overrun)))
    return Shape(
        _parts(list(parts), minutes), _seats(list(seats), minutes, overrun, role), tuple(equipment)
    )  # fmt: skip
