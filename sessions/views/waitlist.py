"""The waitlist: for the desk who waits and what was offered to them, for the patient their own wishes and the time kept for them."""

import uuid
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from clinic import localtime
from clinic.access import GET_POST, POST, Permission, portal_view, staff_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, PortalRequest, StaffRequest, answer, go
from patients.access import get_patient_or_404, my_patient
from patients.models import Patient
from sessions import timetable
from sessions.access import get_entry_or_404, get_my_entry_or_404, get_my_offer_or_404, get_offer_or_404
from sessions.actions import changes, placing
from sessions.actions import waitlist as line
from sessions.forms.visits import ChooseSlotForm
from sessions.forms.waitlist import USUAL_WAIT, WaitForm
from sessions.models import VisitType, WaitlistEntry, WaitlistOffer
from sessions.views import openings

# Lines of a page.
SHOWN = 200
PAGE = "sessions/waitlist.html"
JOIN_PAGE = "sessions/join_waitlist.html"
OFFER_PAGE = "sessions/offer_time.html"
PORTAL_PAGE = "sessions/portal_waitlist.html"


@staff_view(Permission.APPOINTMENT_BOOK)
def waitlist(request: StaffRequest) -> HttpResponse:
    """Who waits at this location, whoever waits longest first, and what was offered to each."""
    return answer(request, PAGE, _list(request))


def _list(request: StaffRequest) -> dict[str, Any]:
    entries = (
        WaitlistEntry.objects.visible_to(request.user, Permission.APPOINTMENT_BOOK)
        .waiting()
        .filter(location=request.location)
        .select_related("location", "patient", "clinician")
    )
    rows = list(entries[:SHOWN])
    latest = _offers_of(rows)
    names = dict(VisitType.objects.current().values_list("code", "name"))
    return {
        "rows": [
            {
                "entry": entry,
                "about": _about(entry, names),
                "since": localtime.moment_text(entry.made_at, entry.location.tz),
                "offers": [_offer_row(offer, request.now) for offer in latest.get(entry.pk, [])[:3]],
                "has_open": any(offer.is_open for offer in latest.get(entry.pk, [])),
            }
            for entry in rows
        ],
        "location": request.location,
    }


def _offers_of(entries: list[WaitlistEntry]) -> dict[uuid.UUID, list[WaitlistOffer]]:
    """Return the offers of some wishes, latest first, in one query."""
    found: dict[uuid.UUID, list[WaitlistOffer]] = {}
    offers = WaitlistOffer.objects.filter(entry__in=entries).select_related(
        "appointment__location", "appointment__visit_type", "appointment__clinician"
    )
    for offer in offers.order_by("-offered_at", "id"):
        found.setdefault(offer.entry_id, []).append(offer)
    return found


def _offer_row(offer: WaitlistOffer, now: datetime) -> dict[str, Any]:
    visit = offer.appointment
    tz = visit.location.tz
    return {
        "pk": offer.pk,
        "when": localtime.moment_text(visit.starts_at, tz),
        "with": visit.clinician.name,
        "kind": visit.visit_type.patient_name,
        "until": localtime.clock_text(offer.expires_at, tz),
        "minutes": offer.minutes_left(now),
        "told": offer.get_told_display(),
        "can_be_answered": offer.can_be_answered(now),
        "look": offer.look,
        "word": offer.word,
    }


def _about(entry: WaitlistEntry, names: dict[str, str]) -> str:
    """Return what somebody waits for, in one line."""
    parts = [names.get(entry.visit_type_code, entry.visit_type_code)]
    parts.append(entry.clinician.name if entry.clinician else _("with anybody"))
    if entry.weekdays:
        parts.append(", ".join(str(WEEKDAYS_ABBR[day]) for day in entry.weekdays))
    parts += [str(WaitlistEntry.DayPart(part).label) for part in entry.day_parts]
    parts.append(
        _("%(first)s to %(last)s")
        % {"first": localtime.day_text(entry.first_day), "last": localtime.day_text(entry.last_day)}
    )
    return " · ".join(parts)


def _form(request: StaffRequest | PortalRequest, patient: Patient, *, for_patient: bool) -> WaitForm:
    today = localtime.day_of(request.now, patient.home_location.tz)
    return WaitForm(
        request.POST or None, kinds=line.kinds(), people=line.people(patient, only_known=for_patient),
        for_patient=for_patient, initial={"first_day": today, "last_day": today + USUAL_WAIT},
    )  # fmt: skip


