"""People who work here: given roles, helped after a lost phone, and gone. And anybody's sessions.

How they come is in ``invitations``, what they may practise with in ``licences``.

What a leaver's patients need next (a new lead of the care team, visits to be moved) belongs to the upper floors; the
work item that ``leave`` opens asks a manager to see to it.
"""

import uuid
from datetime import datetime, timedelta

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.db import IntegrityError, models, transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from clinic import audit
from clinic.actions import outbox, worklist
from clinic.errors import Refused, violated
from clinic.localtime import day_of, zone
from clinic.models import Location, Membership, OutboundMessage, Role, User, WorkingHours, WorkItem, new_id

# How soon a manager looks after what a leaver leaves behind.
HANDOVER_WITHIN = timedelta(days=1)


DISPENSERS = frozenset({Role.NURSE, Role.PRESCRIBER})


class Why(models.TextChoices):
    """Why a second factor was reset; a code, because the audit holds no sentences."""

    LOST = "lost", _("the phone or key is lost or stolen")
    BROKEN = "broken", _("the phone or key is broken")
    REPLACED = "replaced", _("a new phone, and the old one is gone")
    TAKEN_OVER = "taken_over", _("somebody else may have had the account")


class Checked(models.TextChoices):
    """How the manager knows that it is really them."""

    IN_PERSON = "in_person", _("we stood before each other")
    VIDEO = "video", _("we saw each other by video")
    CALLED = "called", _("I called the number we have on file")


class NobodyThere(Refused):
    """No member of staff has that address."""

    def __init__(self) -> None:
        super().__init__(_("Nobody of the team has this address. Invite them instead."))


class OwnAccount(Refused):
    """Nobody decides about their own roles, factors or leaving."""

    def __init__(self) -> None:
        super().__init__(
            _("You cannot do this to your own account. Ask another manager, or the person who runs the clinic.")
        )


class HasLeft(Refused):
    """The account is closed."""

    def __init__(self) -> None:
        super().__init__(
            _("They have left: the account is closed. Invite them again under another address if they come back.")
        )


class RoleHeld(Refused):
    """One role once at a location."""

    def __init__(self) -> None:
        super().__init__(_("They hold this role here already. Change its details instead."))


class RoleEnded(Refused):
    """Somebody ended the role first."""

    def __init__(self) -> None:
        super().__init__(_("This role was ended already. Reload the page."))


class NeedsSupervisor(Refused):
    """A trainee has a supervisor who holds the same role here and is no trainee."""

    def __init__(self) -> None:
        super().__init__(
            _("A trainee needs a supervisor: somebody else with the same role here, who is not a trainee.")
        )


class FlagNotForRole(Refused):
    """Dispensing and directing are clinical."""

    def __init__(self) -> None:
        super().__init__(
            _("Only nurses and prescribers may dispense or lead the pharmacy, only a prescriber is medical director, "
              "and only clinicians are trainees.")
        )  # fmt: skip


class LastManager(Refused):
    """A location without a manager could never be managed again."""

    def __init__(self, location: Location) -> None:
        super().__init__(
            _("%(location)s would be left without a manager. Make somebody else manager there first.")
            % {"location": location.name}
        )


class StillSupervises(Refused):
    """Trainees are never left alone."""

    def __init__(self, trainees: list[str]) -> None:
        super().__init__(
            _("They supervise %(names)s. Choose another supervisor first.") % {"names": ", ".join(trainees)}
        )


class WorksElsewhere(Refused):
    """A manager decides about their own locations only."""

    def __init__(self, locations: list[str]) -> None:
        super().__init__(
            _("They also work at %(names)s, where you are not the manager. End their roles here; the manager there "
              "records that they leave.") % {"names": ", ".join(locations)}
        )  # fmt: skip


@transaction.atomic
def change_details(*, by: User, person: User, name: str, phone: str, now: datetime) -> User:
    """Return the person with a new name and number for urgent pages. Refuses somebody who has left."""
    person = lock_active(person)
    changed = [field for field, value in (("name", name), ("phone", phone)) if getattr(person, field) != value]
    if changed:
        person.name, person.phone = name, phone
        person.save(update_fields=changed)
        audit.record(by, audit.Verb.STAFF_CHANGED, person, now=now, details={"fields": changed})
    return person


def start_membership_by_address(
    *, by: User, email: str, location: Location, role: Role, supervisor: User | None, now: datetime
) -> Membership:
    """Return the new role of a colleague from another location. Refuses an address that is no member of staff's."""
    person = User.objects.staff().filter(email=email.lower(), is_active=True).first()
    if person is None:
        raise NobodyThere
    return start_membership(
        by=by, person=person, location=location, role=role, can_dispense=False, is_pharmacy_lead=False,
        is_medical_director=False, supervisor=supervisor, now=now,
    )  # fmt: skip


