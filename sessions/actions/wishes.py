"""Wishes: a patient asks on the portal for another time, and a person answers; until then they may take it back.

A wish that is met is met by moving or cancelling the visit (``changes``), which settles it here.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from clinic import audit, businessdays
from clinic.actions import outbox, worklist
from clinic.errors import Refused
from clinic.models import OutboundMessage, Role, User, WorkItem
from patients.actions import crisis
from sessions.actions import reminders
from sessions.models import Appointment, ChangeRequest, Reminder

# A wish is answered this long before its visit at the latest, whatever the next working day is.
ANSWER_BEFORE = timedelta(hours=4)
# Wishes about one visit that may be taken back; then it is quicker to phone, and the desk reads no more of them.
MOST_TAKEN_BACK = 5
# The letter that says a wish was answered.
ANSWERED = "wish_answered"


class NotChangedHere(Refused):
    """The visit is not to come, or is of a kind that is changed by phone only."""


class TooLate(Refused):
    """The visit begins within the notice of its kind."""


class AlreadyAsked(Refused):
    """There is an unanswered wish about this visit."""

    def __init__(self) -> None:
        super().__init__(_("You have asked about this visit already. We will answer; there is nothing more to do."))


class TakenBackTooOften(Refused):
    """The patient took so many wishes about this visit back that the next one is better said on the phone."""

    def __init__(self, phone: str) -> None:
        super().__init__(
            _("You have taken back several wishes about this visit. Please phone us about it: %(phone)s.")
            % {"phone": phone}
        )


class AlreadyAnswered(Refused):
    """Somebody answered the wish first."""

    def __init__(self) -> None:
        super().__init__(_("Somebody has answered this already. Reload the page to see what was said."))


class TakenBack(Refused):
    """The patient took the wish back first."""

    def __init__(self) -> None:
        super().__init__(_("The patient has taken this back. There is nothing to answer any more; the visit stays."))


class AnsweredFirst(Refused):
    """The clinic answered before the patient took the wish back."""

    def __init__(self, phone: str) -> None:
        super().__init__(
            _("We answered this before you took it back. See below what became of it, or phone us: %(phone)s.")
            % {"phone": phone}
        )


def guard_by_patient(visit: Appointment, now: datetime) -> None:
    """Refuse what a patient may not change or cancel on the portal; the visit's row is locked.

    That is a visit that is not to come, a kind that is changed by phone only, and one within its kind's notice.
    """
    phone = {"phone": visit.location.phone}
    if visit.is_cancelled:
        raise NotChangedHere(_("This visit is cancelled already. For another time please phone us: %(phone)s.") % phone)
    if not visit.can_be_moved or visit.starts_at <= now:
        raise NotChangedHere(_("This visit can no longer be changed here. Please phone us: %(phone)s.") % phone)
    if not visit.visit_type.patient_may_request_change:
        raise NotChangedHere(_("Please phone us about this visit: %(phone)s.") % phone)
    if now > visit.notice_ends_at():
        raise TooLate(
            _("Your visit is in less than %(hours)d hours, so please phone us: %(phone)s. We will find a way.")
            % {**phone, "hours": visit.visit_type.notice_hours}
        )


@transaction.atomic
def ask_change(
    *, by: User, appointment: Appointment, wish: ChangeRequest.Wish, message: str, now: datetime
) -> ChangeRequest:
    """Return the patient's wish about a visit, with an item for the desk, due by the end of the next business day and before the visit.

    Refuses a visit that is not to come, a kind of visit that is changed by phone only, a wish within the visit type's
    notice, a second wish while the first waits, and one more after so many were taken back.
    """
    visit = Appointment.objects.locked().get(pk=appointment.pk)
    guard_by_patient(visit, now)
    if ChangeRequest.objects.filter(appointment=visit, status=ChangeRequest.Status.OPEN).exists():
        raise AlreadyAsked
    taken_back = ChangeRequest.objects.filter(appointment=visit, status=ChangeRequest.Status.WITHDRAWN)
    if taken_back.count() >= MOST_TAKEN_BACK:
        raise TakenBackTooOften(visit.location.phone)
    request = ChangeRequest.objects.create(appointment=visit, wish=wish, message=message, asked_by=by, asked_at=now)
    due = businessdays.end_of_next(location=visit.location, now=now)
    worklist.open_item(
        by=by, kind=WorkItem.Kind.CHANGE_REQUEST, location=visit.location, owner_role=Role.FRONT_DESK,
        subject_type=Appointment._meta.model_name or "", subject_id=visit.pk, patient_id=visit.patient_id,
        due_at=max(now, min(due, visit.starts_at - ANSWER_BEFORE)), now=now,
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

    A letter tells them that there is an answer, and nothing of it (domain.md 7); without an address somebody phones.
    A wish that can be met is met by moving or cancelling the visit, which settles it. Refuses one that is answered, and
    one the patient took back.
    """
    request = _locked(change_request)
    if request.status == ChangeRequest.Status.WITHDRAWN:
        raise TakenBack
    if request.status != ChangeRequest.Status.OPEN:
        raise AlreadyAnswered
    _close(
        by=by, request=request, status=ChangeRequest.Status.REFUSED, outcome=WorkItem.Outcome.REFUSED, answer=answer,
        now=now,
    )  # fmt: skip
    _tell(by=by, request=request, now=now)
    return request


