"""The schedule: a day, a week or a month, by room or by person, as a calendar and as a list that is its equal.

The calendar is fed by one JSON view whose rows are made by PostgreSQL, on the location's wall clock. The list is the
same visits, made on the server; it is what prints and what is there without scripts. A month is a picture of how full
its days are, with the table of the same figures (``density``).
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib import messages
from django.contrib.postgres.aggregates import JSONBAgg
from django.db.models import CharField, F, Func, Q, TextField, Value
from django.db.models.functions import Cast, Concat, JSONArray
from django.http import HttpResponse
from django.urls import reverse
from django.utils import formats
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from clinic import audit, localtime
from clinic.access import CLINICIANS, Permission, holds, staff_view
from clinic.http import StaffRequest, answer, go
from clinic.models import Closure, Room, User
from patients.needs import Asked as AskedNeeds
from patients.needs import needs_of
from sessions import availability, presence, sheet, timetable
from sessions.availability import Calendar, Span
from sessions.models import Appointment, Block
from sessions.models.visits import AppointmentQuerySet
from sessions.presence import Composite
from sessions.views import density
from sessions.views.asked import Asked, asked_of
from sessions.views.day import visits_path


@dataclass
class Group:
    """The visits of one day in one room, or with one person."""

    title: str
    rows: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class DayList:
    """One day of the list, with what is shut and who is away."""

    title: str
    is_today: bool
    groups: list[Group] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Hours:
    """When the place is open and its people work in the asked stretch, and what it is shut for, by name."""

    calendar: Calendar
    closures: list[tuple[str, Span]]
    people: list[User]

    def away(self, who: uuid.UUID) -> list[Span]:
        return list(self.calendar.away.get(who, ()))


def _visits(request: StaffRequest, asked: Asked) -> AppointmentQuerySet:
    """Return the visits of the asked stretch that take up their time."""
    visits = (
        Appointment.objects.visible_to(request.user, Permission.APPOINTMENT_READ)
        .filter(location=asked.location)
        .between(*asked.bounds)
        .live()
    )
    if asked.only and asked.by == "room":
        visits = visits.filter(room__in=asked.ids)
    elif asked.only:
        there = Block.objects.filter(person__in=asked.ids, starts_at__gte=asked.bounds[0] - timetable.LONGEST_HOLD)
        visits = visits.filter(Q(clinician__in=asked.ids) | Q(pk__in=there.values("appointment")))
    return visits


def _hours(asked: Asked, people: list[User]) -> Hours:
    begin, end = asked.bounds
    calendar = timetable.read(
        asked.location, people=[who.pk for who in people], taken=timetable.NOTHING_TAKEN, start=begin, end=end
    )
    closures = Closure.objects.filter(location=asked.location, cancelled_at=None, during__overlap=(begin, end))
    named = [
        (name, (max(during.lower or begin, begin), min(during.upper or end, end)))
        for name, during in closures.order_by("during").values_list("name", "during")
    ]
    return Hours(calendar, named, people)


@staff_view(Permission.APPOINTMENT_READ)
def schedule(request: StaffRequest, day: date | None = None) -> HttpResponse:
    """A day, a week or a month at the chosen location, by room or by person."""
    asked = asked_of(request, day, request.session.get("schedule"))
    if request.session.get("schedule") != asked.choice:
        request.session["schedule"] = asked.choice
    people = list(User.objects.working_at(asked.location.pk, *CLINICIANS).order_by("name"))
    rooms = list(Room.objects.in_use().filter(location=asked.location).order_by("name"))
    resources = (
        [{"id": str(room.pk), "title": room.name} for room in rooms]
        if asked.by == "room"
        else [{"id": str(who.pk), "title": who.name} for who in people]
    )
    if "only" not in request.GET and not {one["id"] for one in resources} & set(asked.only):
        # Kept from another place, or of somebody who left: here it would hide everything and say "all".
        asked = replace(asked, only=())
    hours = _hours(asked, people)
    today = localtime.day_of(request.now, asked.location.tz)
    place = request.location
    context = {
        "may_replan": place is not None and holds(request.user, Permission.ABSENCE_REPLAN, place.pk),
        "asked": asked,
        "title": _title(asked),
        "zone": localtime.zone_text(asked.bounds[0] + timedelta(hours=12), asked.location.tz),
        "clock_change": _clock_change(asked),
        "place": asked.location.name,
        "previous_url": asked.url(asked.before),
        "next_url": asked.url(asked.following),
        "today_url": asked.url(today),
        "is_today": asked.first <= today < asked.after,
        "views": [
            {"label": label, "url": asked.url(view=view), "is_chosen": asked.view == view}
            for view, label in (("day", _("Day")), ("week", _("Week")), ("month", _("Month")))
        ],
        "groups": [
            {"label": label, "url": asked.url(by=by, only=""), "is_chosen": asked.by == by}
            for by, label in (("room", _("By room")), ("person", _("By person")))
        ],
        "resources": [{**resource, "is_chosen": resource["id"] in asked.only} for resource in resources],
        "everybody_url": asked.url(only=""),
        "chosen_label": _chosen_label(asked, resources),
        "printed": localtime.moment_text(request.now, asked.location.tz),
    }
    if asked.view == "month":
        chosen = [who for who in people if not asked.only or str(who.pk) in asked.only]
        in_use = [room for room in rooms if not asked.only or str(room.pk) in asked.only]
        context["month"] = density.month(
            asked, hours.calendar, hours.closures, people=chosen, rooms=in_use, today=today
        )
        return answer(request, "sessions/schedule.html", context)
    teams = presence.read(_visits(request, asked))
    days = _day_lists(request, asked, hours, teams)
    context |= {
        "days": days,
        "is_empty": not any(day.groups or day.notes for day in days),
        "calendar": _calendar(asked, hours, resources, teams, request),
        # For whoever checks people in: a day on paper, or in a sheet of their own.
        "csv_url": reverse("sessions:schedule_csv", args=[asked.day])
        if asked.view == "day" and holds(request.user, Permission.APPOINTMENT_CHECK_IN, asked.location.pk)
        else "",
    }
    return answer(request, "sessions/schedule.html", context)


def _chosen_label(asked: Asked, resources: list[dict[str, str]]) -> str:
    """Return in a few words which rooms or people are shown."""
    titles = [resource["title"] for resource in resources if resource["id"] in asked.only]
    if asked.only and not titles:
        return _("Nobody of here") if asked.by == "person" else _("No room of here")
    if not titles:
        return _("All rooms") if asked.by == "room" else _("Everybody")
    if len(titles) == 1:
        return titles[0]
    more = {"first": titles[0], "n": len(titles) - 1}
    return _("%(first)s and %(n)d more") % more


def _clock_change(asked: Asked) -> str:
    """Return a sentence about a clock change in the asked stretch, or nothing."""
    tz = asked.location.tz
    for offset in range(asked.days):
        day = asked.first + timedelta(days=offset)
        begin, end = localtime.day_bounds(day, tz)
        length = int((end - begin) / timedelta(hours=1))
        if length != 24:
            return _("The clocks change on %(day)s, which has %(n)d hours.") % {
                "day": localtime.day_text(day),
                "n": length,
            }
    return ""


def _calendar(
    asked: Asked,
    hours: Hours,
    resources: list[dict[str, str]],
    teams: Mapping[uuid.UUID, Composite],
    request: StaffRequest,
) -> dict[str, Any]:
    """Return what static/js/schedule.js draws the calendar from; the visits come from ``schedule_events``."""
    may_move = holds(request.user, Permission.APPOINTMENT_BOOK, asked.location.pk)
    return {
        "date": asked.first.isoformat(),
        "view": asked.view,
        "by": asked.by,
        "events": reverse("sessions:schedule_events", args=[asked.day]) + "?" + asked.query(),
        "visit": visits_path(),
        "move": [Appointment.Status.BOOKED, Appointment.Status.CONFIRMED] if may_move else [],
        "resources": [r for r in resources if not asked.only or r["id"] in asked.only],
        "now": f"{request.now.astimezone(asked.location.tz):%Y-%m-%dT%H:%M}",
        "teams": {
            str(pk): {
                "parts": team.parts,
                "people": [[str(one.person), one.name, one.duty, one.starts, one.ends] for one in team.people],
            }
            for pk, team in teams.items()
        },
        **_shading(asked, hours),
        "none": _("No room") if asked.by == "room" else _("Somebody else"),
        "words": {"tail": _("Overrun and turnover"), "away": _("Away"), "open": _("Open the visit")},
    }


def _title(asked: Asked) -> str:
    if asked.view == "day":
        return localtime.day_text(asked.day)
    if asked.view == "month":
        return formats.date_format(asked.first, "F Y")
    first, last = asked.first, asked.first + timedelta(days=6)
    begins = formats.date_format(first, "j M" if first.month != last.month else "j")
    return _("Week of %(span)s") % {"span": f"{begins}–{formats.date_format(last, 'j M Y')}"}


def _shading(asked: Asked, hours: Hours) -> dict[str, Any]:
    """Return the hours to show and the stretches to shade: shut for everybody, not at work by person; and those with a name."""
    tz = asked.location.tz
    wanted = [who.pk for who in hours.people] if asked.by == "person" else []
    shut: list[list[str]] = []
    first, last = 24, 0

    def wall(moment: datetime) -> str:
        return f"{moment.astimezone(tz):%Y-%m-%dT%H:%M}"

    for offset in range(asked.days):
        day = asked.first + timedelta(days=offset)
        whole = [localtime.day_bounds(day, tz)]
        opened = availability.open_on(day, hours.calendar)
        for start, until in opened:
            local_end = until.astimezone(tz)
            first = min(first, start.astimezone(tz).hour)
            last = max(last, local_end.hour + (1 if local_end.minute else 0))
        if asked.by == "room":
            shut += [[wall(a), wall(b), ""] for a, b in availability.without(whole, opened)]
        for who in wanted:
            free = availability.at_work_on(day, hours.calendar, who)
            shut += [[wall(a), wall(b), str(who)] for a, b in availability.without(whole, free)]
    first, last = (first, last) if first < last else (8, 18)
    begin, end = asked.bounds
    named = [[wall(a), wall(b), "", name] for name, (a, b) in hours.closures]
    for who in wanted:
        named += [
            [wall(max(a, begin)), wall(min(b, end)), str(who), _("Away")]
            for a, b in hours.away(who)
            if a < end and b > begin
        ]
    return {"shut": shut, "named": named, "from": f"{max(0, first - 1):02}:00", "to": f"{min(24, last + 1):02}:00"}


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


def _day_lists(
    request: StaffRequest, asked: Asked, hours: Hours, teams: Mapping[uuid.UUID, Composite]
) -> list[DayList]:
    """Return the list: days, in them rooms or people, in them visits in order. One query.

    By person, whoever has a duty in somebody else's visit has a row of their own for it, as the calendar draws it.
    """
    tz = asked.location.tz
    today = localtime.day_of(request.now, tz)
    may_move = holds(request.user, Permission.APPOINTMENT_BOOK, asked.location.pk)
    days = {
        day: DayList(localtime.day_text(day), day == today, notes=_notes(asked, hours, day))
        for day in (asked.first + timedelta(days=n) for n in range(asked.days))
    }
    groups: dict[tuple[date, str], list[tuple[datetime, dict[str, Any]]]] = {}
    base = visits_path()
    heads = ("room__name", "clinician__name") if asked.by == "room" else ("clinician__name", "room__name")
    rows = (
        _visits(request, asked)
        .with_called()
        .order_by("starts_at", "id")
        .values_list(
            "id", "starts_at", "ends_at", "status", "called", "patient__family_name", "visit_type__name", *heads,
            "patient_id", "confirmed_at", "held_until", "clinician_id",
            *(f"patient__{name}" for name in AskedNeeds._fields),
        )
    )  # fmt: skip
    seen = []
    for (
        pk, starts_at, ends_at, status, called, family, kind, head, other, patient_id, confirmed_at, held_until, lead, *said,
    ) in rows:  # fmt: skip
        day = localtime.day_of(starts_at, tz)
        word = Appointment.Status(status).label
        row = {
            "url": f"{base}{pk}/",
            "time": f"{localtime.clock_text(starts_at, tz)}–{localtime.clock_text(ends_at, tz)}",
            "name": f"{called} {family}",
            "meta": " · ".join(part for part in (kind, other) if part),
            "look": Appointment.LOOKS[status],
            "word": str(capfirst(word)),
            "is_confirmed": confirmed_at is not None,
            "needs": needs_of(AskedNeeds(*said), brief=True),
            "move_url": f"{base}{pk}/reschedule/"
            if may_move and status in {Appointment.Status.BOOKED, Appointment.Status.CONFIRMED}
            else "",
            "until": _("until %(time)s") % {"time": localtime.clock_text(held_until, tz)}
            if status == Appointment.Status.HELD and held_until
            else "",
        }
        team = teams.get(pk)
        if team:
            row["parts"] = _part_lines(team, starts_at, asked)
        if asked.by == "room" or not asked.only or str(lead) in asked.only:
            groups.setdefault((day, head or ""), []).append((starts_at, row))
        for one in team.people if team and asked.by == "person" else ():
            if one.person == lead or (asked.only and str(one.person) not in asked.only):
                continue
            begins, ends = (starts_at + timedelta(minutes=n) for n in (one.starts, one.ends))
            own = {
                **row,
                "time": f"{localtime.clock_text(begins, tz)}–{localtime.clock_text(ends, tz)}",
                "meta": " · ".join(part for part in (kind, one.duty, other) if part),
                "move_url": "",
                "parts": [],
            }
            groups.setdefault((day, one.name), []).append((begins, own))
        seen.append(patient_id)
    for (day, head), found in sorted(groups.items(), key=lambda one: (one[0][0], not one[0][1], one[0][1])):
        ordered = [row for _at, row in sorted(found, key=lambda one: one[0])]
        days[day].groups.append(Group(head or _("No room"), ordered))
    audit.listed(request, "schedule", seen, now=request.now)
    return list(days.values())


def _part_lines(team: Composite, starts_at: datetime, asked: Asked) -> list[str]:
    """Return each part of a visit of several in a line: when, what, and who is there."""
    tz = asked.location.tz
    return [
        f"{localtime.clock_text(starts_at + timedelta(minutes=starts), tz)} {word}: "
        + ", ".join(dict.fromkeys(f"{one.name} ({one.duty})" for one in team.in_part(starts, ends)))
        for word, starts, ends in team.parts
    ]


class _WallClock(Func):
    """``2027-01-13T10:00``: a moment on the wall clock of a zone, by the database."""

    function = "to_char"
    template = "%(function)s(timezone(%(expressions)s), 'YYYY-MM-DD\"T\"HH24:MI')"
    output_field = CharField()

    def __init__(self, zone: str, moment: str) -> None:
        super().__init__(Value(zone), F(moment))


@staff_view(Permission.APPOINTMENT_READ)
def schedule_events(request: StaffRequest, day: date) -> HttpResponse:
    """The visits of the asked stretch as JSON arrays: id, start, end, name, kind, room, person, state, tail, version.

    Start and end are on the location's wall clock; the tail is the minutes for which the room stays taken afterwards.
    """
    asked = asked_of(request, day)
    zone = asked.location.time_zone
    name = Concat(F("called"), Value(" "), F("patient__family_name"))
    found = _visits(request, asked).with_called().aggregate(
        rows=Cast(
            JSONBAgg(
                JSONArray(
                    F("id"), _WallClock(zone, "starts_at"), _WallClock(zone, "ends_at"), name, F("visit_type__name"),
                    F("room_id"), F("clinician_id"), F("status"),
                    F("visit_type__overrun_minutes") + F("visit_type__turnover_minutes"),
                    F("version"),
                ),
                order_by=("starts_at", "id"),
            ),
            TextField(),
        ),
        seen=JSONBAgg("patient_id", distinct=True),
    )  # fmt: skip
    audit.listed(request, "schedule", [uuid.UUID(str(pk)) for pk in found["seen"] or []], now=request.now)
    looks = json.dumps({str(status): [look, str(status.label).capitalize()] for status, look in _LOOKS})
    return HttpResponse(f'{{"looks":{looks},"rows":{found["rows"] or "[]"}}}', content_type="application/json")


_LOOKS = [(Appointment.Status(status), look) for status, look in Appointment.LOOKS.items()]


_IN_SHEET = (
    "starts_at", "ends_at", "called", "patient__family_name", "visit_type__name", "room__name", "clinician__name", "status",
    "confirmed_at", "patient_id",
)  # fmt: skip


@staff_view(Permission.APPOINTMENT_CHECK_IN)
def schedule_csv(request: StaffRequest, day: date) -> HttpResponse:
    """The list of one day at the chosen location as a spreadsheet, by time: what the schedule shows, and no more."""
    location, tz = request.location, request.location.tz
    if not holds(request.user, Permission.APPOINTMENT_CHECK_IN, location.pk):
        messages.error(request, _("Only those who check people in here save the list. Choose another location first."))
        return go(request, "sessions:schedule", day)
    asked = Asked(day=day, view="day", by="room", location=location, only=())
    found = _visits(request, asked).with_called().order_by("starts_at", "id").values_list(*_IN_SHEET)
    rows, seen = [], []
    for starts_at, ends_at, called, family, kind, room, clinician, status, confirmed_at, patient_id in found:
        rows.append(
            [
                localtime.day_of(starts_at, tz).isoformat(), localtime.clock_text(starts_at, tz),
                localtime.clock_text(ends_at, tz), localtime.zone_text(starts_at, tz), f"{called} {family}", kind,
                room or "", clinician, str(Appointment.Status(status).label), _("yes") if confirmed_at else "",
            ]
        )  # fmt: skip
        seen.append(patient_id)
    audit.listed(request, "schedule_csv", seen, now=request.now)
    head = [_("Day"), _("From"), _("To"), _("Time zone"), _("Patient"), _("Visit"), _("Room"), _("With"), _("State"), _("Confirmed")]  # fmt: skip
    return HttpResponse(
        sheet.write(head, rows), content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="visits-{day.isoformat()}.csv"', "X-Content-Type-Options": "nosniff"},
    )  # fmt: skip
