"""The audit, as a privacy officer reads it: who did what to which record, newest first. Reading it is audited too."""

from typing import Any
from uuid import UUID

from django.db.models import F, Q
from django.http import HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from clinic import audit, audit_words, localtime, recordnumbers
from clinic.access import Permission, locations_where, staff_view
from clinic.audit import Verb
from clinic.forms.audit import NO_SUCH_NUMBER, STRANGERS, AuditLogForm
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
    patient_id = _patient_asked(request, form) if form.is_valid() else None
    if form.errors:
        return answer(request, "clinic/audit_log.html", context, part="rows", status=UNPROCESSABLE)
    asked = form.cleaned_data
    audit.searched(
        request, fields=form.asked, what=repr(sorted(asked.items(), key=lambda item: item[0])),
        patient_id=patient_id, now=request.now,
    )  # fmt: skip
    rows = _found(request, where, asked, patient_id)
    context |= {
        "rows": _rows(request, rows[:ROWS_A_PAGE]),
        "is_narrowed": bool(form.asked),
        "patient_url": reverse("patients:patient", args=[patient_id]) if patient_id else "",
        "newest_url": _url(form) if asked["before"] else "",
        "older_url": _url(form, before=rows[ROWS_A_PAGE - 1].pk) if len(rows) > ROWS_A_PAGE else "",
    }
    return answer(request, "clinic/audit_log.html", context, part="rows")


def _patient_asked(request: StaffRequest, form: AuditLogForm) -> UUID | None:
    """Return the patient whose record number was typed; a number that is nobody's here is an error of its field."""
    number = form.cleaned_data["patient"]
    patient_id = recordnumbers.id_of(request.user, number, request.now) if number else None
    if number and patient_id is None:
        form.add_error("patient", str(NO_SUCH_NUMBER))
    return patient_id


def _found(
    request: StaffRequest, where: frozenset[UUID], asked: dict[str, Any], patient_id: UUID | None
) -> list[AuditEvent]:
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
    if patient_id is None:
        return list(newest[: ROWS_A_PAGE + 1])
    about = newest.filter(patient_id=patient_id)[: ROWS_A_PAGE + 1]
    # On a list of patients, too, somebody was seen.
    listed = found_by_index.filter(verb=Verb.LIST_READ, details__patients__contains=[str(patient_id)])
    found = [*about, *listed[: ROWS_A_PAGE + 1]]
    return sorted(found, key=lambda event: -event.pk)[: ROWS_A_PAGE + 1]


def _url(form: AuditLogForm, **more: Any) -> str:
    query = {name: form.data[name] for name in form.asked} | more
    return f"{reverse('clinic:audit_log')}?{urlencode(query)}"


def _rows(request: StaffRequest, events: list[AuditEvent]) -> list[dict[str, Any]]:
    """Return what the page shows of each row. Of a patient the record number: no name stands here. Three queries."""
    actors = {event.actor_id for event in events if event.actor_id}
    people = {user.pk: user for user in User.objects.filter(pk__in=actors)}
    places = dict(
        Location.objects.filter(pk__in={event.location_id for event in events if event.location_id}).values_list(
            "pk", "name"
        )
    )
    numbers = recordnumbers.numbers_of(
        request.user, {event.patient_id for event in events if event.patient_id}, request.now
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
            "number": (number := numbers.get(event.patient_id, "") if event.patient_id else ""),
            "patient_url": f"{base}?{urlencode({'patient': number})}" if number else "",
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
