"""People who work here: invited, joined, given roles, helped after a lost phone, and gone. And anybody's sessions.

What a leaver's patients need next (a new lead of the care team, visits to be moved) belongs to the upper floors; the
work item that ``leave`` opens asks a manager to see to it.
"""

import uuid
from collections.abc import Set
from datetime import date, datetime, timedelta

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, models, transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from clinic import audit, tokens
from clinic.actions import outbox, worklist
from clinic.errors import Refused, violated
from clinic.localtime import day_of, day_text, zone
from clinic.models import (
    LICENSED,
    Licence,
    Location,
    Membership,
    OutboundMessage,
    Role,
    StaffInvitation,
    User,
    WorkingHours,
    WorkItem,
    new_id,
)

INVITATION_LASTS = timedelta(days=7)
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


class AddressTaken(Refused):
    """One address is one account."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "This address already has an account. If they work at another location, add a role by their address instead."
            )
        )


class AlreadyInvited(Refused):
    """One open invitation an address."""

    def __init__(self) -> None:
        super().__init__(
            _("There is an open invitation for this address. Withdraw it first if something in it is wrong.")
        )


class InvitationOver(Refused):
    """The link was used, withdrawn or is older than seven days."""

    def __init__(self) -> None:
        super().__init__(_("This invitation was used, withdrawn or has run out. Ask your manager for a new one."))


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


class NotLicensed(Refused):
    """This takes a licensed clinician of the location."""

    def __init__(self, user: User, location: Location) -> None:
        super().__init__(
            _("%(name)s does not work at %(location)s in a licensed role. Ask a colleague there who does.")
            % {"name": user.name, "location": location.name}
        )


class LicenceExpired(NotLicensed):
    """The licence or registration for the location's state is not on record, or has run out."""

    def __init__(self, user: User, kind: Licence.Kind, state: str, ended_on: date | None) -> None:
        values = {"name": user.name, "licence": kind.label, "state": state}
        if ended_on is None:
            said = _(
                "There is no %(licence)s of %(name)s for %(state)s on record. A manager enters it under Office, People; until then a colleague has to do this."
            )
        else:
            values["day"] = day_text(ended_on)
            said = _(
                "The %(licence)s of %(name)s for %(state)s ended on %(day)s. A manager enters the renewed one under Office, People; until then a colleague has to do this."
            )
        Refused.__init__(self, said % values)


@transaction.atomic
def invite(
    *, by: User, email: str, name: str, location: Location, role: Role, supervisor: User | None, now: datetime
) -> StaffInvitation:
    """Return the invitation, its letter queued. The link lasts seven days and is for this address alone.

    Refuses an address that has an account or an open invitation, and a trainee's supervisor who cannot be one.
    """
    email = email.lower()
    if User.objects.filter(email=email).exists():
        raise AddressTaken
    _guard_supervisor(None, location, role, is_trainee=supervisor is not None, supervisor=supervisor)
    # One that ran out makes room for the next.
    StaffInvitation.objects.filter(email=email, accepted_at=None, withdrawn_at=None, expires_at__lte=now).update(
        withdrawn_at=now
    )
    token = tokens.new()
    try:
        with transaction.atomic():
            invitation = StaffInvitation.objects.create(
                email=email, name=name, location=location, role=role, supervisor=supervisor,
                token_hash=tokens.hash_of(token), invited_by=by, invited_at=now, expires_at=now + INVITATION_LASTS,
            )  # fmt: skip
    except IntegrityError as error:
        if violated(error) == "invitation_once_an_address":
            raise AlreadyInvited from error
        raise
    audit.record(by, audit.Verb.STAFF_INVITED, invitation, now=now, details={"role": role})
    outbox.queue(
        by=by,
        kind="staff_invitation",
        to=outbox.Recipient(
            kind=OutboundMessage.RecipientKind.STAFF,
            id=invitation.pk,
            address=email,
            tz=location.tz,
        ),
        subject_type="staffinvitation",
        subject_id=invitation.pk,
        location_id=location.pk,
        now=now,
        useful_until=invitation.expires_at,
        secret={"token": token},
    )
    return invitation


@transaction.atomic
def withdraw_invitation(*, by: User, invitation: StaffInvitation, now: datetime) -> StaffInvitation:
    """Return the invitation, withdrawn, with its letter if that has not left. Refuses one that is over."""
    invitation = StaffInvitation.objects.select_for_update(no_key=True).get(pk=invitation.pk)
    if invitation.accepted_at or invitation.withdrawn_at:
        raise InvitationOver
    invitation.withdrawn_at = now
    invitation.save(update_fields=["withdrawn_at"])
    outbox.void(subject_type="staffinvitation", subject_id=invitation.pk, reason="withdrawn", now=now)
    audit.record(by, audit.Verb.STAFF_INVITATION_WITHDRAWN, invitation, now=now)
    return invitation


