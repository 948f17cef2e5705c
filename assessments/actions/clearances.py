"""Clearances: the question is opened, moves with the packet, is suspended by a new fact, runs out, is withdrawn.

A move is legal when ``Clearance.MOVES`` says so, and leaves a ``ClearanceMove``. Whoever moves a clearance holds its patient's row first, as every
recomputing of flags does: a new BLOCK and a decision can never pass each other.
"""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from assessments.models import Clearance, ClearanceMove, ScreeningFlag
from clinic import audit, localtime
from clinic.actions import system, worklist
from clinic.errors import Refused
from clinic.models import Role, Signature, User, WorkItem
from patients.models import CareTeamMember, Patient

logger = logging.getLogger(__name__)

# How soon a prescriber looks at what was handed in, and at what was suspended.
REVIEW_WITHIN = timedelta(days=3)
SUSPENDED_WITHIN = timedelta(hours=4)

Status, Cause = Clearance.Status, ClearanceMove.Cause


class ReviewIsOpen(Refused):
    """One open question a patient."""

    def __init__(self) -> None:
        super().__init__(_("A review is open for this patient already. Decide that one; then open another."))


class NotInCare(Refused):
    """Nobody is cleared who has died or was discharged."""

    def __init__(self, patient: Patient) -> None:
        super().__init__(
            _("The record says that this patient is %(state)s. Correct the state of care on the desk’s page first.")
            % {"state": patient.get_life_state_display()}
        )


class NotOfTheTeam(Refused):
    """An emergency opening reads, and records what the patient says; it opens no review and decides none."""

    def __init__(self) -> None:
        super().__init__(
            _("Only a prescriber of this patient’s care team decides or opens a review. Ask to be added to the team, or ask its prescriber.")
        )  # fmt: skip


class HasEnded(Refused):
    """What ended stays as it ended."""

    def __init__(self) -> None:
        super().__init__(_("This has ended already. Reload the page; a new review can be opened."))


def locked_patient(patient: Patient) -> Patient:
    """Return the patient, held for this transaction, with the home location."""
    rows = Patient.objects.select_for_update(no_key=True, of=("self",)).select_related("home_location")
    return rows.get(pk=patient.pk)


def move(
    *,
    by: User,
    clearance: Clearance,
    to: str,
    cause: str,
    now: datetime,
    reason: str = "",
    flag: ScreeningFlag | None = None,
    content: str = "",
    signature: Signature | None = None,
    fields: tuple[str, ...] = (),
) -> Clearance:
    """Return the clearance in its new state, with the move beside it. ``fields`` are saved with it.

    The caller holds the row. An illegal move is a mistake of ours and not the reader's: it raises, and nothing is kept.
    """
    if to not in Clearance.MOVES[clearance.status]:
        raise ValueError(f"A clearance does not go from {clearance.status} to {to}.")
    was, clearance.status, clearance.since = clearance.status, to, now
    clearance.version += 1
    clearance.save(update_fields=["status", "since", "version", *fields])
    ClearanceMove.objects.create(
        clearance=clearance, from_status=was, to_status=to, cause=cause, reason=reason, flag=flag, content=content,
        signature=signature, by=by, at=now,
    )  # fmt: skip
    verb = audit.Verb.CLEARANCE_DECIDED if signature else audit.Verb.CLEARANCE_MOVED
    audit.record(by, verb, clearance, now=now, details={"from": was, "to": to, "cause": cause})
    return clearance


def _live(patient: Patient, *statuses: str) -> list[Clearance]:
    rows = Clearance.objects.filter(patient=patient, status__in=statuses)
    return list(rows.select_for_update(no_key=True).order_by("id"))


@transaction.atomic
def open_clearance(*, by: User, patient: Patient, now: datetime) -> Clearance:
    """Return the question whether this patient may be treated, with no route yet. Open already: the open one.

    Refuses a patient who has died or was discharged.
    """
    patient = locked_patient(patient)
    if not patient.gets_letters:
        raise NotInCare(patient)
    found = _live(patient, *Clearance.UNDECIDED)
    asked = next((one for one in found if not one.route), None)
    if asked is not None:
        return asked
    clearance = Clearance.objects.create(patient=patient, since=now, opened_at=now, opened_by=by)
    ClearanceMove.objects.create(clearance=clearance, to_status=Status.INVITED, cause=Cause.PERSON, by=by, at=now)
    audit.record(by, audit.Verb.CLEARANCE_MOVED, clearance, now=now, details={"from": "", "to": Status.INVITED})
    return clearance


@transaction.atomic
def begin_review(*, by: User, patient: Patient, now: datetime) -> Clearance:
    """Return the clearance in review without waiting for a packet: for another route, a renewal, or a history taken in person.

    Refuses whoever is not of the care team, an emergency opening being for reading (docs/decisions/0027), a patient who has died or
    was discharged, and a second review while one is open.
    """
    if not CareTeamMember.objects.live().filter(patient=patient, user=by).exists():
        raise NotOfTheTeam
    clearance = open_clearance(by=by, patient=patient, now=now)
    if clearance.is_to_decide:
        raise ReviewIsOpen
    move(by=by, clearance=clearance, to=Status.CLINICIAN_REVIEW, cause=Cause.PERSON, now=now)
    ask_prescribers(by=by, clearance=clearance, due_at=now + REVIEW_WITHIN, now=now)
    return clearance


