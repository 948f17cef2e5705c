"""The schedule as a list: days, in them rooms or people, in them visits. It is what prints, and what is there without scripts.

A week of a large place would be a wall of names and hundreds of kilobytes: beyond ``MOST_ROWS`` its days are told by
their counts, each with a link that lists it.
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from clinic import audit, localtime
from clinic.access import Permission, holds
from clinic.http import StaffRequest
from clinic.models import User
from patients.needs import Asked as AskedNeeds
from patients.needs import Need, needs_of
from sessions import presence
from sessions.availability import Calendar, Span
from sessions.models import Appointment
from sessions.models.visits import AppointmentQuerySet
from sessions.presence import Composite
from sessions.views.asked import Asked
from sessions.views.day import visits_path

# With them the page of a week stays within 50 kB. A day by itself, and one whose link was followed, is listed whatever it holds.
MOST_ROWS = 40


@dataclass
class _Row:
    """One visit in the list, or somebody's stretch in one."""

    at: datetime
    patient: uuid.UUID
    url: str
    time: str
    name: str
    meta: str
    look: str
    word: str
    may_move: bool
    # (icon, words) of what makes the visit possible for them.
    needs: list[Need]
    # The parts of a visit of several, a line each.
    parts: list[str] = field(default_factory=list)


@dataclass
class Group:
    """The visits of one day in one room, or with one person."""

    title: str
    rows: list[_Row]


@dataclass
class DayList:
    """One day of the list, with what is shut and who is away."""

    key: str
    title: str
    is_today: bool
    # Where the week is with this day listed.
    url: str
    groups: list[Group] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_listed: bool = True

    @property
    def count(self) -> int:
        return sum(len(group.rows) for group in self.groups)

    @property
    def counts(self) -> str:
        """Return how many there are in each room or with each person, in a line."""
        return " · ".join(f"{group.title} {len(group.rows)}" for group in self.groups)


@dataclass(frozen=True)
class Hours:
    """When the place is open and its people work in the asked stretch, and what it is shut for, by name."""

    calendar: Calendar
    closures: list[tuple[str, Span]]
    people: list[User]

    def away(self, who: uuid.UUID) -> list[Span]:
        return list(self.calendar.away.get(who, ()))


def _notes(asked: Asked, hours: Hours, day: date) -> list[str]:
    """Return what is shut and who is away on a day, in words."""
    tz = asked.location.tz
    begin, end = localtime.day_bounds(day, tz)
    notes = [
        _("Shut: %(name)s, %(when)s.") % {"name": name, "when": localtime.stretch_text(max(a, begin), min(b, end), tz)}
        for name, (a, b) in hours.closures
        if a < end and b > begin
    ]
    for who in hours.people:
        if asked.by == "person" and asked.only and str(who.pk) not in asked.only:
            continue
        notes += [
            _("Away: %(name)s, %(when)s.")
            % {"name": who.name, "when": localtime.stretch_text(max(a, begin), min(b, end), tz)}
            for a, b in hours.away(who.pk)
            if a < end and b > begin
        ]
    return notes


