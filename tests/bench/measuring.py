"""One size from an empty database to figures: the app and the bare view in turns, each answer checked.

Runs in a process of its own for each size, with the variables of throw-away services; ``tests/bench/__main__.py``
starts it and makes the table.
"""

import contextlib
import http.client
import itertools
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.core.management import call_command
from django.db import connection
from django.db import connections as all_connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from assessments.models import AssessmentResponse
from clinic import clock, devservices
from clinic.models import User
from sessions.models import Appointment, ResourceHold

from . import answers, calendars, charts, load, noise, packets, seeding
from .load import Figures
from .seeding import Seeded

CONNECTIONS = (1, 4)
CROWD = 16
SECRET = "b" * 32
# Visits of the day; what every answer of the today page must show.
A_DAY = len(seeding.STARTS) * seeding.CLINICIANS


@dataclass
class Round:
    """One turn of one side: ``who`` is the app or the limit."""

    who: str
    connections: int
    by_others: float
    load: float
    # Milliseconds of processor that the servers and the database spent on one request.
    cpu: float
    figures: Figures


@dataclass
class Clients:
    """Who asks: the desks' cookies, by place."""

    cookies: list[str]

    def headers(self, place: int) -> dict[str, str]:
        return {"Cookie": f"{settings.SESSION_COOKIE_NAME}={self.cookies[place]}", "Host": "localhost"}


def session_of(user: User) -> str:
    """Return the key of a session as signing in makes one, second factor and all."""
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY], session[BACKEND_SESSION_KEY] = str(user.pk), settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session["began_at"] = session["seen_at"] = clock.now().timestamp()
    session["second_factor"] = True
    session.save()
    return str(session.session_key)


def sign_in(seeded: Seeded) -> Clients:
    """Make each desk a session."""
    found = User.objects.in_bulk(seeded.desks)
    return Clients([session_of(found[desk]) for desk in seeded.desks])


def make_limit_table() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bench_limit (id uuid PRIMARY KEY, at timestamptz NOT NULL)")
        cursor.execute(f"GRANT INSERT ON bench_limit TO {settings.DATABASE_APP_ROLE}")


@contextlib.contextmanager
def serving(application: str, environment: dict[str, str], log: Path) -> Iterator[tuple[int, int]]:
    """Start granian as production does and yield (port, process id); it is gone afterwards."""
    port = devservices.free_port()
    words = ["--interface", "wsgi", "--workers", "2", "--blocking-threads", "8", "--host", "127.0.0.1"]
    with log.open("ab") as handle:
        process = subprocess.Popen(
            [sys.executable, "-m", "granian", *words, "--port", str(port), "--log-level", "warning", application],
            env=os.environ | environment, stdout=handle, stderr=handle, start_new_session=True,
            preexec_fn=devservices.die_with_parent(signal.SIGTERM),
        )  # fmt: skip
    child = devservices.Child(application, process)
    try:
        _wait(port, process, log)
        yield port, process.pid
    finally:
        child.stop()


def _wait(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as client:
            try:
                load.send(client, _plain("/healthz")(0, 0))
            except OSError:
                pass
            else:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"The server did not come up:\n{devservices.tail(log)}")
        time.sleep(0.1)


def _plain(path: str) -> load.Ask:
    def ask(_number: int, _turn: int) -> load.Request:
        return "GET", path, b"", {"Host": "localhost"}

    return ask


