"""Screening flags: raised and settled in the transaction of the fact, decided by a prescriber, seen by whoever reads them.

What a fact means is in ``assessments/screening``. A flag stands while its facts do; when anything of it changes, what was
decided about it no longer counts and the question is asked anew (domain.md 1.3, docs/decisions/0026).
"""

import logging
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Exists, F, Model, OuterRef, Subquery
from django.db.models.functions import JSONObject
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assessments import factsheet, flagdata, medicines, screening
from assessments.actions import clearances
from assessments.eligibility import override_expiry
from assessments.models import Clearance, Screening, ScreeningFlag
from clinic import audit, localtime, policy
from clinic.actions import licences, signatures, system, worklist
from clinic.actions.signatures import Proof
from clinic.errors import Refused
from clinic.models import Location, PolicyVersion, Role, Signature, User, WorkItem
from patients.models import CareTeamMember, Patient

logger = logging.getLogger(__name__)

# How soon a prescriber looks at a new fact about somebody who is cleared.
BLOCK_WITHIN = timedelta(hours=1)
OVERRIDE_WITHIN = timedelta(days=1)
CHUNK = 500

Status, Severity, Finding = ScreeningFlag.Status, ScreeningFlag.Severity, ScreeningFlag.Finding


class HasChanged(Refused):
    """The facts, or somebody else's decision, came first."""

    def __init__(self) -> None:
        super().__init__(
            _("A fact or a decision has changed this since you opened it. Nothing of yours was signed. Look at what stands now.")
        )  # fmt: skip


class BlockStands(Refused):
    """A BLOCK is lifted by facts alone."""

    def __init__(self, flag: screening.Flag) -> None:
        super().__init__(
            _("This stops a dose and nobody can decide otherwise. What lifts it: %(lifts)s")
            % {"lifts": flag.what_lifts}
        )


class QuestionIsAnswered(Refused):
    """What nobody knows is asked, not decided."""

    def __init__(self) -> None:
        super().__init__(_("This is a question. Record the answer; there is nothing to decide until it is known."))


class NothingToDecide(Refused):
    """An INFO is read, not decided."""

    def __init__(self) -> None:
        super().__init__(_("This is for you to know and holds no dose. Mark it as seen."))


class NotForSeeing(Refused):
    """What holds a dose is not ticked off."""

    def __init__(self) -> None:
        super().__init__(
            _("This holds a dose. It is decided with a reason and a plan, or lifted by a fact; having seen it is not enough.")
        )  # fmt: skip


class ReasonMissing(Refused):
    """A decision says why."""

    def __init__(self) -> None:
        super().__init__(_("Choose a reason and say in your own words why you go ahead."))


class PlanMissing(Refused):
    """A decision to go ahead says what is done about the risk."""

    def __init__(self) -> None:
        super().__init__(_("Say what is done about the risk. Without a plan this cannot be decided."))


@dataclass(frozen=True)
class Override:
    """What a prescriber says about one flag. ``plan_text`` may be empty where the flag asks for none (``is_soft``)."""

    flag_id: uuid.UUID
    reason_code: str
    reason_text: str
    plan_text: str = ""


Chosen = list[tuple[ScreeningFlag, Override]]


@dataclass(frozen=True)
class Held:
    """A patient, held for this transaction with the home location, and when and by what they were last screened."""

    patient: Patient
    last_screening: dict[str, Any] | None


class _Standing(NamedTuple):
    """What is asked of a flag that stands, of dozens at every fact."""

    pk: uuid.UUID
    key: str
    status: str
    expires_on: date | None
    data: dict[str, Any]


@transaction.atomic
def rescreen(*, by: User, patient: Patient, now: datetime) -> None:
    """Bring the flags of a patient in step with the facts. Called in the transaction of each fact; a second run finds nothing.

    A new BLOCK that was found suspends every clearance at once. A prescriber is told of what is new about somebody who is cleared.
    Refuses when the policy in force lacks a limit. Source: domain.md 1.3, 1.4, 1.6.
    """
    rescreen_within(by=by, patient=patient, now=now)


