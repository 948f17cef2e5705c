"""Visits at the desk: find an opening, book, move, cancel, confirm, check in, and say what became of them."""

import functools
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import formats
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from clinic import localtime
from clinic.access import GET_POST, POST, Permission, holds, staff_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go, go_to
from clinic.models import Location, Role, Room, User, WorkItem
from patients import crisis
from patients.access import get_patient_or_404, get_referral_or_404
from patients.models import Patient, Referral
from sessions import availability, timetable
from sessions.access import get_appointment_or_404, get_change_request_or_404
from sessions.actions import attendance, recalls, visits, wishes
from sessions.actions.holds import SlotTaken
from sessions.availability import Opening
from sessions.forms.visits import (
    AnswerChangeRequestForm,
    BookIntakeForm,
    CancelAppointmentForm,
    ChooseSlotForm,
    FindSlotForm,
    RecordAfterwardsForm,
    RescheduleForm,
    SeenVersionForm,
    Slot,
    UndoNoShowForm,
)
from sessions.models import INTAKE, Appointment, ChangeRequest, Reminder, VisitType
from sessions.views import day

# When the chosen week is full, openings are looked for this much further.
LOOK_AHEAD = timedelta(weeks=6)


@dataclass(frozen=True)
class Choices:
    """Who and where a kind of visit may be, at one location."""

    people: dict[uuid.UUID, User]
    rooms: dict[uuid.UUID, Room]


@dataclass
class Day:
    """One day of the list of openings."""

    label: str
    zone: str
    slots: list[dict[str, str]] = field(default_factory=list)


def _choices(location: Location, visit_type: VisitType) -> Choices:
    people = User.objects.working_at(location.pk, Role(visit_type.role)).order_by("name")
    rooms = Room.objects.in_use().filter(location=location, kind=visit_type.room_kind).order_by("name")
    return Choices({who.pk: who for who in people}, {room.pk: room for room in rooms})


def _find(
    request: StaffRequest,
    *,
    location: Location,
    visit_type: VisitType,
    patient: Patient,
    choices: Choices,
    keep: dict[str, str],
    chosen: Slot | None,
    ignoring: Appointment | None = None,
) -> dict[str, Any]:
    """Return the context of the list of openings: one week, by day, with links to the weeks around it.

    ``keep`` is what every link must carry besides the filters. Reads are fixed in number, however long the list.
    """
    form = FindSlotForm(request.GET)
    wished = form.cleaned_data if form.is_valid() else {k: v for k, v in form.cleaned_data.items() if v}
    tz, need = location.tz, timetable.need_of(visit_type)
    today = localtime.day_of(request.now, tz)
    first_week = localtime.week_start(today)
    begin = wished.get("week") or (localtime.day_of(ignoring.starts_at, tz) if ignoring else today)
    week = max(first_week, localtime.week_start(min(begin, today + timedelta(days=730))))
    clinician = choices.people.get(wished.get("clinician"))  # type: ignore[arg-type]  # None finds nobody
    room = choices.rooms.get(wished.get("room"))  # type: ignore[arg-type]
    people, rooms = list(choices.people), list(choices.rooms)
    start = localtime.at(week, datetime.min.time(), tz) - timedelta(days=1)
    end = start + LOOK_AHEAD + timedelta(days=3)
    taken = timetable.held([*people, *rooms, patient.pk], start, end, ignoring)
    calendar = timetable.read(location, people=people, taken=taken, start=start, end=end)

    def openings(first: date, last: date) -> list[Opening]:
        return availability.open_slots(
            calendar, need, clinicians=[clinician.pk] if clinician else _least_busy_first(people, calendar, week),
            rooms=[room.pk] if room else rooms, patient=patient.pk, first=max(first, today), last=last, now=request.now,
        )  # fmt: skip

    def link(**changes: str) -> str:
        filters = {"clinician": str(clinician.pk) if clinician else "", "room": str(room.pk) if room else ""}
        asked = {**keep, **filters, "week": week.isoformat(), **changes}
        return "?" + urlencode({key: value for key, value in asked.items() if value})

    found = openings(week, week + timedelta(days=6))
    later = None if found else next(iter(openings(week + timedelta(days=7), week + LOOK_AHEAD)), None)
    return {
        "days": _by_day(found, choices, tz, show_person=clinician is None and len(people) > 1),
        "chosen": str(chosen) if chosen else "",
        "week_label": _week_label(week),
        "week": week.isoformat(),
        "zone": localtime.zone_text(localtime.at(week, datetime.min.time(), tz), tz),
        "earlier_url": link(week=(week - timedelta(days=7)).isoformat()) if week > first_week else "",
        "later_url": link(week=(week + timedelta(days=7)).isoformat()),
        "next_opening": {
            "label": localtime.moment_text(later.starts_at, tz),
            "url": link(week=localtime.day_of(later.starts_at, tz).isoformat()),
        }
        if later
        else None,
        "people": [{"id": str(p.pk), "name": p.name, "is_chosen": p == clinician} for p in choices.people.values()],
        "rooms": [{"id": str(r.pk), "name": r.name, "is_chosen": r == room} for r in choices.rooms.values()],
        "post_url": link(),
        "keep": keep,
        "visit_type": visit_type,
        "location": location,
        "patient": patient,
    }