@transaction.atomic
def packet_moved(*, by: User, patient: Patient, status: str, now: datetime) -> Clearance:
    """Return the patient's open clearance after their packet was begun or handed in (``status``: the clearance's).

    Opened now if there is none. One that is with a prescriber already, or waits for somebody else, stays where it is; what was handed
    in is put on the prescribers' list whatever its state.
    """
    clearance = open_clearance(by=by, patient=patient, now=now)
    if status in Clearance.MOVES[clearance.status]:
        move(by=by, clearance=clearance, to=status, cause=Cause.PACKET, now=now)
    if status == Status.PACKET_SUBMITTED:
        ask_prescribers(by=by, clearance=clearance, due_at=now + REVIEW_WITHIN, now=now)
    return clearance


def ask_prescribers(*, by: User, clearance: Clearance, due_at: datetime, now: datetime) -> WorkItem:
    """Return the item on the list of the prescribers of the patient's location."""
    patient = clearance.patient
    return worklist.open_item(
        by=by, kind=WorkItem.Kind.CLEARANCE_REVIEW, location=patient.home_location, owner_role=Role.PRESCRIBER,
        subject_type="clearance", subject_id=clearance.pk, patient_id=patient.pk, due_at=due_at, now=now,
    )  # fmt: skip


@transaction.atomic
def suspend(*, by: User, patient: Patient, flag: ScreeningFlag, now: datetime) -> list[Clearance]:
    """Return the clearances that a new BLOCK suspended, whatever their route; none when nothing was cleared.

    Called in the transaction of the fact. What it makes of visits is computed where they are shown. Source: domain.md 1.6.
    """
    return _suspend(by=by, patient=patient, cause=Cause.NEW_BLOCK, flag=flag, now=now)


@transaction.atomic
def suspend_after_merge(*, by: User, patient: Patient, now: datetime) -> list[Clearance]:
    """Return the clearances that a merge of two records, or its undoing, suspended until a prescriber has looked.

    What was decided was decided about one of the two records. What screening has suspended already stays so.
    """
    return _suspend(by=by, patient=patient, cause=Cause.MERGE, flag=None, now=now)


def _suspend(
    *, by: User, patient: Patient, cause: ClearanceMove.Cause, flag: ScreeningFlag | None, now: datetime
) -> list[Clearance]:
    patient = locked_patient(patient)
    suspended = _live(patient, *Clearance.CLEARED)
    for clearance in suspended:
        clearance.patient = patient
        move(by=by, clearance=clearance, to=Status.SUSPENDED, cause=cause, flag=flag, now=now)
        ask_prescribers(by=by, clearance=clearance, due_at=now + SUSPENDED_WITHIN, now=now)
    return suspended


@transaction.atomic
def withdraw(*, by: User, clearance: Clearance, reason: str, now: datetime) -> Clearance:
    """Return the clearance, withdrawn because the patient said so to ``by``. Refuses one that has ended.

    Whoever does not want to go on is not treated by another route either: everything that is asked or cleared ends with it.
    """
    patient = locked_patient(clearance.patient)
    live = {one.pk: one for one in _live(patient, *Clearance.LIVE)}
    if clearance.pk not in live:
        raise HasEnded
    for one in live.values():
        one.patient = patient
        move(by=by, clearance=one, to=Status.WITHDRAWN_BY_PATIENT, cause=Cause.PERSON, reason=reason, now=now)
        settle_work(by=by, clearance=one, outcome=WorkItem.Outcome.NOT_NEEDED, now=now)
    return live[clearance.pk]


def settle_work(*, by: User, clearance: Clearance, outcome: WorkItem.Outcome, now: datetime) -> None:
    """Take the clearance off the prescribers' list."""
    worklist.close_about(
        by=by, kind=WorkItem.Kind.CLEARANCE_REVIEW, subject_id=clearance.pk, outcome=outcome, now=now
    )  # fmt: skip


def expire_due(*, now: datetime) -> int:
    """End what has run out and bring back what was put off until today; return how many. Called by beat; a second run finds nothing.

    Days are those of the patient's clinic. Each in a transaction of its own, so that one that fails holds up no other.
    """
    # The day after, because somewhere it may be tomorrow already; the zone decides below.
    due = Clearance.objects.filter(
        status__in=[*Clearance.CLEARED, Status.SUSPENDED, Status.DEFERRED],
        expires_on__lte=now.date() + timedelta(days=1),
    )
    by, ended = system.sam(now=now), 0
    for one in due.select_related("patient").order_by("expires_on", "id"):
        try:
            ended += _ran_out(by=by, clearance=one, now=now)
        except Exception:  # whatever is wrong with one record, the others end and come back on their day
            logger.exception("Clearance %s could not be ended.", one.pk)
    return ended


@transaction.atomic
def _ran_out(*, by: User, clearance: Clearance, now: datetime) -> bool:
    patient = locked_patient(clearance.patient)
    clearance = Clearance.objects.select_for_update(no_key=True).get(pk=clearance.pk)
    clearance.patient = patient
    today = localtime.day_of(now, patient.home_location.tz)
    until = clearance.expires_on
    if until is None:
        return False
    if clearance.status == Status.DEFERRED and until <= today:
        move(by=by, clearance=clearance, to=Status.CLINICIAN_REVIEW, cause=Cause.RAN_OUT, now=now)
        ask_prescribers(by=by, clearance=clearance, due_at=now + REVIEW_WITHIN, now=now)
        return True
    if clearance.status in (*Clearance.CLEARED, Status.SUSPENDED) and until < today:
        move(by=by, clearance=clearance, to=Status.EXPIRED, cause=Cause.RAN_OUT, now=now)
        settle_work(by=by, clearance=clearance, outcome=WorkItem.Outcome.NOT_NEEDED, now=now)
        return True
    return False
