"""The doors of this floor. Whoever may not open a record is told that there is nothing here."""

import contextlib
import uuid
from dataclasses import dataclass
from datetime import datetime

from django.core.cache import cache
from django.http import Http404
from django.shortcuts import get_object_or_404

from clinic import audit, throttle, tokens
from clinic.access import Permission, managed_location, memberships_of
from clinic.homelocation import PatientBehind, remember_patient_behind
from clinic.http import PortalRequest, StaffRequest
from clinic.models import Location, Membership, Role, TimeOff, User
from patients.models import Patient
from sessions.models import Appointment, CalendarFeed, ChangeRequest, Merge, VisitRequest, WaitlistEntry, WaitlistOffer

_WITH = ("location", "patient", "patient__home_location", "visit_type", "clinician", "room", "booked_by", "recorded_by")


def get_appointment_or_404(
    request: StaffRequest, appointment_id: uuid.UUID, permission: Permission = Permission.APPOINTMENT_READ
) -> Appointment:
    """Return the visit if this person holds ``permission`` at its location; else 404."""
    visits = Appointment.objects.visible_to(request.user, permission).select_related(*_WITH)
    appointment = get_object_or_404(visits, pk=appointment_id)
    audit.looked_at(request, appointment, now=request.now)
    return appointment


def get_my_appointment_or_404(request: PortalRequest, appointment_id: uuid.UUID) -> Appointment:
    """Return the visit if it is this patient's own; else 404."""
    visits = Appointment.objects.filter(patient__portal_user=request.user).select_related(*_WITH)
    appointment = get_object_or_404(visits, pk=appointment_id)
    patient = appointment.patient
    remember_patient_behind(request.user, PatientBehind(patient.pk, patient.home_location))
    return appointment


def get_my_change_request_or_404(request: PortalRequest, change_request_id: uuid.UUID) -> ChangeRequest:
    """Return the wish if it is about this patient's own visit; else 404."""
    wishes = ChangeRequest.objects.filter(appointment__patient__portal_user=request.user)
    return get_object_or_404(wishes.select_related(*(f"appointment__{name}" for name in _WITH)), pk=change_request_id)


def get_change_request_or_404(
    request: StaffRequest, change_request_id: uuid.UUID, permission: Permission
) -> ChangeRequest:
    """Return the patient's wish if this person holds ``permission`` at its visit's location; else 404."""
    visits = Appointment.objects.visible_to(request.user, permission)
    wishes = ChangeRequest.objects.filter(appointment__in=visits)
    wish = get_object_or_404(wishes.select_related(*(f"appointment__{name}" for name in _WITH)), pk=change_request_id)
    audit.looked_at(request, wish.appointment, now=request.now)
    return wish


_ENTRY_WITH = ("location", "patient", "patient__home_location", "clinician")


def get_my_visit_request_or_404(request: PortalRequest, visit_request_id: uuid.UUID) -> VisitRequest:
    """Return what this patient asked for; else 404."""
    return get_object_or_404(VisitRequest.objects.filter(patient__portal_user=request.user), pk=visit_request_id)


def get_visit_request_or_404(request: StaffRequest, visit_request_id: uuid.UUID) -> VisitRequest:
    """Return what a patient asks for if this person books visits at its location; else 404."""
    found = VisitRequest.objects.visible_to(request.user, Permission.APPOINTMENT_BOOK).select_related(*_ENTRY_WITH)
    wanted = get_object_or_404(found, pk=visit_request_id)
    audit.looked_at(request, wanted.patient, now=request.now)
    return wanted


def get_entry_or_404(request: StaffRequest, waitlist_entry_id: uuid.UUID) -> WaitlistEntry:
    """Return the wish on the waitlist if this person books visits at its location; else 404."""
    entries = WaitlistEntry.objects.visible_to(request.user, Permission.APPOINTMENT_BOOK).select_related(*_ENTRY_WITH)
    entry = get_object_or_404(entries, pk=waitlist_entry_id)
    audit.looked_at(request, entry.patient, now=request.now)
    return entry


def get_offer_or_404(request: StaffRequest, waitlist_offer_id: uuid.UUID) -> WaitlistOffer:
    """Return the offered time if this person books visits at its location; else 404."""
    entries = WaitlistEntry.objects.visible_to(request.user, Permission.APPOINTMENT_BOOK)
    offers = WaitlistOffer.objects.filter(entry__in=entries).select_related("entry__patient")
    offer = get_object_or_404(offers, pk=waitlist_offer_id)
    audit.looked_at(request, offer.entry.patient, now=request.now)
    return offer


