"""The clinic's limits from draft to approval: one draft at a time, signed by a medical director, never changed again."""

import copy
import hashlib
import json
import uuid
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from django.db import IntegrityError, models, transaction
from django.utils.translation import gettext_lazy as _

from clinic import audit, localtime, policy, policy_shape
from clinic.actions import signatures, system, worklist
from clinic.actions.signatures import Proof
from clinic.errors import Refused, violated
from clinic.models import Location, Membership, PolicyVersion, Role, Signature, User, WorkItem
from clinic.policy_words import Path, label_of, leaves

# How soon a director looks at a draft; at one without which parts of the software stand still, sooner.
LOOK_WITHIN = timedelta(days=7)
LOOK_WITHIN_AFTER_RELEASE = timedelta(days=1)
# A change further off than this is a slip of the finger.
FURTHEST_AHEAD = timedelta(days=365)


class DraftChanged(Refused):
    """Somebody saved the draft after it was read."""

    def __init__(self, who: User) -> None:
        super().__init__(
            _("%(name)s saved this draft while you had it open. Look at what they changed before you go on.")
            % {"name": who.name}
        )


class DraftGone(Refused):
    """The draft was approved or discarded, or there never was one."""

    def __init__(self) -> None:
        super().__init__(_("There is no such draft any more: it was approved or discarded. The history says which."))


class NotInOrder(Refused):
    """A limit is missing, implausible, or on the wrong side of another."""

    def __init__(self, problem: tuple[Path, str]) -> None:
        path, said = problem
        super().__init__(_("“%(limit)s”: %(said)s Correct it in the draft.") % {"limit": label_of(path), "said": said})


class NothingChanged(Refused):
    """The draft says what is approved already."""

    def __init__(self) -> None:
        super().__init__(_("This draft changes no limit. Change one, or discard the draft."))


class NotDirector(Refused):
    """Limits are approved by who answers for them."""

    def __init__(self) -> None:
        super().__init__(
            _("Only a medical director approves the clinic’s limits. They find the draft on their list of work.")
        )


class NotThatDay(Refused):
    """A policy never reaches back, and never stands before one that was approved earlier."""

    def __init__(self, earliest: date) -> None:
        super().__init__(
            _("Choose a day from %(day)s on, and within a year: limits never change what has happened, and not before those approved earlier.")
            % {"day": localtime.day_text(earliest)}
        )  # fmt: skip


def newest_approved() -> PolicyVersion | None:
    """Return the approved version with the highest number: what a draft starts from and is compared with."""
    return PolicyVersion.objects.filter(approved_at__isnull=False).order_by("-number").first()


def open_draft() -> PolicyVersion | None:
    """Return the draft, if there is one."""
    return PolicyVersion.objects.filter(approved_at=None).select_related("drafted_by").first()


def first_values(approved: PolicyVersion | None) -> dict[str, Any]:
    """Return what a new draft begins with: the newest approved limits, and a proposal for each that they leave out."""
    values: dict[str, Any] = copy.deepcopy(approved.values) if approved else {}
    for path, value in missing(values):
        policy_shape.put(values, path, copy.deepcopy(value))
    return values


def missing(values: dict[str, Any]) -> list[tuple[Path, Any]]:
    """Return the limits this release asks for that ``values`` leave out, with what is proposed for each."""
    given = dict(leaves(values))
    return [(path, value) for path, value in leaves(policy.FIRST_LIMITS) if path not in given]


def mark_of(draft: PolicyVersion | None) -> str:
    """Return what a form remembers of the draft it shows, to notice that somebody saved it meanwhile."""
    if draft is None:
        newest = newest_approved()
        return f"new-{newest.number if newest else 0}"
    said = f"{draft.pk}\n{_canonical(draft.values)}\n{draft.note}"
    return hashlib.sha256(said.encode()).hexdigest()[:20]


def text_of(version: PolicyVersion, effective_at: datetime) -> str:
    """Return the exact text that a director signs: number, day, reason and every limit, the same in every language."""
    limits = sorted((".".join(path), json.dumps(value, ensure_ascii=False)) for path, value in leaves(version.values))
    lines = [
        f"Clinic policy, version {version.number}",
        f"In force from {effective_at.isoformat()}",
        f"Why: {version.note}",
    ]
    return "\n".join([*lines, *(f"{path}: {value}" for path, value in limits)])


