"""Letters on their way: queued and withdrawn inside the act they speak of, sent one by one outside of it."""

import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction

from clinic import audit, keyring, letters
from clinic.models import Channel, OutboundMessage, User

# A letter nobody gave an end to helps nobody after this.
USEFUL_FOR = timedelta(days=2)


@dataclass(frozen=True)
class Recipient:
    """Whom a letter is for, and where to."""

    kind: OutboundMessage.RecipientKind
    id: uuid.UUID
    address: str
    tz: ZoneInfo
    language: str = "en"


@transaction.atomic
def queue(
    *,
    by: User,
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


@transaction.atomic
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
