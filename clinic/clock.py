"""The one clock. Views, tasks and commands ask it; everything below them is given ``now``.

Outside production the environment may shift or freeze it (``CLOCK_OFFSET_SECONDS``, ``CLOCK_FROZEN_AT``), so that
web, worker and beat share one made-up time. ``clinic/checks.py`` refuses both in production.
"""

from datetime import UTC, datetime, timedelta

from django.conf import settings


def now() -> datetime:
    """Return the present moment, aware, in UTC."""
    if settings.CLOCK_FROZEN_AT:
        return datetime.fromisoformat(settings.CLOCK_FROZEN_AT).astimezone(UTC)
    return datetime.now(UTC) + timedelta(seconds=settings.CLOCK_OFFSET_SECONDS)
