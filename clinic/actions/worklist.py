"""Work items: opened by actions of every floor, closed by the person who did the work."""

import uuid
from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from clinic import audit
from clinic.errors import Refused
from clinic.models import Location, Membership, Role, User, WorkItem


class AlreadyClosed(Refused):
    """Somebody closed the item first."""

    def __init__(self) -> None:
        super().__init__(_("Somebody has closed this already. Reload the list to see what was done."))


class NotYourItem(Refused):
    """The item belongs to somebody else."""

    def __init__(self) -> None:
        super().__init__(_("This belongs to somebody else. Ask them, or a manager, to hand it over."))


class AnswerItInstead(Refused):
    """The item closes when what it asks for is done, and not before."""

    def __init__(self) -> None:
        super().__init__(
            _("This goes off the list by itself once it is answered. Open what it is about and decide there; then nobody waits.")
        )  # fmt: skip


# Somebody waits for an answer to these, and cannot ask a second time: closing the item would leave them waiting for ever.
ANSWERED_BY_AN_ACT = frozenset(
    {
        WorkItem.Kind.REFERRAL,
        WorkItem.Kind.INTAKE_TO_BOOK,
        WorkItem.Kind.CHANGE_REQUEST,
        WorkItem.Kind.VISIT_REQUEST,
        WorkItem.Kind.ADDRESS_CHANGED,
        WorkItem.Kind.CAPACITY_CONCERN,
        WorkItem.Kind.CLEARANCE_REVIEW,
        WorkItem.Kind.PAGE,
        # Parts of the software stand still until a draft of limits is approved or discarded.
        WorkItem.Kind.POLICY_DRAFT,
        WorkItem.Kind.RISK_ALERT,
    }
)


# Items belong to the act that asks for them or answers them, and go with it: so no savepoint of their own.
@transaction.atomic(savepoint=False)
def open_item(
    *,
    by: User | None,
    kind: WorkItem.Kind,
    location: Location,
    subject_type: str,
    subject_id: uuid.UUID,
    due_at: datetime,
    now: datetime,
    owner: User | None = None,
    owner_role: Role | None = None,
    patient_id: uuid.UUID | None = None,
) -> WorkItem:
    """Return the open item of that kind about that subject for that owner, made now unless it is open already.

    One that is open already is due when it is needed sooner, and never later. Refuses nobody as an owner: a person, or a role
    at the location, has to do it.
    """
    item, is_new = WorkItem.objects.get_or_create(
        kind=kind,
        subject_id=subject_id,
        owner=owner,
        closed_at=None,
        defaults={
            "location": location,
            "owner_role": owner_role or "",
            "subject_type": subject_type,
            "patient_id": patient_id,
            "created_at": now,
            "due_at": due_at,
        },
    )
    if not is_new and due_at < item.due_at:
        item.due_at = due_at
        item.save(update_fields=["due_at"])
    return item


@transaction.atomic
def close_item(*, by: User, item: WorkItem, outcome: WorkItem.Outcome, note: str, now: datetime) -> WorkItem:
    """Return the item, closed with its outcome.

    Refuses a closed one, somebody else's, and one that asks for an answer somebody waits for: giving it closes the item.
    """
    item = WorkItem.objects.select_for_update(no_key=True).get(pk=item.pk)
    if item.closed_at is not None:
        raise AlreadyClosed
    if item.owner_id not in {None, by.pk}:
        raise NotYourItem
    if (
        item.owner_id is None
        and not Membership.objects.live().filter(user=by, location_id=item.location_id, role=item.owner_role).exists()
    ):
        raise NotYourItem
    if item.kind in ANSWERED_BY_AN_ACT:
        raise AnswerItInstead
    return _close(by=by, item=item, outcome=outcome, note=note, now=now)


def _close(*, by: User, item: WorkItem, outcome: WorkItem.Outcome, note: str, now: datetime) -> WorkItem:
    item.closed_at, item.closed_by, item.outcome, item.outcome_note = now, by, outcome, note
    item.save(update_fields=["closed_at", "closed_by", "outcome", "outcome_note"])
    audit.record(by, audit.Verb.WORK_ITEM_CLOSED, item, now=now, details={"kind": item.kind, "outcome": outcome})
    return item


@transaction.atomic(savepoint=False)
def close_about(
    *,
    by: User,
    kind: WorkItem.Kind,
    subject_id: uuid.UUID,
    outcome: WorkItem.Outcome,
    now: datetime,
    note: str = "",
    or_kind: WorkItem.Kind | None = None,
) -> int:
    """Close every open item of a kind (or of ``or_kind``) about a subject: the act it asked for was done. Return how many."""
    kinds = [kind] if or_kind is None else [kind, or_kind]
    about = WorkItem.objects.open().filter(kind__in=kinds, subject_id=subject_id)
    items = list(about.select_for_update(no_key=True).order_by("id"))
    for item in items:
        _close(by=by, item=item, outcome=outcome, note=note, now=now)
    return len(items)


@transaction.atomic
def hand_over(*, by: User, leaver: User, to_role_at: dict[uuid.UUID, Role], now: datetime) -> int:
    """Give the open items of somebody who left to a role at each item's location. Return how many.

    ``to_role_at`` maps location ids to the role that inherits; items elsewhere go to the managers there.
    """
    items = list(WorkItem.objects.open().filter(Q(owner=leaver)).select_for_update(no_key=True).order_by("id"))
    for item in items:
        role = to_role_at.get(item.location_id, Role.MANAGER)
        twin = WorkItem.objects.open().filter(kind=item.kind, subject_id=item.subject_id, owner=None).exists()
        if twin:
            _close(by=by, item=item, outcome=WorkItem.Outcome.NOT_NEEDED, note="", now=now)
            continue
        item.owner, item.owner_role = None, role
        item.save(update_fields=["owner", "owner_role"])
        audit.record(by, audit.Verb.WORK_ITEM_HANDED_OVER, item, now=now, details={"to_role": role})
    return len(items)
