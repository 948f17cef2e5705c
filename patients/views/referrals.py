"""Enquiries at the desk: the list, one enquiry, and every decision about it."""

import uuid
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from clinic import audit, keyset, localtime
from clinic.access import GET, GET_POST, POST, Permission, holds, locations_where, staff_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go
from clinic.models import Location
from patients import crisis, search
from patients.access import get_patient_or_404, get_referral_or_404
from patients.actions import referrals as actions
from patients.duplicates import Facts
from patients.forms.referrals import DeclineReferralForm, EnterReferralForm, LinkReferralForm, UnlinkReferralForm
from patients.models import Patient, Referral

from .lines import patient_line, phone_text

PILLS = {
    Referral.Status.NEW: "due",
    Referral.Status.ACCEPTED: "confirmed",
    Referral.Status.BOOKED: "planned",
    Referral.Status.DECLINED: "cancelled",
    Referral.Status.CLOSED: "done",
}


@staff_view(Permission.REFERRAL_READ, methods=GET)
def referrals(request: StaffRequest) -> HttpResponse:
    """Show the enquiries of one location in one state, the longest waiting first where somebody waits."""
    mine = Referral.objects.visible_to(request.user, Permission.REFERRAL_READ).filter(location=request.location)
    mine = mine.select_related("location")
    wanted = request.GET.get("state", "")
    state = Referral.Status(wanted) if wanted in Referral.Status.values else Referral.Status.NEW
    counts = dict(mine.order_by().values_list("status").annotate(n=Count("id")).order_by())
    page = keyset.cut(mine.filter(status=state), "received_at", request.GET, oldest_first=state in _WAITING)
    known = _maybe_known(request, page.rows)
    context = {
        "rows": [_line(row, request.now, row.pk in known) for row in page.rows],
        "tabs": [
            {
                "label": option.label.capitalize(),
                "url": f"{reverse('patients:referrals')}?state={option.value}",
                "count": counts.get(option.value, 0),
                "is_current": option == state,
            }
            for option in Referral.Status
        ],
        "state": state,
        "page": page.links(reverse("patients:referrals"), state=state.value),
        "may_manage": holds(request.user, Permission.REFERRAL_MANAGE, request.location.pk),
    }
    audit.listed(request, "referrals", [row.patient_id for row in page.rows if row.patient_id], now=request.now)
    return answer(request, "patients/referrals.html", context, part="list")


_WAITING = {Referral.Status.NEW, Referral.Status.ACCEPTED}


def _line(row: Referral, now: datetime, is_known: bool) -> dict[str, Any]:
    return {
        "url": reverse("patients:referral", args=[row.pk]),
        "name": row.full_name,
        "source": row.get_source_display(),
        "reach": row.email if row.reach_by == Referral.Reach.EMAIL else phone_text(row.phone),
        "received": localtime.moment_text(row.received_at, row.location.tz),
        "age": localtime.age_text(row.received_at, now),
        "is_known": is_known,
        "may_mean_danger": crisis.may_mean_danger(row.message),
    }


def _maybe_known(request: StaffRequest, rows: list[Referral]) -> set[uuid.UUID]:
    """Return the enquiries on this page that share an address with a patient the asker may see. One query."""
    emails = {row.email for row in rows if row.email}
    phones = {row.phone.as_e164 for row in rows if row.phone}
    if not emails and not phones:
        return set()
    people = Patient.objects.visible_to(request.user, Permission.PATIENT_READ, request.now)
    found = people.filter((~Q(email="") & Q(email__in=emails)) | Q(phone__in=phones)).values_list(
        "pk", "email", "phone"
    )
    by_email = {email: pk for pk, email, _phone in found if email}
    by_phone = {phone.as_e164: pk for pk, _email, phone in found if phone}
    return {
        row.pk
        for row in rows
        if row.patient_id is None and (row.email in by_email or (row.phone and row.phone.as_e164 in by_phone))
    }


@staff_view(Permission.REFERRAL_READ, methods=GET)
def referral(request: StaffRequest, referral_id: uuid.UUID) -> HttpResponse:
    """Show one enquiry, who it may be, and what can be done about it."""
    found = get_referral_or_404(request, referral_id)
    return answer(request, "patients/referral.html", _context(request, found))


def _context(request: StaffRequest, found: Referral) -> dict[str, Any]:
    may_manage = holds(request.user, Permission.REFERRAL_MANAGE, found.location_id)
    may_write = holds(request.user, Permission.PATIENT_WRITE, found.location_id)
    alike = _alike(request, found) if found.patient_id is None and found.is_open else []
    tz = found.location.tz
    return {
        "referral": found,
        "pill": PILLS[Referral.Status(found.status)],
        "received": localtime.moment_text(found.received_at, tz),
        "age": localtime.age_text(found.received_at, request.now),
        "decided": localtime.moment_text(found.decided_at, tz) if found.decided_at else "",
        "alike": alike,
        "may_mean_danger": crisis.may_mean_danger(found.message),
        "may_manage": may_manage,
        "patient": _patient_of(request, found),
        "may_register": may_write and found.can_be_registered,
        "may_link": may_manage and found.can_be_registered,
        "may_unlink": may_manage and found.can_be_unlinked,
        "may_book": found.can_be_booked and holds(request.user, Permission.APPOINTMENT_BOOK, found.location_id),
    }


def _patient_of(request: StaffRequest, found: Referral) -> Patient | None:
    """Return whose enquiry it is, where this person may know them; the patient may belong to another location."""
    patient = found.patient
    if patient is None or not holds(request.user, Permission.PATIENT_READ, patient.home_location_id):
        return None
    return patient