def _least_busy_first(people: list[uuid.UUID], calendar: availability.Calendar, week: date) -> list[uuid.UUID]:
    """Return the people with the fewest minutes taken that week first, so that one does not get all the visits."""
    start, end = localtime.week_bounds(week, calendar.tz)

    def taken(who: uuid.UUID) -> timedelta:
        spans = availability.common(calendar.taken.get(who, ()), [(start, end)])
        return sum((b - a for a, b in spans), timedelta(0))

    return sorted(people, key=taken)


def _by_day(found: list[Opening], choices: Choices, tz: Any, *, show_person: bool) -> list[Day]:
    """Return the openings by day, one for each start: the first person of the list who is free."""
    days: dict[date, Day] = {}
    seen: set[datetime] = set()
    for opening in found:
        if opening.starts_at in seen:
            continue
        seen.add(opening.starts_at)
        day = localtime.day_of(opening.starts_at, tz)
        entry = days.setdefault(day, Day(formats.date_format(day, "D j M"), localtime.zone_text(opening.starts_at, tz)))
        entry.slots.append(
            {
                "value": str(Slot(opening.starts_at, opening.clinician_id, opening.room_id)),
                "time": localtime.clock_text(opening.starts_at, tz),
                "who": choices.people[opening.clinician_id].short_name if show_person else "",
                "label": _slot_label(opening, choices, tz),
            }
        )
    return list(days.values())


def _slot_label(opening: Opening, choices: Choices, tz: Any) -> str:
    parts = [localtime.moment_text(opening.starts_at, tz), choices.people[opening.clinician_id].name]
    if opening.room_id is not None:
        parts.append(choices.rooms[opening.room_id].name)
    return " · ".join(parts)


def _week_label(week: date) -> str:
    last = week + timedelta(days=6)
    begins = formats.date_format(week, "j M" if week.month != last.month else "j")
    return f"{begins}–{formats.date_format(last, 'j M Y')}"  # an en dash is how a span is written


def _alternatives(refusal: Refused, choices: Choices, tz: Any) -> list[dict[str, str]]:
    """Return the one-tap buttons that a taken slot brings along."""
    if not isinstance(refusal, SlotTaken):
        return []
    return [
        {
            "value": str(Slot(opening.starts_at, opening.clinician_id, opening.room_id)),
            "label": _slot_label(opening, choices, tz),
        }
        for opening in refusal.alternatives
        if opening.clinician_id in choices.people and (opening.room_id is None or opening.room_id in choices.rooms)
    ]


def _place_of(form: ChooseSlotForm, choices: Choices) -> tuple[Slot, User, Room | None] | None:
    """Return the slot with its person and room, or None with an error on the form when the list has no such thing."""
    slot: Slot = form.cleaned_data["slot"]
    clinician = choices.people.get(slot.clinician_id)
    room = choices.rooms.get(slot.room_id) if slot.room_id else None
    if clinician is None or (slot.room_id is not None and room is None):
        form.add_error("slot", _("Choose a time from the list."))
        return None
    return slot, clinician, room


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
    choices = _choices(location, visit_type)
    form = BookIntakeForm(request.POST or None)
    alternatives: list[dict[str, str]] = []
    if request.method == "POST" and form.is_valid() and (place := _place_of(form, choices)):
        slot, clinician, room = place
        try:
            visit = visits.book_intake(
                by=request.user, referral=referral, patient=patient, clinician=clinician, room=room,
                starts_at=slot.starts_at, location=location, visit_type=visit_type, now=request.now,
                second_is_meant=form.cleaned_data["second"],
            )  # fmt: skip
        except Refused as refusal:
            form.add_error(None, str(refusal))
            alternatives = _alternatives(refusal, choices, location.tz)
        else:
            messages.success(request, _booked_sentence(visit, patient))
            return go(request, "sessions:appointment", visit.pk)
    keep = {"referral": str(referral.pk)} if referral else {"patient": str(patient.pk)}
    context = _find(
        request, location=location, visit_type=visit_type, patient=patient, choices=choices, keep=keep,
        chosen=_chosen(form),
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


def _chosen(form: ChooseSlotForm) -> Slot | None:
    slot = form.cleaned_data.get("slot") if form.is_bound and hasattr(form, "cleaned_data") else None
    return slot if isinstance(slot, Slot) else None


def _booked_sentence(visit: Appointment, patient: Patient) -> str:
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
        (may_book and visit.can_be_confirmed, _("Confirmed by phone"), "check-circle", "confirm_appointment",
         "secondary", True),
        (may_check_in and visit.can_undo_check_in(now), _("Take back the check-in"), "arrow-counterclockwise",
         "undo_check_in", "secondary", True),
        (may_book and visit.can_be_moved, _("Move"), "calendar-week", "reschedule", "secondary", False),
        (may_check_in and visit.can_be_missed(now), _("Did not come"), "hourglass", "mark_no_show", "secondary", True),
        (may_conduct and visit.can_be_recorded(now), _("Took place: record it"), "journal-check", "record_afterwards",
         "secondary", False),
        (may_conduct and visit.can_undo_record(now), _("Take back the record"), "arrow-counterclockwise",
         "undo_record_afterwards", "secondary", True),
        (may_conduct and visit.can_leave, _("Left before the end"), "box-arrow-right", "mark_left", "secondary", True),
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
        "story": _story(visit),
        "hindrance": _hindrance(visit, request.now),
    }


