"""``.env.example`` and the code agree: each variable that is read is explained, and nothing else is in it."""

import ast
import re
from pathlib import Path

from clinic.devservices import ROOT

# Read by script/demo, before there are settings.
DEMO_ONLY = {"PORT", "DATABASE_OWNER_URL"}


def settings_variables() -> set[str]:
    """Return every name that settings.py asks the environment for."""
    tree = ast.parse((ROOT / "clinic" / "settings.py").read_text())
    return {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"env", "envbool", "envint", "envlist"}
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


def compose_variables() -> set[str]:
    """Return every name that docker-compose.yml takes from the machine's environment."""
    return set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))


def explained() -> dict[str, str]:
    """Return each variable of .env.example with the line above it."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    found = {}
    for above, line in zip(["", *lines], lines, strict=False):
        if match := re.match(r"([A-Z_]+)=", line):
            assert match[1] not in found, f"{match[1]} is in .env.example twice."
            found[match[1]] = above
    return found


def test_every_variable_that_is_read_is_in_env_example_and_nothing_else() -> None:
    read = settings_variables() | compose_variables() | DEMO_ONLY
    assert len(settings_variables()) > 20
    assert sorted(explained()) == sorted(read)


def test_every_variable_has_one_plain_line_of_explanation() -> None:
    for name, above in explained().items():
        assert re.match(r"# [A-Z0-9].{15,}\S", above), f"{name} has no explanation on the line above it."


def test_settings_are_the_only_place_that_reads_the_environment() -> None:
    allowed = {"settings.py", "wsgi.py", "celery.py", "devservices.py", "dev.py"}
    for app in ("clinic", "patients", "assessments", "sessions"):
        for path in (ROOT / app).rglob("*.py"):
            if path.name not in allowed:
                assert not re.search(r"os\.environ|getenv", path.read_text()), f"{path} reads the environment itself."


def test_no_secret_is_in_env_example() -> None:
    for line in Path(ROOT / ".env.example").read_text().splitlines():
        name, _, value = line.partition("=")
        if name in {"SECRET_KEY", "FIELD_KEYS", "AUDIT_KEY", "TWILIO_AUTH_TOKEN"} or name.endswith("_PASSWORD"):
            assert not value, f"{name} has a value in .env.example: somebody will use it."
