"""What must be true of the schedule whatever was done to it, read straight from the tables.

What is held is reckoned anew from the data of each kind of visit, not by the product's own reading of it.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sessions.models import Appointment, Block, ResourceHold

# What one person may do at once, and how far doses lie apart. Source: domain.md 3.4 and 8.2.
MOST_WATCHED, MOST_ON_SITE, HOURS_BETWEEN = 2, 4, timedelta(hours=72)
DENVER = ZoneInfo("America/Denver")
LIVE = ("held", "booked", "confirmed", "checked_in", "in_progress", "completed", "left")
Shown = tuple[str, str, datetime, datetime, str]


def broken() -> Iterator[str]:
    """Yield a sentence for everything that is wrong in the tables."""
    live = list(Appointment.objects.filter(status__in=LIVE).select_related("visit_type"))
    visits_by_id = {visit.pk: visit for visit in live}
    by_visit: dict[UUID, list[Held]] = defaultdict(list)
    by_resource: dict[tuple[str, UUID], list[Held]] = defaultdict(list)
    for hold in ResourceHold.objects.filter(is_live=True):
        if hold.appointment_id not in visits_by_id:
            yield f"{hold.kind} {hold.resource_id} is held for a visit that takes up no time"
            continue
        by_visit[hold.appointment_id].append(held_of(hold))
        by_resource[hold.kind, hold.resource_id].append(held_of(hold))
    people: dict[UUID, dict[str, UUID]] = defaultdict(dict)
    for block in Block.objects.filter(appointment__in=visits_by_id):
        visit = visits_by_id[block.appointment_id]
        if not visit.starts_at <= block.starts_at < block.ends_at <= visit.ends_at:
            yield f"a part of {visit.pk} lies outside of it"
        people[visit.pk][block.duty] = block.person_id
    for visit in live:
        is_wrong = asked_of(visit, people[visit.pk]) != sorted(map(shown, by_visit[visit.pk]))
        if is_wrong and not (visit.recorded_at and not by_visit[visit.pk]):
            yield f"{visit.visit_type.code} {visit.pk} ({visit.status}) does not hold what its kind asks for"
    for (kind, resource), rows in by_resource.items():
        yield from too_much(kind, resource, rows)
    yield from too_near(live)


@dataclass(frozen=True)
class Held:
    """A live hold in plain words; ``load`` is what its lanes stand for."""

    kind: str
    resource: UUID
    begins: datetime
    ends: datetime
    load: str


def held_of(hold: ResourceHold) -> Held:
    begins, ends, first, last = hold.during.lower, hold.during.upper, hold.lanes.lower, hold.lanes.upper
    assert begins is not None
    assert ends is not None
    assert first is not None
    assert last is not None
    if (first, last) == (0, 100):
        load = "sole"
    else:
        assert last - first == 1, hold.lanes
        load = "on_site" if first >= 100 else "shared"
    return Held(hold.kind, hold.resource_id, begins, ends, load)


def shown(held: Held) -> Shown:
    whose = "any" if held.kind == "device" else str(held.resource)
    return held.kind, whose, held.begins, held.ends, held.load


def asked_of(visit: Appointment, people: dict[str, UUID]) -> list[Shown]:
    """Return what the data of a visit's kind ask for at its time, with the people of its parts."""
    kind, start = visit.visit_type, visit.starts_at

    def moment(minutes: int) -> datetime:
        return start + timedelta(minutes=minutes)

    end = kind.minutes
    asked: list[Shown] = [("patient", str(visit.patient_id), start, moment(end), "sole")]
    if kind.room_kind:
        tail = kind.overrun_minutes + kind.turnover_minutes
        asked.append(("room", str(visit.room_id), start, moment(end + tail), "sole"))
    seats = kind.seats or [{"duty": "clinician", "stretches": [{}]}]
    rows = [("person", str(people.get(seat["duty"])), one) for seat in seats for one in seat["stretches"]]
    for what, whose, one in [*rows, *(("device", "any", one) for one in kind.devices)]:
        tail = kind.overrun_minutes if one.get("overruns") else 0
        asked.append(
            (what, whose, moment(one.get("starts", 0)), moment(one.get("ends", end) + tail), one.get("load", "sole"))
        )
    return sorted(asked)


def too_much(kind: str, resource: UUID, rows: list[Held]) -> Iterator[str]:
    """Yield what one person or thing does at once and cannot."""
    for moment in {row.begins for row in rows}:
        now = Counter(row.load for row in rows if row.begins <= moment < row.ends)
        if now["sole"] > 1 or (now["sole"] and now["shared"]):
            yield f"{kind} {resource} is taken twice at {moment}"
        if now["shared"] > MOST_WATCHED or now["on_site"] > MOST_ON_SITE:
            yield f"{kind} {resource} watches or answers for too many at {moment}: {dict(now)}"


def too_near(live: list[Appointment]) -> Iterator[str]:
    """Yield the doses of one patient that lie too near each other, as hours go by and on the wall."""
    doses = defaultdict(list)
    for visit in live:
        if visit.visit_type.is_dosing:
            doses[visit.patient_id].append(visit.starts_at)
    for patient, starts in doses.items():
        starts.sort()
        for one, other in itertools.pairwise(starts):
            wall = [moment.astimezone(DENVER).replace(tzinfo=None) for moment in (one, other)]
            if max(other - one, wall[1] - wall[0]) < HOURS_BETWEEN:
                yield f"{patient} is dosed at {one} and at {other}"
