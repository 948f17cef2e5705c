"""When a location is open and who works when: the week, time off, closures."""

from collections.abc import Iterable
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse, QueryDict
from django.urls import reverse
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from clinic import localtime, public_holidays
from clinic.access import (
    GET_POST,
    POST,
    Permission,
    get_closure_or_404,
    get_colleague_or_404,
    get_location_or_404,
    get_time_off_or_404,
    managed_location,
    staff_view,
)
from clinic.actions import hours as actions
from clinic.bookings import Booked
from clinic.errors import Refused
from clinic.forms.hours import DespiteForm, EnterClosureForm, EnterTimeOffForm, SetOpeningHoursForm, SetWorkingHoursForm
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go
from clinic.models import Closure, Location, Membership, OpeningHours, Role, TimeOff, User, Weekday, WorkingHours

HOLIDAYS_SHOWN = 6


def _data(request: StaffRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None


def _page(request: StaffRequest, template: str, form: Any, **context: Any) -> HttpResponse:
    return answer(request, template, {"form": form, **context}, status=UNPROCESSABLE if form.is_bound else 200)


@staff_view(Permission.HOURS_MANAGE)
def hours(request: StaffRequest) -> HttpResponse:
    """Return the location's week, who works when, and the absences and closures to come."""
    location = managed_location(request, Permission.HOURS_MANAGE)
    today = localtime.day_of(request.now, location.tz)
    week = _week_of(location)
    shut = Closure.objects.filter(location=location, cancelled_at=None, during__endswith__gt=request.now)
    closures = list(shut.order_by("during"))
    context = {
        "location": location,
        "is_open_at_all": bool(week),
        "week": [{"name": day.label, "text": _from_to(*week[day]) if day in week else ""} for day in Weekday],
        "team": _team(location, today),
        "time_off": _time_off(location, request.now),
        "closures": [{"id": row.pk, "name": row.name, "when": _when(row, location)} for row in closures],
        "holidays": _holidays(location, today, week, closures),
    }
    return answer(request, "clinic/hours.html", context)


def _when(row: TimeOff | Closure, location: Location) -> str:
    return localtime.stretch_text(row.starts_at, row.ends_at, location.tz)


def _week_of(location: Location) -> dict[int, tuple[time, time]]:
    rows = OpeningHours.objects.filter(location=location).values_list("weekday", "opens", "closes")
    return {day: (opens, closes) for day, opens, closes in rows}


def _from_to(start: time, end: time) -> str:
    return f"{start:%H:%M}–{end:%H:%M}"


def _team(location: Location, today: date) -> list[dict[str, Any]]:
    """Return a row a person who works here, clinicians first: their week and what is planned after it. Two queries."""
    live = Membership.objects.live().filter(location=location).select_related("user").order_by("user__name", "role")
    people: dict[UUID, dict[str, Any]] = {}
    for membership in live:
        role = Role(membership.role)
        row = people.setdefault(
            membership.user_id,
            {"id": membership.user_id, "name": membership.user.name, "roles": [], "is_clinician": False},
        )
        row["roles"].append(str(role.label))
        row["is_clinician"] |= role.is_clinician
    planned: dict[UUID, list[WorkingHours]] = {}
    for hours_row in WorkingHours.objects.filter(
        Q(valid_until=None) | Q(valid_until__gte=today), location=location
    ).order_by("weekday", "starts"):
        planned.setdefault(hours_row.user_id, []).append(hours_row)
    for user_id, row in people.items():
        own = planned.get(user_id, [])
        later = sorted({one.valid_from for one in own if one.valid_from > today})
        row["week"] = _week_lines((one.weekday, one.starts, one.ends) for one in own if one.valid_from <= today)
        row["later"] = localtime.day_text(later[0]) if later else ""
        row["roles"] = ", ".join(row["roles"])
    return sorted(people.values(), key=lambda row: (not row["is_clinician"], row["name"]))


def _week_lines(rows: Iterable[tuple[int, time, time]]) -> list[str]:
    """Return a week in as few lines as it takes: days with the same hours together, Monday to Friday in one."""
    by_day: dict[int, list[str]] = {}
    for day, start, end in sorted(rows):
        by_day.setdefault(day, []).append(_from_to(start, end))
    runs: list[tuple[list[int], str]] = []
    for day, stretches in sorted(by_day.items()):
        text = ", ".join(stretches)
        if runs and runs[-1][1] == text and runs[-1][0][-1] == day - 1:
            runs[-1][0].append(day)
        else:
            runs.append(([day], text))
    return [f"{_days_text(days)} {text}" for days, text in runs]


def _days_text(days: list[int]) -> str:
    first, last = WEEKDAYS_ABBR[days[0]], WEEKDAYS_ABBR[days[-1]]
    return str(first) if len(days) == 1 else f"{first}–{last}"


def _time_off(location: Location, now: datetime) -> list[dict[str, Any]]:
    here = Membership.objects.live().filter(location=location).values("user_id")
    rows = TimeOff.objects.filter(user_id__in=here, cancelled_at=None, during__endswith__gt=now).select_related("user")
    return [
        {
            "id": row.pk, "name": row.user.name, "reason": row.get_reason_display(),
            "when": _when(row, location), "is_now": row.starts_at <= now,
        }
        for row in rows.order_by("during")
    ]  # fmt: skip


def _holidays(
    location: Location, today: date, week: dict[int, tuple[time, time]], closures: list[Closure]
) -> list[dict[str, str]]:
    """Return the next federal holidays on which the location would be open, each with the way to close on it."""
    found = []
    for day, name in public_holidays.upcoming(today, 2 * HOLIDAYS_SHOWN):
        start, end = localtime.day_bounds(day, location.tz)
        is_shut = any(row.starts_at <= start and end <= row.ends_at for row in closures)
        if day.weekday() in week and not is_shut:
            url = reverse("clinic:enter_closure", args=[location.pk])
            query = urlencode({"name": name, "first": day.isoformat(), "last": day.isoformat()})
            found.append({"name": name, "day": localtime.day_text(day), "url": f"{url}?{query}"})
    return found[:HOLIDAYS_SHOWN]


@staff_view(Permission.HOURS_MANAGE, methods=GET_POST)
def set_opening_hours(request: StaffRequest, location_id: UUID) -> HttpResponse:
    """Say when the location is open on each weekday."""
    location = get_location_or_404(request, location_id, Permission.HOURS_MANAGE)
    form = SetOpeningHoursForm(_data(request), initial=SetOpeningHoursForm.initial_of(_week_of(location)))
    if form.is_valid():
        try:
            actions.set_opening_hours(by=request.user, location=location, week=form.week, now=request.now)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("The opening hours of %(name)s are saved.") % {"name": location.name})
            return go(request, "clinic:hours")
    return _page(request, "clinic/set_opening_hours.html", form, location=location)


