"""Screening flags as they stand, and the decision whether a person may be treated: domain.md 1.3 to 1.6."""

from datetime import date, datetime

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from clinic.access import Permission
from clinic.models import PolicyVersion, Record, Signature, User
from patients.models import Patient
from patients.models.consents import Route


class ScreeningFlagQuerySet(models.QuerySet["ScreeningFlag"]):
    def live(self) -> "ScreeningFlagQuerySet":
        """Return the flags whose facts still stand: open, or decided."""
        return self.filter(status__in=["open", "overridden"])

    def open(self) -> "ScreeningFlagQuerySet":
        return self.filter(status="open")


class ScreeningFlag(Record):
    """One flag of one patient while its facts stand. What raised it is fixed; what was decided about it is beside it."""

    class Status(models.TextChoices):
        OPEN = "open", _("open")
        OVERRIDDEN = "overridden", _("decided: may go ahead")
        ACKNOWLEDGED = "acknowledged", _("seen")
        RESOLVED = "resolved", _("resolved")
        EXPIRED = "expired", _("ran out")

    class Severity(models.TextChoices):
        BLOCK = "block", _("stops a dose")
        OVERRIDE = "override", _("needs a decision")
        INFO = "info", _("to know")

    class Finding(models.TextChoices):
        FOUND = "found", _("found")
        MISSING = "missing", _("not asked, or too old")
        UNREAD = "unread", _("not recognised: check")

    class Reason(models.TextChoices):
        """Why a prescriber goes ahead: a code beside the words."""

        SPECIALIST_CLEARED = "specialist_cleared", _("a specialist has cleared it")
        STABLE_AND_TREATED = "stable_and_treated", _("stable and treated")
        BENEFIT_OUTWEIGHS = "benefit_outweighs", _("the benefit outweighs the risk")
        MONITORED = "monitored", _("watched more closely")
        DOSE_ADJUSTED = "dose_adjusted", _("dose adjusted")
        OTHER = "other", _("another reason")

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    # What tells it from the others of one patient, and stays while its facts do (assessments.screening.Flag.key).
    key = models.CharField(max_length=400)
    code = models.CharField(_("rule"), max_length=24)
    rule_version = models.PositiveIntegerField()
    rule_set_version = models.CharField(max_length=12)
    medicines_version = models.CharField(max_length=64)
    policy = models.ForeignKey(PolicyVersion, on_delete=models.PROTECT, related_name="+")
    severity = models.CharField(_("weight"), max_length=10, choices=Severity)
    finding = models.CharField(max_length=8, choices=Finding)
    binds = models.CharField(max_length=10)
    # The fact that raised it: "<table>:<id>", "" when it is a fact's absence.
    trigger = models.CharField(max_length=80, blank=True)
    # The whole flag as the rule gave it, so that its sentence can be told as it was.
    data = models.JSONField()
    raised_at = models.DateTimeField()
    status = models.CharField(_("state"), max_length=12, choices=Status, default=Status.OPEN)
    reason_code = models.CharField(_("reason"), max_length=20, choices=Reason, blank=True)
    reason_text = models.TextField(_("in your words"), max_length=2000, blank=True)
    plan_text = models.TextField(_("plan"), max_length=2000, blank=True)
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    # The last day on which the decision holds.
    expires_on = models.DateField(null=True, blank=True)
    signature = models.OneToOneField(Signature, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    objects = ScreeningFlagQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "patient", "key", condition=Q(status__in=["open", "overridden", "acknowledged"]), name="flag_live_once"
            ),
            models.CheckConstraint(
                condition=~Q(status="overridden")
                | (
                    Q(decided_by__isnull=False, decided_at__isnull=False, expires_on__isnull=False, signature__isnull=False)
                    & ~Q(reason_code="") & ~Q(reason_text="")
                ),
                name="flag_override_is_complete",
            ),
            # Only what a prescriber may decide is ever decided.
            models.CheckConstraint(
                condition=~Q(status="overridden") | Q(severity="override", finding="found"), name="flag_block_never_overridden"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["open", "overridden", "acknowledged"], settled_at=None)
                | Q(status__in=["resolved", "expired"], settled_at__isnull=False),
                name="flag_settled_has_time",
            ),
        ]  # fmt: skip
        indexes = [
            # Serves the review, the chart's strip and every gate: what stands for a patient.
            models.Index(
                fields=["patient", "severity"], condition=Q(status__in=["open", "overridden", "acknowledged"]),
                name="flag_live_by_patient",
            ),
            # Serves beat: decisions that run out.
            models.Index(fields=["expires_on"], condition=Q(status="overridden"), name="flag_override_by_expiry"),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.code} {self.status}"


class ClearanceQuerySet(models.QuerySet["Clearance"]):
    def visible_to(self, user: User, permission: Permission, now: datetime) -> "ClearanceQuerySet":
        return self.filter(patient__in=Patient.objects.visible_to(user, permission, now))

    def in_force(self, today: date) -> "ClearanceQuerySet":
        """Return the clearances that hold on a day of the clinic. Whether a dose may be given asks more (the gate)."""
        return self.filter(status__in=Clearance.CLEARED, expires_on__gte=today)