def read(
    request: StaffRequest,
    asked: Asked,
    hours: Hours,
    visits: AppointmentQuerySet,
    teams: Mapping[uuid.UUID, Composite],
) -> list[DayList]:
    """Return the days of the list, and write down whose names they show. One query, however many there are.

    By person, whoever has a duty in somebody else's visit has a row of their own for it, as the calendar draws it.
    """
    today = localtime.day_of(request.now, asked.location.tz)
    days = {
        day: DayList(
            f"{day:%Y-%m-%d}",
            localtime.day_text(day),
            day == today,
            asked.url(day, whole="on"),
            notes=_notes(asked, hours, day),
        )
        for day in (asked.first + timedelta(days=n) for n in range(asked.days))
    }
    groups: dict[tuple[date, str], list[_Row]] = {}
    for day, head, row in _rows(request, asked, visits, teams):
        groups.setdefault((day, head), []).append(row)
    for (day, head), found in sorted(groups.items(), key=lambda one: (one[0][0], not one[0][1], one[0][1])):
        days[day].groups.append(Group(head or _("No room"), sorted(found, key=lambda row: row.at)))
    room, is_whole = MOST_ROWS, asked.view == "day" or "whole" in request.GET
    # The asked day first.
    for day in sorted(days, key=lambda day: (day != asked.day, day)):
        one = days[day]
        one.is_listed = (is_whole and day == asked.day) or one.count <= room
        room -= one.count if one.is_listed else 0
    shown = [row.patient for one in days.values() if one.is_listed for group in one.groups for row in group.rows]
    audit.listed(request, "schedule", list(dict.fromkeys(shown)), now=request.now)
    return list(days.values())


def _rows(
    request: StaffRequest, asked: Asked, visits: AppointmentQuerySet, teams: Mapping[uuid.UUID, Composite]
) -> Iterator[tuple[date, str, _Row]]:
    """Yield each row with its day, and its room's or person's name (nothing for no room)."""
    tz, base = asked.location.tz, visits_path()
    may_move = holds(request.user, Permission.APPOINTMENT_BOOK, asked.location.pk)
    heads = ("room__name", "clinician__name") if asked.by == "room" else ("clinician__name", "room__name")
    found = (
        visits.with_called()
        .order_by("starts_at", "id")
        .values_list(
            "id", "starts_at", "ends_at", "status", "called", "patient__family_name", "visit_type__name", *heads,
            "patient_id", "held_until", "clinician_id", *(f"patient__{name}" for name in AskedNeeds._fields),
        )
    )  # fmt: skip
    for pk, starts_at, ends_at, status, called, family, kind, head, other, patient, held_until, lead, *said in found:
        day, word = localtime.day_of(starts_at, tz), str(capfirst(Appointment.Status(status).label))
        if status == Appointment.Status.HELD and held_until:
            word = f"{word} {_('until %(time)s') % {'time': localtime.clock_text(held_until, tz)}}"
        row = _Row(
            at=starts_at, patient=patient, url=f"{base}{pk}/", time=_clocks(starts_at, ends_at, tz),
            name=f"{called} {family}", meta=" · ".join(part for part in (kind, other) if part),
            look=Appointment.LOOKS[status], word=word,
            may_move=may_move and status in {Appointment.Status.BOOKED, Appointment.Status.CONFIRMED},
            needs=needs_of(AskedNeeds(*said), brief=True),
        )  # fmt: skip
        team = teams.get(pk)
        if team and asked.view == "day":
            row.parts = _part_lines(team, starts_at, asked)
        if asked.by == "room" or not asked.only or str(lead) in asked.only:
            yield day, head or "", row
        for one in team.people if team and asked.by == "person" else ():
            if one.person == lead or (asked.only and str(one.person) not in asked.only):
                continue
            begins, ends = (starts_at + timedelta(minutes=n) for n in (one.starts, one.ends))
            meta = " · ".join(part for part in (kind, one.duty, other) if part)
            yield (
                day,
                one.name,
                replace(row, at=begins, time=_clocks(begins, ends, tz), meta=meta, may_move=False, parts=[]),
            )


def _clocks(begins: datetime, ends: datetime, tz: ZoneInfo) -> str:
    return f"{localtime.clock_text(begins, tz)}–{localtime.clock_text(ends, tz)}"


def _part_lines(team: Composite, starts_at: datetime, asked: Asked) -> list[str]:
    """Return each part of a visit of several in a line: when, what, and who is there."""
    tz = asked.location.tz
    return [
        f"{localtime.clock_text(starts_at + timedelta(minutes=starts), tz)} {word}: "
        + presence.named((one.name, one.duty) for one in team.in_part(starts, ends))
        for word, starts, ends in team.parts
    ]
