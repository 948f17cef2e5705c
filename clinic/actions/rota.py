"""The rota: who is first and second on call when. Said on the location's wall clock; a gap is told before it comes."""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from psycopg2.extras import DateTimeTZRange

from clinic import audit, localtime, oncall
from clinic.actions import worklist
from clinic.actions.hours import span_of
from clinic.errors import Refused, violated
from clinic.models import Location, OnCall, Role, TimeOff, User, WorkItem
from clinic.rotaweek import Duty, first_gap

# A longer duty is a slip of the pen in a month.
LONGEST_DUTY = timedelta(days=31)
# How far ahead a gap is told of, so that somebody can still be found.
LOOK_AHEAD = timedelta(hours=72)


class NotOnThisRota(Refused):
    """Only licensed clinicians of the location answer its alarms."""

    def __init__(self, name: str) -> None:
        super().__init__(
            _("%(name)s cannot be on call here: only nurses, therapists and prescribers of this location who are not in training can.")
            % {"name": name}
        )  # fmt: skip


class DutyTooLong(Refused):
    """More than a month."""

    def __init__(self) -> None:
        super().__init__(gettext_lazy("That is more than a month. Check the days; enter a longer duty in parts."))


class BeforeToday(Refused):
    """Who was on call before today is a record."""

    def __init__(self) -> None:
        super().__init__(gettext_lazy("Who was on call before today stays as it is. Begin today or later."))


class TierTaken(Refused):
    """Somebody else has that duty then."""


class OnCallTwice(Refused):
    """They are on call then already, in the other duty."""


class AwayThen(Refused):
    """They are away in that time."""


class DutyOver(Refused):
    """What has passed stays as it was."""

    def __init__(self) -> None:
        super().__init__(gettext_lazy("This duty is over, or was taken back. Reload the page to see what holds now."))


@transaction.atomic
def enter_duty(
    *,
    by: User,
    location: Location,
    user: User,
    tier: OnCall.Tier,
    first: date,
    last: date,
    starts: time | None = None,
    ends: time | None = None,
    now: datetime,
) -> OnCall:
    """Return the duty, from ``starts`` on the first day to ``ends`` on the last, on the location's clock; whole days without.

    Refuses whoever is no licensed clinician of the location or is away then, a duty that somebody has, two duties of
    one person at a time, a beginning before today, and more than a month.
    """
    during = span_of(location=location, first=first, last=last, starts=starts, ends=ends)
    begins, finishes = during.lower or now, during.upper or now  # span_of gives both
    if finishes - begins > LONGEST_DUTY:
        raise DutyTooLong
    location = Location.objects.select_for_update(no_key=True).get(pk=location.pk)
    if begins < localtime.day_bounds(localtime.day_of(now, location.tz), location.tz)[0] or finishes <= now:
        raise BeforeToday
    if not oncall.is_clinician(user, location.pk):
        raise NotOnThisRota(user.name)
    away = TimeOff.objects.filter(user=user, cancelled_at=None, during__overlap=during).order_by("during").first()
    if away is not None:
        raise AwayThen(
            _("%(name)s is away then: %(when)s. Choose somebody else, or other days.")
            % {"name": user.name, "when": localtime.stretch_text(away.starts_at, away.ends_at, location.tz)}
        )
    try:
        with transaction.atomic():
            duty = OnCall.objects.create(
                location=location, user=user, tier=tier, during=during, entered_by=by, entered_at=now
            )
    except IntegrityError as error:
        raise _in_the_way(error, location, user, tier, during) from error
    _audit(by, duty, "entered", now)
    _settle_gap(by, location, now)
    return duty


def _in_the_way(
    error: IntegrityError, location: Location, user: User, tier: OnCall.Tier, during: DateTimeTZRange
) -> Exception:
    """Return the refusal for a violated constraint, naming who is in the way and when; another error as it is."""
    others = OnCall.objects.live().filter(location=location, during__overlap=during).select_related("user")
    name = violated(error)
    # Both may be violated at once, and the database names the first it checked.
    other = others.filter(tier=tier).exclude(user=user).order_by("during").first()
    if name in {"on_call_one_a_tier", "on_call_in_one_tier"} and other is not None:
        return TierTaken(
            _("%(name)s is %(duty)s then already: %(when)s. Take that back first, or choose a time that does not overlap.")
            % {"name": other.user.name, "duty": other.get_tier_display(), "when": _said(other, location)}
        )  # fmt: skip
    own = others.filter(user=user).order_by("during").first()
    if name in {"on_call_one_a_tier", "on_call_in_one_tier"} and own is not None:
        return OnCallTwice(
            _("%(name)s is %(duty)s then already: %(when)s. One person cannot be on call twice at a time.")
            % {"name": user.name, "duty": own.get_tier_display(), "when": _said(own, location)}
        )
    return error


