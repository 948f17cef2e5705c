"""Many clerks and one slot, round after round: one booking each time, everybody answered, nothing left behind.

The gate runs a short form; ``script/faults`` runs sixteen clients for a hundred rounds (performance.md, W3).
"""

import threading
from datetime import timedelta

import pytest
from django.db import connection

from clinic.models import OutboundMessage
from sessions.actions import holds
from sessions.models import Appointment, Reminder, ResourceHold
from tests import factories as make
from tests.cast import make_cast
from tests.sessions.booking import at, book


def deadlocks() -> int:
    """Return how many deadlocks the server has broken in this database so far."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("clients", "rounds"), [(8, 5), pytest.param(16, 100, marks=pytest.mark.faults)], ids=["short", "full"]
)
def test_one_slot(clients: int, rounds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # A slow machine may keep somebody waiting; a deadlock, which is what is looked for, is counted by the server.
    monkeypatch.setattr(holds, "LOCK_WAIT", "60s")
    before = deadlocks()
    cast = make_cast()
    people = [make.make_patient(cast.denver, f"Runner{n}") for n in range(clients)]
    for patient in people:
        make.make_preference(patient, cast.frida, "visit", "email")
    starts = [at("08:00", day) + timedelta(minutes=75 * n) for day in range(14, 14 + 7 * 8) for n in range(7)
              if (day - 14) % 7 in {0, 1, 4, 5, 6}][:rounds]  # fmt: skip
    assert len(starts) == rounds
    gate = threading.Barrier(clients)
    answers: list[list[Appointment | Exception]] = [[] for _ in starts]

    def clerk(n: int) -> None:
        try:
            for turn, start in enumerate(starts):
                gate.wait(60)
                try:
                    answers[turn].append(
                        book(
                            cast,
                            people[n],
                            starts_at=start,
                            room=[cast.room, cast.second_room][n % 2],
                            second_is_meant=True,
                        )
                    )
                except Exception as refusal:
                    answers[turn].append(refusal)
        finally:
            connection.close()

    threads = [threading.Thread(target=clerk, args=(n,)) for n in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(600)

    for turn in answers:
        booked = [one for one in turn if isinstance(one, Appointment)]
        refused = [one for one in turn if isinstance(one, holds.SlotTaken)]
        assert (len(booked), len(refused)) == (1, clients - 1), turn
        assert all(len(one.alternatives) == 3 for one in refused)
    assert Appointment.objects.count() == rounds
    assert ResourceHold.objects.filter(is_live=True).count() == ResourceHold.objects.count() == 3 * rounds
    assert OutboundMessage.objects.filter(kind="visit_confirmation").count() == rounds
    assert Reminder.objects.filter(appointment__in=Appointment.objects.all()).count() == 4 * rounds
    assert deadlocks() == before
