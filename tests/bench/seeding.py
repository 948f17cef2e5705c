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

from django.db import connection, models, transaction

from clinic import policy
from clinic.models import (
    Category,
    Channel,
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
from patients.models import ContactPreference, LifeState, Patient
from sessions.models import Appointment, Block, ReminderPlan, ReminderPlanItem, ResourceHold, VisitType

from .progress import bar

PER_LOCATION = 1000
CLINICIANS = 10
# When the page of today is asked for (as __main__ sets the clock): by then the first visits of the day are done, and of the second ones two are late.
OPENED, LATE = time(10), 2
STARTS = [time(8), time(9, 30), time(11), time(12, 30), time(14), time(15, 30)]
DAYS_BEHIND, DAYS_AHEAD = 60, 22
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
MINUTES = 75
# Filled by COPY, with their history triggers off.
FILLED = (Patient, ContactPreference, Appointment, Block, ResourceHold)
LAST_WORD = "hold_resource_free"


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
    # Where the counting of record numbers begins, in thousands.
    first_serial: int = 0


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


@transaction.atomic
def seed(patients: int, today: date, *, behind: int = DAYS_BEHIND, ahead: int = DAYS_AHEAD) -> Seeded:
    """Fill an empty, migrated database as its owner, and return what is in it. Days are UTC's."""
    places = max(1, patients // PER_LOCATION)
    with connection.cursor() as cursor:
        # Checked row by row: a table whose rows wait to be checked cannot be altered.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    director = _person("Dana Director")
    visit_type = VisitType.objects.create(
        code="intake", name="Intake", patient_name="First visit", minutes=MINUTES, role=Role.PRESCRIBER,
        room_kind=Room.Kind.CONSULTING,
    )  # fmt: skip
    _letters()
    PolicyVersion.objects.create(
        number=1, values=policy.FIRST_LIMITS, note="First", drafted_by=director, drafted_at=LONG_AGO,
        approved_by=director, approved_at=LONG_AGO, effective_at=LONG_AGO,
    )  # fmt: skip
    seeded = Seeded(today=today, visit_type=visit_type.pk)
    for number in bar(range(places), "places and people", places):
        place(seeded, number)
    constraint = next(c for c in ResourceHold._meta.constraints if c.name == LAST_WORD)
    with connection.schema_editor() as editor:
        editor.remove_constraint(ResourceHold, constraint)
    history("DISABLE")
    people_of(seeded)
    visits_of(seeded, range(-behind, ahead + 1))
    history("ENABLE")
    for _step in bar(range(1), "the last word, statistics", 1):
        with connection.schema_editor() as editor:
            editor.add_constraint(ResourceHold, constraint)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    return seeded


def history(verb: str) -> None:
    """Switch what writes history on (ENABLE) or off (DISABLE)."""
    with connection.cursor() as cursor:
        for model in FILLED:
            cursor.execute(f"ALTER TABLE {model._meta.db_table} {verb} TRIGGER USER")


def _letters() -> None:
    """The plan of domain.md 7, so that a booking pays for its letters as it does in a clinic."""
    plan = ReminderPlan.objects.create(visit_type_code="intake")
    start, booking = ReminderPlanItem.Anchor.START, ReminderPlanItem.Anchor.BOOKING
    ReminderPlanItem.objects.bulk_create(
        ReminderPlanItem(
            plan=plan, kind=kind, channel=Channel.EMAIL, anchor=anchor, days_before=days, useless_minutes_before=useless
        )
        for kind, anchor, days, useless in (
            ("visit_confirmation", booking, 0, 0),
            ("visit_in_a_week", start, 7, 4 * 1440),
            ("visit_in_three_days", start, 3, 36 * 60),
            ("visit_tomorrow", start, 1, 120),
        )
    )


def _person(name: str) -> User:
    return User.objects.create(
        kind=User.Kind.STAFF,
        email=f"{uuid.uuid4().hex}@bench.example",
        name=name,
        created_at=LONG_AGO,
    )


def place(seeded: Seeded, number: int, *, clinicians: int = CLINICIANS, rooms: int = CLINICIANS) -> None:
    """Make a place with its desk, its clinicians and its rooms."""
    place = Location.objects.create(
        name=f"Site {number}", alias="Juniper Street", time_zone="UTC", state="CO", street="1 Street", city="City",
        postcode="80203", phone="(303) 555-0100",
    )  # fmt: skip
    desk = _person("Frida Desk")
    people = [_person(f"Clinician {n}") for n in range(clinicians)]
    Membership.objects.bulk_create(
        [Membership(user=desk, location=place, role=Role.FRONT_DESK, started_at=LONG_AGO)]
        + [Membership(user=who, location=place, role=Role.PRESCRIBER, started_at=LONG_AGO) for who in people]
    )
    OpeningHours.objects.bulk_create(
        OpeningHours(location=place, weekday=day, opens=time(7), closes=time(18)) for day in range(7)
    )
    WorkingHours.objects.bulk_create(
        WorkingHours(user=who, location=place, weekday=day, starts=time(7), ends=time(18), valid_from=LONG_AGO.date())
        for who in people
        for day in range(7)
    )
    made = Room.objects.bulk_create(
        Room(location=place, name=f"Room {n}", kind=Room.Kind.CONSULTING) for n in range(rooms)
    )
    seeded.locations.append(place.pk)
    seeded.desks.append(desk.pk)
    seeded.clinicians.append([who.pk for who in people])
    seeded.rooms.append([room.pk for room in made])


def people_of(seeded: Seeded) -> None:
    """A thousand people a place who all agree to letters."""
    columns = [
        "id", "mrn", "given_name", "middle_name", "family_name", "chosen_name", "pronouns", "birth_date", "sex_at_birth",
        "email", "phone", "street", "city", "state", "postcode", "time_zone", "language", "needs_interpreter",
        "access_needs", "home_location_id", "life_state", "life_state_since", "registered_at", "portal_suspension", "version",
    ]  # fmt: skip

    def rows() -> Iterator[list[Any]]:
        for number, place in enumerate(bar(seeded.locations, "patients", len(seeded.locations)), seeded.first_serial):
            ids = []
            for n in range(PER_LOCATION):
                pk = new_id()
                ids.append(pk)
                serial = number * PER_LOCATION + n
                yield [
                    pk, f"B{serial}", f"Given{n % 97}", "", f"Family{(n * 7919) % 1009}", "", "",
                    date(1950 + n % 50, 1 + n % 12, 1 + n % 28), "unknown", f"p{serial}@bench.example",
                    f"+1303{serial % 10**7:07d}", "", "", "", "", "UTC", "en", False, "", place, LifeState.ACTIVE,
                    LONG_AGO, LONG_AGO, "", 1,
                ]  # fmt: skip
            seeded.patients.append(ids)

    copy(Patient, columns, rows())
    copy(
        ContactPreference,
        ["id", "patient_id", "category", "channel", "is_allowed", "evidence", "recorded_by_id", "since"],
        (
            [new_id(), pk, Category.VISIT, Channel.EMAIL, True, "asked_at_desk", desk, LONG_AGO]
            for ids, desk in zip(seeded.patients, seeded.desks, strict=True)
            for pk in ids
        ),
    )


def visits_of(seeded: Seeded, days: range) -> None:
    """Six visits a room and day, sixty where there are ten: whoever has a room is booked from morning to evening.

    Where clinicians are more than rooms, others have them every day.
    """
    visits: list[list[Any]] = []
    blocks: list[list[Any]] = []
    holds: list[list[Any]] = []
    length = timedelta(minutes=MINUTES)
    opened = datetime.combine(seeded.today, OPENED, tzinfo=UTC)

    def flush() -> None:
        copy(Appointment, appointment_columns, visits)
        copy(Block, ["id", "appointment_id", "kind", "duty", "position", "person_id", "starts_at", "ends_at"], blocks)
        copy(ResourceHold, ["id", "appointment_id", "kind", "resource_id", "during", "lanes", "is_live"], holds)
        for written in (visits, blocks, holds):
            written.clear()

    appointment_columns = [
        "id", "location_id", "patient_id", "visit_type_id", "clinician_id", "room_id", "starts_at", "ends_at", "status",
        "schedule_version", "version", "booked_by_id", "booked_at", "started_at", "finished_at", "no_show_undone_because",
        "cancelled_by", "cancel_is_late", "cancel_reason", "cancel_note", "record_reason", "record_note",
        "patient_place", "call_back_phone", "meeting_link",
    ]  # fmt: skip
    total = len(seeded.locations) * len(days)
    pairs = itertools.product(range(len(seeded.locations)), days)
    for count, (place, shift) in enumerate(bar(pairs, "visits", total)):
        day = seeded.today + timedelta(days=shift)
        for slot, start in enumerate(STARTS):
            for n, room in enumerate(seeded.rooms[place]):
                starts = datetime.combine(day, start, tzinfo=UTC)
                ends = starts + length
                team, rooms = seeded.clinicians[place], len(seeded.rooms[place])
                who = team[(n + shift * (len(team) - rooms)) % len(team)]
                serial = (shift * len(STARTS) + slot) * rooms + n
                patient = seeded.patients[place][serial % PER_LOCATION]
                pk = new_id()
                is_done, is_late = ends <= opened, n < LATE
                status = "completed" if is_done else "in_progress" if starts <= opened and not is_late else "booked"
                visits.append(
                    [pk, seeded.locations[place], patient, seeded.visit_type, who, room, starts, ends,
                     status, 1, 1, seeded.desks[place], starts - timedelta(days=20),
                     None if status == "booked" else starts, ends if is_done else None, "", "", False, "", "", "", "", "", "", ""]
                )  # fmt: skip
                blocks.append([new_id(), pk, "whole", "clinician", 1, who, starts, ends])
                during = f'["{starts}","{ends}")'
                for kind, resource in (("person", who), ("room", room), ("patient", patient)):
                    holds.append([new_id(), pk, kind, resource, during, "[0,100)", True])
        if count % 20 == 19:
            flush()
    flush()
