"""Visits at the desk: book, look at, move and cancel them, and answer what patients wish.

The list of openings is in openings.py, what happens on the day of a visit in attendance.py.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import formats
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from clinic import localtime
from clinic.access import GET_POST, Permission, holds, staff_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go
from clinic.models import Location, User, WorkItem
from patients import crisis
from patients.access import get_patient_or_404, get_referral_or_404
from patients.models import Patient, Referral
from sessions import timetable
from sessions.access import get_appointment_or_404, get_change_request_or_404
from sessions.actions import changes, recalls, visits, wishes
from sessions.actions.holds import Team, team_of
from sessions.forms.visits import (
    AnswerChangeRequestForm,
    BookIntakeForm,
    CancelAppointmentForm,
    RescheduleForm,
)
from sessions.models import INTAKE, Appointment, Block, ChangeRequest, Reminder, VisitType, without_offers
from sessions.views import escorts, moving, openings, planrest, roomlate, story


def _whom(request: StaffRequest) -> tuple[Referral | None, Patient, Location] | None:
    """Return the enquiry (if one is named), the patient and the location a booking is about; None when none is named.

    Each comes through its own door, and booking is asked for at the location of the visit.
    """
    referral_id, patient_id = _uuid(request.GET.get("referral")), _uuid(request.GET.get("patient"))
    if referral_id is not None:
        referral = get_referral_or_404(request, referral_id)
        if not holds(request.user, Permission.APPOINTMENT_BOOK, referral.location_id):
            raise Http404
        if referral.patient is None:
            raise visits.NotReadyToBook(
                _("This enquiry is not ready to book. Accept it and register %(name)s as a patient first.")
                % {"name": referral.given_name}
            )
        patient = get_patient_or_404(request, referral.patient.pk, Permission.APPOINTMENT_BOOK)
        return referral, patient, referral.location
    if patient_id is not None:
        patient = get_patient_or_404(request, patient_id, Permission.APPOINTMENT_BOOK)
        return None, patient, patient.home_location
    return None


def _uuid(text: str | None) -> uuid.UUID | None:
    """Return the id, or None when there is none; 404 for what is no id."""
    if not text:
        return None
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise Http404 from error


@staff_view(Permission.APPOINTMENT_BOOK, methods=GET_POST)
def book_intake(request: StaffRequest) -> HttpResponse:
    """Choose a week, a person and a time for somebody's intake, and book it."""
    try:
        whom = _whom(request)
        visit_type = VisitType.objects.current().filter(code=INTAKE).first()
        if whom is not None and visit_type is None:
            raise visits.NotReadyToBook(_("No kind of visit called “intake” is set up. Ask a manager."))
    except visits.NotReadyToBook as refusal:
        status = UNPROCESSABLE if request.method == "POST" else 200
        return answer(request, "sessions/book_intake.html", {"not_ready": refusal}, status=status)
    if whom is None or visit_type is None:
        status = UNPROCESSABLE if request.method == "POST" else 200
        return answer(request, "sessions/book_intake.html", {"nobody": True}, status=status)
    referral, patient, location = whom
    choices = timetable.choices(location, visit_type)
    form = BookIntakeForm(request.POST or None)
    alternatives: list[dict[str, str]] = []
    if request.method == "POST" and form.is_valid() and (place := openings.place_of(form, choices)):
        slot, team, room = place
        try:
            visit = visits.book_intake(
                by=request.user, referral=referral, patient=patient, clinician=team.clinician, room=room,
                starts_at=slot.starts_at, location=location, visit_type=visit_type, now=request.now,
                second_is_meant=form.cleaned_data["second"],
            )  # fmt: skip
        except Refused as refusal:
            form.add_error(None, str(refusal))
            alternatives = openings.alternatives_of(refusal, choices, location.tz)
        else:
            messages.success(request, booked_sentence(visit, patient))
            return go(request, "sessions:appointment", visit.pk)
    keep = {"referral": str(referral.pk)} if referral else {"patient": str(patient.pk)}
    context = openings.find(
        request, location=location, visit_type=visit_type, patient=patient, choices=choices, keep=keep,
        chosen=openings.chosen_in(form),
    )  # fmt: skip
    context |= {
        "form": form, "alternatives": alternatives, "referral": referral,
        "intakes": _intakes_to_come(request, patient), "second_is_meant": "second" in request.POST,
    }  # fmt: skip
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, "sessions/book_intake.html", context, part="slots", status=status)


