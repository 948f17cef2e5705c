"""When a letter may reach its reader: the daily window, in the reader's own zone. Pure; moments in, moments out.

The window is the policy's (``reminders.window_local``, domain.md 7). What falls outside waits for the next opening; when
that would be too late to help, it goes at the earlier edge, the evening before.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from clinic import localtime

# A letter moved to the evening goes this long before the window closes, so that the post has time for it, and for a
# second try, while the window is still open.
EVENING_MARGIN = timedelta(minutes=30)


@dataclass(frozen=True)
class Window:
    """Two wall-clock times of the reader's day. Letters may arrive from ``opens`` on and before ``closes``."""

    opens: time
    closes: time

    @classmethod
    def of(cls, values: list[str]) -> "Window":
        """Return the window of a policy's pair, like ``["08:30", "20:00"]``. Refuses one that ends before it begins."""
        opens, closes = (time.fromisoformat(value) for value in values)
        if not opens < closes:
            raise ValueError(f"The window from {opens} to {closes} never opens.")
        return cls(opens, closes)


def is_open(moment: datetime, window: Window, tz: ZoneInfo) -> bool:
    """Return whether a letter may reach a reader in ``tz`` at this moment."""
    return window.opens <= moment.astimezone(tz).time().replace(fold=0) < window.closes


def next_opening(moment: datetime, window: Window, tz: ZoneInfo) -> datetime:
    """Return the first moment, from ``moment`` on, at which the window is open."""
    if is_open(moment, window, tz):
        return moment
    day = localtime.day_of(moment, tz)
    opening = localtime.at(day, window.opens, tz)
    return opening if opening >= moment else localtime.at(day + timedelta(days=1), window.opens, tz)


def evening_before(moment: datetime, window: Window, tz: ZoneInfo) -> datetime:
    """Return the last good moment of the window that closed before ``moment``: its end less the margin."""
    day = localtime.day_of(moment, tz)
    last = localtime.at(day, window.closes, tz) - EVENING_MARGIN
    return last if last <= moment else localtime.at(day - timedelta(days=1), window.closes, tz) - EVENING_MARGIN


def fit(moment: datetime, window: Window, tz: ZoneInfo, useful_until: datetime) -> datetime:
    """Return when a letter wanted at ``moment`` goes: then, at the next opening, or, if that is too late, before."""
    opening = next_opening(moment, window, tz)
    return opening if opening < useful_until else evening_before(moment, window, tz)
