"""The patient's own pages: the next visit, all visits, one visit, a wish for another time, and cancelling."""

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from clinic import localtime
from clinic.access import GET_POST, POST, portal_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, PortalRequest, answer, go
from patients import crisis
from patients.access import my_patient
from patients.models import Patient
from sessions import ical
from sessions.access import get_my_appointment_or_404, get_my_change_request_or_404
from sessions.actions import changes, mymoves, myvisits, wishes
from sessions.forms.visits import AskChangeForm, CancelMyVisitForm, MyVisitForm, WhereIAmForm
from sessions.models import Appointment, ChangeRequest, VisitRequest, WaitlistOffer, without_offers
from sessions.views import feeds

# How many visits of the past and of the future a page shows.
SHOWN = 40


def _mine(patient: Patient) -> Any:
    return (
        # A time that is only offered stands on the waitlist's page.
        without_offers(Appointment.objects.filter(patient=patient))
        .exclude(status=Appointment.Status.ENTERED_IN_ERROR)
        .select_related("location", "visit_type", "clinician", "room")
    )


def _to_come(patient: Patient, now: datetime) -> Any:
    """Visits that still lie ahead or are under way, soonest first."""
    return _mine(patient).filter(status__in=Appointment.EXPECTED, ends_at__gte=now).order_by("starts_at", "id")


def view_of(visit: Appointment, patient: Patient, now: datetime) -> dict[str, Any]:
    """Return a visit in the patient's words: the clinic's time, and their own where it differs."""
    tz = visit.location.tz
    day = localtime.day_of(visit.starts_at, tz)
    own_zone = localtime.zone_text(visit.starts_at, patient.tz)
    differs = visit.starts_at.astimezone(tz).utcoffset() != visit.starts_at.astimezone(patient.tz).utcoffset()
    return {
        "id": visit.pk,
        "url": reverse("sessions:portal_visit", args=[visit.pk]),
        "ics_url": reverse("sessions:portal_visit_ics", args=[visit.pk]),
        "ask_url": reverse("sessions:ask_change", args=[visit.pk]),
        "cancel_url": reverse("sessions:cancel_my_visit", args=[visit.pk]),
        "day": localtime.long_day_text(day),
        "short_day": localtime.day_text(day),
        "time": f"{localtime.clock_text(visit.starts_at, tz)} {localtime.zone_text(visit.starts_at, tz)}",
        "own_time": f"{localtime.clock_text(visit.starts_at, patient.tz)} {own_zone}" if differs else "",
        "iso": visit.starts_at.isoformat(),
        "name": visit.visit_type.patient_name,
        "minutes": visit.visit_type.minutes,
        "confirm_url": reverse("sessions:confirm_my_visit", args=[visit.pk]),
        "can_confirm": visit.starts_at > now and (visit.can_be_confirmed or visit.is_held_talk),
        "is_confirmed": visit.status == Appointment.Status.CONFIRMED and visit.starts_at > now,
        "version": visit.schedule_version,
        "is_remote": visit.visit_type.is_remote,
        "where_url": reverse("sessions:say_where_i_am", args=[visit.pk]),
        "link": visit.meeting_link if visit.status in Appointment.EXPECTED else "",
        "my_place": visit.patient_place,
        "call_back": visit.call_back_phone,
        "place": visit.location.alias,
        "address": visit.location.address,
        "directions": visit.location.directions,
        "phone": visit.location.phone,
        "clinician": visit.clinician.name,
        "bring": [line.strip() for line in visit.visit_type.what_to_bring.splitlines() if line.strip()],
        "word": visit.patient_word,
        "look": visit.patient_look,
        "when_words": _when_words(day, localtime.day_of(now, tz)) if visit.is_open else "",
        "is_to_come": visit.is_open and visit.starts_at > now,
        "can_ask": visit.can_be_moved and visit.visit_type.patient_may_request_change and now <= visit.notice_ends_at(),
        "choose_url": reverse("sessions:choose_my_time", args=[visit.pk]),
        "ask_until": localtime.moment_text(visit.notice_ends_at(), tz),
    }


def _when_words(day: Any, today: Any) -> str:
    ahead = (day - today).days
    if ahead <= 0:
        return _("Today")
    if ahead == 1:
        return _("Tomorrow")
    return ngettext("In %(n)d day", "In %(n)d days", ahead) % {"n": ahead}


def _wishes(visit: Appointment) -> list[dict[str, Any]]:
    tz = visit.location.tz
    return [
        {
            "withdraw_url": reverse("sessions:withdraw_change_request", args=[wish.pk]), "is_withdrawn": wish.is_withdrawn,
            "wish": wish.get_wish_display(), "message": wish.message, "answer": wish.answer, "is_open": wish.is_open,
            "is_refused": wish.is_refused, "asked": localtime.moment_text(wish.asked_at, tz),
        }
        for wish in ChangeRequest.objects.filter(appointment=visit).order_by("-asked_at")
    ]  # fmt: skip


