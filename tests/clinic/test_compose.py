"""docker-compose.yml holds together, and each command and health check in it works for a process without rights.

There is no engine here: the file is read, held against the settings, and what it would run is run, as nobody when the
tests run as root.
"""

import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml

from clinic import devservices
from clinic.devservices import ROOT

from .test_env_example import settings_variables

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
APP = ("migrate", "web", "worker", "beat")
# Seconds; a machine that does other work as well takes its time.
LONG_ENOUGH = 120.0


def filled_in(words: str) -> str:
    """Return a value of the file as compose would hand it on, its defaults and ``$$`` put in."""
    words = re.sub(r"(?<!\$)\$\{[A-Z_]+:-([^}]*)\}", r"\1", words)
    return words.replace("$$", "$")


def test_the_six_services_and_the_release_step_are_there() -> None:
    assert set(SERVICES) == {"db", "redis", "migrate", "web", "worker", "beat", "mail"}


@pytest.mark.parametrize("name", APP)
def test_every_variable_is_one_that_the_settings_read(name: str) -> None:
    assert set(SERVICES[name]["environment"]) <= settings_variables()


@pytest.mark.parametrize("name", APP)
def test_every_variable_without_a_safe_default_is_given(name: str) -> None:
    needed = {"SECRET_KEY", "FIELD_KEYS", "AUDIT_KEY", "AUDIT_ANCHOR_FILE", "SITE_URL", "DATABASE_URL", "REDIS_URL"}
    needed |= {"EMAIL_URL", "DEFAULT_FROM_EMAIL", "TRUSTED_PROXY_COUNT", "DATABASE_APP_ROLE"}
    assert needed <= set(SERVICES[name]["environment"])


@pytest.mark.parametrize("name", APP)
def test_nothing_of_development_is_switched_on(name: str) -> None:
    never = {"DEVELOPMENT", "DEMO_MODE", "DEBUG", "CLOCK_OFFSET_SECONDS", "CLOCK_FROZEN_AT", "EMAIL_BACKEND"}
    assert not never & set(SERVICES[name]["environment"])


