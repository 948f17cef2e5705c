"""A thousand attempts at one thing, many at a time, for each kind of thing a visit takes: nothing is given twice.

Rooms, clinicians, patients and devices are held alone; a monitor watches two at once after the first hour, and a prescriber is in the
house for four. Every attempt books, or moves what the same clerk booked before, and takes what it fights for with room and people of
its own. The gate runs a short form; ``script/faults schedule`` the whole one, and says the figures.
"""

import multiprocessing
import os
import random
import statistics
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections

from clinic.models import Role, Room, User
from patients.models import Patient
from sessions import visitkinds
from sessions.actions import changes, holds, visits, visittypes
from sessions.actions.holds import Team
from sessions.models import Appointment, VisitType
from tests import factories as make
from tests.cast import Cast, make_cast
from tests.sessions.booking import at
from tests.sessions.dosing import monitor
from tests.sessions.truth import broken

from .test_booking import deadlocks

# Of what there is one, and how many visits it can take at the same time.
KINDS = {"room": 1, "clinician": 1, "patient": 1, "device": 1, "monitor lane": 2, "prescriber lane": 4}
ATTEMPTS, CLERKS, WITHIN_MS = 1_000, 16, 1_000
SEATS = {seat["duty"]: seat for seat in visitkinds.DOSING_SEATS}
# In the house, and not at the dose: for that a prescriber is held alone.
ON_SITE = {**SEATS["prescriber"], "stretches": SEATS["prescriber"]["stretches"][1:]}
STARTS = [at("08:00", day) + timedelta(minutes=30 * n) for day in (14, 15, 18, 19) for n in range(12)]


@dataclass
class Clerk:
    """One who books, with what no other clerk takes."""

    therapist: User
    room: Room
    patient: Patient
    team: Team
    mine: list[Appointment] = field(default_factory=list)


# (what became of it, milliseconds)
Answer = tuple[str, float]


def prepare(kind: str, cast: Cast, clerks: int) -> tuple[VisitType, list[Clerk]]:
    """Return a kind of visit that takes what is fought for, and the clerks with all else of their own."""
    seats = {"monitor lane": [SEATS["watch"]], "prescriber lane": [ON_SITE]}.get(kind, [])
    row: dict[str, Any] = {
        **visitkinds.DOSING, "is_dosing": False, "phone_within_hours": 0, "parts": [], "room_kind": Room.Kind.CONSULTING,
        "seats": [SEATS["therapist"], *seats], "devices": visitkinds.DOSING["devices"] if kind == "device" else [],
    }  # fmt: skip
    made = visittypes.publish(
        by=cast.ada, now=make.NOON, code="contested", name="Contested", patient_name="Visit", **row
    )
    one_device = (monitor(cast),) if kind == "device" else ()
    others = {"monitor lane": (cast.milo,), "prescriber lane": (cast.dana,)}.get(kind, ())
    found = []
    for number in range(clerks):
        therapist = cast.theo if kind == "clinician" else make.make_user(f"Therapist {number}")
        if therapist != cast.theo:
            make.make_member(therapist, cast.denver, Role.THERAPIST)
            make.make_working_hours(therapist, cast.denver)
        room = cast.room if kind == "room" else make.make_room(cast.denver, f"Own {number}")
        patient = cast.quinn if kind == "patient" else make.make_patient(cast.denver, f"Own{number}")
        found.append(Clerk(therapist, room, patient, Team((therapist, *others), one_device)))
    return made, found


def work(cast: Cast, kind: VisitType, clerk: Clerk, seed: int, attempts: int, gate: Any, answers: Any) -> None:
    """Make so many attempts, one after the other, and say what became of each."""
    chance = random.Random(seed)
    said: list[Answer] = []
    try:
        # The same hours for everybody: they meet.
        gate.wait(60)
        for turn in range(attempts):
            start = STARTS[(turn + chance.choice([0, 0, 0, 1, 5])) % len(STARTS)]
            began = time.perf_counter()
            outcome = attempt(cast, kind, clerk, start, is_move=bool(clerk.mine) and chance.random() < 0.25)
            said.append((outcome, (time.perf_counter() - began) * 1000))
    finally:
        connections.close_all()
        answers.put(said)


def attempt(cast: Cast, kind: VisitType, clerk: Clerk, start: datetime, *, is_move: bool) -> str:
    try:
        if is_move:
            visit = Appointment.objects.select_related("location", "visit_type", "patient", "room").get(
                pk=clerk.mine[-1].pk
            )
            changes.move(
                by=cast.frida, appointment=visit, team=clerk.team, room=clerk.room, starts_at=start,
                seen_version=visit.version, now=make.NOON,
            )  # fmt: skip
            return "moved"
        clerk.mine.append(
            visits.book_visit(
                by=cast.frida, patient=clerk.patient, team=clerk.team, room=clerk.room, starts_at=start,
                location=cast.denver, visit_type=kind, now=make.NOON,
            )
        )  # fmt: skip
    except (holds.SlotTaken, changes.NothingChanged):
        return "refused"
    except holds.Busy:
        return "busy"
    return "booked"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("attempts", "clerks"), [(24, 4), pytest.param(ATTEMPTS, CLERKS, marks=pytest.mark.faults)], ids=["short", "full"]
)
def test_nothing_is_given_twice(kind: str, attempts: int, clerks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    is_full = attempts == ATTEMPTS
    if not is_full:
        # The gate's machine may keep somebody waiting; how long is looked at by the full form.
        monkeypatch.setattr(holds, "LOCK_WAIT", "60s")
    before = deadlocks()
    cast = make_cast()
    made, found = prepare(kind, cast, clerks)
    said = run(cast, made, found, attempts // clerks + bool(attempts % clerks), as_processes=is_full)
    outcomes, times = Counter(one for one, _ms in said), sorted(ms for _one, ms in said)
    wrong = list(broken())
    broken_up = deadlocks() - before
    if is_full:
        sys.stdout.write(
            f"\n{kind:<16}{len(said):>6} attempts, {clerks} at a time: {outcomes['booked']} booked, {outcomes['moved']} moved,"
            f" {outcomes['refused']} refused, {outcomes['busy']} told to try again; {len(wrong)} double bookings, {broken_up} deadlocks;"
            f" p50 {statistics.median(times):.0f}, p99 {times[int(len(times) * 0.99)]:.0f}, worst {times[-1]:.0f} ms; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n"
        )
    assert wrong == []
    assert broken_up == 0
    assert len(said) >= attempts
    assert Appointment.objects.count() == outcomes["booked"] > 0
    assert outcomes["refused"] > 0
    if is_full:
        assert times[-1] <= WITHIN_MS


def run(cast: Cast, kind: VisitType, clerks: list[Clerk], attempts: int, *, as_processes: bool) -> list[Answer]:
    """Return every answer; as processes where each is to have a processor's time of its own, else as threads."""
    context = multiprocessing.get_context("fork")
    gate: Any = context.Barrier(len(clerks)) if as_processes else threading.Barrier(len(clerks))
    answers: Any = context.Queue()
    connection.close()
    start: Any = context.Process if as_processes else threading.Thread
    workers = [
        start(target=work, args=(cast, kind, clerk, seed, attempts, gate, answers)) for seed, clerk in enumerate(clerks)
    ]
    for worker in workers:
        worker.start()
    said = [one for _worker in workers for one in answers.get(timeout=600)]
    for worker in workers:
        worker.join(60)
    return said