@transaction.atomic
def start_membership(
    *,
    by: User,
    person: User,
    location: Location,
    role: Role,
    can_dispense: bool,
    is_pharmacy_lead: bool,
    is_medical_director: bool,
    supervisor: User | None,
    now: datetime,
) -> Membership:
    """Return the new role of a person at a location; a supervisor makes them a trainee.

    Refuses one's own, one held already, one with a flag the role cannot bear, and a trainee without a supervisor.
    """
    _guard_not_self(by, person)
    person = lock_active(person)
    _guard_flags(role, can_dispense, is_pharmacy_lead, is_medical_director)
    guard_supervisor(person, location, role, is_trainee=supervisor is not None, supervisor=supervisor)
    try:
        with transaction.atomic():
            membership = Membership.objects.create(
                user=person, location=location, role=role, can_dispense=can_dispense, is_pharmacy_lead=is_pharmacy_lead,
                is_medical_director=is_medical_director, is_trainee=supervisor is not None, supervisor=supervisor,
                started_at=now,
            )  # fmt: skip
    except IntegrityError as error:
        if violated(error) == "membership_role_once_a_location":
            raise RoleHeld from error
        raise
    audit.record(
        by, audit.Verb.MEMBERSHIP_STARTED, membership, now=now, details={"role": role, "person": str(person.pk)}
    )
    return membership


@transaction.atomic
def change_membership(
    *,
    by: User,
    membership: Membership,
    can_dispense: bool,
    is_pharmacy_lead: bool,
    is_medical_director: bool,
    supervisor: User | None,
    now: datetime,
) -> Membership:
    """Return the role with other flags. Refuses as starting it does, and a role that has ended."""
    membership = _lock_live(membership)
    _guard_not_self(by, membership.user)
    role = Role(membership.role)
    _guard_flags(role, can_dispense, is_pharmacy_lead, is_medical_director)
    is_trainee = supervisor is not None
    guard_supervisor(membership.user, membership.location, role, is_trainee=is_trainee, supervisor=supervisor)
    if is_trainee:
        _guard_supervises_nobody(membership.user, membership.location)
    values = {
        "can_dispense": can_dispense,
        "is_pharmacy_lead": is_pharmacy_lead,
        "is_medical_director": is_medical_director,
        "is_trainee": is_trainee,
        "supervisor": supervisor,
    }
    changed = [field for field, value in values.items() if getattr(membership, field) != value]
    for field in changed:
        setattr(membership, field, values[field])
    if changed:
        membership.save(update_fields=changed)
        audit.record(by, audit.Verb.MEMBERSHIP_CHANGED, membership, now=now, details={"fields": changed})
    return membership


@transaction.atomic
def end_membership(*, by: User, membership: Membership, now: datetime) -> Membership:
    """Return the role, ended; the person is signed out everywhere, so that nothing of it stays open on a screen.

    Refuses one's own, an ended one, the last manager's of a location, and a supervisor's with trainees.
    """
    Location.objects.select_for_update(no_key=True).get(pk=membership.location_id)
    membership = _lock_live(membership)
    _guard_not_self(by, membership.user)
    _guard_not_last_manager(membership)
    _guard_supervises_nobody(membership.user, membership.location)
    _end_membership(by, membership, now)
    _end_sessions(membership.user)
    return membership


def _end_membership(by: User, membership: Membership, now: datetime) -> None:
    membership.ended_at = now
    membership.save(update_fields=["ended_at"])
    audit.record(
        by, audit.Verb.MEMBERSHIP_ENDED, membership, now=now,
        details={"role": membership.role, "person": str(membership.user_id)},
    )  # fmt: skip


@transaction.atomic
def leave(*, by: User, person: User, now: datetime) -> User:
    """Return the person, gone: no session, no role, no working hours; their open work handed to their role or managers.

    A work item at each of their locations asks a manager to look after what is not the ground floor's: care teams
    they lead and visits they were to give. Refuses oneself, somebody at a location that ``by`` does not manage, the
    last manager of a location, and a supervisor with trainees.
    """
    _guard_not_self(by, person)
    places = Location.objects.filter(
        pk__in=Membership.objects.live().filter(user=person).values("location_id")
    ).select_for_update(no_key=True)
    locations = {location.pk: location for location in places.order_by("id")}
    person = lock_active(person)
    held = list(
        Membership.objects.live().filter(user=person).select_for_update(no_key=True).order_by("location_id", "role")
    )
    managed = set(Membership.objects.live().filter(user=by, role=Role.MANAGER).values_list("location_id", flat=True))
    elsewhere = sorted(location.name for pk, location in locations.items() if pk not in managed)
    if elsewhere:
        raise WorksElsewhere(elsewhere)
    for membership in held:
        membership.location = locations[membership.location_id]
        _guard_not_last_manager(membership)
    for location in locations.values():
        _guard_supervises_nobody(person, location)
    heirs: dict[uuid.UUID, Role] = {}
    for membership in held:
        same = Membership.objects.live().filter(location_id=membership.location_id, role=membership.role)
        if same.exclude(user=person).exists():
            heirs.setdefault(membership.location_id, Role(membership.role))
        _end_membership(by, membership, now)
    person.is_active, person.left_at = False, now
    person.save(update_fields=["is_active", "left_at"])
    _end_sessions(person)
    _end_working_hours(person, locations, now)
    worklist.hand_over(by=by, leaver=person, to_role_at=heirs, now=now)
    for location in locations.values():
        worklist.open_item(
            by=by, kind=WorkItem.Kind.HANDOVER, location=location, subject_type="user", subject_id=person.pk,
            due_at=now + HANDOVER_WITHIN, owner_role=Role.MANAGER, now=now,
        )  # fmt: skip
    audit.record(by, audit.Verb.STAFF_LEFT, person, now=now)
    return person


