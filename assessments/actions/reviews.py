"""What a prescriber decides in a review: the clearance, and with it the flags that need a decision, under one signature.

Everything is looked at before anything is signed, because a code signs once: a refusal costs the prescriber nothing but the reading
of it. Why one signature may stand under several decisions: docs/decisions/0027.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from assessments import facts, gate, largestdose, reviewpage, standing
from assessments.actions import clearances, flags
from assessments.actions.clearances import NotInCare
from assessments.clearancetexts import Decision, text_of
from assessments.eligibility import ClearanceLimits, clearance_expiry
from assessments.largestdose import Most
from assessments.models import CareEvent, CareEventKind, Clearance, ClearanceMove, ScreeningFlag
from clinic import localtime, policy
from clinic.actions import licences, signatures, worklist
from clinic.actions.signatures import Proof
from clinic.errors import Refused
from clinic.models import Signature, User, WorkItem
from patients.models import CareTeamMember, Patient
from patients.models.consents import Route

# How soon the patient is called about what was decided.
CALL_WITHIN = timedelta(days=1)
# What is put off is put off to a day one can still remember.
LONGEST_DEFERRAL = timedelta(days=365)

Status, Cause = Clearance.Status, ClearanceMove.Cause
# The patient is told that we will call them after these (Clearance.patient_words): somebody has to.
CALLED_ABOUT = (Status.MORE_INFO_REQUESTED, Status.DEFERRED, Status.DECLINED, Status.REFERRED_OUT)


class DecidedMeanwhile(Refused):
    """Somebody else, or a new fact, came first."""

    def __init__(self, clearance: Clearance, who: str, when: str) -> None:
        super().__init__(
            _(
                "It is “%(state)s” since %(when)s, by %(who)s. Nothing of yours was signed. Look at what stands now, then decide."
            )
            % {"state": clearance.get_status_display(), "when": when, "who": who}
        )


class NothingToDecide(Refused):
    """What is cleared or has ended is not decided again."""

    def __init__(self, clearance: Clearance) -> None:
        super().__init__(
            _("This is “%(state)s”; there is nothing to decide. Open a new review to change it.")
            % {"state": clearance.get_status_display()}
        )


class NothingChosen(Refused):
    """A signature stands under something."""

    def __init__(self) -> None:
        super().__init__(_("You decided about none of the flags. Fill in the reason and the plan of at least one."))


class SayWhy(Refused):
    """Every no, and every not yet, has its reason."""

    def __init__(self) -> None:
        super().__init__(_("Say why, in words. The next person who opens this chart needs to know."))


class SayWhich(Refused):
    """A clearance names route, mg and sessions."""

    def __init__(self) -> None:
        super().__init__(
            _("A clearance names its route, the most mg of a dose and the most sessions. Fill in all three.")
        )


class SayTheConditions(Refused):
    """Conditions belong to one outcome and not to the other."""

    def __init__(self, *, named: bool) -> None:
        super().__init__(
            _("You wrote conditions. Choose “cleared with conditions”, or take them out.")
            if named
            else _("Say what the conditions are.")
        )


class NoLimitForRoute(Refused):
    """A route whose most nobody approved is not cleared."""

    def __init__(self, route: str) -> None:
        super().__init__(
            _("The clinic’s policy sets no largest dose for this route (%(route)s), so nobody can be cleared for it. A medical director approves one in the policy.")
            % {"route": Route(route).label}
        )  # fmt: skip


class WeighFirst(Refused):
    """The most of this route depends on the weight."""

    def __init__(self, route: str) -> None:
        super().__init__(
            _("The largest dose for this route (%(route)s) is reckoned from the weight, and there is none that is recent enough. Weigh the patient and record it first.")
            % {"route": Route(route).label}
        )  # fmt: skip


class AboveTheLimit(Refused):
    """The policy's largest dose is the largest."""

    def __init__(self, most: int) -> None:
        super().__init__(
            _("The clinic’s policy allows at most %(most)s mg by this route. Enter %(most)s or less.") % {"most": most}
        )


class TooManySessions(Refused):
    """The policy caps the sessions of one clearance."""

    def __init__(self, most: int) -> None:
        super().__init__(
            _("The clinic’s policy allows at most %(most)s sessions in one clearance. Enter %(most)s or less.")
            % {"most": most}
        )