@transaction.atomic
def draft(*, by: User, seen: str, values: dict[str, Any], note: str, now: datetime) -> PolicyVersion:
    """Return the draft with these limits and this reason, begun now or saved again.

    Refuses to overrule what somebody saved since ``seen``, and limits that are missing, implausible or out of order.
    """
    kept = _locked_draft()
    if kept is None and not seen.startswith("new-"):
        raise DraftGone
    if mark_of(kept) != seen:
        if kept is None:
            raise DraftGone
        raise DraftChanged(kept.drafted_by)
    for problem in policy_shape.problems(values):
        raise NotInOrder(problem)
    if kept is None:
        kept = _begin(by, values, note, now)
    else:
        kept.values, kept.note, kept.drafted_by, kept.drafted_at = values, note, by, now
        kept.save(update_fields=["values", "note", "drafted_by", "drafted_at"])
    changed = len(changed_paths(newest_approved(), kept))
    audit.record(by, audit.Verb.POLICY_DRAFTED, kept, now=now, details={"number": kept.number, "changed": changed})
    _tell_directors(by, kept, now + LOOK_WITHIN, now)
    return kept


def _begin(by: User, values: dict[str, Any], note: str, now: datetime) -> PolicyVersion:
    newest = PolicyVersion.objects.order_by("-number").first()
    number = newest.number + 1 if newest else 1
    try:
        with transaction.atomic():
            return PolicyVersion.objects.create(number=number, values=values, note=note, drafted_by=by, drafted_at=now)
    except IntegrityError as error:
        if violated(error) in {"policy_one_draft", "clinic_policyversion_number_key"}:
            winner = open_draft()
            raise (DraftChanged(winner.drafted_by) if winner else DraftGone()) from error
        raise


@transaction.atomic
def approve(
    *, by: User, seen: str, effective_on: date, proof: Proof, location: Location, now: datetime
) -> PolicyVersion:
    """Return the draft, approved and signed; it rules from the beginning of a day at ``location``, or at once if today.

    Refuses anybody but a medical director of that location, a draft that changed since it was read, one that changes
    nothing or is out of order, a past day or one before an approved version's, and a wrong proof.
    """
    if not is_director(by, location):
        raise NotDirector
    version = _locked_draft()
    if version is None:
        raise DraftGone
    if mark_of(version) != seen:
        raise DraftChanged(version.drafted_by)
    for problem in policy_shape.problems(version.values):
        raise NotInOrder(problem)
    before = newest_approved()
    if not changed_paths(before, version):
        raise NothingChanged
    effective_at = effective_from(effective_on, location, now)
    version.approved_by, version.approved_at, version.effective_at = by, now, effective_at
    signatures.sign(
        by=by, signer=by, proof=proof, purpose=Signature.Purpose.POLICY, subject_type="policyversion",
        subject_id=version.pk, content=text_of(version, effective_at), location=location, now=now,
    )  # fmt: skip
    version.save(update_fields=["approved_by", "approved_at", "effective_at"])
    audit.record(
        by, audit.Verb.POLICY_APPROVED, version, now=now,
        details={"number": version.number, "own_draft": version.drafted_by_id == by.pk},
    )  # fmt: skip
    worklist.close_about(
        by=by, kind=WorkItem.Kind.POLICY_DRAFT, subject_id=version.pk, outcome=WorkItem.Outcome.DONE, now=now
    )
    # This process at once; the others, and all of them when the day comes, within the minute they remember.
    transaction.on_commit(policy.forget)
    return version


def earliest_day(location: Location, now: datetime) -> date:
    """Return the first day on which a draft may take effect: today, or that of the approved version that starts last."""
    today = localtime.day_of(now, location.tz)
    last = PolicyVersion.objects.filter(effective_at__gt=now).order_by("-effective_at").first()
    if last is None or last.effective_at is None:
        return today
    day = localtime.day_of(last.effective_at, location.tz)
    starts = localtime.day_bounds(day, location.tz)[0]
    return day if starts >= last.effective_at else day + timedelta(days=1)


def effective_from(day: date, location: Location, now: datetime) -> datetime:
    """Return the moment a day begins at a location, or ``now`` for today. Refuses a day that is too early or too far."""
    earliest = earliest_day(location, now)
    today = localtime.day_of(now, location.tz)
    if not earliest <= day <= today + FURTHEST_AHEAD:
        raise NotThatDay(earliest)
    return now if day == today else localtime.day_bounds(day, location.tz)[0]


