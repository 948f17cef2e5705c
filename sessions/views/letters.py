"""What was sent, and why not: about one visit, and to one patient."""

import uuid
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Q
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from clinic import keyset, letters, lettertrail, localtime
from clinic.access import GET, Permission, staff_view
from clinic.http import StaffRequest, answer
from clinic.keyset import PER_PAGE, Place
from clinic.lettertrail import Trail
from clinic.models import OutboundMessage
from patients.access import get_patient_or_404
from sessions.access import get_appointment_or_404
from sessions.models import ChangeRequest, Reminder


@staff_view(Permission.MESSAGE_READ, methods=GET)
def visit_letters(request: StaffRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """Show every letter planned about a visit: for when, what became of it, and why."""
    visit = get_appointment_or_404(request, appointment_id, Permission.MESSAGE_READ)
    tz = visit.location.tz
    rows = list(
        Reminder.objects.filter(appointment=visit)
        .select_related("message")
        .order_by("-schedule_version", "due_at", "id")
    )
    answered = ChangeRequest.objects.filter(appointment=visit).values("pk")
    others = OutboundMessage.objects.filter(
        Q(subject_type="appointment", subject_id=visit.pk) | Q(subject_type="changerequest", subject_id__in=answered)
    ).exclude(pk__in=[row.message_id for row in rows if row.message_id])
    context = {
        "visit": visit,
        "when": localtime.moment_text(visit.starts_at, tz),
        "now_planned": [_planned(row, tz) for row in rows if row.schedule_version == visit.schedule_version],
        "earlier": [_planned(row, tz) for row in rows if row.schedule_version != visit.schedule_version],
        "others": [lettertrail.of_message(message, tz) for message in others.order_by("queued_at", "id")],
    }
    return answer(request, "sessions/visit_letters.html", context, part="letters")


@staff_view(Permission.MESSAGE_READ, methods=GET)
def patient_letters(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Show every letter to a patient, and those that were planned and did not become one, the latest first."""
    patient = get_patient_or_404(request, patient_id, Permission.MESSAGE_READ)
    tz = patient.home_location.tz
    sent = keyset.cut(OutboundMessage.objects.filter(recipient_id=patient.pk), "queued_at", request.GET)
    unsent = keyset.cut(
        Reminder.objects.filter(appointment__patient=patient, message=None, settled_at__isnull=False),
        "settled_at",
        request.GET,
    )
    found: list[tuple[datetime, uuid.UUID, Trail]] = [
        *((row.queued_at, row.pk, lettertrail.of_message(row, tz)) for row in sent.rows),
        *((row.settled_at, row.pk, _planned(row, tz)) for row in unsent.rows if row.settled_at),
    ]
    found.sort(key=lambda one: one[:2], reverse=True)
    has_more = len(found) > PER_PAGE or sent.after is not None or unsent.after is not None
    last = found[:PER_PAGE][-1] if has_more else None
    path = reverse("sessions:patient_letters", args=[patient.pk])
    context: dict[str, Any] = {
        "patient": patient,
        "trails": [trail for _at, _id, trail in found[:PER_PAGE]],
        "older_url": keyset.url(path, after=Place(last[0], last[1])) if last else "",
        "newer_url": path if request.GET.get("after") else "",
    }
    return answer(request, "sessions/patient_letters.html", context, part="letters")


def _planned(row: Reminder, tz: ZoneInfo) -> Trail:
    """Return the trail of one planned letter: its own, or its message's once it was handed to the post."""
    planned = localtime.moment_text(row.due_at, tz)
    if row.message is None:
        return Trail(
            title=letters.label_of(row.kind), channel=row.get_channel_display(), address="",
            when=_("planned for %(moment)s") % {"moment": planned}, look=row.look, word=row.word,
            reason=letters.reason_text(row.kind, row.reason), said="", tries="",
        )  # fmt: skip
    return lettertrail.of_message(row.message, tz)
