"""Feeds: somebody's visits for their own calendar program, and the page on which they keep its address.

The feed is longer than views are: a machine asks, so there is no form, no action and no page to answer with.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from clinic import localtime
from clinic.access import GET_POST, POST, public_view, signed_in_view
from clinic.errors import Refused
from clinic.homelocation import location_of
from clinic.http import UNPROCESSABLE, OurRequest, answer, go
from clinic.middleware import client_address
from clinic.models import User
from sessions import ical
from sessions.access import Followed, followed, get_followed_or_404
from sessions.actions import feeds
from sessions.models import Appointment, Block, CalendarFeed, without_offers

# What a feed tells: the weeks just gone, half a year ahead, and never more than so many visits, the nearest first.
BEHIND, AHEAD, MOST = timedelta(weeks=4), timedelta(weeks=26), 1500
# A cancelled visit is told as cancelled for so long: calendars that only add and change would keep it for ever.
CANCELLED_FOR = timedelta(weeks=4)

_S = Appointment.Status
# What stands in a calendar: not what was only asked for, nor what was never meant.
TOLD = frozenset(set(_S) - {_S.REQUESTED, _S.ENTERED_IN_ERROR, _S.HELD, _S.CANCELLED})


def uid(visit_id: uuid.UUID, user: User | None = None) -> str:
    """Return the name of a visit in all calendars, the same for ever; of one's own part in it for a clinician.

    Two clinicians of one visit have other hours in it, and may show both their calendars side by side.
    """
    whose = f"{visit_id}-{user.pk}" if user else str(visit_id)
    return f"{whose}@{settings.SITE_NAME.lower().replace(' ', '-')}"


def summary(alias: str) -> str:
    """Return what a visit is called where others may look over one's shoulder."""
    return _("Visit: %(place)s") % {"place": alias}


def where(address: str, *, is_remote: bool) -> str:
    """Return where somebody goes for a visit; for one from afar that they need not go anywhere."""
    return _("By video or phone") if is_remote else address


def sequence(schedule_version: int, status: str) -> int:
    """Return the number of changes of a patient's visit that a calendar shows: every move, and the cancellation."""
    return schedule_version + (status == _S.CANCELLED)


@public_view(because="Calendar programs cannot sign in; the long key of the address opens one person's own visits.")
def calendar_ics(request: HttpRequest, feed_key: str) -> HttpResponse:
    """One person's visits as a calendar: no names, no kinds of visit. 404 for every key that is not good now."""
    now: datetime = request.now  # type: ignore[attr-defined]  # set by clinic.middleware for every request
    whose = get_followed_or_404(feed_key, address=client_address(request) or "", now=now)
    rows = _patients(whose, now) if whose.patient else _clinicians(whose, now)
    body = ical.feed((row.entry(now) for row in rows), _name(whose))
    return HttpResponse(
        body, content_type="text/calendar; charset=utf-8",
        headers={
            "Content-Disposition": 'attachment; filename="visits.ics"', "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store", "X-Robots-Tag": "noindex", "Referrer-Policy": "no-referrer",
        },
    )  # fmt: skip


@dataclass
class _Row:
    """A visit on its way into a calendar."""

    uid: str
    starts_at: datetime
    ends_at: datetime
    status: str
    sequence: int
    alias: str
    address: str
    time_zone: str

    def entry(self, now: datetime) -> ical.Entry:
        return ical.Entry(
            uid=self.uid, summary=summary(self.alias), location=self.address, starts_at=self.starts_at,
            ends_at=self.ends_at, time_zone=self.time_zone, sequence=self.sequence, made_at=now,
            is_cancelled=self.status == _S.CANCELLED, is_tentative=self.status == _S.HELD,
        )  # fmt: skip


def _name(whose: Followed) -> str:
    places = [whose.patient.home_location] if whose.patient else whose.locations
    return _("Visits: %(place)s") % {"place": " · ".join(dict.fromkeys(place.alias for place in places))}


