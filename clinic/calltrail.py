"""Who was called about an alarm, when, by what, and what became of each letter: as text, in two queries."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from clinic import letters, localtime
from clinic.models import OutboundMessage, PageCall

# A page that rings all night has hundreds of calls; the last ones say what is going on.
SHOWN = 30


@dataclass(frozen=True)
class Way:
    """One letter of a call."""

    channel: str
    look: str
    word: str
    reason: str


@dataclass(frozen=True)
class Call:
    """One person called once. In the application they are always called, so ``ways`` are the letters besides."""

    name: str
    phone: str
    when: str
    ways: list[Way] = field(default_factory=list)


@dataclass(frozen=True)
class Trail:
    """The last calls, newest first, and whether there were more before."""

    calls: list[Call]
    has_more: bool


def of_pages(page_ids: Iterable[uuid.UUID], tz: ZoneInfo) -> Trail:
    """Return the calls of the pages, at most ``SHOWN``."""
    found = list(
        PageCall.objects.filter(page_id__in=list(page_ids))
        .select_related("user")
        .order_by("-called_at", "-rung", "-id")[: SHOWN + 1]
    )
    ways: dict[uuid.UUID, list[Way]] = {call.pk: [] for call in found[:SHOWN]}
    sent = OutboundMessage.objects.filter(subject_type="pagecall", subject_id__in=ways.keys()).order_by("channel", "id")
    for message in sent:
        ways[message.subject_id].append(
            Way(
                channel=message.get_channel_display(),
                look=message.look,
                word=message.get_status_display(),
                reason=letters.reason_text(message.kind, message.reason),
            )
        )
    calls = [
        Call(call.user.name, call.user.phone, localtime.moment_text(call.called_at, tz), ways[call.pk])
        for call in found[:SHOWN]
    ]
    return Trail(calls, len(found) > SHOWN)
