"""Two records of one person become one, and are taken apart again when they were two people after all.

Wrong merges hurt people. So nothing is thrown away: the other record keeps its row, its number and all that was written and
signed under it, and what moves is named row by row. docs/decisions/0034.
"""

from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assessments.actions import clearances, flags
from assessments.models import Screening
from clinic import audit
from clinic.errors import Refused, violated
from clinic.models import User
from patients.actions import patients, portal
from patients.actions.patients import Identity
from patients.models import Patient, PortalSuspension, Referral
from sessions import merging
from sessions.actions import holds
from sessions.models import Appointment, Merge, ResourceHold

PORTAL = ("portal_user", "portal_since", "portal_suspended_at", "portal_suspension")


class CannotMerge(Refused):
    """What stands against it. ``reasons`` are sentences, each with what to do about it."""

    def __init__(self, reasons: list[str]) -> None:
        self.reasons = reasons
        super().__init__(" ".join(reasons))


class ChangedMeanwhile(Refused):
    """Somebody changed one of the two while they were compared."""

    def __init__(self) -> None:
        super().__init__(_("One of the two records was changed while you compared them. Nothing is merged. Look at both again below, then decide."))  # fmt: skip


class NotMerged(Refused):
    """There is nothing to take apart."""

    def __init__(self) -> None:
        super().__init__(_("These records are two already: somebody took the merge apart. Reload the page."))


class LaterFirst(Refused):
    """Merges of one record are taken apart from the latest back."""

    def __init__(self) -> None:
        super().__init__(_("Another record was merged after this one. Take the later merge apart first; then each gets back what was its own."))  # fmt: skip


@transaction.atomic
def merge(
    *,
    by: User,
    survivor: Patient,
    loser: Patient,
    identity: Identity,
    seen: dict[Any, int],
    reason: str,
    now: datetime,
) -> Merge:
    """Return the merge of ``loser`` into ``survivor``, who is as ``identity`` says from now on.

    ``seen`` are the versions of both as they were compared. What is moved is noted row by row. The survivor is screened anew
    and whatever clears them is suspended until a prescriber has looked. Refuses whatever ``merging.obstacles`` says, two records
    of which one was changed meanwhile, and while somebody else writes about either for more than a moment.
    """
    with holds.last_word():
        return _merge_locked(
            by=by, survivor=survivor, loser=loser, identity=identity, seen=seen, reason=reason, now=now
        )


def _merge_locked(
    *, by: User, survivor: Patient, loser: Patient, identity: Identity, seen: dict[Any, int], reason: str, now: datetime
) -> Merge:
    survivor, loser = _both(survivor, loser)
    counted = merging.counts([loser])[loser.pk]
    if found := merging.obstacles(survivor=survivor, loser=loser, counted=counted):
        raise CannotMerge(found)
    if any(seen.get(one.pk) != one.version for one in (survivor, loser)):
        raise ChangedMeanwhile
    before = asdict(patients.identity_of(patient=survivor))
    patients.edit(by=by, patient=survivor, version=survivor.version, identity=identity, now=now)
    after = asdict(patients.identity_of(patient=Patient.objects.get(pk=survivor.pk)))
    taken = {name: [_plain(before[name]), _plain(after[name])] for name in before if before[name] != after[name]}
    moved = _move(survivor=survivor, loser=loser)
    portal.withdraw_open_invitation(by=by, patient=loser, reason="merged", now=now)
    user = _merge_away(by=by, survivor=survivor, loser=loser, now=now)
    row = Merge.objects.create(
        survivor=survivor, loser=loser, by=by, at=now, reason=reason, moved=moved, taken=taken, portal_user=user
    )
    _look_anew(by=by, patient=survivor, now=now)
    _record(by, audit.Verb.PATIENT_MERGED, row, {key: len(ids) for key, ids in moved.items() if ids}, now)
    return row


