"""How people come to us: enquiries from the public page, a phone call or a colleague."""

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from phonenumber_field.modelfields import PhoneNumberField

from clinic.access import Permission, locations_where
from clinic.models import Location, Record, User

from .patients import Patient


class ReferralQuerySet(models.QuerySet["Referral"]):
    def visible_to(self, user: User, permission: Permission) -> "ReferralQuerySet":
        return self.filter(location_id__in=locations_where(user, permission))

    def waiting(self) -> "ReferralQuerySet":
        return self.filter(status__in=[Referral.Status.NEW, Referral.Status.ACCEPTED])


class Referral(Record):
    class Status(models.TextChoices):
        NEW = "new", _("new")
        ACCEPTED = "accepted", _("accepted")
        BOOKED = "booked", _("booked")
        DECLINED = "declined", _("declined")
        CLOSED = "closed", _("closed")

        @property
        def is_final(self) -> bool:
            return self in {self.DECLINED, self.CLOSED}

    class Source(models.TextChoices):
        PUBLIC_PAGE = "public_page", _("our public page")
        PHONE = "phone", _("phone")
        CLINICIAN = "clinician", _("another clinician")

    class DeclineReason(models.TextChoices):
        NOT_OFFERED = "not_offered", _("we do not offer what is needed")
        OUT_OF_AREA = "out_of_area", _("too far away")
        NO_CAPACITY = "no_capacity", _("no room at present")
        UNREACHABLE = "unreachable", _("could not be reached")
        WITHDREW = "withdrew", _("no longer wishes to come")
        DUPLICATE = "duplicate", _("already known to us")

    class UnlinkReason(models.TextChoices):
        WRONG_CHOICE = "wrong_choice", _("the wrong person was chosen")
        HOUSEHOLD = "household", _("it is somebody of the same household")
        SAME_NAME = "same_name", _("it is somebody else of the same name")
        UNSURE = "unsure", _("we are not sure who it is")

    class Reach(models.TextChoices):
        EMAIL = "email", _("by e-mail")
        PHONE = "phone", _("by phone")

    # booked -> accepted: the intake was cancelled before it took place and another may be booked.
    MOVES: ClassVar[dict[str, frozenset[str]]] = {
        Status.NEW: frozenset({Status.ACCEPTED, Status.DECLINED}),
        Status.ACCEPTED: frozenset({Status.BOOKED, Status.DECLINED, Status.CLOSED}),
        Status.BOOKED: frozenset({Status.ACCEPTED, Status.CLOSED}),
        Status.DECLINED: frozenset(),
        Status.CLOSED: frozenset(),
    }

    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+", verbose_name=_("location"))
    source = models.CharField(_("came by"), max_length=12, choices=Source)
    given_name = models.CharField(_("first name"), max_length=80)
    family_name = models.CharField(_("last name"), max_length=80)
    email = models.EmailField(_("e-mail"), max_length=254, blank=True)
    phone = PhoneNumberField(_("phone"), blank=True)
    reach_by = models.CharField(_("best way to reach"), max_length=6, choices=Reach)
    message = models.TextField(_("message"), max_length=2000, blank=True)
    # Ticked by the enquirer themselves: the evidence for the preference that registering them writes.
    agrees_to_email = models.BooleanField(_("agrees to e-mails about visits"), default=False)
    status = models.CharField(_("state"), max_length=8, choices=Status, default=Status.NEW)
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    received_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    booked_at = models.DateTimeField(null=True, blank=True)
    declined_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    decline_reason = models.CharField(_("reason"), max_length=12, choices=DeclineReason, blank=True)
    decline_note = models.TextField(_("note"), max_length=500, blank=True)

    objects = ReferralQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(status="accepted") | Q(accepted_at__isnull=False), name="referral_accepted_has_time"
            ),
            models.CheckConstraint(
                condition=~Q(status="booked") | Q(booked_at__isnull=False, patient__isnull=False),
                name="referral_booked_has_time_and_patient",
            ),
            models.CheckConstraint(
                condition=~Q(status="declined") | (Q(declined_at__isnull=False) & ~Q(decline_reason="")),
                name="referral_declined_has_time_and_reason",
            ),
            models.CheckConstraint(
                condition=~Q(status="closed") | Q(closed_at__isnull=False), name="referral_closed_has_time"
            ),
            models.CheckConstraint(condition=~Q(email="") | ~Q(phone=""), name="referral_can_be_reached"),
        ]
        indexes = [
            # Serves the enquiries list: one location, one state, by keyset; and the waiting count.
            models.Index(fields=["location", "status", "-received_at", "-id"], name="referral_by_location"),
            # Serves the patient's page: how they came to us.
            models.Index(fields=["patient"], condition=Q(patient__isnull=False), name="referral_by_patient"),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def full_name(self) -> str:
        return f"{self.given_name} {self.family_name}"

    def may_become(self, status: str) -> bool:
        return status in self.MOVES[self.status]

    @property
    def decided_at(self) -> datetime | None:
        """Return when the enquiry came into the state it is in."""
        moments = {
            self.Status.ACCEPTED: self.accepted_at,
            self.Status.BOOKED: self.booked_at,
            self.Status.DECLINED: self.declined_at,
            self.Status.CLOSED: self.closed_at,
        }
        return moments.get(self.Status(self.status))

    @property
    def is_open(self) -> bool:
        return not self.Status(self.status).is_final

    @property
    def is_new(self) -> bool:
        return self.status == self.Status.NEW

    @property
    def can_be_closed(self) -> bool:
        return self.may_become(self.Status.CLOSED)

    @property
    def can_be_accepted(self) -> bool:
        return self.may_become(self.Status.ACCEPTED) and self.status == self.Status.NEW

    @property
    def can_be_declined(self) -> bool:
        return self.may_become(self.Status.DECLINED)

    @property
    def can_be_registered(self) -> bool:
        return self.status == self.Status.ACCEPTED and self.patient_id is None

    @property
    def can_be_unlinked(self) -> bool:
        """Return whether its patient may still be taken back: nothing has been built on it while it is accepted."""
        return self.status == self.Status.ACCEPTED and self.patient_id is not None

    @property
    def can_be_booked(self) -> bool:
        return self.may_become(self.Status.BOOKED) and self.patient_id is not None