class LimitsMissing(Refused):
    """Nobody is cleared by a policy that leaves a limit out."""

    def __init__(self) -> None:
        super().__init__(
            _("The policy in force leaves out a limit of clearances. A medical director approves one that has it; until then nobody can be cleared.")
        )  # fmt: skip


class OtherRoute(Refused):
    """A clearance keeps its route; another route is another clearance."""

    def __init__(self, route: str) -> None:
        super().__init__(
            _("This one is about one route (%(route)s). Open a new review for another.") % {"route": Route(route).label}
        )


class RouteIsOpen(Refused):
    """One question or answer a route."""

    def __init__(self, other: Clearance) -> None:
        super().__init__(
            _("There is one for this route already, and it is “%(state)s”. Decide that one.")
            % {"state": other.get_status_display()}
        )


class NotSoFar(Refused):
    """What is put off is put off to a day to come, within a year."""

    def __init__(self) -> None:
        super().__init__(_("Choose the day on which it is looked at again: after today, and within a year."))


class StandsInTheWay(Refused):
    """Something holds the clearance. ``unmet`` is all of it, so that the page can lead to each."""

    def __init__(self, unmet: Sequence[gate.Unmet]) -> None:
        more = len(unmet) - 1
        others = ngettext("One more thing stands in the way.", "%(count)s more things stand in the way.", more) % {
            "count": more
        }
        first = gettext("This patient cannot be cleared yet. %(first)s") % {"first": unmet[0].sentence}
        super().__init__(f"{first} {others}" if more else first)
        self.unmet = tuple(unmet)


def decide(
    *,
    by: User,
    clearance: Clearance,
    seen_version: int,
    outcome: str,
    route: str,
    max_mg: int | None,
    max_sessions: int | None,
    conditions: str,
    reason: str,
    proof: Proof,
    now: datetime,
    until: date | None = None,
    workup_words: str = "",
    overrides: Sequence[flags.Override] = (),
) -> Clearance:
    """Return the clearance as a prescriber of the care team decided it, signed; ``overrides`` are decided with it.

    mg are of one dose, sessions of the whole clearance; it holds until ``clearance_expiry`` says. The patient is screened anew first,
    and what that finds stays found even when the decision is refused. Refuses everybody else, a prescriber whose licence or DEA
    registration has run out, a version that is not the newest, whatever ``gate.for_clearance`` names, more than the policy's most,
    and a wrong proof. Nothing is signed unless all of it can be. A no to a question that names no route ends what stands for any.
    Source: domain.md 1.3, 1.5, 1.6, scenario 50.
    """
    flags.rescreen(by=by, patient=clearance.patient, now=now)
    decision = Decision(
        outcome=outcome, reason=reason.strip(), route=route, max_mg=max_mg, max_sessions=max_sessions, conditions=conditions.strip(),
        workup_words=workup_words.strip(), until=until,
    )  # fmt: skip
    return _decide(by, clearance, seen_version, decision, overrides, proof, now)


