"""Who and what there is in the machine that tries sequences on the schedule: few enough that visits meet."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from django.db import connection

from clinic.models import Device, Role, Room, User
from patients.models import Patient
from sessions import visitkinds
from sessions.actions import visittypes
from sessions.models import (
    Appointment,
    Block,
    ChangeRequest,
    ResourceHold,
    VisitRequest,
    VisitType,
    WaitlistEntry,
    WaitlistOffer,
)
from tests import factories as make
from tests.cast import Cast

from . import dosing

# Wednesday, 09:00 in Denver; the night to Sunday loses an hour.
BEGIN = datetime(2027, 3, 10, 16, tzinfo=UTC)
DAYS = [date(2027, 3, day) for day in (11, 12, 15, 16, 18)]
# Wide enough for every dose.
CLEARED: dict[str, Any] = {"max_sessions": 40, "expires_on": date(2027, 6, 1)}
KINDS = ("dosing", "dosing", "integration", "intake", "follow_up")


@dataclass(frozen=True)
class World:
    """Who and what there is."""

    cast: Cast
    kinds: dict[str, VisitType]
    patients: list[Patient]
    people: list[User]
    rooms: list[Room]
    devices: list[Device]


def make_world(cast: Cast) -> World:
    kinds = {
        row["code"]: visittypes.publish(by=cast.ada, now=BEGIN, **row)
        for row in visitkinds.FIRST_KINDS
        if row["code"] in KINDS
    }
    patients = [cast.pat, cast.quinn]
    for patient in patients:
        dosing.may_be_dosed(cast, patient, at=BEGIN, **CLEARED)
    for name in ("Uma", "Vic", "Wim", "Xia"):
        user = make.make_user(f"{name} Example", kind=User.Kind.PATIENT, email=f"{name.lower()}@post.example")
        patient = make.make_patient(cast.denver, name, portal_user=user, portal_since=make.NOON)
        patients.append(
            dosing.may_be_dosed(cast, patient, at=BEGIN, **CLEARED)
        )  # fmt: skip
    # Two who were registered once more, and hold nothing that keeps their records apart.
    patients += [make.make_patient(cast.denver, name) for name in ("Yan", "Zoe")]
    # Six who may lead a dose, and one prescriber who may be in the house for four: the cap is what runs out first.
    more = [make.make_user(f"Tilo {number}") for number in range(3)]
    for who in more:
        make.make_member(who, cast.denver, Role.THERAPIST)
        make.make_working_hours(who, cast.denver)
    # With three who watch, they would run out before the prescriber's cap does.
    watchers = [make.make_user(f"Mara {number}") for number in range(3)]
    for who in watchers:
        make.make_member(who, cast.denver, Role.MONITOR)
        make.make_working_hours(who, cast.denver)
    rooms = [cast.room, cast.second_room, *(dosing.dosing_room(cast, f"Dose {number}") for number in range(6))]
    devices = [dosing.monitor(cast, f"Monitor {number}") for number in range(6)]
    people = [cast.dana, cast.theo, cast.tess, cast.tara, *more, cast.milo, cast.nina, cast.nils, *watchers]
    return World(cast, kinds, patients, people, rooms, devices)


TABLES = (Appointment, ResourceHold, Block, WaitlistOffer, WaitlistEntry, VisitRequest, ChangeRequest)


def fingerprint() -> list[Any]:
    """Return a number for all that the schedule is made of."""
    with connection.cursor() as cursor:
        parts = [f"(SELECT coalesce(sum(hashtext(t::text)), 0) FROM {model._meta.db_table} t)" for model in TABLES]
        cursor.execute(f"SELECT {', '.join(parts)}")
        return list(cursor.fetchone())


def morning(day: date) -> datetime:
    """Return 08:00 in Denver on a day; the clocks go forward on 14 March."""
    return datetime(day.year, day.month, day.day, 15 if day < date(2027, 3, 14) else 14, tzinfo=UTC)
