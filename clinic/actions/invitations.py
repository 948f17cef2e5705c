"""Invitations to work here: sent, withdrawn, and accepted by joining."""

from datetime import datetime, timedelta

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from clinic import audit, tokens
from clinic.actions import outbox, people
from clinic.errors import Refused, violated
from clinic.models import Location, Membership, OutboundMessage, Role, StaffInvitation, User

INVITATION_LASTS = timedelta(days=7)


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
    people.guard_supervisor(None, location, role, is_trainee=supervisor is not None, supervisor=supervisor)
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