def get_my_entry_or_404(request: PortalRequest, waitlist_entry_id: uuid.UUID) -> WaitlistEntry:
    """Return the wish on the waitlist if it is this patient's own; else 404."""
    entries = WaitlistEntry.objects.filter(patient__portal_user=request.user).select_related(*_ENTRY_WITH)
    return get_object_or_404(entries, pk=waitlist_entry_id)


def get_my_offer_or_404(request: PortalRequest, waitlist_offer_id: uuid.UUID) -> WaitlistOffer:
    """Return the offered time if it was offered to this patient; else 404."""
    offers = WaitlistOffer.objects.filter(entry__patient__portal_user=request.user)
    return get_object_or_404(offers, pk=waitlist_offer_id)


def get_merge_or_404(request: StaffRequest, merge_id: uuid.UUID) -> Merge:
    """Return the merge, with both patients, if this person may merge both; else 404."""
    mine = Patient.objects.visible_to(request.user, Permission.PATIENT_MERGE, request.now, with_merged=True)
    rows = Merge.objects.filter(survivor__in=mine, loser__in=mine)
    merge = get_object_or_404(rows.select_related("survivor__home_location", "loser__home_location"), pk=merge_id)
    audit.looked_at(request, merge.survivor, now=request.now)
    return merge


def get_absence_or_404(request: StaffRequest, time_off_id: uuid.UUID) -> tuple[TimeOff, Location]:
    """Return when somebody is away, and the chosen location where this person plans anew; 404 for who does not work there."""
    location = managed_location(request, Permission.ABSENCE_REPLAN)
    here = Membership.objects.live().filter(location=location)
    absences = TimeOff.objects.filter(user_id__in=here.values("user_id")).select_related("user")
    return get_object_or_404(absences, pk=time_off_id), location


# Keys cannot be guessed; what is kept away is a flood of tries.
MOST_WRONG_KEYS, IN_SECONDS = 60, 3600
GOOD_FOR = 2 * 24 * 3600


@dataclass(frozen=True)
class Followed:
    """Whose visits a calendar tells: a patient's, or those that a clinician gives at their locations."""

    user: User
    patient: Patient | None = None
    locations: tuple[Location, ...] = ()


def followed(user: User) -> Followed | None:
    """Return whose visits ``user`` may follow now; None for who has left, was discharged, lost the portal or gives none."""
    if not user.is_active:
        return None
    if user.is_patient:
        mine = Patient.objects.filter(portal_user=user, portal_suspended_at=None).select_related("home_location")
        patient = mine.first()
        return Followed(user, patient) if patient is not None and patient.gets_letters else None
    places = {m.location_id: m.location for m in memberships_of(user) if Role(m.role).is_clinician}
    return Followed(user, locations=tuple(places.values())) if places else None


def get_followed_or_404(key: str, *, address: str, now: datetime) -> Followed:
    """Return whose visits the key of a feed opens; 404, always the same, for every other key.

    After too many wrong keys from one address only keys that were good lately are looked up from there: the calendar
    services of the world ask for many people from few addresses, and one person's typing must not shut out the others.
    """
    hashed = tokens.hash_of(key)
    if not throttle.allows("feed", address, most=MOST_WRONG_KEYS, seconds=IN_SECONDS, now=now) and not _was_good(
        hashed
    ):
        if throttle.allows("feed-told", address, most=1, seconds=IN_SECONDS, now=now):
            audit.record_afterwards(None, audit.Verb.CALENDAR_FEED_REFUSED, None, now=now, details={"how": "too_many"})
        raise Http404
    feed = CalendarFeed.objects.live().filter(key_hash=hashed).select_related("user").first()
    whose = followed(feed.user) if feed is not None and feed.epoch == feed.user.session_epoch else None
    if whose is None:
        raise Http404
    throttle.give_back("feed", address, seconds=IN_SECONDS, now=now)
    # Redis away in any way: then a flood from the same address shuts it out for an hour.
    with contextlib.suppress(Exception):
        cache.set(_good(hashed), 1, GOOD_FOR)
    return whose


def _good(hashed: str) -> str:
    return f"feed:{hashed[:40]}"


def _was_good(hashed: str) -> bool:
    try:
        return cache.get(_good(hashed)) is not None
    except Exception:  # Redis away in any way
        return False
