"""The pulse: 200 when every part works, 503 with the name of the part that does not."""

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client

from clinic import clock
from clinic.middleware import schema
from clinic.views import health
from tests.conftest import owner_rights


@pytest.fixture
def beating(db: None) -> None:
    cache.set("pulse", clock.now().timestamp(), 600)


def test_all_well(client: Client, beating: None) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["ok"]) == (200, True)


def test_no_heartbeat_yet(client: Client, db: None) -> None:
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["worker_and_beat"] is False
    assert answer.json()["database"] is True


def test_an_old_heartbeat(client: Client, db: None) -> None:
    cache.set("pulse", clock.now().timestamp() - health.PULSE_STALE_AFTER_SECONDS - 1, 600)
    assert client.get("/healthz").status_code == 503


def test_redis_away(client: Client, beating: None, settings: pytest.FixtureRequest) -> None:
    caches = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://localhost:1/0"}
    }
    settings.CACHES = caches  # type: ignore[attr-defined]  # pytest-django's own type
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["redis"] is False


def test_a_schema_that_does_not_fit(client: Client, beating: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older image on a newer database, or the other way round, serves nothing but its own pulse."""
    monkeypatch.setattr(schema, "fits", False)
    monkeypatch.setattr(type(schema), "check", lambda self: self.fits)
    assert client.get("/healthz").json()["migrations"] is False
    refused = client.get("/")
    assert refused.status_code == 503
    assert "try again in a few minutes" in refused.content.decode()


def test_it_says_nothing_else(client: Client, beating: None) -> None:
    said = set(client.get("/healthz").json())
    alarms = {"pages_called", "pages_answered", "pages_delivered"}
    assert said == {"ok", "database", "migrations", "redis", "worker_and_beat", "pulse_age_seconds", *alarms}


@pytest.mark.django_db(transaction=True)
def test_a_database_ahead_of_the_code_does_not_fit() -> None:
    """A newer release's migration in the table: this code must not write into columns it does not know."""
    assert type(schema)().check()
    with owner_rights(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('patients', '9999_from_the_future', now())"
        )
    try:
        assert not type(schema)().check()
    finally:
        with owner_rights(), connection.cursor() as cursor:
            cursor.execute("DELETE FROM django_migrations WHERE name = '9999_from_the_future'")
