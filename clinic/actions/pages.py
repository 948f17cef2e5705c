"""Pages: people are called about an alarm, and called again and higher up the ladder, until one of them answers.

Rows are the queue: ``open_page`` writes one in the caller's transaction, ``call_due`` finds what is due and writes who is
called, and the post carries the letters. Whatever stands still meanwhile, the row waits and is called when it is back.
Who is called when is ``clinic/ladder.py``; what an alarm is about belongs to the floor that opened the page.
"""

import uuid
from datetime import datetime

import structlog
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from clinic import audit, ladder, oncall, policy
from clinic.actions import outbox, worklist
from clinic.errors import Refused
from clinic.ladder import Reach
from clinic.logs import trail
from clinic.models import Channel, Location, OutboundMessage, Page, PageCall, Role, User, WorkItem

log = structlog.get_logger(__name__)

LETTER = "page"
# The reason of a letter that stayed here because somebody had answered before it left.
ANSWERED = "page_answered"
NOT_HERE = "works_here_no_more"

_URGENCIES = [Page.Urgency.YELLOW, Page.Urgency.ORANGE, Page.Urgency.RED]
_STATUS = OutboundMessage.Status
_ON_ITS_WAY = frozenset({_STATUS.QUEUED, _STATUS.SENDING, _STATUS.SENT})


class OnlyClinicians(Refused):
    """Whoever answers takes it on themselves to reach the patient, which only a licensed clinician may."""

    def __init__(self) -> None:
        super().__init__(
            _("Only a licensed clinician of the location can answer this call. Find one now: their numbers are on this page.")
        )  # fmt: skip


class AnsweredAlready(Refused):
    """Somebody else has answered."""

    def __init__(self, name: str) -> None:
        super().__init__(
            _("%(name)s has answered this call already. Speak with them before you do anything else.") % {"name": name}
        )


class NoLongerOpen(Refused):
    """What the page was about is closed."""

    def __init__(self) -> None:
        super().__init__(_("This is closed: somebody has dealt with it, and nobody is called any more."))


@transaction.atomic
def open_page(
    *,
    by: User,
    location: Location,
    urgency: Page.Urgency,
    subject_type: str,
    subject_id: uuid.UUID,
    patient_id: uuid.UUID | None,
    now: datetime,
    first_at: datetime | None = None,
) -> Page:
    """Return the open page about a subject; people are called from ``first_at`` on, at once when None.

    One is open at a time: opening it again raises its urgency when this one's is higher, calls sooner when this one
    would, and never makes it quieter. One that somebody answered rings again when it becomes more urgent.
    """
    page, made = Page.objects.select_for_update(no_key=True).get_or_create(
        subject_type=subject_type, subject_id=subject_id, closed_at=None,
        defaults={
            "location": location, "urgency": urgency, "patient_id": patient_id, "opened_at": now,
            "next_at": first_at or now,
        },
    )  # fmt: skip
    if made:
        audit.record(by, audit.Verb.PAGE_OPENED, page, now=now, details={"urgency": urgency, "about": subject_type})
        return page
    if _URGENCIES.index(urgency) > _URGENCIES.index(Page.Urgency(page.urgency)):
        page.urgency = urgency
        page.save(update_fields=["urgency"])
        if page.acknowledged_at is not None:
            return ring_again(by=by, page=page, now=now)
    if page.acknowledged_at is None and (first_at or now) < page.next_at:
        page.next_at = first_at or now
        page.save(update_fields=["next_at"])
    return page


def call_due(*, by: User, now: datetime) -> int:
    """Call about every page that is due, each in its own transaction. Return how many were.

    A page that cannot be called about keeps its place and must not keep the others from being called; /healthz says that
    one is overdue.
    """
    called, broken = 0, set[uuid.UUID]()
    while True:
        page_id: uuid.UUID | None = None
        try:
            with transaction.atomic():
                page = (
                    Page.objects.due(now)
                    .exclude(pk__in=broken)
                    .select_for_update(skip_locked=True, no_key=True, of=("self",))
                    .select_related("location")
                    .first()
                )
                if page is None:
                    return called
                page_id = page.pk
                _call(by, page, now)
        except Exception as error:  # one broken page is one too many already
            if page_id is None:
                raise
            broken.add(page_id)
            log.error("page_not_called", record=str(page_id), reason=trail(error))
        else:
            called += 1