def join(*, by: None, token: str, name: str, password: str, now: datetime) -> User:
    """Return the new member of staff, with the role and address of the invitation, whatever else was sent.

    Refuses a link that is over, and an address that got an account meanwhile.
    """
    # Hashing is slow on purpose; the row is locked after it.
    return _join(token=token, name=name, password=make_password(password), now=now)


@transaction.atomic
def _join(*, token: str, name: str, password: str, now: datetime) -> User:
    opened = StaffInvitation.objects.open(now).select_for_update(no_key=True, of=("self",)).select_related("location")
    invitation = opened.filter(token_hash=tokens.hash_of(token)).first()
    if invitation is None:
        raise InvitationOver
    try:
        with transaction.atomic():
            user = User.objects.create(
                kind=User.Kind.STAFF, email=invitation.email, name=name, password=password, created_at=now
            )
    except IntegrityError as error:
        # The only unique thing that is not made here.
        raise AddressTaken from error
    Membership.objects.create(
        user=user, location=invitation.location, role=invitation.role, started_at=now,
        is_trainee=invitation.supervisor_id is not None, supervisor_id=invitation.supervisor_id,
    )  # fmt: skip
    invitation.accepted_at, invitation.accepted_by = now, user
    invitation.save(update_fields=["accepted_at", "accepted_by"])
    audit.record(user, audit.Verb.STAFF_JOINED, user, now=now, location_id=invitation.location_id)
    return user


@transaction.atomic
def change_details(*, by: User, person: User, name: str, phone: str, now: datetime) -> User:
    """Return the person with a new name and number for urgent pages. Refuses somebody who has left."""
    person = _lock_active(person)
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
    person = _lock_active(person)
    _guard_flags(role, can_dispense, is_pharmacy_lead, is_medical_director)
    _guard_supervisor(person, location, role, is_trainee=supervisor is not None, supervisor=supervisor)
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
    _guard_supervisor(membership.user, membership.location, role, is_trainee=is_trainee, supervisor=supervisor)
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
    person = _lock_active(person)
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
    person = _lock_active(person)
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
def record_licence(
    *, by: User, person: User, kind: Licence.Kind, number: str, state: str, expires_on: date, now: datetime
) -> Licence:
    """Return the licence: one of a kind and state a person, so a renewed one replaces it, with history."""
    person = _lock_active(person)
    licence, made = Licence.objects.select_for_update(no_key=True).get_or_create(
        user=person, kind=kind, state=state.upper(), defaults={"number": number, "expires_on": expires_on}
    )
    if not made:
        licence.number, licence.expires_on = number, expires_on
        licence.save(update_fields=["number", "expires_on"])
    audit.record(by, audit.Verb.LICENCE_CHANGED, licence, now=now, details={"kind": kind, "state": state.upper()})
    return licence


def may_prescribe(user: User, location: Location, on: date) -> None:
    """Refuse whoever may not prescribe a controlled substance at a location on its calendar day ``on``.

    It takes the prescriber's role there, and a professional licence and a DEA registration for its state that hold on
    that day; their last day still counts. Source: domain.md scenario 50, 21 CFR 1301.12 (a registration is a state's).
    """
    _guard_licensed(user, location, on, {Role.PRESCRIBER}, (Licence.Kind.PROFESSIONAL, Licence.Kind.DEA))


def may_practise(user: User, location: Location, on: date) -> None:
    """Refuse whoever is no licensed clinician (nurse, therapist, prescriber; no trainee) of a location on its day ``on``."""
    _guard_licensed(user, location, on, LICENSED, (Licence.Kind.PROFESSIONAL,))


def _guard_licensed(
    user: User, location: Location, on: date, roles: Set[Role], kinds: tuple[Licence.Kind, ...]
) -> None:
    held = Membership.objects.live().filter(
        user=user, user__is_active=True, location=location, role__in=roles, is_trainee=False
    )
    if not held.exists():
        raise NotLicensed(user, location)
    ends = dict(Licence.objects.filter(user=user, state=location.state).values_list("kind", "expires_on"))
    for kind in kinds:
        if kind not in ends or ends[kind] < on:
            raise LicenceExpired(user, kind, location.state, ends.get(kind))


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


def _lock_active(person: User) -> User:
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


def _guard_supervisor(
    person: User | None, location: Location, role: Role, *, is_trainee: bool, supervisor: User | None
) -> None:
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
