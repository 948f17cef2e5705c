"""A large clinic by COPY: a location for every thousand patients, so that a day keeps its sixty visits at any size.

History triggers are off while seeding and the exclusion constraint is built last: inserting under it takes twenty
times as long.
"""

import io
import itertools
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import connection, models

from clinic import policy
from clinic.models import (
    Location,
    Membership,
    OpeningHours,
    PolicyVersion,
    Role,
    Room,
    User,
    WorkingHours,
    new_id,
)
from patients.models import Patient
from sessions.models import Appointment, Block, ResourceHold, VisitType

from .progress import bar

PER_LOCATION = 1000
CLINICIANS = 10
STARTS = [time(8), time(9, 30), time(11), time(12, 30), time(14), time(15, 30)]
DAYS_BEHIND, DAYS_AHEAD = 60, 22
MINUTES = 75


@dataclass
class Seeded:
    """What the work items draw their parameters from."""

    today: date
    visit_type: uuid.UUID
    locations: list[uuid.UUID] = field(default_factory=list)
    desks: list[uuid.UUID] = field(default_factory=list)
    clinicians: list[list[uuid.UUID]] = field(default_factory=list)
    rooms: list[list[uuid.UUID]] = field(default_factory=list)
    patients: list[list[uuid.UUID]] = field(default_factory=list)


