"""Production refuses what must not be served with: once for each value, with everything else as it should be."""

import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings

from clinic import production

SAFE: dict[str, Any] = {
    "SITE_URL": "https://clinic.example",
    "DEVELOPMENT": False,
    "SECRET_KEY": "k" * 50,
    "AUDIT_KEY": "a" * 50,
    "FIELD_KEYS": ["f" * 44],
    "AUDIT_ANCHOR_FILE": "/var/lib/anchor.log",
    "DEBUG": False,
    "DEMO_MODE": False,
    "SECURE": True,
    "ALLOWED_HOSTS": ["clinic.example"],
    "CLOCK_OFFSET_SECONDS": 0,
    "CLOCK_FROZEN_AT": "",
}


def test_a_safe_place_opens() -> None:
    assert production.refusals(SAFE) == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SECRET_KEY", "development-" + "k" * 50, "SECRET_KEY"),
        ("SECRET_KEY", "short", "SECRET_KEY"),
        ("AUDIT_KEY", "", "AUDIT_KEY"),
        ("FIELD_KEYS", [], "FIELD_KEYS"),
        ("AUDIT_ANCHOR_FILE", "", "AUDIT_ANCHOR_FILE"),
        ("DEBUG", True, "DEBUG"),
        ("DEMO_MODE", True, "DEMO_MODE"),
        ("SECURE", False, "https"),
        ("ALLOWED_HOSTS", ["*"], "wildcards"),
        ("ALLOWED_HOSTS", [".clinic.example"], "wildcards"),
        ("CLOCK_OFFSET_SECONDS", 60, "clock"),
        ("CLOCK_FROZEN_AT", "2027-01-01T00:00:00+00:00", "clock"),
    ],
)
def test_each_unsafe_value_is_named(name: str, value: Any, said: str) -> None:
    refused = production.refusals({**SAFE, name: value})
    assert len(refused) == 1
    assert said in refused[0]


def test_development_is_for_this_machine_only() -> None:
    assert production.refusals({**SAFE, "DEVELOPMENT": True}) != []
    assert production.refusals({**SAFE, "DEVELOPMENT": True, "SITE_URL": "http://localhost:8000"}) == []


def test_the_process_does_not_start() -> None:
    """The refusal is in settings.py itself, so every process hits it: web, worker, beat, commands."""
    found = subprocess.run(
        [sys.executable, "-c", "import clinic.settings"],
        cwd=settings.BASE_DIR, capture_output=True, text=True, check=False,
        env={"SECRET_KEY": "x" * 50, "DATABASE_URL": "postgresql://app@db/stillwater", "SITE_URL": "http://clinic.example"},
    )  # fmt: skip
    assert found.returncode != 0
    assert "This is not safe to serve" in found.stderr
    assert "AUDIT_KEY" in found.stderr
