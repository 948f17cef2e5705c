"""The development services start where it is awkward and end exactly what they started.

What needs another user, another interpreter or another checkout of the whole is tried by hand and by script/test, which
starts the demo once; here are the parts that must not break quietly.
"""

import json
import os
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg2
import pytest

from clinic import devservices
from clinic.management.commands import dev


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A checkout of its own for the records, in a long path with a space; the programs are this one's."""
    root = tmp_path / ("a long name with spaces " * 5).strip() / ("and longer " * 9).strip()
    root.mkdir(parents=True)
    yield root
    folder = Path((root / ".dev" / "run-folder").read_text().strip()) if (root / ".dev").exists() else None
    if folder is not None:
        shutil.rmtree(folder)


def eventually(happened: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if happened():
            return True
        time.sleep(0.05)
    return False


def ask(url: str, words: str) -> object:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(words)
            row = cursor.fetchone()
            return row[0] if row else None
    finally:
        connection.close()


def run_in(checkout: Path) -> subprocess.Popen[bytes]:
    """Start a run that holds services until it is ended, and return once its record is complete."""
    words = (
        "import pathlib, sys, time; from clinic import devservices;"
        "s = devservices.start(pathlib.Path(sys.argv[1])); time.sleep(120)"
    )
    return subprocess.Popen([sys.executable, "-c", words, str(checkout)], cwd=devservices.ROOT)


def recorded(checkout: Path) -> list[tuple[int, str]]:
    """Return the servers in the one record of this checkout, with their identities."""
    try:
        folder = Path((checkout / ".dev" / "run-folder").read_text().strip())
        (record,) = folder.glob("run-*/record.json")
        return [(pid, known) for pid, known, *_ in json.loads(record.read_text())["children"]]
    except (OSError, ValueError):
        return []


def test_services_start_in_a_long_path_with_spaces_and_leave_nothing(checkout: Path) -> None:
    with devservices.start(checkout) as services:
        assert ask(services.owner_url, "SELECT current_user") == "stillwater_owner"
        assert str(ask(services.owner_url, "SHOW server_version")).startswith("18")
        assert ask(services.owner_url, "SHOW listen_addresses") == ""
        pids = [child.process.pid for child in services.children]
        assert len(pids) == 2
        folder = services.folder
        assert len(os.fsencode(folder / "s" / ".s.PGSQL.5432")) < 104
    assert not folder.exists()
    assert [devservices.identity(pid) for pid in pids] == [None, None]


def test_the_app_role_can_neither_make_tables_nor_databases(checkout: Path) -> None:
    with devservices.start(checkout, redis=False) as services:
        for words in ("CREATE TABLE mine (id int)", "CREATE ROLE other"):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                ask(services.app_url, words)


def test_nobody_else_can_look_at_the_data(checkout: Path) -> None:
    with devservices.start(checkout, redis=False) as services:
        data = services.folder / "pg" / "data"
        assert data.stat().st_mode & 0o077 == 0
        assert (services.folder / "s").stat().st_mode & 0o077 == 0
        if os.geteuid() == 0:
            assert data.stat().st_uid != 0


def test_servers_end_when_their_parent_is_killed_and_the_next_start_clears_up(checkout: Path) -> None:
    process = run_in(checkout)
    try:
        assert eventually(lambda: len(recorded(checkout)) == 2)
        servers = recorded(checkout)
        folder = Path((checkout / ".dev" / "run-folder").read_text().strip())
        (left,) = folder.glob("run-*")
    finally:
        process.kill()
        process.wait()
    devservices.sweep(checkout)
    assert all(devservices.identity(pid) != known for pid, known in servers)
    assert not left.exists()


def test_a_number_that_belongs_to_somebody_else_by_now_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait()
        children = [[stranger.pid, "another moment", int(signal.SIGTERM), "PostgreSQL"]]
        record = {"minder": [dead.pid, "long ago"], "children": children}
        (tmp_path / "record.json").write_text(json.dumps(record))
        assert devservices.end_left_behind(tmp_path)
        data = tmp_path / "data"
        data.mkdir()
        (data / "postmaster.pid").write_text(f"{stranger.pid}\n")
        devservices.end_postgres_in(data)
        assert not (data / "postmaster.pid").exists()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_run_that_is_still_going_is_not_swept(checkout: Path) -> None:
    with devservices.start(checkout, redis=False) as services:
        devservices.sweep(checkout)
        assert ask(services.owner_url, "SELECT 1") == 1


def test_two_runs_of_one_checkout_do_not_meet(checkout: Path) -> None:
    with devservices.start(checkout, redis=False) as one, devservices.start(checkout, redis=False) as other:
        ask(one.owner_url, "CREATE TABLE only_here (id int); SELECT 1")
        assert ask(other.owner_url, "SELECT to_regclass('only_here')") is None


def test_run_gives_the_command_its_variables_and_its_exit_code(checkout: Path) -> None:
    words = (
        "import os; assert os.environ['DATABASE_URL'] and os.environ['REDIS_URL'] and os.environ['SECRET_KEY']; exit(7)"
    )
    assert devservices.run([sys.executable, "-c", words], root=checkout) == 7


def test_a_folder_that_somebody_else_prepared_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = Path("/tmp") / f"sw-{os.getpid()}"
    short.mkdir(mode=0o700)
    try:
        monkeypatch.setattr("tempfile.tempdir", str(short))
        target = tmp_path / "elsewhere"
        target.mkdir()
        (short / f"stillwater-{os.geteuid()}").symlink_to(target)
        with pytest.raises(devservices.CannotStart, match="private folder"):
            devservices.shared_folder()
    finally:
        shutil.rmtree(short)


def test_a_port_in_use_gives_the_next_free_one() -> None:
    with ExitStack() as stack, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        chosen = dev.choose_port(port, stack)
        assert chosen > port
        # A second demo that starts in the same moment is kept off the port that the first has chosen.
        assert dev.choose_port(chosen, stack) > chosen


@pytest.mark.parametrize("words", ["0", "65536", "http", "-1"])
def test_a_port_that_is_none_is_refused(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", words)
    with pytest.raises(devservices.CannotStart, match="PORT must be a number"):
        dev.wanted_port()


def test_keys_are_kept_and_private(tmp_path: Path) -> None:
    path = tmp_path / "secrets.env"
    first = dev.kept_secrets(path)
    assert dev.kept_secrets(path) == first
    assert path.stat().st_mode & 0o777 == 0o600


def test_without_its_keys_the_demo_starts_over(tmp_path: Path) -> None:
    places = dev.Places(tmp_path / "state", tmp_path, tmp_path / "data")
    places.state.mkdir()
    name = places.same_data()
    assert places.data is not None
    places.data.mkdir()
    (places.data / "stillwater-data").write_text(name)
    (places.state / "seeded").write_text(name)
    assert places.same_data() == name
    shutil.rmtree(places.state)
    places.state.mkdir()
    assert places.same_data() != name
    assert not places.data.exists()


@pytest.mark.parametrize(
    ("status", "body", "ready"),
    [
        (200, b"{}", True),
        (503, b'{"database": true, "migrations": true, "redis": true, "worker_and_beat": false}', True),
        (503, b'{"database": true, "migrations": false, "redis": true}', False),
        (503, b"not json", False),
        (500, b"{}", False),
    ],
)
def test_the_demo_is_ready_when_pages_can_be_served(status: int, body: bytes, ready: bool) -> None:
    assert dev.is_ready(status, body) is ready


def test_a_letter_becomes_a_file(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        fd = listener.fileno()
        command = [sys.executable, "-m", "clinic.devmail", "--folder", str(tmp_path), "--fd", str(fd)]
        process = subprocess.Popen(command, cwd=devservices.ROOT, pass_fds=[fd])
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as smtp:
            smtp.sendmail("post@juniper.example", ["pat/../x@example.com"], "Subject: Hello\r\n\r\nYour visit.\r\n")
        (letter,) = tmp_path.glob("*.eml")
        assert re.fullmatch(r"\d{8}-\d{6}-0001-pat_.._x@example.com\.eml", letter.name)
        assert b"Your visit." in letter.read_bytes()
    finally:
        process.terminate()
        assert process.wait(20) == 0