@staff_view(Permission.HOURS_MANAGE, methods=GET_POST)
def set_working_hours(request: StaffRequest, location_id: UUID, person_id: UUID) -> HttpResponse:
    """Say when somebody works at the location from a day on, for good or for a while."""
    location = get_location_or_404(request, location_id, Permission.HOURS_MANAGE)
    person = get_colleague_or_404(request, location, person_id)
    today = localtime.day_of(request.now, location.tz)
    own = WorkingHours.objects.filter(
        Q(valid_until=None) | Q(valid_until__gte=today), user=person, location=location
    ).order_by("valid_from", "weekday", "starts")
    rows = list(own)
    held = [(row.weekday, row.starts, row.ends) for row in rows if row.valid_from <= today]
    initial = {"valid_from": today, **SetWorkingHoursForm.initial_of(held)}
    form = SetWorkingHoursForm(_data(request), initial=initial)
    if form.is_valid():
        try:
            actions.set_working_hours(
                by=request.user, user=person, location=location, rows=form.rows, now=request.now,
                valid_from=form.cleaned_data["valid_from"], valid_until=form.cleaned_data["valid_until"],
            )  # fmt: skip
        except Refused as refusal:
            form.add_error("valid_from" if isinstance(refusal, actions.PastIsWritten) else None, str(refusal))
        else:
            messages.success(request, _("The working hours of %(name)s are saved.") % {"name": person.name})
            return go(request, "clinic:hours")
    return _page(
        request, "clinic/set_working_hours.html", form, location=location, person=person, planned=_planned(rows, today)
    )