class Clearance(Record):
    """The question whether one patient may be treated, from the invitation to the answer and what became of it."""

    class Status(models.TextChoices):
        INVITED = "invited", _("invited")
        PACKET_IN_PROGRESS = "packet_in_progress", _("packet begun")
        PACKET_SUBMITTED = "packet_submitted", _("packet handed in")
        CLINICIAN_REVIEW = "clinician_review", _("under review")
        MORE_INFO_REQUESTED = "more_info_requested", _("more information asked for")
        MEDICAL_CLEARANCE_PENDING = "medical_clearance_pending", _("waiting for a medical clearance")
        CLEARED = "cleared", _("cleared")
        CLEARED_WITH_CONDITIONS = "cleared_with_conditions", _("cleared with conditions")
        SUSPENDED = "suspended", _("suspended")
        DEFERRED = "deferred", _("deferred")
        DECLINED = "declined", _("declined")
        REFERRED_OUT = "referred_out", _("referred elsewhere")
        WITHDRAWN_BY_PATIENT = "withdrawn_by_patient", _("withdrawn by the patient")
        EXPIRED = "expired", _("ran out")

    CLEARED = (Status.CLEARED, Status.CLEARED_WITH_CONDITIONS)
    UNDECIDED = (
        Status.INVITED, Status.PACKET_IN_PROGRESS, Status.PACKET_SUBMITTED, Status.CLINICIAN_REVIEW,
        Status.MORE_INFO_REQUESTED, Status.MEDICAL_CLEARANCE_PENDING, Status.DEFERRED,
    )  # fmt: skip

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    status = models.CharField(_("state"), max_length=28, choices=Status, default=Status.INVITED)
    since = models.DateTimeField()
    opened_at = models.DateTimeField()
    opened_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    # What was decided. Nothing of it has a default.
    route = models.CharField(_("route"), max_length=4, choices=Route, blank=True)
    max_mg = models.PositiveIntegerField(_("at most, in mg"), null=True, blank=True)
    max_sessions = models.PositiveIntegerField(_("at most, in sessions"), null=True, blank=True)
    conditions = models.TextField(_("conditions"), max_length=2000, blank=True)
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    # The last day on which it holds; of a deferred one the day on which it is looked at again.
    expires_on = models.DateField(_("until"), null=True, blank=True)
    signature = models.OneToOneField(Signature, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    # Raised by every move, so that the second of two who decide is told.
    version = models.PositiveIntegerField(default=1)

    objects = ClearanceQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "patient", "route", condition=Q(status__in=["cleared", "cleared_with_conditions", "suspended"]),
                name="clearance_one_a_route",
            ),
            models.UniqueConstraint(
                "patient",
                condition=Q(
                    status__in=[
                        "invited", "packet_in_progress", "packet_submitted", "clinician_review", "more_info_requested",
                        "medical_clearance_pending", "deferred",
                    ]
                ),
                name="clearance_one_undecided",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["cleared", "cleared_with_conditions"])
                | (
                    Q(max_mg__isnull=False, max_sessions__isnull=False, decided_by__isnull=False, decided_at__isnull=False)
                    & Q(expires_on__isnull=False, signature__isnull=False) & ~Q(route="")
                ),
                name="clearance_says_what_is_cleared",
            ),
            models.CheckConstraint(
                condition=~Q(status="cleared_with_conditions") | ~Q(conditions=""), name="clearance_conditions_are_said"
            ),
        ]  # fmt: skip
        indexes = [
            models.Index(fields=["patient", "-opened_at"], name="clearance_by_patient"),
            # Serves the prescriber's list of what waits for a decision.
            models.Index(
                fields=["since"], condition=Q(status__in=["packet_submitted", "clinician_review", "suspended"]),
                name="clearance_to_decide",
            ),
            # Serves beat: what runs out.
            models.Index(
                fields=["expires_on"], condition=Q(status__in=["cleared", "cleared_with_conditions", "suspended"]),
                name="clearance_by_expiry",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.status


class ClearanceMove(Record):
    """One step of a clearance, by whom and why. Append-only."""

    # Rows are added and never changed: clinic/grants.py and a trigger.
    is_append_only = True

    class Cause(models.TextChoices):
        PERSON = "person", _("somebody decided")
        PACKET = "packet", _("the packet")
        NEW_BLOCK = "new_block", _("a new fact that stops a dose")
        RAN_OUT = "ran_out", _("its time ran out")

    clearance = models.ForeignKey(Clearance, on_delete=models.PROTECT, related_name="+")
    from_status = models.CharField(max_length=28, choices=Clearance.Status, blank=True)
    to_status = models.CharField(max_length=28, choices=Clearance.Status)
    cause = models.CharField(max_length=10, choices=Cause)
    reason = models.TextField(_("why"), max_length=2000, blank=True)
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["clearance", "at"], name="clearance_move_by_clearance")]

    def __str__(self) -> str:
        return f"{self.from_status} {self.to_status}"
