"""When places are open and people are there: opening hours, working hours, time off, closures.

Everything is said on the location's wall clock and stored so that 10:00 stays 10:00 across a clock change. Visits live
upstairs: what is booked already stays booked, whatever changes here, until somebody moves it. Whoever shuts a place or
sends somebody away over booked visits says that they know of them.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from psycopg2.extras import DateTimeTZRange

from clinic import audit, bookings, localtime
from clinic.bookings import Booked
from clinic.errors import Refused, violated
from clinic.models import Closure, Location, Membership, OpeningHours, TimeOff, User, Weekday, WorkingHours

# A longer stretch is a slip of the pen in a year, or somebody who has left.
LONGEST_STRETCH = timedelta(days=366)


class EndsBeforeItBegins(Refused):
    """The end is not after the beginning."""

    def __init__(self, weekday: int | None = None) -> None:
        super().__init__(
            gettext_lazy("The end must be after the beginning.")
            if weekday is None
            else _("%(day)s ends before it begins. Write the earlier time first.") % {"day": Weekday(weekday).label}
        )


class VisitsInside(Refused):
    """Visits are booked inside the stretch, and nobody said that they know of them. ``booked`` is what there is."""

    def __init__(self, booked: Booked, location: Location) -> None:
        super().__init__(booked_text(booked, location))
        self.booked = booked


def booked_text(booked: Booked, location: Location) -> str:
    """Return how many visits a stretch holds, in a sentence that says what becomes of them."""
    return ngettext(
        "%(n)d booked visit falls inside, on %(first)s. It stays booked, and the desk is asked to move or cancel it.",
        "%(n)d booked visits fall inside, the first on %(first)s. They stay booked, and the desk is asked to move or cancel each.",
        booked.count,
    ) % {
        "n": booked.count,
        "first": localtime.moment_text(booked.first_at, location.tz) if booked.first_at else "",
    }  # fmt: skip


class HoursOverlap(Refused):
    """Two stretches of one day overlap."""

    def __init__(self, weekday: int) -> None:
        super().__init__(
            _("The two stretches on %(day)s overlap. Leave a break between them, or write them as one.")
            % {"day": Weekday(weekday).label}
        )


class NotHere(Refused):
    """Hours are for people who work at the location."""

    def __init__(self, name: str) -> None:
        super().__init__(
            _("%(name)s holds no role at this location. Give them one under People first.") % {"name": name}
        )


class PastIsWritten(Refused):
    """When somebody worked in the past is a record."""

    def __init__(self, today: date) -> None:
        super().__init__(
            _("Hours that were worked stay as they are. Let the new ones begin today (%(day)s) or later.")
            % {"day": localtime.day_text(today)}
        )


class TooLong(Refused):
    """More than a year."""

    def __init__(self) -> None:
        super().__init__(
            gettext_lazy("That is more than a year. Check the days; enter a longer absence a year at a time.")
        )


class AlreadyAway(Refused):
    """Time off overlaps time off."""

    def __init__(self, name: str, when: str) -> None:
        super().__init__(
            _("%(name)s is away then already: %(when)s. Cancel that first, or choose days that do not overlap.")
            % {"name": name, "when": when}
        )


class AlreadyClosed(Refused):
    """A closure overlaps a closure."""

    def __init__(self, name: str, when: str) -> None:
        super().__init__(
            _("The location is closed then already: %(name)s, %(when)s. Cancel that first, or choose other days.")
            % {"name": name, "when": when}
        )


class IsOver(Refused):
    """What has passed stays as it was."""

    def __init__(self) -> None:
        super().__init__(gettext_lazy("This is over. It stays as it was; only what is still to come can be changed."))


class AlreadyCancelled(Refused):
    """Somebody took it back first."""

    def __init__(self) -> None:
        super().__init__(gettext_lazy("This was cancelled already. Reload the page to see what holds now."))


@dataclass(frozen=True)
class Stretch:
    """One stretch of work on a weekday (Monday is 0), on the wall clock. Two on a day make a lunch break."""

    weekday: int
    starts: time
    ends: time


@transaction.atomic
def set_opening_hours(
    *, by: User, location: Location, week: Mapping[int, tuple[time, time]], now: datetime
) -> list[OpeningHours]:
    """Return the location's new week. A weekday that ``week`` does not name (Monday is 0) is closed.

    Refuses a day that closes before it opens.
    """
    for weekday, (opens, closes) in week.items():
        if not opens < closes:
            raise EndsBeforeItBegins(weekday)
    location = Location.objects.select_for_update(no_key=True).get(pk=location.pk)
    old = {row.weekday: row for row in OpeningHours.objects.filter(location=location)}
    before = {day: (row.opens, row.closes) for day, row in old.items()}
    if before != dict(week):
        for day, row in old.items():
            if day not in week:
                row.delete()
            elif before[day] != week[day]:
                row.opens, row.closes = week[day]
                row.save(update_fields=["opens", "closes"])
        for day in week.keys() - old.keys():
            OpeningHours.objects.create(location=location, weekday=day, opens=week[day][0], closes=week[day][1])
        audit.record(
            by, audit.Verb.HOURS_CHANGED, location, now=now, location_id=location.pk,
            details={"was": _week_code(before), "is": _week_code(week)},
        )  # fmt: skip
    return list(OpeningHours.objects.filter(location=location).order_by("weekday"))


def _week_code(week: Mapping[int, tuple[time, time]]) -> dict[str, str]:
    return {str(day): f"{opens:%H:%M}-{closes:%H:%M}" for day, (opens, closes) in sorted(week.items())}


@transaction.atomic
def set_working_hours(
    *,
    by: User,
    user: User,
    location: Location,
    rows: Sequence[Stretch],
    valid_from: date,
    valid_until: date | None = None,
    now: datetime,
) -> list[WorkingHours]:
    """Return the rows that now say when ``user`` works at ``location`` from ``valid_from`` to ``valid_until`` (for good
    when None). No rows: not there in that time.

    Hours that held before end the day before, and go on after ``valid_until``. Refuses rows that overlap or end
    before they begin, somebody without a role here, and a change of what was worked in the past.
    """
    _guard_rows(rows)
    if valid_until is not None and valid_until < valid_from:
        raise EndsBeforeItBegins
    location = Location.objects.select_for_update(no_key=True).get(pk=location.pk)
    if not Membership.objects.live().filter(user=user, location=location).exists():
        raise NotHere(user.name)
    old = [
        row
        for row in WorkingHours.objects.filter(user=user, location=location).order_by("id")
        if (row.valid_until is None or row.valid_until >= valid_from)
        and (valid_until is None or row.valid_from <= valid_until)
    ]
    today = localtime.day_of(now, location.tz)
    if valid_from < today and any(row.valid_from < today for row in old):
        raise PastIsWritten(today)
    for row in old:
        _make_room(row, valid_from, valid_until)
    new = [
        WorkingHours.objects.create(
            user=user, location=location, weekday=row.weekday, starts=row.starts, ends=row.ends,
            valid_from=valid_from, valid_until=valid_until,
        )
        for row in sorted(rows, key=lambda row: (row.weekday, row.starts))
    ]  # fmt: skip
    audit.record(
        by, audit.Verb.HOURS_CHANGED, user, now=now, location_id=location.pk,
        details={
            "from": valid_from.isoformat(), "until": valid_until.isoformat() if valid_until else "",
            "rows": [f"{row.weekday} {row.starts:%H:%M}-{row.ends:%H:%M}" for row in new],
        },
    )  # fmt: skip
    return new


def _guard_rows(rows: Sequence[Stretch]) -> None:
    for row in rows:
        if not row.starts < row.ends:
            raise EndsBeforeItBegins(row.weekday)
    in_order = sorted(rows, key=lambda row: (row.weekday, row.starts))
    for first, second in itertools.pairwise(in_order):
        if first.weekday == second.weekday and second.starts < first.ends:
            raise HoursOverlap(first.weekday)


def _make_room(row: WorkingHours, valid_from: date, valid_until: date | None) -> None:
    """Cut the days from ``valid_from`` to ``valid_until`` out of a row's validity: what is left before and after stays."""
    day = timedelta(days=1)
    ended = row.valid_until
    goes_on = valid_until is not None and (ended is None or ended > valid_until)
    if row.valid_from < valid_from:
        row.valid_until = valid_from - day
        row.save(update_fields=["valid_until"])
        if goes_on and valid_until is not None:
            WorkingHours.objects.create(
                user_id=row.user_id, location_id=row.location_id, weekday=row.weekday, starts=row.starts,
                ends=row.ends, valid_from=valid_until + day, valid_until=ended,
            )  # fmt: skip
    elif goes_on and valid_until is not None:
        row.valid_from = valid_until + day
        row.save(update_fields=["valid_from"])
    else:
        row.delete()


