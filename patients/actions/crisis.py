"""Words that may mean danger, in what a patient or a stranger wrote: somebody is told at once, whatever the hour."""

import uuid
from datetime import datetime, timedelta

from django.db import transaction

from clinic import businessdays, oncall
from clinic.actions import outbox, worklist
from clinic.models import Location, OnCall, OutboundMessage, Role, User, WorkItem
from patients import crisis
from patients.models import CareTeamMember, Patient

Kind = WorkItem.Kind.CRISIS_WORDS
LETTER = "read_now"
# Words that are kept at every change of a page are one call; the same person's words of tonight are another than this morning's.
AGAIN_AFTER = timedelta(minutes=30)


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
    prescribers of the location; while the place is shut who is on call, too. Those are paged by e-mail as well, at any hour. What it means a person decides
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
    with_on_call: bool = False,
) -> list[WorkItem]:
    """Return the items that ask the desk, and in person and by e-mail whoever knows the patient best, to look now.

    Who is on call is asked too, about a patient, while the place is shut, and at any hour ``with_on_call``. While an item is open it is the same one, and its person is written to again
    when half an hour has passed since the last letter: an item that nobody took off the list must not swallow new words.
    """
    patient_id = patient.pk if patient else None
    items = [
        worklist.open_item(
            by=by, kind=Kind, location=location, subject_type=subject_type, subject_id=subject_id, due_at=now, now=now,
            patient_id=patient_id, owner_role=Role.FRONT_DESK,
        )
    ]  # fmt: skip
    for clinician in _who_knows(location, patient, with_on_call, now):
        item = worklist.open_item(
            by=by, kind=Kind, location=location, subject_type=subject_type, subject_id=subject_id, due_at=now, now=now,
            patient_id=patient_id, owner=clinician,
        )  # fmt: skip
        items.append(item)
        last = (
            OutboundMessage.objects.about("workitem", item.pk).filter(kind=LETTER).order_by("-schedule_version").first()
        )
        if last is not None and now - last.queued_at < AGAIN_AFTER:
            continue
        outbox.queue(
            by=by, kind=LETTER, subject_type="workitem", subject_id=item.pk, location_id=location.pk, now=now,
            schedule_version=last.schedule_version + 1 if last else 1,
            to=outbox.Recipient(
                kind=OutboundMessage.RecipientKind.STAFF, id=clinician.pk, address=clinician.email, tz=location.tz
            ),
        )  # fmt: skip
    return items


def _who_knows(location: Location, patient: Patient | None, with_on_call: bool, now: datetime) -> list[User]:
    """Return the care team, or the prescribers where there is none or all of it is away; and who is on call.

    A stranger's words are the prescribers' to read: others of the rota could not open them.
    """
    prescribers = set(User.objects.working_at(location.pk, Role.PRESCRIBER).values_list("pk", flat=True))
    if patient is None:
        asked = prescribers
    else:
        team = CareTeamMember.objects.live().filter(patient=patient, user__is_active=True)
        asked = set(team.values_list("user_id", flat=True))
        if not asked - oncall.away(asked, now):
            asked |= prescribers
        if with_on_call or not businessdays.is_open(location=location, now=now):
            asked |= set(OnCall.objects.at(location, now).values_list("user_id", flat=True))
    return list(User.objects.filter(pk__in=asked, is_active=True).order_by("id"))