@transaction.atomic
def discard(*, by: User, seen: str, now: datetime) -> None:
    """Throw the draft away; nothing of it was ever in force. Refuses one that changed since it was read."""
    version = _locked_draft()
    if version is None:
        raise DraftGone
    if mark_of(version) != seen:
        raise DraftChanged(version.drafted_by)
    worklist.close_about(
        by=by, kind=WorkItem.Kind.POLICY_DRAFT, subject_id=version.pk, outcome=WorkItem.Outcome.NOT_NEEDED, now=now
    )
    audit.record(by, audit.Verb.POLICY_DISCARDED, version, now=now, details={"number": version.number})
    version.delete()


@transaction.atomic
def propose_missing(*, now: datetime) -> PolicyVersion | None:
    """Draft the limits that a release asks for and the newest approved version leaves out, and put it before a director.

    Run by every release; twice is once. A draft somebody has open gets them added. Returns the draft, None if nothing is
    missing or no clinic was founded yet.
    """
    approved = newest_approved()
    if approved is None or not missing(approved.values):
        return None
    by, kept = system.sam(now=now), _locked_draft()
    if kept is not None and not missing(kept.values):
        return kept
    if kept is None:
        note = str(_("This release asks for limits that were not there before. Nothing that was approved is changed."))
        kept = _begin(by, first_values(approved), note, now)
    else:
        kept.values = first_values(kept)
        kept.save(update_fields=["values"])
    audit.record(
        by, audit.Verb.POLICY_DRAFTED, kept, now=now,
        details={"number": kept.number, "changed": len(changed_paths(approved, kept))},
    )  # fmt: skip
    _tell_directors(by, kept, now + LOOK_WITHIN_AFTER_RELEASE, now)
    return kept


def changed_paths(before: PolicyVersion | None, after: PolicyVersion) -> list[Path]:
    """Return the limits that two versions do not share, in the order of the later one, those it dropped last."""
    old, new = dict(leaves(before.values if before else {})), dict(leaves(after.values))
    return [path for path in [*new, *(path for path in old if path not in new)] if not _same(old, new, path)]


def _same(old: dict[Path, Any], new: dict[Path, Any], path: Path) -> bool:
    return path in old and path in new and _canonical(old[path]) == _canonical(new[path])


def is_director(user: User, location: Location) -> bool:
    """Return whether this person is a medical director of the location."""
    return _directorships().filter(user=user, location=location).exists()


def directors(besides: Iterable[uuid.UUID] = ()) -> list[Membership]:
    """Return the medical directors, each with the location they direct first by name."""
    found: dict[uuid.UUID, Membership] = {}
    for held in (
        _directorships().exclude(user_id__in=besides).select_related("user", "location").order_by("location__name")
    ):
        found.setdefault(held.user_id, held)
    return list(found.values())


def directorships(user: User) -> list[Membership]:
    """Return where this person is medical director, by name of the location."""
    return list(_directorships().filter(user=user).select_related("location").order_by("location__name"))


def _directorships() -> models.QuerySet[Membership]:
    return Membership.objects.live().filter(role=Role.PRESCRIBER, is_medical_director=True, user__is_active=True)


def _tell_directors(by: User, version: PolicyVersion, due_at: datetime, now: datetime) -> None:
    """Put the draft on the list of every director but the one who saved it; without any, on that of the managers."""
    others = directors(besides=[by.pk])
    for held in others:
        worklist.open_item(
            by=by, kind=WorkItem.Kind.POLICY_DRAFT, location=held.location, owner=held.user,
            subject_type="policyversion", subject_id=version.pk, due_at=due_at, now=now,
        )  # fmt: skip
    if not others and not directors():
        for location in Location.objects.active():
            worklist.open_item(
                by=by, kind=WorkItem.Kind.POLICY_DRAFT, location=location, owner_role=Role.MANAGER,
                subject_type="policyversion", subject_id=version.pk, due_at=due_at, now=now,
            )  # fmt: skip


def _locked_draft() -> PolicyVersion | None:
    # Locked alone: joined to who saved it, a draft that another has saved while this one waited would not be found.
    return PolicyVersion.objects.filter(approved_at=None).select_for_update(no_key=True).first()


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