def _alike(request: StaffRequest, found: Referral) -> list[dict[str, Any]]:
    facts = Facts(
        given_name=found.given_name,
        family_name=found.family_name,
        email=found.email,
        phone=found.phone.as_e164 if found.phone else "",
    )
    people = Patient.objects.visible_to(request.user, Permission.PATIENT_READ, request.now)
    pairs = search.known_as(people, facts)[:5]
    audit.listed(request, "alike", [patient.pk for patient, _match in pairs], now=request.now)
    return [
        {**patient_line(patient, request.now), "evidence": [e.label for e in match.evidence], "match": match}
        for patient, match in pairs
    ]


@staff_view(Permission.REFERRAL_MANAGE, methods=GET_POST)
def enter_referral(request: StaffRequest) -> HttpResponse:
    """Take down an enquiry that came by phone or from a colleague."""
    places = _own_locations(request, Permission.REFERRAL_MANAGE)
    if request.method != "POST":
        initial = {"entry_key": uuid.uuid4(), "location": str(request.location.pk)}
        form = EnterReferralForm(locations=places, initial=initial)
        return answer(request, "patients/enter_referral.html", {"form": form})
    form = EnterReferralForm(request.POST, locations=places)
    if form.is_valid():
        data = dict(form.cleaned_data)
        data["entry_key"] = data["entry_key"] or uuid.uuid4()
        entered = actions.enter(by=request.user, now=request.now, **data)
        messages.success(request, _("The enquiry of %(name)s is entered.") % {"name": entered.full_name})
        return go(request, "patients:referral", entered.pk)
    return answer(request, "patients/enter_referral.html", {"form": form}, status=UNPROCESSABLE)


def _own_locations(request: StaffRequest, permission: Permission) -> list[Location]:
    where = locations_where(request.user, permission)
    return list(Location.objects.active().filter(pk__in=where).order_by("name"))


@staff_view(Permission.REFERRAL_MANAGE, methods=POST)
def accept_referral(request: StaffRequest, referral_id: uuid.UUID) -> HttpResponse:
    """Accept an enquiry: the person is to be registered next."""
    found = get_referral_or_404(request, referral_id, Permission.REFERRAL_MANAGE)
    try:
        actions.accept(by=request.user, referral=found, now=request.now)
    except Refused as refusal:
        return _refused(request, found, refusal)
    messages.success(request, _("Accepted. Register %(name)s next.") % {"name": found.full_name})
    return go(request, "patients:referral", found.pk)


@staff_view(Permission.REFERRAL_MANAGE, methods=GET_POST)
def decline_referral(request: StaffRequest, referral_id: uuid.UUID) -> HttpResponse:
    """Decline an enquiry with a reason."""
    found = get_referral_or_404(request, referral_id, Permission.REFERRAL_MANAGE)
    form = DeclineReferralForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            actions.decline(by=request.user, referral=found, now=request.now, **form.cleaned_data)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("The enquiry of %(name)s is declined.") % {"name": found.full_name})
            return go(request, "patients:referrals")
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, "patients/decline_referral.html", {"form": form, "referral": found}, status=status)


@staff_view(Permission.REFERRAL_MANAGE, methods=POST)
def close_referral(request: StaffRequest, referral_id: uuid.UUID) -> HttpResponse:
    """Close an enquiry: nothing more is to be done about it."""
    found = get_referral_or_404(request, referral_id, Permission.REFERRAL_MANAGE)
    try:
        actions.close(by=request.user, referral=found, now=request.now)
    except Refused as refusal:
        return _refused(request, found, refusal)
    messages.success(request, _("The enquiry of %(name)s is closed.") % {"name": found.full_name})
    return go(request, "patients:referrals")


@staff_view(Permission.REFERRAL_MANAGE, methods=POST)
def link_referral(request: StaffRequest, referral_id: uuid.UUID) -> HttpResponse:
    """Say that an enquiry came from somebody we know. The patient of the form passes its own door."""
    found = get_referral_or_404(request, referral_id, Permission.REFERRAL_MANAGE)
    form = LinkReferralForm(request.POST)
    if not form.is_valid():
        return _refused(request, found, Refused(_("Choose one of the people below.")))
    patient = get_patient_or_404(request, form.cleaned_data["patient"], Permission.PATIENT_READ)
    try:
        actions.link(by=request.user, referral=found, patient=patient, now=request.now)
    except Refused as refusal:
        return _refused(request, found, refusal)
    messages.success(request, _("This enquiry belongs to %(name)s now.") % {"name": patient.full_name})
    return go(request, "patients:referral", found.pk)


@staff_view(Permission.REFERRAL_MANAGE, methods=GET_POST)
def unlink_referral(request: StaffRequest, referral_id: uuid.UUID) -> HttpResponse:
    """Say that an enquiry was linked to the wrong patient, and why; it belongs to nobody again."""
    found = get_referral_or_404(request, referral_id, Permission.REFERRAL_MANAGE)
    form = UnlinkReferralForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            actions.unlink(
                by=request.user, referral=found, reason=Referral.UnlinkReason(form.cleaned_data["reason"]),
                now=request.now,
            )  # fmt: skip
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(
                request,
                _("The enquiry of %(name)s belongs to nobody now. Say whose it is.") % {"name": found.full_name},
            )
            return go(request, "patients:referral", found.pk)
    status = UNPROCESSABLE if request.method == "POST" else 200
    context = {"form": form, "referral": found, "patient": _patient_of(request, found)}
    return answer(request, "patients/unlink_referral.html", context, status=status)


def _refused(request: StaffRequest, found: Referral, refusal: Refused) -> HttpResponse:
    """Show the enquiry as it is now, and why it was not done."""
    found.refresh_from_db()
    context = {**_context(request, found), "refusal": str(refusal)}
    return answer(request, "patients/referral.html", context, status=UNPROCESSABLE)
