"""What became free: written down by whoever gives a time back, offered later by the clock (``waitlist``)."""

from datetime import datetime

from clinic.models import User
from sessions.actions import holds
from sessions.actions.holds import Team
from sessions.models import Appointment, FreedSlot, WaitlistEntry, WaitlistOffer


def note(*, visit: Appointment, team: Team | None, because: FreedSlot.Because, now: datetime) -> FreedSlot | None:
    """Return the time that a visit gives back, to be offered, or None when nobody here waits for its kind or it is over.

    To be called while the visit still has that time; its row is locked.
    """
    waits = WaitlistEntry.objects.waiting().filter(location_id=visit.location_id, visit_type_code=visit.visit_type.code)
    if visit.starts_at <= now or not waits.exists():
        return None
    team = team or holds.team_of(visit)
    return FreedSlot.objects.create(
        location=visit.location, visit_type=visit.visit_type, people=[who.pk for who in team.people],
        devices=[device.pk for device in team.devices], room_id=visit.room_id, starts_at=visit.starts_at,
        because=because, freed_at=now, look_at=now,
    )  # fmt: skip


def withdraw(*, by: User, visit: Appointment, now: datetime) -> None:
    """The desk cancelled a visit that only held a time, and whose row is locked: what was offered is offered no more."""
    offers = WaitlistOffer.objects.filter(appointment=visit, status=WaitlistOffer.Status.OPEN)
    offers.update(status=WaitlistOffer.Status.WITHDRAWN, settled_by=by, settled_at=now)
