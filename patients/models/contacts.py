"""The people around a patient: whom to call, and who takes them home."""

import pghistory
from django.db import models
from django.utils.translation import gettext_lazy as _
from phonenumber_field.modelfields import PhoneNumberField

from clinic.models import Record, User

from .patients import Patient


@pghistory.track()
class Contact(Record):
    class Kind(models.TextChoices):
        EMERGENCY = "emergency", _("emergency contact")
        ESCORT = "escort", _("escort home")
        BOTH = "both", _("emergency contact and escort")
        OTHER = "other", _("other")

    # Those who may take the patient home.
    ESCORTS = (Kind.ESCORT, Kind.BOTH)

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    name = models.CharField(_("name"), max_length=120)
    relationship = models.CharField(_("relationship"), max_length=40)
    phone = PhoneNumberField(_("phone"))
    email = models.EmailField(_("e-mail"), max_length=254, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["patient"], condition=models.Q(ended_at=None), name="contact_by_patient")]

    def __str__(self) -> str:
        return self.name

    @property
    def can_escort(self) -> bool:
        return self.kind in self.ESCORTS


class AddressChangeQuerySet(models.QuerySet["AddressChange"]):
    def open(self) -> "AddressChangeQuerySet":
        return self.filter(settled_at=None)


class AddressChange(Record):
    """A patient's wish, said on the portal, to be reached elsewhere. The desk calls and then applies or refuses it."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    email = models.EmailField(_("new e-mail"), max_length=254, blank=True)
    phone = PhoneNumberField(_("new phone"), blank=True)
    asked_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    was_applied = models.BooleanField(null=True, blank=True)

    objects = AddressChangeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(settled_at=None, settled_by=None, was_applied=None)
                | models.Q(settled_at__isnull=False, settled_by__isnull=False, was_applied__isnull=False),
                name="address_change_settled_has_outcome",
            ),
            models.CheckConstraint(
                condition=~models.Q(email="") | ~models.Q(phone=""), name="address_change_says_something"
            ),
            models.UniqueConstraint("patient", condition=models.Q(settled_at=None), name="address_change_open_once"),
        ]

    def __str__(self) -> str:
        return str(self.pk)