@staff_view(Permission.APPOINTMENT_BOOK, methods=GET_POST)
def join_waitlist(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Put a patient on the waitlist for a kind of visit."""
    patient = get_patient_or_404(request, patient_id, Permission.APPOINTMENT_BOOK)
    form = _form(request, patient, for_patient=False)
    if request.method == "POST" and form.is_valid():
        try:
            line.ask(by=request.user, patient=patient, wish=form.wish(), now=request.now)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(
                request, _("%(name)s is on the waitlist, and is told when a time is free.") % {"name": patient.called}
            )
            return go(request, "sessions:waitlist")
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, JOIN_PAGE, {"form": form, "patient": patient}, status=status)


@staff_view(Permission.APPOINTMENT_BOOK, methods=POST)
def leave_waitlist(request: StaffRequest, waitlist_entry_id: uuid.UUID) -> HttpResponse:
    """Take somebody off the waitlist; a time that is kept for them is let go."""
    entry = get_entry_or_404(request, waitlist_entry_id)
    try:
        line.withdraw(by=request.user, entry=entry, now=request.now)
    except Refused as refusal:
        return answer(request, PAGE, {**_list(request), "refusal": str(refusal)}, status=UNPROCESSABLE)
    messages.success(request, _("%(name)s is off the waitlist.") % {"name": entry.patient.called})
    return go(request, "sessions:waitlist")


@staff_view(Permission.APPOINTMENT_BOOK, methods=GET_POST)
def offer_time(request: StaffRequest, waitlist_entry_id: uuid.UUID) -> HttpResponse:
    """Choose a time by hand and offer it to somebody on the waitlist."""
    entry = get_entry_or_404(request, waitlist_entry_id)
    kind = VisitType.objects.current().get(code=entry.visit_type_code)
    location, patient = entry.location, entry.patient
    choices = timetable.choices(location, kind)
    form = ChooseSlotForm(request.POST or None)
    alternatives: list[dict[str, str]] = []
    if request.method == "POST" and form.is_valid() and (place := openings.place_of(form, choices)):
        slot, team, room = place
        try:
            offer = line.offer(
                by=request.user, entry=entry, team=team, room=room, starts_at=slot.starts_at, now=request.now
            )
        except Refused as refusal:
            form.add_error(None, str(refusal))
            alternatives = openings.alternatives_of(refusal, choices, location.tz)
        else:
            messages.success(request, _offered_sentence(offer, patient, request.now))
            return go(request, "sessions:waitlist")
    context = openings.find(
        request, location=location, visit_type=kind, patient=patient, choices=choices, keep={},
        chosen=openings.chosen_in(form),
    )  # fmt: skip
    context |= {
        "form": form,
        "alternatives": alternatives,
        "entry": entry,
        "about": _about(entry, {kind.code: kind.name}),
    }
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, OFFER_PAGE, context, part="slots", status=status)


def _offered_sentence(offer: WaitlistOffer, patient: Patient, now: datetime) -> str:
    minutes = offer.minutes_left(now)
    kept = ngettext("It is kept for %(n)d minute.", "It is kept for %(n)d minutes.", minutes) % {"n": minutes}
    if offer.told == WaitlistOffer.Told.PHONE:
        return _("Call %(name)s now: no letter reaches them.") % {"name": patient.called} + " " + kept
    return _("We write to %(name)s.") % {"name": patient.called} + " " + kept


@staff_view(Permission.APPOINTMENT_BOOK, methods=POST)
def accept_offer(request: StaffRequest, waitlist_offer_id: uuid.UUID) -> HttpResponse:
    """The patient said yes on the phone: book the time that is kept for them."""
    offer = get_offer_or_404(request, waitlist_offer_id)
    try:
        visit = line.accept(by=request.user, offer=offer, now=request.now)
    except Refused as refusal:
        return answer(request, PAGE, {**_list(request), "refusal": str(refusal)}, status=UNPROCESSABLE)
    messages.success(request, _("Booked: %(now)s.") % {"now": changes.said(visit)})
    return go(request, "sessions:appointment", visit.pk)


@staff_view(Permission.APPOINTMENT_BOOK, methods=POST)
def decline_offer(request: StaffRequest, waitlist_offer_id: uuid.UUID) -> HttpResponse:
    """The patient said no on the phone: the time goes to the next."""
    offer = get_offer_or_404(request, waitlist_offer_id)
    try:
        line.decline(by=request.user, offer=offer, now=request.now)
    except Refused as refusal:
        return answer(request, PAGE, {**_list(request), "refusal": str(refusal)}, status=UNPROCESSABLE)
    messages.success(request, _("Declined. The patient stays on the waitlist."))
    return go(request, "sessions:waitlist")


def _mine(request: PortalRequest, patient: Patient, form: WaitForm) -> dict[str, Any]:
    entries = list(
        WaitlistEntry.objects.waiting().filter(patient=patient).select_related("location", "clinician")[:SHOWN]
    )
    offers = _offers_of(entries)
    names = {kind.code: kind.patient_name for kind in line.kinds()}
    return {
        "form": form,
        "home": patient.home_location,
        "entries": [
            {"about": _about(entry, names), "withdraw_url": reverse("sessions:leave_my_waitlist", args=[entry.pk])}
            for entry in entries
        ],
        "offers": [
            _offer_row(offer, request.now)
            for entry in entries
            for offer in offers.get(entry.pk, [])
            if offer.can_be_answered(request.now)
        ],
    }


@portal_view(methods=GET_POST)
def portal_waitlist(request: PortalRequest) -> HttpResponse:
    """One's own wishes, the time that is kept for one, and a form for another wish."""
    patient = my_patient(request)
    form = _form(request, patient, for_patient=True)
    if request.method == "POST" and form.is_valid():
        try:
            line.ask(by=request.user, patient=patient, wish=form.wish(), now=request.now)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("We have your wish, and tell you when a time is free."))
            return go(request, "sessions:portal_waitlist")
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, PORTAL_PAGE, _mine(request, patient, form), status=status)


