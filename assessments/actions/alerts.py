"""Risk alerts: made in the transaction of the answer, and closed by a licensed clinician's disposition only.

Calling people is the ground floor's work (``clinic.actions.pages``); who is called, and when again, is decided there. Here
is what an answer sets off, who reached the patient, and what a clinician decided (domain.md 6.5).
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_lazy as _

from assessments import safety
from assessments.actions import flags
from assessments.instrument import Tier
from assessments.models import AssessmentResponse, ContactAttempt, Disposition, RiskAlert
from clinic import audit, businessdays, localtime, oncall, policy
from clinic.access import Permission
from clinic.actions import licences, pages, signatures, worklist
from clinic.errors import Refused
from clinic.logs import trail
from clinic.models import Location, Page, Role, Signature, User, WorkItem
from patients.models import Patient

log = structlog.get_logger(__name__)

SUBJECT = "riskalert"
# What a signal is called that no item of a form set off: the patient wrote that they are in danger, and said so when asked.
CRISIS_WORDS = "crisis_words"
# The same day, and before the place is empty.
OUTREACH_WITHIN = timedelta(hours=4)


class NotYourAlert(Refused):
    """A disposition and a contact are a licensed clinician's word."""

    def __init__(self) -> None:
        super().__init__(
            _("Only a licensed clinician of the location who is not in training can do this. Call one who is on call.")
        )


class AlreadyClosed(Refused):
    """Somebody closed the alert while this was written."""

    def __init__(self, name: str) -> None:
        super().__init__(
            _(
                "%(name)s has closed this alert meanwhile. Read what they wrote; send yours again to add it beside theirs."
            )
            % {"name": name}
        )


class IsClosed(Refused):
    """Contacts belong to an open alert."""

    def __init__(self) -> None:
        super().__init__(_("This alert is closed. What you know beyond that belongs into an addition below."))


class NotThen(Refused):
    """A contact that has not been yet, or was before the alert."""


class NotComplete(Refused):
    """A RED is closed with everything said and signed; no disposition says nothing."""

    def __init__(self, is_red: bool) -> None:
        super().__init__(
            _("A red alert is closed only with the level, what happens now, why, the access to means, who was asked, a plan, and your signature.")
            if is_red
            else _("Say why, in a few words at least. An alert is never closed without a reason.")
        )  # fmt: skip


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
    if not signals:
        return None
    if response is not None:
        known = RiskAlert.objects.filter(response=response).first()
        if known is not None:
            return known
    return _raise(by=by, patient=patient, response=response, signals=signals, now=now)


