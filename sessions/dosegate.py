"""What keeps a dosing visit from being booked at a time, each thing by name, with where it is met. Rows in, sentences out.

A clearance that is active and wide enough, consents that stand, nothing open that blocks, no override undecided, somebody to take
the patient home, enough time since the last dose and before the next, and no more doses in three months or a year than may be
given without a review (domain.md 8.2, 3.4 and 6.4). What is asked on the day
itself is asked on the day (``assessments/standing.py``). Nothing here writes, and nothing is stored.

Whoever may not read the patient's clearance learns that a prescriber has to do something, and not what.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.urls import reverse
from django.utils.translation import gettext as _

from assessments import gate
from assessments.models import Clearance, Screening, ScreeningFlag
from assessments.screening import Binds
from clinic import localtime, policy
from clinic.access import Permission
from clinic.models import Membership, User
from patients import consentneeds
from patients.actions import consents
from patients.models import Contact, Patient, Route
from sessions.models import Appointment, VisitType

# What a prescriber has to put right; the rest is the desk's or the patient's.
ABOUT_CLEARANCE = ("clearance", "block", "override", "question", "not_screened", "capacity")
# A nasal spray is booked as the visit that its licence asks for; everything else as an ordinary dosing visit.
SPRAY = "esketamine"
# (days, doses): so many in so many days at most, unless somebody looked at the case since (domain.md 6.4, hard stops).
CAPS = ((90, 12), (365, 26))


@dataclass(frozen=True)
class Unmet:
    """One thing that is not met: a code for programs, a sentence for the reader, and where it is met; "" where they cannot go."""

    code: str
    sentence: str
    url: str = ""


def routes_of(visit_type: VisitType) -> frozenset[str]:
    """Return by which routes a dose may be given in a visit of this kind."""
    return frozenset({Route.IN}) if visit_type.code == SPRAY else frozenset(Route.values) - {Route.IN}


def unmet(
    *,
    by: User,
    patient: Patient,
    visit_type: VisitType,
    starts_at: datetime,
    tz: ZoneInfo,
    now: datetime,
    ignoring: Appointment | Collection[Appointment] | None = None,
) -> tuple[Unmet, ...]:
    """Return everything that keeps a dose of this kind from being booked then, most severe first; empty when nothing does.

    A fixed number of queries. ``ignoring`` is a visit that is being moved, or several, which are no neighbours of themselves.
    """
    booked = doses_of(patient, ignoring)
    live = [one for one in Clearance.objects.live().filter(patient=patient) if one.route in routes_of(visit_type)]
    may_read = Patient.objects.visible_to(by, Permission.CLEARANCE_READ, now).filter(pk=patient.pk).exists()
    found = _worded(
        _of_clearance(patient, visit_type, starts_at, localtime.day_of(starts_at, tz), booked, live, now), patient,
        may_read=may_read,
    )  # fmt: skip
    found += _of_caps(patient, starts_at, tz, booked, _cleared(live), may_read=may_read)
    if not any(contact.can_escort for contact in Contact.objects.filter(patient=patient, ended_at=None)):
        found.append(
            Unmet(
                "escort", _("Nobody is named who takes %(name)s home.") % {"name": patient.called},
                reverse("patients:add_contact", args=[patient.pk]),
            )
        )  # fmt: skip
    days = days_between(now)
    found += [
        Unmet(
            "spacing",
            _("There are less than %(hours)d hours to the dosing visit on %(when)s.")
            % {"hours": days * 24, "when": localtime.moment_text(one.starts_at, one.location.tz)},
            reverse("sessions:appointment", args=[one.pk]),
        )
        for one in too_near(booked, starts_at, tz, days)
    ]
    return tuple(found)


def doses_of(patient: Patient, ignoring: Appointment | Collection[Appointment] | None = None) -> list[Appointment]:
    """Return the patient's dosing visits that take up their time, at whichever location, in order of time. One query."""
    doses = Appointment.objects.live().filter(patient=patient, visit_type__is_dosing=True)
    if ignoring is not None:
        visits = [ignoring] if isinstance(ignoring, Appointment) else ignoring
        doses = doses.exclude(pk__in=[one.pk for one in visits])
    return list(doses.order_by("starts_at").select_related("location"))


def days_between(now: datetime) -> int:
    """Return how many days lie between two doses at least, by the policy in force."""
    return int(policy.in_force(now).get("session")["min_days_between_doses"])


def too_near(booked: Iterable[Appointment], starts_at: datetime, tz: ZoneInfo, days: int) -> list[Appointment]:
    """Return the dosing visits that are less than so many days from a moment."""
    return [one for one in booked if not is_far_enough(one.starts_at, starts_at, tz, days)]


def is_far_enough(one: datetime, other: datetime, tz: ZoneInfo, days: int) -> bool:
    """Return whether two moments are so many days apart: as hours went by, or as the clock on the wall shows.

    Friday 10:00 to Monday 10:00 is three days, also where a night between them lost an hour. Source: domain.md 3.4, 8.2.
    """
    apart = timedelta(days=days)
    on_the_wall = abs(one.astimezone(tz).replace(tzinfo=None) - other.astimezone(tz).replace(tzinfo=None))
    # Two moments of one zone are subtracted on its wall, so the hours that went by are reckoned in UTC.
    gone_by = abs(one.astimezone(UTC) - other.astimezone(UTC))
    return gone_by >= apart or on_the_wall >= apart