@transaction.atomic
def _decide(
    by: User,
    clearance: Clearance,
    seen_version: int,
    decision: Decision,
    overrides: Sequence[flags.Override],
    proof: Proof,
    now: datetime,
) -> Clearance:
    patient = clearances.locked_patient(clearance.patient)
    guard_prescriber(by=by, patient=patient, now=now)
    rows = Clearance.objects.live().filter(patient=patient).select_for_update(no_key=True).order_by("id")
    live = {row.pk: row for row in rows}
    held = live.get(clearance.pk) or Clearance.objects.get(pk=clearance.pk)
    held.patient = patient
    _guard_newest(held, seen_version)
    limits = policy.in_force(now)
    chosen = flags.guard_overrides(by=by, patient=patient, overrides=overrides, now=now)
    stands = standing.of(patient, limits.version.values, now)
    today = localtime.day_of(now, patient.home_location.tz)
    expires_on: date | None = None
    gone_without = [line for line in stands.lines if line.needs_words]
    if decision.clears:
        doses = largest_doses(stands, limits.version.values, patient.home_location.tz, now)
        _guard_what(decision, held, list(live.values()), limits.version.values, doses)
        unmet = gate.for_clearance(
            is_screened=stands.is_screened, flags=stands.flags, lines=stands.lines, on=today,
            decided={row.pk for row, _override in chosen}, workup_words=decision.workup_words,
        )  # fmt: skip
        if unmet:
            raise StandsInTheWay(unmet)
        expires_on = _expiry(patient, limits.version.values, today, now)
    else:
        expires_on = _guard_no(decision, today)
    ends = held.would_end(live.values()) if decision.outcome in Clearance.REFUSALS else []
    content = text_of(
        patient=patient, step=held.version, decision=decision, expires_on=expires_on, gone_without=gone_without, policy_number=limits.number,
        overrides=[flags.text_of(row, override) for row, override in chosen],
        ends=[str(reviewpage.clearance_line(one, patient.home_location.tz)["limits"]) for one in ends], by=by.name, now=now,
    )  # fmt: skip
    signature = signatures.sign(
        by=by, signer=by, proof=proof, purpose=Signature.Purpose.CLEARANCE, subject_type="clearance", subject_id=held.pk,
        content=content, location=patient.home_location, patient_id=patient.pk, now=now,
    )  # fmt: skip
    _apply(by, patient, chosen, content, signature, now)
    for other in live.values():
        if decision.clears and other.pk != held.pk and other.route == decision.route:
            clearances.move(by=by, clearance=other, to=Status.EXPIRED, cause=Cause.PERSON, reason=gettext("replaced by a new clearance"), now=now)  # fmt: skip
    for other in ends:
        other.patient = patient
        why = gettext("ended by “%(outcome)s”") % {"outcome": Status(decision.outcome).label}
        clearances.move(by=by, clearance=other, to=Status.EXPIRED, cause=Cause.PERSON, reason=why, now=now)
        clearances.settle_work(by=by, clearance=other, outcome=WorkItem.Outcome.NOT_NEEDED, now=now)
    return _write(by, held, decision, expires_on, content, signature, now)


@transaction.atomic
def decide_flags(
    *, by: User, patient: Patient, overrides: Sequence[flags.Override], proof: Proof, now: datetime
) -> list[ScreeningFlag]:
    """Return the flags, decided together under one signature, with no clearance decided beside them.

    Refuses an empty list, whoever may not decide about this patient, what ``flags.guard_overrides`` refuses, and a wrong proof.
    """
    patient = clearances.locked_patient(patient)
    guard_prescriber(by=by, patient=patient, now=now)
    if not overrides:
        raise NothingChosen
    chosen = flags.guard_overrides(by=by, patient=patient, overrides=overrides, now=now)
    words = {"name": patient.full_name, "mrn": patient.mrn, "who": by.name}
    when = localtime.moment_text(now, patient.home_location.tz)
    head = gettext("Decisions about %(name)s, %(mrn)s, by %(who)s on %(when)s") % {**words, "when": when}
    content = "\n\n".join([head, *(flags.text_of(row, override) for row, override in chosen)])
    signature = signatures.sign(
        by=by, signer=by, proof=proof, purpose=Signature.Purpose.OVERRIDE, subject_type="patient", subject_id=patient.pk,
        content=content, location=patient.home_location, patient_id=patient.pk, now=now,
    )  # fmt: skip
    return _apply(by, patient, chosen, content, signature, now)


def _apply(
    by: User, patient: Patient, chosen: flags.Chosen, content: str, signature: Signature, now: datetime
) -> list[ScreeningFlag]:
    """Return the flags, decided. Each keeps the whole text that was signed, so that its signature can be checked from it alone."""
    for row, _override in chosen:
        row.content = content
    return flags.apply_overrides(by=by, patient=patient, chosen=chosen, signature=signature, now=now)


def guard_prescriber(*, by: User, patient: Patient, now: datetime) -> None:
    """Refuse whoever may not decide about this patient now. An emergency opening lets nobody decide: it is for reading."""
    if not patient.gets_letters:
        raise NotInCare(patient)
    if not CareTeamMember.objects.live().filter(patient=patient, user=by).exists():
        raise clearances.NotOfTheTeam
    licences.may_prescribe(by, patient.home_location, localtime.day_of(now, patient.home_location.tz))


def _guard_newest(clearance: Clearance, seen_version: int) -> None:
    if clearance.version != seen_version:
        last = ClearanceMove.objects.filter(clearance=clearance).select_related("by").order_by("-at", "-id").first()
        when = localtime.moment_text(clearance.since, clearance.patient.home_location.tz)
        raise DecidedMeanwhile(clearance, last.by.name if last else "", when)
    if not clearance.may_be_decided:
        raise NothingToDecide(clearance)