def _end_working_hours(person: User, locations: dict[uuid.UUID, Location], now: datetime) -> None:
    for location in locations.values():
        today = day_of(now, location.tz)
        hours = WorkingHours.objects.filter(user=person, location=location)
        hours.filter(valid_from__gt=today).delete()
        hours.filter(valid_until=None).update(valid_until=today)
        hours.filter(valid_until__gt=today).update(valid_until=today)


@transaction.atomic
def reset_second_factor(*, by: User, person: User, why: Why, checked: Checked, now: datetime) -> User:
    """Return the person without any second factor and signed out everywhere; they set up a new one when they sign in.

    Refuses one's own: whoever stole a manager's session could otherwise take the factor off it.
    """
    _guard_not_self(by, person)
    person = lock_active(person)
    removed, _per_model = Authenticator.objects.filter(user=person).delete()
    _end_sessions(person)
    audit.record(
        by,
        audit.Verb.SECOND_FACTOR_RESET,
        person,
        now=now,
        details={"why": why, "checked": checked, "removed": removed},
    )
    place = Location.objects.filter(pk__in=Membership.objects.live().filter(user=person).values("location_id")).first()
    outbox.queue(
        by=by,
        kind="security_notice",
        to=outbox.Recipient(
            kind=OutboundMessage.RecipientKind.STAFF,
            id=person.pk,
            address=person.email,
            tz=place.tz if place else zone("UTC"),
        ),
        subject_type="user",
        subject_id=new_id(),
        location_id=place.pk if place else None,
        now=now,
        secret={"event": "second_factor_reset"},
    )
    return person


@transaction.atomic
def end_session(*, by: User, session: UserSession, now: datetime) -> None:
    """End one session on the server: the next request of that browser is a stranger's."""
    session.end()
    audit.record(by, audit.Verb.SESSION_ENDED, by, now=now, details={"count": 1})


@transaction.atomic
def end_other_sessions(*, by: User, keep: str, now: datetime) -> int:
    """End every session of ``by`` but the one with the key ``keep``. Return how many."""
    others = list(UserSession.objects.filter(user=by).exclude(session_key=keep))
    for session in others:
        session.end()
    audit.record(by, audit.Verb.SESSION_ENDED, by, now=now, details={"count": len(others)})
    return len(others)


def _end_sessions(person: User) -> None:
    """End every session of a person: the epoch in each one's hash is past, even where Redis still remembers it."""
    User.objects.filter(pk=person.pk).update(session_epoch=F("session_epoch") + 1)
    UserSession.objects.filter(user=person).delete()


def lock_active(person: User) -> User:
    """Return the person's row, held for this transaction. Refuses somebody who has left."""
    person = User.objects.select_for_update(no_key=True).get(pk=person.pk)
    if not person.is_active:
        raise HasLeft
    return person


def _lock_live(membership: Membership) -> Membership:
    membership = (
        Membership.objects.select_related("user", "location")
        .select_for_update(no_key=True, of=("self",))
        .get(pk=membership.pk)
    )
    if membership.ended_at is not None:
        raise RoleEnded
    return membership


def _guard_not_self(by: User, person: User) -> None:
    if by.pk == person.pk:
        raise OwnAccount


def _guard_flags(role: Role, can_dispense: bool, is_pharmacy_lead: bool, is_medical_director: bool) -> None:
    if ((can_dispense or is_pharmacy_lead) and role not in DISPENSERS) or (
        is_medical_director and role != Role.PRESCRIBER
    ):
        raise FlagNotForRole


def guard_supervisor(
    person: User | None, location: Location, role: Role, *, is_trainee: bool, supervisor: User | None
) -> None:
    """Refuse a trainee without a supervisor of the same role at the location, and a trainee in a role without patients."""
    if not is_trainee:
        return
    if not role.is_clinician:
        raise FlagNotForRole
    fit = Membership.objects.live().filter(user=supervisor, location=location, role=role, is_trainee=False)
    if supervisor is None or (person is not None and supervisor.pk == person.pk) or not fit.exists():
        raise NeedsSupervisor


def _guard_not_last_manager(membership: Membership) -> None:
    """Refuse the last manager of a location. The location's row is locked: two cannot go at once."""
    if membership.role != Role.MANAGER:
        return
    others = Membership.objects.live().filter(location_id=membership.location_id, role=Role.MANAGER)
    if not others.exclude(pk=membership.pk).exists():
        raise LastManager(membership.location)


def _guard_supervises_nobody(person: User, location: Location) -> None:
    trainees = Membership.objects.live().filter(supervisor=person, location=location).select_related("user")
    names = sorted(trainee.user.name for trainee in trainees)
    if names:
        raise StillSupervises(names)
