"""The audit, as a privacy officer reads it: who did what to which record, newest first. Reading it is audited too."""

from typing import Any
from uuid import UUID

from django.db.models import F, Q
from django.http import HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from clinic import audit, audit_words, localtime
from clinic.access import Permission, locations_where, staff_view
from clinic.audit import Verb
from clinic.forms.audit import STRANGERS, AuditLogForm
from clinic.http import UNPROCESSABLE, StaffRequest, answer
from clinic.models import AuditEvent, AuditSeal, Location, Membership, Outcome, Role, User

ROWS_A_PAGE = 50
DETAIL_LENGTH = 60


@staff_view(Permission.AUDIT_READ)
def audit_log(request: StaffRequest) -> HttpResponse:
    """Return a page of the audit of the locations this person answers for, with the rows that belong to no location."""
    where = locations_where(request.user, Permission.AUDIT_READ)
    people = Membership.objects.filter(location_id__in=where).order_by("user__name")
    names = people.values_list("user_id", "user__name").distinct()
    form = AuditLogForm(request.GET, people=[(str(pk), name) for pk, name in names])
    context: dict[str, Any] = {"form": form, "sealed": _sealed(request)}
    if not form.is_valid():
        return answer(request, "clinic/audit_log.html", context, part="rows", status=UNPROCESSABLE)
    asked = form.cleaned_data
    audit.searched(
        request, fields=form.asked, what=repr(sorted(asked.items(), key=lambda item: item[0])),
        patient_id=asked["patient"], now=request.now,
    )  # fmt: skip
    rows = _found(request, where, asked)
    context |= {
        "rows": _rows(request, rows[:ROWS_A_PAGE]),
        "is_narrowed": bool(form.asked),
        "patient_url": reverse("patients:patient", args=[asked["patient"]]) if asked["patient"] else "",
        "newest_url": _url(form) if asked["before"] else "",
        "older_url": _url(form, before=rows[ROWS_A_PAGE - 1].pk) if len(rows) > ROWS_A_PAGE else "",
    }
    return answer(request, "clinic/audit_log.html", context, part="rows")


def _found(request: StaffRequest, where: frozenset[UUID], asked: dict[str, Any]) -> list[AuditEvent]:
    """Return the newest rows that were asked for, one more than a page shows. One query, or two for a patient.

    Where an index finds few rows among very many, the order is by an expression: the planner would otherwise walk the
    whole audit backwards by id, hoping to meet enough of them soon.
    """
    events = AuditEvent.objects.filter(Q(location_id__in=where) | Q(location_id=None))
    if asked["before"]:
        events = events.filter(id__lt=asked["before"])
    if asked["who"]:
        events = events.filter(actor_id=None if asked["who"] == STRANGERS else asked["who"])
    if asked["verb"]:
        events = events.filter(verb=asked["verb"])
    if asked["day"]:
        start, end = localtime.day_bounds(asked["day"], request.location.tz)
        events = events.filter(at__gte=start, at__lt=end)
    found_by_index = events.order_by((F("id") + 0).desc())
    newest = found_by_index if asked["day"] else events.order_by("-id")
    if not asked["patient"]:
        return list(newest[: ROWS_A_PAGE + 1])
    about = newest.filter(patient_id=asked["patient"])[: ROWS_A_PAGE + 1]
    # On a list of patients, too, somebody was seen.
    listed = found_by_index.filter(verb=Verb.LIST_READ, details__patients__contains=[str(asked["patient"])])
    found = [*about, *listed[: ROWS_A_PAGE + 1]]
    return sorted(found, key=lambda event: -event.pk)[: ROWS_A_PAGE + 1]


def _url(form: AuditLogForm, **more: Any) -> str:
    query = {name: form.data[name] for name in form.asked} | more
    return f"{reverse('clinic:audit_log')}?{urlencode(query)}"


def _rows(request: StaffRequest, events: list[AuditEvent]) -> list[dict[str, Any]]:
    """Return what the page shows of each row. Of a patient nothing but the id: no name stands here. Two queries."""
    actors = {event.actor_id for event in events if event.actor_id}
    people = {user.pk: user for user in User.objects.filter(pk__in=actors)}
    places = dict(
        Location.objects.filter(pk__in={event.location_id for event in events if event.location_id}).values_list(
            "pk", "name"
        )
    )
    tz = request.location.tz
    base = reverse("clinic:audit_log")
    return [
        {
            "day": localtime.day_text(localtime.day_of(event.at, tz)),
            "time": f"{event.at.astimezone(tz):%H:%M:%S %Z}",
            "who": _who(people.get(event.actor_id) if event.actor_id else None, event),
            "role": Role(event.acting_role).label if event.acting_role in Role.values else "",
            "what": audit_words.said(event.verb),
            "was_refused": event.outcome == Outcome.REFUSED,
            # A row about a patient has the patient's own link.
            "subject": "" if event.subject_id == event.patient_id else audit_words.called(event.subject_type),
            "subject_id": str(event.subject_id or ""),
            "patient": str(event.patient_id or ""),
            "patient_url": f"{base}?{urlencode({'patient': str(event.patient_id)})}" if event.patient_id else "",
            "place": places.get(event.location_id, "") if event.location_id else "",
            "details": _details(event.details),
            "address": event.address or "",
            "page": event.page,
        }
        for event in events
    ]


def _who(user: User | None, event: AuditEvent) -> str:
    if event.actor_id is None:
        return _("somebody not signed in")
    if user is None:
        return str(event.actor_id)
    if user.kind == User.Kind.PATIENT:
        return _("a patient")
    return _("the system") if user.kind == User.Kind.SYSTEM else user.name


def _details(details: Any) -> list[str]:
    """Return codes and counts as short words; of a list of patients only how many there were."""
    if not isinstance(details, dict):
        return []
    said = []
    for key, value in details.items():
        if value in ("", [], {}, None):
            continue
        if value is True:
            text = str(key)
        elif key == "patients" and isinstance(value, list):
            text = _("%(n)d patients") % {"n": len(value)}
        elif isinstance(value, list):
            text = f"{key}: {', '.join(str(item) for item in value)}"
        elif isinstance(value, dict):
            text = f"{key}: {', '.join(f'{inner} {item}' for inner, item in value.items())}"
        else:
            text = f"{key}: {value}"
        said.append(text if len(text) <= DETAIL_LENGTH else text[: DETAIL_LENGTH - 1] + "…")
    return said


def _sealed(request: StaffRequest) -> str:
    """Return how far the audit is sealed, in a sentence."""
    newest = AuditSeal.objects.order_by("-number").first()
    if newest is None:
        return _("Nothing is sealed yet. The first seal is made within the hour.")
    return _("Sealed up to %(at)s (seal %(number)d).") % {
        "at": localtime.moment_text(newest.sealed_at, request.location.tz), "number": newest.number,
    }  # fmt: skip
