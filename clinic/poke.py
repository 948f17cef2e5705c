"""Asking a worker to look at the queue of letters now, for codes that somebody is waiting for at a screen.

Nothing hangs on it: the letter is a row, and beat finds it within 20 seconds whether Redis is there or not. Only views
and what they stand on may poke; actions never call Celery.
"""

import contextlib

from celery import Celery
from django.conf import settings


def _make_publisher(broker: str) -> Celery:
    """Return an application that only sends, and that fails within a second instead of waiting for its broker.

    The worker's own (clinic.celery) is on the roof, and waits for Redis to come back for ever: right for a worker,
    and the end of a web process that somebody signs in through.
    """
    publisher = Celery("poke", broker=broker, set_as_current=False)
    publisher.conf.update(
        task_ignore_result=True,
        broker_transport_options={
            **settings.CELERY_BROKER_TRANSPORT_OPTIONS,
            "socket_timeout": 1,
            "socket_connect_timeout": 1,
            "max_retries": 0,
        },
    )
    return publisher


_publisher = _make_publisher(settings.CELERY_BROKER_URL)

# Longer than this, and beat has come round by itself.
EXPIRES_SECONDS = 30


def post_office() -> None:
    """Ask for a round of deliveries at once; give up quietly when nobody can be asked within a second."""
    with contextlib.suppress(Exception):
        _publisher.send_task("clinic.tasks.deliver_messages", retry=False, expires=EXPIRES_SECONDS, ignore_result=True)