def _intakes_to_come(request: StaffRequest, patient: Patient) -> list[dict[str, str]]:
    """Return the patient's intakes to come, each with the address of its page where this person may open it."""
    return [
        {
            "when": localtime.moment_text(visit.starts_at, visit.location.tz),
            "with": visit.clinician.name,
            "place": visit.location.name,
            "url": reverse("sessions:appointment", args=[visit.pk])
            if holds(request.user, Permission.APPOINTMENT_READ, visit.location_id)
            else "",
        }
        for visit in Appointment.objects.intakes_to_come(patient, request.now)
    ]


def booked_sentence(visit: Appointment, patient: Patient) -> str:
    return _("%(type)s booked for %(name)s: %(when)s. %(told)s") % {
        "type": visit.visit_type.name,
        "name": patient.full_name,
        "when": localtime.moment_text(visit.starts_at, visit.location.tz),
        "told": _told(visit, patient),
    }


def _told(visit: Appointment, patient: Patient) -> str:
    """Return whether a letter about the visit as it is now is on its way, and what to do when none is."""
    if patient.is_deceased:
        return _("The patient has died: no letter goes out, and nobody is to be called about it.")
    if Reminder.objects.telling_now(visit).exists():
        return _("%(name)s is told by e-mail.") % {"name": patient.called}
    return _("No e-mail goes to %(name)s; please tell them by phone.") % {"name": patient.called}


@dataclass(frozen=True)
class Act:
    """One thing that can be done with a visit now: a link to a page, or a button that posts."""

    label: str
    icon: str
    url: str
    tone: str = "secondary"
    is_post: bool = True


def _acts(visit: Appointment, user: User, now: datetime) -> list[Act]:
    """Return what this person may do with the visit now, the thing to do next first and loudest."""
    is_today = localtime.day_of(now, visit.location.tz) == localtime.day_of(visit.starts_at, visit.location.tz)
    may_book, may_check_in, may_conduct = (
        holds(user, permission, visit.location_id)
        for permission in (
            Permission.APPOINTMENT_BOOK, Permission.APPOINTMENT_CHECK_IN, Permission.APPOINTMENT_CONDUCT
        )
    )  # fmt: skip
    rules: list[tuple[bool, str, str, str, str, bool]] = [
        (may_check_in and visit.can_be_checked_in and is_today, _("Check in"), "door-open", "check_in", "primary", True),
        (may_conduct and visit.can_be_started, _("Take into the room"), "activity", "start_appointment", "primary", True),
        (may_conduct and visit.can_be_finished, _("Visit is done"), "check2-all", "finish_appointment", "primary", True),
        (may_book and visit.is_held_talk, _("Book it: they said yes"), "check-circle", "confirm_appointment", "primary", True),
        (may_book and visit.can_be_confirmed, _("Confirmed by phone"), "check-circle", "confirm_appointment",
         "secondary", True),
        (may_check_in and visit.can_undo_check_in(now), _("Take back the check-in"), "arrow-counterclockwise",
         "undo_check_in", "secondary", True),
        (may_book and visit.can_be_moved, _("Move"), "calendar-week", "reschedule", "secondary", False),
        (may_book and visit.course_id is not None, _("Plan the rest of the course"), "calendar2-range", "plan_rest",
         "secondary", False),
        (may_check_in and visit.can_be_missed(now), _("Did not come"), "hourglass", "mark_no_show", "secondary", True),
        (may_conduct and visit.can_be_recorded(now), _("Took place: record it"), "journal-check", "record_afterwards",
         "secondary", False),
        (may_conduct and visit.can_undo_record(now), _("Take back the record"), "arrow-counterclockwise",
         "undo_record_afterwards", "secondary", True),
        (may_conduct and visit.can_leave, _("Left before the end"), "box-arrow-right", "mark_left", "secondary", True),
        (may_conduct and visit.can_undo_left(now), _("Take back “left”"), "arrow-counterclockwise", "undo_left",
         "secondary", True),
        (may_check_in and visit.was_missed and is_today, _("Take back “did not come”"), "arrow-counterclockwise",
         "undo_no_show", "secondary", False),
        (may_book and visit.can_be_cancelled, _("Cancel the visit"), "x", "cancel_appointment", "quiet", False),
    ]  # fmt: skip
    return [
        Act(label, icon, reverse(f"sessions:{name}", args=[visit.pk]), tone, is_post)
        for allowed, label, icon, name, tone, is_post in rules
        if allowed
    ]