def _call(by: User, page: Page, now: datetime) -> None:
    """Write the next step of a locked page: who is called, by which letters, and when it is looked at again."""
    reach = oncall.reach(page.location, page.patient_id, now)
    steps = ladder.rungs(page.urgency, reach)
    rung, times_round, ids = ladder.next_call(steps, page.rung, page.round)
    people = list(User.objects.filter(pk__in=ids, is_active=True).order_by("name", "id"))
    for person in people:
        _call_one(by, page, person, rung, times_round, now)
    page.rung, page.round = rung, times_round
    page.next_at = now + ladder.wait(page.urgency, steps, rung, times_round, policy.risk(now))
    page.save(update_fields=["rung", "round", "next_at"])
    audit.record(
        by, audit.Verb.PAGE_CALLED, page, now=now,
        details={"rung": rung, "round": times_round, "called": [str(person.pk) for person in people]},
    )  # fmt: skip
    if reach.has_gap:
        _tell_of_gap(by, page.location, reach, now)
    if not people:
        log.error("page_and_nobody_to_call", record=str(page.pk))
        _tell_of_failure(by, page, now)


def _call_one(by: User, page: Page, person: User, rung: int, times_round: int, now: datetime) -> None:
    """Call one person in the application, by e-mail, and by text where a number is on record."""
    call, made = PageCall.objects.get_or_create(
        page=page, user=person, rung=rung, round=times_round, defaults={"called_at": now}
    )
    if not made:
        return
    worklist.open_item(
        by=by, kind=WorkItem.Kind.PAGE, location=page.location, subject_type="page", subject_id=page.pk,
        patient_id=page.patient_id, owner=person, due_at=now, now=now,
    )  # fmt: skip
    ways = [(Channel.EMAIL, person.email)]
    if person.phone:
        ways.append((Channel.SMS, person.phone))
    for channel, address in ways:
        outbox.queue(
            by=by, kind=LETTER, channel=channel, subject_type="pagecall", subject_id=call.pk,
            location_id=page.location_id, now=now,
            to=outbox.Recipient(
                kind=OutboundMessage.RecipientKind.STAFF, id=person.pk, address=address, tz=page.location.tz
            ),
        )  # fmt: skip


def _tell_of_gap(by: User, location: Location, reach: Reach, now: datetime) -> None:
    """Tell the managers that a duty is nobody's, once while they have not seen to it."""
    worklist.open_item(
        by=by, kind=WorkItem.Kind.ROTA_GAP, location=location, subject_type="location", subject_id=location.pk,
        owner_role=Role.MANAGER, due_at=now, now=now,
    )  # fmt: skip
    log.warning("on_call_gap", record=str(location.pk), outcome="nobody" if not reach.first else "no_second")


def _tell_of_failure(by: User, page: Page, now: datetime) -> None:
    worklist.open_item(
        by=by, kind=WorkItem.Kind.PAGE_FAILED, location=page.location, subject_type="page", subject_id=page.pk,
        patient_id=page.patient_id, owner_role=Role.MANAGER, due_at=now, now=now,
    )  # fmt: skip


