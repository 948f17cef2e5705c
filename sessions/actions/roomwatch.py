"""Rooms that will not be free in time: the desk of the next patient is told a quarter of an hour before, and which rooms are.

Whoever is in the room stays there; the next visit goes elsewhere (domain.md 11, scenario 36). Reckoned by the clock, every minute.
"""

import uuid
from datetime import datetime, timedelta

from clinic.actions import worklist
from clinic.models import Location, Role, Room, WorkItem
from clinic.models import User as Person
from sessions import lateness, timetable
from sessions.models import Appointment

Kind, Status = WorkItem.Kind, Appointment.Status
WAITING = (Status.BOOKED, Status.CONFIRMED, Status.CHECKED_IN)


def look_after(*, by: Person, location: Location, now: datetime) -> int:
    """Open an item for each visit whose room will not be free in time, and close those it is free for. Return how many were opened.

    Once for each visit: what a person closed is decided. Four queries where there is nothing to do.
    """
    found = blocked(location, now)
    items = WorkItem.objects.filter(kind=Kind.ROOM_NOT_FREE, location=location)
    for subject_id in items.filter(closed_at=None).exclude(subject_id__in=found).values_list("subject_id", flat=True):
        worklist.close_about(
            by=by, kind=Kind.ROOM_NOT_FREE, subject_id=subject_id, outcome=WorkItem.Outcome.NOT_NEEDED, now=now
        )
    # A room that is late once more, after somebody found another one, is asked about once more.
    known = set(items.filter(subject_id__in=found).exclude(closed_by=by).values_list("subject_id", flat=True))
    known |= set(items.filter(subject_id__in=found, closed_at=None).values_list("subject_id", flat=True))
    opened = [following for pk, (following, _holding) in found.items() if pk not in known]
    for visit in opened:
        worklist.open_item(
            by=by, kind=Kind.ROOM_NOT_FREE, location=location, subject_type="appointment", subject_id=visit.pk,
            patient_id=visit.patient_id, owner_role=Role.FRONT_DESK, due_at=max(now, visit.starts_at), now=now,
        )  # fmt: skip
    return len(opened)


def blocked(location: Location, now: datetime) -> dict[uuid.UUID, tuple[Appointment, Appointment]]:
    """Return the visits that begin soon, or should have, in a room where somebody still is, each with the visit that holds it up.

    Two queries. Only what runs late holds up: a visit that ends as planned is no news.
    """
    inside = list(
        Appointment.objects.filter(
            location=location, status=Status.IN_PROGRESS, room__isnull=False,
            starts_at__range=(now - timetable.LONGEST_HOLD, now),
        ).select_related("visit_type", "room")
    )  # fmt: skip
    if not inside:
        return {}
    following = Appointment.objects.filter(
        location=location, status__in=WAITING, room__in={one.room_id for one in inside},
        starts_at__range=(now - lateness.BELIEVED, now + lateness.AHEAD),
    )  # fmt: skip
    waiting = list(following.select_related("visit_type", "room", "patient").order_by("starts_at", "id"))
    by_key = {one.pk: one for one in (*inside, *waiting)}
    pairs = lateness.without_a_room((_known(one) for one in by_key.values()), now)
    return {next_one: (by_key[next_one], by_key[holding]) for next_one, (holding, _why) in pairs.items()}


def free_rooms(visit: Appointment, now: datetime) -> list[Room]:
    """Return the rooms that a visit could have at its own time, by name: of its kind, not taken, and nobody still in them.

    Four queries, however many rooms there are.
    """
    rooms = timetable.choices(visit.location, visit.visit_type).rooms
    start, end = visit.starts_at, visit.ends_at + visit.visit_type.room_tail
    taken = timetable.held(rooms, start, end, visit)
    lingering = Appointment.objects.filter(status=Status.IN_PROGRESS, room__in=rooms).exclude(pk=visit.pk)
    still_in = set(lingering.filter(starts_at__gte=now - timetable.LONGEST_HOLD).values_list("room_id", flat=True))
    return [
        room
        for pk, room in sorted(rooms.items(), key=lambda item: (item[1].name, item[0]))
        if pk not in still_in
        and pk != visit.room_id
        and not any(first < end and start < last for first, last in taken.wholly.get(pk, ()))
    ]


def _known(visit: Appointment) -> lateness.Visit:
    stages: dict[str, lateness.Stage] = {
        Status.IN_PROGRESS: lateness.Stage.IN_ROOM, Status.CHECKED_IN: lateness.Stage.HERE,
    }  # fmt: skip
    return lateness.Visit(
        visit.pk, visit.clinician_id, visit.room_id, visit.starts_at, visit.ends_at,
        stages.get(visit.status, lateness.Stage.EXPECTED), visit.started_at,
        timedelta(minutes=visit.visit_type.turnover_minutes),
    )  # fmt: skip
