"""Who is there when in visits of several, read in two queries for whatever draws or lists a stretch of the schedule."""

import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.utils.text import capfirst

from sessions.availability import Load
from sessions.models import Block, VisitType
from sessions.models.visits import AppointmentQuerySet


@dataclass(frozen=True)
class Presence:
    """Somebody who is with the patient for a stretch, in minutes from the visit's start. Being in the house is not being there."""

    person: uuid.UUID
    name: str
    duty: str
    starts: int
    ends: int


@dataclass(frozen=True)
class Composite:
    """The parts of a visit of several (word, first and last minute), and who is there in them, in order."""

    parts: tuple[tuple[str, int, int], ...]
    people: tuple[Presence, ...]

    def in_part(self, starts: int, ends: int) -> list[Presence]:
        return [one for one in self.people if one.starts < ends and starts < one.ends]


def read(visits: AppointmentQuerySet) -> dict[uuid.UUID, Composite]:
    """Return the composites among some visits, by the visit's id. Two queries however many there are."""
    rows = list(
        Block.objects.filter(appointment__in=visits.order_by().values("pk"))
        .exclude(appointment__visit_type__seats=[])
        .order_by()
        .values_list("appointment_id", "appointment__visit_type_id", "duty", "person_id", "person__name")
        .distinct()
    )
    kinds = VisitType.objects.in_bulk({row[1] for row in rows}) if rows else {}
    teams: dict[uuid.UUID, dict[str, tuple[uuid.UUID, str]]] = defaultdict(dict)
    kind_of: dict[uuid.UUID, VisitType] = {}
    for visit, kind, duty, person, name in rows:
        teams[visit][duty] = (person, name)
        kind_of[visit] = kinds[kind]
    return {visit: _composite(kind_of[visit], team) for visit, team in teams.items()}


def _composite(kind: VisitType, team: dict[str, tuple[uuid.UUID, str]]) -> Composite:
    people: list[Presence] = []
    for seat in kind.shape.seats:
        if seat.duty not in team:
            continue
        person, name = team[seat.duty]
        for one in seat.stretches:
            if one.load is Load.ON_SITE:
                continue
            starts, ends = _minutes(one.starts), _minutes(one.ends)
            before = people[-1] if people else None
            if before and before.person == person and before.ends == starts:
                # Who watched the first hour alone goes on: one stretch, under the first duty's name.
                people[-1] = Presence(person, name, before.duty, before.starts, ends)
            else:
                people.append(Presence(person, name, str(Block.Duty(seat.duty).label), starts, ends))
    parts = tuple((str(capfirst(Block.Kind(part.kind).label)), part.starts, part.ends) for part in kind.shape.parts)
    return Composite(parts, tuple(people))


def named(people: Iterable[tuple[str, str]]) -> str:
    """Return people with their duties in a line; whoever has two is named once: ``Dana Deng (prescriber, monitor)``."""
    duties: dict[str, dict[str, None]] = {}
    for name, duty in people:
        duties.setdefault(name, {})[duty] = None
    return ", ".join(f"{name} ({', '.join(theirs)})" for name, theirs in duties.items())


def _minutes(span: timedelta) -> int:
    return int(span / timedelta(minutes=1))
