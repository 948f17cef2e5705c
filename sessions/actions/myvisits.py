"""What patients say of their own visit on the portal: that they come, and where they are when it is held from afar.

Wishes are in ``wishes``, cancelling is in ``changes``.
"""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from clinic import audit
from clinic.errors import Refused
from clinic.models import User
from sessions.actions import changes, talks
from sessions.models import Appointment

Status = Appointment.Status


class NotSaidHere(Refused):
    """The visit is not to come, or nothing of the kind is asked about it."""


def _guard_to_come(visit: Appointment, seen_schedule_version: int, now: datetime) -> None:
    """Refuse a visit that was moved since the patient looked, and one that is not to come."""
    if visit.schedule_version != seen_schedule_version:
        raise changes.MovedMeanwhile(visit)
    if not visit.is_open or visit.starts_at <= now:
        raise NotSaidHere(
            _("This visit is no longer to come. Please phone us: %(phone)s.") % {"phone": visit.location.phone}
        )


@transaction.atomic
def confirm_my_visit(*, by: User, appointment: Appointment, seen_schedule_version: int, now: datetime) -> Appointment:
    """Return the visit, its patient having said on the portal that they come. Twice is once; a time held for a talk is booked by it.

    Refuses one that was moved since they looked, one that is not to come, and a time that is only offered: that is answered on the
    waitlist.
    """
    # Not locked yet: a held talk locks the patient before the visit, and each act below asks again under its own locks.
    visit = Appointment.objects.select_related("location", "visit_type", "patient").get(pk=appointment.pk)
    _guard_to_come(visit, seen_schedule_version, now)
    if visit.status == Status.CONFIRMED:
        return visit
    try:
        return talks.confirm(by=by, appointment=visit, seen_version=visit.version, now=now)
    except changes.ChangedMeanwhile as changed:
        raise changes.MovedMeanwhile(changed.appointment) from changed
    except (changes.NotPossibleNow, talks.NotHeldForThem) as refusal:
        raise NotSaidHere(
            _("This cannot be said here any more. Please phone us: %(phone)s.") % {"phone": visit.location.phone}
        ) from refusal


@transaction.atomic
def say_where_i_am(
    *, by: User, appointment: Appointment, place: str, phone: str, seen_schedule_version: int, now: datetime
) -> Appointment:
    """Return the visit from afar with where its patient will be and the number to call back, in their own words.

    Help must find them if the call breaks off (domain.md 8.2), so neither is empty, and neither is ever taken from elsewhere. Refuses a
    visit that takes place at the clinic, one that is not to come, and one that was moved since they looked.
    """
    visit = Appointment.objects.locked().get(pk=appointment.pk)
    _guard_to_come(visit, seen_schedule_version, now)
    if not visit.visit_type.is_remote:
        raise NotSaidHere(_("This visit takes place at the clinic, so there is nothing to say about where you are."))
    # No new version: nobody at the clinic edits these two, so nobody's page is overtaken by them.
    visit.patient_place, visit.call_back_phone = place, phone
    visit.save(update_fields=["patient_place", "call_back_phone"])
    audit.record(by, audit.Verb.APPOINTMENT_WHEREABOUTS_SAID, visit, now=now)
    return visit