def _hindrance(visit: Appointment, now: datetime) -> str:
    """Return why a visit to come cannot take place as booked, when the desk was asked about it; else nothing."""
    if not visit.is_open or visit.starts_at <= now:
        return ""
    asked = WorkItem.objects.open().filter(kind=WorkItem.Kind.RECALL, subject_id=visit.pk).exists()
    if not asked and visit.patient.gets_letters:
        return ""
    found = recalls.hindrances([visit], location=visit.location, now=now).get(visit.pk)
    return str(found.words) if found else ""


def _story(visit: Appointment) -> list[dict[str, str]]:
    """Return what happened to the visit so far, oldest first."""
    moments = [
        (visit.booked_at, _("Booked"), "calendar", visit.booked_by.name),
        (visit.confirmed_at, _("Confirmed"), "check-circle", ""),
        (visit.checked_in_at, _("Here"), "door-open", ""),
        (visit.started_at, _("In room"), "activity", ""),
        (visit.finished_at, visit.word, "check2-all", ""),
        (
            visit.recorded_at,
            _("Recorded afterwards"),
            "journal-check",
            visit.recorded_by.name if visit.recorded_by else "",
        ),
        (visit.no_show_at, _("Did not come"), "hourglass", ""),
        (visit.cancelled_at, _("Cancelled"), "x", _cancelled_words(visit)),
    ]
    told = [
        {"time": localtime.moment_text(at, visit.location.tz), "title": title, "icon": icon, "by": by}
        for at, title, icon, by in moments
        if at is not None
    ]
    if visit.recorded_at is not None:
        told[-1]["text"] = ": ".join(
            filter(None, [str(capfirst(visit.get_record_reason_display())), visit.record_note])
        )
    if visit.no_show_undone_because:
        told.append({"title": _("“Did not come” was taken back"), "icon": "arrow-counterclockwise", "time": "",
                     "text": visit.no_show_undone_because})  # fmt: skip
    return told


def _cancelled_words(visit: Appointment) -> str:
    if not visit.is_cancelled:
        return ""
    words = [visit.get_cancelled_by_display(), visit.get_cancel_reason_display()]
    return ", ".join([*words, *([_("late")] if visit.cancel_is_late else [])])


@staff_view(Permission.APPOINTMENT_BOOK, methods=GET_POST)
def reschedule(request: StaffRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """Choose another time, person or room for a visit, and move it."""
    visit = get_appointment_or_404(request, appointment_id, Permission.APPOINTMENT_BOOK)
    choices = _choices(visit.location, visit.visit_type)
    form = RescheduleForm(request.POST or None, initial={"version": visit.version})
    alternatives: list[dict[str, str]] = []
    if request.method == "POST" and form.is_valid() and (place := _place_of(form, choices)):
        slot, clinician, room = place
        try:
            moved = visits.reschedule(
                by=request.user, appointment=visit, clinician=clinician, room=room, starts_at=slot.starts_at,
                seen_version=form.cleaned_data["version"], now=request.now,
            )  # fmt: skip
        except Refused as refusal:
            form.add_error(None, str(refusal))
            alternatives = _alternatives(refusal, choices, visit.location.tz)
            visit = get_appointment_or_404(request, appointment_id, Permission.APPOINTMENT_BOOK)
            _now_seen(form, visit, refusal)
        else:
            messages.success(request, _moved_sentence(visit, moved))
            return go(request, "sessions:appointment", visit.pk)
    context = _find(
        request, location=visit.location, visit_type=visit.visit_type, patient=visit.patient, choices=choices, keep={},
        chosen=_chosen(form), ignoring=visit,
    )  # fmt: skip
    context |= {
        "form": form, "alternatives": alternatives, "visit": visit, "now_at": visits.said(visit),
        "wish": next((wish for wish in _wishes(visit, request.now) if wish["is_open"]), None),
    }  # fmt: skip
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, "sessions/reschedule.html", context, part="slots", status=status)