def over_cap(
    booked: Iterable[datetime], starts_at: datetime, tz: ZoneInfo, reviewed_at: datetime | None
) -> tuple[int, int] | None:
    """Return the (days, doses) of a cap that one more dose at ``starts_at`` goes beyond; None when it goes beyond none.

    Every stretch of so many days of the location's calendar that the new dose lies in is counted, those booked after it
    included. A review counts for a stretch when it came after as many doses of it as the cap allows. Source: domain.md 6.4.
    """
    here = starts_at.astimezone(tz).date()
    others = sorted((moment.astimezone(tz).date(), moment) for moment in booked)
    for days, most in CAPS:
        length = timedelta(days=days)
        firsts = {day for day, _moment in others if here - length < day <= here} | {here}
        for first in firsts:
            within = [moment for day, moment in others if first <= day < first + length]
            is_reviewed = reviewed_at is not None and len(within) >= most and within[most - 1] < reviewed_at
            if len(within) + 1 > most and not is_reviewed:
                return days, most
    return None


def _of_caps(
    patient: Patient,
    starts_at: datetime,
    tz: ZoneInfo,
    booked: Sequence[Appointment],
    cleared: Clearance | None,
    *,
    may_read: bool,
) -> list[Unmet]:
    """Return that the doses in a stretch of time have to be reviewed first.

    The review is a clearance that a medical director of the patient's location decided since (domain.md 6.4).
    """
    moments = [one.starts_at for one in booked]
    cap = over_cap(moments, starts_at, tz, None)
    if cap is not None and cleared and cleared.decided_at and _is_by_a_director(cleared, patient):
        cap = over_cap(moments, starts_at, tz, cleared.decided_at)
    if cap is None:
        return []
    values = {"most": cap[1], "days": cap[0]}
    if not may_read:
        words = _(
            "It would be more than %(most)d dosing visits in %(days)d days. The medical director has to review that first: ask them."
        )
        return [Unmet("cap", words % values)]
    words = _(
        "It would be more than %(most)d dosing visits in %(days)d days. Once the first %(most)d have taken place, "
        "the medical director reviews the clearance and decides it anew."
    )
    return [Unmet("cap", words % values, reverse("assessments:review_clearance", args=[patient.pk]))]


def _is_by_a_director(cleared: Clearance, patient: Patient) -> bool:
    """Return whether whoever decided it is a medical director where the patient is at home."""
    directors = Membership.objects.live().filter(is_medical_director=True, location=patient.home_location_id)
    return directors.filter(user=cleared.decided_by_id).exists()


def _cleared(live: Iterable[Clearance]) -> Clearance | None:
    return next((one for one in live if one.is_cleared), None)


def _of_clearance(
    patient: Patient,
    visit_type: VisitType,
    at: datetime,
    on: date,
    booked: Sequence[Appointment],
    live: Sequence[Clearance],
    now: datetime,
) -> tuple[gate.Unmet, ...]:
    """Return what the clearance, the flags and the consents lack for a dose at a moment."""
    chosen = _cleared(live) or next(iter(live), None)
    route = chosen.route if chosen else min(routes_of(visit_type))
    since = chosen.decided_at if chosen and chosen.decided_at else now
    # What is asked on the day itself cannot be answered when the visit is booked.
    flags = [
        row for row in ScreeningFlag.objects.live().filter(patient=patient) if row.flag.binds is not Binds.DAY
    ]  # fmt: skip
    return gate.for_dose(
        patient=patient,
        dose=gate.Dose(
            route=route, mg=Decimal((chosen.max_mg if chosen else None) or 0), on=on,
            sessions_given=sum(one.starts_at >= since for one in booked),
        ),
        clearances=live,
        is_screened=Screening.objects.filter(patient=patient).exists(),
        flags=flags,
        consents_missing=consentneeds.missing_for(patient, route, at),
        capacity_in_doubt=consents.concerns(patient).exists(),
    )  # fmt: skip


def _worded(found: Iterable[gate.Unmet], patient: Patient, *, may_read: bool) -> list[Unmet]:
    """Return what the gate found as this reader may know it, each thing once."""
    review = reverse("assessments:review_clearance", args=[patient.pk])
    worded = []
    for one in found:
        if one.code.startswith(ABOUT_CLEARANCE):
            if may_read:
                worded.append(Unmet(one.code, one.sentence, f"{review}#{one.anchor}"))
            else:
                words = _("A prescriber of the care team has to clear this visit first. Ask them.")
                worded.append(Unmet("clearance", words))
        elif one.code == "consent":
            worded.append(Unmet(one.code, one.sentence, reverse("patients:patient", args=[patient.pk]) + "#consents"))
        else:
            worded.append(Unmet(one.code, one.sentence, reverse("patients:patient", args=[patient.pk])))
    return list(dict.fromkeys(worded))
