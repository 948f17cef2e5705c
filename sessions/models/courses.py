"""Courses: a series of doses with the talks after them, booked together."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from clinic.models import Location, Record, User
from patients.models import Patient


class Course(Record):
    """What was booked at once; its visits name it and are moved and cancelled one by one."""

    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    doses = models.PositiveSmallIntegerField(_("doses"))
    booked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    booked_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(doses__gt=0), name="course_has_a_dose")]
        indexes = [
            # Serves the courses of one patient.
            models.Index(fields=["patient", "-booked_at"], name="course_by_patient")
        ]

    def __str__(self) -> str:
        return str(self.pk)
