"""What became of a letter, in words: for the list of letters and for the panels "What was sent, and why not"."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from clinic import letters, localtime
from clinic.models import OutboundMessage


@dataclass(frozen=True)
class Trail:
    """One letter or one planned letter, as text. ``look`` is of the status vocabulary (docs/components.md)."""

    title: str
    channel: str
    address: str
    when: str
    look: str
    word: str
    reason: str
    said: str
    tries: str


def of_message(message: OutboundMessage, tz: ZoneInfo) -> Trail:
    """Return the trail of a letter that was handed to the post, with its times in ``tz``."""
    return Trail(
        title=letters.label_of(message.kind),
        channel=message.get_channel_display(),
        address=message.address,
        when=when_text(message, tz),
        look=message.look,
        word=message.get_status_display(),
        reason=letters.reason_text(message.kind, message.reason),
        said=message.provider_said,
        tries=_("%(n)d tries") % {"n": message.attempts} if message.attempts > 1 else "",
    )


def when_text(message: OutboundMessage, tz: ZoneInfo) -> str:
    """Return when the letter went, will go, or came to its end."""
    if message.status == OutboundMessage.Status.QUEUED:
        return _("from %(moment)s") % {"moment": localtime.moment_text(message.not_before, tz)}
    at = message.settled_at or message.claimed_at or message.queued_at
    return localtime.moment_text(at, tz)
