"""Holds: what a visit takes up, locked, taken and let go, so that nothing is promised twice.

Whoever takes up time locks what it takes first (rooms, then people, each by id, then the patient), looks, and writes;
the exclusion constraint ``hold_resource_free`` has the last word (docs/decisions/0007-booking.md).
"""

import contextlib
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from psycopg2.extras import DateTimeTZRange, NumericRange

from clinic.errors import Refused
from clinic.models import Device, Room, User
from patients.models import Patient
from sessions import availability, timetable
from sessions.availability import Load, Opening
from sessions.models import Appointment, Block, ResourceHold, all_lanes

# How long a clerk waits for another one's booking of the same room, person or patient before being told.
LOCK_WAIT = "3s"
# No hold goes on for longer after the visit (constraint visit_type_fits_a_day).
LONGEST_TAIL = timedelta(days=1)


class NotAtThatTime(Refused):
    """The time cannot be had, another might. ``alternatives`` are the nearest openings, in order of time, where looked for."""

    alternatives: tuple[Opening, ...] = ()


class SlotTaken(NotAtThatTime):
    """Somebody or something is taken at that time."""

    def __init__(self, message: str | Promise, alternatives: tuple[Opening, ...] = ()) -> None:
        super().__init__(message)
        self.alternatives = alternatives


class Busy(Refused):
    """Somebody else is booking the same things at this very moment."""

    def __init__(self) -> None:
        super().__init__(
            _("Somebody else is booking the same room or person right now. Nothing was changed; try again in a moment.")
        )


@contextlib.contextmanager
def last_word() -> Iterator[None]:
    """Run the block in a savepoint, with a bounded wait, and turn the database's refusals into ours.

    Rolling the savepoint back lets go of the locks, so alternatives are looked for while nobody has to wait.
    """
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_WAIT])
            yield
    except IntegrityError as error:
        if getattr(getattr(error.__cause__, "diag", None), "constraint_name", "") == "hold_resource_free":
            raise SlotTaken(_("This time has just been taken.")) from error
        raise
    except OperationalError as error:
        # 55P03: waited too long for a lock. 40P01: chosen to end a deadlock, which the order of locks rules out.
        if getattr(error.__cause__, "pgcode", "") in {"55P03", "40P01"}:
            raise Busy from error
        raise


@dataclass(frozen=True)
class Team:
    """Who and what a visit takes beside its room and its patient: a person for each seat of its kind, the clinician first, and devices."""

    people: tuple[User, ...]
    devices: tuple[Device, ...] = ()

    @property
    def clinician(self) -> User:
        return self.people[0]

    @property
    def others(self) -> tuple[User, ...]:
        return self.people[1:]


def team_of(appointment: Appointment) -> Team:
    """Return the people and devices of a visit as it is booked, in the order of its kind's seats."""
    shape = appointment.visit_type.shape
    if not shape.others and not shape.equipment:
        return Team((appointment.clinician,))
    blocks = Block.objects.filter(appointment=appointment).select_related("person")
    by_duty = {block.duty: block.person for block in blocks}
    people = tuple(by_duty.get(seat.duty, appointment.clinician) for seat in shape.seats)
    if not shape.equipment:
        return Team(people)
    rows = ResourceHold.objects.filter(appointment=appointment, kind=ResourceHold.Kind.DEVICE)
    # The newest holds are those of the visit as it is: holds that were let go stay.
    newest = list(rows.order_by("-is_live", "-pk").values_list("resource_id", flat=True)[: len(shape.equipment)])
    devices = {device.pk: device for device in Device.objects.filter(pk__in=newest)}
    found, left = [], [devices[pk] for pk in newest]
    for one in shape.equipment:
        match = next((device for device in left if device.kind == one.kind), None)
        if match is not None:
            left.remove(match)
            found.append(match)
    return Team(people, tuple(found))


def lock(
    rooms: set[uuid.UUID], people: set[uuid.UUID], patient_id: uuid.UUID, devices: set[uuid.UUID]
) -> tuple[dict[uuid.UUID, Room], dict[uuid.UUID, User], Patient]:
    """Lock what a visit takes, always in this order (rooms, devices, people, each by id, then the patient), and return it as it is now."""
    locked_rooms, locked_people = _lock_house(rooms, people, devices)
    return locked_rooms, locked_people, Patient.objects.select_for_update(no_key=True).get(pk=patient_id)


def _lock_house(
    rooms: set[uuid.UUID], people: set[uuid.UUID], devices: set[uuid.UUID]
) -> tuple[dict[uuid.UUID, Room], dict[uuid.UUID, User]]:
    own_rooms = Room.objects.select_for_update(no_key=True).filter(pk__in=rooms).order_by("pk")
    locked_rooms = {room.pk: room for room in own_rooms}
    if devices:
        list(Device.objects.select_for_update(no_key=True).filter(pk__in=devices).order_by("pk"))
    own_people = User.objects.select_for_update(no_key=True).filter(pk__in=people).order_by("pk")
    return locked_rooms, {person.pk: person for person in own_people}


