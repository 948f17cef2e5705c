"""What beat calls on this floor. Each task is one line and safe to run twice."""

from celery import shared_task

from clinic import clock
from clinic.actions import system
from sessions.actions import reminders


@shared_task
def queue_due_reminders() -> None:
    """Hand the reminders that are due to the post."""
    reminders.queue_due(by=system.sam(now=clock.now()), now=clock.now())
