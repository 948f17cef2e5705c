"""The audit: who did what, who looked, and proof that the rows are as they were written.

``record`` belongs inside the transaction of the act it speaks of; if it fails, the act fails. ``looked_at`` is called
by doors. Rows hold ids, codes and field names; never a name, an answer or a sentence.
"""

import contextlib
import hashlib
import uuid
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.core.cache import cache
from django.db import models
from django.http import HttpRequest

from clinic.access import role_at
from clinic.models import AuditEvent, Outcome, User

READ_ONCE_EVERY = timedelta(minutes=15)


class Verb(StrEnum):
    """Everything that is audited: ``subject.happened``, in alphabetical order."""

    ALERT_CLOSED = "alert.closed"
    ALERT_CONTACT_RECORDED = "alert.contact_recorded"
    ALERT_RAISED = "alert.raised"
    ANSWERS_CORRECTED = "answers.corrected"
    ANSWERS_ENTERED = "answers.entered"
    ANSWERS_HANDED_IN = "answers.handed_in"
    ANSWER_LINK_MADE = "answer_link.made"
    ANSWER_LINK_OPENED = "answer_link.opened"
    ANSWER_LINK_REFUSED = "answer_link.refused"
    APPOINTMENT_BOOKED = "appointment.booked"
    APPOINTMENT_CANCELLED = "appointment.cancelled"
    APPOINTMENT_CHANGE_ANSWERED = "appointment.change_answered"
    APPOINTMENT_CHANGE_ASKED = "appointment.change_asked"
    APPOINTMENT_CHANGE_WITHDRAWN = "appointment.change_withdrawn"
    APPOINTMENT_CHECKED_IN = "appointment.checked_in"
    APPOINTMENT_CHECK_IN_UNDONE = "appointment.check_in_undone"
    APPOINTMENT_COMPLETED = "appointment.completed"
    APPOINTMENT_CONFIRMED = "appointment.confirmed"
    APPOINTMENT_ESCORT_ASKED = "appointment.escort_asked"
    APPOINTMENT_HELD = "appointment.held"
    APPOINTMENT_LEFT = "appointment.left"
    APPOINTMENT_LEFT_UNDONE = "appointment.left_undone"
    APPOINTMENT_MISSED = "appointment.missed"
    APPOINTMENT_MISS_UNDONE = "appointment.miss_undone"
    APPOINTMENT_MOVED = "appointment.moved"
    APPOINTMENT_RECORDED = "appointment.recorded"
    APPOINTMENT_RECORD_UNDONE = "appointment.record_undone"
    APPOINTMENT_STARTED = "appointment.started"
    APPOINTMENT_WHEREABOUTS_SAID = "appointment.whereabouts_said"
    ASKING_RULE_CHANGED = "asking_rule.changed"
    AUDIT_SEARCHED = "audit.searched"
    BREAK_GLASS_REVIEWED = "break_glass.reviewed"
    BREAK_GLASS_USED = "break_glass.used"
    CALENDAR_FEED_MADE = "calendar_feed.made"
    CALENDAR_FEED_REFUSED = "calendar_feed.refused"
    CALENDAR_FEED_REVOKED = "calendar_feed.revoked"
    CARE_TEAM_CHANGED = "care_team.changed"
    CLEARANCE_DECIDED = "clearance.decided"
    CLEARANCE_MOVED = "clearance.moved"
    CLOSURE_CANCELLED = "closure.cancelled"
    CLOSURE_ENTERED = "closure.entered"
    CONSENT_SIGNED = "consent.signed"
    CONSENT_TEXT_DRAFTED = "consent_text.drafted"
    CONSENT_TEXT_PUBLISHED = "consent_text.published"
    CONSENT_WITHDRAWN = "consent.withdrawn"
    CONTACT_ADDED = "contact.added"
    CONTACT_CHANGED = "contact.changed"
    CONTACT_ENDED = "contact.ended"
    COURSE_BOOKED = "course.booked"
    COURSE_REPLANNED = "course.replanned"
    ABSENCE_REPLANNED = "absence.replanned"
    CALL_NOT_ANSWERED = "call.not_answered"
    DEVICE_ENROLLED = "device.enrolled"
    DEVICE_REFUSED = "device.refused"
    DEVICE_REVOKED = "device.revoked"
    EQUIPMENT_CHANGED = "equipment.changed"
    FLAG_DECIDED = "flag.decided"
    FLAG_RAISED = "flag.raised"
    FLAG_SETTLED = "flag.settled"
    HEALTH_CORRECTED = "health.corrected"
    HEALTH_RECORDED = "health.recorded"
    HOURS_CHANGED = "hours.changed"
    INSTRUMENT_WORDING_CHANGED = "instrument_wording.changed"
    KIOSK_CODE_GIVEN = "kiosk.code_given"
    KIOSK_CODE_REFUSED = "kiosk.code_refused"
    KIOSK_OPENED = "kiosk.opened"
    LICENCE_CHANGED = "licence.changed"
    LIST_READ = "list.read"
    LOCATION_CHANGED = "location.changed"
    MEMBERSHIP_CHANGED = "membership.changed"
    MEMBERSHIP_ENDED = "membership.ended"
    MEMBERSHIP_STARTED = "membership.started"
    MESSAGE_FAILED = "message.failed"
    MESSAGE_OUTCOME_UNKNOWN = "message.outcome_unknown"
    MESSAGE_QUEUED = "message.queued"
    MESSAGE_SENT = "message.sent"
    MESSAGE_SETTLED = "message.settled"
    MESSAGE_SKIPPED = "message.skipped"
    PACKET_EXPIRED = "packet.expired"
    PACKET_INVITED = "packet.invited"
    PACKET_SUBMITTED = "packet.submitted"
    PACKET_WITHDRAWN = "packet.withdrawn"
    PAGE_ACKNOWLEDGED = "page.acknowledged"
    PAGE_CALLED = "page.called"
    PAGE_CLOSED = "page.closed"
    PAGE_OPENED = "page.opened"
    PASSWORD_CHANGED = "password.changed"
    PATIENT_ADDRESS_CHANGED = "patient.address_changed"
    PATIENT_ADDRESS_CHANGE_ASKED = "patient.address_change_asked"
    PATIENT_ADDRESS_CHANGE_REFUSED = "patient.address_change_refused"
    PATIENT_CHANGED = "patient.changed"
    PATIENT_LIFE_STATE_CHANGED = "patient.life_state_changed"
    PATIENT_MERGED = "patient.merged"
    PATIENT_REGISTERED = "patient.registered"
    PATIENT_UNMERGED = "patient.unmerged"
    PERMISSION_REFUSED = "permission.refused"
    POLICY_APPROVED = "policy.approved"
    POLICY_DISCARDED = "policy.discarded"
    POLICY_DRAFTED = "policy.drafted"
    PORTAL_INVITATION_WITHDRAWN = "portal.invitation_withdrawn"
    PORTAL_INVITED = "portal.invited"
    PORTAL_JOINED = "portal.joined"
    PORTAL_JOIN_REFUSED = "portal.join_refused"
    PORTAL_SUSPENDED = "portal.suspended"
    PREFERENCE_CHANGED = "preference.changed"
    QUESTIONNAIRE_ASKED = "questionnaire.asked"
    QUESTIONNAIRE_CANCELLED = "questionnaire.cancelled"
    QUESTIONNAIRE_EXPIRED = "questionnaire.expired"
    RECORD_READ = "record.read"
    REFERRAL_ACCEPTED = "referral.accepted"
    REFERRAL_BOOKED = "referral.booked"
    REFERRAL_CLOSED = "referral.closed"
    REFERRAL_DECLINED = "referral.declined"
    REFERRAL_LINKED = "referral.linked"
    REFERRAL_RECEIVED = "referral.received"
    REFERRAL_REOPENED = "referral.reopened"
    REFERRAL_UNLINKED = "referral.unlinked"
    REFERRER_ENDED = "referrer.ended"
    REFERRER_WRITTEN = "referrer.written"
    REMINDER_PLAN_PUBLISHED = "reminder_plan.published"
    ROOM_CHANGED = "room.changed"
    ROTA_CHANGED = "rota.changed"
    SAFETY_PLAN_WRITTEN = "safety_plan.written"
    SECOND_FACTOR_ADDED = "second_factor.added"
    SECOND_FACTOR_REMOVED = "second_factor.removed"
    SECOND_FACTOR_RESET = "second_factor.reset"
    SESSION_ENDED = "session.ended"
    SIGNATURE_REFUSED = "signature.refused"
    SIGNED = "signature.made"
    SIGNED_IN = "session.signed_in"
    SIGNED_OUT = "session.signed_out"
    SIGN_IN_FAILED = "session.sign_in_failed"
    STAFF_CHANGED = "staff.changed"
    STAFF_INVITATION_WITHDRAWN = "staff.invitation_withdrawn"
    STAFF_INVITED = "staff.invited"
    STAFF_JOINED = "staff.joined"
    STAFF_LEFT = "staff.left"
    SUPPRESSION_CHANGED = "suppression.changed"
    TIME_OFF_CANCELLED = "time_off.cancelled"
    TIME_OFF_ENTERED = "time_off.entered"
    VISIT_TYPE_PUBLISHED = "visit_type.published"
    VISIT_REQUESTED = "visit_request.asked"
    VISIT_REQUEST_SETTLED = "visit_request.settled"
    WAITLIST_ANSWERED = "waitlist.answered"
    WAITLIST_ASKED = "waitlist.asked"
    WAITLIST_ENDED = "waitlist.ended"
    WAITLIST_OFFERED = "waitlist.offered"
    WORK_ITEM_CLOSED = "work_item.closed"
    WORK_ITEM_HANDED_OVER = "work_item.handed_over"