def _now_seen(form: forms.Form, visit: Appointment, refusal: Refused) -> None:
    """Let the next try be about the visit as it is now: the page that says no shows it, and keeps what was typed."""
    if isinstance(refusal, visits.ChangedMeanwhile):
        form.data = {**form.data, "version": str(visit.version)}


def _moved_sentence(before: Appointment, visit: Appointment) -> str:
    facts = {
        "type": visit.visit_type.name,
        "name": visit.patient.full_name,
        "when": localtime.moment_text(visit.starts_at, visit.location.tz),
        "told": _told(visit, visit.patient),
        "place": visits.said(visit),
    }
    if before.schedule_version == visit.schedule_version:
        return _("%(type)s for %(name)s keeps its time: %(place)s.") % facts
    return _("%(type)s for %(name)s moved to %(when)s. %(told)s") % facts


@staff_view(Permission.APPOINTMENT_BOOK, methods=GET_POST)
def cancel_appointment(request: StaffRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """Say who cancels a visit and why, and cancel it."""
    visit = get_appointment_or_404(request, appointment_id, Permission.APPOINTMENT_BOOK)
    form = CancelAppointmentForm(request.POST or None, initial={"version": visit.version})
    if request.method == "POST" and form.is_valid():
        try:
            cancelled = visits.cancel(
                by=request.user, appointment=visit, seen_version=form.cleaned_data["version"], now=request.now,
                cancelled_by=Appointment.CancelledBy(form.cleaned_data["cancelled_by"]),
                reason=Appointment.CancelReason(form.cleaned_data["reason"]), note=form.cleaned_data["note"],
            )  # fmt: skip
        except Refused as refusal:
            form.add_error(None, str(refusal))
            visit = get_appointment_or_404(request, appointment_id, Permission.APPOINTMENT_BOOK)
            _now_seen(form, visit, refusal)
        else:
            messages.success(request, _cancelled_sentence(cancelled, request.now))
            return go(request, "sessions:appointment", visit.pk)
    context = {"form": form, "visit": visit, "said": visits.said(visit), "late_from": _late_from(visit, request.now)}
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, "sessions/cancel_appointment.html", context, status=status)


def _late_from(visit: Appointment, now: datetime) -> str:
    """Return what to know about notice before cancelling."""
    ends = localtime.moment_text(visit.notice_ends_at(), visit.location.tz)
    if now > visit.notice_ends_at():
        return _("The notice ended %(when)s: a cancellation by the patient counts as late.") % {"when": ends}
    return _("Until %(when)s a cancellation by the patient is not late.") % {"when": ends}


def _cancelled_sentence(visit: Appointment, now: datetime) -> str:
    facts = {
        "type": visit.visit_type.name,
        "name": visit.patient.full_name,
        "when": localtime.moment_text(visit.starts_at, visit.location.tz),
        "told": _told(visit, visit.patient) if visit.starts_at > now else "",
    }
    return (_("%(type)s for %(name)s on %(when)s is cancelled. %(told)s") % facts).strip()


Verb = Callable[..., Appointment]


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
        request, appointment_id, Permission.APPOINTMENT_BOOK, functools.partial(attendance.confirm, seen_version=seen),
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
    return _do(request, appointment_id, Permission.APPOINTMENT_CONDUCT, attendance.mark_left, _("%(name)s has left."))


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
    context = {"form": form, "visit": visit, "said": visits.said(visit)}
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
        "form": form, "visit": visit, "said": visits.said(visit),
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
        "form": form, "visit": visit, "wish": wish, "said": visits.said(visit),
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
        Appointment.objects.visible_to(request.user, Permission.APPOINTMENT_READ)
        .filter(patient=patient)
        .select_related("location", "visit_type", "clinician", "room")
    )
    to_come: list[dict[str, Any]] = []
    past: list[dict[str, Any]] = []
    tz = patient.home_location.tz
    begin = localtime.day_bounds(localtime.day_of(request.now, tz), tz)[0]
    for visit in [
        *mine.filter(starts_at__gte=begin).order_by("starts_at", "id")[:PANEL_ROWS],
        *mine.filter(starts_at__lt=begin).order_by("-starts_at", "-id")[:PANEL_ROWS],
    ]:
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