@transaction.atomic
def unmerge(*, by: User, merge: Merge, reason: str, now: datetime) -> Merge:
    """Return the merge, taken apart: exactly what it moved goes back, and what was made since stays with the survivor.

    What was taken of the other's identity goes back where nobody has changed it since. Both portals that the merge touched stay
    closed until somebody is invited anew. Refuses a merge that was taken apart, one with a later merge, and while the
    survivor is here for a visit.
    """
    with holds.last_word():
        return _unmerge_locked(by=by, merge=merge, reason=reason, now=now)


def _unmerge_locked(*, by: User, merge: Merge, reason: str, now: datetime) -> Merge:
    survivor, loser = _both(merge.survivor, merge.loser)
    row = Merge.objects.select_for_update(no_key=True).get(pk=merge.pk)
    if row.undone_at is not None:
        raise NotMerged
    if survivor.is_merged or Merge.objects.standing().filter(survivor=survivor, at__gt=row.at).exists():
        raise LaterFirst
    here = Appointment.objects.filter(patient=survivor, status__in=merging.HERE)
    if here.exists():
        raise CannotMerge([gettext("%(mrn)s is here for a visit now. Wait until it is over.") % {"mrn": survivor.mrn}])
    _give_back_portal(row, survivor=survivor, loser=loser, now=now)
    loser.merged_into, loser.version = None, loser.version + 1
    loser.save(update_fields=["merged_into", "version"])
    back = _move_back(row, survivor=survivor, loser=loser)
    _give_back_identity(by=by, row=row, survivor=survivor, now=now)
    row.undone_at, row.undone_by, row.undo_reason = now, by, reason
    row.save(update_fields=["undone_at", "undone_by", "undo_reason"])
    _look_anew(by=by, patient=survivor, now=now)
    _record(by, audit.Verb.PATIENT_UNMERGED, row, back, now)
    return row


def _both(survivor: Patient, loser: Patient) -> tuple[Patient, Patient]:
    """Return both as they are now, locked in one order, so that two merges of the same people wait for each other.

    Their visits that may still begin are locked too: a check-in asks for the visit alone, and is seen by the merge or waits for it.
    """
    both = [survivor.pk, loser.pk]
    found = {one.pk: one for one in Patient.objects.filter(pk__in=both).locked_to_merge()}
    expected = Appointment.objects.filter(patient__in=both, status__in=Appointment.EXPECTED)
    list(expected.locked_with().order_by("pk").values_list("pk"))
    return found[survivor.pk], found[loser.pk]


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _move(*, survivor: Patient, loser: Patient) -> dict[str, list[str]]:
    """Point what may move at the survivor, and return what that was. The patient's reservations go with their visits."""
    moved: dict[str, list[str]] = {}
    for pointer in merging.pointers():
        if not pointer.moves:
            continue
        rows = merging.rows_to_move(pointer, survivor=survivor, loser=loser)
        ids = list(rows.values_list("pk", flat=True))
        pointer.model._base_manager.filter(pk__in=ids).update(**{pointer.name: survivor})
        moved[pointer.key] = [str(pk) for pk in ids]
        if pointer.model is Appointment:
            _move_holds(ids, of=loser, to=survivor)
    return moved


def _move_holds(visits: list[Any], *, of: Patient, to: Patient) -> None:
    holds = ResourceHold.objects.filter(appointment__in=visits, kind=ResourceHold.Kind.PATIENT, resource_id=of.pk)
    try:
        with transaction.atomic():
            holds.update(resource_id=to.pk)
    except IntegrityError as error:
        if violated(error) != "hold_resource_free":
            raise
        raise CannotMerge([gettext("Visits of the two records overlap. Nobody is in two places at once: these may be two people.")]) from error  # fmt: skip


