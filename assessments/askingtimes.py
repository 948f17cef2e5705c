"""When a line of what is asked when opens, is due and runs out, for one event. Moments in, moments out: fetches nothing.

Whole days go by the wall clock of the place, so that 10:00 stays 10:00 over a clock change; hours beside them are hours.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from assessments.models import AskingRule, CareEvent
from clinic import localtime, quiethours
from clinic.quiethours import Window

DAY = 24
# What was found too late by more than this gives the patient the whole time to answer from now on.
LATE_AFTER = timedelta(hours=1)


def opens_at(rule: AskingRule, event: CareEvent, occurrence: int, tz: ZoneInfo) -> datetime:
    """Return when a repetition of a rule opens. Whole days go by the wall clock of the place, so that 10:00 stays 10:00
    over a clock change; hours beside them are hours."""
    return later(event.at, rule.offset_hours + occurrence * (rule.every_days or 0) * DAY, tz)


def later(moment: datetime, hours: int, tz: ZoneInfo) -> datetime:
    """Return the moment so many hours later, or earlier when less than 0: whole days by the calendar."""
    days, rest = divmod(abs(hours), DAY)
    sign = -1 if hours < 0 else 1
    local = moment.astimezone(tz)
    same_hour = localtime.at(local.date() + timedelta(days=sign * days), local.time(), tz) if days else moment
    return same_hour + timedelta(hours=sign * rest)


@dataclass(frozen=True)
class Times:
    """When one request opens, is due and runs out, and which repetition of its rule it is."""

    occurrence: int
    opens_at: datetime
    due_at: datetime
    expires_at: datetime


def times(rule: AskingRule, event: CareEvent, *, tz: ZoneInfo, window: Window, now: datetime) -> Times | None:
    """Return the repetition that is open at ``now``, or None. It is due in the daytime, and never in the past."""
    for occurrence in _repetitions(rule, event, now):
        start = opens_at(rule, event, occurrence, tz)
        end = later(start, rule.open_for_hours, tz)
        if start < rule.started_at or not start <= now < end:
            continue
        due = later(start if now - start < LATE_AFTER else now, rule.due_within_hours, tz)
        due = quiethours.fit(due, window, tz, end)
        return Times(occurrence, start, min(max(due, start), end), end)
    return None


def _repetitions(rule: AskingRule, event: CareEvent, now: datetime) -> range:
    if rule.every_days is None:
        return range(1)
    passed = now - event.at - timedelta(hours=rule.offset_hours)
    nearest = passed // timedelta(days=rule.every_days)
    return range(max(0, nearest - 1), max(0, nearest + 1) + 1)
