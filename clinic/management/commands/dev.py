"""The demo: everything that production runs, on this machine, with a made-up clinic in it.

``script/demo`` runs this module before there are any settings to read, because it makes up the variables that the
settings need. What it starts: PostgreSQL and Redis (``clinic/devservices.py``), granian with two workers as the app's
database role, a Celery worker, Celery's beat, and a letter box (``clinic/devmail.py``). It stops all of it, and
nothing else, on Ctrl-C, on SIGTERM, and when one of them ends by itself.
"""

import argparse
import contextlib
import dataclasses
import errno
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
from django.core.management.base import BaseCommand, CommandParser
from psycopg2 import sql

from clinic import devservices
from clinic.devservices import APP_ROLE, ROOT, CannotStart, Child

FIRST_PORT = 8000
FIRST_PAGE_SECONDS = 60.0
WHO_CAN_SIGN_IN = (
    "import django, json; django.setup(); from clinic import demo; print(json.dumps(demo.who_can_sign_in()))"
)


def say(words: str) -> None:
    print(words, flush=True)  # noqa: T201 - this is a command that speaks to a person


@contextlib.contextmanager
def step(words: str) -> Iterator[None]:
    """Say what is being done, and how many seconds it took."""
    began = time.monotonic()
    sys.stdout.write(f"  {words} ... ")
    sys.stdout.flush()
    try:
        yield
    except BaseException:
        say("no.")
        raise
    say(f"{time.monotonic() - began:.1f} s")


def _is_free(port: int) -> bool:
    """Say whether nobody listens on ``port``, on either of the two addresses that localhost may mean."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"), (socket.AF_INET, "0.0.0.0")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
    return True


def _reserve(port: int, stack: contextlib.ExitStack) -> bool:
    """Keep ``port`` for our own web server while ``stack`` is open, by holding it without listening.

    Our server shares it with us (SO_REUSEPORT, same user); for every other demo that looks for a port it is taken.
    """
    holder = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        holder.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


def choose_port(wanted: int, stack: contextlib.ExitStack) -> int:
    """Return ``wanted`` or the next free port, and keep every other demo off it while ``stack`` is open."""
    for port in range(wanted, min(wanted + 100, 65536)):
        # The lock is for two demos of ours that look in the same moment.
        lock = devservices.locked(devservices.shared_folder() / f"port-{port}", wait=False)
        if stack.enter_context(lock) and _is_free(port) and _reserve(port, stack):
            return port
    raise CannotStart(f"No port from {wanted} to {wanted + 99} is free. Say another: PORT=9000 script/demo.")


def wanted_port() -> int:
    """Return the port that PORT asks for, 8000 when it asks for none."""
    words = os.environ.get("PORT", "") or str(FIRST_PORT)
    if not words.isdigit() or not 0 < int(words) < 65536:
        raise CannotStart(f"PORT must be a number from 1 to 65535, not {words!r}.")
    return int(words)


def kept_secrets(path: Path) -> dict[str, str]:
    """Return the demo's keys, made at its first start: data that was encrypted yesterday has to open today."""
    kept: dict[str, str] = {}
    with contextlib.suppress(FileNotFoundError):
        for line in path.read_text().splitlines():
            name, equals, value = line.partition("=")
            if equals:
                kept[name] = value
    fresh = devservices.new_secrets()
    if fresh.keys() - kept.keys():
        kept = fresh | kept
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
            handle.writelines(f"{name}={value}\n" for name, value in kept.items())
    return kept


@dataclasses.dataclass
class Places:
    """The folders of one demo.

    ``data`` is not under ``.dev`` when root starts it, since the servers are somebody else's then, and None when the
    demo is a throw-away one.
    """

    state: Path
    run: Path
    data: Path | None

    @property
    def logs(self) -> Path:
        return self.state / "log"

    @property
    def mail(self) -> Path:
        return self.state / "mail"

    def same_data(self) -> str:
        """Return a name for the data at hand. When the two halves differ, both start over.

        Deleting ``.dev`` deletes the keys, and data encrypted with lost keys is no demo.
        """
        if self.data is None:
            return "throw-away"
        ours, theirs = self.state / f"data-{os.geteuid()}", self.data / "stillwater-data"
        name = ours.read_text() if ours.exists() else ""
        if not name or not theirs.exists() or theirs.read_text() != name:
            name = secrets.token_hex(8)
            if self.data.exists():
                shutil.rmtree(self.data)
            (self.state / "seeded").unlink(missing_ok=True)
            ours.write_text(name)
        return name