def _raise(
    *,
    by: User,
    patient: Patient,
    response: AssessmentResponse | None,
    signals: tuple[safety.Signal, ...],
    now: datetime,
    extra: dict[str, str] | None = None,
) -> RiskAlert:
    """Store an alert, call people about it and put it on somebody's list."""
    tier = max((signal.tier for signal in signals), key=lambda each: each.urgency)
    location = Location.objects.get(pk=patient.home_location_id)
    acknowledge_by, contact_by = _clocks(tier, location, now)
    alert = RiskAlert.objects.create(
        patient=patient, location=location, response=response, tier=tier, raised_at=now,
        signals=[_data(signal) | (extra or {}) for signal in signals], acknowledge_by=acknowledge_by, contact_by=contact_by,
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
    """Put the alert on the list of who leads the care team or else treats and is there, or of the prescribers of the place."""
    owner = _who_treats(alert.patient_id, alert.location, now)
    worklist.open_item(
        by=by, kind=WorkItem.Kind.RISK_ALERT, location=alert.location, subject_type=SUBJECT, subject_id=alert.pk,
        patient_id=alert.patient_id, owner=owner, owner_role=None if owner else Role.PRESCRIBER,
        due_at=alert.contact_by, now=now,
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


@transaction.atomic
def raise_for_words(*, by: User, patient: Patient, response: AssessmentResponse | None, now: datetime) -> RiskAlert:
    """Return the RED alert for words of danger that the patient wrote and confirmed when asked on the same page.

    It is an alert of its own beside whatever the answers set off. The same response confirmed twice raises one.
    """
    signal = safety.Signal(Tier.RED, CRISIS_WORDS, "", None)
    if response is not None:
        of_these = RiskAlert.objects.filter(
            patient=patient, signals__contains=[{"trigger": CRISIS_WORDS, "response": str(response.pk)}]
        ).first()
        if of_these is not None:
            return of_these
    return _raise(
        by=by, patient=patient, response=None, signals=(signal,), now=now,
        extra={"response": str(response.pk)} if response else {},
    )  # fmt: skip


def _guard(by: User, alert: RiskAlert, now: datetime) -> None:
    """Refuse whoever is no licensed clinician of the location, or may not see the alert."""
    mine = RiskAlert.objects.visible_to(by, Permission.ALERT_ANSWER, now).filter(pk=alert.pk).exists()
    if not mine or not oncall.is_clinician(by, alert.location_id):
        raise NotYourAlert


@transaction.atomic
def record_contact(
    *,
    by: User,
    alert: RiskAlert,
    whom: ContactAttempt.Whom,
    result: ContactAttempt.Result,
    at: datetime,
    note: str = "",
    now: datetime,
) -> ContactAttempt:
    """Return the attempt to reach the patient, or somebody for them. Whoever records one has answered the call.

    The first that spoke with the patient stops that clock. Refuses anybody but a licensed clinician whose alert it is, a
    closed alert, a time to come, and one before the alert.
    """
    alert = RiskAlert.objects.select_for_update(no_key=True, of=("self",)).select_related("location").get(pk=alert.pk)
    _guard(by, alert, now)
    if not alert.is_open:
        raise IsClosed
    if at > now:
        raise NotThen(_("That is still to come. Write when you tried to reach them."))
    if at < alert.raised_at.replace(second=0, microsecond=0):
        raise NotThen(
            _("That is before the alert was raised (%(moment)s). Write when you tried to reach them because of it.")
            % {"moment": localtime.moment_text(alert.raised_at, alert.location.tz)}
        )
    attempt = ContactAttempt.objects.create(
        alert=alert, whom=whom, result=result, note=note, by=by, at=at, recorded_at=now
    )
    if alert.contacted_at is None and (whom, result) == (ContactAttempt.Whom.PATIENT, ContactAttempt.Result.SPOKE):
        alert.contacted_at = at
        alert.save(update_fields=["contacted_at"])
    page = Page.objects.ringing().about(SUBJECT, alert.pk).first()
    if page is not None:
        pages.acknowledge(by=by, page=page, now=now)
    audit.record(by, audit.Verb.ALERT_CONTACT_RECORDED, alert, now=now, details={"whom": whom, "result": result})
    return attempt


@dataclass(frozen=True)
class Decision:
    """What a clinician decided. For a RED alert every part is said; for the others the level, what happens, and why."""

    level: Disposition.Level
    outcome: Disposition.Outcome
    rationale: str
    means: str = ""
    consulted: str = ""
    plan: str = ""

    def text(self, alert: RiskAlert) -> str:
        """Return exactly what is signed."""
        return "\n".join(
            (str(alert.pk), self.level, self.outcome, self.rationale, self.means, self.consulted, self.plan)
        )


@transaction.atomic
def dispose(
    *,
    by: User,
    alert: RiskAlert,
    decision: Decision,
    proof: signatures.Proof | None = None,
    is_addition: bool = False,
    now: datetime,
) -> Disposition:
    """Return the disposition, which closes the alert with its page and its work; after that, an addition beside it.

    Refuses anybody but a clinician whose alert it is and whose licence is on record and holds that day, a RED one with a
    part missing or unsigned, one without a reason, and a first disposition that came second (``is_addition`` says that
    the writer has read the first).
    """
    # Patient first: answers are handed in under the same lock.
    patient = Patient.objects.select_for_update(no_key=True, of=("self",)).get(pk=alert.patient_id)
    alert = RiskAlert.objects.select_for_update(no_key=True, of=("self",)).select_related("location").get(pk=alert.pk)
    _guard(by, alert, now)
    licences.may_practise(by, alert.location, localtime.day_of(now, alert.location.tz))
    parts = (decision.rationale, decision.means, decision.consulted, decision.plan)
    if not decision.rationale.strip() or (alert.is_red and not all(part.strip() for part in parts)):
        raise NotComplete(alert.is_red)
    if alert.is_red and proof is None:
        raise NotComplete(is_red=True)
    if not alert.is_open and not is_addition:
        first = Disposition.objects.filter(alert=alert).select_related("by").order_by("at", "id").first()
        raise AlreadyClosed(first.by.name if first else "")
    signature = None
    if proof is not None and alert.is_red:
        signature = signatures.sign(
            by=by, signer=by, proof=proof, purpose=Signature.Purpose.DISPOSITION, subject_type=SUBJECT,
            subject_id=alert.pk, content=decision.text(alert), location=alert.location, patient_id=patient.pk, now=now,
        )  # fmt: skip
    disposition = Disposition.objects.create(
        alert=alert, level=decision.level, outcome=decision.outcome, rationale=decision.rationale, means=decision.means,
        consulted=decision.consulted, plan=decision.plan, by=by, signature=signature, at=now,
    )  # fmt: skip
    if alert.is_open:
        _close(by, alert, now)
    audit.record(
        by, audit.Verb.ALERT_CLOSED, alert, now=now,
        details={"level": decision.level, "outcome": decision.outcome, "is_addition": is_addition},
    )  # fmt: skip
    _rescreen(by, alert, patient, now)
    return disposition


def _rescreen(by: User, alert: RiskAlert, patient: Patient, now: datetime) -> None:
    """Let the disposition count as a fact. Should our own code fail at that, it stands all the same, and somebody is told."""
    try:
        with transaction.atomic():
            flags.rescreen(by=by, patient=patient, now=now)
    except Exception as error:
        log.error("screening_after_disposition_failed", record=str(alert.pk), reason=trail(error))
        worklist.open_item(
            by=by, kind=WorkItem.Kind.SCORING_FAILED, location=alert.location, owner_role=Role.MANAGER,
            subject_type="patient", subject_id=patient.pk, patient_id=patient.pk, due_at=now, now=now,
        )  # fmt: skip


def _close(by: User, alert: RiskAlert, now: datetime) -> None:
    alert.closed_at = now
    alert.save(update_fields=["closed_at"])
    pages.close_about(by=by, subject_type=SUBJECT, subject_id=alert.pk, now=now)
    worklist.close_about(
        by=by, kind=WorkItem.Kind.RISK_ALERT, subject_id=alert.pk, outcome=WorkItem.Outcome.DONE, now=now
    )


def ring_again(*, by: User, now: datetime) -> int:
    """Ring anew about every alert that somebody answered and nobody has reached the patient for in time; return how many.

    Whoever answered late, or tried to reach the patient just now, is given the policy's ``page_again_min`` first. Goes on
    until the patient was spoken with or a disposition closes it.
    """
    patience = now - timedelta(minutes=policy.risk(now)["page_again_min"])
    quiet = Page.objects.live().filter(subject_type=SUBJECT, acknowledged_at__lte=patience)
    tried = ContactAttempt.objects.filter(alert=OuterRef("pk"), recorded_at__gt=patience)
    late = RiskAlert.objects.overdue(now).filter(pk__in=quiet.values("subject_id")).exclude(Exists(tried))
    rung = 0
    for alert_id in list(late.order_by("contact_by", "id").values_list("pk", flat=True)):
        with transaction.atomic():
            alert = RiskAlert.objects.overdue(now).select_for_update(no_key=True).filter(pk=alert_id).first()
            page = quiet.filter(subject_id=alert_id).select_related("location").first() if alert else None
            if page is not None:
                pages.ring_again(by=by, page=page, now=now)
                rung += 1
    return rung


@transaction.atomic
def reach_out(
    *, by: User, patient: Patient, location: Location, subject_type: str, subject_id: uuid.UUID, now: datetime
) -> WorkItem | None:
    """Return the work that asks a clinician to reach, the same day, somebody at risk who did not come; None without a risk.

    Somebody is at risk while a red or an orange alert of theirs is open (domain.md 8.2, scenario 46).
    """
    if not RiskAlert.objects.open().urgent().filter(patient=patient).exists():
        return None
    owner = _who_treats(patient.pk, location, now)
    return worklist.open_item(
        by=by, kind=WorkItem.Kind.OUTREACH, location=location, subject_type=subject_type, subject_id=subject_id,
        patient_id=patient.pk, owner=owner, owner_role=None if owner else Role.PRESCRIBER, now=now,
        due_at=min(now + OUTREACH_WITHIN, localtime.day_bounds(localtime.day_of(now, location.tz), location.tz)[1]),
    )  # fmt: skip


def _who_treats(patient_id: uuid.UUID, location: Location, now: datetime) -> User | None:
    """Return who leads the patient's care team, or who else treats them there; only licensed clinicians who are not away."""
    team = oncall.treating(patient_id)
    there = set(oncall.staff_of(location.pk).licensed) - oncall.away(team, now)
    first = next((person for person in team if person in there), None)
    return User.objects.get(pk=first) if first is not None else None
