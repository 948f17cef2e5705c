"""Calendar feeds: a key is made, renewed and revoked by the person whose visits it tells."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from clinic import audit, tokens
from clinic.errors import Refused
from clinic.models import User
from sessions.access import Followed, followed
from sessions.models import CalendarFeed


class NothingToFollow(Refused):
    """Only visits that somebody gives or comes to make a calendar."""

    def __init__(self) -> None:
        super().__init__(
            _("There are no visits to follow here: a calendar is for those who give visits, and for patients in our care. Please ask us if that is you.")
        )  # fmt: skip


class NoFeed(Refused):
    """There is no address to switch off."""

    def __init__(self) -> None:
        super().__init__(_("Your calendar address was switched off already. It opens nothing."))


@dataclass(frozen=True)
class Made:
    """A feed and its key, which nobody can read again: only its hash is kept."""

    feed: CalendarFeed
    key: str


@transaction.atomic
def make(*, by: User, now: datetime) -> Made:
    """Return one's own feed with its new key, to be shown once; the key from before opens nothing from this moment.

    Refuses whoever neither gives visits nor comes to any.
    """
    owner = User.objects.select_for_update(no_key=True).get(pk=by.pk)
    whose = followed(owner)
    if whose is None:
        raise NothingToFollow
    earlier = _live(owner)
    if earlier is not None:
        _end(earlier, now)
    key = tokens.new()
    feed = CalendarFeed.objects.create(
        user=owner, key_hash=tokens.hash_of(key), epoch=owner.session_epoch, made_at=now
    )  # fmt: skip
    _record(by, audit.Verb.CALENDAR_FEED_MADE, feed, whose, now, renewed=earlier is not None)
    return Made(feed, key)


@transaction.atomic
def revoke(*, by: User, now: datetime) -> CalendarFeed:
    """Return one's own feed, revoked: its key opens nothing from this moment. Refuses a second time."""
    owner = User.objects.select_for_update(no_key=True).get(pk=by.pk)
    feed = _live(owner)
    if feed is None:
        raise NoFeed
    _end(feed, now)
    _record(by, audit.Verb.CALENDAR_FEED_REVOKED, feed, followed(owner), now)
    return feed


def _live(owner: User) -> CalendarFeed | None:
    return CalendarFeed.objects.live().filter(user=owner).first()


def _end(feed: CalendarFeed, now: datetime) -> None:
    feed.revoked_at = now
    feed.save(update_fields=["revoked_at"])


def _record(
    by: User, verb: audit.Verb, feed: CalendarFeed, whose: Followed | None, now: datetime, **details: bool
) -> None:
    patient = whose.patient if whose else None
    audit.record(
        by, verb, feed, now=now, patient_id=patient.pk if patient else None,
        location_id=patient.home_location_id if patient else None, details=details,
    )  # fmt: skip