def lock_for_many(rooms: set[uuid.UUID], teams: Iterable[Team], patients: set[uuid.UUID]) -> None:
    """Lock what visits of several patients take, in the same order as ``lock``; the patients by id."""
    teams = list(teams)
    people = {who.pk for team in teams for who in team.people}
    _lock_house(rooms, people, {device.pk for team in teams for device in team.devices})
    list(Patient.objects.select_for_update(no_key=True).filter(pk__in=patients).order_by("pk"))


def lock_team(
    rooms: set[uuid.UUID], teams: Iterable[Team], patient_id: uuid.UUID
) -> tuple[dict[uuid.UUID, Room], dict[uuid.UUID, User], Patient]:
    """Lock what some teams, rooms and a patient are about, as ``lock`` does."""
    teams = list(teams)
    people = {who.pk for team in teams for who in team.people}
    return lock(rooms, people, patient_id, {device.pk for team in teams for device in team.devices})


def take(appointment: Appointment, team: Team) -> None:
    """Hold the people and the devices for their stretches, the patient throughout, and the room with its tail.

    Whoever is shared gets the first lane that is free. Refuses, by the constraint or here, what is taken.
    """
    shape, start = appointment.visit_type.shape, appointment.starts_at
    held = [_hold(appointment, ResourceHold.Kind.PATIENT, appointment.patient_id, start, appointment.ends_at)]
    if appointment.room_id is not None:
        end = appointment.ends_at + appointment.visit_type.room_tail
        held.append(_hold(appointment, ResourceHold.Kind.ROOM, appointment.room_id, start, end))
    stretches = [
        *((ResourceHold.Kind.PERSON, who.pk, one) for who, seat in zip(team.people, shape.seats, strict=True) for one in seat.stretches),
        *((ResourceHold.Kind.DEVICE, device.pk, one.stretch) for device, one in zip(team.devices, shape.equipment, strict=True)),
    ]  # fmt: skip
    sharing = [resource for _kind, resource, one in stretches if one.load is not Load.SOLE]
    taken = timetable.held(sharing, start, appointment.ends_at + LONGEST_TAIL) if sharing else timetable.NOTHING_TAKEN
    for kind, resource, one in stretches:
        lanes = all_lanes()
        if one.load is not Load.SOLE:
            lane = availability.Busy(taken.wholly.get(resource, ()), taken.shared.get(resource, {})).lane_for(
                one, start
            )
            if lane is None:
                raise SlotTaken(_("This time has just been taken."))
            lanes = NumericRange(lane, lane + 1)
        held.append(_hold(appointment, kind, resource, start + one.starts, start + one.ends + one.tail, lanes))
    ResourceHold.objects.bulk_create(held)


def _hold(
    appointment: Appointment,
    kind: ResourceHold.Kind,
    resource: uuid.UUID,
    start: datetime,
    end: datetime,
    lanes: NumericRange | None = None,
) -> ResourceHold:
    return ResourceHold(
        appointment=appointment, kind=kind, resource_id=resource, during=DateTimeTZRange(start, end),
        lanes=lanes or all_lanes(),
    )  # fmt: skip


def lay_out(appointment: Appointment, team: Team) -> None:
    """Write the parts of a visit anew, each with the people it needs, for as long as it needs them."""
    shape, start = appointment.visit_type.shape, appointment.starts_at
    Block.objects.filter(appointment=appointment).delete()
    blocks = []
    for position, part in enumerate(shape.parts, start=1):
        begins, ends = start + timedelta(minutes=part.starts), start + timedelta(minutes=part.ends)
        for who, seat in zip(team.people, shape.seats, strict=True):
            spans = [(max(begins, start + one.starts), min(ends, start + one.ends)) for one in seat.stretches]
            spans = [span for span in spans if span[0] < span[1]]
            if spans:
                blocks.append(
                    Block(
                        appointment=appointment, kind=part.kind, duty=seat.duty, position=position, person=who,
                        starts_at=min(a for a, _b in spans), ends_at=max(b for _a, b in spans),
                    )
                )  # fmt: skip
    Block.objects.bulk_create(blocks)


def let_go(appointment: Appointment) -> None:
    """Free everything the visit holds."""
    ResourceHold.objects.filter(appointment=appointment, is_live=True).update(is_live=False)


def has_any(appointment: Appointment) -> bool:
    """Return whether the visit takes up its time: not once it was missed or cancelled."""
    return ResourceHold.objects.filter(appointment=appointment, is_live=True).exists()
