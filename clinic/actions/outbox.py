"""Letters on their way: queued and withdrawn inside the act they speak of, sent one by one outside of it.

A letter leaves at most once. It is claimed by a committed UPDATE, sent outside any transaction, and its outcome is
written only over the claim that sent it. What is between those two when a worker dies, or was taken by a provider that
never answered, is "outcome unknown": a person finds out, and nothing is sent again by itself.
"""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from django.db import Error as DatabaseError
from django.db import models, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from clinic import audit, channels, keyring, letters, localtime, policy, quiethours
from clinic.actions import worklist
from clinic.errors import Refused
from clinic.letters import Rendered
from clinic.logs import trail
from clinic.models import Category, Channel, Location, OutboundMessage, Role, Suppression, User, WorkItem

log = structlog.get_logger(__name__)

Status = OutboundMessage.Status
Reason = OutboundMessage.Reason
Send = Callable[[Rendered], str]

# A letter nobody gave an end to helps nobody after this.
USEFUL_FOR = timedelta(days=2)
# How long to wait after each try that surely did not send it. After the last one a person is asked.
BACK_OFF = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=20), timedelta(hours=1))
MAX_ATTEMPTS = len(BACK_OFF) + 1
# By when somebody should look at a letter that is in trouble.
LOOK_WITHIN = timedelta(hours=4)
# Rows of one transaction when stuck letters are flagged.
CHUNK = 200


class Settlement(models.TextChoices):
    """What a person can say about a letter in trouble."""

    ARRIVED = "arrived", _("It arrived")
    NOT_ARRIVED = "not_arrived", _("It did not arrive")
    HANDLED = "handled", _("Told another way")


class NothingToSettle(Refused):
    """The letter is not, or no longer, waiting for a person."""

    def __init__(self) -> None:
        super().__init__(
            _("Nobody needs to decide about this letter any more. Reload the list to see what became of it.")
        )


class NotForThisLetter(Refused):
    """The answer does not fit the letter's state."""

    def __init__(self) -> None:
        super().__init__(_("This letter surely did not leave. Tell the person another way, then say so here."))


@dataclass(frozen=True)
class Recipient:
    """Whom a letter is for, and where to."""

    kind: OutboundMessage.RecipientKind
    id: uuid.UUID
    address: str
    tz: ZoneInfo
    language: str = "en"


# A letter belongs to the act it speaks of and goes with it: so no savepoint of its own, nor for withdrawing.
@transaction.atomic(savepoint=False)
def queue(
    *,
    by: User | None,
    kind: str,
    to: Recipient,
    subject_type: str,
    subject_id: uuid.UUID,
    now: datetime,
    channel: Channel = Channel.EMAIL,
    location_id: uuid.UUID | None = None,
    schedule_version: int = 1,
    not_before: datetime | None = None,
    useful_until: datetime | None = None,
    secret: dict[str, Any] | None = None,
) -> OutboundMessage:
    """Return the queued message: the one already there when this subject, kind, channel and version has one.

    ``secret`` is what the letter needs and nobody may read in the table, such as a link's token; it is sealed, and
    blanked once the letter has gone. Refuses a kind of letter nobody declared.
    """
    letter = letters.get(kind)
    start = not_before or now
    message, made = OutboundMessage.objects.get_or_create(
        subject_type=subject_type,
        subject_id=subject_id,
        kind=kind,
        channel=channel,
        schedule_version=schedule_version,
        address=to.address,
        defaults={
            "category": letter.category,
            "is_urgent": letter.category.is_urgent,
            "recipient_kind": to.kind,
            "recipient_id": to.id,
            "language": to.language,
            "time_zone": str(to.tz),
            "location_id": location_id,
            "secret": keyring.seal(json.dumps(secret)) if secret else "",
            "queued_at": now,
            "not_before": start,
            "useful_until": useful_until or start + USEFUL_FOR,
        },
    )
    if made:
        audit.record(
            by, audit.Verb.MESSAGE_QUEUED, message, now=now, location_id=location_id,
            patient_id=to.id if to.kind == OutboundMessage.RecipientKind.PATIENT else None,
            details={"kind": kind, "channel": channel},
        )  # fmt: skip
    return message