@dataclass(frozen=True)
class RequestFacts:
    """Where an act came from; set once a request by clinic.middleware, empty in workers and commands."""

    request_id: str = ""
    session_hash: str = ""
    address: str | None = None
    page: str = ""
    device_id: uuid.UUID | None = None


_NO_REQUEST = RequestFacts()
facts: ContextVar[RequestFacts] = ContextVar("audit_request_facts", default=_NO_REQUEST)


def record(
    by: User | None,
    verb: Verb,
    subject: models.Model | None,
    *,
    now: datetime,
    patient_id: uuid.UUID | None = None,
    location_id: uuid.UUID | None = None,
    outcome: Outcome = Outcome.DONE,
    details: dict[str, Any] | None = None,
) -> AuditEvent:
    """Write one audit row and return it. ``by`` is None only for a stranger.

    ``patient_id`` and ``location_id`` are read off the subject when it has such fields and none are given.
    """
    event = _event(
        by, verb, subject, now=now, patient_id=patient_id, location_id=location_id, outcome=outcome, details=details
    )
    event.save(force_insert=True)
    return event


def _event(
    by: User | None,
    verb: Verb,
    subject: models.Model | None,
    *,
    now: datetime,
    patient_id: uuid.UUID | None,
    location_id: uuid.UUID | None,
    outcome: Outcome,
    details: dict[str, Any] | None,
) -> AuditEvent:
    where = location_id or getattr(subject, "location_id", None) or getattr(subject, "home_location_id", None)
    seen = facts.get()
    return AuditEvent(
        at=now,
        actor_id=by.pk if by else None,
        acting_role=role_at(by, where) if by else "",
        verb=verb,
        subject_type=(subject._meta.model_name or "") if subject is not None else "",
        subject_id=subject.pk if subject is not None else None,
        patient_id=patient_id or _patient_of(subject),
        location_id=where,
        outcome=outcome,
        details=details or {},
        page=seen.page,
        request_id=seen.request_id,
        session_hash=seen.session_hash,
        address=seen.address,
        device_id=seen.device_id,
    )


