"""Who sent a patient: the clinician outside to whom letters of thanks, questions and summaries go."""

import pghistory
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from phonenumber_field.modelfields import PhoneNumberField

from clinic.models import Record

from .patients import Patient


class ReferringClinicianQuerySet(models.QuerySet["ReferringClinician"]):
    def current(self) -> "ReferringClinicianQuerySet":
        return self.filter(ended_at=None)


@pghistory.track()
class ReferringClinician(Record):
    """The clinician who sent the patient, one at a time; each change is kept by the database."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(_("name"), max_length=120)
    practice = models.CharField(_("practice"), max_length=120, blank=True)
    phone = PhoneNumberField(_("phone"), blank=True)
    fax = PhoneNumberField(_("fax"), blank=True)
    email = models.EmailField(_("e-mail"), max_length=254, blank=True)
    # National Provider Identifier: ten digits of which the last checks the others.
    npi = models.CharField(_("NPI"), max_length=10, blank=True)
    licence = models.CharField(_("licence"), max_length=40, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = ReferringClinicianQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint("patient", condition=Q(ended_at=None), name="referring_clinician_one_at_a_time")
        ]

    def __str__(self) -> str:
        return self.name
