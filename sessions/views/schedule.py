"""The schedule: a day, a week or a month, by room or by person, as a calendar and as a list that is its equal.

The calendar is fed by one JSON view, on the location's wall clock. The list is the
same visits, made on the server; it is what prints and what is there without scripts. A month is a picture of how full
its days are, with the table of the same figures (``density``).
"""

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.urls import reverse
from django.utils import formats
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from clinic import audit, localtime
from clinic.access import CLINICIANS, Permission, holds, staff_view
from clinic.http import StaffRequest, answer, go
from clinic.models import Closure, Room, User
from clinic.written import SINCE, UNTIL, WHERE, Written
from sessions import availability, presence, sheet, timetable
from sessions.models import Appointment, Block
from sessions.models.visits import AppointmentQuerySet
from sessions.presence import Composite
from sessions.views import daylists, density, ownviews
from sessions.views.asked import Asked, asked_of
from sessions.views.day import visits_path
from sessions.views.daylists import Hours


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
    own = ownviews.own_of(request)
    asked = asked_of(request, day, request.session.get("schedule", own))
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
        "is_own": own == asked.choice,
        "printed": localtime.moment_text(request.now, asked.location.tz),
    }
    if asked.view == "month":
        chosen = [who for who in people if not asked.only or str(who.pk) in asked.only]
        in_use = [room for room in rooms if not asked.only or str(room.pk) in asked.only]
        context["month"] = density.month(
            asked, hours.calendar, hours.closures, people=chosen, rooms=in_use, today=today
        )
        return answer(request, "sessions/schedule.html", context)
    visits = _visits(request, asked)
    # A week by room draws and lists visits of several as one; who is in their parts is not asked for.
    teams = presence.read(visits) if asked.view == "day" or asked.by == "person" else {}
    days = daylists.read(request, asked, hours, visits, teams)
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
    shown = [one for one in resources if not asked.only or one["id"] in asked.only]
    return {
        "date": asked.first.isoformat(),
        "view": asked.view,
        "by": asked.by,
        "events": reverse("sessions:schedule_events", args=[asked.day]) + "?" + asked.query(),
        "visit": visits_path(),
        "move": [Appointment.Status.BOOKED, Appointment.Status.CONFIRMED] if may_move else [],
        "resources": shown,
        "now": f"{request.now.astimezone(asked.location.tz):%Y-%m-%dT%H:%M}",
        "teams": {
            str(pk): {
                "parts": team.parts,
                "people": [[str(one.person), one.name, one.duty, one.starts, one.ends] for one in team.people],
            }
            for pk, team in teams.items()
        },
        **_shading(asked, hours, is_by_the_hour=asked.view == "day" or len(shown) == 1),
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


def _shading(asked: Asked, hours: Hours, *, is_by_the_hour: bool) -> dict[str, Any]:
    """Return the hours to show and the stretches to shade: shut for everybody, not at work by person; and those with a name.

    A week of many columns has a line for each day and no hours, and so only what has a name.
    """
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
        if not is_by_the_hour:
            continue
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


class _Event(NamedTuple):
    """What the calendar is told of one visit, in the order of ``_IN_CALENDAR``."""

    pk: uuid.UUID
    starts_at: datetime
    ends_at: datetime
    called: str
    family: str
    kind: str
    room_id: uuid.UUID | None
    clinician_id: uuid.UUID
    status: str
    overrun: int
    turnover: int
    version: int
    patient_id: uuid.UUID


_IN_CALENDAR = (
    "id", "starts_at", "ends_at", "called", "patient__family_name", "visit_type__name", "room_id", "clinician_id", "status",
    "visit_type__overrun_minutes", "visit_type__turnover_minutes", "version", "patient_id",
)  # fmt: skip


def _events_of(visits: AppointmentQuerySet) -> QuerySet[Appointment, Any]:
    return visits.with_called().order_by("starts_at", "id").values_list(*_IN_CALENDAR)


# Everybody's visits at a place, which is what most calendars show.
_EVERYBODY = Written(lambda: _events_of(Appointment.objects.filter(location=WHERE).between(SINCE, UNTIL).live()))


def _events(request: StaffRequest, asked: Asked) -> list[_Event]:
    """Return what the calendar shows of the asked stretch, in order of time. One query."""
    if asked.only or not holds(request.user, Permission.APPOINTMENT_READ, asked.location.pk):
        rows: Iterable[tuple[Any, ...]] = _events_of(_visits(request, asked))
    else:
        since, until = asked.bounds
        rows = _EVERYBODY.rows(where=asked.location.pk, since=since, until=until)
    return [_Event._make(row) for row in rows]


@staff_view(Permission.APPOINTMENT_READ)
def schedule_events(request: StaffRequest, day: date) -> HttpResponse:
    """The visits of the asked stretch as JSON arrays: id, start, length, name, kind, room, person, state, tail, version.

    Five hundred of them are under 50 kB (performance.md 6.2, W8): start and length are minutes on the location's wall clock
    from the first day's midnight, ids have no dashes, and kind, room, person and state are places in the lists that come
    along, from 1. The tail is the minutes for which the room stays taken afterwards.
    """
    asked = asked_of(request, day)
    tz, midnight = asked.location.tz, datetime.combine(asked.first, time())
    kinds, rooms, people, states = (_Places() for _list in range(4))

    def minutes(moment: datetime) -> int:
        return (moment.astimezone(tz).replace(tzinfo=None) - midnight) // timedelta(minutes=1)

    found = _events(request, asked)
    lines = []
    for one in found:
        start = minutes(one.starts_at)
        lines.append((
            one.pk.hex, start, minutes(one.ends_at) - start, f"{one.called} {one.family}", kinds[one.kind],
            rooms[one.room_id], people[one.clinician_id], states[one.status], one.overrun + one.turnover, one.version,
        ))  # fmt: skip
    audit.listed(request, "schedule", list(dict.fromkeys(one.patient_id for one in found)), now=request.now)
    facts = {
        "kinds": [*kinds],
        "rooms": [str(pk) if pk else None for pk in rooms],
        "people": [str(pk) for pk in people],
        "states": [
            [state, Appointment.LOOKS[state], str(capfirst(Appointment.Status(state).label))] for state in states
        ],
        "rows": lines,
    }
    text = json.dumps(facts, separators=(",", ":"), ensure_ascii=False)
    return HttpResponse(text, content_type="application/json")


class _Places(dict[Any, int]):
    """The place of each value among those met so far, from 1; asked for by the value."""

    def __missing__(self, value: Any) -> int:
        self[value] = len(self) + 1
        return self[value]


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
