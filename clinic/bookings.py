"""The registry of bookings: the floor that keeps visits says how many of them a stretch of time holds.

Closures and time off, on the ground floor, are entered over visits that live above it; whoever enters one is told first.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from clinic.models import Location, User


@dataclass(frozen=True)
class Booked:
    """How many visits to come a stretch of time holds, when the first of them begins, and the page that shows them."""

    count: int = 0
    first_at: datetime | None = None
    url: str = ""


# The location; one person's visits, wherever they are, or else everybody's there; from when to when; the moment.
Inside = Callable[[Location, User | None, datetime, datetime, datetime], Booked]

_registered: list[Inside] = []


def register(inside: Inside) -> None:
    """Say who counts the visits. Refuses a second one."""
    if _registered and _registered != [inside]:
        raise ValueError("Two modules count the visits.")
    _registered[:] = [inside]


def inside(*, location: Location, person: User | None, start: datetime, end: datetime, now: datetime) -> Booked:
    """Return what is booked between two moments: with one person anywhere, or with everybody at the location."""
    return _registered[0](location, person, start, end, now) if _registered else Booked()