@portal_view()
def portal_home(request: PortalRequest) -> HttpResponse:
    """The next visit, what comes after it, and what waits for the patient."""
    patient = my_patient(request)
    coming = [view_of(visit, patient, request.now) for visit in _to_come(patient, request.now)[:4]]
    answered = (
        ChangeRequest.objects.filter(
            appointment__patient=patient, status=ChangeRequest.Status.REFUSED,
            answered_at__gte=request.now - timedelta(days=14), appointment__starts_at__gte=request.now,
        )
        .select_related("appointment__location")
        .order_by("-answered_at")[:3]
    )  # fmt: skip
    to_do = [
        {
            "title": _("Read our answer about your visit on %(day)s")
            % {"day": localtime.day_text(localtime.day_of(wish.appointment.starts_at, wish.appointment.location.tz))},
            "text": wish.answer,
            "url": reverse("sessions:portal_visit", args=[wish.appointment_id]),
            "minutes": 1,
        }
        for wish in answered
    ]
    offers = WaitlistOffer.objects.filter(
        entry__patient=patient, status=WaitlistOffer.Status.OPEN, expires_at__gt=request.now
    )
    offered = [
        {
            "title": _("A time is free for you"),
            "text": _("It is kept for you until %(until)s.")
            % {"until": f"{localtime.clock_text(offer.expires_at, patient.tz)} {localtime.zone_text(offer.expires_at, patient.tz)}"},
            "url": reverse("sessions:portal_waitlist"),
            "minutes": 1,
        }
        for offer in offers
    ]  # fmt: skip
    to_do = [*offered, *to_do, *_answered_requests(patient, request.now)]
    context = {"patient": patient, "next": coming[0] if coming else None, "later": coming[1:], "to_do": to_do,
               "home": patient.home_location}  # fmt: skip
    return answer(request, "sessions/portal_home.html", context)


def _answered_requests(patient: Patient, now: datetime) -> list[dict[str, Any]]:
    rows = VisitRequest.objects.filter(
        patient=patient, status=VisitRequest.Status.DECLINED, answered_at__gte=now - timedelta(days=14)
    )
    return [
        {
            "title": _("Read our answer to the visit you asked for"), "text": row.answer,
            "url": reverse("sessions:ask_visit"), "minutes": 1,
        }
        for row in rows.order_by("-answered_at")[:3]
    ]  # fmt: skip


@portal_view()
def portal_visits(request: PortalRequest) -> HttpResponse:
    """All visits: those to come, soonest first, and those of the past, latest first."""
    patient = my_patient(request)
    past = _mine(patient).exclude(pk__in=_to_come(patient, request.now).values("pk")).order_by("-starts_at", "-id")
    context = {
        "patient": patient,
        "to_come": [view_of(visit, patient, request.now) for visit in _to_come(patient, request.now)[:SHOWN]],
        "past": [view_of(visit, patient, request.now) for visit in past[:SHOWN]],
        "home": patient.home_location,
    }
    return answer(request, "sessions/portal_visits.html", context)


