"""The patient's page to move a visit of their own: the times that are free, a week at a time."""

import uuid
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse
from django.utils import formats
from django.utils.translation import gettext as _

from clinic import localtime
from clinic.access import GET_POST, portal_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, PortalRequest, answer, go
from sessions.access import get_my_appointment_or_404
from sessions.actions import mymoves
from sessions.forms.visits import ChooseMyTimeForm, MyTimesForm
from sessions.models import Appointment
from sessions.views.portal import view_of

PAGE = "sessions/choose_my_time.html"
STEP = timedelta(days=7)


@portal_view(methods=GET_POST)
def choose_my_time(request: PortalRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """Move a visit of one's own to a free time, as long as its kind and its notice allow that."""
    visit = get_my_appointment_or_404(request, appointment_id)
    wanted = MyTimesForm(request.GET)
    wanted.is_valid()
    anybody = bool(wanted.cleaned_data.get("anybody"))
    form = ChooseMyTimeForm(request.POST or None, initial={"version": visit.schedule_version})
    if request.method == "POST" and form.is_valid():
        try:
            moved = mymoves.move_my_visit(
                by=request.user, appointment=visit, starts_at=form.cleaned_data["slot"], anybody=anybody,
                seen_schedule_version=form.cleaned_data["version"], now=request.now,
            )  # fmt: skip
        except Refused as refusal:
            form.add_error(None, str(refusal))
            visit = get_my_appointment_or_404(request, appointment_id)
        else:
            when = localtime.moment_text(moved.starts_at, moved.location.tz)
            if moved.visit_type.is_remote:
                messages.success(request, _("Moved to %(when)s. Where will you be then?") % {"when": when})
                return go(request, "sessions:say_where_i_am", moved.pk)
            messages.success(request, _("Your visit is now on %(when)s.") % {"when": when})
            return go(request, "sessions:portal_visit", moved.pk)
    status = UNPROCESSABLE if request.method == "POST" else 200
    context = {
        "form": form, "visit": view_of(visit, visit.patient, request.now), "version": visit.schedule_version,
        **_times(request, visit, anybody=anybody, begin=wanted.cleaned_data.get("begin")),
    }  # fmt: skip
    return answer(request, PAGE, context, status=status)


def _times(request: PortalRequest, visit: Appointment, *, anybody: bool, begin: date | None) -> dict[str, Any]:
    """Return the free times of one week, with links to those around it; or why none is shown."""
    try:
        reach = mymoves.guard(visit, request.now)
    except Refused as refusal:
        may_ask = isinstance(refusal, mymoves.DeskMoves)
        return {"closed": str(refusal), "may_ask": may_ask}
    tz = visit.location.tz
    soonest, latest = localtime.day_of(reach.earliest, tz), localtime.day_of(reach.latest, tz)
    first = max(soonest, min(begin or localtime.day_of(visit.starts_at, tz) - timedelta(days=2), latest))
    last = max(first, min(first + STEP - timedelta(days=1), latest))
    found = mymoves.find(visit, reach=reach, first=first, last=last, anybody=anybody, now=request.now)
    days: dict[date, list[dict[str, str]]] = {}
    for one in found.openings:
        who = found.choices.everybody[one.clinician_id]
        days.setdefault(localtime.day_of(one.starts_at, tz), []).append(
            {
                "value": one.starts_at.isoformat(), "time": localtime.clock_text(one.starts_at, tz),
                "who": who.short_name if anybody else "",
                "label": f"{localtime.moment_text(one.starts_at, tz)} · {who.name}",
            }
        )  # fmt: skip

    def address(day: date, *, with_anybody: bool) -> str:
        asked = {"begin": day.isoformat(), **({"anybody": "on"} if with_anybody else {})}
        return f"{reverse('sessions:choose_my_time', args=[visit.pk])}?{urlencode(asked)}"

    begins, ends = (formats.date_format(day, "j M") for day in (first, last))
    return {
        "days": [{"label": localtime.day_text(day), "slots": slots} for day, slots in days.items()],
        "span": f"{begins} – {ends}",  # an en dash is how a span is written
        "zone": localtime.zone_text(visit.starts_at, tz),
        "before": localtime.day_text(latest) if reach.is_before_dose and first + STEP > latest else "",
        "anybody": anybody, "clinician": visit.clinician.name,
        "here": address(first, with_anybody=anybody),
        "other_url": address(first, with_anybody=not anybody),
        "earlier_url": address(max(soonest, first - STEP), with_anybody=anybody) if first > soonest else "",
        "later_url": address(first + STEP, with_anybody=anybody) if first + STEP <= latest else "",
    }  # fmt: skip
