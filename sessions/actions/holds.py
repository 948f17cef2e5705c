"""Holds: what a visit takes up, locked, taken and let go, so that nothing is promised twice.

Whoever takes up time locks what it takes first (rooms, then people, each by id, then the patient), looks, and writes;
the exclusion constraint ``hold_resource_free`` has the last word (docs/decisions/0007-booking.md).
"""

import contextlib
import uuid
from collections.abc import Iterator
from datetime import datetime

from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from psycopg2.extras import DateTimeTZRange

from clinic.errors import Refused
from clinic.models import Room, User
from patients.models import Patient
from sessions.availability import Opening
from sessions.models import Appointment, ResourceHold

# How long a clerk waits for another one's booking of the same room, person or patient before being told.
LOCK_WAIT = "3s"


class SlotTaken(Refused):
    """Somebody or something is taken at that time. ``alternatives`` are the nearest openings, in order of time."""

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


def lock(
    rooms: set[uuid.UUID], people: set[uuid.UUID], patient_id: uuid.UUID
) -> tuple[dict[uuid.UUID, Room], dict[uuid.UUID, User], Patient]:
    """Lock what a visit takes, always in this order, and return it as it is now."""
    own_rooms = Room.objects.select_for_update(no_key=True).filter(pk__in=rooms).order_by("pk")
    locked_rooms = {room.pk: room for room in own_rooms}
    own_people = User.objects.select_for_update(no_key=True).filter(pk__in=people).order_by("pk")
    locked_people = {person.pk: person for person in own_people}
    return locked_rooms, locked_people, Patient.objects.select_for_update(no_key=True).get(pk=patient_id)


def take(appointment: Appointment) -> None:
    """Hold the clinician, the patient and the room. The tail belongs to the room alone."""
    held: list[tuple[ResourceHold.Kind, uuid.UUID, datetime]] = [
        (ResourceHold.Kind.PERSON, appointment.clinician_id, appointment.ends_at),
        (ResourceHold.Kind.PATIENT, appointment.patient_id, appointment.ends_at),
    ]
    if appointment.room_id is not None:
        tail = appointment.visit_type.room_tail
        held.append((ResourceHold.Kind.ROOM, appointment.room_id, appointment.ends_at + tail))
    ResourceHold.objects.bulk_create(
        ResourceHold(
            appointment=appointment, kind=kind, resource_id=resource, during=DateTimeTZRange(appointment.starts_at, end)
        )
        for kind, resource, end in held
    )


def let_go(appointment: Appointment) -> None:
    """Free everything the visit holds."""
    ResourceHold.objects.filter(appointment=appointment, is_live=True).update(is_live=False)


def has_any(appointment: Appointment) -> bool:
    """Return whether the visit takes up its time: not once it was missed or cancelled."""
    return ResourceHold.objects.filter(appointment=appointment, is_live=True).exists()
