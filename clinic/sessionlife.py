"""How long a sign-in lives: its absolute end, its idle clock, and how much of both is left."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.http import HttpRequest

from clinic import policy
from clinic.models import User

# Absolute life of a session, whatever happens in it (domain.md 9.1).
ABSOLUTE_LIFE = timedelta(hours=12)
# The idle clock is written at most this often; it can only make a session end a little early, never late.
TOUCH_EVERY = timedelta(seconds=30)


@dataclass(frozen=True)
class Left:
    """Seconds until a sign-in ends: by doing nothing, and whatever is done."""

    idle: int
    end: int


def idle_limit(user: User, now: datetime) -> timedelta:
    """Return how long nothing may happen before this person is signed out (policy ``timeouts_min``)."""
    return timedelta(minutes=policy.session_timeouts(now)["staff" if user.is_staff_member else "portal"])


def left(request: HttpRequest, user: User) -> Left:
    """Return how long the sign-in of this request still lives; nothing is extended by asking."""
    now: datetime = request.now  # type: ignore[attr-defined]  # set by clinic.middleware
    moment = now.timestamp()
    idle = idle_limit(user, now).total_seconds() - (moment - request.session.get("seen_at", moment))
    end = ABSOLUTE_LIFE.total_seconds() - (moment - request.session.get("began_at", moment))
    return Left(max(0, int(idle)), max(0, int(end)))