@transaction.atomic(savepoint=False)
def void(
    *, subject_type: str, subject_id: uuid.UUID, reason: str, now: datetime, kinds: frozenset[str] | None = None
) -> int:
    """Withdraw the queued messages about a subject (of some kinds only, when named). Return how many.

    What is already being sent cannot be called back; ``still_wanted`` stops what was claimed and not yet sent.
    """
    waiting = OutboundMessage.objects.about(subject_type, subject_id).filter(status=OutboundMessage.Status.QUEUED)
    if kinds is not None:
        waiting = waiting.filter(kind__in=kinds)
    return waiting.update(status=OutboundMessage.Status.VOID, reason=reason, settled_at=now, secret="")


def deliver_next(*, by: User, now: datetime, send: Send = channels.send) -> OutboundMessage | None:
    """Send the next due letter and return it with its outcome, or None when nothing is due.

    ``send`` returns the provider's id or raises what ``clinic.channels`` defines. Refuses to run inside a transaction:
    the claim must be visible to every other worker before anything leaves.
    """
    message = _claim(now)
    if message is None:
        return None
    try:
        message.subject = letters.get(message.kind).subject(message)
        message = _follow_reader(message)
        reason = _why_not(message, now)
        if reason:
            return _record(by, message, Status.SKIPPED, reason=reason, now=now)
        opening = _wait_until(message, now)
        if opening is not None and opening >= message.useful_until:
            return _record(by, message, Status.SKIPPED, reason=Reason.QUIET_HOURS, now=now)
        if opening is not None:
            return _put_back(message, not_before=opening, reason=Reason.QUIET_HOURS)
        rendered = letters.render(message)
    except DatabaseError:
        # Nothing has left. The row stays claimed, and if the database stays away a person will be asked.
        raise
    except keyring.KeyLost:
        return _record(by, message, Status.FAILED, reason=Reason.SECRET_LOST, now=now)
    except Exception as error:  # one letter that cannot be written must not keep the others from going
        log.error("letter_broken", kind=message.kind, record=str(message.pk), reason=trail(error))
        return _record(by, message, Status.FAILED, reason=Reason.LETTER_BROKEN, now=now)
    return _send(by, message, rendered, send=send, now=now)


def _send(by: User, message: OutboundMessage, rendered: Rendered, *, send: Send, now: datetime) -> OutboundMessage:
    try:
        provider_id = send(rendered)
    except channels.Transient as trouble:
        attempts = message.attempts + 1
        if attempts >= MAX_ATTEMPTS:
            return _record(
                by, message, Status.FAILED, reason=trouble.reason, said=trouble.said, attempts=attempts, now=now
            )
        return _put_back(
            message,
            not_before=now + BACK_OFF[attempts - 1],
            reason=trouble.reason,
            said=trouble.said,
            attempts=attempts,
        )
    except channels.Permanent as trouble:
        return _record(
            by, message, Status.FAILED, reason=trouble.reason, said=trouble.said, attempts=message.attempts + 1, now=now
        )
    except channels.OutcomeUnknown as trouble:
        return _record(
            by,
            message,
            Status.UNKNOWN,
            reason=trouble.reason,
            said=trouble.said,
            attempts=message.attempts + 1,
            now=now,
        )
    except Exception as error:  # nobody foresaw this, so nobody knows how far the letter got
        log.error("sending_failed_unforeseen", kind=message.kind, record=str(message.pk), reason=trail(error))
        return _record(by, message, Status.UNKNOWN, reason=Reason.NO_ANSWER, attempts=message.attempts + 1, now=now)
    return _record(by, message, Status.SENT, provider_id=provider_id, attempts=message.attempts + 1, now=now)


@transaction.atomic(durable=True)
def _claim(now: datetime) -> OutboundMessage | None:
    """Take the next letter for this worker alone, and commit that before anything is sent."""
    message = OutboundMessage.objects.deliverable(now).select_for_update(skip_locked=True, no_key=True).first()
    if message is not None:
        message.status, message.claimed_at = Status.SENDING, now
        message.save(update_fields=["status", "claimed_at"])
    return message


def _follow_reader(message: OutboundMessage) -> OutboundMessage:
    """Return the letter with the address that is on record now, for the kinds that follow their reader."""
    ask = letters.get(message.kind).address_now
    address = ask(message) if ask else message.address
    if address and address != message.address:
        _claimed(message).update(address=address)
        message.address = address
    return message


def _why_not(message: OutboundMessage, now: datetime) -> str:
    if message.useful_until <= now:
        return str(Reason.NO_LONGER_USEFUL)
    if is_suppressed(category=Category(message.category), channel=message.channel, address=message.address):
        return str(Reason.SUPPRESSED)
    return letters.get(message.kind).still_wanted(message, now)


