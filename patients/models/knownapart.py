"""Two people who seem alike and are not the same: said once, by whom, so that nobody is asked again or merges them unwarned."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from clinic.models import Record, User

from .patients import Patient


class KnownApartQuerySet(models.QuerySet["KnownApart"]):
    def between(self, one: Patient, other: Patient) -> "KnownApartQuerySet":
        return self.filter(Q(patient=one, other=other) | Q(patient=other, other=one))


class KnownApart(Record):
    """Whoever registered ``patient`` was shown ``other`` and said that they are two people."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    other = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    said_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    said_at = models.DateTimeField()
    # What the two had in common then, as duplicates.Evidence names it.
    shared = ArrayField(models.CharField(max_length=20), default=list, blank=True)

    objects = KnownApartQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint("patient", "other", name="known_apart_once"),
            models.CheckConstraint(condition=~Q(patient=F("other")), name="known_apart_are_two"),
        ]

    def __str__(self) -> str:
        return str(self.pk)
