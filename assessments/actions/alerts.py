"""Risk alerts: made in the transaction of the answer, and closed by a licensed clinician's disposition only.

Calling people is the ground floor's work (``clinic.actions.pages``); who is called, and when again, is decided there. Here
is what an answer sets off, who reached the patient, and what a clinician decided (domain.md 6.5).
"""

import uuid
from datetime import datetime, time
from typing import Any

from django.db import transaction

from assessments import safety
from assessments.instrument import Tier
from assessments.models import AssessmentResponse, RiskAlert
from clinic import audit, businessdays, oncall, policy
from clinic.actions import pages, worklist
from clinic.models import Location, Page, Role, User, WorkItem
from patients.models import Patient

SUBJECT = "riskalert"
# What a signal is called that no item of a form set off: the patient wrote that they are in danger, and said so when asked.
CRISIS_WORDS = "crisis_words"


@transaction.atomic
def raise_from(
    *,
    by: User,
    patient: Patient,
    response: AssessmentResponse | None,
    signals: tuple[safety.Signal, ...],
    now: datetime,
) -> RiskAlert | None:
    """Return the alert that the signals of an answer set off, with its page and its work; None when there are none.

    Belongs into the transaction that stores the answer: there is no answer without its alert. The same response raises
    one alert; another alarming answer raises its own, however many are open.
    """
    tier = safety.worst(signals)
    if tier is None:
        return None
    if response is not None:
        known = RiskAlert.objects.filter(response=response).first()
        if known is not None:
            return known
    location = Location.objects.get(pk=patient.home_location_id)
    acknowledge_by, contact_by = _clocks(tier, location, now)
    alert = RiskAlert.objects.create(
        patient=patient, location=location, response=response, tier=tier, signals=[_data(signal) for signal in signals],
        raised_at=now, acknowledge_by=acknowledge_by, contact_by=contact_by,
    )  # fmt: skip
    audit.record(
        by, audit.Verb.ALERT_RAISED, alert, now=now,
        details={"tier": tier, "triggers": [signal.trigger for signal in signals]},
    )  # fmt: skip
    _call(by, alert, tier, now)
    _ask(by, alert, now)
    return alert


def _call(by: User, alert: RiskAlert, tier: Tier, now: datetime) -> Page:
    """Open the page: at once, and for a YELLOW only when nobody has spoken with the patient in time."""
    return pages.open_page(
        by=by, location=alert.location, urgency=Page.Urgency(tier.value), subject_type=SUBJECT, subject_id=alert.pk,
        patient_id=alert.patient_id, now=now, first_at=alert.contact_by if tier is Tier.YELLOW else None,
    )  # fmt: skip


def _ask(by: User, alert: RiskAlert, now: datetime) -> None:
    """Put the alert on the list of who leads the care team, of all who treat, or of the prescribers of the place."""
    licensed = oncall.staff_of(alert.location_id).licensed
    treating = [person for person in oncall.treating(alert.patient_id) if person in licensed]
    owners: list[uuid.UUID | None] = [*treating[:1]] or [None]
    people = User.objects.in_bulk([person for person in owners if person is not None])
    for person in owners:
        worklist.open_item(
            by=by, kind=WorkItem.Kind.RISK_ALERT, location=alert.location, subject_type=SUBJECT, subject_id=alert.pk,
            patient_id=alert.patient_id, owner=people[person] if person else None,
            owner_role=None if person else Role.PRESCRIBER, due_at=alert.contact_by, now=now,
        )  # fmt: skip


def _clocks(tier: Tier, location: Location, now: datetime) -> tuple[datetime | None, datetime]:
    """Return by when somebody answers the page, and by when somebody has spoken to the patient (domain.md 6.5).

    ORANGE close to closing time: the hour of the evening begins when the place shuts, so that nobody waits into the
    night.
    """
    risk = policy.risk(now)
    clock = safety.clock(tier, risk)
    acknowledge_by = now + clock.acknowledge_within if clock.acknowledge_within else None
    if clock.same_business_day or clock.contact_open is None or clock.contact_after_hours is None:
        by = time.fromisoformat(str(risk["yellow_by"]))
        return acknowledge_by, businessdays.same_day_or_morning(location=location, now=now, by=by)
    if clock.contact_open == clock.contact_after_hours:
        return acknowledge_by, now + clock.contact_open
    shuts = businessdays.closing(businessdays.open_spans(location=location, now=now), now)
    if shuts is None:
        return acknowledge_by, now + clock.contact_after_hours
    return acknowledge_by, min(now + clock.contact_open, shuts + clock.contact_after_hours)


def _data(signal: safety.Signal) -> dict[str, Any]:
    return {"tier": signal.tier.value, "trigger": signal.trigger, "item": signal.item, "value": signal.value}