def kept_places() -> Places:
    """Return where this checkout's demo keeps its things."""
    run = devservices.checkout_folder(ROOT) / "demo"
    run.mkdir(exist_ok=True)
    is_root = devservices.server_account().is_other
    return Places(ROOT / ".dev", run, (run / "pg" / "data") if is_root else ROOT / ".dev" / "postgres" / "data")


def forget(places: Places) -> None:
    """Remove what an earlier demo of this checkout kept."""
    for path in (places.data, places.mail, places.logs):
        if path is not None and path.exists():
            shutil.rmtree(path)
    for name in ("secrets.env", "seeded", "audit-anchor.log", f"data-{os.geteuid()}"):
        (places.state / name).unlink(missing_ok=True)
    for path in places.state.glob("celerybeat-schedule*"):
        path.unlink()


def prepare_external(url: str) -> dict[str, str]:
    """Return the variables with which the app gives up its rights on a database that DATABASE_URL names.

    With DATABASE_OWNER_URL there are two roles already. Without it the one role migrates and the app steps down to
    ``stillwater_app``, which is made here.
    """
    if os.environ.get("DATABASE_OWNER_URL"):
        return {"DATABASE_APP_ROLE": os.environ.get("DATABASE_APP_ROLE") or urlsplit(url).username or APP_ROLE}
    try:
        connection = psycopg2.connect(url)
    except psycopg2.OperationalError as error:
        raise CannotStart(f"Nobody answers at DATABASE_URL: {str(error).strip()}") from error
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [APP_ROLE])
            if not cursor.fetchone():
                cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(APP_ROLE)))
            cursor.execute("SELECT pg_has_role(current_user, %s, 'SET')", [APP_ROLE])
            answer = cursor.fetchone()
            if not (answer and answer[0]):
                cursor.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(APP_ROLE)))
    except psycopg2.Error as error:
        raise CannotStart(
            f"The role in DATABASE_URL may not make the role {APP_ROLE}. Give it CREATEROLE, make that role and grant "
            "it yourself, or set DATABASE_OWNER_URL for the migrations and DATABASE_URL for the app."
        ) from error
    finally:
        connection.close()
    return {"DATABASE_ROLE": APP_ROLE, "DATABASE_APP_ROLE": APP_ROLE}


def is_ready(status: int, body: bytes) -> bool:
    """Say whether /healthz says that pages can be served. The first heartbeat takes some seconds more than that."""
    if status == 503:
        with contextlib.suppress(ValueError):
            parts = json.loads(body)
            return all(parts.get(part) for part in ("database", "migrations", "redis"))
    return status == 200


