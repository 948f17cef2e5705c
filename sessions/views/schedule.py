"""The schedule: a day or a week, by room or by person, as a calendar and as a list that is its equal.

The calendar is fed by one JSON view whose rows are made by PostgreSQL, on the location's wall clock. The list is the
same visits, made on the server; it is what prints and what is there without scripts.
"""

import json
import uuid
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib import messages
from django.contrib.postgres.aggregates import JSONBAgg
from django.db.models import CharField, F, Func, TextField, Value
from django.db.models.functions import Cast, Concat, JSONArray
from django.http import HttpResponse
from django.urls import reverse
from django.utils import formats
from django.utils.translation import gettext as _

from clinic import audit, localtime
from clinic.access import CLINICIANS, Permission, holds, staff_view
from clinic.http import StaffRequest, answer, go
from clinic.models import Location, Room, User
from sessions import availability, sheet, timetable
from sessions.availability import Span
from sessions.models import Appointment
from sessions.models.visits import AppointmentQuerySet
from sessions.views.day import visits_path

VIEWS, GROUPS = ("day", "week"), ("room", "person")


@dataclass(frozen=True)
class Asked:
    """What part of the schedule is asked for. Anything unknown means the default."""

    day: date
    view: str
    by: str
    location: Location
    only: str

    @property
    def first(self) -> date:
        return self.day if self.view == "day" else localtime.week_start(self.day)

    @property
    def days(self) -> int:
        return 1 if self.view == "day" else 7

    @property
    def bounds(self) -> Span:
        tz = self.location.tz
        return (
            localtime.at(self.first, datetime.min.time(), tz),
            localtime.at(self.first + timedelta(days=self.days), datetime.min.time(), tz),
        )

    def query(self, **changes: str) -> str:
        values = {"view": self.view, "by": self.by, "only": self.only, **changes}
        return "&".join(f"{key}={value}" for key, value in values.items() if value)

    def url(self, day: date | None = None, **changes: str) -> str:
        return reverse("sessions:schedule", args=[day or self.day]) + "?" + self.query(**changes)


@dataclass
class Group:
    """The visits of one day in one room, or with one person."""

    title: str
    rows: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class DayList:
    """One day of the list."""

    title: str
    is_today: bool
    groups: list[Group] = field(default_factory=list)


def _asked(request: StaffRequest, day: date | None) -> Asked:
    # The choice is remembered for the next visit to the page, in the session and nowhere else.
    kept = request.session.get("schedule", {})
    view = request.GET.get("view", kept.get("view"))
    by = request.GET.get("by", kept.get("by"))
    only = request.GET.get("only", "")
    try:
        only = str(uuid.UUID(only)) if only else ""
    except ValueError:
        only = ""
    tz = request.location.tz
    return Asked(
        day=day or localtime.day_of(request.now, tz),
        view=view if view in VIEWS else "day",
        by=by if by in GROUPS else "room",
        location=request.location,
        only=only,
    )


def _visits(request: StaffRequest, asked: Asked) -> AppointmentQuerySet:
    """Return the visits of the asked stretch that take up their time."""
    visits = (
        Appointment.objects.visible_to(request.user, Permission.APPOINTMENT_READ)
        .filter(location=asked.location)
        .between(*asked.bounds)
        .live()
    )
    if asked.only:
        visits = visits.filter(**{"room" if asked.by == "room" else "clinician": asked.only})
    return visits


@staff_view(Permission.APPOINTMENT_READ)
def schedule(request: StaffRequest, day: date | None = None) -> HttpResponse:
    """A day or a week at the chosen location, by room or by person."""
    asked = _asked(request, day)
    if request.session.get("schedule") != (choice := {"view": asked.view, "by": asked.by}):
        request.session["schedule"] = choice
    people = list(User.objects.working_at(asked.location.pk, *CLINICIANS).order_by("name"))
    rooms = list(Room.objects.in_use().filter(location=asked.location).order_by("name"))
    resources = (
        [{"id": str(room.pk), "title": room.name} for room in rooms]
        if asked.by == "room"
        else [{"id": str(who.pk), "title": who.name} for who in people]
    )
    days = _day_lists(request, asked)
    today = localtime.day_of(request.now, asked.location.tz)
    step = timedelta(days=1 if asked.view == "day" else 7)
    context = {
        "asked": asked,
        "days": days,
        "is_empty": not any(day.groups for day in days),
        "title": _title(asked),
        "zone": localtime.zone_text(asked.bounds[0] + timedelta(hours=12), asked.location.tz),
        "place": asked.location.name,
        "previous_url": asked.url(asked.day - step),
        "next_url": asked.url(asked.day + step),
        "today_url": asked.url(today),
        "is_today": asked.first <= today < asked.first + timedelta(days=asked.days),
        "views": [
            {"label": label, "url": asked.url(view=view), "is_chosen": asked.view == view}
            for view, label in (("day", _("Day")), ("week", _("Week")))
        ],
        "groups": [
            {"label": label, "url": asked.url(by=by, only=""), "is_chosen": asked.by == by}
            for by, label in (("room", _("By room")), ("person", _("By person")))
        ],
        "resources": [{**resource, "is_chosen": resource["id"] == asked.only} for resource in resources],
        "everybody_label": _("All rooms") if asked.by == "room" else _("Everybody"),
        "calendar": _calendar(asked, people, resources, request.now),
        # For whoever checks people in: a day on paper, or in a sheet of their own.
        "csv_url": reverse("sessions:schedule_csv", args=[asked.day])
        if asked.view == "day" and holds(request.user, Permission.APPOINTMENT_CHECK_IN, asked.location.pk)
        else "",
    }
    return answer(request, "sessions/schedule.html", context)


