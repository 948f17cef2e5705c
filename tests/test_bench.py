"""The benchmark's data and its hot queries: what script/bench stands on does not rot, and reads no table from end to end.

Times are not asked for here: they wobble. Plans, and what a page costs in statements and bytes, do not.
"""

import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from clinic.models import User
from patients.models import Patient
from sessions.models import Appointment, Block, ResourceHold

from .bench import __main__ as bench
from .bench import calendars, limit, load, measuring, noise, seeding
from .conftest import SignedIn, owner_rights
from .factories import NOON

# Read from end to end these would cost more with every patient.
LARGE = {model._meta.db_table for model in (Patient, Appointment, Block, ResourceHold)}


@pytest.fixture
def seeded(db: None) -> Iterator[seeding.Seeded]:
    """One place with its thousand patients and their visits, at the hour of the benchmark."""
    with time_machine.travel(NOON.replace(hour=10), tick=False):
        with owner_rights():
            found = seeding.seed(seeding.PER_LOCATION, NOON.date(), behind=30, ahead=3)
        yield found


def _read_whole(statement: str) -> set[str]:
    """Return the large tables that a statement cannot but read from end to end.

    A thousand patients may be read whole for a join, and rightly; so the planner is told to avoid it if it can.
    """
    with connection.cursor() as cursor:
        for habit in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin"):
            cursor.execute(f"SET LOCAL {habit} TO off")
        cursor.execute("EXPLAIN (FORMAT JSON) " + statement.replace("%", "%%"))
        plan = cursor.fetchone()[0][0]["Plan"]
    found, waiting = set(), [plan]
    while waiting:
        node = waiting.pop()
        waiting += node.get("Plans", [])
        is_whole = node["Node Type"] == "Seq Scan" or ("Index Name" in node and "Index Cond" not in node)
        if is_whole and "Relation Name" in node:
            found.add(node["Relation Name"])
    return found & LARGE


def _selects(captured: CaptureQueriesContext) -> list[str]:
    statements = [str(query["sql"]) for query in captured]
    return [one for one in statements if re.match(r"SELECT (?!set_config)", one)]


def _desk(seeded: seeding.Seeded, signed_in: SignedIn) -> Client:
    return signed_in(User.objects.get(pk=seeded.desks[0]))


def test_seeding_fills_a_day_with_sixty_visits_that_nothing_else_can_take(seeded: seeding.Seeded) -> None:
    assert Patient.objects.count() == seeding.PER_LOCATION
    assert Appointment.objects.filter(starts_at__date=NOON.date()).count() == measuring.A_DAY
    assert Appointment.objects.count() == measuring.A_DAY * 34
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_constraint WHERE conname = %s", [seeding.LAST_WORD])
        assert cursor.fetchone() == (1,)
        cursor.execute("SELECT count(*) FROM pg_trigger WHERE tgenabled = 'D'")
        assert cursor.fetchone() == (0,)
    assert measuring.left_behind(measuring.A_DAY * 4, NOON.replace(hour=0)) == {
        "missing": 0, "orphan_holds": 0, "not_wholly_held": 0,
    }  # fmt: skip


def test_today_asks_little_and_reads_no_large_table_whole(seeded: seeding.Seeded, signed_in: SignedIn) -> None:
    desk = _desk(seeded, signed_in)
    for _rehearsal in range(2):
        # The first begins the session, the second asks for its time-outs, which are kept for a minute.
        desk.get(reverse("sessions:today"))
    with CaptureQueriesContext(connection) as captured:
        answer = desk.get(reverse("sessions:today"))
    assert answer.status_code == 200
    statements = _selects(captured)
    assert [_read_whole(one) for one in statements] == [set()] * len(statements)
    # The session is Redis's: who it is, where they work, the visits with their papers, the work that waits.
    assert len(captured) == 4