def _told(now: datetime, prefix: str = "") -> Q:
    """Return which visits a feed tells at ``now``."""
    return (
        Q(**{f"{prefix}status__in": TOLD})
        | Q(**{f"{prefix}status": _S.HELD, f"{prefix}held_until__gt": now})
        | Q(**{f"{prefix}status": _S.CANCELLED, f"{prefix}cancelled_at__gte": now - CANCELLED_FOR})
    )


def _patients(whose: Followed, now: datetime) -> Iterable[_Row]:
    visits = (
        # A time that is only offered stands on the waitlist's page until it is accepted.
        without_offers(Appointment.objects.between(now - BEHIND, now + AHEAD))
        .filter(_told(now), patient=whose.patient)
        .select_related("location", "visit_type")
        .order_by("starts_at", "id")
    )
    for visit in visits[:MOST]:
        place = visit.location
        yield _Row(
            uid(visit.pk), visit.starts_at, visit.ends_at, visit.status, sequence(visit.schedule_version, visit.status),
            place.alias, where(place.address, is_remote=visit.visit_type.is_remote), place.time_zone,
        )  # fmt: skip


def _clinicians(whose: Followed, now: datetime) -> Iterable[_Row]:
    """Return the visits somebody takes part in, each from the first to the last minute that they are needed."""
    places = {place.pk: place for place in whose.locations}
    blocks = (
        Block.objects.filter(
            _told(now, "appointment__"), person=whose.user, starts_at__gte=now - BEHIND, starts_at__lt=now + AHEAD,
            appointment__location_id__in=places,
        )
        .order_by("starts_at", "id")
        .values_list(
            "appointment_id", "starts_at", "ends_at", "appointment__status", "appointment__version",
            "appointment__location_id", "appointment__visit_type__is_remote",
        )
    )  # fmt: skip
    rows: dict[uuid.UUID, _Row] = {}
    for visit_id, starts_at, ends_at, status, version, place_id, is_remote in blocks[:MOST]:
        if visit_id in rows:
            rows[visit_id].ends_at = max(rows[visit_id].ends_at, ends_at)
            continue
        place = places[place_id]
        rows[visit_id] = _Row(
            # Whatever is changed may change whose hours are which, so every change counts.
            uid(visit_id, whose.user),
            starts_at,
            ends_at,
            status,
            version,
            place.alias,
            where(place.address, is_remote=is_remote),
            place.time_zone,
        )
    return rows.values()


@signed_in_view(because="Everybody keeps the address of their own calendar, staff and patients.", methods=GET_POST)
def calendar_feed(request: OurRequest) -> HttpResponse:
    """The page about one's calendar address; making or renewing it shows it, in this answer and never again."""
    user = _me(request)
    if request.method != "POST":
        return answer(request, "sessions/calendar_feed.html", _context(user))
    try:
        made = feeds.make(by=user, now=request.now)
    except Refused as refusal:
        context = {**_context(user), "refusal": str(refusal)}
        return answer(request, "sessions/calendar_feed.html", context, status=UNPROCESSABLE)
    # No redirect: the key would have to be kept somewhere on the way.
    url = settings.SITE_URL + reverse("sessions:calendar_ics", args=[made.key])
    return answer(request, "sessions/calendar_feed.html", {**_context(user), "address": url})


@signed_in_view(because="Everybody switches off their own calendar address, staff and patients.", methods=POST)
def revoke_calendar_feed(request: OurRequest) -> HttpResponse:
    """Switch off the address of one's own calendar, at once."""
    try:
        feeds.revoke(by=_me(request), now=request.now)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("Switched off. The address opens nothing any more."))
    return go(request, "sessions:calendar_feed")


def _me(request: OurRequest) -> User:
    user = request.user
    assert isinstance(user, User)
    return user


def _context(user: User) -> dict[str, Any]:
    feed = CalendarFeed.objects.live().filter(user=user, epoch=user.session_epoch).first()
    place = location_of(user)
    tz = localtime.zone(place.time_zone if place else "UTC")
    return {
        "layout": "layouts/portal.html" if user.is_patient else "layouts/staff.html",
        "is_patient": user.is_patient,
        "has_visits": followed(user) is not None,
        "is_on": feed is not None,
        "made": localtime.moment_text(feed.made_at, tz) if feed else "",
    }
