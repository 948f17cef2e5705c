"""The person: identity, how to reach them, and the portal identity behind which they sign in."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pghistory
from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import Exists, F, Func, OuterRef, Q
from django.db.models.functions import Collate
from django.utils.translation import gettext_lazy as _
from phonenumber_field.modelfields import PhoneNumberField

from clinic import localtime
from clinic.access import CARE_TEAM_PERMISSIONS, Permission, locations_where
from clinic.errors import Refused
from clinic.models import Location, Record, User
from patients import needs


class LifeState(models.TextChoices):
    ENQUIRER = "enquirer", _("enquirer")
    ACTIVE = "active", _("active")
    PAUSED = "paused", _("paused")
    DISCHARGED = "discharged", _("discharged")
    DECEASED = "deceased", _("deceased")

    @property
    def gets_letters(self) -> bool:
        return self not in {LifeState.DISCHARGED, LifeState.DECEASED}


# Which life state may follow which. A death entered by mistake is taken back by a manager.
LIFE_MOVES: dict[LifeState, frozenset[LifeState]] = {
    LifeState.ENQUIRER: frozenset({LifeState.ACTIVE, LifeState.DISCHARGED, LifeState.DECEASED}),
    LifeState.ACTIVE: frozenset({LifeState.PAUSED, LifeState.DISCHARGED, LifeState.DECEASED}),
    LifeState.PAUSED: frozenset({LifeState.ACTIVE, LifeState.DISCHARGED, LifeState.DECEASED}),
    LifeState.DISCHARGED: frozenset({LifeState.ACTIVE, LifeState.DECEASED}),
    LifeState.DECEASED: frozenset({LifeState.DISCHARGED}),
}


class MergedAway(Refused):
    """The record was merged into another one: nothing more is written into it."""

    def __init__(self, patient: "Patient") -> None:
        super().__init__(
            _(
                "%(mrn)s was merged into %(other)s, so nothing is written here any more, and nothing of this is saved. Open %(other)s and do it there."
            )
            % {"mrn": patient.mrn, "other": patient.merged_into}
        )


class PatientQuerySet(models.QuerySet["Patient"]):
    def visible_to(
        self, user: User, permission: Permission, now: datetime, *, with_merged: bool = False
    ) -> "PatientQuerySet":
        """Return the patients on whom ``user`` holds ``permission`` at ``now``.

        Identity follows the location. The chart follows the care team, or an emergency grant that has not run out
        (domain.md 9.3, docs/access.md). A record that was merged into another one is found only ``with_merged``, by what
        reads it as the past and leads on.
        """
        from .careteams import BreakGlass, CareTeamMember

        here = self.filter(home_location_id__in=locations_where(user, permission))
        if not with_merged:
            here = here.filter(merged_into=None)
        if permission not in CARE_TEAM_PERMISSIONS:
            return here
        team = CareTeamMember.objects.live().filter(user=user, patient_id=OuterRef("pk"))
        grant = BreakGlass.objects.live(now).filter(user=user, patient_id=OuterRef("pk"))
        return here.filter(Exists(team) | Exists(grant))

    def select_for_update(
        self, nowait: bool = False, skip_locked: bool = False, of: Sequence[str] = (), no_key: bool = False
    ) -> "PatientQuerySet":
        """Lock the rows for whoever writes about these patients, and never one that was merged away.

        Every action locks its patient first. Who waited for a merge finds the row as it is now, and ``get`` refuses.
        """
        rows = super().select_for_update(nowait=nowait, skip_locked=skip_locked, of=of, no_key=no_key)
        return rows.filter(merged_into=None)

    def get(self, *args: Any, **kwargs: Any) -> "Patient":
        """Return the one patient. Refuses, where they were to be locked, one who was merged into another."""
        try:
            return super().get(*args, **kwargs)
        except Patient.DoesNotExist:
            if self.query.select_for_update:
                away = Patient.objects.select_related("merged_into").filter(merged_into__isnull=False)
                if (found := away.filter(*args, **kwargs).first()) is not None:
                    raise MergedAway(found) from None
            raise

    def locked_to_merge(self) -> "list[Patient]":
        """Return these patients, merged ones too, held against everybody: rows that point at them wait as well."""
        rows = super().select_for_update(of=("self",)).select_related("home_location")
        return list(rows.order_by("pk"))


class PortalSuspension(models.TextChoices):
    LOST_ADDRESS = "lost_address", _("no longer reads that address")
    SHARED_ADDRESS = "shared_address", _("somebody else reads that address")
    MISUSE = "misuse", _("somebody else got in")
    ASKED = "asked", _("asked for it to be closed")
    DECEASED = "deceased", _("has died")
    MERGED = "merged", _("the record was merged into another")


# What a patient likes to be spoken to in. Another code, from elsewhere, is kept as it came.
LANGUAGES = [("", _("not asked")), ("en", _("English")), ("es", _("Spanish")), ("other", _("another language"))]


# The search key is made by the database in each row; history need not repeat it. Merges keep their own rows.
@pghistory.track(exclude=["search_key", "merged_into"])
class Patient(Record):
    class Sex(models.TextChoices):
        FEMALE = "female", _("female")
        MALE = "male", _("male")
        INTERSEX = "intersex", _("intersex")
        UNKNOWN = "unknown", _("not asked")

    mrn = models.CharField(_("record number"), max_length=12, unique=True)
    given_name = models.CharField(_("first name"), max_length=80)
    middle_name = models.CharField(_("middle name"), max_length=80, blank=True)
    family_name = models.CharField(_("last name"), max_length=80)
    chosen_name = models.CharField(_("chosen name"), max_length=80, blank=True)
    pronouns = models.CharField(_("pronouns"), max_length=30, blank=True)
    birth_date = models.DateField(_("birth date"))
    sex_at_birth = models.CharField(_("sex at birth"), max_length=8, choices=Sex, default=Sex.UNKNOWN)
    email = models.EmailField(_("e-mail"), max_length=254, blank=True)
    phone = PhoneNumberField(_("phone"), blank=True)
    street = models.CharField(_("street"), max_length=120, blank=True)
    city = models.CharField(_("city"), max_length=60, blank=True)
    state = models.CharField(_("state"), max_length=2, blank=True)
    postcode = models.CharField(_("postcode"), max_length=10, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=40, blank=True)
    # Neither is known until somebody asked: "" and None.
    language = models.CharField(_("language"), max_length=8, choices=LANGUAGES, blank=True, default="")
    needs_interpreter = models.BooleanField(_("needs an interpreter"), null=True, blank=True, default=None)
    interpreter_language = models.CharField(_("interpreter for"), max_length=40, blank=True, default="", db_default="")
    uses_wheelchair = models.BooleanField(_("uses a wheelchair"), null=True, blank=True, default=None)
    hard_of_hearing = models.BooleanField(_("hard of hearing"), null=True, blank=True, default=None)
    low_vision = models.BooleanField(_("low vision"), null=True, blank=True, default=None)
    access_needs = models.CharField(_("access needs"), max_length=200, blank=True)
    home_location = models.ForeignKey(
        Location, on_delete=models.PROTECT, related_name="+", verbose_name=_("home location")
    )
    life_state = models.CharField(_("state of care"), max_length=10, choices=LifeState, default=LifeState.ENQUIRER)
    life_state_since = models.DateTimeField()
    registered_at = models.DateTimeField()
    portal_user = models.OneToOneField(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    portal_since = models.DateTimeField(null=True, blank=True)
    portal_suspended_at = models.DateTimeField(null=True, blank=True)
    portal_suspension = models.CharField(
        _("why the portal is closed"), max_length=14, choices=PortalSuspension, blank=True
    )
    # The record that stands for both since a merge. Set and cleared by the merges of the sessions' floor alone.
    merged_into = models.ForeignKey(
        "self", on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )
    # Raised by every edit, so that the second of two editors is told what the first one changed.
    version = models.PositiveIntegerField(default=1)
    # Lower case, without accents and apostrophes: "obrien siobhan shiv". Made by the database, so never out of step.
    search_key = models.GeneratedField(
        expression=Func(
            F("family_name"), F("given_name"), F("middle_name"), F("chosen_name"),
            function="patient_search_key", output_field=models.TextField(),
        ),
        output_field=models.TextField(),
        db_persist=True,
    )  # fmt: skip

    objects = PatientQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(portal_user=None, portal_since=None)
                | Q(portal_user__isnull=False, portal_since__isnull=False),
                name="portal_user_has_since",
            ),
            models.CheckConstraint(
                condition=Q(portal_suspended_at=None, portal_suspension="")
                | (Q(portal_suspended_at__isnull=False, portal_user__isnull=False) & ~Q(portal_suspension="")),
                name="portal_suspended_has_reason",
            ),
            models.CheckConstraint(
                condition=~Q(life_state=LifeState.DECEASED)
                | Q(portal_user=None)
                | Q(portal_suspended_at__isnull=False),
                name="deceased_has_no_open_portal",
            ),
            models.CheckConstraint(condition=~Q(merged_into=F("id")), name="patient_not_merged_into_itself"),
            # Nobody signs in behind a record that nobody writes into.
            models.CheckConstraint(
                condition=Q(merged_into=None) | Q(portal_user=None) | Q(portal_suspended_at__isnull=False),
                name="merged_has_no_open_portal",
            ),
        ]
        indexes = [
            # Serve the search box: prefix first, then any part of a name, then the nearest (docs/decisions).
            # In byte order, so that one index finds a beginning and hands its people over sorted.
            models.Index(Collate(F("search_key"), "C"), name="patient_name_prefix"),
            GinIndex(OpClass(F("search_key"), name="gin_trgm_ops"), name="patient_name_part"),
            models.Index(fields=["birth_date"], name="patient_birth_date"),
            GinIndex(OpClass(F("phone"), name="gin_trgm_ops"), name="patient_phone_part"),
            # By the whole address or its beginning. Actions store it in lower case.
            models.Index(OpClass(F("email"), name="varchar_pattern_ops"), name="patient_email", condition=~Q(email="")),
            # Serves the list of a location's patients, newest first, by keyset.
            models.Index(fields=["home_location", "-registered_at", "-id"], name="patient_by_location"),
            # Serves the patient's page: which records were merged into this one.
            models.Index(fields=["merged_into"], condition=Q(merged_into__isnull=False), name="patient_merged_into"),
        ]

    def __str__(self) -> str:
        return self.mrn

    @property
    def full_name(self) -> str:
        """Return the legal name with the chosen one, the way the desk says it: "Rosa (Rosalind) Vega"."""
        if self.chosen_name and self.chosen_name != self.given_name:
            return f"{self.chosen_name} ({self.given_name}) {self.family_name}"
        return f"{self.given_name} {self.family_name}"

    @property
    def legal_name(self) -> str:
        """Return the name that is typed under a consent."""
        return " ".join(filter(None, (self.given_name, self.middle_name, self.family_name)))

    @property
    def called(self) -> str:
        """Return what to call them."""
        return self.chosen_name or self.given_name

    @property
    def letter_language(self) -> str:
        """Return the language letters are written in: the house's own until the patient was asked."""
        return self.language or settings.LANGUAGE_CODE

    @property
    def tz(self) -> ZoneInfo:
        """Return the patient's zone, or the home location's when none or an unknown one is recorded."""
        return localtime.zone(self.time_zone or self.home_location.time_zone, self.home_location.time_zone)

    @property
    def gets_letters(self) -> bool:
        return LifeState(self.life_state).gets_letters

    @property
    def has_portal(self) -> bool:
        """Return whether the patient can sign in now."""
        return self.portal_user_id is not None and self.portal_suspended_at is None

    @property
    def portal_is_suspended(self) -> bool:
        return self.portal_suspended_at is not None

    @property
    def is_deceased(self) -> bool:
        return self.life_state == LifeState.DECEASED

    @property
    def asked_needs(self) -> needs.Asked:
        return needs.Asked(*(getattr(self, name) for name in needs.Asked._fields))

    @property
    def needs(self) -> list[needs.Need]:
        """Return what makes a visit possible for them, in words with an icon each."""
        return needs.needs_of(self.asked_needs)

    @property
    def needs_not_asked(self) -> list[str]:
        """Return what nobody asked them about coming to a visit yet."""
        return needs.not_asked(self.asked_needs)

    @property
    def is_merged(self) -> bool:
        return self.merged_into_id is not None

    @property
    def next_life_states(self) -> list[LifeState]:
        """Return the states of care the desk may choose next; taking back a death is a manager's act of its own."""
        if self.is_deceased:
            return []
        return [state for state in LifeState if state in LIFE_MOVES[LifeState(self.life_state)]]

    @property
    def address(self) -> str:
        """Return the postal address in one line; empty when none is recorded."""
        place = " ".join(part for part in (self.state, self.postcode) if part)
        return ", ".join(part for part in (self.street, self.city, place) if part)

    def age_on(self, day: date) -> int:
        """Return the age in whole years on a day."""
        born = self.birth_date
        return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


class PortalInvitationQuerySet(models.QuerySet["PortalInvitation"]):
    def open(self, now: datetime) -> "PortalInvitationQuerySet":
        return self.filter(used_at=None, withdrawn_at=None, expires_at__gt=now)


class PortalInvitation(Record):
    """A patient's way into the portal: one link to one address, good once, and the birth date must be known too."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    email = models.EmailField(max_length=254)
    token_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    invited_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    failed_checks = models.PositiveSmallIntegerField(default=0)
    used_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = PortalInvitationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "patient", condition=Q(used_at=None, withdrawn_at=None), name="portal_invitation_open_once"
            )
        ]

    def __str__(self) -> str:
        return str(self.pk)

    def is_open(self, now: datetime) -> bool:
        """Return whether the link is still good at ``now``."""
        return self.used_at is None and self.withdrawn_at is None and now < self.expires_at


__all__ = [
    "LANGUAGES",
    "LIFE_MOVES",
    "LifeState",
    "MergedAway",
    "Patient",
    "PatientQuerySet",
    "PortalInvitation",
    "PortalSuspension",
]
