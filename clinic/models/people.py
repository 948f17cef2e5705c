"""Who signs in, and where they may do what: users, memberships, licences, invitations.

Patients sign in with a ``User`` too, but they are no members of anything; the person behind it is
``patients.models.patients.Patient``.
"""

import uuid
from collections.abc import Iterator
from datetime import date, datetime
from typing import ClassVar

import pghistory
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from .places import Location
from .record import Record, new_id


class Role(models.TextChoices):
    FRONT_DESK = "front_desk", _("front desk")
    MONITOR = "monitor", _("monitor")
    NURSE = "nurse", _("nurse")
    THERAPIST = "therapist", _("therapist")
    PRESCRIBER = "prescriber", _("prescriber")
    MANAGER = "manager", _("manager")
    PRIVACY_OFFICER = "privacy_officer", _("privacy officer")

    @property
    def is_clinician(self) -> bool:
        return self in CLINICIANS


# Who has a professional licence of their own; a monitor works under somebody else's.
LICENSED = frozenset({Role.NURSE, Role.THERAPIST, Role.PRESCRIBER})
CLINICIANS = LICENSED | {Role.MONITOR}


class UserQuerySet(models.QuerySet["User"]):
    def staff(self) -> "UserQuerySet":
        return self.filter(kind=User.Kind.STAFF)

    def working_at(self, location_id: uuid.UUID, *roles: Role) -> "UserQuerySet":
        """Return the active staff who hold one of the roles (any, when none is named) at a location."""
        memberships = Membership.objects.live().filter(location_id=location_id)
        if roles:
            memberships = memberships.filter(role__in=roles)
        return self.filter(is_active=True, id__in=memberships.values("user_id"))

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the user of a sign-in address; Django's own backends ask it by this name."""
        return self.get(email=(username or "").lower())


class User(AbstractBaseUser):
    """Somebody who can sign in. ``email`` is the sign-in address; letters to patients go by their own record."""

    class Kind(models.TextChoices):
        STAFF = "staff", _("staff")
        PATIENT = "patient", _("patient")
        SYSTEM = "system", _("system")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind)
    email = models.EmailField(_("e-mail"), max_length=254, unique=True)
    name = models.CharField(_("name"), max_length=120)
    phone = models.CharField(_("phone for urgent pages"), max_length=20, blank=True)
    is_active = models.BooleanField(_("may sign in"), default=True)
    created_at = models.DateTimeField(_("created"))
    left_at = models.DateTimeField(_("left"), null=True, blank=True)
    # Part of every session's hash: raising it ends all of this person's sessions at once, wherever they are kept.
    session_epoch = models.PositiveIntegerField(default=0)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    objects = UserQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(email=Lower("email")), name="user_email_is_lower_case"),
            models.CheckConstraint(condition=Q(left_at=None) | Q(is_active=False), name="user_who_left_is_inactive"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_session_auth_hash(self) -> str:
        """Return what a session must know to stay alive: it changes with the password and with ``session_epoch``."""
        return self._session_hash(None)

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        """Yield the same under each older SECRET_KEY that settings still vouch for."""
        for secret in settings.SECRET_KEY_FALLBACKS:
            yield self._session_hash(secret)

    def _session_hash(self, secret: str | bytes | None) -> str:
        text = f"{self.password}:{self.session_epoch}"
        return salted_hmac("clinic.User.session", text, secret=secret, algorithm="sha256").hexdigest()

    @property
    def is_staff_member(self) -> bool:
        return self.kind == self.Kind.STAFF

    @property
    def is_patient(self) -> bool:
        return self.kind == self.Kind.PATIENT

    @property
    def short_name(self) -> str:
        return self.name.split(" ", 1)[0]

    @property
    def initials(self) -> str:
        words = [word for word in self.name.replace(".", " ").split() if word[0].isalpha()]
        return "".join(word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words[:1])).upper()


class MembershipQuerySet(models.QuerySet["Membership"]):
    def live(self) -> "MembershipQuerySet":
        return self.filter(ended_at=None)


@pghistory.track()
class Membership(Record):
    """One role of one person at one location, with the flags that go with it. Never deleted: it ends."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", verbose_name=_("person"))
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+", verbose_name=_("location"))
    role = models.CharField(_("role"), max_length=16, choices=Role)
    can_dispense = models.BooleanField(_("may dispense"), default=False)
    is_pharmacy_lead = models.BooleanField(_("pharmacy lead"), default=False)
    is_medical_director = models.BooleanField(_("medical director"), default=False)
    is_trainee = models.BooleanField(_("trainee"), default=False)
    supervisor = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", null=True, blank=True, verbose_name=_("supervisor")
    )
    started_at = models.DateTimeField(_("since"))
    ended_at = models.DateTimeField(_("until"), null=True, blank=True)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "user", "location", "role", condition=Q(ended_at=None), name="membership_role_once_a_location"
            ),
            models.CheckConstraint(
                condition=Q(is_trainee=False) | Q(supervisor__isnull=False), name="trainee_has_a_supervisor"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.role}"


@pghistory.track()
class Licence(Record):
    """A licence or DEA registration of a clinician, with the day it ends."""

    class Kind(models.TextChoices):
        PROFESSIONAL = "professional", _("professional licence")
        DEA = "dea", _("DEA registration")

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", verbose_name=_("person"))
    kind = models.CharField(_("kind"), max_length=12, choices=Kind)
    number = models.CharField(_("number"), max_length=30)
    state = models.CharField(_("state"), max_length=2)
    expires_on = models.DateField(_("valid until"))

    class Meta:
        constraints = [models.UniqueConstraint("user", "kind", "state", name="licence_once_a_kind_and_state")]

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"

    def is_valid_on(self, day: date) -> bool:
        return day <= self.expires_on


class StaffInvitationQuerySet(models.QuerySet["StaffInvitation"]):
    def open(self, now: datetime) -> "StaffInvitationQuerySet":
        return self.filter(accepted_at=None, withdrawn_at=None, expires_at__gt=now)


class StaffInvitation(Record):
    """A manager's invitation to one address. Only the hash of its token is kept."""

    email = models.EmailField(_("e-mail"), max_length=254)
    name = models.CharField(_("name"), max_length=120)
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+", verbose_name=_("location"))
    role = models.CharField(_("role"), max_length=16, choices=Role)
    supervisor = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    token_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    invited_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = StaffInvitationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(email=Lower("email")), name="invitation_email_is_lower_case"),
            models.UniqueConstraint(
                "email", condition=Q(accepted_at=None, withdrawn_at=None), name="invitation_once_an_address"
            ),
        ]

    def __str__(self) -> str:
        return self.name