# The rows of refusals that undo the transaction they are about; None outside of a request.
_afterwards: ContextVar[list[AuditEvent] | None] = ContextVar("audit_afterwards", default=None)


def record_afterwards(
    by: User | None,
    verb: Verb,
    subject: models.Model | None,
    *,
    now: datetime,
    patient_id: uuid.UUID | None = None,
    location_id: uuid.UUID | None = None,
    outcome: Outcome = Outcome.REFUSED,
    details: dict[str, Any] | None = None,
) -> None:
    """Write one audit row when the request is over, for a refusal that undoes what was written before it.

    Outside of a request it is written at once, and stays if the caller's transaction does.
    """
    event = _event(
        by, verb, subject, now=now, patient_id=patient_id, location_id=location_id, outcome=outcome, details=details
    )
    waiting = _afterwards.get()
    if waiting is None:
        event.save(force_insert=True)
    else:
        waiting.append(event)


@contextlib.contextmanager
def writes_afterwards() -> Iterator[None]:
    """Write what ``record_afterwards`` was given inside the block once the block is over, whatever became of it."""
    waiting: list[AuditEvent] = []
    token = _afterwards.set(waiting)
    try:
        yield
    finally:
        _afterwards.reset(token)
        for event in waiting:
            event.save(force_insert=True)