@transaction.atomic(savepoint=False)
def rescreen_within(*, by: User, patient: Patient, now: datetime, held: Held | None = None) -> None:
    """Do what ``rescreen`` does, for a caller that opened a savepoint for it: a refusal undoes the caller's block.

    ``held`` is the patient as a caller has locked them in this transaction.
    """
    held = held or locked(patient)
    patient, last = held.patient, held.last_screening
    version, limits = _limits(now)
    tz = patient.home_location.tz
    today = localtime.day_of(now, tz)
    rows = ScreeningFlag.objects.live().filter(patient=patient).order_by("id")
    standing = {row.key: row for row in map(_Standing._make, rows.values_list(*_Standing._fields))}
    found: dict[str, screening.Flag] = {}
    for flag in screening.screen(factsheet.facts_of(patient, now=now), limits, now.astimezone(tz)):
        found.setdefault(flag.key, flag)
    kept = {key for key, row in standing.items() if key in found and _still_holds(row, found[key], today)}
    gone = [row for key, row in standing.items() if key not in kept]
    new = [_row(flag, patient=patient, version=version, now=now) for key, flag in found.items() if key not in kept]
    if gone:
        _settle(by=by, patient=patient, rows=gone, found=found, today=today, now=now)
    if new:
        _raise(by=by, patient=patient, rows=new, now=now)
    elif gone:
        _close_work(by=by, patient=patient, now=now)
    by_what = {
        "policy_id": str(version.pk),
        "rule_set_version": screening.RULE_SET_VERSION,
        "medicines_version": medicines.version(),
    }
    if last is None or not by_what.items() <= last.items() or _day(last["screened_at"], tz) < today:
        _remember(patient, by_what, now)


def locked(patient: Patient) -> Held:
    """Return the patient, held for this transaction, and when and by what they were last screened."""
    rows = Patient.objects.select_for_update(no_key=True, of=("self",)).select_related("home_location")
    found = rows.annotate(last_screening=last_screening("pk")).get(pk=patient.pk)
    return as_held(found, found)


def as_held(patient: Patient, row: Model) -> Held:
    """Return the patient with what was read as ``last_screening`` beside a row that this transaction holds."""
    return Held(patient, vars(row)["last_screening"])


def last_screening(patient: str) -> Subquery:
    """Return when and by what the patient in that column was last screened, to be read along with a lock on them.

    It may be that of before the waiting for the lock: then the patient is noted as screened once more.
    """
    names = ("screened_at", "policy_id", "rule_set_version", "medicines_version")
    rows = Screening.objects.filter(patient=OuterRef(patient))
    return Subquery(rows.values(x=JSONObject(**{name: F(name) for name in names})))


def _day(moment: str, tz: ZoneInfo) -> date:
    return localtime.day_of(datetime.fromisoformat(moment), tz)


def _limits(now: datetime) -> tuple[PolicyVersion, screening.ScreeningLimits]:
    limits = policy.in_force(now)
    return limits.version, screening.ScreeningLimits.from_policy(limits.values)


def _still_holds(row: _Standing, flag: screening.Flag, today: date) -> bool:
    """Return whether the row says what the rule says now, and no decision about it has run out."""
    ran_out = row.expires_on is not None and row.expires_on < today
    return not ran_out and row.data == flagdata.as_data(flag)


def _row(flag: screening.Flag, *, patient: Patient, version: PolicyVersion, now: datetime) -> ScreeningFlag:
    return ScreeningFlag(
        patient=patient, key=flag.key, code=flag.code, rule_version=flag.rule_version,
        rule_set_version=screening.RULE_SET_VERSION, medicines_version=medicines.version(), policy=version,
        severity=flag.severity.value, finding=flag.finding.value, binds=flag.binds.value, trigger=flag.trigger or "",
        data=flagdata.as_data(flag), raised_at=now,
    )  # fmt: skip