@portal_view()
def portal_visit(request: PortalRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """One visit of one's own, with all there is to know about it."""
    visit = get_my_appointment_or_404(request, appointment_id)
    return answer(request, "sessions/portal_visit.html", _visit_context(request, visit))


def _visit_context(request: PortalRequest, visit: Appointment) -> dict[str, Any]:
    asked = _wishes(visit)
    shown = view_of(visit, visit.patient, request.now)
    return {
        "visit": shown | {"can_choose": shown["can_ask"] and mymoves.may_pick(visit, request.now)},
        "wishes": asked,
        "is_waiting": any(wish["is_open"] for wish in asked),
        "needs_numbers": any(crisis.may_mean_danger(wish["message"]) for wish in asked),
    }


@portal_view()
def portal_visit_ics(request: PortalRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """One visit of one's own as a calendar file, without a word about what it is for."""
    visit = get_my_appointment_or_404(request, appointment_id)
    body = ical.calendar(
        ical.Entry(
            uid=feeds.uid(visit.pk),
            summary=feeds.summary(visit.location.alias),
            location=feeds.where(visit.location.address, is_remote=visit.visit_type.is_remote),
            starts_at=visit.starts_at,
            ends_at=visit.ends_at,
            time_zone=visit.location.time_zone,
            sequence=feeds.sequence(visit.schedule_version, visit.status),
            is_cancelled=visit.is_cancelled,
            made_at=request.now,
        )
    )
    return HttpResponse(
        body, content_type="text/calendar; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="visit.ics"', "X-Content-Type-Options": "nosniff"},
    )  # fmt: skip


@portal_view(methods=GET_POST)
def ask_change(request: PortalRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """Ask for another time; a person at the clinic answers."""
    visit = get_my_appointment_or_404(request, appointment_id)
    form = AskChangeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            wishes.ask_change(
                by=request.user, appointment=visit, wish=ChangeRequest.Wish.CHANGE,
                message=form.cleaned_data["message"], now=request.now,
            )  # fmt: skip
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("We have your wish and will answer by the next working day."))
            return go(request, "sessions:portal_visit", visit.pk)
    status = UNPROCESSABLE if request.method == "POST" else 200
    context = {
        "form": form, "visit": view_of(visit, visit.patient, request.now),
        "needs_numbers": crisis.may_mean_danger(request.POST.get("message", "")),
    }  # fmt: skip
    return answer(request, "sessions/ask_change.html", context, status=status)


@portal_view(methods=POST)
def withdraw_change_request(request: PortalRequest, change_request_id: uuid.UUID) -> HttpResponse:
    """Take back a wish that nobody has answered yet; the visit stays as it is."""
    wish = get_my_change_request_or_404(request, change_request_id)
    try:
        wishes.withdraw_change_request(by=request.user, change_request=wish, now=request.now)
    except Refused as refusal:
        context = {**_visit_context(request, wish.appointment), "refusal": str(refusal)}
        return answer(request, "sessions/portal_visit.html", context, status=UNPROCESSABLE)
    messages.success(request, _("Taken back. Your visit stays as it is."))
    return go(request, "sessions:portal_visit", wish.appointment_id)


@portal_view(methods=GET_POST)
def cancel_my_visit(request: PortalRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """Cancel a visit of one's own, as long as its kind and its notice allow that without a call."""
    visit = get_my_appointment_or_404(request, appointment_id)
    form = CancelMyVisitForm(request.POST or None, initial={"version": visit.schedule_version})
    if request.method == "POST" and form.is_valid():
        try:
            changes.cancel_my_visit(
                by=request.user, appointment=visit, reason=Appointment.CancelReason(form.cleaned_data["reason"]),
                seen_schedule_version=form.cleaned_data["version"], now=request.now,
            )  # fmt: skip
        except Refused as refusal:
            form.add_error(None, str(refusal))
            visit = get_my_appointment_or_404(request, appointment_id)
            # What is asked now is asked of the time that the page shows.
            form.data = _asked_of_now(request, visit)
        else:
            messages.success(request, _("Your visit is cancelled. We will call you about another time."))
            return go(request, "sessions:portal_visit", visit.pk)
    status = UNPROCESSABLE if request.method == "POST" else 200
    context = {
        "form": form,
        "visit": view_of(visit, visit.patient, request.now),
        "closed": _closed(visit, request.now),
    }
    return answer(request, "sessions/cancel_my_visit.html", context, status=status)


@portal_view(methods=POST)
def confirm_my_visit(request: PortalRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """Say that one comes to a visit of one's own."""
    visit = get_my_appointment_or_404(request, appointment_id)
    form = MyVisitForm(request.POST)
    refusal = _("This page is out of date. Look again at the time, then say that you come.")
    if form.is_valid():
        try:
            myvisits.confirm_my_visit(
                by=request.user, appointment=visit, seen_schedule_version=form.cleaned_data["version"], now=request.now
            )
        except Refused as said:
            refusal = str(said)
        else:
            messages.success(request, _("Thank you. We expect you."))
            return go(request, "sessions:portal_visit", visit.pk)
    visit = get_my_appointment_or_404(request, appointment_id)
    context = {**_visit_context(request, visit), "refusal": refusal}
    return answer(request, "sessions/portal_visit.html", context, status=UNPROCESSABLE)


@portal_view(methods=GET_POST)
def say_where_i_am(request: PortalRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """Say where one will be during a visit from afar, and on which number one is reached."""
    visit = get_my_appointment_or_404(request, appointment_id)
    form = WhereIAmForm(request.POST or None, initial={"version": visit.schedule_version})
    if request.method == "POST" and form.is_valid():
        try:
            myvisits.say_where_i_am(
                by=request.user, appointment=visit, place=form.cleaned_data["place"], phone=form.cleaned_data["phone"],
                seen_schedule_version=form.cleaned_data["version"], now=request.now,
            )  # fmt: skip
        except Refused as refusal:
            form.add_error(None, str(refusal))
            visit = get_my_appointment_or_404(request, appointment_id)
            # What is said now is said of the time that the page shows.
            form.data = _asked_of_now(request, visit)
        else:
            messages.success(request, _("Thank you. We know where you will be."))
            return go(request, "sessions:portal_visit", visit.pk)
    status = UNPROCESSABLE if request.method == "POST" else 200
    context = {"form": form, "visit": view_of(visit, visit.patient, request.now)}
    return answer(request, "sessions/say_where_i_am.html", context, status=status)


def _asked_of_now(request: PortalRequest, visit: Appointment) -> QueryDict:
    """Return what was typed, about the visit as it is now."""
    typed = request.POST.copy()
    typed["version"] = str(visit.schedule_version)
    return typed


def _closed(visit: Appointment, now: datetime) -> str:
    """Return why a visit cannot be changed or cancelled without a call, or "" when it can."""
    try:
        wishes.guard_by_patient(visit, now)
    except Refused as refusal:
        return str(refusal)
    return ""