def test_booking_reads_no_large_table_whole(seeded: seeding.Seeded, signed_in: SignedIn) -> None:
    desk = _desk(seeded, signed_in)
    day = measuring.Bench(seeded, measuring.Clients([""]), 0, 0, 0)
    place, serial, when = day.slots[0]
    _verb, path, body, _headers = day.booking(place, serial, when, seeded.patients[place][0])
    with CaptureQueriesContext(connection) as captured:
        answer = desk.post(path, body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 302, answer.content
    statements = [one.replace("FOR NO KEY UPDATE", "") for one in _selects(captured)]
    assert len(statements) > 10
    plans = {one: _read_whole(re.sub(r" OF \"\w+\"$", "", one)) for one in statements}
    assert {one: tables for one, tables in plans.items() if tables} == {}


def test_a_week_and_a_name_read_no_large_table_whole(seeded: seeding.Seeded, signed_in: SignedIn) -> None:
    desk = _desk(seeded, signed_in)
    for request, sign, most in (
        (calendars.week(lambda _place: {}, seeded, 0), b'"booked"', 5),
        (calendars.found(lambda _place: {}, 0, 0), b"Family", 5),
    ):
        for _rehearsal in range(2):
            desk.get(request[1], headers={"HX-Request": "true"})
        with CaptureQueriesContext(connection) as captured:
            answer = desk.get(request[1], headers={"HX-Request": "true"})
        assert (answer.status_code, sign in answer.content) == (200, True)
        assert len(captured) <= most
        statements = _selects(captured)
        assert [_read_whole(one) for one in statements] == [set()] * len(statements)


def test_openings_of_a_large_team_are_searched_in_a_fixed_number_of_statements(
    seeded: seeding.Seeded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calendars, "BEHIND", 1)
    monkeypatch.setattr(calendars, "AHEAD", 2)
    with owner_rights():
        team = calendars.prepare(seeded)
    found = calendars.measure(team, 1)
    # Three days of twenty rooms, six visits in each.
    assert (found["visits"], found["clinicians"], found["rooms"]) == (360, 30, 20)
    assert found["openings"] > 100
    assert found["statements"] <= 9


def test_the_bare_view_shows_the_same_day(seeded: seeding.Seeded, rf: Any) -> None:
    day = {"location": str(seeded.locations[0]), "day": NOON.date().isoformat()}
    answer = limit.day(rf.get("/day", day))
    assert answer.content.count(b"<tr>") == measuring.A_DAY


def test_slots_to_book_are_beyond_the_seeded_days_and_all_different(seeded: seeding.Seeded) -> None:
    slots = measuring.Bench(seeded, measuring.Clients([""]), 0, 0, 0).slots
    assert len(slots) > 20_000
    assert len({(place, serial) for place, serial, _when in slots}) == len(slots)
    assert min(when.date() for _place, _serial, when in slots) > NOON.date() + timedelta(days=seeding.DAYS_AHEAD)


def test_figures_are_in_milliseconds_and_count_what_was_wrong() -> None:
    found = load.figures([0.001] * 98 + [0.5, 0.5], wrong=2, size=10, elapsed=2.0, turns=100)
    assert (found.p50, found.per_second, found.wrong, found.longest) == (1.0, 50.0, 2, 500.0)
    assert load.figures([], wrong=1, size=0, elapsed=0.0, turns=0).count == 0


def test_noisy_rounds_are_left_out_when_there_are_quiet_ones() -> None:
    def round_of(who: str, p50: float, by_others: float) -> measuring.Round:
        figures = load.Figures(1, 0, 1.0, p50, p50, p50, p50, 1, 1)
        return measuring.Round(who, 1, by_others, 1.0, p50 / 2, figures)

    quiet = [round_of("app", 4.0, 0.01), round_of("limit", 2.0, 0.01)]
    noisy = [round_of("app", 90.0, 0.5), round_of("limit", 9.0, 0.5)]
    found = measuring.summary([*noisy, *quiet], connections=(1,))["c1"]
    assert (found["app"]["p50"], found["ratio"], found["quiet_rounds"], found["believed"]) == (4.0, 2.0, 1, True)
    assert found["cpu_ratio"] == 6.0
    found = measuring.summary(noisy, connections=(1,))["c1"]
    assert (found["app"]["p50"], found["ratio"], found["believed"]) == (90.0, 10.0, False)


def test_others_use_of_the_machine_is_a_share() -> None:
    watch = noise.Watch(os.getpid())
    sum(range(200_000))
    assert 0.0 <= watch.by_others() <= 1.0
    assert noise.memory_of(os.getpid()) > 10


def test_an_unknown_item_is_refused_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.main(["tomorrow"])
    assert "There is no item tomorrow" in capsys.readouterr().err


def test_the_decision_page_names_every_bound() -> None:
    page = (Path(settings.BASE_DIR) / "docs" / "decisions" / "0012-benchmarks.md").read_text()
    for _path, label, _sign, _bound in bench.MUSTS:
        assert label in page
