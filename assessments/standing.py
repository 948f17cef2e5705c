"""How a patient stands before a decision: the rows that the gates and the review page ask about, fetched once for both.

What the rows mean is in ``assessments/gate.py`` and ``assessments/workup.py``. The number of queries does not grow with the rows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, QuerySet

from assessments import factsheet, gate, workup
from assessments.facts import Facts
from assessments.models import Clearance, Measurement, Screening, ScreeningFlag
from assessments.screening import ScreeningLimits
from clinic import localtime
from patients import consentneeds
from patients.actions import consents
from patients.models import Patient

# What is read of a measurement; there are many, and each brings its whole person otherwise.
MEASURED = ("kind", "at", "first", "second", "result", "source", "note", "recorded_by__name")


@dataclass(frozen=True)
class Standing:
    """What a clearance of this patient is decided on."""

    facts: Facts
    # Whether the rules have been asked at all.
    is_screened: bool
    flags: tuple[ScreeningFlag, ...]
    measured: tuple[Measurement, ...]
    lines: tuple[workup.Line, ...]


def of(patient: Patient, values: Mapping[str, Any], now: datetime) -> Standing:
    """Return how the patient stands at ``now`` by a policy's values, in four queries. ``patient`` has its home location loaded."""
    tz = patient.home_location.tz
    facts = factsheet.facts_of(patient, now=now)
    rows = Measurement.objects.standing().filter(patient=patient).select_related("recorded_by").only(*MEASURED)
    measured = tuple(cast(Iterable[Measurement], rows.order_by("-at", "-id")))
    done = [
        workup.Done(workup.Item(row.kind), localtime.day_of(row.at, tz), has_finding=row.has_finding)
        for row in measured
        if row.kind in set(workup.Item) and row.counts
    ]
    flags = ScreeningFlag.objects.live().filter(patient=patient).select_related("decided_by")
    limits = ScreeningLimits.from_policy(values)
    return Standing(
        facts=facts,
        is_screened=Screening.objects.filter(patient=patient).exists(),
        flags=tuple(gate.in_order(flags)),
        measured=measured,
        lines=workup.lines(
            facts, done, limits, now.astimezone(tz), ecg_from_years=int(values["workup"]["ecg_from_years"])
        ),
    )


def unmet_for_dose(
    *, patient: Patient, route: str, mg: Decimal, sessions_given: int, now: datetime
) -> tuple[gate.Unmet, ...]:
    """Return everything that keeps a dose from being given now, each by name; empty when nothing does. Five queries.

    Flags of the day are asked by whoever prepares the dose, with the facts of that day (screening's ``dosing_at``).
    """
    on = localtime.day_of(now, patient.home_location.tz)
    return gate.for_dose(
        patient=patient,
        dose=gate.Dose(route=route, mg=mg, on=on, sessions_given=sessions_given),
        clearances=Clearance.objects.live().filter(patient=patient),
        is_screened=Screening.objects.filter(patient=patient).exists(),
        flags=ScreeningFlag.objects.live().filter(patient=patient),
        consents_missing=consentneeds.missing_for(patient, route, now),
        capacity_in_doubt=consents.concerns(patient).exists(),
    )


def routes_of(patient: Patient, now: datetime) -> frozenset[str]:
    """Return the routes by which a patient is cleared, or was until it was suspended: what they are asked to agree to. One query."""
    return frozenset(_routes().filter(patient=patient).values_list("route", flat=True))


def routes_column(patient: str) -> ArraySubquery:
    """Return a column for a query whose rows name a patient by ``patient``: the list of those routes."""
    return ArraySubquery(_routes().filter(patient=OuterRef(patient)).values("route"))


def _routes() -> QuerySet[Clearance]:
    return Clearance.objects.live().exclude(route="")
