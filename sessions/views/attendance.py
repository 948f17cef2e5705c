"""What happens on the day of a visit, one press each: confirmed, here, in the room, done, left, did not come; and back again."""

import functools
import uuid
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse
from django.utils import formats
from django.utils.translation import gettext as _

from clinic import localtime
from clinic.access import GET_POST, POST, Permission, staff_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go, go_to
from sessions.access import get_appointment_or_404
from sessions.actions import attendance, changes, escorts, talks
from sessions.forms.visits import EscortForm, RecordAfterwardsForm, SeenVersionForm, UndoNoShowForm
from sessions.models import Appointment, EscortAnswer
from sessions.views import day

Verb = Callable[..., object]


def _do(
    request: StaffRequest, appointment_id: uuid.UUID, permission: Permission, act: Verb, sentence: str, undo: str = ""
) -> HttpResponse:
    """Open the door, do one thing on the day of a visit, and go back to the page it was asked on.

    ``sentence`` may name the patient; ``undo`` is the URL name that takes it back. A refusal is a warning on that page.
    """
    visit = get_appointment_or_404(request, appointment_id, permission)
    toast: dict[str, str] = {"text": sentence % {"name": visit.patient.full_name}, "tone": "success"}
    back = "today" in {request.GET.get("back"), request.POST.get("back")}
    asked = day.Asked.of(request)
    try:
        act(by=request.user, appointment=visit, now=request.now)
        if undo:
            query = "?" + urlencode({"back": "today", **asked.values()}) if back else ""
            toast["undo_url"] = reverse(undo, args=[visit.pk]) + query
    except Refused as refusal:
        toast = {"text": str(refusal), "tone": "warning"}
    if back and getattr(request, "htmx", False):
        return day.board_answer(request, toast)
    tags = f"undo:{toast['undo_url']}" if "undo_url" in toast else ""
    messages.add_message(
        request, messages.SUCCESS if toast["tone"] == "success" else messages.WARNING, toast["text"], extra_tags=tags
    )
    return go_to(request, asked.url()) if back else go(request, "sessions:appointment", visit.pk)


