"""The office's pages of what is asked when."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from assessments import askingtimes, definitions, wordings
from assessments.access import get_asking_rule_or_404
from assessments.actions import asking
from assessments.forms.asking import AddAskingRuleForm
from assessments.models import AskingRule, CareEventKind
from clinic import localtime
from clinic.access import GET_POST, POST, Permission, holds, staff_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go


def span_text(hours: int) -> str:
    """Return a length of time in days where it is whole days, else in hours."""
    if hours and hours % askingtimes.DAY == 0:
        return ngettext("%(n)d day", "%(n)d days", hours // askingtimes.DAY) % {"n": hours // askingtimes.DAY}
    return ngettext("%(n)d hour", "%(n)d hours", hours) % {"n": hours}


def _when_text(rule: AskingRule) -> str:
    if rule.offset_hours == 0:
        return _("at once")
    words = {"span": span_text(abs(rule.offset_hours))}
    return _("%(span)s before") % words if rule.offset_hours < 0 else _("%(span)s after") % words


def _rule(request: StaffRequest, rule: AskingRule, sendable: set[str]) -> dict[str, Any]:
    tz = request.location.tz
    return {
        "id": rule.pk,
        "name": definitions.current(rule.code).name,
        "event": rule.get_event_display(),
        "when": _when_text(rule),
        "again": _("every %(span)s") % {"span": span_text(rule.every_days * askingtimes.DAY)}
        if rule.every_days
        else "",
        "due": span_text(rule.due_within_hours),
        "open": span_text(rule.open_for_hours),
        "is_dumb": rule.code not in sendable,
        "by": rule.started_by.name,
        "since": localtime.day_text(localtime.day_of(rule.started_at, tz)),
        "ended": localtime.day_text(localtime.day_of(rule.ended_at, tz)) if rule.ended_at else "",
        "ended_by": rule.ended_by.name if rule.ended_by else "",
    }


@staff_view(Permission.INSTRUMENT_MANAGE)
def asking_rules(request: StaffRequest) -> HttpResponse:
    """Show what is asked when, by event, with the lines that ended."""
    return answer(request, "assessments/asking_rules.html", _page(request))


def _page(request: StaffRequest) -> dict[str, Any]:
    sendable = {
        d.code for d in wordings.sendable(wordings.permissions(), localtime.day_of(request.now, request.location.tz))
    }
    rules = AskingRule.objects.select_related("started_by", "ended_by").order_by("event", "offset_hours", "code")
    rows = [(rule, _rule(request, rule, sendable)) for rule in rules]
    # In the order in which they come in a course of care.
    groups = [
        (str(kind.label), [row for rule, row in rows if rule.ended_at is None and rule.event == kind])
        for kind in CareEventKind
    ]
    return {
        "groups": [(event, lines) for event, lines in groups if lines],
        "ended": [row for rule, row in rows if rule.ended_at is not None],
        "may_open_office": holds(request.user, Permission.PLACES_MANAGE),
    }


@staff_view(Permission.INSTRUMENT_MANAGE, methods=GET_POST)
def add_asking_rule(request: StaffRequest) -> HttpResponse:
    """Add a line to what is asked when."""
    today = localtime.day_of(request.now, request.location.tz)
    sendable = wordings.sendable(wordings.permissions(), today)
    form = AddAskingRuleForm(request.POST if request.method == "POST" else None, sendable=sendable)
    if request.method == "POST" and form.is_valid():
        try:
            rule = asking.add_rule(by=request.user, line=form.line(), today=today, now=request.now)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            name = definitions.current(rule.code).name
            messages.success(
                request, _("%(name)s is asked from now on, %(when)s.") % {"name": name, "when": _when_text(rule)}
            )
            return go(request, "assessments:asking_rules")
    status = UNPROCESSABLE if form.is_bound else 200
    return answer(request, "assessments/add_asking_rule.html", {"form": form}, status=status)


@staff_view(Permission.INSTRUMENT_MANAGE, methods=POST)
def end_asking_rule(request: StaffRequest, rule_id: uuid.UUID) -> HttpResponse:
    """End a line of what is asked when."""
    rule = get_asking_rule_or_404(request, rule_id)
    try:
        asking.end_rule(by=request.user, rule=rule, now=request.now)
    except Refused as refusal:
        context = {**_page(request), "refusal": str(refusal)}
        return answer(request, "assessments/asking_rules.html", context, status=UNPROCESSABLE)
    messages.success(request, _("That line has ended. What is open already stays open."))
    return go(request, "assessments:asking_rules")
