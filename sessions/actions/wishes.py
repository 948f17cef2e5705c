"""Wishes: a patient asks on the portal for another time or not to come, and a person answers.

A wish that is met is met by moving or cancelling the visit (``visits``), which settles it here.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from clinic import audit
from clinic.actions import worklist
from clinic.errors import Refused
from clinic.models import Role, User, WorkItem
from patients.actions import crisis
from sessions import availability, timetable
from sessions.models import Appointment, ChangeRequest

# A wish is answered this long before its visit at the latest, whatever the next working day is.
ANSWER_BEFORE = timedelta(hours=4)


class NotChangedHere(Refused):
    """The visit is not to come, or is of a kind that is changed by phone only."""


class TooLate(Refused):
    """The visit begins within the notice of its kind."""


class AlreadyAsked(Refused):
    """There is an unanswered wish about this visit."""

    def __init__(self) -> None:
        super().__init__(_("You have asked about this visit already. We will answer; there is nothing more to do."))


class AlreadyAnswered(Refused):
    """Somebody answered the wish first."""

    def __init__(self) -> None:
        super().__init__(_("Somebody has answered this already. Reload the page to see what was said."))


@transaction.atomic
def ask_change(
    *, by: User, appointment: Appointment, wish: ChangeRequest.Wish, message: str, now: datetime
) -> ChangeRequest:
    """Return the patient's wish about a visit, with an item for the desk, due in one business day and before the visit.

    Refuses a visit that is not to come, a kind of visit that is changed by phone only, a wish within the visit type's
    notice, and a second wish while the first waits.
    """
    visit = Appointment.objects.locked().get(pk=appointment.pk)
    phone = {"phone": visit.location.phone}
    if not visit.can_be_moved or visit.starts_at <= now:
        raise NotChangedHere(_("This visit can no longer be changed here. Please phone us: %(phone)s.") % phone)
    if not visit.visit_type.patient_may_request_change:
        raise NotChangedHere(_("Please phone us about this visit: %(phone)s.") % phone)
    if now > visit.notice_ends_at():
        raise TooLate(
            _("Your visit is in less than %(hours)d hours, so please phone us: %(phone)s. We will find a way.")
            % {**phone, "hours": visit.visit_type.notice_hours}
        )
    if ChangeRequest.objects.filter(appointment=visit, status=ChangeRequest.Status.OPEN).exists():
        raise AlreadyAsked
    request = ChangeRequest.objects.create(appointment=visit, wish=wish, message=message, asked_by=by, asked_at=now)
    calendar = timetable.read(visit.location, people=[], taken={}, start=now, end=now + timedelta(days=31))
    worklist.open_item(
        by=by, kind=WorkItem.Kind.CHANGE_REQUEST, location=visit.location, owner_role=Role.FRONT_DESK,
        subject_type=Appointment._meta.model_name or "", subject_id=visit.pk, patient_id=visit.patient_id,
        due_at=max(now, min(availability.business_day_after(now, calendar), visit.starts_at - ANSWER_BEFORE)), now=now,
    )  # fmt: skip
    audit.record(by, audit.Verb.APPOINTMENT_CHANGE_ASKED, visit, now=now, details={"wish": wish})
    crisis.review(
        by=by, text=message, location=visit.location, subject_type=Appointment._meta.model_name or "",
        subject_id=visit.pk, patient=visit.patient, now=now,
    )  # fmt: skip
    return request


@transaction.atomic
def answer_change_request(*, by: User, change_request: ChangeRequest, answer: str, now: datetime) -> ChangeRequest:
    """Return the wish, refused with an answer to the patient; the visit stays as it is.

    A wish that can be met is met by moving or cancelling the visit, which settles it. Refuses one that is answered.
    """
    visit = Appointment.objects.locked().get(pk=change_request.appointment_id)
    request = ChangeRequest.objects.select_for_update(no_key=True).get(pk=change_request.pk)
    if request.status != ChangeRequest.Status.OPEN:
        raise AlreadyAnswered
    request.appointment = visit
    return _close(
        by=by, request=request, status=ChangeRequest.Status.REFUSED, outcome=WorkItem.Outcome.REFUSED, answer=answer,
        now=now,
    )  # fmt: skip


def settle(*, by: User, appointment: Appointment, now: datetime) -> None:
    """The visit, whose row is locked, was moved or cancelled: the patient's open wish about it, if any, is done."""
    request = (
        ChangeRequest.objects.select_for_update(no_key=True)
        .filter(appointment=appointment, status=ChangeRequest.Status.OPEN)
        .first()
    )
    if request is not None:
        request.appointment = appointment
        _close(
            by=by, request=request, status=ChangeRequest.Status.DONE, outcome=WorkItem.Outcome.DONE, answer="", now=now
        )


def _close(
    *,
    by: User,
    request: ChangeRequest,
    status: ChangeRequest.Status,
    outcome: WorkItem.Outcome,
    answer: str,
    now: datetime,
) -> ChangeRequest:
    request.status, request.answer, request.answered_by, request.answered_at = status, answer, by, now
    request.save(update_fields=["status", "answer", "answered_by", "answered_at"])
    worklist.close_about(
        by=by, kind=WorkItem.Kind.CHANGE_REQUEST, subject_id=request.appointment_id, outcome=outcome, now=now
    )
    audit.record(
        by, audit.Verb.APPOINTMENT_CHANGE_ANSWERED, request.appointment, now=now,
        details={"wish": request.wish, "status": status},
    )  # fmt: skip
    return request
