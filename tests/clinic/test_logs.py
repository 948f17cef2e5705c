"""Logs: one JSON line an event, with the request's id, and nothing of a person."""

import io
import json
import logging
from datetime import datetime
from typing import Any
from unittest import mock

import pytest
import structlog
from django.db import transaction
from django.test import Client
from django.urls import reverse

from patients.models import Referral
from sessions.actions import feeds
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


def test_a_request_leaves_its_id_and_no_person(cast: Cast, now: datetime, signed_in: SignedIn, lines: Any) -> None:
    client = signed_in(cast.frida)
    client.get(reverse("patients:patients"), {"q": "Moreau"})
    client.get(reverse("patients:patient", kwargs={"patient_id": cast.pat.pk}))
    # The key of a calendar feed sits in its path, good or wrong (architecture.md, trap 18).
    key = feeds.make(by=cast.pat_user, now=now).key
    assert [Client().get(f"/feeds/calendar/{tried}.ics").status_code for tried in (key, key[1:])] == [200, 404]
    rows = lines()
    assert rows
    assert all(row.get("request_id") for row in rows if row["event"].startswith("request_"))
    text = json.dumps(rows)
    for secret in ("Moreau", str(cast.pat.pk), cast.pat.email, "/patients/", key[1:], "/feeds/"):
        assert secret not in text


def test_a_careless_keyword_is_dropped(lines: Any) -> None:
    structlog.get_logger("clinic.test").info("something_happened", patient_name="Pat Moreau", count=3)
    assert lines()[-1]["count"] == 3
    assert "Moreau" not in json.dumps(lines())


def test_an_error_is_logged_with_its_stack_and_without_the_path(client: Client, lines: Any) -> None:
    logging.getLogger("clinic.test").error("broken", exc_info=ValueError("why"))
    assert "ValueError" in lines()[-1]["exception"]


def test_what_an_error_says_is_not_logged(cast: Cast, signed_in: SignedIn, lines: Any) -> None:
    """D23: the database quotes the row it refuses, and a library quotes what it could not read."""
    client = signed_in(cast.frida)
    client.raise_request_exception = False

    def broken(*args: Any, **kwargs: Any) -> None:
        with transaction.atomic():
            Referral.objects.create(pk=cast.pat.pk, location=cast.denver, email=cast.rosa.email)

    with mock.patch("patients.search.find", broken):
        response = client.get(reverse("patients:patients"), {"q": "Moreau"})
    assert response.status_code == 500
    failed = next(row for row in lines() if row["event"] == "request_failed")
    assert "IntegrityError" in failed["exception"]
    assert "NotNullViolation 23502" in failed["exception"], "whoever repairs it learns what was broken"
    text = json.dumps(lines())
    for secret in ("Moreau", cast.rosa.email, str(cast.pat.pk), "Failing row"):
        assert secret not in text, secret


def test_what_a_task_says_when_it_dies_is_not_logged(lines: Any) -> None:
    """Celery puts the error's own words into its sentence."""
    error = ValueError("could not send to pat@post.example")
    context = {"name": "clinic.tasks.deliver_messages", "id": "1", "description": "raised", "exc": repr(error)}
    log = logging.getLogger("celery.app.trace")
    log.error("Task %(name)s[%(id)s] %(description)s: %(exc)s", context, exc_info=error, extra={"data": context})
    row = lines()[-1]
    assert (row["task"], row["exception"]) == ("clinic.tasks.deliver_messages", "ValueError")
    assert "pat@" not in json.dumps(row)


def test_the_provider_of_texts_keeps_its_requests_to_itself() -> None:
    assert not logging.getLogger("twilio.http_client").isEnabledFor(logging.INFO)