def _settle(
    *,
    by: User,
    patient: Patient,
    rows: list[_Standing],
    found: dict[str, screening.Flag],
    today: date,
    now: datetime,
) -> None:
    """Settle what no longer stands as it was: as expired where only the decision's time ran out, else as resolved."""
    expired = [
        row.pk for row in rows
        if row.status == Status.OVERRIDDEN and row.expires_on is not None and row.expires_on < today and row.key in found
    ]  # fmt: skip
    for ids, status in (
        (expired, Status.EXPIRED),
        ([row.pk for row in rows if row.pk not in expired], Status.RESOLVED),
    ):
        if ids:
            ScreeningFlag.objects.filter(pk__in=ids).update(status=status, settled_at=now)
    _record(by, audit.Verb.FLAG_SETTLED, patient, rows, now)


def _raise(*, by: User, patient: Patient, rows: list[ScreeningFlag], now: datetime) -> None:
    ScreeningFlag.objects.bulk_create(rows)
    _record(by, audit.Verb.FLAG_RAISED, patient, rows, now)
    block = next((row for row in rows if row.flag.suspends_clearance), None)
    if block is not None:
        clearances.suspend(by=by, patient=patient, flag=block, now=now)
    loud = [row for row in rows if row.severity != Severity.INFO and row.finding != Finding.MISSING]
    if loud and _is_cleared(patient):
        _tell_prescribers(by=by, patient=patient, is_block=block is not None, now=now)


def _record(
    by: User, verb: audit.Verb, patient: Patient, rows: Iterable[ScreeningFlag | _Standing], now: datetime
) -> None:
    """One line for all that one fact changed. Which rule it was stays with the flag: a code can name an illness."""
    audit.record(by, verb, patient, now=now, details={"flags": [str(row.pk) for row in rows]})


def _is_cleared(patient: Patient) -> bool:
    """Return whether somebody decided about this patient already: cleared, or suspended by what is new."""
    held = [*Clearance.CLEARED, Clearance.Status.SUSPENDED]
    return Clearance.objects.filter(patient=patient, status__in=held).exists()


def _tell_prescribers(*, by: User, patient: Patient, is_block: bool, now: datetime) -> None:
    """Put the patient on the list of the prescribers of their care team; without one, of those of the place and of the team's lead.

    The item says that there is something to look at and never what: lists are read over shoulders.
    """
    location = patient.home_location
    team = CareTeamMember.objects.live().filter(patient=patient).select_related("user").order_by("-is_lead", "since")
    members = [(member.user, member.is_lead) for member in team]
    here = set(
        User.objects.working_at(location.pk, Role.PRESCRIBER)
        .filter(pk__in=[user.pk for user, _lead in members])
        .values_list("pk", flat=True)
    )
    owners: list[User | None] = [user for user, _lead in members if user.pk in here]
    if not owners:
        owners = [None, *(user for user, is_lead in members if is_lead)]
    for owner in owners:
        worklist.open_item(
            by=by, kind=WorkItem.Kind.FLAG_TO_DECIDE, location=location, owner=owner,
            owner_role=None if owner else Role.PRESCRIBER, subject_type="screening", subject_id=patient.pk,
            patient_id=patient.pk, due_at=now + (BLOCK_WITHIN if is_block else OVERRIDE_WITHIN), now=now,
        )  # fmt: skip


def _close_work(*, by: User, patient: Patient, now: datetime) -> None:
    """Take the patient off the lists when nothing that was found waits any more."""
    waiting = ScreeningFlag.objects.open().filter(patient=patient).exclude(severity=Severity.INFO)
    if not waiting.exclude(finding=Finding.MISSING).exists():
        worklist.close_about(
            by=by, kind=WorkItem.Kind.FLAG_TO_DECIDE, subject_id=patient.pk, outcome=WorkItem.Outcome.DONE, now=now
        )


