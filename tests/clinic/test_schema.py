"""Serving only on a schema that fits: nobody is turned away because somebody else is still asking."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.test import Client

from clinic.middleware import _Schema, schema


def test_first_requests_of_a_process_wait_for_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def ask() -> bool:
        asked.append(threading.get_ident())
        # Long enough for the other seven to arrive while the first is still asking.
        time.sleep(0.1)
        return True

    fresh = _Schema()
    monkeypatch.setattr(fresh, "_ask", ask)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _n: fresh.check(), range(8)))
    assert answers == [True] * 8
    assert len(asked) == 1


def test_a_bad_answer_is_asked_again_and_not_at_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [False, True]
    fresh = _Schema()
    monkeypatch.setattr(fresh, "_ask", lambda: answers.pop(0))
    assert not fresh.check()
    assert not fresh.check()
    assert answers == [True]
    monkeypatch.setattr(fresh, "asked_at", time.monotonic() - 3)
    assert fresh.check()
    assert fresh.check()


@pytest.mark.django_db
def test_pages_wait_while_it_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "fits", False)
    monkeypatch.setattr(schema, "_ask", lambda: False)
    monkeypatch.setattr(schema, "asked_at", 0.0)
    answer = Client().get("/")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "60"
    assert "being upgraded" in answer.content.decode()
