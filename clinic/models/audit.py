"""What happened, who did it and who looked: append-only rows and the seals over them.

Rows copy the ids of what they speak about instead of pointing at it, so that they outlive it. They hold ids and codes
and never a sentence about a patient. Triggers in the migrations and the rights of the application's database role keep
them as they were written.
"""

from django.contrib.postgres.indexes import BrinIndex, GinIndex, OpClass
from django.db import models
from django.db.models.fields.json import KeyTransform
from django.utils.translation import gettext_lazy as _

from .record import new_id


class Outcome(models.TextChoices):
    DONE = "done", _("done")
    REFUSED = "refused", _("refused")


class AuditEvent(models.Model):
    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    # Nobody: a stranger on a public page, or the system before anybody signed in.
    actor_id = models.UUIDField(null=True)
    acting_role = models.CharField(max_length=16, blank=True)
    verb = models.CharField(max_length=40)
    subject_type = models.CharField(max_length=40)
    subject_id = models.UUIDField(null=True)
    patient_id = models.UUIDField(null=True)
    location_id = models.UUIDField(null=True)
    outcome = models.CharField(max_length=8, choices=Outcome, default=Outcome.DONE)
    # Codes, ids, counts, field names. No narrative, no values a person could be known by.
    details = models.JSONField(default=dict)
    page = models.CharField(max_length=80, blank=True)
    request_id = models.CharField(max_length=40, blank=True)
    session_hash = models.CharField(max_length=16, blank=True)
    address = models.GenericIPAddressField(null=True)
    device_id = models.UUIDField(null=True)

    class Meta:
        indexes = [
            # Serves the audit page: newest first, and one patient's or one actor's rows.
            models.Index(fields=["patient_id", "-id"], name="audit_by_patient"),
            models.Index(fields=["actor_id", "-id"], name="audit_by_actor"),
            models.Index(fields=["subject_id", "-id"], name="audit_by_subject"),
            models.Index(fields=["verb", "-id"], name="audit_by_verb"),
            # Serves one day's rows; rows come in order of time, so a block range index is small and free to keep.
            BrinIndex(fields=["at"], name="audit_by_moment", autosummarize=True),
            # Serves "who saw this patient": the lists on which somebody was shown, by the ids in them.
            GinIndex(
                OpClass(KeyTransform("patients", "details"), name="jsonb_path_ops"),
                name="audit_by_listed_patient",
                condition=models.Q(verb="list.read"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.subject_type}"


class AuditSeal(models.Model):
    """An HMAC over a run of audit rows and the seal before it; also written to the anchor file outside the database.

    ``first_event`` to ``last_event`` is the whole run of ids that is sealed, with those that no row ever got.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    number = models.PositiveIntegerField(unique=True)
    # How rows are put into bytes (clinic/seals.py), and which key made the mac: both may change in a decade.
    form = models.PositiveSmallIntegerField()
    key_id = models.CharField(max_length=16)
    first_event = models.BigIntegerField()
    last_event = models.BigIntegerField(unique=True)
    event_count = models.PositiveIntegerField()
    mac = models.CharField(max_length=64)
    sealed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(last_event__gte=models.F("first_event")), name="seal_ends_after_it_begins"
            )
        ]

    def __str__(self) -> str:
        return f"seal {self.number}"