@transaction.atomic
def letter_not_sent(*, by: User, message: OutboundMessage, reason: str, now: datetime) -> None:
    """Take in that a letter of a call did not, or may not have, left: the next people are called at once.

    Not while another letter of the same step is out or on its way, nor after somebody answered. A manager is told in any
    case, unless it is only that texts are not set up here. Once the ladder was climbed it goes on at its own pace: a post
    that is down is not helped by calling faster.
    """
    if reason == ANSWERED:
        return
    call = PageCall.objects.filter(pk=message.subject_id).first()
    page = Page.objects.select_for_update(no_key=True).filter(pk=call.page_id).first() if call else None
    if call is None or page is None or page.acknowledged_at is not None or page.closed_at is not None:
        return
    same_step = PageCall.objects.filter(page=page, rung=call.rung, round=call.round)
    letters = OutboundMessage.objects.filter(
        subject_type="pagecall", subject_id__in=same_step.values("pk"), kind=LETTER
    )
    one_is_out = letters.exclude(pk=message.pk).filter(status__in=_ON_ITS_WAY).exists()
    if not one_is_out or reason != OutboundMessage.Reason.CHANNEL_NOT_SET_UP:
        _tell_of_failure(by, page, now)
    if one_is_out:
        return
    log.error("page_step_reached_nobody", record=str(page.pk), reason=reason)
    if page.round == 0 and (call.rung, call.round) == (page.rung, page.round):
        page.next_at = min(page.next_at, now)
        page.save(update_fields=["next_at"])


@transaction.atomic
def acknowledge(*, by: User, page: Page, now: datetime) -> Page:
    """Return the page, answered by ``by``, who takes it on to reach the patient: nobody is called any more.

    Whatever it is about stays open. Refuses whoever is no licensed clinician of the location, a second person, and a
    page that is closed. The same person twice is once.
    """
    # Locked alone: a person joined to the row would be read as of before the wait for it, and be nobody still.
    page = Page.objects.select_for_update(no_key=True).get(pk=page.pk)
    if not oncall.is_clinician(by, page.location_id):
        raise OnlyClinicians
    if page.closed_at is not None:
        raise NoLongerOpen
    if page.acknowledged_by is not None:
        if page.acknowledged_by_id == by.pk:
            return page
        raise AnsweredAlready(page.acknowledged_by.name)
    page.acknowledged_at, page.acknowledged_by = now, by
    page.save(update_fields=["acknowledged_at", "acknowledged_by"])
    _close_items(by, page, now)
    audit.record(by, audit.Verb.PAGE_ACKNOWLEDGED, page, now=now)
    return page


@transaction.atomic
def close_about(*, by: User, subject_type: str, subject_id: uuid.UUID, now: datetime) -> Page | None:
    """Return the page about a subject, closed because the subject is; None when none was open."""
    page = Page.objects.live().about(subject_type, subject_id).select_for_update(no_key=True).first()
    if page is None:
        return None
    page.closed_at, page.closed_by = now, by
    page.save(update_fields=["closed_at", "closed_by"])
    _close_items(by, page, now)
    worklist.close_about(
        by=by, kind=WorkItem.Kind.PAGE_FAILED, subject_id=page.pk, outcome=WorkItem.Outcome.NOT_NEEDED, now=now
    )
    audit.record(by, audit.Verb.PAGE_CLOSED, page, now=now)
    return page


@transaction.atomic
def ring_again(*, by: User, page: Page, now: datetime) -> Page:
    """Return a new page in the place of one that was answered and came to nothing: the ladder is climbed from its foot.

    The old one keeps who answered it and when.
    """
    close_about(by=by, subject_type=page.subject_type, subject_id=page.subject_id, now=now)
    return open_page(
        by=by, location=page.location, urgency=Page.Urgency(page.urgency), subject_type=page.subject_type,
        subject_id=page.subject_id, patient_id=page.patient_id, now=now,
    )  # fmt: skip


def _close_items(by: User, page: Page, now: datetime) -> None:
    worklist.close_about(by=by, kind=WorkItem.Kind.PAGE, subject_id=page.pk, outcome=WorkItem.Outcome.DONE, now=now)


def why_not(page: Page, person: User) -> str:
    """Return why a letter about a page should no longer go: somebody answered, or its reader works here no more."""
    if page.acknowledged_at is not None or page.closed_at is not None:
        return ANSWERED
    return "" if person.is_active else NOT_HERE