def _said(duty: OnCall, location: Location) -> str:
    return localtime.stretch_text(duty.starts_at, duty.ends_at, location.tz)


@transaction.atomic
def cancel_duty(*, by: User, duty: OnCall, now: datetime) -> OnCall:
    """Return the duty, taken back; one that has begun ends now, and who was on call until now stays on record.

    Refuses one that is over or was taken back.
    """
    location = Location.objects.select_for_update(no_key=True).get(pk=duty.location_id)
    duty = OnCall.objects.select_for_update(no_key=True).get(pk=duty.pk)
    if duty.cancelled_at is not None or duty.ends_at <= now:
        raise DutyOver
    if duty.starts_at < now:
        duty.during = DateTimeTZRange(duty.starts_at, now)
        duty.save(update_fields=["during"])
        _audit(by, duty, "ended", now)
    else:
        duty.cancelled_at, duty.cancelled_by = now, by
        duty.save(update_fields=["cancelled_at", "cancelled_by"])
        _audit(by, duty, "cancelled", now)
    _settle_gap(by, location, now)
    return duty


def _audit(by: User, duty: OnCall, act: str, now: datetime) -> None:
    audit.record(
        by, audit.Verb.ROTA_CHANGED, duty, now=now,
        details={
            "act": act, "tier": duty.tier, "who": str(duty.user_id), "from": duty.starts_at.isoformat(),
            "until": duty.ends_at.isoformat(),
        },
    )  # fmt: skip


def tell_of_gaps(*, by: User, now: datetime) -> int:
    """Tell the managers of each location where nobody will be first or second on call in the next 72 hours; return how many.

    Once a gap, while it is open; a gap that was filled takes itself off the list. Whoever is away then, or no longer
    works there as a licensed clinician, fills no gap.
    """
    found = 0
    for location in Location.objects.active().order_by("id"):
        with transaction.atomic():
            found += _settle_gap(by, location, now)
    return found


def _settle_gap(by: User, location: Location, now: datetime) -> int:
    gap = next_gap(location, now)
    if gap is None:
        worklist.close_about(
            by=by, kind=WorkItem.Kind.ROTA_GAP, subject_id=location.pk, outcome=WorkItem.Outcome.DONE, now=now
        )
        return 0
    worklist.open_item(
        by=by, kind=WorkItem.Kind.ROTA_GAP, location=location, subject_type="location", subject_id=location.pk,
        owner_role=Role.MANAGER, due_at=gap, now=now,
    )  # fmt: skip
    return 1


def next_gap(location: Location, now: datetime) -> datetime | None:
    """Return when nobody is first, or nobody is second, on call for the first time in the next 72 hours; None when never."""
    until = now + LOOK_AHEAD
    licensed = set(oncall.staff_of(location.pk).licensed)
    duties = list(OnCall.objects.live().filter(location=location, during__overlap=(now, until)))
    away = list(
        TimeOff.objects.filter(
            user__in={duty.user_id for duty in duties}, cancelled_at=None, during__overlap=(now, until)
        )
    )
    gaps = [
        first_gap(_there([duty for duty in duties if duty.tier == tier and duty.user_id in licensed], away), now, until)
        for tier in OnCall.Tier
    ]
    return min((gap for gap in gaps if gap is not None), default=None)


def _there(duties: Iterable[OnCall], away: list[TimeOff]) -> list[Duty]:
    """Return the parts of the duties in which their people are not away."""
    parts: list[Duty] = []
    for duty in duties:
        begins = duty.starts_at
        absences = sorted((each.starts_at, each.ends_at) for each in away if each.user_id == duty.user_id)
        for start, stop in absences:
            if begins < min(start, duty.ends_at):
                parts.append(Duty(duty.pk, duty.user_id, begins, min(start, duty.ends_at)))
            begins = max(begins, stop)
        if begins < duty.ends_at:
            parts.append(Duty(duty.pk, duty.user_id, begins, duty.ends_at))
    return parts
