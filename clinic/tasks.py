"""What beat calls on the ground floor. Each task is one line and safe to run twice."""

import time

from celery import shared_task
from django.core.cache import cache

from clinic import clock
from clinic.actions import audit, outbox, pages, rota, system

# Beat asks again after 20 s; a round that ends before then leaves the worker free to be stopped.
ROUND_SECONDS = 15.0
# Kept longer than a beat may be away, so that /healthz can say how old the last one is.
PULSE_SECONDS = 600


@shared_task
def deliver_messages() -> None:
    """Send what is due, one letter after the other, until nothing is left or the round is over."""
    ends = time.monotonic() + ROUND_SECONDS
    while time.monotonic() < ends and outbox.deliver_next(by=system.sam(now=clock.now()), now=clock.now()):
        pass


@shared_task
def call_due_pages() -> None:
    """Call people about every alarm that nobody has answered and that is due."""
    pages.call_due(by=system.sam(now=clock.now()), now=clock.now())


@shared_task
def tell_of_rota_gaps() -> None:
    """Tell managers where nobody will be on call soon."""
    rota.tell_of_gaps(by=system.sam(now=clock.now()), now=clock.now())


@shared_task
def flag_stuck_messages() -> None:
    """Hand letters to a person that a worker claimed and never settled."""
    outbox.flag_stuck(by=system.sam(now=clock.now()), now=clock.now())


@shared_task
def seal_audit() -> None:
    """Seal every audit row that is final by now."""
    audit.seal(now=clock.now())


@shared_task
def heartbeat() -> None:
    """Say that beat asked and a worker heard; /healthz looks for it."""
    cache.set("pulse", clock.now().timestamp(), PULSE_SECONDS)
