"""Booking a visit of any kind from the patient's page: which kind, what a dose still needs, and which opening.

The intake has its own page (visits.py), since it may begin with an enquiry.
"""

import uuid
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from clinic.access import GET_POST, Permission, staff_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go
from clinic.models import Role
from patients.access import get_patient_or_404
from patients.models import Patient
from sessions import dosegate, timetable
from sessions.actions import placing, visits
from sessions.forms.visits import BookVisitForm
from sessions.models import INTAKE, VisitType
from sessions.views import openings
from sessions.views.visits import booked_sentence

PAGE = "sessions/book_visit.html"


@dataclass(frozen=True)
class Kind:
    """One kind of visit as it is chosen."""

    name: str
    about: str
    url: str
    icon: str


@staff_view(Permission.APPOINTMENT_BOOK, methods=GET_POST)
def book_visit(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Choose a kind of visit, a week, a team and a time for a patient, and book it."""
    patient = get_patient_or_404(request, patient_id, Permission.APPOINTMENT_BOOK)
    kinds = list(VisitType.objects.current().order_by("id"))
    kind = next((one for one in kinds if one.code == request.GET.get("kind") and one.code != INTAKE), None)
    if kind is None:
        context = {"patient": patient, "kinds": _kinds(patient, kinds)}
        return answer(request, PAGE, context, status=UNPROCESSABLE if request.method == "POST" else 200)
    location = patient.home_location
    choices = timetable.choices(location, kind)
    form = BookVisitForm(request.POST or None, visit_type=kind, patient=patient)
    alternatives: list[dict[str, str]] = []
    refused: tuple[dosegate.Unmet, ...] = ()
    if request.method == "POST" and form.is_valid() and (place := openings.place_of(form, choices)):
        slot, team, room = place
        try:
            visit = visits.book_visit(
                by=request.user, patient=patient, team=team, room=room, starts_at=slot.starts_at, location=location,
                visit_type=kind, now=request.now, told_by_phone=form.told_by_phone, whereabouts=form.whereabouts(),
            )  # fmt: skip
        except Refused as refusal:
            form.add_error(None, str(refusal))
            alternatives = openings.alternatives_of(refusal, choices, location.tz)
            refused = refusal.unmet if isinstance(refusal, placing.DoseNotMet) else ()
        else:
            messages.success(request, booked_sentence(visit, patient))
            return go(request, "sessions:appointment", visit.pk)
    context = openings.find(
        request, location=location, visit_type=kind, patient=patient, choices=choices, keep={"kind": kind.code},
        chosen=openings.chosen_in(form), **openings.spacing(request, patient, kind),
    )  # fmt: skip
    context |= {
        "form": form, "alternatives": alternatives, "kind": kind, "about": _about(kind),
        "unmet": _unmet(request, patient, kind, refused), "other_kinds_url": request.path,
    }  # fmt: skip
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, PAGE, context, part="slots", status=status)


def _unmet(
    request: StaffRequest, patient: Patient, kind: VisitType, refused: tuple[dosegate.Unmet, ...]
) -> tuple[dosegate.Unmet, ...]:
    """Return what keeps this dose from being booked: at the time that was refused, else whatever the time."""
    if refused or not kind.is_dosing:
        return refused
    found = dosegate.unmet(
        by=request.user, patient=patient, visit_type=kind, starts_at=request.now, tz=patient.home_location.tz,
        now=request.now,
    )  # fmt: skip
    # How far it is from other doses depends on the time that is chosen.
    return tuple(one for one in found if one.code != "spacing")


def _kinds(patient: Patient, kinds: list[VisitType]) -> list[Kind]:
    """Return every kind that can be booked, in the order of care, each with its page."""
    here = reverse("sessions:book_visit", args=[patient.pk])
    intake = f"{reverse('sessions:book_intake')}?patient={patient.pk}"
    return [
        Kind(
            kind.name, _about(kind), intake if kind.code == INTAKE else f"{here}?kind={kind.code}",
            "camera-video" if kind.is_remote else "droplet" if kind.is_dosing else "calendar-plus",
        )
        for kind in kinds
    ]  # fmt: skip


def _about(kind: VisitType) -> str:
    """Return how long a visit of a kind takes, with whom, and where, in one line."""
    roles = dict.fromkeys(str(Role(seat.roles[0]).label) for seat in kind.shape.seats)
    long = ngettext("%(n)d minute", "%(n)d minutes", kind.minutes) % {"n": kind.minutes}
    parts = [long, ", ".join(roles)]
    if kind.is_remote:
        parts.append(_("by video or phone"))
    if kind.bookers == VisitType.Bookers.CLINICIANS:
        parts.append(_("booked by a clinician"))
    return " · ".join(parts)