def _calendar(asked: Asked, people: list[User], resources: list[dict[str, str]], now: datetime) -> dict[str, Any]:
    """Return what static/js/schedule.js draws the calendar from; the visits come from ``schedule_events``."""
    return {
        "date": asked.first.isoformat(),
        "view": asked.view,
        "by": asked.by,
        "events": reverse("sessions:schedule_events", args=[asked.day]) + "?" + asked.query(),
        "visit": visits_path(),
        "resources": [r for r in resources if not asked.only or r["id"] == asked.only],
        "now": f"{now.astimezone(asked.location.tz):%Y-%m-%dT%H:%M}",
        **_shading(asked, people),
        "none": _("No room") if asked.by == "room" else _("Somebody else"),
    }


def _title(asked: Asked) -> str:
    if asked.view == "day":
        return localtime.day_text(asked.day)
    first, last = asked.first, asked.first + timedelta(days=6)
    begins = formats.date_format(first, "j M" if first.month != last.month else "j")
    return _("Week of %(span)s") % {"span": f"{begins}–{formats.date_format(last, 'j M Y')}"}


def _shading(asked: Asked, people: list[User]) -> dict[str, Any]:
    """Return the hours to show and the stretches to shade: shut for everybody, and not at work by person."""
    tz = asked.location.tz
    begin, end = asked.bounds
    wanted = [who.pk for who in people] if asked.by == "person" else []
    calendar = timetable.read(asked.location, people=wanted, taken=timetable.NOTHING_TAKEN, start=begin, end=end)
    shut: list[list[str]] = []
    first, last = 24, 0

    def wall(moment: datetime) -> str:
        return f"{moment.astimezone(tz):%Y-%m-%dT%H:%M}"

    for offset in range(asked.days):
        day = asked.first + timedelta(days=offset)
        whole = [localtime.day_bounds(day, tz)]
        opened = availability.open_on(day, calendar)
        for start, until in opened:
            local_end = until.astimezone(tz)
            first = min(first, start.astimezone(tz).hour)
            last = max(last, local_end.hour + (1 if local_end.minute else 0))
        if asked.by == "room":
            shut += [[wall(a), wall(b), ""] for a, b in availability.without(whole, opened)]
        for who in wanted:
            free = availability.at_work_on(day, calendar, who)
            shut += [[wall(a), wall(b), str(who)] for a, b in availability.without(whole, free)]
    first, last = (first, last) if first < last else (8, 18)
    return {"shut": shut, "from": f"{max(0, first - 1):02}:00", "to": f"{min(24, last + 1):02}:00"}


def _day_lists(request: StaffRequest, asked: Asked) -> list[DayList]:
    """Return the list: days, in them rooms or people, in them visits in order. One query."""
    tz = asked.location.tz
    today = localtime.day_of(request.now, tz)
    days = {
        day: DayList(localtime.day_text(day), day == today)
        for day in (asked.first + timedelta(days=n) for n in range(asked.days))
    }
    groups: dict[tuple[date, str], Group] = {}
    base = visits_path()
    heads = ("room__name", "clinician__name") if asked.by == "room" else ("clinician__name", "room__name")
    rows = (
        _visits(request, asked)
        .with_called()
        .order_by(F(heads[0]).asc(nulls_last=True), "starts_at", "id")
        .values_list(
            "id", "starts_at", "ends_at", "status", "called", "patient__family_name", "visit_type__name", *heads,
            "patient_id", "confirmed_at",
        )
    )  # fmt: skip
    seen = []
    for pk, starts_at, ends_at, status, called, family, kind, head, other, patient_id, confirmed_at in rows:
        day = localtime.day_of(starts_at, tz)
        key = (day, head or "")
        if key not in groups:
            groups[key] = Group(head or _("No room"))
            days[day].groups.append(groups[key])
        word = Appointment.Status(status).label
        groups[key].rows.append(
            {
                "url": f"{base}{pk}/",
                "time": f"{localtime.clock_text(starts_at, tz)}–{localtime.clock_text(ends_at, tz)}",
                "name": f"{called} {family}",
                "meta": " · ".join(part for part in (kind, other) if part),
                "look": Appointment.LOOKS[status],
                "word": str(word).capitalize(),
                "is_confirmed": confirmed_at is not None,
            }
        )
        seen.append(patient_id)
    audit.listed(request, "schedule", seen, now=request.now)
    return list(days.values())


class _WallClock(Func):
    """``2027-01-13T10:00``: a moment on the wall clock of a zone, by the database."""

    function = "to_char"
    template = "%(function)s(timezone(%(expressions)s), 'YYYY-MM-DD\"T\"HH24:MI')"
    output_field = CharField()

    def __init__(self, zone: str, moment: str) -> None:
        super().__init__(Value(zone), F(moment))


@staff_view(Permission.APPOINTMENT_READ)
def schedule_events(request: StaffRequest, day: date) -> HttpResponse:
    """The visits of the asked stretch as JSON arrays: id, start, end, name, kind, room, person, look, word, tail.

    Start and end are on the location's wall clock; the last is the minutes for which the room stays taken afterwards.
    """
    asked = _asked(request, day)
    zone = asked.location.time_zone
    name = Concat(F("called"), Value(" "), F("patient__family_name"))
    found = _visits(request, asked).with_called().aggregate(
        rows=Cast(
            JSONBAgg(
                JSONArray(
                    F("id"), _WallClock(zone, "starts_at"), _WallClock(zone, "ends_at"), name, F("visit_type__name"),
                    F("room_id"), F("clinician_id"), F("status"),
                    F("visit_type__overrun_minutes") + F("visit_type__turnover_minutes"),
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
    asked = Asked(day=day, view="day", by="room", location=location, only="")
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