class Demo:
    """One run of the demo, from the first step to the last process that is stopped."""

    def __init__(self, places: Places, stack: contextlib.ExitStack) -> None:
        self.places = places
        self.stack = stack
        self.port = 0
        self.environment: dict[str, str] = {}
        self.services: devservices.Services | None = None

    def run_python(self, *arguments: str, settings: Mapping[str, str]) -> None:
        """Return when a command has done its work. Refuse with what it said when it failed."""
        answer = self.python(*arguments, settings=settings)
        if answer.returncode:
            said = (answer.stdout + answer.stderr).strip()[-4000:]
            hint = "" if self.places.data is None else "\nIf its data is from another version: script/demo --reset."
            raise CannotStart(f"{' '.join(arguments)} failed:\n{said}{hint}")

    def python(self, *arguments: str, settings: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Return what a Python program answered, run with the demo's variables and ``settings`` over them."""
        environment = {**self.environment, **settings}
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    def launch(self, name: str, *arguments: str, pass_fds: Sequence[int] = ()) -> Child:
        """Start one of our own programs, with its log in a file, in a group that Ctrl-C does not reach."""
        assert self.services is not None
        with (self.places.logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=pass_fds,
                preexec_fn=devservices.die_with_parent(signal.SIGTERM),
            )
        return self.services.add(Child(name, process))

    def make_environment(self, more: Mapping[str, str], mail_port: int) -> None:
        assert self.services is not None
        chosen = {
            **kept_secrets(self.places.state / "secrets.env"),
            "DEVELOPMENT": "1",
            "DEMO_MODE": "1",
            "DEBUG": "0",
            "SITE_URL": f"http://localhost:{self.port}",
            "ALLOWED_HOSTS": "localhost,127.0.0.1",
            "EMAIL_URL": f"smtp://localhost:{mail_port}",
            "AUDIT_ANCHOR_FILE": str(self.places.state / "audit-anchor.log"),
            "BEAT_SCHEDULE_FILE": str(self.places.state / "celerybeat-schedule"),
        }
        # Keys of the caller's own win; what makes this a demo does not bend.
        kept = {name: os.environ[name] for name in devservices.new_secrets() if os.environ.get(name)}
        found = {"DATABASE_URL": self.services.app_url, "REDIS_URL": self.services.redis_url}
        self.environment = {**os.environ, **chosen, **kept, **more, **found, "PYTHONUNBUFFERED": "1"}
        self.environment.pop("DATABASE_OWNER_URL", None)
        self.environment["DJANGO_SETTINGS_MODULE"] = "clinic.settings"

    def prepare(self) -> None:
        """Bring up everything that the first page needs. Refuses with ``CannotStart``."""
        external = os.environ.get("DATABASE_URL", "")
        for folder in (self.places.logs, self.places.mail):
            folder.mkdir(parents=True, exist_ok=True)
        for log in self.places.logs.glob("*.log"):
            log.unlink()
        data_name = external or self.places.same_data()
        given = {"PostgreSQL": external, "Redis": os.environ.get("REDIS_URL", "")}
        names = [name for name, url in given.items() if not url]
        with step(f"Starting {' and '.join(names)}" if names else "Using the PostgreSQL and Redis that you name"):
            self.services = devservices.start(
                ROOT,
                fast=self.places.data is None,
                database=not external,
                redis="Redis" in names,
                folder=self.places.run,
                data=self.places.data,
                log_folder=self.places.logs,
            )
            self.stack.callback(self.services.stop)
            if self.places.data is not None and not external:
                (self.places.data / "stillwater-data").write_text(data_name)
            more = prepare_external(external) if external else {"DATABASE_ROLE": "", "DATABASE_APP_ROLE": APP_ROLE}
        letters = socket.create_server(("127.0.0.1", 0))
        self.make_environment(more, letters.getsockname()[1])
        with letters:
            letters.set_inheritable(True)
            fd = letters.fileno()
            self.launch("mail", "clinic.devmail", "--folder", str(self.places.mail), "--fd", str(fd), pass_fds=[fd])
        owner = {"DATABASE_URL": self.services.owner_url, "DATABASE_ROLE": ""}
        with step("Bringing the tables up to date, as their owner"):
            self.run_python("manage.py", "release", settings=owner)
        seeded = self.places.state / "seeded"
        has_seed = (ROOT / "clinic" / "management" / "commands" / "seed_demo.py").exists()
        if has_seed and (not seeded.exists() or seeded.read_text() != data_name):
            with step("Filling the demo clinic"):
                # A copy that is thrown away needs everything that happens, and not to so many.
                fewer = ("--people", "40") if self.places.data is None else ()
                self.run_python("manage.py", "seed_demo", *fewer, settings={})
            seeded.write_text(data_name)

    def serve(self) -> None:
        """Start the three programs of production and return once the first page is there."""
        # Each thread keeps a connection to the database: as many as two cores can use, not granian's 256.
        workers = ("--interface", "wsgi", "--workers", "2", "--blocking-threads", "8")
        address = ("--host", "127.0.0.1", "--port", str(self.port))
        with step("Starting the web server, the worker and the clock"):
            self.launch("web", "granian", *workers, *address, "clinic.wsgi:application")
            self.launch("worker", "celery", "-A", "clinic", "worker", "--concurrency", "1", "--without-mingle")
            self.launch("beat", "celery", "-A", "clinic", "beat", "--pidfile", "")
            self.wait_for("/healthz", enough=is_ready)

    def wait_for(self, path: str, *, enough: Callable[[int, bytes], bool]) -> None:
        """Return when the page at ``path`` is good ``enough``. Refuse when that takes too long or the server ends."""
        assert self.services is not None
        web = next(child for child in self.services.children if child.name == "web")
        deadline = time.monotonic() + FIRST_PAGE_SECONDS
        said = "nothing"
        broken = 0
        while time.monotonic() < deadline and web.process.poll() is None and broken < 3:
            # Not urllib: it would ask a proxy that the environment names, also for this machine.
            connection = http.client.HTTPConnection("localhost", self.port, timeout=10)
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                body = answer.read()
                if enough(answer.status, body):
                    return
                where = answer.getheader("Location", "")
                if answer.status == 302 and where.startswith("/"):
                    path = where
                    continue
                # 503 means "not yet"; 500 means that waiting does not help.
                broken += answer.status == 500
                said = f"{answer.status} {body[:300].decode(errors='replace')}"
            except (OSError, http.client.HTTPException) as error:
                said = str(error)
            finally:
                connection.close()
            time.sleep(0.1)
        log = self.places.logs / "web.log"
        raise CannotStart(f"{path} was not right in time ({said}). The end of {log}:\n{devservices.tail(log)}")

    def introduce(self) -> None:
        """Say where it is and who can sign in."""
        answer = self.python("-c", WHO_CAN_SIGN_IN, settings={})
        say(f"\nStillwater is at http://localhost:{self.port}\n")
        try:
            people: list[list[str]] = json.loads(answer.stdout.splitlines()[-1])
        except (ValueError, IndexError):
            say(f"(Who can sign in could not be listed: {answer.stderr.strip()[-300:]})")
            people = []
        if people:
            say("These people can sign in:")
            width = max(len(name) for name, _role, _email in people)
            role_width = max(len(role) for _name, role, _email in people)
            for name, role, email in people:
                say(f"  {name:<{width}}  {role:<{role_width}}  {email}")
        say(f"\nLetters are written to {self.places.mail}, logs to {self.places.logs}. Ctrl-C stops everything.")

    def check(self) -> None:
        """Return when the first page is a page and every part says that it works, the worker and beat included."""
        with step("Fetching the first page"):
            self.wait_for("/", enough=lambda status, body: status == 200 and b"<html" in body)
        with step("Waiting for the first heartbeat of worker and beat"):
            self.wait_for("/healthz", enough=lambda status, _body: status == 200)
        self.refuse_if_one_ended()

    def refuse_if_one_ended(self) -> None:
        assert self.services is not None
        for child in self.services.children:
            if child.process.poll() is not None:
                log = self.places.logs / f"{child.name.replace('PostgreSQL', 'postgres').lower()}.log"
                raise CannotStart(
                    f"The {child.name} program ended by itself with code {child.process.returncode}, "
                    f"so everything is stopped. The end of {log}:\n{devservices.tail(log)}"
                )

    def watch(self) -> None:
        """Return never: refuse as soon as one of the programs ends by itself."""
        while True:
            self.refuse_if_one_ended()
            time.sleep(0.5)


def _alone(stack: contextlib.ExitStack, places: Places) -> None:
    """Refuse when this checkout's demo is running, and end what is left of one that was killed."""
    if not stack.enter_context(devservices.locked(places.run / "demo.lock", wait=False)):
        address = places.run / "address"
        where = f" at {address.read_text()}" if address.exists() else ""
        raise CannotStart(f"This checkout's demo is running already{where}. Stop that one first: Ctrl-C where it runs.")
    devservices.end_left_behind(places.run)
    if places.data is not None:
        devservices.end_postgres_in(places.data)


def demo(*, check: bool = False, reset: bool = False) -> int:
    """Run the demo until it is told to stop and return the exit code. With ``check`` stop after the first page."""
    with devservices.stopping_on_signals(), contextlib.ExitStack() as stack:
        try:
            if check and not os.environ.get("DATABASE_URL"):
                folder = devservices.throw_away_folder(ROOT)
                stack.callback(shutil.rmtree, folder, ignore_errors=True)
                places = Places(folder, folder, None)
            else:
                places = kept_places()
                _alone(stack, places)
                if reset:
                    with step("Forgetting the last demo"):
                        forget(places)
            run = Demo(places, stack)
            wanted = wanted_port()
            run.port = choose_port(wanted, stack)
            if run.port != wanted:
                say(f"Port {wanted} is in use, so this demo takes {run.port}.")
            run.prepare()
            run.serve()
            if check:
                run.check()
                say("The demo starts, answers and stops.")
                return 0
            (places.run / "address").write_text(f"http://localhost:{run.port}")
            run.introduce()
            run.watch()
        except CannotStart as refusal:
            sys.stderr.write(f"\n{refusal}\n")
            return 1
        except KeyboardInterrupt:
            say("\nStopping ...")
            return 0
        except SystemExit as left:
            say("\nStopping ...")
            return int(left.code or 0) if check else 0
    return 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reset", action="store_true", help="forget everything and start over")
    parser.add_argument("--check", action="store_true", help="start throw-away copies, fetch the first page, stop")


class Command(BaseCommand):
    """``manage.py dev``: the same demo, for someone whose environment has the settings' variables already."""

    help = "Run the demo: PostgreSQL, Redis, web server, worker, beat and a letter box."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        add_arguments(parser)

    def handle(self, *_arguments: Any, **options: Any) -> None:
        sys.exit(demo(check=options["check"], reset=options["reset"]))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="script/demo", description="Runs Stillwater with a made-up clinic in it.")
    add_arguments(parser)
    chosen = parser.parse_args(arguments)
    return demo(check=chosen.check, reset=chosen.reset)


if __name__ == "__main__":
    sys.exit(main())
