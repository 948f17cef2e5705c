"""The poke reaches the worker's queue, and a Redis that is away costs a sign-in a moment and no letter."""

import json
import time

import pytest
import redis
from django.conf import settings
from kombu.exceptions import OperationalError

from clinic import poke


def test_it_lands_where_the_worker_looks() -> None:
    server = redis.Redis.from_url(settings.REDIS_URL)
    queue = f"{settings.CELERY_BROKER_TRANSPORT_OPTIONS['global_keyprefix']}celery"
    server.delete(queue)
    poke.post_office()
    (message,) = server.lrange(queue, 0, -1)
    headers = json.loads(message)["headers"]
    assert headers["task"] == "clinic.tasks.deliver_messages"
    assert headers["expires"]
    server.delete(queue)


def test_without_a_broker_it_gives_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = poke._make_publisher("redis://127.0.0.1:1/0")
    monkeypatch.setattr(poke, "_publisher", nobody)
    began = time.monotonic()
    poke.post_office()
    assert time.monotonic() - began < 4, "it does not wait for Redis to come back"
    with pytest.raises(OperationalError):
        nobody.send_task("clinic.tasks.deliver_messages", retry=False)