def _patient_of(subject: models.Model | None) -> uuid.UUID | None:
    if subject is None:
        return None
    if subject._meta.model_name == "patient":
        return uuid.UUID(str(subject.pk))
    found: uuid.UUID | None = getattr(subject, "patient_id", None)
    return found


def looked_at(request: HttpRequest, subject: models.Model, *, now: datetime) -> None:
    """Write that the person behind ``request`` read ``subject``: one row a person, record, page and quarter of an hour.

    The memory of who has looked is Redis's; without it there are more rows, never fewer.
    """
    user = request.user
    if not isinstance(user, User):
        return
    with _once(user, f"{subject._meta.label_lower}:{subject.pk}:{facts.get().page}", now) as is_new:
        if is_new:
            record(user, Verb.RECORD_READ, subject, now=now)


def listed(request: HttpRequest, name: str, ids: list[uuid.UUID], *, now: datetime) -> None:
    """Write which patients a list showed to the person behind ``request``: one row a page of results."""
    user = request.user
    if not isinstance(user, User) or not ids:
        return
    with _once(user, f"{name}:{','.join(sorted(map(str, ids)))}", now) as is_new:
        if is_new:
            record(user, Verb.LIST_READ, None, now=now, details={"list": name, "patients": [str(i) for i in ids]})


def searched(
    request: HttpRequest, *, fields: list[str], what: str, patient_id: uuid.UUID | None, now: datetime
) -> None:
    """Write that the person behind ``request`` read the audit, and by which fields: one row a search and quarter of an hour.

    ``what`` tells one search from another; it is hashed and not kept.
    """
    user = request.user
    if not isinstance(user, User):
        return
    with _once(user, f"audit:{what}", now) as is_new:
        if is_new:
            record(user, Verb.AUDIT_SEARCHED, None, now=now, patient_id=patient_id, details={"fields": fields})


@contextlib.contextmanager
def _once(user: User, what: str, now: datetime) -> Iterator[bool]:
    """Give whether ``user`` reads ``what`` for the first time in this quarter of an hour; remember it once it is written."""
    quarter = int(now.timestamp() // READ_ONCE_EVERY.total_seconds())
    key = "read:" + hashlib.sha256(f"{user.pk}:{what}:{quarter}".encode()).hexdigest()[:40]
    try:
        is_new = cache.get(key) is None
    except Exception:  # Redis away in any way: write the row.
        is_new = True
    yield is_new
    if is_new:
        # Redis away in any way: the next reading writes another row.
        with contextlib.suppress(Exception):
            cache.set(key, 1, int(READ_ONCE_EVERY.total_seconds()))