def span_of(
    *, location: Location, first: date, last: date, starts: time | None = None, ends: time | None = None
) -> DateTimeTZRange:
    """Return the span of whole days, or from ``starts`` on the first to ``ends`` on the last, on the location's clock.

    Refuses an end before the beginning and more than a year.
    """
    if last < first:
        raise EndsBeforeItBegins
    if last - first > LONGEST_STRETCH:
        raise TooLong
    start = localtime.at(first, starts or time.min, location.tz)
    end = (
        localtime.at(last, ends, location.tz)
        if ends is not None
        else localtime.at(last + timedelta(days=1), time.min, location.tz)
    )
    if not start < end:
        raise EndsBeforeItBegins
    return DateTimeTZRange(start, end)


def _said(other: TimeOff | Closure | None, location: Location) -> str:
    """Return what stands in the way; it may have been cancelled in this very moment."""
    return localtime.stretch_text(other.starts_at, other.ends_at, location.tz) if other else ""


@transaction.atomic
def enter_time_off(
    *,
    by: User,
    user: User,
    location: Location,
    first: date,
    last: date,
    reason: TimeOff.Reason,
    starts: time | None = None,
    ends: time | None = None,
    despite: int = 0,
    now: datetime,
) -> TimeOff:
    """Return the time off, on the wall clock of ``location``; it holds wherever ``user`` works.

    Whole days, or from ``starts`` on the first day to ``ends`` on the last. Refuses somebody without a role here,
    an overlap with other time off, an end before the beginning, more than a year, and more booked visits inside than
    the ``despite`` that ``by`` knows of.
    """
    during = span_of(location=location, first=first, last=last, starts=starts, ends=ends)
    # Booking locks the person too: it is decided before this or sees it.
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if not Membership.objects.live().filter(user=user, location=location).exists():
        raise NotHere(user.name)
    try:
        with transaction.atomic():
            time_off = TimeOff.objects.create(user=user, during=during, reason=reason, entered_by=by, entered_at=now)
    except IntegrityError as error:
        if violated(error) != "time_off_once_at_a_time":
            raise
        other = TimeOff.objects.filter(user=user, cancelled_at=None, during__overlap=during).order_by("during").first()
        raise AlreadyAway(user.name, _said(other, location)) from error
    _guard_booked(location, user, during, despite, now)
    # Not why: the audit is read by more people than the reason is for.
    audit.record(by, audit.Verb.TIME_OFF_ENTERED, time_off, now=now, location_id=location.pk)
    return time_off