class Bench:
    """The two servers, the data in the database, and what was asked already."""

    def __init__(
        self, seeded: Seeded, clients: Clients, app: int, limit: int, minder: int, servers: Sequence[int] = ()
    ) -> None:
        self.seeded, self.clients = seeded, clients
        self.app, self.limit, self.minder, self.servers = app, limit, minder, servers
        self.slots = list(self._slots())
        random.Random(3).shuffle(self.slots)
        self.asked = self.handed_in = 0

    def _slots(self) -> Iterator[tuple[int, int, datetime]]:
        """Yield (place, number, start) of starts beyond the seeded days, no two for the same person, room or patient."""
        days = 22_000 // (len(self.seeded.locations) * A_DAY) + 1
        first = self.seeded.today + timedelta(days=seeding.DAYS_AHEAD + 1)
        for place, shift in itertools.product(range(len(self.seeded.locations)), range(days)):
            for slot, start in enumerate(seeding.STARTS):
                for n in range(seeding.CLINICIANS):
                    when = datetime.combine(first + timedelta(days=shift), start, tzinfo=UTC)
                    yield place, (shift * A_DAY + slot * seeding.CLINICIANS + n), when

    def turns(self, rounds: int, sides: dict[str, Callable[[int], Figures]]) -> list[Round]:
        """Return the figures of every side and number of connections, in turns, so that a slow minute hits all."""
        found = []
        for _number in range(rounds):
            for count in CONNECTIONS:
                for who, run in sides.items():
                    watch, before = noise.Watch(self.minder), noise.ticks(*self.servers)
                    figures = run(count)
                    spent = (noise.ticks(*self.servers) - before) * 10 / max(1, figures.count)
                    found.append(Round(who, count, watch.by_others(), noise.load(), spent, figures))
                    sys.stderr.write(".")
                    sys.stderr.flush()
        sys.stderr.write("\n")
        return found

    def today(self, seconds: float) -> dict[str, Callable[[int], Figures]]:
        """W1: a location's day, as its desk sees it; beside it the same rows by one query and one template."""
        places = len(self.seeded.locations)
        path = reverse("sessions:today")

        def ask_app(number: int, turn: int) -> load.Request:
            return "GET", path, b"", self.clients.headers(_place(number, turn, places))

        # However the board is drawn, each visit has a link to its page.
        link = re.compile(
            rb'href="' + reverse("sessions:book_intake").removesuffix("book-intake/").encode() + rb"[0-9a-f-]{36}/"
        )

        def board(status: int, body: bytes) -> bool:
            return status == 200 and len(set(link.findall(body))) == A_DAY

        return {
            "app": lambda n: load.run(self.app, ask_app, board, connections=n, seconds=seconds),
            "limit": lambda n: self._bare_day(n, seconds),
        }

    def _bare_day(self, count: int, seconds: float) -> Figures:
        """The bare view of a page: the rows of a location's day, by one query and one template."""
        places, day = len(self.seeded.locations), self.seeded.today.isoformat()

        def ask(number: int, turn: int) -> load.Request:
            location = self.seeded.locations[_place(number, turn, places)]
            return "GET", f"/day?{urlencode({'location': location, 'day': day})}", b"", {"Host": "localhost"}

        def rows(status: int, body: bytes) -> bool:
            return status == 200 and body.count(b"<tr>") == A_DAY

        return load.run(self.limit, ask, rows, connections=count, seconds=seconds)

    def calendar(self, item: str, seconds: float) -> dict[str, Callable[[int], Figures]]:
        """W8 and W10: a location's week as JSON, or a name that somebody types; beside it the same by one query."""
        places, headers = len(self.seeded.locations), self.clients.headers

        def ask(number: int, turn: int) -> load.Request:
            place = _place(number, turn, places)
            return (
                calendars.week(headers, self.seeded, place) if item == "week" else calendars.found(headers, place, turn)
            )

        right = calendars.is_week if item == "week" else calendars.is_found
        bare = calendars.limits(self.seeded)[item]
        return {
            "app": lambda n: load.run(self.app, ask, right, connections=n, seconds=seconds),
            "limit": lambda n: load.run(self.limit, bare, lambda status, _body: status == 200, connections=n, seconds=seconds),
        }  # fmt: skip

    def chart(self, item: str, found: charts.Charts, seconds: float) -> dict[str, Callable[[int], Figures]]:
        """W2: a page of a heavy patient, as a prescriber of theirs sees it; beside it a day's rows."""

        def run(count: int) -> Figures:
            def ask(number: int, turn: int) -> load.Request:
                return found.page(item, number, turn)

            return load.run(self.app, ask, charts.is_right(item), connections=count, seconds=seconds)

        return {"app": run, "limit": lambda n: self._bare_day(n, seconds)}

    def booking(self, place: int, number: int, when: datetime, patient: uuid.UUID) -> load.Request:
        """Return the post with which a desk books an intake."""
        who = number % seeding.CLINICIANS
        slot = f"{when:%Y-%m-%dT%H:%MZ}~{self.seeded.clinicians[place][who]}~{self.seeded.rooms[place][who]}"
        headers = self.clients.headers(place)
        headers["Cookie"] += f"; {settings.CSRF_COOKIE_NAME}={SECRET}"
        headers |= {"X-CSRFToken": SECRET, "Content-Type": "application/x-www-form-urlencoded"}
        path = f"{reverse('sessions:book_intake')}?patient={patient}"
        # Everybody here has an intake to come, and some get several.
        return "POST", path, urlencode({"slot": slot, "second": "on"}).encode(), headers

    def book(self, seconds: float) -> dict[str, Callable[[int], Figures]]:
        """W3: a booking by its form, each of a time of its own; beside it one insert."""

        def run(count: int) -> Figures:
            begin = self.asked

            def ask(number: int, turn: int) -> load.Request:
                place, serial, when = self.slots[begin + turn * count + number]
                return self.booking(place, serial, when, self.seeded.patients[place][serial % seeding.PER_LOCATION])

            found = load.run(self.app, ask, lambda status, _body: status == 302, connections=count, seconds=seconds)
            self.asked += found.turns * count
            return found

        return {
            "app": run,
            "limit": lambda n: load.run(
                self.limit, _plain("/insert"), lambda status, _body: status == 200, connections=n, seconds=seconds
            ),
        }

    def packet(self, writers: list[str], seconds: float) -> dict[str, Callable[[int], Figures]]:
        """W5: a change of a packet, kept by itself, each connection with people of its own; beside it one insert."""
        begun = itertools.count()
        per = len(writers) // max(CONNECTIONS)

        def run(count: int) -> Figures:
            # Each run goes on with later turns: a window's turns only grow.
            base = next(begun) * 1_000_000

            def ask(number: int, turn: int) -> load.Request:
                writer = number % max(CONNECTIONS) * per + turn % per
                return packets.change(writers[writer], writer, base + turn, SECRET)

            return load.run(self.app, ask, packets.is_kept, connections=count, seconds=seconds)

        return {
            "app": run,
            "limit": lambda n: load.run(
                self.limit, _plain("/insert"), lambda status, _body: status == 200, connections=n, seconds=seconds
            ),
        }

    def answering(self, item: str, given: answers.Answers, seconds: float) -> dict[str, Callable[[int], Figures]]:
        """W5: a PHQ-9 handed in, or one answer kept; beside it one insert."""

        def run(count: int) -> Figures:
            begin = self.handed_in

            def ask(number: int, turn: int) -> load.Request:
                if item == "submit":
                    # Each once: the clients are processes of their own and share no counter.
                    return given.hand_in(begin + turn * count + number, SECRET)
                return given.keep(number, turn, SECRET)

            right = answers.is_handed_in if item == "submit" else answers.is_kept
            found = load.run(self.app, ask, right, connections=count, seconds=seconds)
            if item == "submit":
                self.handed_in += found.turns * count
            return found

        return {
            "app": run,
            "limit": lambda n: load.run(
                self.limit, _plain("/insert"), lambda status, _body: status == 200, connections=n, seconds=seconds
            ),
        }

    def crowd(self, rounds: int) -> dict[str, Any]:
        """W3's other half: sixteen clients on one slot. Return who won, how long it took, and what was left behind."""
        begin = self.asked
        self.asked += rounds
        before = _deadlocks()

        def ask(number: int, turn: int) -> load.Request:
            place, serial, when = self.slots[begin + turn]
            patient = self.seeded.patients[place][(serial + number * 17) % seeding.PER_LOCATION]
            return self.booking(place, serial, when, patient)

        watch = noise.Watch(self.minder)
        bouts = load.at_once(self.app, ask, clients=CROWD, rounds=rounds)
        others = watch.by_others()
        # PostgreSQL's counters are up to a second late.
        time.sleep(1.5)
        times = [took for bout in bouts for took, _status in bout]
        found = load.figures(times, wrong=0, size=0, elapsed=sum(times), turns=rounds)
        winners = [took for bout in bouts for took, status in bout if status == 302]
        return {
            "rounds": rounds,
            "won_by_one": sum(sum(status == 302 for _took, status in bout) == 1 for bout in bouts),
            "refused_with_a_sentence": sum(status == 422 for bout in bouts for _took, status in bout),
            "deadlocks": _deadlocks() - before,
            "p50": found.p50, "p99": found.p99, "longest": found.longest,
            "winner_p50": statistics.median(winners) * 1000 if winners else 0.0,
            "by_others": others,
        }  # fmt: skip


