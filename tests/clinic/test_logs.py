"""Logs: one JSON line an event, with the request's id, and nothing of a person."""

import io
import json
import logging
from typing import Any

import pytest
import structlog
from django.test import Client
from django.urls import reverse

from tests.cast import Cast
from tests.conftest import SignedIn


@pytest.fixture
def lines() -> Any:
    """Return a function that gives the log lines written so far, through the formatter that production uses."""
    stream = io.StringIO()
    root = logging.getLogger()
    handler = logging.StreamHandler(stream)
    formatter = next(h.formatter for h in root.handlers if h.formatter and "Processor" in type(h.formatter).__name__)
    handler.setFormatter(formatter)
    root.addHandler(handler)
    level = root.level
    root.setLevel(logging.INFO)
    yield lambda: [json.loads(row) for row in stream.getvalue().splitlines() if row.startswith("{")]
    root.removeHandler(handler)
    root.setLevel(level)


def test_a_request_leaves_its_id_and_no_person(cast: Cast, signed_in: SignedIn, lines: Any) -> None:
    client = signed_in(cast.frida)
    client.get(reverse("patients:patients"), {"q": "Moreau"})
    client.get(reverse("patients:patient", kwargs={"patient_id": cast.pat.pk}))
    rows = lines()
    assert rows
    assert all(row.get("request_id") for row in rows if row["event"].startswith("request_"))
    text = json.dumps(rows)
    for secret in ("Moreau", str(cast.pat.pk), cast.pat.email, "/patients/"):
        assert secret not in text


def test_a_careless_keyword_is_dropped(lines: Any) -> None:
    structlog.get_logger("clinic.test").info("something_happened", patient_name="Pat Moreau", count=3)
    assert lines()[-1]["count"] == 3
    assert "Moreau" not in json.dumps(lines())


def test_an_error_is_logged_with_its_stack_and_without_the_path(client: Client, lines: Any) -> None:
    logging.getLogger("clinic.test").error("broken", exc_info=ValueError("why"))
    assert "ValueError" in lines()[-1]["exception"]
