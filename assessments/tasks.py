"""What beat calls on this floor. Each task is one line and safe to run twice."""

from celery import shared_task

from assessments.actions import flags
from clinic import clock


@shared_task
def rescreen_by_time() -> None:
    """Screen those about whom only time has changed something."""
    flags.rescreen_by_time(now=clock.now())
