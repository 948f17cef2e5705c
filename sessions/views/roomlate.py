"""On a visit's page: its room will not be free in time, and which others are."""

from datetime import timedelta
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from clinic import localtime
from clinic.access import Permission, holds
from clinic.http import StaffRequest
from sessions import lateness
from sessions.actions import roomwatch
from sessions.models import Appointment


def panel(request: StaffRequest, visit: Appointment) -> dict[str, Any] | None:
    """Return who is still in the room and the rooms that are free, each with the page that moves the visit there; None when it is free.

    Nothing is asked of the database but shortly before a visit, and until somebody has begun it.
    """
    to_come = timedelta(0) <= visit.starts_at - request.now <= lateness.AHEAD
    is_late = timedelta(0) < request.now - visit.starts_at <= lateness.BELIEVED
    if visit.room is None or visit.status not in roomwatch.WAITING or not (to_come or is_late):
        return None
    pair = roomwatch.blocked(visit.location, request.now).get(visit.pk)
    if pair is None:
        return None
    tz, holding = visit.location.tz, pair[1]
    rooms = roomwatch.free_rooms(visit, request.now)
    may_move = holds(request.user, Permission.APPOINTMENT_BOOK, visit.location_id)
    at = visit.starts_at.astimezone(tz).strftime("%Y-%m-%dT%H:%M")
    page = reverse("sessions:confirm_move", args=[visit.pk])
    return {
        "sentence": _("The %(time)s visit is still in %(room)s, and stays there until it is over.")
        % {"time": localtime.clock_text(holding.starts_at, tz), "room": visit.room.name},
        "rooms": [
            {"name": room.name, "url": f"{page}?{urlencode({'at': at, 'room': str(room.pk)})}" if may_move else ""}
            for room in rooms
        ],
    }  # fmt: skip