def _wait_until(message: OutboundMessage, now: datetime) -> datetime | None:
    """Return when the reader's night ends, or None when the letter may go now. Urgent ones always may."""
    if message.is_urgent:
        return None
    window = quiethours.Window.of(policy.in_force(now).get("reminders", "window_local"))
    opening = quiethours.next_opening(now, window, localtime.zone(message.time_zone))
    return None if opening == now else opening


def is_suppressed(*, category: Category, channel: str, address: str) -> bool:
    """Return whether the address asked for no more letters of this sort. From the urgent nobody can opt out wholesale."""
    about = Q(category=category) if category.is_urgent else Q(category=category) | Q(category="")
    return Suppression.objects.filter(about, channel=channel, address=address.lower(), lifted_at=None).exists()


def _claimed(message: OutboundMessage) -> models.QuerySet[OutboundMessage]:
    """Return the row as long as it is still this worker's: nothing is written over what somebody decided meanwhile."""
    return OutboundMessage.objects.filter(pk=message.pk, status=Status.SENDING, claimed_at=message.claimed_at)


def _put_back(
    message: OutboundMessage, *, not_before: datetime, reason: Reason, said: str = "", attempts: int | None = None
) -> OutboundMessage:
    mine = _claimed(message)
    message.status, message.claimed_at, message.not_before = Status.QUEUED, None, not_before
    message.reason, message.provider_said = reason, _printable(said)
    message.attempts = message.attempts if attempts is None else attempts
    fields = ("not_before", "reason", "provider_said", "attempts")
    mine.update(status=Status.QUEUED, claimed_at=None, **{name: getattr(message, name) for name in fields})
    return message


_VERBS = {
    Status.SENT: audit.Verb.MESSAGE_SENT,
    Status.SKIPPED: audit.Verb.MESSAGE_SKIPPED,
    Status.FAILED: audit.Verb.MESSAGE_FAILED,
    Status.UNKNOWN: audit.Verb.MESSAGE_OUTCOME_UNKNOWN,
}
_TROUBLE = {
    Status.FAILED: WorkItem.Kind.MESSAGE_FAILED,
    Status.UNKNOWN: WorkItem.Kind.MESSAGE_UNKNOWN,
}


@transaction.atomic
def _record(
    by: User,
    message: OutboundMessage,
    status: Status,
    *,
    now: datetime,
    reason: str = "",
    said: str = "",
    provider_id: str = "",
    attempts: int | None = None,
) -> OutboundMessage:
    """Write the outcome over the claim, the audit row beside it, and what a person has to do about it."""
    values = {
        "status": status, "reason": reason, "settled_at": now, "secret": "", "provider_id": provider_id[:120],
        "provider_said": _printable(said), "attempts": message.attempts if attempts is None else attempts,
    }  # fmt: skip
    if not _claimed(message).update(**values):
        log.warning("outcome_came_late", kind=message.kind, record=str(message.pk), outcome=status)
        message.refresh_from_db()
        return message
    for name, value in values.items():
        setattr(message, name, value)
    audit.record(
        by, _VERBS[status], message, now=now, patient_id=_patient_id(message),
        details={"kind": message.kind, "channel": message.channel, **({"reason": reason} if reason else {})},
    )  # fmt: skip
    letter = letters.known(message.kind)
    if status in _TROUBLE and letter is not None and letter.in_trouble is not None:
        letter.in_trouble(by, message, reason, now)
    elif status in _TROUBLE:
        _ask_somebody(by, message, _TROUBLE[status], now)
    elif status == Status.SKIPPED:
        letters.get(message.kind).not_sent(by, message, reason, now)
    return message


def _printable(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200]


def _patient_id(message: OutboundMessage) -> uuid.UUID | None:
    return message.recipient_id if message.recipient_kind == OutboundMessage.RecipientKind.PATIENT else None


def _ask_somebody(by: User, message: OutboundMessage, kind: WorkItem.Kind, now: datetime) -> None:
    """Put the letter on the worklist: the desk's at its location, the manager's when it was for staff."""
    place = Location.objects.filter(pk=message.location_id).first() if message.location_id else None
    place = place or Location.objects.active().order_by("name").first()
    if place is None:
        log.error("letter_in_trouble_and_no_location", kind=message.kind, record=str(message.pk))
        return
    if message.location_id is None:
        # From here on it is some location's, so that somebody finds it on their list.
        message.location_id = place.pk
        message.save(update_fields=["location_id"])
    is_for_staff = message.recipient_kind == OutboundMessage.RecipientKind.STAFF
    worklist.open_item(
        by=by, kind=kind, location=place, subject_type="outboundmessage", subject_id=message.pk,
        patient_id=_patient_id(message), owner_role=Role.MANAGER if is_for_staff else Role.FRONT_DESK,
        due_at=max(now, min(now + LOOK_WITHIN, message.useful_until)), now=now,
    )  # fmt: skip