def _planned(rows: list[WorkingHours], today: date) -> list[dict[str, Any]]:
    """Return what is planned after today, each stretch of days with its week."""
    spans = sorted(
        {(row.valid_from, row.valid_until) for row in rows if row.valid_from > today}, key=lambda span: span[0]
    )
    return [
        {
            "from": localtime.day_text(start),
            "until": localtime.day_text(end) if end else "",
            "week": _week_lines(
                (row.weekday, row.starts, row.ends) for row in rows if (row.valid_from, row.valid_until) == (start, end)
            ),
        }
        for start, end in spans
    ]


@staff_view(Permission.HOURS_MANAGE, methods=GET_POST)
def enter_time_off(request: StaffRequest, location_id: UUID) -> HttpResponse:
    """Enter when somebody is away."""
    location = get_location_or_404(request, location_id, Permission.HOURS_MANAGE)
    people = User.objects.working_at(location.pk).order_by("name")
    form = EnterTimeOffForm(_data(request), people=people, initial={"person": request.GET.get("person", "")})
    known, booked = DespiteForm(request.POST).known, None
    if form.is_valid():
        values = dict(form.cleaned_data)
        person = values.pop("person")
        try:
            time_off = actions.enter_time_off(
                by=request.user, user=person, location=location, now=request.now, despite=known, **values
            )
        except Refused as refusal:
            booked = _booked(refusal)
            form.add_error("last" if isinstance(refusal, actions.EndsBeforeItBegins) else None, str(refusal))
        else:
            when = _when(time_off, location)
            messages.success(request, _("%(name)s is away: %(when)s.") % {"name": person.name, "when": when})
            return go(request, "clinic:hours")
    return _page(request, "clinic/enter_time_off.html", form, location=location, booked=booked)


def _booked(refusal: Refused) -> Booked | None:
    """Return the visits that stood in the way, for the page to ask about; None when it was something else."""
    return refusal.booked if isinstance(refusal, actions.VisitsInside) else None


@staff_view(Permission.HOURS_MANAGE, methods=POST)
def cancel_time_off(request: StaffRequest, location_id: UUID, time_off_id: UUID) -> HttpResponse:
    """Take time off back."""
    location = get_location_or_404(request, location_id, Permission.HOURS_MANAGE)
    time_off = get_time_off_or_404(request, location, time_off_id)
    try:
        actions.cancel_time_off(by=request.user, time_off=time_off, location=location, now=request.now)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("%(name)s is no longer away then.") % {"name": time_off.user.name})
    return go(request, "clinic:hours")


@staff_view(Permission.HOURS_MANAGE, methods=GET_POST)
def enter_closure(request: StaffRequest, location_id: UUID) -> HttpResponse:
    """Enter when the location is shut. A federal holiday's link fills in its name and day."""
    location = get_location_or_404(request, location_id, Permission.HOURS_MANAGE)
    asked = {name: request.GET.get(name, "") for name in ("name", "first", "last")}
    form = EnterClosureForm(_data(request), initial=asked)
    known, booked = DespiteForm(request.POST).known, None
    if form.is_valid():
        try:
            closure = actions.enter_closure(
                by=request.user, location=location, now=request.now, despite=known, **form.cleaned_data
            )
        except Refused as refusal:
            booked = _booked(refusal)
            form.add_error("last" if isinstance(refusal, actions.EndsBeforeItBegins) else None, str(refusal))
        else:
            when = _when(closure, location)
            messages.success(request, _("%(place)s is closed: %(when)s.") % {"place": location.name, "when": when})
            return go(request, "clinic:hours")
    return _page(request, "clinic/enter_closure.html", form, location=location, booked=booked)


@staff_view(Permission.HOURS_MANAGE, methods=POST)
def cancel_closure(request: StaffRequest, closure_id: UUID) -> HttpResponse:
    """Take a closure back."""
    closure = get_closure_or_404(request, closure_id)
    try:
        actions.cancel_closure(by=request.user, closure=closure, now=request.now)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("The closure for %(name)s is cancelled.") % {"name": closure.name})
    return go(request, "clinic:hours")