def _remember(patient: Patient, by_what: dict[str, str], now: datetime) -> None:
    """Keep when and by what the patient was screened: once a day, and whenever what it is done by has changed."""
    Screening.objects.bulk_create(
        [Screening(patient=patient, screened_at=now, **by_what)],
        update_conflicts=True, unique_fields=["patient"], update_fields=["screened_at", *by_what],
    )  # fmt: skip


def identity_changed(*, by: User, patient: Patient, now: datetime) -> None:
    """Screen somebody anew whose birth date or sex was corrected: both are facts to the rules. Whoever was never screened is not.

    A clinic without limits, or with one that lacks one, still corrects its records; beat screens as soon as it can.
    """
    if not Screening.objects.filter(patient=patient).exists():
        return
    try:
        with transaction.atomic():
            rescreen(by=by, patient=patient, now=now)
    except Refused:
        logger.warning("Patient %s was not screened after a change of identity.", patient.pk)


def rescreen_by_time(*, now: datetime) -> int:
    """Screen whom only time has changed, and return how many. Called by beat; a second run on the same day finds nobody.

    Results age, weeks pass and decisions run out without anybody recording a fact. Everybody with a living clearance is screened
    once a day of their clinic, and once more under new limits, rules or lists of medicines: the longest unscreened first, at most ``CHUNK`` of a clinic a round, each in a transaction of their own:
    one who cannot be screened is logged and holds up nobody.
    """
    by = system.sam(now=now)
    living = Clearance.objects.filter(
        patient=OuterRef("patient"), status__in=[*Clearance.UNDECIDED, *Clearance.CLEARED, Clearance.Status.SUSPENDED]
    )
    done = 0
    rules: dict[str, Any] = {"rule_set_version": screening.RULE_SET_VERSION, "medicines_version": medicines.version()}
    if (version := PolicyVersion.objects.in_force(now)) is not None:
        rules["policy"] = version.pk
    for location in Location.objects.order_by("id"):
        midnight, _tomorrow = localtime.day_bounds(localtime.day_of(now, location.tz), location.tz)
        due = Screening.objects.filter(Exists(living), patient__home_location=location).exclude(
            screened_at__gte=midnight, **rules
        )
        for one in due.select_related("patient").order_by("screened_at", "id")[:CHUNK]:
            try:
                rescreen(by=by, patient=one.patient, now=now)
            except Exception:  # whatever is wrong with one record, the others are screened
                logger.exception("Patient %s could not be screened.", one.patient_id)
            else:
                done += 1
    return done


@transaction.atomic
def decide(
    *, by: User, flag: ScreeningFlag, reason_code: str, reason_text: str, plan_text: str, proof: Proof, now: datetime
) -> ScreeningFlag:
    """Return the flag, decided and signed: the patient may be treated in spite of it until the decision runs out.

    Refuses what ``guard_overrides`` refuses, and a wrong proof.
    """
    patient = clearances.locked_patient(flag.patient)
    override = Override(flag.pk, reason_code, reason_text, plan_text)
    chosen = guard_overrides(by=by, patient=patient, overrides=[override], now=now)
    row = chosen[0][0]
    row.content = text_of(row, override)
    signature = signatures.sign(
        by=by, signer=by, proof=proof, purpose=Signature.Purpose.OVERRIDE, subject_type="screeningflag", subject_id=row.pk,
        content=row.content, location=patient.home_location, patient_id=patient.pk, now=now,
    )  # fmt: skip
    return apply_overrides(by=by, patient=patient, chosen=chosen, signature=signature, now=now)[0]


