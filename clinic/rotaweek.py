"""Who is on call when, as stretches without holes: what nobody covers is a stretch of nobody's. Pure."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Duty:
    """One person's duty, from its beginning to before its end."""

    id: uuid.UUID
    user_id: uuid.UUID
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Stretch:
    """A part of the time asked about; ``duty`` is None where nobody is on call."""

    starts_at: datetime
    ends_at: datetime
    duty: Duty | None = None


def stretches(duties: Iterable[Duty], start: datetime, end: datetime) -> list[Stretch]:
    """Return the time from ``start`` to ``end`` as stretches, in order. Duties of one tier never overlap."""
    found: list[Stretch] = []
    covered = start
    for duty in sorted(duties, key=lambda each: each.starts_at):
        begins, ends = max(duty.starts_at, covered), min(duty.ends_at, end)
        if begins >= ends:
            continue
        if begins > covered:
            found.append(Stretch(covered, begins))
        found.append(Stretch(begins, ends, duty))
        covered = ends
    if covered < end:
        found.append(Stretch(covered, end))
    return found


def first_gap(duties: Iterable[Duty], start: datetime, end: datetime) -> datetime | None:
    """Return when nobody is on call first, between ``start`` and ``end``; None when somebody always is."""
    return next((each.starts_at for each in stretches(duties, start, end) if each.duty is None), None)