@staff_view(Permission.APPOINTMENT_READ)
def appointment(request: StaffRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """One visit: its state, when, where, who; what can be done; the patient's wishes; its letters."""
    visit = get_appointment_or_404(request, appointment_id)
    return answer(request, "sessions/appointment.html", _appointment_context(request, visit))


def _wishes(visit: Appointment, now: datetime) -> list[dict[str, Any]]:
    """Return what the patient asked about the visit, the latest first; at most one is open."""
    tz = visit.location.tz
    return [
        {
            "id": wish.pk, "wish": wish.get_wish_display(), "message": wish.message, "answer": wish.answer,
            "may_mean_danger": crisis.may_mean_danger(wish.message),
            "state": wish.get_status_display(), "is_open": wish.is_open,
            "asked": localtime.moment_text(wish.asked_at, tz), "age": localtime.age_text(wish.asked_at, now),
            "answered": localtime.moment_text(wish.answered_at, tz) if wish.answered_at else "",
            "by": wish.answered_by.name if wish.answered_by else "",
        }
        for wish in ChangeRequest.objects.filter(appointment=visit).select_related("answered_by").order_by("-asked_at")
    ]  # fmt: skip


def _appointment_context(request: StaffRequest, visit: Appointment) -> dict[str, Any]:
    tz = visit.location.tz
    shown = _wishes(visit, request.now)
    return {
        "visit": visit,
        "patient": visit.patient,
        "born": formats.date_format(visit.patient.birth_date, "j M Y"),
        "when": localtime.moment_text(visit.starts_at, tz),
        "until": localtime.clock_text(visit.ends_at, tz),
        "acts": _acts(visit, request.user, request.now),
        "wishes": shown,
        "open_wish": next((wish for wish in shown if wish["is_open"]), None),
        "may_answer": holds(request.user, Permission.APPOINTMENT_BOOK, visit.location_id),
        "may_read_letters": holds(request.user, Permission.MESSAGE_READ, visit.location_id),
        "story": story.story(visit),
        "escort": escorts.panel(request, visit),
        **_parts(visit),
        "hindrance": _hindrance(visit, request.now),
        "room_late": roomlate.panel(request, visit),
    }


def _parts(visit: Appointment) -> dict[str, Any]:
    """Return who is there in which part of a visit of several, in order, and the devices it takes; nothing for a visit of one."""
    if not visit.visit_type.shape.others:
        return {}
    tz = visit.location.tz
    blocks = Block.objects.filter(appointment=visit).select_related("person").order_by("position", "starts_at", "duty")
    return {
        "parts": [
            {
                "kind": capfirst(block.get_kind_display()), "starts": localtime.clock_text(block.starts_at, tz),
                "ends": localtime.clock_text(block.ends_at, tz), "who": block.person.name,
                "duty": block.get_duty_display(),
            }
            for block in blocks
        ],
        "devices": ", ".join(device.name for device in team_of(visit).devices),
    }  # fmt: skip


def _hindrance(visit: Appointment, now: datetime) -> str:
    """Return why a visit to come cannot take place as booked, when the desk was asked about it; else nothing."""
    if not visit.is_open or visit.starts_at <= now:
        return ""
    asked = WorkItem.objects.open().filter(kind=WorkItem.Kind.RECALL, subject_id=visit.pk).exists()
    if not asked and visit.patient.gets_letters:
        return ""
    found = recalls.hindrances([visit], location=visit.location, now=now).get(visit.pk)
    return str(found.words) if found else ""


@staff_view(Permission.APPOINTMENT_BOOK, methods=GET_POST)
def reschedule(request: StaffRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """Choose another time, person or room for a visit, and move it."""
    visit = get_appointment_or_404(request, appointment_id, Permission.APPOINTMENT_BOOK)
    choices, own = timetable.choices(visit.location, visit.visit_type), team_of(visit)
    wish = next((wish for wish in _wishes(visit, request.now) if wish["is_open"]), None)
    asked = {"why": RescheduleForm.ASKED} if wish else {}
    form = RescheduleForm(request.POST or None, initial={"version": visit.version, **asked})
    alternatives: list[dict[str, str]] = []
    changed = None
    rest_url = ""
    if request.method == "POST" and form.is_valid() and (place := openings.place_of(form, choices)):
        slot, team, room = place
        try:
            if form.cleaned_data["look"]:
                return moving.ask(request, visit, form, slot.starts_at, team, room)
            moved = changes.move(
                by=request.user, appointment=visit, team=team, room=room, starts_at=slot.starts_at,
                seen_version=form.cleaned_data["version"], now=request.now, why=form.reason(),
            )  # fmt: skip
        except Refused as refusal:
            form.add_error(None, str(refusal))
            alternatives = openings.alternatives_of(refusal, choices, visit.location.tz)
            changed = story.changed_since(refusal, form.cleaned_data["version"])
            visit = get_appointment_or_404(request, appointment_id, Permission.APPOINTMENT_BOOK)
            _now_seen(form, visit, refusal)
            rest_url = planrest.plan_rest_url(visit, refusal, slot)
        else:
            messages.success(request, _moved_sentence(visit, moved))
            return _on(request, moved, back=form.cleaned_data["back"])
    context = openings.find(
        request, location=visit.location, visit_type=visit.visit_type, patient=visit.patient, choices=choices, keep={},
        chosen=openings.chosen_in(form), ignoring=visit, same_team=own,
        # A time too near to another dose of the same course is offered: the rest is planned anew then.
        **({} if visit.course_id else openings.spacing(request, visit.patient, visit.visit_type, visit)),
    )  # fmt: skip
    context |= {
        "form": form, "alternatives": alternatives, "visit": visit, "now_at": changes.said(visit), "rest_url": rest_url, "changed": changed,
        "team": _team_said(own, visit.visit_type),
        "wish": wish,
    }  # fmt: skip
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, "sessions/reschedule.html", context, part="slots", status=status)


def _on(request: StaffRequest, visit: Appointment, *, back: str = "") -> HttpResponse:
    """Lead to the rest of the visit's course where that does not fit any more, else back to the schedule, or to the visit."""
    if planrest.wants_rest(visit, request.now):
        return go(request, "sessions:plan_rest", visit.pk)
    if back and visit.location == request.location:
        return go(request, "sessions:schedule", localtime.day_of(visit.starts_at, visit.location.tz))
    return go(request, "sessions:appointment", visit.pk)


def _team_said(team: Team, kind: VisitType) -> str:
    """Return who takes part in a visit of several and as what, and its devices, in one line; nothing for a visit of one."""
    if not kind.shape.others:
        return ""
    duties: dict[str, list[str]] = {}
    for who, seat in zip(team.people, kind.shape.seats, strict=True):
        duties.setdefault(who.name, []).append(str(Block.Duty(seat.duty).label))
    people = [f"{name} ({', '.join(held)})" for name, held in duties.items()]
    return "; ".join([*people, *(device.name for device in team.devices)])


def _now_seen(form: forms.Form, visit: Appointment, refusal: Refused) -> None:
    """Let the next try be about the visit as it is now: the page that says no shows it, and keeps what was typed."""
    if isinstance(refusal, changes.ChangedMeanwhile):
        # One by one: unpacked, what was posted is lists.
        form.data = {key: form.data[key] for key in form.data} | {"version": str(visit.version)}


def _moved_sentence(before: Appointment, visit: Appointment) -> str:
    facts = {
        "type": visit.visit_type.name,
        "name": visit.patient.full_name,
        "when": localtime.moment_text(visit.starts_at, visit.location.tz),
        "told": _told(visit, visit.patient),
        "place": changes.said(visit),
    }
    if before.schedule_version == visit.schedule_version:
        return _("%(type)s for %(name)s keeps its time: %(place)s.") % facts
    return _("%(type)s for %(name)s moved to %(when)s. %(told)s") % facts


@staff_view(Permission.APPOINTMENT_BOOK, methods=GET_POST)
def cancel_appointment(request: StaffRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """Say who cancels a visit and why, and cancel it."""
    visit = get_appointment_or_404(request, appointment_id, Permission.APPOINTMENT_BOOK)
    form = CancelAppointmentForm(request.POST or None, initial={"version": visit.version})
    changed = None
    if request.method == "POST" and form.is_valid():
        try:
            cancelled = changes.cancel(
                by=request.user, appointment=visit, seen_version=form.cleaned_data["version"], now=request.now,
                cancelled_by=Appointment.CancelledBy(form.cleaned_data["cancelled_by"]),
                reason=Appointment.CancelReason(form.cleaned_data["reason"]), note=form.cleaned_data["note"],
            )  # fmt: skip
        except Refused as refusal:
            form.add_error(None, str(refusal))
            changed = story.changed_since(refusal, form.cleaned_data["version"])
            visit = get_appointment_or_404(request, appointment_id, Permission.APPOINTMENT_BOOK)
            _now_seen(form, visit, refusal)
        else:
            messages.success(request, _cancelled_sentence(cancelled, request.now))
            return _on(request, cancelled)
    context = {
        "form": form, "visit": visit, "said": changes.said(visit), "changed": changed,
        "late_from": _late_from(visit, request.now), "is_late": request.now > visit.notice_ends_at(),
    }  # fmt: skip
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, "sessions/cancel_appointment.html", context, status=status)


def _late_from(visit: Appointment, now: datetime) -> str:
    """Return what to know about notice before cancelling."""
    ends = localtime.moment_text(visit.notice_ends_at(), visit.location.tz)
    if now > visit.notice_ends_at():
        return _("This is a late cancellation if the patient cancels: the notice ended %(when)s.") % {"when": ends}
    return _("Until %(when)s a cancellation by the patient is not late.") % {"when": ends}


def _cancelled_sentence(visit: Appointment, now: datetime) -> str:
    facts = {
        "type": visit.visit_type.name,
        "name": visit.patient.full_name,
        "when": localtime.moment_text(visit.starts_at, visit.location.tz),
        "told": _told(visit, visit.patient) if visit.starts_at > now else "",
    }
    return (_("%(type)s for %(name)s on %(when)s is cancelled. %(told)s") % facts).strip()


@staff_view(Permission.APPOINTMENT_BOOK, methods=GET_POST)
def answer_change_request(request: StaffRequest, change_request_id: uuid.UUID) -> HttpResponse:
    """Tell the patient why a wish about a visit cannot be met."""
    wish = get_change_request_or_404(request, change_request_id, Permission.APPOINTMENT_BOOK)
    visit = wish.appointment
    form = AnswerChangeRequestForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            wishes.answer_change_request(
                by=request.user, change_request=wish, answer=form.cleaned_data["answer"], now=request.now
            )
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _answered_sentence(visit, request.now))
            return go(request, "sessions:appointment", visit.pk)
    status = UNPROCESSABLE if request.method == "POST" else 200
    context = {
        "form": form, "visit": visit, "wish": wish, "said": changes.said(visit),
        "asked": localtime.moment_text(wish.asked_at, visit.location.tz),
    }  # fmt: skip
    return answer(request, "sessions/answer_change_request.html", context, status=status)


