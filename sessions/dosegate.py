"""What keeps a dosing visit from being booked at a time, each thing by name, with where it is met. Rows in, sentences out.

A clearance that is active and wide enough, consents that stand, nothing open that blocks, no override undecided, somebody to take
the patient home, and enough time since the last dose and before the next (domain.md 8.2 and 3.4). What is asked on the day
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
from clinic.models import User
from patients import consentneeds
from patients.actions import consents
from patients.models import Contact, Patient, Route
from sessions.models import Appointment, VisitType

# What a prescriber has to put right; the rest is the desk's or the patient's.
ABOUT_CLEARANCE = ("clearance", "block", "override", "question", "not_screened", "capacity")
# A nasal spray is booked as the visit that its licence asks for; everything else as an ordinary dosing visit.
SPRAY = "esketamine"


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
    found = _of_clearance(by, patient, visit_type, starts_at, localtime.day_of(starts_at, tz), booked, now)
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


def _of_clearance(
    by: User,
    patient: Patient,
    visit_type: VisitType,
    at: datetime,
    on: date,
    booked: Sequence[Appointment],
    now: datetime,
) -> list[Unmet]:
    routes = routes_of(visit_type)
    live = [one for one in Clearance.objects.live().filter(patient=patient) if one.route in routes]
    cleared = next((one for one in live if one.is_cleared), None)
    chosen = cleared or next(iter(live), None)
    route = chosen.route if chosen else min(routes)
    since = chosen.decided_at if chosen and chosen.decided_at else now
    # What is asked on the day itself cannot be answered when the visit is booked.
    flags = [
        row for row in ScreeningFlag.objects.live().filter(patient=patient) if row.flag.binds is not Binds.DAY
    ]  # fmt: skip
    found = gate.for_dose(
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
    may_read = Patient.objects.visible_to(by, Permission.CLEARANCE_READ, now).filter(pk=patient.pk).exists()
    return _worded(found, patient, may_read=may_read)


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