def guard_overrides(*, by: User, patient: Patient, overrides: Sequence[Override], now: datetime) -> Chosen:
    """Return each open flag with what is said about it, and until when the decision will hold. The caller holds the patient's row.

    Refuses who is no prescriber of the care team or may not prescribe at the patient's location today; another patient's flag and
    one that has changed; a BLOCK, a question, an INFO; no reason, and no plan where one is asked for. Source: domain.md 1.3.
    """
    if not overrides:
        return []
    today = localtime.day_of(now, patient.home_location.tz)
    licences.may_prescribe(by, patient.home_location, today)
    if not CareTeamMember.objects.live().filter(patient=patient, user=by).exists():
        raise clearances.NotOfTheTeam
    until = override_expiry(today, _limits(now)[1].override_days)
    rows = ScreeningFlag.objects.open().filter(patient=patient).in_bulk({one.flag_id for one in overrides})
    chosen = []
    for one in overrides:
        row = rows.pop(one.flag_id, None)
        if row is None:
            raise HasChanged
        _guard_may_be_decided(row.flag)
        if one.reason_code not in ScreeningFlag.Reason.values or not one.reason_text.strip():
            raise ReasonMissing
        if not row.flag.is_soft and not one.plan_text.strip():
            raise PlanMissing
        row.expires_on = until
        chosen.append((row, one))
    return chosen


def _guard_may_be_decided(flag: screening.Flag) -> None:
    if flag.is_question:
        raise QuestionIsAnswered
    if flag.severity is screening.Severity.BLOCK:
        raise BlockStands(flag)
    if not flag.may_be_overridden:
        raise NothingToDecide


def text_of(row: ScreeningFlag, override: Override) -> str:
    """Return what is signed about one flag, line by line: the rule's own sentence, why, the plan, and until when."""
    lines = [
        gettext("In spite of %(rule)s, version %(version)s: %(sentence)s")
        % {"rule": row.code, "version": row.rule_version, "sentence": row.flag.sentence},
        gettext("Reason: %(reason)s. %(words)s")
        % {"reason": ScreeningFlag.Reason(override.reason_code).label, "words": override.reason_text.strip()},
    ]
    if override.plan_text.strip():
        lines.append(gettext("Plan: %(words)s") % {"words": override.plan_text.strip()})
    if row.expires_on:
        lines.append(gettext("Holds until %(day)s") % {"day": localtime.day_text(row.expires_on)})
    return "\n".join(lines)


@transaction.atomic
def apply_overrides(
    *, by: User, patient: Patient, chosen: Chosen, signature: Signature, now: datetime
) -> list[ScreeningFlag]:
    """Return the flags of ``guard_overrides``, decided under a signature whose text holds ``text_of`` each of them."""
    for row, said in chosen:
        row.status, row.reason_code = Status.OVERRIDDEN, said.reason_code
        row.reason_text, row.plan_text = said.reason_text.strip(), said.plan_text.strip()
        row.decided_by, row.decided_at, row.signature = by, now, signature
        fields = ("status", "reason_code", "reason_text", "plan_text", "decided_by", "decided_at", "expires_on", "signature", "content")  # fmt: skip
        row.save(update_fields=fields)
        audit.record(by, audit.Verb.FLAG_DECIDED, row, now=now, location_id=patient.home_location_id, details={"reason": said.reason_code})  # fmt: skip
    if chosen:
        _close_work(by=by, patient=patient, now=now)
    return [row for row, _said in chosen]


@transaction.atomic
def acknowledge(*, by: User, flag: ScreeningFlag, now: datetime) -> ScreeningFlag:
    """Return the flag, seen by ``by``; who saw it first stays written.

    Refuses whoever is not of the care team, a flag that has changed, and whatever holds a dose.
    """
    patient = clearances.locked_patient(flag.patient)
    if not CareTeamMember.objects.live().filter(patient=patient, user=by).exists():
        raise clearances.NotOfTheTeam
    row = ScreeningFlag.objects.live().filter(pk=flag.pk).first()
    if row is None:
        raise HasChanged
    if row.severity != Severity.INFO:
        raise NotForSeeing
    if row.status == Status.ACKNOWLEDGED:
        return row
    row.status, row.decided_by, row.decided_at = Status.ACKNOWLEDGED, by, now
    row.save(update_fields=["status", "decided_by", "decided_at"])
    audit.record(by, audit.Verb.FLAG_DECIDED, row, now=now, location_id=patient.home_location_id, details={"seen": True})  # fmt: skip
    return row