def _answered_sentence(visit: Appointment, now: datetime) -> str:
    name = {"name": visit.patient.called}
    if not wishes.is_told(visit=visit, now=now):
        return _("Answered. %(name)s reads it on the portal; the visit stays as it is.") % name
    if visit.patient.email:
        return _("Answered. %(name)s reads it on the portal and is told by e-mail; the visit stays as it is.") % name
    return _(
        "Answered. %(name)s has no e-mail address: a call to them is on the worklist. The visit stays as it is."
    ) % name  # fmt: skip


# A panel shows the latest; the whole past is on the chart.
PANEL_ROWS = 30


@staff_view(Permission.APPOINTMENT_READ)
def patient_visits(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """A patient's visits, those to come first: a panel of the desk's page, and a page of its own."""
    patient = get_patient_or_404(request, patient_id)
    rows = visit_rows(request, patient)
    may_book = holds(request.user, Permission.APPOINTMENT_BOOK, patient.home_location_id)
    context = {"patient": patient, "may_book": may_book, **rows}
    return answer(request, "sessions/patient_visits.html", context, part="visits")


def visit_rows(request: StaffRequest, patient: Patient) -> dict[str, Any]:
    """Return a patient's visits at the locations this person may read, to come (soonest first) and past (latest first)."""
    mine = (
        without_offers(Appointment.objects.visible_to(request.user, Permission.APPOINTMENT_READ))
        .filter(patient=patient)
        .select_related("location", "visit_type", "clinician", "room")
        # Whole rows of five tables are a hundred columns, of which a line tells eight.
        .only("starts_at", "status", "location__name", "location__time_zone", "visit_type__name", "clinician__name", "room__name")
    )  # fmt: skip
    to_come: list[dict[str, Any]] = []
    past: list[dict[str, Any]] = []
    tz = patient.home_location.tz
    begin = localtime.day_bounds(localtime.day_of(request.now, tz), tz)[0]
    next_ones = mine.filter(starts_at__gte=begin).order_by("starts_at", "id")[:PANEL_ROWS]
    last_ones = mine.filter(starts_at__lt=begin).order_by("-starts_at", "-id")[:PANEL_ROWS]
    # In one query, which keeps no order.
    found = sorted(next_ones.union(last_ones, all=True), key=lambda visit: (visit.starts_at, visit.pk))
    come = [visit for visit in found if visit.starts_at >= begin]
    for visit in [*come, *reversed(found[: len(found) - len(come)])]:
        row = {
            "url": reverse("sessions:appointment", args=[visit.pk]),
            "when": localtime.moment_text(visit.starts_at, visit.location.tz),
            "type": visit.visit_type.name,
            "with": visit.clinician.name,
            "where": " · ".join([visit.location.name, *([visit.room.name] if visit.room else [])]),
            "look": visit.look,
            "word": visit.word,
        }
        (to_come if visit.starts_at >= begin else past).append(row)
    return {"to_come": to_come, "past": past}
