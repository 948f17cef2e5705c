"""Words that may mean danger, in what a patient or a stranger wrote: somebody is told at once, whatever the hour."""

import uuid
from datetime import datetime

from django.db import transaction

from clinic.actions import outbox, worklist
from clinic.models import Location, OutboundMessage, Role, User, WorkItem
from patients import crisis
from patients.models import CareTeamMember, Patient

Kind = WorkItem.Kind.CRISIS_WORDS


@transaction.atomic
def review(
    *,
    by: User | None,
    text: str,
    location: Location,
    subject_type: str,
    subject_id: uuid.UUID,
    patient: Patient | None,
    now: datetime,
) -> list[WorkItem]:
    """Return the items that ask somebody to read ``text`` now; none when no such words are in it.

    The desk of the location is asked, and in person whoever knows the patient best: the care team, or without one the
    prescribers of the location. Those are paged by e-mail as well, at any hour. What it means a person decides
    (domain.md 6.5, 7): nothing is sent to the writer, and no item closes by itself.
    """
    if not crisis.may_mean_danger(text):
        return []
    return ask_to_read(
        by=by, location=location, subject_type=subject_type, subject_id=subject_id, patient=patient, now=now
    )


@transaction.atomic
def ask_to_read(
    *,
    by: User | None,
    location: Location,
    subject_type: str,
    subject_id: uuid.UUID,
    patient: Patient | None,
    now: datetime,
) -> list[WorkItem]:
    """Return the items that ask the desk, and in person and by e-mail whoever knows the patient best, to look now."""
    patient_id = patient.pk if patient else None
    items = [
        worklist.open_item(
            by=by, kind=Kind, location=location, subject_type=subject_type, subject_id=subject_id, due_at=now, now=now,
            patient_id=patient_id, owner_role=Role.FRONT_DESK,
        )
    ]  # fmt: skip
    for clinician in _who_knows(location, patient):
        item = worklist.open_item(
            by=by, kind=Kind, location=location, subject_type=subject_type, subject_id=subject_id, due_at=now, now=now,
            patient_id=patient_id, owner=clinician,
        )  # fmt: skip
        items.append(item)
        outbox.queue(
            by=by, kind="read_now", subject_type="workitem", subject_id=item.pk, location_id=location.pk, now=now,
            to=outbox.Recipient(
                kind=OutboundMessage.RecipientKind.STAFF, id=clinician.pk, address=clinician.email, tz=location.tz
            ),
        )  # fmt: skip
    return items


def _who_knows(location: Location, patient: Patient | None) -> list[User]:
    prescribers = User.objects.working_at(location.pk, Role.PRESCRIBER).order_by("id")
    if patient is None:
        return list(prescribers)
    team = CareTeamMember.objects.live().filter(patient=patient, user__is_active=True)
    return list(User.objects.filter(pk__in=team.values("user_id")).order_by("id")) or list(prescribers)