def copy(model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write rows with COPY, in chunks that fit into memory."""
    table = model._meta.db_table
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    with connection.cursor() as cursor:
        for chunk in _chunks(rows, 20_000):
            text = io.StringIO("".join("\t".join(map(_cell, row)) + "\n" for row in chunk))
            cursor.cursor.copy_expert(statement, text)


def _chunks(rows: Iterable[Sequence[Any]], size: int) -> Iterator[list[Sequence[Any]]]:
    iterator = iter(rows)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk


def _cell(value: Any) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, bool):
        return "t" if value else "f"
    return str(value)


def seed(patients: int, today: date) -> Seeded:
    """Fill an empty, migrated database and return what is in it. ``today`` is a working day in UTC."""
    places = max(1, patients // PER_LOCATION)
    director = _person("Dana Director")
    visit_type = VisitType.objects.create(
        code="intake", name="Intake", patient_name="First visit", minutes=MINUTES, role=Role.PRESCRIBER,
        room_kind=Room.Kind.CONSULTING,
    )  # fmt: skip
    at = datetime(2020, 1, 1, tzinfo=UTC)
    PolicyVersion.objects.create(
        number=1, values=policy.FIRST_LIMITS, note="First", drafted_by=director, drafted_at=at,
        approved_by=director, approved_at=at, effective_at=at,
    )  # fmt: skip
    seeded = Seeded(today=today, visit_type=visit_type.pk)
    with connection.cursor() as cursor:
        for model in (Patient, Appointment, Block, ResourceHold):
            cursor.execute(f"ALTER TABLE {model._meta.db_table} DISABLE TRIGGER USER")
        cursor.execute(f"ALTER TABLE {ResourceHold._meta.db_table} DROP CONSTRAINT hold_resource_free")
    for number in bar(range(places), "places and people", places):
        _place(seeded, number)
    _patients(seeded, at)
    _visits(seeded)
    with connection.cursor() as cursor:
        for model in (Patient, Appointment, Block, ResourceHold):
            cursor.execute(f"ALTER TABLE {model._meta.db_table} ENABLE TRIGGER USER")
    for _step in bar(range(1), "exclusion constraint, analyse", 1):
        constraint = next(c for c in ResourceHold._meta.constraints if c.name == "hold_resource_free")
        with connection.schema_editor() as editor:
            editor.add_constraint(ResourceHold, constraint)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    return seeded


def _person(name: str) -> User:
    return User.objects.create(
        kind=User.Kind.STAFF,
        email=f"{uuid.uuid4().hex}@bench.example",
        name=name,
        created_at=datetime(2020, 1, 1, tzinfo=UTC),
    )


def _place(seeded: Seeded, number: int) -> None:
    at = datetime(2020, 1, 1, tzinfo=UTC)
    place = Location.objects.create(
        name=f"Site {number}", alias="Juniper Street", time_zone="UTC", state="CO", street="1 Street", city="City",
        postcode="80203", phone="(303) 555-0100",
    )  # fmt: skip
    desk = _person("Frida Desk")
    people = [_person(f"Clinician {n}") for n in range(CLINICIANS)]
    Membership.objects.bulk_create(
        [Membership(user=desk, location=place, role=Role.FRONT_DESK, started_at=at)]
        + [Membership(user=who, location=place, role=Role.PRESCRIBER, started_at=at) for who in people]
    )
    OpeningHours.objects.bulk_create(
        OpeningHours(location=place, weekday=day, opens=time(7), closes=time(18)) for day in range(7)
    )
    WorkingHours.objects.bulk_create(
        WorkingHours(user=who, location=place, weekday=day, starts=time(7), ends=time(18), valid_from=at.date())
        for who in people
        for day in range(7)
    )
    rooms = Room.objects.bulk_create(
        Room(location=place, name=f"Room {n}", kind=Room.Kind.CONSULTING) for n in range(CLINICIANS)
    )
    seeded.locations.append(place.pk)
    seeded.desks.append(desk.pk)
    seeded.clinicians.append([who.pk for who in people])
    seeded.rooms.append([room.pk for room in rooms])


def _patients(seeded: Seeded, at: datetime) -> None:
    columns = [
        "id", "mrn", "given_name", "middle_name", "family_name", "chosen_name", "pronouns", "birth_date", "sex_at_birth",
        "email", "phone", "street", "city", "state", "postcode", "time_zone", "language", "needs_interpreter",
        "access_needs", "home_location_id", "life_state", "life_state_since", "registered_at", "version",
    ]  # fmt: skip
    known = {f.column: f for f in Patient._meta.concrete_fields}
    columns = [name for name in columns if name in known]

    def rows() -> Iterator[list[Any]]:
        for number, place in enumerate(bar(seeded.locations, "patients", len(seeded.locations))):
            ids = []
            for n in range(PER_LOCATION):
                pk = new_id()
                ids.append(pk)
                values = {
                    "id": pk, "mrn": f"B{number * PER_LOCATION + n}", "given_name": f"Given{n % 97}", "middle_name": "",
                    "family_name": f"Family{(n * 7919) % 1009}", "chosen_name": "", "pronouns": "",
                    "birth_date": date(1950 + n % 50, 1 + n % 12, 1 + n % 28), "sex_at_birth": "unknown",
                    "email": f"p{number}.{n}@bench.example", "phone": f"+1303{(number * PER_LOCATION + n) % 10**7:07d}",
                    "street": "", "city": "", "state": "", "postcode": "", "time_zone": "UTC", "language": "en",
                    "needs_interpreter": False, "access_needs": "", "home_location_id": place, "life_state": "active",
                    "life_state_since": at, "registered_at": at, "version": 1,
                }  # fmt: skip
                yield [values[name] for name in columns]
            seeded.patients.append(ids)

    copy(Patient, columns, rows())


def _visits(seeded: Seeded) -> None:
    days = range(-DAYS_BEHIND, DAYS_AHEAD + 1)
    visits: list[list[Any]] = []
    blocks: list[list[Any]] = []
    holds: list[list[Any]] = []
    length = timedelta(minutes=MINUTES)

    def flush() -> None:
        copy(Appointment, appointment_columns, visits)
        copy(Block, ["id", "appointment_id", "kind", "position", "person_id", "starts_at", "ends_at"], blocks)
        copy(ResourceHold, ["id", "appointment_id", "kind", "resource_id", "during", "is_live"], holds)
        visits.clear(), blocks.clear(), holds.clear()

    appointment_columns = [
        "id", "location_id", "patient_id", "visit_type_id", "clinician_id", "room_id", "starts_at", "ends_at", "status",
        "schedule_version", "version", "booked_by_id", "booked_at", "finished_at", "cancelled_by", "cancel_is_late",
        "cancel_reason", "cancel_note",
    ]  # fmt: skip
    total = len(seeded.locations) * len(days)
    pairs = itertools.product(range(len(seeded.locations)), days)
    for count, (place, shift) in enumerate(bar(pairs, "visits", total)):
        day = seeded.today + timedelta(days=shift)
        for slot, start in enumerate(STARTS):
            for n in range(CLINICIANS):
                starts = datetime.combine(day, start, tzinfo=UTC)
                ends = starts + length
                who, room = seeded.clinicians[place][n], seeded.rooms[place][n]
                patient = seeded.patients[place][(shift * 60 + slot * CLINICIANS + n) % PER_LOCATION]
                pk = new_id()
                past = shift < 0
                visits.append(
                    [pk, seeded.locations[place], patient, seeded.visit_type, who, room, starts, ends,
                     "completed" if past else "booked", 1, 1, seeded.desks[place], starts - timedelta(days=20),
                     ends if past else None, "", False, "", ""]
                )  # fmt: skip
                blocks.append([new_id(), pk, "whole", 1, who, starts, ends])
                during = f'["{starts}","{ends}")'
                for kind, resource in (("person", who), ("room", room), ("patient", patient)):
                    holds.append([new_id(), pk, kind, resource, during, True])
        if count % 20 == 19:
            flush()
    flush()