@transaction.atomic
def flag_stuck(*, by: User, now: datetime) -> int:
    """Hand letters that were claimed long ago and never settled to a person. Return how many.

    The worker died, or lost the database, between claiming and recording: the letter may have left or not.
    """
    stuck = list(
        OutboundMessage.objects.stuck(now)
        .order_by("claimed_at")
        .select_for_update(skip_locked=True, no_key=True)[:CHUNK]
    )
    for message in stuck:
        _record(by, message, Status.UNKNOWN, reason=Reason.WORKER_LOST, attempts=message.attempts + 1, now=now)
    return len(stuck)


@transaction.atomic
def settle(*, by: User, message: OutboundMessage, outcome: Settlement, now: datetime) -> OutboundMessage:
    """Return a letter in trouble, settled by what a person found out.

    Of one whose outcome is unknown: it arrived, or it did not, which makes it a letter that could not be sent and
    leaves the telling to be done. Of one that could not be sent: the person was told another way. Refuses a letter
    that nobody needs to decide about, and an answer that does not fit its state.
    """
    message = OutboundMessage.objects.select_for_update(no_key=True).get(pk=message.pk)
    if message.status == Status.UNKNOWN:
        _settle_unknown(by, message, outcome, now)
    elif message.status == Status.FAILED:
        _settle_failed(by, message, outcome, now)
    else:
        raise NothingToSettle
    audit.record(
        by, audit.Verb.MESSAGE_SETTLED, message, now=now, patient_id=_patient_id(message),
        details={"kind": message.kind, "outcome": outcome},
    )  # fmt: skip
    return message


def _settle_unknown(by: User, message: OutboundMessage, outcome: Settlement, now: datetime) -> None:
    arrived = outcome == Settlement.ARRIVED
    message.status = Status.SENT if arrived else Status.FAILED
    message.reason = "" if arrived else Reason.BY_A_PERSON
    message.settled_at, message.settled_by_id = now, by.pk
    message.save(update_fields=["status", "reason", "settled_at", "settled_by_id"])
    worklist.close_about(
        by=by, kind=WorkItem.Kind.MESSAGE_UNKNOWN, subject_id=message.pk, outcome=WorkItem.Outcome.DONE, now=now
    )
    if outcome == Settlement.NOT_ARRIVED:
        _ask_somebody(by, message, WorkItem.Kind.MESSAGE_FAILED, now)


def _settle_failed(by: User, message: OutboundMessage, outcome: Settlement, now: datetime) -> None:
    if outcome != Settlement.HANDLED:
        raise NotForThisLetter
    done = worklist.close_about(
        by=by, kind=WorkItem.Kind.MESSAGE_FAILED, subject_id=message.pk, outcome=WorkItem.Outcome.DONE, now=now
    )
    if not done:
        raise NothingToSettle
    message.settled_by_id = by.pk
    message.save(update_fields=["settled_by_id"])


@transaction.atomic
def suppress(
    *, by: User, channel: Channel, address: str, reason: str, now: datetime, category: Category | None = None
) -> Suppression:
    """Return the standing refusal of an address, for one category or for all that can be opted out of."""
    row, made = Suppression.objects.get_or_create(
        channel=channel, address=address.lower(), category=category or "", lifted_at=None,
        defaults={"reason": reason, "since": now},
    )  # fmt: skip
    if made:
        audit.record(
            by, audit.Verb.SUPPRESSION_CHANGED, row, now=now,
            details={"channel": channel, "category": category or "all", "reason": reason},
        )  # fmt: skip
    return row


@transaction.atomic
def lift_suppression(*, by: User, suppression: Suppression, now: datetime) -> Suppression:
    """Return the refusal, lifted: the address may be written to again. Lifting it twice is once."""
    suppression = Suppression.objects.select_for_update(no_key=True).get(pk=suppression.pk)
    if suppression.lifted_at is None:
        suppression.lifted_at = now
        suppression.save(update_fields=["lifted_at"])
        audit.record(by, audit.Verb.SUPPRESSION_CHANGED, suppression, now=now, details={"lifted": True})
    return suppression