def _merge_away(*, by: User, survivor: Patient, loser: Patient, now: datetime) -> User | None:
    """Close the loser's portal, give its sign-in to a survivor without one, and mark the row. Return that sign-in.

    It goes over closed: whoever read one record by it is let into the other only when the desk invites them anew.
    """
    if loser.has_portal:
        portal.close_portal(loser, PortalSuspension.MERGED, now)
        audit.record(by, audit.Verb.PORTAL_SUSPENDED, loser, now=now, details={"reason": PortalSuspension.MERGED})
    held = {name: getattr(loser, name) for name in PORTAL}
    user: User | None = None
    if survivor.portal_user_id is None and loser.portal_user_id is not None:
        user = loser.portal_user
        loser.portal_user, loser.portal_since, loser.portal_suspended_at, loser.portal_suspension = None, None, None, ""
    loser.merged_into, loser.version = survivor, loser.version + 1
    loser.save(update_fields=["merged_into", "version", *PORTAL])
    if user is not None:
        for name, value in held.items():
            setattr(survivor, name, value)
        survivor.save(update_fields=[*PORTAL])
    return user


def _give_back_portal(row: Merge, *, survivor: Patient, loser: Patient, now: datetime) -> None:
    """Give a sign-in back, closed, to the record it came from, unless the desk has given the survivor another one since."""
    if row.portal_user_id is None or survivor.portal_user_id != row.portal_user_id:
        return
    if survivor.has_portal:
        portal.close_portal(survivor, PortalSuspension.MERGED, now)
    held = {name: getattr(survivor, name) for name in PORTAL}
    survivor.portal_user, survivor.portal_since = None, None
    survivor.portal_suspended_at, survivor.portal_suspension = None, ""
    survivor.save(update_fields=[*PORTAL])
    for name, value in held.items():
        setattr(loser, name, value)
    loser.save(update_fields=[*PORTAL])


def _move_back(row: Merge, *, survivor: Patient, loser: Patient) -> dict[str, int]:
    """Point what the merge moved at the loser again, and return how many of each. What others built on since stays."""
    back: dict[str, int] = {}
    for pointer in merging.pointers():
        ids = row.moved.get(pointer.key, [])
        if not pointer.moves or not ids:
            continue
        rows = pointer.model._base_manager.filter(pk__in=ids, **{pointer.name: survivor})
        if pointer.model is Referral:
            # A visit that was booked from it since is the survivor's, and so is the enquiry then.
            since = Appointment.objects.filter(patient=survivor, referral__in=ids)
            since = since.exclude(pk__in=row.moved.get("clinic_sessions.Appointment.patient", []))
            rows = rows.exclude(pk__in=since.values("referral_id"))
        going = list(rows.values_list("pk", flat=True))
        back[pointer.key] = pointer.model._base_manager.filter(pk__in=going).update(**{pointer.name: loser})
        if pointer.model is Appointment:
            _move_holds(going, of=survivor, to=loser)
    return {key: many for key, many in back.items() if many}


def _give_back_identity(*, by: User, row: Merge, survivor: Patient, now: datetime) -> None:
    fresh = Patient.objects.select_related("home_location").get(pk=survivor.pk)
    values = asdict(patients.identity_of(patient=fresh))
    for name, (before, after) in row.taken.items():
        if _plain(values[name]) == after:
            values[name] = date.fromisoformat(before) if name == "birth_date" else before
    patients.edit(by=by, patient=fresh, version=fresh.version, identity=Identity(**values), now=now)


def _look_anew(*, by: User, patient: Patient, now: datetime) -> None:
    """Screen whoever was screened before, and hold what clears them until a prescriber has looked."""
    if Screening.objects.filter(patient=patient).exists():
        flags.rescreen(by=by, patient=patient, now=now)
    clearances.suspend_after_merge(by=by, patient=patient, now=now)


def _record(by: User, verb: audit.Verb, row: Merge, many: dict[str, int], now: datetime) -> None:
    """One line under each of the two, so that whoever asks after either number finds it."""
    for one in (row.survivor, row.loser):
        audit.record(
            by, verb, row, now=now, patient_id=one.pk, location_id=one.home_location_id,
            details={"survivor": str(row.survivor_id), "loser": str(row.loser_id), "rows": many},
        )  # fmt: skip