def _refuse(request: PortalRequest, refusal: Refused) -> HttpResponse:
    patient = my_patient(request)
    today = localtime.day_of(request.now, patient.home_location.tz)
    form = WaitForm(
        kinds=line.kinds(), people=line.people(patient, only_known=True), for_patient=True,
        initial={"first_day": today, "last_day": today + USUAL_WAIT},
    )  # fmt: skip
    context = {**_mine(request, patient, form), "refusal": str(refusal)}
    return answer(request, PORTAL_PAGE, context, status=UNPROCESSABLE)


@portal_view(methods=POST)
def leave_my_waitlist(request: PortalRequest, waitlist_entry_id: uuid.UUID) -> HttpResponse:
    """Take back a wish of one's own."""
    entry = get_my_entry_or_404(request, waitlist_entry_id)
    try:
        line.withdraw(by=request.user, entry=entry, now=request.now)
    except Refused as refusal:
        return _refuse(request, refusal)
    messages.success(request, _("Taken back. You are off the waitlist; your visits stay as they are."))
    return go(request, "sessions:portal_waitlist")


@portal_view(methods=POST)
def accept_my_offer(request: PortalRequest, waitlist_offer_id: uuid.UUID) -> HttpResponse:
    """Take the time that is kept for one."""
    offer = get_my_offer_or_404(request, waitlist_offer_id)
    try:
        visit = line.accept(by=request.user, offer=offer, now=request.now)
    except placing.DoseNotMet:
        # What is missing is said to staff; to the patient, that we have to speak first.
        phone = my_patient(request).home_location.phone
        return _refuse(
            request,
            Refused(_("Something is missing before this visit can be booked. Please phone us: %(phone)s.") % {"phone": phone}),
        )  # fmt: skip
    except Refused as refusal:
        return _refuse(request, refusal)
    messages.success(request, _("The time is yours."))
    return go(request, "sessions:portal_visit", visit.pk)


@portal_view(methods=POST)
def decline_my_offer(request: PortalRequest, waitlist_offer_id: uuid.UUID) -> HttpResponse:
    """Leave the time to somebody else."""
    offer = get_my_offer_or_404(request, waitlist_offer_id)
    try:
        line.decline(by=request.user, offer=offer, now=request.now)
    except Refused as refusal:
        return _refuse(request, refusal)
    messages.success(request, _("Thank you. You stay on the waitlist, and we tell you of another time."))
    return go(request, "sessions:portal_waitlist")