def _guard_booked(
    location: Location, person: User | None, during: DateTimeTZRange, despite: int, now: datetime
) -> None:
    """Refuse more booked visits inside than are known of. Whoever could book one more is locked."""
    start, end = during.lower or now, during.upper or now  # span_of gives both
    booked = bookings.inside(location=location, person=person, start=start, end=end, now=now)
    if booked.count > despite:
        raise VisitsInside(booked, location)


@transaction.atomic
def cancel_time_off(*, by: User, time_off: TimeOff, location: Location, now: datetime) -> TimeOff:
    """Return the time off, taken back. What is left of one that has begun is free again. Refuses one that is over."""
    User.objects.select_for_update(no_key=True).get(pk=time_off.user_id)
    time_off = TimeOff.objects.select_for_update(no_key=True).get(pk=time_off.pk)
    if time_off.cancelled_at is not None:
        raise AlreadyCancelled
    if time_off.ends_at <= now:
        raise IsOver
    time_off.cancelled_at = now
    time_off.save(update_fields=["cancelled_at"])
    audit.record(by, audit.Verb.TIME_OFF_CANCELLED, time_off, now=now, location_id=location.pk)
    return time_off


@transaction.atomic
def enter_closure(
    *,
    by: User,
    location: Location,
    name: str,
    first: date,
    last: date,
    starts: time | None = None,
    ends: time | None = None,
    despite: int = 0,
    now: datetime,
) -> Closure:
    """Return the closure, on the location's wall clock: whole days, or from ``starts`` to ``ends``.

    Refuses one that is over, an overlap with another, an end before the beginning, more than a year, and more booked
    visits inside than the ``despite`` that ``by`` knows of.
    """
    during = span_of(location=location, first=first, last=last, starts=starts, ends=ends)
    if during.upper is not None and during.upper <= now:
        raise IsOver
    location = Location.objects.select_for_update(no_key=True).get(pk=location.pk)
    # Booking locks its clinician: with everybody who works here locked, it is decided before this or sees it.
    here = Membership.objects.live().filter(location=location)
    list(User.objects.select_for_update(no_key=True).filter(pk__in=here.values("user_id")).order_by("pk"))
    try:
        with transaction.atomic():
            closure = Closure.objects.create(location=location, name=name, during=during, entered_by=by, entered_at=now)
    except IntegrityError as error:
        if violated(error) != "closure_once_at_a_time":
            raise
        other = (
            Closure.objects.filter(location=location, cancelled_at=None, during__overlap=during)
            .order_by("during")
            .first()
        )
        raise AlreadyClosed(other.name if other else "", _said(other, location)) from error
    _guard_booked(location, None, during, despite, now)
    audit.record(by, audit.Verb.CLOSURE_ENTERED, closure, now=now)
    return closure


@transaction.atomic
def cancel_closure(*, by: User, closure: Closure, now: datetime) -> Closure:
    """Return the closure, taken back: the location opens as its week says. Refuses one that is over."""
    Location.objects.select_for_update(no_key=True).get(pk=closure.location_id)
    closure = Closure.objects.select_for_update(no_key=True).get(pk=closure.pk)
    if closure.cancelled_at is not None:
        raise AlreadyCancelled
    if closure.ends_at <= now:
        raise IsOver
    closure.cancelled_at = now
    closure.save(update_fields=["cancelled_at"])
    audit.record(by, audit.Verb.CLOSURE_CANCELLED, closure, now=now)
    return closure