def _place(number: int, turn: int, places: int) -> int:
    """Return a place at random, another one every turn and the same ones in every run."""
    return random.Random(number * 1_000_003 + turn).randrange(places)


def _deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def left_behind(expected: int, since: datetime) -> dict[str, int]:
    """Return what must be nothing: bookings that are not there, holds without a live visit, visits not wholly held."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM {ResourceHold._meta.db_table} h"
            f" JOIN {Appointment._meta.db_table} a ON a.id = h.appointment_id WHERE h.is_live AND NOT a.status = ANY(%s)",
            [list(Appointment.LIVE)],
        )
        orphans = int(cursor.fetchone()[0])
        cursor.execute(
            f"SELECT count(*), count(*) FILTER (WHERE (SELECT count(*) FROM {ResourceHold._meta.db_table} h"
            f" WHERE h.appointment_id = a.id AND h.is_live) <> 3) FROM {Appointment._meta.db_table} a WHERE starts_at >= %s",
            [since],
        )
        booked, loose = map(int, cursor.fetchone())
    return {"missing": expected - booked, "orphan_holds": orphans, "not_wholly_held": loose}


def queries(bench: Bench) -> dict[str, int]:
    """Return how many statements a page and a booking take: each once as a rehearsal, then counted."""
    client = Client(headers={"host": "localhost"})
    client.cookies[settings.SESSION_COOKIE_NAME] = bench.clients.cookies[0]
    found = {}
    path = reverse("sessions:today")
    for name in ("today_first", "today"):
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(path)
        assert answer.status_code == 200, answer.status_code
        found[name] = len(captured)
    serials = [one for one in bench.slots[bench.asked :] if one[0] == 0][:2]
    for place, serial, when in serials:
        _verb, to, body, _headers = bench.booking(place, serial, when, bench.seeded.patients[place][serial % 1000])
        with CaptureQueriesContext(connection) as captured:
            answer = client.post(to, body, content_type="application/x-www-form-urlencoded")
        assert answer.status_code == 302, answer.status_code
        sql = [str(query["sql"]) for query in captured]
        found["book"] = len([one for one in sql if not re.match(r"(SAVEPOINT|RELEASE|BEGIN|COMMIT)", one)])
        found["book_with_savepoints"] = len(sql)
    return found


def chart_queries(found: charts.Charts) -> dict[str, int]:
    """Return how many statements each page of a heavy patient takes."""
    client = Client(headers={"host": "localhost"})
    client.cookies[settings.SESSION_COOKIE_NAME] = found.cookie
    counts = {}
    for item in charts.PAGES:
        path = found.page(item, 0, 0)[1]
        for _time in range(2):
            with CaptureQueriesContext(connection) as captured:
                answer = client.get(path)
        assert charts.is_right(item)(answer.status_code, answer.content), f"{item}: {answer.status_code}"
        counts[item] = len(captured)
    return counts


def summary(rounds: list[Round], connections: tuple[int, ...] = CONNECTIONS) -> dict[str, Any]:
    """Return medians by side and connections, and the ratio of the sides; of the quiet rounds when there are any."""
    found: dict[str, Any] = {}
    for count in connections:
        sides: dict[str, list[Round]] = {
            who: [one for one in rounds if (one.who, one.connections) == (who, count)] for who in ("app", "limit")
        }
        pairs = list(zip(sides["app"], sides["limit"], strict=True))
        quiet = [pair for pair in pairs if max(one.by_others for one in pair) <= noise.MOST_BY_OTHERS]
        kept = quiet or pairs
        ratios = sorted(app.figures.p50 / limit.figures.p50 for app, limit in kept)
        found[f"c{count}"] = {
            "rounds": len(pairs), "quiet_rounds": len(quiet), "believed": bool(quiet),
            "load": round(max(one.load for pair in pairs for one in pair), 2),
            **{who: _medians([pair[number] for pair in kept]) for number, who in enumerate(("app", "limit"))},
            "cpu_ratio": statistics.median(app.cpu / max(limit.cpu, 0.01) for app, limit in pairs),
            "ratio": statistics.median(ratios), "ratio_least": ratios[0], "ratio_most": ratios[-1],
            "wrong": sum(one.figures.wrong for pair in pairs for one in pair),
        }  # fmt: skip
    return found


def _medians(rounds: list[Round]) -> dict[str, float]:
    rows = [{**asdict(one.figures), "cpu": one.cpu} for one in rounds]
    return {
        name: round(statistics.median(row[name] for row in rows), 3)
        for name in ("per_second", "p50", "p95", "p99", "bytes", "cpu")
    }


def measure(
    *, patients: int, items: list[str], rounds: int, seconds: float, crowd: int, folder: Path
) -> dict[str, Any]:
    """Return every figure of one size."""
    app_url = os.environ["BENCH_APP_URL"]
    began = time.monotonic()
    call_command("release", verbosity=0)
    released = time.monotonic()
    today = datetime.fromisoformat(os.environ["CLOCK_FROZEN_AT"]).date()
    seeded = seeding.seed(patients, today)
    seeded_at = time.monotonic()
    clients = sign_in(seeded)
    writers = packets.prepare(seeded, session_of) if "packet" in items else []
    given = answers.prepare(seeded, session_of) if {"submit", "keep"} & set(items) else None
    heavy = charts.prepare(seeded, session_of) if set(charts.PAGES) & set(items) else None
    large = calendars.prepare(seeded) if "openings" in items else None
    make_limit_table()
    all_connections.close_all()
    environment = {"DATABASE_URL": app_url, "DATABASE_ROLE": ""}
    limits = environment | {"DJANGO_SETTINGS_MODULE": "tests.bench.limit_settings"}
    result: dict[str, Any] = {
        "patients": patients, "release_seconds": round(released - began, 1), "seed_seconds": round(seeded_at - released, 1),
    }  # fmt: skip
    with (
        serving("clinic.wsgi:application", environment, folder / "app.log") as (app, app_pid),
        serving("tests.bench.limit:application", limits, folder / "limit.log") as (limit, limit_pid),
    ):
        servers = [app_pid, limit_pid, *map(int, os.environ["BENCH_SERVERS"].split())]
        bench = Bench(seeded, clients, app, limit, int(os.environ["BENCH_MINDER"]), servers)
        if "today" in items:
            sys.stderr.write("  today ")
            sides = bench.today(seconds)
            for run in sides.values():
                run(2)
            result["today"] = summary(bench.turns(rounds, sides))
        if "book" in items:
            sys.stderr.write("  book ")
            sides = bench.book(seconds)
            right = sum(run(2).count for run in sides.values() if run is sides["app"])
            found = bench.turns(rounds, sides)
            right += sum(one.figures.count - one.figures.wrong for one in found if one.who == "app")
            result["book"] = summary(found)
            result["crowd"] = bench.crowd(crowd)
            first = datetime.combine(today + timedelta(days=seeding.DAYS_AHEAD + 1), datetime.min.time(), tzinfo=UTC)
            result["left_behind"] = left_behind(right + result["crowd"]["won_by_one"], first)
        if "packet" in items:
            sys.stderr.write("  packet ")
            sides = bench.packet(writers, seconds)
            for run in sides.values():
                run(2)
            result["packet"] = summary(bench.turns(rounds, sides))
        for item in ("submit", "keep"):
            if item in items and given is not None:
                sys.stderr.write(f"  {item} ")
                sides = bench.answering(item, given, seconds)
                stored = AssessmentResponse.objects.count()
                right = sum(run(2).count for run in sides.values() if run is sides["app"])
                found = bench.turns(rounds, sides)
                result[item] = summary(found)
                if item == "submit":
                    right += sum(one.figures.count - one.figures.wrong for one in found if one.who == "app")
                    result["answers_missing"] = stored + right - AssessmentResponse.objects.count()
        for item in charts.PAGES:
            if item in items and heavy is not None:
                sys.stderr.write(f"  {item} ")
                sides = bench.chart(item, heavy, seconds)
                for run in sides.values():
                    # Each of them was looked at before: the read-audit of a page is written once a quarter of an hour.
                    run(2)
                result[item] = summary(bench.turns(rounds, sides))
        for item in ("week", "find"):
            if item in items:
                sys.stderr.write(f"  {item} ")
                sides = bench.calendar(item, seconds)
                for run in sides.values():
                    run(2)
                result[item] = summary(bench.turns(rounds, sides))
        if large is not None:
            sys.stderr.write("  openings\n")
            result["openings"] = calendars.measure(large, rounds)
        result["memory_mb"] = round(noise.memory_of(app_pid))
    result["queries"] = (
        queries(bench)
        | calendars.statements(Client(headers={"host": "localhost"}), seeded, clients.cookies[0])
        | (chart_queries(heavy) if heavy is not None else {})
    )
    return result


def main(arguments: str) -> None:
    """Measure what the JSON says, and leave the figures in its folder."""
    chosen = json.loads(arguments)
    result = measure(**{**chosen, "folder": Path(chosen["folder"])})
    (Path(chosen["folder"]) / "result.json").write_text(json.dumps(result))