def _guard_what(
    decision: Decision, held: Clearance, live: list[Clearance], values: Mapping[str, Any], doses: Iterable[Most]
) -> None:
    """Refuse a clearance that does not name everything, or names more than the policy allows."""
    if decision.route not in Route.values or not decision.max_mg or not decision.max_sessions:
        raise SayWhich
    if held.route and held.route != decision.route:
        raise OtherRoute(held.route)
    if bool(decision.conditions) != (decision.outcome == Status.CLEARED_WITH_CONDITIONS):
        raise SayTheConditions(named=bool(decision.conditions))
    for other in live:
        if other.pk != held.pk and other.route == decision.route and not other.is_cleared:
            raise RouteIsOpen(other)
    most = next(one for one in doses if one.route == decision.route)
    if not most.is_set:
        raise NoLimitForRoute(decision.route)
    if most.mg is None:
        raise WeighFirst(decision.route)
    if decision.max_mg > most.mg:
        raise AboveTheLimit(most.mg)
    cap = values.get("clearance", {}).get("max_sessions")
    if not isinstance(cap, int):
        raise LimitsMissing
    if decision.max_sessions > cap:
        raise TooManySessions(cap)


def largest_doses(stands: standing.Standing, values: Mapping[str, Any], tz: ZoneInfo, now: datetime) -> list[Most]:
    """Return the most of each route for this patient today, by a policy's values and a weight that is fresh enough."""
    kilograms = largestdose.fresh_weight(
        stands.facts.known, today=localtime.day_of(now, tz), tz=tz, max_age_days=int(values["weight_max_age_days"])
    )
    return [largestdose.most_of(values, facts.Route(route), kilograms) for route in Route.values]


def _expiry(patient: Patient, values: Mapping[str, Any], today: date, now: datetime) -> date:
    """Return the last day of a clearance decided today. Source: domain.md 1.6."""
    try:
        limits = ClearanceLimits.from_policy(values)
    except (KeyError, TypeError, ValueError, ImproperlyConfigured) as error:
        raise LimitsMissing from error
    doses = CareEvent.objects.filter(patient=patient, kind=CareEventKind.DOSE_GIVEN, cancelled_at=None, at__lte=now)
    last = doses.order_by("-at").values_list("at", flat=True).first()
    return clearance_expiry(today, localtime.day_of(last, patient.home_location.tz) if last else None, limits)


def _guard_no(decision: Decision, today: date) -> date | None:
    """Return the day until which it is put off, or None. Refuses a no without a reason, and an outcome that is none."""
    if decision.outcome not in Clearance.OUTCOMES:
        raise SayWhich
    if not decision.reason:
        raise SayWhy
    if decision.outcome != Status.DEFERRED:
        return None
    if decision.until is None or not today < decision.until <= today + LONGEST_DEFERRAL:
        raise NotSoFar
    return decision.until


def _write(
    by: User,
    clearance: Clearance,
    decision: Decision,
    expires_on: date | None,
    content: str,
    signature: Signature,
    now: datetime,
) -> Clearance:
    """Return the clearance with the decision in it. What a no has no place for is emptied: the earlier words are in its moves."""
    if clearance.status != Status.CLINICIAN_REVIEW:
        clearances.move(by=by, clearance=clearance, to=Status.CLINICIAN_REVIEW, cause=Cause.PERSON, now=now)
    clearance.route = decision.route if decision.clears else clearance.route
    clearance.max_mg = decision.max_mg if decision.clears else None
    clearance.max_sessions = decision.max_sessions if decision.clears else None
    clearance.conditions = decision.conditions if decision.clears else ""
    clearance.expires_on, clearance.signature = expires_on, signature
    clearance.decided_by, clearance.decided_at = by, now
    clearances.move(
        by=by, clearance=clearance, to=decision.outcome, cause=Cause.PERSON, reason=decision.reason, content=content,
        signature=signature, now=now,
        fields=("route", "max_mg", "max_sessions", "conditions", "expires_on", "signature", "decided_by", "decided_at"),
    )  # fmt: skip
    clearances.settle_work(by=by, clearance=clearance, outcome=WorkItem.Outcome.DONE, now=now)
    if decision.outcome in CALLED_ABOUT:
        patient = clearance.patient
        worklist.open_item(
            by=by, kind=WorkItem.Kind.CALL_PATIENT, location=patient.home_location, owner=by, subject_type="patient",
            subject_id=patient.pk, patient_id=patient.pk, due_at=now + CALL_WITHIN, now=now,
        )  # fmt: skip
    return clearance
