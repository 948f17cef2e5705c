"""What beat calls on this floor. Each task is one line and safe to run twice."""

from celery import shared_task

from assessments.actions import alerts, asking, clearances, flags, packets, reminding, requests
from clinic import clock
from clinic.actions import system


@shared_task
def rescreen_by_time() -> None:
    """Screen those about whom only time has changed something."""
    flags.rescreen_by_time(now=clock.now())


@shared_task
def ring_again() -> None:
    """Ring anew about the alerts that were answered and for which nobody reached the patient in time."""
    alerts.ring_again(by=system.sam(now=clock.now()), now=clock.now())


@shared_task
def ask_what_is_due() -> None:
    """Ask patients what the rules say is due, and no longer what may not be shown any more."""
    asking.take_back_unshowable(by=system.sam(now=clock.now()), now=clock.now())
    asking.ask_due(by=system.sam(now=clock.now()), now=clock.now())


@shared_task
def tell_of_questionnaires() -> None:
    """Write to patients about what is to be answered, have the silent called, and take answered calls off the list."""
    reminding.remind_due(by=system.sam(now=clock.now()), now=clock.now())
    reminding.close_answered(by=system.sam(now=clock.now()), now=clock.now())


@shared_task
def expire_questionnaires() -> None:
    """Close the requests whose time is over."""
    requests.expire_due(now=clock.now())


@shared_task
def expire_packets() -> None:
    """Close the packets whose time is over, and put them before the desk."""
    packets.expire_due(now=clock.now())


@shared_task
def expire_clearances() -> None:
    """End the clearances that have run out, and bring back what was put off until today."""
    clearances.expire_due(now=clock.now())