@transaction.atomic
def withdraw_change_request(*, by: User, change_request: ChangeRequest, now: datetime) -> ChangeRequest:
    """Return the wish, taken back by the patient, and off the desk's list; the visit stays as it is. Twice is once.

    Refuses one that was answered. Words that may mean danger stay with whoever was asked to read them.
    """
    request = _locked(change_request)
    if request.status == ChangeRequest.Status.WITHDRAWN:
        return request
    if request.status != ChangeRequest.Status.OPEN:
        raise AnsweredFirst(request.appointment.location.phone)
    return _close(
        by=by, request=request, status=ChangeRequest.Status.WITHDRAWN, outcome=WorkItem.Outcome.NOT_NEEDED, answer="",
        now=now,
    )  # fmt: skip


def _locked(change_request: ChangeRequest) -> ChangeRequest:
    """Return the wish as it is now, locked after its visit, which comes with it."""
    visit = Appointment.objects.locked().get(pk=change_request.appointment_id)
    request = ChangeRequest.objects.select_for_update(no_key=True).get(pk=change_request.pk)
    request.appointment = visit
    return request


def is_told(*, visit: Appointment, now: datetime) -> bool:
    """Return whether a patient is told that their wish was answered: by letter, or by phone without an address."""
    return visit.patient.gets_letters and visit.starts_at > now


def _tell(*, by: User, request: ChangeRequest, now: datetime) -> None:
    """Tell the patient by e-mail that their wish was answered, or have somebody phone a patient who has no address."""
    visit = Appointment.objects.select_related("location", "patient__home_location").get(pk=request.appointment_id)
    patient = visit.patient
    if not is_told(visit=visit, now=now):
        return
    if not patient.email:
        reminders.ask_to_call(by=by, visit=visit, due_at=min(now + reminders.CALL_WITHIN, visit.starts_at), now=now)
        return
    outbox.queue(
        by=by, kind=ANSWERED, subject_type=ChangeRequest._meta.model_name or "", subject_id=request.pk,
        schedule_version=visit.schedule_version, location_id=visit.location_id, useful_until=visit.starts_at, now=now,
        to=outbox.Recipient(
            kind=OutboundMessage.RecipientKind.PATIENT, id=patient.pk, address=patient.email, tz=patient.tz,
            language=patient.letter_language,
        ),
    )  # fmt: skip


@transaction.atomic
def call_instead(*, by: User, message: OutboundMessage, reason: str, now: datetime) -> WorkItem | None:
    """Return the item that asks for a call in place of the letter about an answer, which cannot reach them; else None."""
    if reason not in {Reminder.Reason.NO_ADDRESS, OutboundMessage.Reason.SUPPRESSED}:
        return None
    request = ChangeRequest.objects.select_related("appointment__location").get(pk=message.subject_id)
    visit = request.appointment
    return reminders.ask_to_call(
        by=by, visit=visit, due_at=min(now + reminders.CALL_WITHIN, visit.starts_at), now=now
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
    withdrawn = status == ChangeRequest.Status.WITHDRAWN
    audit.record(
        by,
        audit.Verb.APPOINTMENT_CHANGE_WITHDRAWN if withdrawn else audit.Verb.APPOINTMENT_CHANGE_ANSWERED,
        request.appointment,
        now=now,
        details={"wish": request.wish, "status": status},
    )
    return request
