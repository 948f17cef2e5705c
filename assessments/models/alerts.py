"""Risk alerts: somebody's answer worries us, and a person answers for what happens next.

An alert is made in the transaction of the answer. Calling people is the work of clinic/pages. It is closed by a licensed
clinician's disposition and by nothing else (domain.md 6.5).
"""

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from clinic.models import Location, Record, Signature, User
from patients.models import Patient

from .responses import AssessmentResponse


class RiskAlertQuerySet(models.QuerySet["RiskAlert"]):
    def open(self) -> "RiskAlertQuerySet":
        return self.filter(closed_at=None)

    def overdue(self, now: datetime) -> "RiskAlertQuerySet":
        return self.open().filter(contacted_at=None, contact_by__lt=now)


class RiskAlert(Record):
    """One alarming response, with its tier and its clocks."""

    class Tier(models.TextChoices):
        RED = "red", _("red")
        ORANGE = "orange", _("orange")
        YELLOW = "yellow", _("yellow")

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    # The place that answers for it, fixed when it was raised.
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    response = models.OneToOneField(
        AssessmentResponse, on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )
    tier = models.CharField(_("tier"), max_length=8, choices=Tier)
    # [{"tier", "trigger", "item", "value"}]: what raised it, most urgent first.
    signals = models.JSONField()
    raised_at = models.DateTimeField()
    # By when somebody answers the page, and by when somebody has spoken to the patient.
    acknowledge_by = models.DateTimeField(null=True, blank=True)
    contact_by = models.DateTimeField()
    contacted_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = RiskAlertQuerySet.as_manager()

    class Meta:
        indexes = [
            # Serves the list and the banner: what is open at a place.
            models.Index(fields=["location", "contact_by"], condition=Q(closed_at=None), name="alert_open_by_location"),
            models.Index(fields=["patient", "-raised_at"], name="alert_by_patient"),
            # Serves beat: whom nobody has reached in time.
            models.Index(
                fields=["contact_by"], condition=Q(closed_at=None, contacted_at=None), name="alert_not_contacted"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tier} {self.raised_at:%Y-%m-%d %H:%M}"


class ContactAttempt(Record):
    """One attempt to reach the patient, or somebody for them, because of an alert. Append-only."""

    # Rows are added and never changed: clinic/grants.py and a trigger.
    is_append_only = True

    class Whom(models.TextChoices):
        PATIENT = "patient", _("the patient")
        EMERGENCY_CONTACT = "emergency_contact", _("their emergency contact")
        EMERGENCY_SERVICES = "emergency_services", _("emergency services")
        COLLEAGUE = "colleague", _("a colleague")

    class Result(models.TextChoices):
        SPOKE = "spoke", _("spoke with them")
        NO_ANSWER = "no_answer", _("no answer")
        LEFT_WORD = "left_word", _("left word to call back")
        REFUSED = "refused", _("did not want to talk")
        SENT = "sent", _("help is on its way")

    alert = models.ForeignKey(RiskAlert, on_delete=models.PROTECT, related_name="+")
    whom = models.CharField(_("whom"), max_length=20, choices=Whom)
    result = models.CharField(_("what came of it"), max_length=12, choices=Result)
    note = models.TextField(_("in your words"), max_length=2000, blank=True)
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(_("when"))
    recorded_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["alert", "at"], name="contact_attempt_by_alert")]

    def __str__(self) -> str:
        return f"{self.whom} {self.result}"


class Disposition(Record):
    """What a licensed clinician decided about an alert. Append-only; the first one closes it."""

    # Rows are added and never changed: clinic/grants.py and a trigger.
    is_append_only = True

    class Level(models.TextChoices):
        NONE = "none", _("no risk found")
        LOW = "low", _("low")
        MODERATE = "moderate", _("moderate")
        HIGH = "high", _("high")

    class Outcome(models.TextChoices):
        SAFE_AT_HOME = "safe_at_home", _("stays at home, with a plan")
        SEEN_SOON = "seen_soon", _("seen here within days")
        WITH_SOMEBODY = "with_somebody", _("in the care of somebody named")
        EMERGENCY_CARE = "emergency_care", _("taken to emergency care")
        WELFARE_CHECK = "welfare_check", _("welfare check asked for")
        ENTERED_IN_ERROR = "entered_in_error", _("the answer was a mistake")
        NOT_REACHED = "not_reached", _("could not be reached; handed on")

    alert = models.ForeignKey(RiskAlert, on_delete=models.PROTECT, related_name="+")
    level = models.CharField(_("level of risk"), max_length=10, choices=Level)
    outcome = models.CharField(_("what happens now"), max_length=20, choices=Outcome)
    rationale = models.TextField(_("why"), max_length=4000)
    means = models.TextField(_("access to means"), max_length=2000, blank=True)
    consulted = models.TextField(_("who was asked"), max_length=1000, blank=True)
    plan = models.TextField(_("plan"), max_length=4000, blank=True)
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    signature = models.OneToOneField(Signature, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(rationale=""), name="disposition_says_why")]
        indexes = [models.Index(fields=["alert", "at"], name="disposition_by_alert")]

    def __str__(self) -> str:
        return f"{self.level} {self.outcome}"


class SafetyPlan(Record):
    """A safety plan under six headings of our own. A change is a new row with the next number."""

    # Rows are added and never changed: clinic/grants.py and a trigger.
    is_append_only = True

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    number = models.PositiveIntegerField(_("number"))
    signs = models.TextField(_("How I notice that it is getting worse"), max_length=2000, blank=True)
    alone = models.TextField(_("What I can do by myself"), max_length=2000, blank=True)
    places = models.TextField(_("People and places that take my mind off it"), max_length=2000, blank=True)
    people = models.TextField(_("Whom I can ask for help"), max_length=2000, blank=True)
    professionals = models.TextField(_("Professionals and lines I can call"), max_length=2000, blank=True)
    surroundings = models.TextField(_("How I make my surroundings safer"), max_length=2000, blank=True)
    written_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    written_at = models.DateTimeField()
    # Whether the patient was there when it was written.
    with_patient = models.BooleanField(_("written together with the patient"))

    class Meta:
        constraints = [models.UniqueConstraint("patient", "number", name="safety_plan_number_once")]

    def __str__(self) -> str:
        return f"safety plan {self.number}"
