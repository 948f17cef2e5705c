"""The cast of architecture 4.6. Tests, screenshots and bug reports speak of the same people."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import date, time, timedelta
from typing import Any

from django.db import connection

from clinic.models import Category, Channel, Location, Role, Room, User
from patients.models import LifeState, Patient, Referral
from sessions.models import ReminderPlan, VisitType

from . import factories as make


@dataclass
class Cast:
    """Everybody, by first name in lower case. Patients are ``Patient``; ``pat_user`` is Pat's portal identity."""

    denver: Location
    phoenix: Location
    ada: User
    frida: User
    felix: User
    dana: User
    theo: User
    tess: User
    tara: User
    nina: User
    nils: User
    milo: User
    petra: User
    omar: User
    olga: User
    iris: User
    sam: User
    pat: Patient
    pat_user: User
    quinn: Patient
    quinn_user: User
    rosa: Referral
    sol: Patient
    sol_user: User
    room: Room
    second_room: Room
    phoenix_room: Room
    intake: VisitType
    plan: ReminderPlan

    def staff(self) -> dict[str, User]:
        """Return every member of staff by name."""
        people = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: who for name, who in people.items() if isinstance(who, User) and who.kind == User.Kind.STAFF}


STAFF: dict[str, list[tuple[str, Role, dict[str, bool]]]] = {
    "Ada Abara": [("denver", Role.MANAGER, {}), ("phoenix", Role.FRONT_DESK, {})],
    "Frida Flores": [("denver", Role.FRONT_DESK, {})],
    "Felix Fournier": [("denver", Role.FRONT_DESK, {})],
    "Dana Deng": [("denver", Role.PRESCRIBER, {"is_medical_director": True, "can_dispense": True})],
    "Theo Thorne": [("denver", Role.THERAPIST, {})],
    "Tess Tanaka": [("denver", Role.THERAPIST, {})],
    "Tara Todd": [("denver", Role.THERAPIST, {"is_trainee": True})],
    "Nina Novak": [("denver", Role.NURSE, {"can_dispense": True, "is_pharmacy_lead": True})],
    "Nils Nyberg": [("denver", Role.NURSE, {"can_dispense": True})],
    "Milo Marsh": [("denver", Role.MONITOR, {})],
    "Petra Petrov": [("denver", Role.PRIVACY_OFFICER, {})],
    "Omar Osei": [("phoenix", Role.PRESCRIBER, {})],
    "Olga Ortiz": [("phoenix", Role.FRONT_DESK, {})],
    "Iris Ito": [("phoenix", Role.NURSE, {})],
}


def make_cast() -> Cast:
    """Make both locations, the whole staff with hours, the four patients, the intake and its reminder plan."""
    denver = make.make_location()
    phoenix = make.make_location(
        "Phoenix", "America/Phoenix", "AZ", street="7 Saguaro Way", postcode="85004", phone="(602) 555-0100"
    )
    places = {"denver": denver, "phoenix": phoenix}
    people: dict[str, User] = {}
    for name in STAFF:
        first = name.split()[0].lower()
        people[first] = make.make_user(name, email=f"{first}@juniper.example")
    for name, memberships in STAFF.items():
        user = people[name.split()[0].lower()]
        for place, role, flags in memberships:
            supervisor = people["theo"] if flags.get("is_trainee") else None
            make.make_member(user, places[place], role, supervisor=supervisor, **flags)
            if role.is_clinician:
                make.make_working_hours(user, places[place])
    sam = make.make_user("Sam System", kind=User.Kind.SYSTEM, email="sam@system.invalid", is_active=False)
    make.make_opening_hours(denver)
    make.make_opening_hours(phoenix, time(7), time(17))
    make.make_policy(people["dana"])

    def patient_of(place: Location, first: str, last: str, **values: object) -> tuple[Patient, User]:
        user = make.make_user(f"{first} {last}", kind=User.Kind.PATIENT, email=f"{first.lower()}@post.example")
        patient = make.make_patient(
            place,
            first,
            last,
            email=user.email,
            portal_user=user,
            portal_since=make.NOON - timedelta(days=20),
            **values,
        )
        make.make_preference(patient, people["frida"], Category.VISIT, Channel.EMAIL)
        return patient, user

    pat, pat_user = patient_of(denver, "Pat", "Moreau", birth_date=date(1984, 5, 17))
    quinn, quinn_user = patient_of(denver, "Quinn", "Abbott", birth_date=date(1991, 11, 2))
    sol, sol_user = patient_of(phoenix, "Sol", "Serrano", birth_date=date(1975, 8, 30), time_zone="America/Phoenix")
    rosa = make.make_referral(denver, "Rosa", family_name="Vega", email="rosa@post.example", phone="+13035550188")
    make.make_care_team_member(pat, people["theo"], is_lead=True)
    make.make_care_team_member(pat, people["dana"])
    make.make_care_team_member(pat, people["nina"])
    assert pat.life_state == LifeState.ACTIVE
    return Cast(
        denver=denver, phoenix=phoenix, sam=sam,
        pat=pat, pat_user=pat_user, quinn=quinn, quinn_user=quinn_user, sol=sol, sol_user=sol_user, rosa=rosa,
        room=make.make_room(denver, "Aspen"), second_room=make.make_room(denver, "Birch"),
        phoenix_room=make.make_room(phoenix, "Cedar"),
        intake=make.make_visit_type(), plan=make.make_reminder_plan(), **people,
    )  # fmt: skip


_rows = ""
_people = b""


def cast_again() -> Cast:
    """Return the cast, as ``make_cast`` makes it; from the second time on its rows come in one statement, with the same ids.

    Thousands of tests ask for the cast, and making it takes longer than most of them.
    """
    global _rows, _people
    if _rows:
        with connection.cursor() as cursor:
            cursor.execute(_rows)
        again: Cast = pickle.loads(_people)
        return again
    written: list[str] = []

    def remember(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if sql.startswith(("INSERT", "UPDATE")):
            written.append(context["cursor"].mogrify(sql, params).decode())
        return execute(sql, params, many, context)

    with connection.execute_wrapper(remember):
        cast = make_cast()
    _rows, _people = ";\n".join(written), pickle.dumps(cast)
    return cast
