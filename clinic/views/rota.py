"""The rota of a location, by week, on its own clock: who is first and second on call, and where nobody is."""

from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.utils.translation import gettext as _

from clinic import localtime, oncall
from clinic.access import (
    GET_POST,
    POST,
    Permission,
    get_duty_or_404,
    get_location_or_404,
    holds,
    locations_where,
    staff_view,
)
from clinic.actions import rota as actions
from clinic.errors import Refused
from clinic.forms.rota import EnterDutyForm
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go
from clinic.models import Location, OnCall
from clinic.rotaweek import Duty, Stretch, stretches


def _week(asked: str, today: date) -> date:
    """Return the Monday of the week that the address names; this week's for nonsense."""
    try:
        day = date.fromisoformat(asked)
    except ValueError:
        day = today
    return localtime.week_start(day if abs((day - today).days) < 3660 else today)


def _line(stretch: Stretch, duties: dict[UUID, OnCall], location: Location, day: date, now: datetime) -> dict[str, Any]:
    duty = duties[stretch.duty.id] if stretch.duty else None
    end = localtime.day_bounds(day, location.tz)[1]
    return {
        "name": duty.user.name if duty else "",
        "from": localtime.clock_text(stretch.starts_at, location.tz),
        "to": "24:00" if stretch.ends_at == end else localtime.clock_text(stretch.ends_at, location.tz),
        "is_gap": duty is None,
        "is_loud": duty is None and stretch.ends_at > now,
        "is_now": stretch.starts_at <= now < stretch.ends_at,
    }


def _days(location: Location, monday: date, rows: list[OnCall], now: datetime) -> list[dict[str, Any]]:
    """Return the seven days with the stretches of both duties, holes and all."""
    by_tier: dict[str, list[Duty]] = defaultdict(list)
    for row in rows:
        by_tier[row.tier].append(Duty(row.pk, row.user_id, row.starts_at, row.ends_at))
    duties = {row.pk: row for row in rows}
    days = []
    for ahead in range(7):
        day = monday + timedelta(days=ahead)
        start, end = localtime.day_bounds(day, location.tz)
        first, second = (
            [_line(each, duties, location, day, now) for each in stretches(by_tier[tier], start, end)]
            for tier in (OnCall.Tier.FIRST, OnCall.Tier.SECOND)
        )
        days.append({"name": localtime.day_text(day), "first": first, "second": second, "is_today": start <= now < end})
    return days


@staff_view(Permission.ROTA_READ)
def rota(request: StaffRequest) -> HttpResponse:
    """Return one week of the rota of the location chosen in the top bar."""
    location = request.location
    if location.pk not in locations_where(request.user, Permission.ROTA_READ):
        raise PermissionDenied(_("Your role at this location does not include its rota. Choose another at the top."))
    today = localtime.day_of(request.now, location.tz)
    monday = _week(request.GET.get("week", ""), today)
    span = localtime.week_bounds(monday, location.tz)
    rows = list(OnCall.objects.live().filter(location=location, during__overlap=span).select_related("user"))
    gap = actions.next_gap(location, request.now)
    week = timedelta(days=7)
    context = {
        "location": location,
        "days": _days(location, monday, rows, request.now),
        "duties": [
            {"id": row.pk, "name": row.user.name, "duty": row.get_tier_display(),
             "when": localtime.stretch_text(row.starts_at, row.ends_at, location.tz)}
            for row in sorted(rows, key=lambda row: (row.starts_at, row.tier)) if row.ends_at > request.now
        ],
        "on_call": [row for row in sorted(rows, key=lambda row: row.tier) if row.starts_at <= request.now < row.ends_at],
        "gap": localtime.moment_text(gap, location.tz) if gap and gap > request.now else "",
        "is_gap_now": gap is not None and gap <= request.now,
        "zone": localtime.zone_text(span[0], location.tz),
        "previous": (monday - week).isoformat(), "following": (monday + week).isoformat(),
        "is_this_week": monday == localtime.week_start(today),
        "can_manage": holds(request.user, Permission.ROTA_MANAGE, location.pk),
    }  # fmt: skip
    return answer(request, "clinic/rota.html", context)


@staff_view(Permission.ROTA_MANAGE, methods=GET_POST)
def enter_duty(request: StaffRequest, location_id: UUID) -> HttpResponse:
    """Enter who is on call, from when until when."""
    location = get_location_or_404(request, location_id, Permission.ROTA_MANAGE)
    form = EnterDutyForm(
        request.POST if request.method == "POST" else None,
        people=oncall.clinicians(location),
        initial={"tier": request.GET.get("tier", ""), "first": request.GET.get("first", "")},
    )
    if form.is_valid():
        try:
            duty = actions.enter_duty(by=request.user, location=location, now=request.now, **form.cleaned_data)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            when = localtime.stretch_text(duty.starts_at, duty.ends_at, location.tz)
            messages.success(
                request,
                _("%(name)s is %(duty)s: %(when)s.")
                % {"name": duty.user.name, "duty": duty.get_tier_display(), "when": when},
            )
            return go(request, "clinic:rota")
    context = {"form": form, "location": location}
    return answer(request, "clinic/enter_duty.html", context, status=UNPROCESSABLE if form.is_bound else 200)


@staff_view(Permission.ROTA_MANAGE, methods=POST)
def cancel_duty(request: StaffRequest, duty_id: UUID) -> HttpResponse:
    """Take a duty back, or end it now when it has begun."""
    duty = get_duty_or_404(request, duty_id)
    try:
        actions.cancel_duty(by=request.user, duty=duty, now=request.now)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(
            request,
            _("%(name)s is no longer %(duty)s then. See who takes over.")
            % {"name": duty.user.name, "duty": duty.get_tier_display()},
        )
    return go(request, "clinic:rota")