@staff_view(Permission.APPOINTMENT_BOOK, methods=POST)
def confirm_appointment(request: StaffRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """The patient said on the phone that they will come, at the time that was on the screen."""
    form = SeenVersionForm(request.POST)
    seen = form.cleaned_data["version"] if form.is_valid() else 0
    return _do(
        request, appointment_id, Permission.APPOINTMENT_BOOK, functools.partial(talks.confirm, seen_version=seen),
        _("%(name)s’s visit is confirmed."),
    )  # fmt: skip


@staff_view(Permission.APPOINTMENT_CHECK_IN, methods=POST)
def check_in(request: StaffRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """The patient is here."""
    return _do(
        request, appointment_id, Permission.APPOINTMENT_CHECK_IN, attendance.check_in, _("%(name)s is checked in."),
        undo="sessions:undo_check_in",
    )  # fmt: skip


@staff_view(Permission.APPOINTMENT_CHECK_IN, methods=POST)
def undo_check_in(request: StaffRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """The check-in was a slip."""
    return _do(
        request, appointment_id, Permission.APPOINTMENT_CHECK_IN, attendance.undo_check_in,
        _("The check-in of %(name)s is taken back."),
    )  # fmt: skip


@staff_view(Permission.APPOINTMENT_CHECK_IN, methods=POST)
def say_escort(request: StaffRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """Whoever takes the patient home is here, comes later, or is nobody."""
    form = EscortForm({"answer": request.POST.get("answer", ""), "seen": request.GET.get("seen", "")})
    said = form.cleaned_data if form.is_valid() else {"answer": "", "seen": ""}
    label = EscortAnswer.Answer(said["answer"]).label if said["answer"] else ""
    return _do(
        request, appointment_id, Permission.APPOINTMENT_CHECK_IN, functools.partial(escorts.say, **said),
        f"%(name)s: {str(label).lower()}.",
    )  # fmt: skip


@staff_view(Permission.APPOINTMENT_CONDUCT, methods=POST)
def start_appointment(request: StaffRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """The patient is in the room."""
    return _do(request, appointment_id, Permission.APPOINTMENT_CONDUCT, attendance.start, _("%(name)s is in the room."))


@staff_view(Permission.APPOINTMENT_CONDUCT, methods=POST)
def finish_appointment(request: StaffRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """The visit is done."""
    return _do(
        request, appointment_id, Permission.APPOINTMENT_CONDUCT, attendance.finish, _("The visit of %(name)s is done.")
    )


@staff_view(Permission.APPOINTMENT_CONDUCT, methods=POST)
def mark_left(request: StaffRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """The patient left before the end."""
    return _do(
        request, appointment_id, Permission.APPOINTMENT_CONDUCT, attendance.mark_left, _("%(name)s has left."),
        undo="sessions:undo_left",
    )  # fmt: skip


@staff_view(Permission.APPOINTMENT_CONDUCT, methods=POST)
def undo_left(request: StaffRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """“Left” was a slip."""
    return _do(
        request, appointment_id, Permission.APPOINTMENT_CONDUCT, attendance.undo_left,
        _("%(name)s has not left: taken back."),
    )  # fmt: skip


@staff_view(Permission.APPOINTMENT_CHECK_IN, methods=POST)
def mark_no_show(request: StaffRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """The patient did not come."""
    return _do(
        request, appointment_id, Permission.APPOINTMENT_CHECK_IN, attendance.mark_no_show,
        _("Noted: %(name)s did not come. The room and the time are free again."),
    )  # fmt: skip


@staff_view(Permission.APPOINTMENT_CHECK_IN, methods=GET_POST)
def undo_no_show(request: StaffRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """The patient came after all: say why, and the visit is planned again."""
    visit = get_appointment_or_404(request, appointment_id, Permission.APPOINTMENT_CHECK_IN)
    form = UndoNoShowForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            attendance.undo_no_show(
                by=request.user, appointment=visit, because=form.cleaned_data["because"], now=request.now
            )
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("%(name)s’s visit is planned again.") % {"name": visit.patient.full_name})
            return go(request, "sessions:appointment", visit.pk)
    status = UNPROCESSABLE if request.method == "POST" else 200
    context = {"form": form, "visit": visit, "said": changes.said(visit)}
    return answer(request, "sessions/undo_no_show.html", context, status=status)


@staff_view(Permission.APPOINTMENT_CONDUCT, methods=GET_POST)
def record_afterwards(request: StaffRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """The visit took place and nobody was checked in: say when it began and why it is written down late."""
    visit = get_appointment_or_404(request, appointment_id, Permission.APPOINTMENT_CONDUCT)
    tz = visit.location.tz
    form = RecordAfterwardsForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        began_at = localtime.at(localtime.day_of(visit.starts_at, tz), form.cleaned_data["began_at"], tz)
        try:
            attendance.record_afterwards(
                by=request.user, appointment=visit, began_at=began_at, note=form.cleaned_data["note"],
                reason=Appointment.RecordReason(form.cleaned_data["reason"]), now=request.now,
            )  # fmt: skip
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(
                request, _recorded_sentence(visit, began_at),
                extra_tags="undo:" + reverse("sessions:undo_record_afterwards", args=[visit.pk]),
            )  # fmt: skip
            return go(request, "sessions:appointment", visit.pk)
    context = {
        "form": form, "visit": visit, "said": changes.said(visit),
        "born": formats.date_format(visit.patient.birth_date, "j M Y"),
        "day": localtime.day_text(localtime.day_of(visit.starts_at, tz)), "zone": localtime.zone_text(visit.starts_at, tz),
        "until": localtime.moment_text(visit.record_until(), tz),
        "is_today": localtime.day_of(visit.starts_at, tz) == localtime.day_of(request.now, tz),
    }  # fmt: skip
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, "sessions/record_afterwards.html", context, status=status)


def _recorded_sentence(visit: Appointment, began_at: datetime) -> str:
    return _("%(type)s of %(name)s on %(when)s is recorded as done.") % {
        "type": visit.visit_type.name,
        "name": visit.patient.full_name,
        "when": localtime.moment_text(began_at, visit.location.tz),
    }


@staff_view(Permission.APPOINTMENT_CONDUCT, methods=POST)
def undo_record_afterwards(request: StaffRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """What was recorded afterwards was a slip."""
    return _do(
        request, appointment_id, Permission.APPOINTMENT_CONDUCT, attendance.undo_record_afterwards,
        _("The visit of %(name)s is as it was before. Say what became of it."),
    )  # fmt: skip
