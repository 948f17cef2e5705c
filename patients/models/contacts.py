"""The people around a patient: whom to call, and who takes them home."""

import pghistory
from django.db import models
from django.utils.translation import gettext_lazy as _
from phonenumber_field.modelfields import PhoneNumberField

from clinic.models import Record

from .patients import Patient


@pghistory.track()
class Contact(Record):
    class Kind(models.TextChoices):
        EMERGENCY = "emergency", _("emergency contact")
        ESCORT = "escort", _("escort home")
        BOTH = "both", _("emergency contact and escort")
        OTHER = "other", _("other")

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
        return self.kind in {self.Kind.ESCORT, self.Kind.BOTH}
