"""Work to do: one's own items and those of one's roles, words of danger at the top, then what is due first."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from clinic import audit, localtime, subjects
from clinic.access import GET_POST, Permission, get_work_item_or_404, memberships_of, staff_view
from clinic.actions import worklist as actions
from clinic.errors import Refused
from clinic.forms.worklist import CloseWorkItemForm
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go
from clinic.models import Closure, Membership, Role, TimeOff, WorkItem
from clinic.subjects import Label

PAGE = 50
RANKS = {"0": 0, "1": 1}
# Visits that a closure or an absence keeps from taking place are looked for every five minutes (clinic/celery.py).
LOOKED_FOR_WITHIN = timedelta(minutes=6)
# What is done by phone: the number stands in the line, so that a queue of calls is not a queue of pages.
CALLS = frozenset({WorkItem.Kind.CALL_PATIENT, WorkItem.Kind.CRISIS_WORDS})


def _rows(request: StaffRequest, items: list[WorkItem]) -> list[dict[str, Any]]:
    """Return the items as text, each with whom it is about; one query a kind of subject. Who was named is audited."""
    found = subjects.labels(request.user, items, request.now)
    named = sorted({label.patient_id for label in found.values() if label.patient_id})
    audit.listed(request, "worklist", named, now=request.now)
    return [_row(item, found.get(item.subject_id), request.now) for item in items]


def _row(item: WorkItem, label: Label | None, now: datetime) -> dict[str, Any]:
    return {
        "id": item.pk,
        "title": item.get_kind_display(),
        # Of what this person may not open, nothing is said and no link is shown.
        "url": label.url if label else "",
        "name": label.name if label else "",
        "code": label.code if label else "",
        "about": label.about if label else "",
        "person_url": label.person_url if label else "",
        "phone": label.phone if label and item.kind in CALLS else "",
        "is_hidden": label is None,
        # What somebody waits for is closed by answering it.
        "close_url": ""
        if item.kind in actions.ANSWERED_BY_AN_ACT
        else reverse("clinic:close_work_item", args=[item.pk]),
        "due": localtime.moment_text(item.due_at, item.location.tz),
        "is_overdue": item.due_at < now,
        "late": localtime.age_text(item.due_at, now) if item.due_at < now else "",
        "age": localtime.age_text(item.created_at, now),
        "whose": _("mine") if item.owner_id else Role(item.owner_role).label,
        "location": item.location.name,
    }


def _after(cursor: str) -> Q:
    """Return the condition for what follows the last row of a page; everything for a cursor nobody gave out."""
    try:
        place, moment, key = cursor.split(",")
        rank, due_at, pk = RANKS[place], datetime.fromtimestamp(int(moment) / 1_000_000, tz=UTC), UUID(key)
    except (KeyError, ValueError, OverflowError, OSError):
        return Q()
    return Q(rank__gt=rank) | Q(rank=rank, due_at__gt=due_at) | Q(rank=rank, due_at=due_at, pk__gt=pk)


def _cursor(item: WorkItem) -> str:
    whole = item.due_at - datetime.fromtimestamp(0, tz=UTC)
    rank = 0 if item.kind in WorkItem.PRESSING else 1
    return f"{rank},{(whole.days * 86400 + whole.seconds) * 1_000_000 + whole.microseconds},{item.pk}"


def _is_looked_for(request: StaffRequest) -> bool:
    """Return whether visits may be missing here: a closure or time off is so new that nobody has looked for them yet."""
    here = {held.location_id for held in memberships_of(request.user) if held.role == Role.FRONT_DESK}
    people = Membership.objects.live().filter(location_id__in=here).values("user_id")
    is_new = Q(cancelled_at=None, entered_at__gt=request.now - LOOKED_FOR_WITHIN)
    return (
        Closure.objects.filter(is_new, location_id__in=here).exists()
        or TimeOff.objects.filter(is_new, user_id__in=people).exists()
    )


@staff_view(Permission.WORK_ITEM_CLOSE)
def worklist(request: StaffRequest) -> HttpResponse:
    """Return the open items of this person and of their roles, words of danger first, then by due time."""
    kind, whose = request.GET.get("kind", ""), request.GET.get("whose", "")
    mine = WorkItem.objects.mine(request.user, memberships_of(request.user))
    items = mine.most_pressing_first().filter(_after(request.GET.get("after", "")))
    if kind in WorkItem.Kind.values:
        items = items.filter(kind=kind)
    if whose in {"mine", "roles"}:
        items = items.filter(owner__isnull=whose == "roles")
    page = list(items.select_related("location")[: PAGE + 1])
    more = page[PAGE - 1] if len(page) > PAGE else None
    kept = {key: value for key, value in {"kind": kind, "whose": whose}.items() if value}
    context = {
        "items": _rows(request, page[:PAGE]),
        "more_url": "?" + urlencode({**kept, "after": _cursor(more)}) if more else "",
        "first_url": "?" + urlencode(kept) if request.GET.get("after") else "",
        "kinds": WorkItem.Kind.choices,
        "kind": kind,
        "whose": whose,
        "is_narrowed": bool(kept),
        "is_looked_for": (kind == WorkItem.Kind.RECALL or not (page or kept)) and _is_looked_for(request),
        "many_locations": len({membership.location_id for membership in memberships_of(request.user)}) > 1,
    }
    return answer(request, "clinic/worklist.html", context, part="items")


@staff_view(Permission.WORK_ITEM_CLOSE, methods=GET_POST)
def close_work_item(request: StaffRequest, item_id: UUID) -> HttpResponse:
    """Close an item with what came of it."""
    item = get_work_item_or_404(request, item_id)
    form = CloseWorkItemForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            actions.close_item(by=request.user, item=item, now=request.now, **form.cleaned_data)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("Closed: %(what)s.") % {"what": item.get_kind_display()})
            return go(request, "clinic:worklist")
    context = {"form": form, "item": _rows(request, [item])[0], "is_closed": item.closed_at is not None}
    return answer(request, "clinic/close_work_item.html", context, status=UNPROCESSABLE if form.is_bound else 200)
