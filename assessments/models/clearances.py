"""Screening flags as they stand, and the decision whether a person may be treated: domain.md 1.3 to 1.6."""

from collections.abc import Iterable
from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from assessments import flagdata, screening
from clinic.access import Permission
from clinic.models import PolicyVersion, Record, Signature, User
from patients.models import Patient
from patients.models.consents import Route


class ScreeningFlagQuerySet(models.QuerySet["ScreeningFlag"]):
    def live(self) -> "ScreeningFlagQuerySet":
        """Return the flags whose facts still stand: open, decided or seen."""
        return self.filter(status__in=["open", "overridden", "acknowledged"])

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
    # One signature may stand under several decisions that were made together and read in one text (docs/decisions/0027).
    signature = models.ForeignKey(Signature, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    # The exact words that were signed, when it was decided alone; else they are with the clearance's move.
    content = models.TextField(blank=True)
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

    @property
    def flag(self) -> screening.Flag:
        """Return the flag as the rule gave it. Its ``sentence`` and ``what_lifts`` are in the reader's language."""
        # A page asks each row nine times, to sort, to count and to tell; other data is read anew.
        read: tuple[flagdata.Data, screening.Flag] | None = self.__dict__.get("_read")
        if read is None or read[0] is not self.data:
            read = self.__dict__["_read"] = (self.data, flagdata.flag_of(self.data))
        return read[1]


class Screening(Record):
    """When a patient was last screened, and by what: also of somebody against whom nothing was found. One row a patient."""

    patient = models.OneToOneField(Patient, on_delete=models.PROTECT, related_name="+")
    screened_at = models.DateTimeField()
    policy = models.ForeignKey(PolicyVersion, on_delete=models.PROTECT, related_name="+")
    rule_set_version = models.CharField(max_length=12)
    medicines_version = models.CharField(max_length=64)

    class Meta:
        # Serves beat: whom nobody has screened today.
        indexes = [models.Index(fields=["screened_at"], name="screening_by_time")]

    def __str__(self) -> str:
        return f"screened {self.screened_at:%Y-%m-%d}"


class ClearanceQuerySet(models.QuerySet["Clearance"]):
    def visible_to(self, user: User, permission: Permission, now: datetime) -> "ClearanceQuerySet":
        return self.filter(patient__in=Patient.objects.visible_to(user, permission, now))

    def live(self) -> "ClearanceQuerySet":
        """Return those that are asked, cleared or suspended: what has not ended."""
        return self.filter(status__in=Clearance.LIVE)

    def to_decide(self) -> "ClearanceQuerySet":
        """Return those that wait for a prescriber."""
        return self.filter(status__in=Clearance.TO_DECIDE)


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
    # What has not ended: one of these a patient and route, and one whose route nobody has said yet.
    LIVE = (*UNDECIDED, *CLEARED, Status.SUSPENDED)
    # What a prescriber has to look at now.
    TO_DECIDE = (Status.PACKET_SUBMITTED, Status.CLINICIAN_REVIEW, Status.SUSPENDED)
    # What a prescriber may decide. Every decision is taken in review.
    OUTCOMES = (
        Status.CLEARED, Status.CLEARED_WITH_CONDITIONS, Status.MORE_INFO_REQUESTED, Status.MEDICAL_CLEARANCE_PENDING,
        Status.DEFERRED, Status.DECLINED, Status.REFERRED_OUT,
    )  # fmt: skip
    # A no to the whole question: what stands for any route ends with it.
    REFUSALS = (Status.DEFERRED, Status.DECLINED, Status.REFERRED_OUT)
    # domain.md 1.6, with three readings of ours (docs/decisions/0027): flags are computed in the transaction that hands the packet
    # in, a review may begin without a packet, and a clearance may be replaced by a newer one, which ends it as its time would.
    # A trigger holds the same table (migration 0002); a test compares the two.
    MOVES: dict[str, frozenset[str]] = {
        Status.INVITED: frozenset(
            {Status.PACKET_IN_PROGRESS, Status.PACKET_SUBMITTED, Status.CLINICIAN_REVIEW, Status.WITHDRAWN_BY_PATIENT}
        ),
        Status.PACKET_IN_PROGRESS: frozenset(
            {Status.PACKET_SUBMITTED, Status.CLINICIAN_REVIEW, Status.WITHDRAWN_BY_PATIENT}
        ),
        Status.PACKET_SUBMITTED: frozenset({Status.CLINICIAN_REVIEW, Status.WITHDRAWN_BY_PATIENT}),
        Status.CLINICIAN_REVIEW: frozenset({*OUTCOMES, Status.WITHDRAWN_BY_PATIENT}),
        Status.MORE_INFO_REQUESTED: frozenset(
            {Status.PACKET_SUBMITTED, Status.CLINICIAN_REVIEW, Status.WITHDRAWN_BY_PATIENT}
        ),
        Status.MEDICAL_CLEARANCE_PENDING: frozenset({Status.CLINICIAN_REVIEW, Status.WITHDRAWN_BY_PATIENT}),
        Status.DEFERRED: frozenset({Status.CLINICIAN_REVIEW, Status.WITHDRAWN_BY_PATIENT}),
        Status.CLEARED: frozenset({Status.SUSPENDED, Status.EXPIRED, Status.WITHDRAWN_BY_PATIENT}),
        Status.CLEARED_WITH_CONDITIONS: frozenset({Status.SUSPENDED, Status.EXPIRED, Status.WITHDRAWN_BY_PATIENT}),
        Status.SUSPENDED: frozenset({Status.CLINICIAN_REVIEW, Status.EXPIRED, Status.WITHDRAWN_BY_PATIENT}),
        Status.DECLINED: frozenset(),
        Status.REFERRED_OUT: frozenset(),
        Status.WITHDRAWN_BY_PATIENT: frozenset(),
        Status.EXPIRED: frozenset(),
    }

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
            # One question, or one answer that counts, a route; "" is a route that nobody has said yet.
            models.UniqueConstraint(
                "patient", "route",
                condition=Q(
                    status__in=[
                        "invited", "packet_in_progress", "packet_submitted", "clinician_review", "more_info_requested",
                        "medical_clearance_pending", "deferred", "cleared", "cleared_with_conditions", "suspended",
                    ]
                ),
                name="clearance_one_a_route",
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
            models.CheckConstraint(
                condition=~Q(status="deferred") | Q(expires_on__isnull=False), name="clearance_deferred_has_a_day"
            ),
            models.CheckConstraint(condition=Q(max_mg=None) | Q(max_mg__gt=0), name="clearance_some_mg"),
            models.CheckConstraint(condition=Q(max_sessions=None) | Q(max_sessions__gt=0), name="clearance_some_sessions"),
        ]  # fmt: skip
        indexes = [
            models.Index(fields=["patient", "-opened_at"], name="clearance_by_patient"),
            # Serves the prescriber's list of what waits for a decision.
            models.Index(
                fields=["since", "id"], condition=Q(status__in=["packet_submitted", "clinician_review", "suspended"]),
                name="clearance_to_decide",
            ),
            # Serves beat: what runs out, and what is looked at again.
            models.Index(
                fields=["expires_on"],
                condition=Q(status__in=["cleared", "cleared_with_conditions", "suspended", "deferred"]),
                name="clearance_by_expiry",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.status

    @property
    def is_live(self) -> bool:
        return self.status in self.LIVE

    @property
    def is_cleared(self) -> bool:
        return self.status in self.CLEARED

    @property
    def is_suspended(self) -> bool:
        return self.status == self.Status.SUSPENDED

    @property
    def is_to_decide(self) -> bool:
        return self.status in self.TO_DECIDE

    @property
    def may_be_decided(self) -> bool:
        """Return whether a prescriber may decide it now: it is in review, or may be taken into review."""
        return self.status == self.Status.CLINICIAN_REVIEW or self.Status.CLINICIAN_REVIEW in self.MOVES[self.status]

    def would_end(self, live: "Iterable[Clearance]") -> "list[Clearance]":
        """Return which of a patient's live clearances a no to this one ends: all that stand, unless it is about one route alone."""
        if self.route:
            return []
        return [one for one in live if one.pk != self.pk and (one.is_cleared or one.is_suspended)]

    @property
    def colour(self) -> str:
        """Return the tone of its chip: green, amber or red, and neutral for what has ended without a no."""
        return COLOURS[self.Status(self.status)]

    @property
    def desk_words(self) -> str:
        """Return all that the desk may know of it (domain.md 9.3): a colour in words, and never why."""
        return str(DESK_WORDS[self.colour])

    @property
    def patient_words(self) -> str:
        """Return what the patient may know of it: neutral, never a rule, a reason or a no that nobody has told them."""
        return str(PATIENT_WORDS[self.Status(self.status)])


_S = Clearance.Status
COLOURS: dict[str, str] = {
    _S.INVITED: "amber", _S.PACKET_IN_PROGRESS: "amber", _S.PACKET_SUBMITTED: "amber", _S.CLINICIAN_REVIEW: "amber",
    _S.MORE_INFO_REQUESTED: "amber", _S.MEDICAL_CLEARANCE_PENDING: "amber", _S.DEFERRED: "amber",
    _S.CLEARED: "green", _S.CLEARED_WITH_CONDITIONS: "green", _S.SUSPENDED: "red", _S.DECLINED: "red", _S.REFERRED_OUT: "red",
    _S.WITHDRAWN_BY_PATIENT: "neutral", _S.EXPIRED: "neutral",
}  # fmt: skip
DESK_WORDS = {
    "green": _("cleared"), "amber": _("not decided yet"), "red": _("not cleared"), "neutral": _("no clearance now"),
}  # fmt: skip
_WE_CALL = _("We will call you.")
_UNDER_REVIEW = _("Under review.")
_YOUR_TURN = _("Waiting for your answers.")
PATIENT_WORDS = {
    _S.INVITED: _YOUR_TURN, _S.PACKET_IN_PROGRESS: _YOUR_TURN,
    _S.PACKET_SUBMITTED: _UNDER_REVIEW, _S.CLINICIAN_REVIEW: _UNDER_REVIEW, _S.MEDICAL_CLEARANCE_PENDING: _UNDER_REVIEW,
    _S.MORE_INFO_REQUESTED: _WE_CALL, _S.DEFERRED: _WE_CALL, _S.DECLINED: _WE_CALL, _S.REFERRED_OUT: _WE_CALL,
    # A call is promised where somebody has it on their list (assessments.actions.reviews); these are reviewed again.
    _S.SUSPENDED: _UNDER_REVIEW, _S.EXPIRED: _("Your review has run out. Before the next dose we look at everything again."),
    _S.CLEARED: _("Reviewed. Your team plans the next step with you."),
    _S.CLEARED_WITH_CONDITIONS: _("Reviewed. Your team plans the next step with you."),
    _S.WITHDRAWN_BY_PATIENT: _("You asked us to stop here."),
}  # fmt: skip


class ClearanceMove(Record):
    """One step of a clearance, by whom and why. Append-only."""

    # Rows are added and never changed: clinic/grants.py and a trigger.
    is_append_only = True

    class Cause(models.TextChoices):
        PERSON = "person", _("somebody decided")
        PACKET = "packet", _("the packet")
        NEW_BLOCK = "new_block", _("a new fact that stops a dose")
        RAN_OUT = "ran_out", _("its time ran out")
        MERGE = "merge", _("two records were merged, or taken apart again")

    clearance = models.ForeignKey(Clearance, on_delete=models.PROTECT, related_name="+")
    from_status = models.CharField(max_length=28, choices=Clearance.Status, blank=True)
    to_status = models.CharField(max_length=28, choices=Clearance.Status)
    cause = models.CharField(max_length=10, choices=Cause)
    reason = models.TextField(_("why"), max_length=2000, blank=True)
    # The fact that suspended it.
    flag = models.ForeignKey(ScreeningFlag, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    # The exact words that were signed when somebody decided: their SHA-256 is in the signature.
    content = models.TextField(blank=True)
    signature = models.ForeignKey(Signature, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["clearance", "at"], name="clearance_move_by_clearance")]
        constraints = [
            models.CheckConstraint(
                condition=Q(signature=None, content="") | (Q(signature__isnull=False) & ~Q(content="")),
                name="clearance_move_signed_has_words",
            ),
            models.CheckConstraint(
                condition=~Q(cause="new_block") | Q(flag__isnull=False), name="clearance_move_block_names_its_flag"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.from_status} {self.to_status}"
