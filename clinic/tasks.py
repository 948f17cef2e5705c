"""What beat calls on the ground floor. Each task is one line and safe to run twice."""

import time

from celery import shared_task

from clinic import clock
from clinic.actions import outbox, system

# Beat asks again after 20 s; a round that ends before then leaves the worker free to be stopped.
ROUND_SECONDS = 15.0


@shared_task
def deliver_messages() -> None:
    """Send what is due, one letter after the other, until nothing is left or the round is over."""
    ends = time.monotonic() + ROUND_SECONDS
    while time.monotonic() < ends and outbox.deliver_next(by=system.sam(now=clock.now()), now=clock.now()):
        pass


@shared_task
def flag_stuck_messages() -> None:
    """Hand letters to a person that a worker claimed and never settled."""
    outbox.flag_stuck(by=system.sam(now=clock.now()), now=clock.now())