@pytest.mark.parametrize("name", SERVICES)
def test_secrets_come_from_the_environment_and_stop_the_start_when_missing(name: str) -> None:
    for variable, value in SERVICES[name].get("environment", {}).items():
        if re.search(r"SECRET|KEYS?$|PASSWORD|_URL$", variable):
            assert re.search(r"\$\{[A-Z_]+:\?", value), f"{name}'s {variable} does not insist on a value."


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_read_only_unprivileged_and_checked(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert "privileged" not in service
    if name == "migrate":
        assert service["healthcheck"] == {"disable": True}
    else:
        assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


def test_nothing_but_web_is_published() -> None:
    assert [name for name, service in SERVICES.items() if service.get("ports")] == ["web"]
    assert COMPOSE["networks"]["inside"]["internal"] is True
    for name in ("db", "redis", "mail", "migrate"):
        assert SERVICES[name]["networks"] == ["inside"]


def test_nothing_serves_before_the_release_step_has_succeeded() -> None:
    for name in ("web", "worker", "beat"):
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert SERVICES["migrate"]["restart"] == "no"


def test_only_the_release_step_knows_the_owner() -> None:
    for name in ("web", "worker", "beat"):
        assert "stillwater_app:" in SERVICES[name]["environment"]["DATABASE_URL"]
        assert "OWNER" not in json.dumps(SERVICES[name])
    assert "stillwater_owner:" in SERVICES["migrate"]["environment"]["DATABASE_URL"]


def test_the_image_is_not_root_and_installs_by_hash() -> None:
    words = (ROOT / "Dockerfile").read_text()
    assert words.count("\nFROM ") >= 4
    last = words.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    for recipe in (words, (ROOT / "script" / "bootstrap").read_text()):
        assert "--no-deps --require-hashes" in recipe
    assert "npm ci" in words
    for name in APP:
        assert SERVICES[name]["user"] == "10001:10001"


def test_the_image_leaves_secrets_and_tests_out() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert not {"!.env", "!.dev", "!tests", "!.git", "!node_modules"} & set(rules)
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    for app in (
        "clinic",
        "patients",
        "assessments",
        "sessions",
        "templates",
        "static",
        "manage.py",
        "requirements.txt",
    ):
        assert app in let_in


def as_nobody(words: list[str]) -> list[str]:
    """Return a command that runs as a process without rights: as nobody when we are root, as ourselves otherwise.

    Root's interpreter may lie where nobody may look, so one right is kept: to read. Nothing can be written with it.
    """
    if os.geteuid() != 0:
        return words
    entry = pwd.getpwnam("nobody")
    caps = "-all,+dac_read_search"
    ids = [f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups", "--no-new-privs"]
    return ["setpriv", *ids, f"--inh-caps={caps}", f"--ambient-caps={caps}", f"--bounding-set={caps}", *words]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder like the image's /app, that nobody may read and not change, with python on its PATH."""
    folder = Path(f"/tmp/stillwater-image-{os.getpid()}")
    folder.mkdir(mode=0o755)
    try:
        for name in ("clinic", "patients", "assessments", "sessions", "templates", "static", "manage.py"):
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, folder / name)
        for name in ("devservices.py", "devmail.py", "management/commands/dev.py"):
            (folder / "clinic" / name).unlink()
        (folder / "node_modules").symlink_to(ROOT / "node_modules")
        environment = build_environment(folder)
        words = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"]
        subprocess.run(words, cwd=folder, env=environment, check=True, timeout=LONG_ENOUGH)
        (folder / "node_modules").unlink()
        subprocess.run(["chmod", "-R", "a+rX", str(folder)], check=True)
        yield folder
    finally:
        shutil.rmtree(folder)


def build_environment(folder: Path) -> dict[str, str]:
    """Return the variables of the Dockerfile's collectstatic step, read from the Dockerfile."""
    words = (ROOT / "Dockerfile").read_text()
    step = re.search(r"^RUN --mount.*?collectstatic", words, re.MULTILINE | re.DOTALL)
    assert step
    pairs: dict[str, str] = dict(re.findall(r"\b([A-Z_]+)=(\S+)", step[0]))
    pairs["STATIC_ROOT"] = pairs["STATIC_ROOT"].replace("/app", str(folder))
    return {**pairs, "PATH": os.environ["PATH"], "PYTHONPATH": python_path()}


@pytest.fixture(scope="module")
def backing() -> Iterator[devservices.Services]:
    """Return services of their own: the release step is run on an empty database."""
    with devservices.start(ROOT) as services:
        if os.geteuid() == 0:
            # Sockets are private to the servers' user, which need not be nobody.
            (services.folder / "s").chmod(0o755)
            (services.folder / "s" / ".s.PGSQL.5432").chmod(0o777)
        yield services


def python_path() -> str:
    return os.pathsep.join(path for path in sys.path if path and Path(path) != ROOT)


def environment_of(name: str, backing: devservices.Services, image: Path) -> dict[str, str]:
    """Return the environment that compose would give, with our addresses for the machine's."""
    keys = {
        "SECRET_KEY": "as-long-as-a-key-of-production-has-to-be-at-least",
        "AUDIT_KEY": "as-long-as-a-key-of-production-has-to-be-at-least",
        "FIELD_KEYS": devservices.new_secrets()["FIELD_KEYS"],
    }
    values = {variable: filled_in(value) for variable, value in SERVICES[name]["environment"].items()}
    values |= {
        **keys,
        "SITE_URL": "https://stillwater.example",
        "DATABASE_URL": backing.owner_url if name == "migrate" else backing.app_url,
        "REDIS_URL": backing.redis_url,
        "EMAIL_URL": "smtp+tls://user:password@mail.example:587",
        "DEFAULT_FROM_EMAIL": "Juniper Street Clinic <post@juniper.example>",
        "STATIC_ROOT": str(image / "static-root"),
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": python_path(),
    }
    return values


def here(words: list[str]) -> list[str]:
    """Return a command with this machine's python for the image's."""
    return [sys.executable if word == "python" else filled_in(word) for word in words]


def health(name: str, environment: dict[str, str], image: Path, scratch: Path, port: int) -> bool:
    """Say what a service's health check says, with our port and folder for the container's."""
    kind, *words = SERVICES[name]["healthcheck"]["test"]
    # Before python is put in: a checkout may lie under /tmp itself.
    words = here([word.replace("8000", str(port)).replace("/tmp", str(scratch)) for word in words])
    if kind == "CMD-SHELL":
        words = ["/bin/sh", "-c", re.sub(r"\bpython ", f'"{sys.executable}" ', words[0])]
    answer = subprocess.run(
        as_nobody(words), env=environment, cwd=image, capture_output=True, timeout=LONG_ENOUGH, check=False
    )
    return answer.returncode == 0


def release(environment: dict[str, str], image: Path) -> subprocess.CompletedProcess[str]:
    words = as_nobody(here(SERVICES["migrate"]["command"]))
    return subprocess.run(
        words, env=environment, cwd=image, capture_output=True, text=True, timeout=LONG_ENOUGH, check=False
    )


def test_the_release_step_fails_closed(backing: devservices.Services, image: Path) -> None:
    environment = environment_of("migrate", backing, image)
    environment["DATABASE_URL"] = "postgresql://stillwater_owner@/nowhere?host=/nonexistent"
    assert release(environment, image).returncode != 0


@pytest.mark.parametrize("missing", ["SECRET_KEY", "DATABASE_URL"])
def test_without_a_secret_nothing_starts(missing: str, backing: devservices.Services, image: Path) -> None:
    environment = environment_of("migrate", backing, image)
    del environment[missing]
    answer = release(environment, image)
    assert answer.returncode != 0
    assert missing in answer.stderr


@pytest.mark.long
def test_release_web_worker_and_beat_run_without_rights_and_are_healthy(
    backing: devservices.Services, image: Path, tmp_path: Path
) -> None:
    migrated = release(environment_of("migrate", backing, image), image)
    assert migrated.returncode == 0, migrated.stdout + migrated.stderr
    scratch = Path(f"{image}-scratch")
    scratch.mkdir()
    scratch.chmod(0o777)
    port = devservices.free_port()
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name in ("web", "worker", "beat"):
            environment = environment_of(name, backing, image)
            environment["AUDIT_ANCHOR_FILE"] = str(scratch / "audit-anchor.log")
            if name == "beat":
                environment["BEAT_SCHEDULE_FILE"] = environment["BEAT_SCHEDULE_FILE"].replace("/tmp", str(scratch))
            assert not health(name, environment, image, scratch, port), f"{name} is called healthy before it runs."
            words = [
                word.replace("8000", str(port)).replace("0.0.0.0", "127.0.0.1")
                for word in here(SERVICES[name]["command"])
            ]
            with (tmp_path / f"{name}.log").open("wb") as log:
                running[name] = subprocess.Popen(
                    as_nobody(words), cwd=image, env=environment, stdout=log, stderr=log, start_new_session=True
                )
        # The web process is healthy when beat's first heartbeat has come through a worker.
        for name in ("beat", "worker", "web"):
            environment = environment_of(name, backing, image)
            deadline = time.monotonic() + LONG_ENOUGH
            while not (healthy := health(name, environment, image, scratch, port)) and time.monotonic() < deadline:
                assert running[name].poll() is None, (tmp_path / f"{name}.log").read_text()[-3000:]
                time.sleep(0.5)
            assert healthy, "\n".join((tmp_path / f"{each}.log").read_text()[-2000:] for each in running)
        for process in running.values():
            process.send_signal(signal.SIGTERM)
        for name, process in running.items():
            grace = float(SERVICES[name].get("stop_grace_period", "10s").removesuffix("s"))
            assert process.wait(grace) == 0, f"{name} did not end well when asked."
    finally:
        for process in running.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(scratch)


def test_the_database_gets_its_two_roles(backing: devservices.Services) -> None:
    mounted = [volume for volume in SERVICES["db"]["volumes"] if volume.endswith(":ro")]
    (source,) = [volume.split(":")[0] for volume in mounted]
    script = ROOT / source
    assert script.stat().st_mode & stat.S_IXUSR
    programs = devservices.postgres_programs(ROOT, devservices.server_account())
    sockets = str(backing.folder / "s")
    connection = psycopg2.connect(host=sockets, user="postgres", dbname="postgres")
    connection.autocommit = True
    with connection.cursor() as cursor:
        # The development roles have the same names: the script is to find an empty server.
        cursor.execute("ALTER DATABASE stillwater RENAME TO kept")
        cursor.execute("ALTER ROLE stillwater_owner RENAME TO kept_owner")
        cursor.execute("ALTER ROLE stillwater_app RENAME TO kept_app")
    try:
        environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PGHOST": sockets,
            "POSTGRES_USER": "postgres",
            "DATABASE_OWNER_PASSWORD": "it's 'quoted'",
            "DATABASE_APP_PASSWORD": "app",
        }
        subprocess.run(as_nobody(["/bin/sh", str(script)]), env=environment, check=True, timeout=LONG_ENOUGH)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT rolname, rolsuper, rolcreatedb FROM pg_roles WHERE rolname LIKE 'stillwater%' ORDER BY 1"
            )
            assert cursor.fetchall() == [("stillwater_app", False, False), ("stillwater_owner", False, False)]
            cursor.execute("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'stillwater'")
            assert cursor.fetchall() == [("stillwater_owner",)]
        with pytest.raises(psycopg2.errors.InsufficientPrivilege), app_of(sockets) as app, app.cursor() as cursor:
            cursor.execute("CREATE TABLE mine (id int)")
        del environment["DATABASE_APP_PASSWORD"]
        without = subprocess.run(
            ["/bin/sh", str(script)], env=environment, capture_output=True, check=False, timeout=20
        )
        assert without.returncode != 0
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP DATABASE stillwater")
            cursor.execute("DROP ROLE stillwater_owner")
            cursor.execute("DROP ROLE stillwater_app")
            cursor.execute("ALTER ROLE kept_app RENAME TO stillwater_app")
            cursor.execute("ALTER ROLE kept_owner RENAME TO stillwater_owner")
            cursor.execute("ALTER DATABASE kept RENAME TO stillwater")
        connection.close()


@contextlib.contextmanager
def app_of(sockets: str) -> Iterator[Any]:
    connection = psycopg2.connect(host=sockets, user="stillwater_app", dbname="stillwater")
    try:
        yield connection
    finally:
        connection.close()
