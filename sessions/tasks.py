"""What beat calls on this floor. Each task is one line and safe to run twice."""

from celery import shared_task

from clinic import clock
from clinic.actions import system
from clinic.models import Location
from sessions.actions import recalls, reminders, roomwatch, talks, waitlist


@shared_task
def queue_due_reminders() -> None:
    """Hand the reminders that are due to the post."""
    reminders.queue_due(by=system.sam(now=clock.now()), now=clock.now())


@shared_task
def look_after_visits() -> None:
    """Put visits that cannot take place, and visits without an end, before the desk."""
    for location in Location.objects.order_by("id"):
        recalls.find(by=system.sam(now=clock.now()), location=location, now=clock.now())
        recalls.ask_the_end(by=system.sam(now=clock.now()), location=location, now=clock.now())


@shared_task
def look_after_waitlist() -> None:
    """End what ran out on the waitlist, and offer each free time to whoever is next."""
    waitlist.look_after(by=system.sam(now=clock.now()), now=clock.now())


@shared_task
def look_after_talks() -> None:
    """Hold a time for the talk after each dose that has none, and settle what was decided."""
    talks.look_after(by=system.sam(now=clock.now()), now=clock.now())


@shared_task
def look_after_rooms() -> None:
    """Tell the desk of rooms that will not be free for the next visit."""
    for location in Location.objects.order_by("id"):
        roomwatch.look_after(by=system.sam(now=clock.now()), location=location, now=clock.now())
